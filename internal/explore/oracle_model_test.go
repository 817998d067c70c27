package explore

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// This oracle knows the possible ends of small programs without the simulator: a model of a few lines goes
// through all orders of their operations. It shares with what it judges only what the operations mean (a wait
// that has begun is over when the event is set, a targeted DPC is a context of its own). It does not share
// scheduling points, footprints, contexts or processors: that every single access of memory can come before
// or after everything others do is its own assumption, and the one that matters.

type opKind uint8

const (
	opLoad opKind = iota
	opStore
	opFree
	opLock
	opUnlock
	opSet
	opReset
	opWait
	opDrop    // drops one of two references; what is left becomes the register
	opSkip    // skips the next operation unless the register is zero
	opState   // reads the event's state into the register
	opWork    // hands the list of the worker over, once
	opDPC     // the same for a DPC of another processor
	opOwnDPC  // a DPC of this processor: it runs before the next operation
	opCompare // sets a flag; the register becomes what it was
	opEnd     // frees the memory in which event 1 is
	numOps
)

var opNames = [...]string{"load", "store", "free", "lock", "unlock", "set", "reset", "wait", "drop", "skip",
	"state", "work", "dpc", "owndpc", "compare", "end"}

type op struct {
	kind opKind
	at   int   // which block or event
	v    int32 // what is stored
}

func (o op) String() string {
	if o.v == signals {
		return fmt.Sprintf("signal%d", o.at)
	}
	return fmt.Sprintf("%s%d", opNames[o.kind], o.at)
}

// modelled is a program: the threads, and what the worker, the DPC of another processor and that of the own
// one do.
type modelled struct {
	threads          [][]op
	work, dpc, inner []op
}

func (p *modelled) String() string {
	return fmt.Sprintf("%v work %v dpc %v own %v", p.threads, p.work, p.dpc, p.inner)
}

const blocks = 2

// memory is all that the contexts of a program share.
type memory struct {
	value  [blocks]int32
	freed  [blocks]bool
	event  [2]bool
	gone   bool // event 1
	sets   int  // calls of KeSetEvent for event 1 that have looked at it and not come to an end
	locked bool
	refs   int32
	flag   int32
}

// actor is a context of the model.
type actor struct {
	name  string
	rest  []op
	waits int // 1 + the event it waits for
	reg   int32
	skips bool
	seen  string
}

type state struct {
	memory
	actors []actor
}

func (s *state) key() string {
	var b strings.Builder
	fmt.Fprint(&b, s.memory)
	for i := range s.actors {
		a := &s.actors[i]
		fmt.Fprint(&b, a.name, a.rest, a.waits, a.reg, a.skips, a.seen, ";")
	}
	return b.String()
}

// ends gives all ways in which the program can end.
func (p *modelled) ends() []string {
	s := state{memory: memory{refs: 2}}
	for i, t := range p.threads {
		s.actors = append(s.actors, actor{name: fmt.Sprint("t", i), rest: t})
	}
	ends, met := map[string]bool{}, map[string]bool{}
	p.explore(&s, ends, met)
	return sortedEnds(ends)
}

