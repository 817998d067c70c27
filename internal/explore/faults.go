package explore

import (
	"fmt"

	"calloutsim/internal/ke"
)

// Faults numbers the runs in which exactly one thing fails that went well in the boring run, and then those
// in which a second one fails behind the first; everything else is boring (scheduling.md 9.5). Run 1 is the
// boring run, run 1+i lets the i-th occurrence of a fault site fail, and the pairs follow, ordered by their
// first fault and then by their second.
//
// How many there are shows in the runs themselves: the single faults in the boring run, the pairs of a first
// fault in its run. Learn takes up what a run has shown; what shows is the same whoever makes the run, so one
// Faults serves all workers. The nil Faults plans nothing.
type Faults struct {
	pairs  bool
	none   bool // nothing may fail: only the boring run is left
	share  int  // at most so many single faults, spread evenly, before other runs; 0: all, nothing behind
	known  bool
	single int    // occurrences in the boring run
	behind []int  // by single fault: occurrences behind it in its run, -1 while not known
	judged [3]int // boring runs, single faults, pairs
}

// newFaults plans all single faults, and all pairs if pairs is set, and nothing else.
func newFaults(pairs bool) *Faults { return &Faults{pairs: pairs} }

// FaultsBefore plans the single faults before other runs: all of them, or share of them when there are more.
func FaultsBefore(share int) *Faults {
	if share <= 0 {
		return nil
	}
	return &Faults{share: share}
}

// Answer says what is known about a run.
type Answer int

// The answers of Source.
const (
	Other   Answer = iota // not one of these runs: somebody else makes its choices
	Planned               // the source makes its choices
	Unknown               // the source makes a run that has to be learnt first
	NoRun                 // there is no such run, and none behind it
)

// Source gives the source of a run from number 2 on. With Unknown it gives that of a run before it, which is
// to be made and learnt; its number is the second result.
func (f *Faults) Source(run uint64) (*Failing, uint64, Answer) {
	if f == nil {
		return nil, 0, Other
	}
	if !f.known {
		return &Failing{first: -1, second: -1}, 1, Unknown
	}
	i := int(run) - 2
	if i < f.singles() {
		return &Failing{first: f.spread(i), second: -1}, run, Planned
	}
	if !f.ends() {
		return nil, 0, Other
	}
	if !f.pairs {
		return nil, 0, NoRun
	}
	return f.pair(i - f.single)
}

// ends reports whether there are no other runs behind these.
func (f *Faults) ends() bool { return f.share == 0 }

// singles is how many single faults are planned.
func (f *Faults) singles() int {
	if f.share > 0 {
		return min(f.single, f.share)
	}
	return f.single
}

// spread is the occurrence of the i-th single fault planned.
func (f *Faults) spread(i int) int { return i * f.single / f.singles() }

// pair finds the i-th pair, or the first single fault that has to be known for that.
func (f *Faults) pair(i int) (*Failing, uint64, Answer) {
	for first, n := range f.behind {
		if n < 0 {
			return &Failing{first: first, second: -1}, uint64(first) + 2, Unknown
		}
		if i < n {
			return &Failing{first: first, second: first + 1 + i}, 0, Planned
		}
		i -= n
	}
	return nil, 0, NoRun
}

// Learn takes up the choices of a run that has been made.
func (f *Faults) Learn(run uint64, choices []ke.Choice) {
	if f == nil {
		return
	}
	switch i := int(run) - 2; {
	case run == 1 && !f.known:
		if f.known = true; !f.none {
			f.single = occurrences(choices)
		}
		f.behind = make([]int, f.single)
		for i := range f.behind {
			f.behind[i] = -1
		}
	case f.known && f.ends() && i >= 0 && i < f.single:
		f.behind[i] = max(occurrences(choices)-i-1, 0)
	}
}

// Judged notes that a run has been judged, for Covered.
func (f *Faults) Judged(run uint64) {
	switch {
	case f == nil:
	case run == 1:
		f.judged[0]++
	case int(run)-2 < f.singles():
		f.judged[1]++
	default:
		f.judged[2]++
	}
}

// Covered says what of the plan has been judged, and whether that is all of it; why says what to blame when
// it is not.
func (f *Faults) Covered(why string) (what string, complete bool) {
	if f == nil || !f.known {
		return "", false
	}
	if f.none {
		return "complete: no faults, as was asked for", f.judged[0] == 1
	}
	total := 0
	whole := true
	for _, n := range f.behind {
		total += max(n, 0)
		whole = whole && (n >= 0 || !f.pairs)
	}
	what = amount(f.judged[1], f.single, "single fault", true)
	complete = f.judged[1] == f.single && f.judged[0] == 1
	if f.pairs {
		what += " and " + amount(f.judged[2], total, "pair", whole)
		complete = complete && whole && f.judged[2] == total
	}
	if !complete {
		return "incomplete (" + why + "): " + what, false
	}
	return "complete: " + what, true
}

// amount words n of total things; whole says that total is known.
func amount(n, total int, thing string, whole bool) string {
	if total != 1 {
		thing += "s"
	}
	switch {
	case whole && n == total && total == 1:
		return "the only " + thing
	case !whole:
		return fmt.Sprintf("%d %s of at least %d", n, thing, total)
	case n == total:
		return fmt.Sprintf("all %d %s", total, thing)
	}
	return fmt.Sprintf("%d of %d %s", n, total, thing)
}

// occurrences counts the ways to fail that came up: one for each question, or more where something can fail
// in several ways.
func occurrences(choices []ke.Choice) int {
	n := 0
	for i := range choices {
		if c := &choices[i]; c.Site.Fault() {
			n += int(c.N) - 1
		}
	}
	return n
}

// Failing is the boring run but for one or two faults, which it knows by how many ways to fail came up before
// them.
type Failing struct {
	first, second int // -1 for none
	at            int
}

// Choose fails what is to fail.
func (f *Failing) Choose(s *ke.Site, n int) int {
	if !s.Fault() {
		return 0
	}
	i := f.at
	f.at += n - 1
	for _, fault := range [...]int{f.first, f.second} {
		if fault >= i && fault < f.at {
			return fault - i + 1
		}
	}
	return 0
}
