package tcp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"calloutsim/internal/packet"
)

const second = 10_000_000

// kind is what a schedule may do besides delivering segments.
type kind struct {
	overtake bool // segments of one direction change places
	lossy    bool // segments are lost, come twice, and timers fire early
	abort    bool // an owner may break off
	resize   bool // an owner may change its room
	numbers  []uint32
}

// owner is one end with who uses it: it sends the bytes of a text, and holds what it is told to the peer's.
type owner struct {
	name     string
	conn     *Conn // nil before the SYN has come
	config   Config
	text     []byte
	given    int // bytes of text given to Send
	acked    int
	fin      bool // has called Fin
	finDone  bool
	peerFin  bool
	heard    int // bytes told
	toRead   int // bytes told and not released
	slow     int // reads once in so many chances
	room     int // the most it ever gave
	due      int64
	opened   bool
	over     What // Reset or TimedOut
	broke    bool // over counts
	aborted  bool
	arriving []Out // what the peer has sent
	peer     *owner
}

// iss draws the first number of an end: near the end of all numbers, so that they wrap around.
func (k kind) iss(r *rand.Rand) uint32 {
	if k.numbers != nil {
		return k.numbers[r.IntN(len(k.numbers))]
	}
	return -uint32(r.IntN(6000))
}

// pair is two ends and what lies between them.
type pair struct {
	t     *seeded
	r     *rand.Rand
	kind  kind
	now   int64
	ends  [2]*owner
	fired int
	story []string
}

// noise is what texts are parts of.
var noise = func() []byte {
	r := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, 200_000)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

func newPair(t *seeded, seed uint64, k kind) *pair {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &pair{t: t, r: r, kind: k}
	t.pair = p
	rooms := []int{1, 7, 100, 5000, 65535, 65536, 1 << 20}
	room := func() int { return rooms[r.IntN(len(rooms))] }
	for i := range p.ends {
		p.ends[i] = &owner{name: string(rune('A' + i)), slow: 1 + r.IntN(6), config: Config{
			ISS: k.iss(r), Room: room(), MSS: 1460, RTO: 3 * second}}
	}
	for i, o := range p.ends { // a text is not so long that a small window makes thousands of segments of it
		from, n := r.IntN(len(noise)/2), 1+r.IntN(min(20*p.ends[1-i].config.Room, len(noise)/2))
		o.text, o.room = noise[from:from+n], o.config.Room
	}
	p.ends[0].peer, p.ends[1].peer = p.ends[1], p.ends[0]
	var first Result
	p.ends[0].conn, first = Open(p.ends[0].config)
	p.carry(p.ends[0], first)
	return p
}

// carry carries out a Result in the order it asks for.
func (p *pair) carry(o *owner, r Result) {
	news := r.Told
	if len(news) > 0 && news[0].What == Opened {
		p.t.must(!o.opened, "opened twice")
		o.opened, news = true, news[1:]
	}
	for _, out := range r.Send {
		p.note("%s sends %v", o.name, out)
		o.peer.arriving = append(o.peer.arriving, out)
	}
	for _, n := range news {
		p.note("%s is told %v", o.name, n)
		o.hears(p.t, n)
	}
	switch r.Timer {
	case LeaveTimer:
	case StopTimer:
		o.due = 0
	default:
		o.due = p.now + r.Timer
	}
	checkConn(p.t, o.conn)
}

func (o *owner) hears(t *seeded, n Told) {
	t.must(o.opened || n.What == Reset || n.What == TimedOut, "news before the handshake is over")
	t.must(n.What == Data || n.What == Acked || n.N == 0 && n.Data == nil, "bytes where none are")
	switch n.What {
	case Opened:
		t.must(false, "Opened is not the first news")
	case Data:
		t.must(!o.peerFin, "data behind the FIN")
		t.must(len(n.Data) == n.N, "N is the length")
		sent := o.peer.text[o.heard:o.peer.given]
		t.must(len(sent) >= n.N, "bytes that were never sent")
		t.must(bytes.Equal(n.Data, sent[:n.N]), "a wrong byte")
		o.heard += n.N
		o.toRead += n.N
		t.must(o.toRead <= o.room, "told more than there is room for")
	case Acked:
		o.acked += n.N
		t.must(o.acked <= o.peer.heard, "confirmed before the peer was told")
	case PeerFin:
		t.must(o.peer.fin && o.heard == o.peer.given, "a FIN before the last byte")
		o.peerFin = true
	case FinDone:
		t.must(o.fin && o.acked == o.given && o.peer.peerFin, "the FIN is confirmed before it came")
		o.finDone = true
	case Reset, TimedOut:
		o.over, o.broke = n.What, true
	}
}

// checkConn holds an end to its invariants.
func checkConn(t *seeded, c *Conn) {
	if c == nil || c.state.Over() {
		return
	}
	t.must(ahead(c.una, c.next) <= 0 && ahead(c.next, c.end) <= 1, "una <= next <= end")
	t.must(ahead(c.received, c.limit) <= 1 && ahead(c.told, c.limit) <= 1, "received, told <= limit")
	t.must(c.armed == (c.una != c.next || c.unsent() && c.tries < maxProbes), "the timer")
	at := c.received
	for i, h := range c.held {
		gap := ahead(h.seq, at)
		t.must(len(h.b) > 0 && (gap > 0 || gap == 0 && i > 0), "held pieces are sorted and apart")
		at = h.end()
	}
	t.must(ahead(at, c.limit) <= 1, "held pieces lie in the window")
}