func sortedEnds(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func (p *modelled) explore(s *state, ends, met map[string]bool) {
	key := s.key()
	if met[key] {
		return
	}
	met[key] = true
	moved := false
	for i := range s.actors {
		if !s.canGo(&s.actors[i]) {
			continue
		}
		moved = true
		next := *s
		next.actors = append([]actor(nil), s.actors...)
		if bad := p.step(&next, i); bad != "" {
			ends[bad] = true
			continue
		}
		p.explore(&next, ends, met)
	}
	if !moved {
		ends[s.end()] = true
	}
}

func (s *state) canGo(a *actor) bool {
	return len(a.rest) > 0 && a.waits == 0 && !(a.rest[0].kind == opLock && !a.skips && s.locked)
}

func (s *state) end() string {
	var all []string
	for i := range s.actors {
		a := &s.actors[i]
		all = append(all, ended(a.name, a.seen, len(a.rest) == 0 && a.waits == 0))
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}

func ended(name, seen string, whole bool) string {
	if !whole {
		seen += "..."
	}
	return name + ":" + seen
}

// step makes the next operation of actor i; it returns the mistake that ends the run, "" for none.
func (p *modelled) step(s *state, i int) string {
	a := &s.actors[i]
	o := a.rest[0]
	a.rest = a.rest[1:]
	if a.skips {
		a.skips = false
		return ""
	}
	if s.gone && o.at == 1 && ofEvents(o.kind) {
		return "used after free"
	}
	switch o.kind {
	case opLoad, opStore, opFree:
		return s.access(a, o)
	case opEnd:
		return s.endEvent()
	case opLock:
		s.locked = true
	case opUnlock:
		s.locked = false
	case opSet:
		if o.at == 1 && o.v != signals { // the routine first looks, then sets: freed in between it is in use
			s.sets++
			a.rest = append([]op{{opSet, 1, signals}}, a.rest...)
			return ""
		}
		s.signal(o.at)
	case opReset:
		s.event[o.at] = false
	case opWait:
		if !s.event[o.at] {
			a.waits = o.at + 1
		}
	case opSkip:
		a.skips = a.reg != 0
	default:
		s.handOver(p, a, o)
	}
	return ""
}

// ofEvents says that an operation looks whether its event exists.
func ofEvents(kind opKind) bool {
	return kind == opSet || kind == opReset || kind == opWait || kind == opState
}

// signals is the second half of an opSet for event 1.
const signals = -1

func (s *state) signal(event int) {
	if event == 1 {
		s.sets--
	}
	s.event[event] = true
	for j := range s.actors {
		if s.actors[j].waits == event+1 {
			s.actors[j].waits = 0
		}
	}
}

func (s *state) endEvent() string {
	if s.gone {
		return "freed twice"
	}
	s.gone = true
	if s.sets > 0 {
		return "freed in use"
	}
	for i := range s.actors {
		if s.actors[i].waits == 2 {
			return "freed in use"
		}
	}
	return ""
}

func (s *state) access(a *actor, o op) string {
	switch {
	case s.freed[o.at] && o.kind == opFree:
		return "freed twice"
	case s.freed[o.at]:
		return "used after free"
	case o.kind == opFree:
		s.freed[o.at] = true
	case o.kind == opStore:
		s.value[o.at] = o.v
	default:
		a.reg = s.value[o.at]
		a.seen += fmt.Sprint(a.reg)
	}
	return ""
}

func (s *state) handOver(p *modelled, a *actor, o op) {
	switch o.kind {
	case opDrop:
		s.refs--
		a.reg = s.refs
	case opState:
		a.reg = 0
		if s.event[o.at] {
			a.reg = 1
		}
		a.seen += fmt.Sprint(a.reg)
	case opCompare:
		a.reg, s.flag = s.flag, 1
	case opWork:
		s.actors = append(s.actors, actor{name: "w", rest: p.work})
	case opDPC:
		s.actors = append(s.actors, actor{name: "d", rest: p.dpc})
	case opOwnDPC:
		a.rest = append(append([]op(nil), p.inner...), a.rest...)
	}
}

// randomModelled makes a program of two or three threads.
func randomModelled(r *ke.Random, size int) *modelled {
	p := &modelled{}
	once := map[opKind]bool{}
	for range 2 + pick(r, 2) {
		p.threads = append(p.threads, randomOps(r, 1+pick(r, size), once, true))
	}
	if once[opWork] {
		p.work = randomOps(r, 1+pick(r, 3), once, true)
	}
	if once[opDPC] {
		p.dpc = randomOps(r, 1+pick(r, 3), once, false)
	}
	if once[opOwnDPC] {
		p.inner = randomOps(r, 1+pick(r, 2), once, false)
	}
	return p
}

func pick(r *ke.Random, n int) int { return int(r.Next() % uint64(n)) }

// randomOps makes n operations or a few more. once has those that may come only once in a program; waits are
// for contexts that may wait.
func randomOps(r *ke.Random, n int, once map[opKind]bool, waits bool) []op {
	var list []op
	for len(list) < n {
		o := op{opKind(pick(r, int(numOps))), pick(r, blocks), int32(1 + pick(r, 3))}
		switch o.kind {
		case opUnlock:
			continue
		case opLock:
			list = append(list, o, short(r), op{kind: opUnlock})
			continue
		case opSkip:
			list = append(list, o, short(r))
			continue
		case opFree, opEnd:
			if pick(r, 3) > 0 {
				continue
			}
		case opWait, opOwnDPC:
			if !waits {
				continue
			}
		}
		if o.kind == opWork || o.kind == opDPC || o.kind == opOwnDPC {
			if once[o.kind] {
				continue
			}
			once[o.kind] = true
		}
		list = append(list, o)
	}
	return list
}

// short is an operation that neither waits nor comes in pairs.
func short(r *ke.Random) op {
	kinds := []opKind{opLoad, opStore, opFree, opSet, opDrop, opEnd}
	return op{kinds[pick(r, len(kinds))], pick(r, blocks), int32(1 + pick(r, 3))}
}

// TestSearch_EndsAreThoseOfTheModel compares what dpor finds with the model, exactly; and that of random runs
// on machines with one, two and any number of processors, with and without a point at every access, which
// must be among them.
func TestSearch_EndsAreThoseOfTheModel(t *testing.T) {
	compared, large, runs, random, ends, unsplit := 0, 0, 0, 0, 0, 0
	programs := thorough(300, 40)
	if raceBuild { // some ten times slower
		programs = 60
	}
	for i := range programs {
		rnd := ke.NewRandom(11, uint64(i))
		r := &real{p: randomModelled(rnd, 4)}
		want := r.p.ends()
		got, n, all, _ := r.search(t, 20_000, false)
		runs += n
		if !all {
			large++
			continue
		}
		compared++
		ends += len(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("program %d: %s\nends of the model (-) and of dpor (+):\n%s", i, r.p, d)
		}
		if got, _, all, split := r.search(t, 20_000, true); !split {
			require.True(t, all, "program %d", i)
			unsplit++
			require.Equal(t, want, got, "program %d: %s, larger steps", i, r.p)
		}
		random += r.walks(t, i, want)
	}
	t.Logf("%d programs, %d ends, %d runs of dpor, %d random runs; %d programs too large; "+
		"%d need no step for every access", compared, ends, runs, random, large, unsplit)
	require.Greater(t, compared, 10*large)
	require.Greater(t, unsplit, compared/100)
}
