package sim_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/sim"
)

// A driver hands something over and then looks once more. Each release below lets another thread go on, which
// frees the block; each look must be able to come after that, under sampling and in a search.

var handTag = irp.Tag("Hand")

// hands is what the two threads share.
type hands struct {
	b     *irp.Buffer
	typed *irp.Typed[[2]int32]
	lock  irql.KSPIN_LOCK
	mutex irql.FAST_MUTEX
	event irql.KEVENT
	sem   irql.KSEMAPHORE
	run   irql.EX_RUNDOWN_REF
	list  irp.LIST_ENTRY
	entry irp.LIST_ENTRY
	flag  irql.Var[int32]
	refs  int32
	dpc   irql.KDPC
	given bool // under lock or mutex
}

func (h *hands) start(k *irql.K) bool {
	irql.KeInitializeSpinLock(k, &h.lock)
	irql.ExInitializeFastMutex(k, &h.mutex)
	irql.KeInitializeEvent(k, &h.event, irql.NotificationEvent, false)
	irql.KeInitializeSemaphore(k, &h.sem, 0, 1)
	irql.ExInitializeRundownProtection(k, &h.run)
	irql.ExAcquireRundownProtection(k, &h.run)
	irp.InitializeListHead(k, &h.list)
	h.refs = 2
	h.b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, handTag)
	h.typed = irp.New[[2]int32](k, irp.POOL_FLAG_NON_PAGED, handTag)
	return h.b != nil && h.typed != nil
}

func (h *hands) end(k *irql.K) {
	irp.ExFreePoolWithTag(k, h.b, handTag)
	irp.Free(k, h.typed, handTag)
}

func (h *hands) spin(k *irql.K, fn func()) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &h.lock, &old)
	fn()
	irql.KeReleaseSpinLock(k, &h.lock, old)
}

// handover is a way of letting the other thread go on. take says whether it may.
type handover struct {
	give func(k *irql.K, h *hands)
	take func(k *irql.K, h *hands) bool
}

func waitsFor(object func(h *hands) any) func(k *irql.K, h *hands) bool {
	return func(k *irql.K, h *hands) bool {
		irql.KeWaitForSingleObject(k, object(h), irql.Executive, irql.KernelMode, false, nil)
		return true
	}
}

var handovers = map[string]handover{
	"spin lock": {
		func(k *irql.K, h *hands) { h.spin(k, func() { h.given = true }) },
		func(k *irql.K, h *hands) (free bool) { h.spin(k, func() { free = h.given }); return free }},
	"fast mutex": {
		func(k *irql.K, h *hands) {
			irql.ExAcquireFastMutex(k, &h.mutex)
			h.given = true
			irql.ExReleaseFastMutex(k, &h.mutex)
		},
		func(k *irql.K, h *hands) bool {
			irql.ExAcquireFastMutex(k, &h.mutex)
			defer irql.ExReleaseFastMutex(k, &h.mutex)
			return h.given
		}},
	"event": {
		func(k *irql.K, h *hands) { irql.KeSetEvent(k, &h.event, 0, false) },
		waitsFor(func(h *hands) any { return &h.event })},
	"semaphore": {
		func(k *irql.K, h *hands) { irql.KeReleaseSemaphore(k, &h.sem, 0, 1, false) },
		waitsFor(func(h *hands) any { return &h.sem })},
	"rundown": {
		func(k *irql.K, h *hands) { irql.ExReleaseRundownProtection(k, &h.run) },
		func(k *irql.K, h *hands) bool { irql.ExWaitForRundownProtectionRelease(k, &h.run); return true }},
	"reference": {
		func(k *irql.K, h *hands) { irql.InterlockedDecrement(k, &h.refs) },
		func(k *irql.K, h *hands) bool { return irql.InterlockedDecrement(k, &h.refs) == 0 }},
	"flag": {
		func(k *irql.K, h *hands) { h.flag.Store(k, 1) },
		func(k *irql.K, h *hands) bool { return h.flag.Load(k) == 1 }},
	"exchange": {
		func(k *irql.K, h *hands) { irql.InterlockedExchange(k, &h.flag, 1) },
		func(k *irql.K, h *hands) bool { return irql.InterlockedCompareExchange(k, &h.flag, 2, 1) == 1 }},
	"list": {
		func(k *irql.K, h *hands) {
			irp.ExInterlockedInsertTailList(k, &h.list, &h.entry, &h.lock)
		},
		func(k *irql.K, h *hands) bool {
			return irp.ExInterlockedRemoveHeadList(k, &h.list, &h.lock) != nil
		}},
	"DPC": {
		func(k *irql.K, h *hands) {
			irql.KeInitializeDpc(k, &h.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
				irql.KeSetEvent(k, &h.event, 0, false)
			}, nil)
			irql.KeInsertQueueDpc(k, &h.dpc, nil, nil)
		},
		waitsFor(func(h *hands) any { return &h.event })},
}

var lasts = map[string]func(k *irql.K, h *hands){
	"load":  func(k *irql.K, h *hands) { h.b.Load32(0) },
	"store": func(k *irql.K, h *hands) { h.b.Store32(0, 1) },
	"bytes": func(k *irql.K, h *hands) { h.b.Bytes() },
	"copy":  func(k *irql.K, h *hands) { h.b.CopyTo(0, make([]byte, 4)) },
	"typed": func(k *irql.K, h *hands) { h.typed.Get() },
}

var sampledAndProved = []string{"portfolio", "random", "dpor", "preempt3"}

func TestHandover_MemoryIsUsedOnceMore(t *testing.T) {
	for _, how := range sorted(handovers) {
		for _, last := range sorted(lasts) {
			for _, strategy := range sampledAndProved {
				t.Run(fmt.Sprint(how, " ", last, " ", strategy), func(t *testing.T) {
					findsFrom(t, strategy, "POOL-013", twoThreads(handovers[how], lasts[last]))
				})
			}
		}
	}
}

// The near miss looks before it gives away.
func TestHandover_MemoryIsUsedBefore(t *testing.T) {
	for _, how := range sorted(handovers) {
		way := handovers[how]
		give := func(k *irql.K, h *hands) { h.b.Load32(0); h.typed.Get(); way.give(k, h) }
		r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", KeepGoing: true},
			twoThreads(handover{give, way.take}, func(*irql.K, *hands) {}))
		assert.True(t, r.Complete, "%s: %s", how, r.Covered)
	}
}

func sorted[V any](m map[string]V) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func twoThreads(way handover, last func(k *irql.K, h *hands)) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		h := &hands{}
		ready, freed := false, false
		m.Thread("a.sys", func(k *irql.K) { ready = h.start(k) })
		m.Run()
		if !ready {
			return
		}
		m.Thread("a.sys", func(k *irql.K) {
			way.give(k, h)
			last(k, h)
		})
		m.Thread("a.sys", func(k *irql.K) {
			if way.take(k, h) {
				h.end(k)
				freed = true
			}
		})
		m.Run()
		if !freed && !m.Ended() {
			m.Thread("a.sys", h.end)
			m.Run()
		}
	}
}

func findsFrom(t *testing.T, strategy, rule string, scenario func(m *sim.Machine)) {
	t.Helper()
	r := sim.Explore(t, sim.ExploreOptions{Runs: 3000, Strategy: strategy,
		Options: sim.Options{Collect: true}}, scenario)
	for _, f := range r.Failures {
		if slices.Contains(f.Rules, rule) {
			return
		}
	}
	for _, f := range r.Failures {
		t.Log(f.Headline)
	}
	t.Errorf("%s does not find %s: %s", strategy, rule, r.Covered)
}
