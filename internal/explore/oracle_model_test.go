package explore

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
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
	numOps
)

var opNames = [...]string{"load", "store", "free", "lock", "unlock", "set", "reset", "wait", "drop", "skip",
	"state", "work", "dpc", "owndpc", "compare"}

type op struct {
	kind opKind
	at   int   // which block or event
	v    int32 // what is stored
}

func (o op) String() string { return fmt.Sprintf("%s%d", opNames[o.kind], o.at) }

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

var modelTag = irp.Tag("Modl")

// memory is all that the contexts of a program share.
type memory struct {
	value  [blocks]int32
	freed  [blocks]bool
	event  [2]bool
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
	switch o.kind {
	case opLoad, opStore, opFree:
		return s.access(a, o)
	case opLock:
		s.locked = true
	case opUnlock:
		s.locked = false
	case opSet:
		s.event[o.at] = true
		for j := range s.actors {
			if s.actors[j].waits == o.at+1 {
				s.actors[j].waits = 0
			}
		}
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

// real is the same program on the simulator.
type real struct {
	p     *modelled
	b     [blocks]*irp.Buffer
	event [2]irql.KEVENT
	lock  irql.KSPIN_LOCK
	refs  int32
	flag  int32
	dpc   [2]irql.KDPC
	item  irp.WORK_QUEUE_ITEM
	owner *actor // who queues the DPC of its own processor
	all   []*actor
}

func (r *real) scene(m *ke.Machine) {
	*r = real{p: r.p, refs: 2, all: r.all[:0]}
	img := m.NewImage("random.sys")
	m.NewThread("main", nil, func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img})
		for i := range r.b {
			r.b[i] = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, modelTag)
			irql.KeInitializeEvent(k, &r.event[i], irql.NotificationEvent, false)
		}
		irql.KeInitializeSpinLock(k, &r.lock)
		irql.KeInitializeDpc(k, &r.dpc[0], func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
			r.run(k, &actor{name: "d", rest: r.p.dpc})
		}, nil)
		irql.KeSetTargetProcessorDpc(k, &r.dpc[0], 1)
		irql.KeInitializeDpc(k, &r.dpc[1], func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
			r.each(k, r.owner, r.p.inner)
		}, nil)
		irp.ExInitializeWorkItem(k, &r.item, func(k *irql.K, _ any) {
			r.run(k, &actor{name: "w", rest: r.p.work})
		}, nil)
		for i, list := range r.p.threads {
			m.NewThread("t", nil, func(k *irql.K) {
				ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img})
				r.run(k, &actor{name: fmt.Sprint("t", i), rest: list})
				ke.Pop(k)
			})
		}
		ke.Pop(k)
	})
}

func (r *real) run(k *irql.K, a *actor) {
	r.all = append(r.all, a)
	list := a.rest
	r.each(k, a, list)
	a.rest = nil
}

func (r *real) each(k *irql.K, a *actor, list []op) {
	var old irql.KIRQL
	for _, o := range list {
		if a.skips {
			a.skips = false
			continue
		}
		switch o.kind {
		case opLock:
			irql.KeAcquireSpinLock(k, &r.lock, &old)
		case opUnlock:
			irql.KeReleaseSpinLock(k, &r.lock, old)
		default:
			r.do(k, a, o)
		}
	}
}

func (r *real) do(k *irql.K, a *actor, o op) {
	switch o.kind {
	case opLoad:
		a.reg = int32(r.b[o.at].Load32(0))
		a.seen += fmt.Sprint(a.reg)
	case opStore:
		r.b[o.at].Store32(0, uint32(o.v))
	case opFree:
		irp.ExFreePoolWithTag(k, r.b[o.at], modelTag)
	case opSet:
		irql.KeSetEvent(k, &r.event[o.at], 0, false)
	case opReset:
		irql.KeClearEvent(k, &r.event[o.at])
	case opWait:
		irql.KeWaitForSingleObject(k, &r.event[o.at], irql.Executive, irql.KernelMode, false, nil)
	case opDrop:
		a.reg = irql.InterlockedDecrement(k, &r.refs)
	case opCompare:
		a.reg = irql.InterlockedExchange(k, &r.flag, 1)
	case opState:
		a.reg = irql.KeReadStateEvent(k, &r.event[o.at])
		a.seen += fmt.Sprint(a.reg)
	case opSkip:
		a.skips = a.reg != 0
	case opWork:
		irp.ExQueueWorkItem(k, &r.item, irp.DelayedWorkQueue)
	case opDPC:
		irql.KeInsertQueueDpc(k, &r.dpc[0], nil, nil)
	case opOwnDPC:
		r.owner = a
		irql.KeInsertQueueDpc(k, &r.dpc[1], nil, nil)
	}
}

// end says how the run has ended, in the words of the model.
func (r *real) end(t *testing.T, m *ke.Machine) string {
	t.Helper()
	if f := m.Findings(); len(f) > 0 {
		if f[0].Rule == verify.POOL_013 {
			return "used after free"
		}
		require.Contains(t, f[0].Headline, "free", "%s", r.p)
		return "freed twice"
	}
	var all []string
	for _, a := range r.all {
		all = append(all, ended(a.name, a.seen, a.rest == nil))
	}
	sort.Strings(all)
	return strings.Join(all, " ")
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
		case opFree:
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
	kinds := []opKind{opLoad, opStore, opFree, opSet, opDrop}
	return op{kinds[pick(r, len(kinds))], pick(r, blocks), int32(1 + pick(r, 3))}
}

// TestSearch_EndsAreThoseOfTheModel compares what dpor finds with the model, exactly; and that of random runs
// on machines with one, two and any number of processors, with and without a point at every access, which
// must be among them.
func TestSearch_EndsAreThoseOfTheModel(t *testing.T) {
	compared, large, runs, random, ends, unsplit := 0, 0, 0, 0, 0, 0
	for i := range thorough(300, 40) {
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