func (p *pair) note(format string, args ...any) {
	if os.Getenv("TCP_STORY") != "" {
		p.story = append(p.story, fmt.Sprintf(format, args...))
	}
}

// lose takes a segment off its way.
func (o *owner) lose(nth int) { o.arriving = append(o.arriving[:nth:nth], o.arriving[nth+1:]...) }

// arrive gives an end the segment that is nth on its way.
func (p *pair) arrive(o *owner, nth int) {
	s := o.arriving[nth]
	o.lose(nth)
	p.note("%s gets %v", o.name, s)
	switch {
	case o.conn == nil && s.Flags&(packet.SYN|packet.ACK) == packet.SYN:
		c, r := Accept(s.Segment, o.config)
		o.conn = c
		p.carry(o, r)
	case o.conn == nil || o.conn.State() == Closed:
		if out, ok := Refuse(s.Segment, len(s.Data)); ok {
			o.peer.arriving = append(o.peer.arriving, out)
		}
	case o.conn.State() == TimeWait:
		if out, ok := o.conn.Tombstone().Arrive(s.Segment, len(s.Data)); ok {
			o.peer.arriving = append(o.peer.arriving, out)
		}
	default:
		p.carry(o, o.conn.Arrive(s.Segment, s.Data))
	}
}

// act is something that may happen next; weight is how likely.
type act struct {
	weight int
	do     func()
}

// possible lists what may happen next but for timers.
func (p *pair) possible() []act {
	var acts []act
	for _, o := range p.ends {
		if n := len(o.arriving); n > 0 {
			nth := 0
			if p.kind.overtake {
				nth = p.r.IntN(n)
			}
			acts = append(acts, act{14, func() { p.arrive(o, nth) }})
			if p.kind.lossy {
				acts = append(acts,
					act{2, func() { o.lose(nth) }}, // one in eight
					act{1, func() { o.arriving = append(o.arriving, o.arriving[nth]) }})
			}
		}
		if o.conn == nil || o.conn.State().Over() || !o.opened {
			continue
		}
		if o.toRead > 0 {
			acts = append(acts, act{12 / o.slow, func() {
				n := 1 + p.r.IntN(o.toRead)
				o.toRead -= n
				p.carry(o, o.conn.Release(n))
			}})
		}
		if o.conn.State().MaySend() {
			acts = append(acts, act{3, func() { p.write(o) }})
		}
		if p.kind.resize {
			acts = append(acts, act{1, func() {
				n := 1 + p.r.IntN(min(2*o.room, 1<<21))
				o.room = max(o.room, n)
				p.carry(o, o.conn.SetRoom(n))
			}})
		}
		if p.kind.abort && p.r.IntN(20) == 0 {
			acts = append(acts, act{1, func() { o.aborted = true; p.carry(o, o.conn.Abort()) }})
		}
	}
	return acts
}

// write sends more of the text, or the FIN behind it.
func (p *pair) write(o *owner) {
	if rest := len(o.text) - o.given; rest > 0 {
		n := 1 + p.r.IntN(rest)
		b := o.text[o.given : o.given+n]
		o.given += n
		p.carry(o, o.conn.Send(b))
		return
	}
	o.fin = true
	p.carry(o, o.conn.Fin())
}

// step makes one thing happen; false when nothing can.
func (p *pair) step() bool {
	acts := p.possible()
	total := 0
	for _, a := range acts {
		total += a.weight
	}
	if total == 0 || p.kind.lossy && p.r.IntN(60) == 0 {
		return p.tick() || total > 0
	}
	n := p.r.IntN(total)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			a.do()
			break
		}
	}
	return true
}

// tick lets the timer fire that is due first.
func (p *pair) tick() bool {
	var first *owner
	for _, o := range p.ends {
		if o.due != 0 && (first == nil || o.due < first.due) {
			first = o
		}
	}
	if first == nil {
		return false
	}
	p.now, first.due = first.due, 0
	p.fired++
	p.note("the timer of %s", first.name)
	p.carry(first, first.conn.Timer())
	return true
}

// run goes on until nothing can happen any more.
func (p *pair) run() {
	for n := 0; p.step(); n++ {
		if n > 100_000 {
			p.t.must(false, "the ends never come to rest")
		}
	}
}

// seeded is a test that knows which schedule it runs. With TCP_STORY set it tells a failing one.
type seeded struct {
	testing.TB
	seed uint64
	pair *pair
}

func (t *seeded) must(ok bool, what string) {
	if ok {
		return
	}
	t.Helper()
	for _, line := range t.pair.story {
		t.Log(line)
	}
	t.Fatalf("schedule %d: %s", t.seed, what)
}

// each runs schedules of a kind, and n times forty with SIM_THOROUGH.
func each(t *testing.T, n int, k kind, judge func(t *seeded, p *pair)) {
	if os.Getenv("SIM_THOROUGH") != "" {
		n *= 40
	}
	for seed := range uint64(n) {
		s := &seeded{TB: t, seed: seed}
		p := newPair(s, seed, k)
		p.run()
		judge(s, p)
	}
}
