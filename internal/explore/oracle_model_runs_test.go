package explore

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

var modelTag = irp.Tag("Modl")

// real is the same program on the simulator.
type real struct {
	p     *modelled
	b     [blocks]*irp.Buffer
	event [2]*irql.KEVENT // kept across the free: what looks is the routine, not the pointer
	place *irp.Typed[irql.KEVENT]
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
		r.place = irp.New[irql.KEVENT](k, irp.POOL_FLAG_NON_PAGED, modelTag)
		r.event = [2]*irql.KEVENT{new(irql.KEVENT), r.place.Get()}
		for i := range r.b {
			r.b[i] = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, modelTag)
			irql.KeInitializeEvent(k, r.event[i], irql.NotificationEvent, false)
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
		irql.KeSetEvent(k, r.event[o.at], 0, false)
	case opReset:
		irql.KeClearEvent(k, r.event[o.at])
	case opWait:
		irql.KeWaitForSingleObject(k, r.event[o.at], irql.Executive, irql.KernelMode, false, nil)
	case opDrop:
		a.reg = irql.InterlockedDecrement(k, &r.refs)
	case opCompare:
		a.reg = irql.InterlockedExchange(k, &r.flag, 1)
	case opState:
		a.reg = irql.KeReadStateEvent(k, r.event[o.at])
		a.seen += fmt.Sprint(a.reg)
	case opEnd:
		irp.Free(k, r.place, modelTag)
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
		switch f[0].Rule {
		case verify.POOL_013:
			return "used after free"
		case verify.POOL_018:
			return "freed in use"
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

// search gives the ways to end that dpor finds, with steps that take in accesses or without; split says that
// the former does not do.
func (r *real) search(t *testing.T, limit int, larger bool) (ends []string, runs int, all, split bool) {
	m := ke.New(ke.Config{})
	defer m.Close()
	s := &Search{Bounds: noFaults, Reduce: true, Trail: &ke.Trail{Parts: larger}}
	found := map[string]bool{}
	for more := true; more; runs++ {
		if runs == limit {
			return nil, runs, false, false
		}
		m.Reset(ke.Config{Source: s.Begin(), Trail: s.Trail, Processors: ke.Unbounded, MemPoints: !larger,
			Events: ke.Off})
		r.scene(m)
		m.Run(nil)
		if !m.WasCut() {
			found[r.end(t, m)] = true
		}
		more = s.End(m) && !s.Split()
		require.NoError(t, s.Err())
	}
	return sortedEnds(found), runs, true, s.Split()
}

// walks makes random runs, each of which must end in one of the ways.
func (r *real) walks(t *testing.T, program int, ends []string) int {
	m := ke.New(ke.Config{})
	defer m.Close()
	const each = 16
	for i := range 6 * each {
		cfg := ke.Config{Source: mute{picker{ke.NewRandom(5, uint64(i)), nil}}, Events: ke.Off,
			Processors: []int{1, 2, ke.Unbounded}[i%3], MemPoints: i%2 == 0}
		m.Reset(cfg)
		r.scene(m)
		m.Run(nil)
		require.Contains(t, ends, r.end(t, m), "program %d: %s, processors %d", program, r.p, cfg.Processors)
	}
	return 6 * each
}

// Memory that has no id of its own is named by whoever uses it first. What is remembered of a step, to leave
// out runs in which its order makes no difference, must not hold such names: in another run they mean
// something else. Here the free of the event's memory names it, and the counter of references is named before
// or after that.
func TestSearch_NamesOfTheRunAreNotRemembered(t *testing.T) {
	end, drop, set := op{kind: opEnd, at: 1}, op{kind: opDrop}, op{kind: opSet, at: 1}
	r := &real{p: &modelled{threads: [][]op{{{kind: opWork}, end}, {}, {drop}},
		work: []op{drop, {kind: opSkip}, set}}}
	got, _, all, _ := r.search(t, 1000, false)
	require.True(t, all)
	require.Equal(t, r.p.ends(), got)
}
