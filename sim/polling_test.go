package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/sim"
)

// polled is what one thread looks at until another one has done its part.
type polled struct {
	event irql.KEVENT
	flag  irql.Var[int32]
	word  int32
	lock  irql.KSPIN_LOCK
	done  bool
	b     *irp.Buffer
	limit uint64
}

func (p *polled) start(k *irql.K) bool {
	irql.KeInitializeEvent(k, &p.event, irql.NotificationEvent, false)
	irql.KeInitializeSpinLock(k, &p.lock)
	p.b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, handTag)
	return p.b != nil
}

func (p *polled) locked(k *irql.K, fn func()) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &p.lock, &old)
	fn()
	irql.KeReleaseSpinLock(k, &p.lock, old)
}

// waysToPoll has for each way what ends the loop, and one look, which says whether that has come.
var waysToPoll = map[string]struct {
	end  func(k *irql.K, p *polled)
	look func(k *irql.K, p *polled) bool
}{
	"event": {func(k *irql.K, p *polled) { irql.KeSetEvent(k, &p.event, 0, false) },
		func(k *irql.K, p *polled) bool { return irql.KeReadStateEvent(k, &p.event) != 0 }},
	"variable": {func(k *irql.K, p *polled) { p.flag.Store(k, 1) },
		func(k *irql.K, p *polled) bool { return p.flag.Load(k) == 1 }},
	"interlocked": {func(k *irql.K, p *polled) { irql.InterlockedExchange(k, &p.word, 1) },
		func(k *irql.K, p *polled) bool { return irql.InterlockedCompareExchange(k, &p.word, 1, 1) == 1 }},
	"lock": {func(k *irql.K, p *polled) { p.locked(k, func() { p.done = true }) },
		func(k *irql.K, p *polled) (done bool) { p.locked(k, func() { done = p.done }); return done }},
	"memory": {func(_ *irql.K, p *polled) { p.b.Store32(0, 1) },
		func(_ *irql.K, p *polled) bool { return p.b.Load32(0) == 1 }},
	"zero wait": {func(k *irql.K, p *polled) { irql.KeSetEvent(k, &p.event, 0, false) },
		func(k *irql.K, p *polled) bool {
			now := int64(0)
			return irql.KeWaitForSingleObject(k, &p.event, irql.Executive, irql.KernelMode, false, &now) == 0
		}},
	"time": {func(*irql.K, *polled) {}, func(k *irql.K, p *polled) bool {
		if p.limit == 0 {
			p.limit = irql.KeQueryInterruptTime(k) + 10
			irql.KeSetEvent(k, &p.event, 0, false)
		}
		return irql.KeQueryInterruptTime(k) >= p.limit
	}},
}

var betweenLooks = map[string]func(k *irql.K){
	"nothing": func(*irql.K) {},
	"yields":  irql.YieldProcessor,
	"stalls":  func(k *irql.K) { irql.KeStallExecutionProcessor(k, 1) },
	"time":    func(k *irql.K) { irql.KeQueryInterruptTime(k) },
	"sleeps": func(k *irql.K) {
		later := int64(-10)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &later)
	},
}

func polling(way, between string, ends bool) func(m *sim.Machine) {
	w := waysToPoll[way]
	return func(m *sim.Machine) {
		p, ready := &polled{}, false
		m.Thread("a.sys", func(k *irql.K) { ready = p.start(k) })
		m.Run()
		if !ready {
			return
		}
		m.Thread("a.sys", func(k *irql.K) {
			for !w.look(k, p) {
				betweenLooks[between](k)
			}
		})
		m.Thread("a.sys", func(k *irql.K) {
			if ends {
				w.end(k, p)
			}
		})
		if way == "time" { // a deadline, so that the clock has somewhere to go
			m.Thread("a.sys", func(k *irql.K) { betweenLooks["sleeps"](k) })
		}
		m.Run()
		if !m.Ended() {
			m.Thread("a.sys", func(k *irql.K) { irp.ExFreePoolWithTag(k, p.b, handTag) })
			m.Run()
		}
	}
}

// Every run of every strategy ends, however a driver polls: on another processor the other thread runs.
func TestPolling_EndsUnderEveryStrategy(t *testing.T) {
	strategies := []string{"default", "portfolio", "random", "pct3", "pos", "surw", "faults1", "preempt1"}
	for _, way := range sorted(waysToPoll) {
		for _, between := range sorted(betweenLooks) {
			for _, strategy := range strategies {
				r := sim.Explore(t, sim.ExploreOptions{Runs: 20, Strategy: strategy, KeepGoing: true,
					Options: sim.Options{Collect: true, MaxSteps: 100_000}}, polling(way, between, true))
				for _, f := range r.Failures {
					t.Errorf("%s, %s, %s: %s", way, between, strategy, f.Headline)
				}
				assert.Empty(t, r.Hazards, "%s, %s, %s", way, between, strategy)
			}
		}
	}
}

// A search goes through the turns up to a limit, and says that it leaves the others out.
func TestPolling_IsProved(t *testing.T) {
	for _, way := range sorted(waysToPoll) {
		if way == "time" {
			continue
		}
		start := time.Now()
		r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor"}, polling(way, "nothing", true))
		t.Log(way, r.Covered, time.Since(start))
		assert.True(t, r.Complete, "%s: %s", way, r.Covered)
		assert.Contains(t, r.Covered, "idle turns of polling loops left out", way)
	}
}

// A loop that nobody ends is reported, with its place.
func TestPolling_WithoutEndIsALivelock(t *testing.T) {
	for _, way := range sorted(waysToPoll) {
		if way == "time" {
			continue
		}
		t.Run(way, func(t *testing.T) {
			m := sim.New(t, sim.Options{Collect: true})
			polling(way, "nothing", false)(m)
			require.NotEmpty(t, m.Findings(), way)
			f := m.Findings()[0]
			assert.Equal(t, ke.Livelock, f.Kind)
			assert.Contains(t, fmt.Sprint(f.Stack), "polling_test.go")
		})
	}
}
