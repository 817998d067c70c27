package ke

import "math/bits"

// Site is a place where Windows is free, or where something may fail: one question, asked whenever it comes
// up. Sites are package variables beside the code that asks.
type Site struct {
	Name string   // kind/DDI or mechanism/what: "fault/ExAllocatePool2", "env/WskReceive/answer"
	Alts []string // names of the alternatives; nil when they are numbered things (threads, waiters)
	Spec string   // section it rests on
}

// Fault reports whether the site is one where something that may fail does.
func (s *Site) Fault() bool { return len(s.Name) > 6 && s.Name[:6] == "fault/" }

// Alt names alternative i.
func (s *Site) Alt(i int) string {
	if i < len(s.Alts) {
		return s.Alts[i]
	}
	return "#" + itoa(i)
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + string(rune('0'+i%10))
}

// Choice is one answer that was given.
type Choice struct {
	Site   *Site
	N      uint16 // alternatives there were
	Pick   uint16
	Pinned bool
	Driver uint16 // number of the innermost driver in whose call it came up, 0 for none
	Seq    uint64 // events before it
}

// Source answers questions with n >= 2 alternatives; 0 is always the boring one.
type Source interface{ Choose(s *Site, n int) int }

// Boring answers 0 to everything.
type Boring struct{}

// Choose returns 0.
func (Boring) Choose(*Site, int) int { return 0 }

// Random is the random walk. Its numbers are splitmix64, seeded by (master seed, run number) so that run k
// needs no run before it.
type Random struct{ state uint64 }

// NewRandom returns the random walk of one run.
func NewRandom(master, run uint64) *Random {
	r := &Random{}
	r.Seed(master, run)
	return r
}

// Seed makes r the random walk of another run.
func (r *Random) Seed(master, run uint64) {
	r.state = Mix(Mix(master^0x6a09e667f3bcc909) + run*0x9e3779b97f4a7c15)
}

// Mix spreads a hash over all bits; different ones stay different.
func Mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Next returns 64 random bits.
func (r *Random) Next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return Mix(r.state)
}

// faultOdds is one in how many a random walk lets a fallible operation fail: often enough to meet error paths
// in a thousand runs, rarely enough that most runs go through.
const faultOdds = 50

// Choose picks uniformly; faults are rare.
func (r *Random) Choose(s *Site, n int) int {
	v := r.Next()
	if s.Fault() {
		if v%faultOdds != 0 {
			return 0
		}
		v = r.Next()
	}
	hi, _ := bits.Mul64(v, uint64(n))
	return int(hi)
}

// Deviation is one choice that was not the boring one.
type Deviation struct{ Index, Pick int }

// Replay repeats the recorded deviations and answers 0 elsewhere.
type Replay struct {
	Deviations []Deviation // in order of index
	at, index  int
}

// Choose answers from the record; a pick that does not exist any more is taken modulo n.
func (r *Replay) Choose(_ *Site, n int) int {
	i := r.index
	r.index++
	if r.at < len(r.Deviations) && r.Deviations[r.at].Index == i {
		r.at++
		return r.Deviations[r.at-1].Pick % n
	}
	return 0
}

// Bytes takes the choices from a byte string: one byte each, two above 256 alternatives, value mod n, missing
// bytes are 0 (scheduling.md 7.2).
type Bytes struct{ B []byte }

// Choose consumes one or two bytes.
func (b *Bytes) Choose(_ *Site, n int) int {
	v := b.one()
	if n > 256 {
		v = v<<8 | b.one()
	}
	return v % n
}

func (b *Bytes) one() int {
	if len(b.B) == 0 {
		return 0
	}
	v := b.B[0]
	b.B = b.B[1:]
	return int(v)
}

// Pin fixes a site, or all sites whose names match a pattern, to one alternative, given by its number or,
// when Name is not empty, by its name.
type Pin struct {
	Site string // a name, or a pattern in which * stands for anything: "doc/*"
	Alt  int
	Name string
}
