package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"calloutsim/irp"
	"calloutsim/irql"
)

// RunFor stops in the middle of a periodic timer, which Run would never leave, and goes on from there.
func TestRunFor_StopsAtATime(t *testing.T) {
	m := New(t)
	var timer irql.KTIMER
	var dpc irql.KDPC
	ticks := 0
	m.Thread("tick.sys", func(k *irql.K) {
		irql.KeInitializeDpc(k, &dpc, func(*irql.K, *irql.KDPC, any, any, any) { ticks++ }, nil)
		irql.KeInitializeTimer(k, &timer)
		irql.KeSetTimerEx(k, &timer, -10_000, 1, &dpc)
	})
	m.RunFor(3500 * time.Microsecond)
	assert.Equal(t, 3, ticks)
	m.RunFor(time.Millisecond)
	assert.Equal(t, 4, ticks)
	m.RunFor(0)
	assert.Equal(t, 4, ticks)
	m.Thread("tick.sys", func(k *irql.K) {
		irql.KeCancelTimer(k, &timer)
		irql.KeFlushQueuedDpcs(k)
	})
	m.Run()
	assert.Equal(t, 4, ticks)
}

// Where nothing is left to do, time passes all the same.
func TestRunFor_PassesWhereNothingHappens(t *testing.T) {
	m := New(t)
	var from, to int64
	now := func(at *int64) func(k *irql.K) {
		return func(k *irql.K) { irql.KeQuerySystemTime(k, at) }
	}
	m.Thread("clock.sys", now(&from))
	m.RunFor(2 * time.Second)
	m.Thread("clock.sys", now(&to))
	m.Run()
	assert.Equal(t, int64(2*time.Second/100), to-from)
}

// A search goes through all orders of what happens before and after.
func TestRunFor_UnderASearch(t *testing.T) {
	r := Explore(t, ExploreOptions{Strategy: "dpor"}, func(m *Machine) {
		var order []string
		for _, name := range []string{"a", "b"} {
			m.Process(name+".exe").Go("main", func(u *User) {
				order = append(order, name)
				u.Sleep(time.Second)
				order = append(order, name+" later")
			})
		}
		m.RunFor(500 * time.Millisecond)
		if len(order) != 2 {
			m.Errorf("after half a second: %v", order)
		}
		m.Run()
		if len(order) != 4 {
			m.Errorf("in the end: %v", order)
		}
	})
	assert.True(t, r.Complete)
}

// Nothing fails under any strategy when Faults is negative.
func TestExploreOptions_NoFaultsUnderEveryStrategy(t *testing.T) {
	for _, strategy := range []string{"portfolio", "random", "pct2", "pos", "urw", "surw", "faults1",
		"faults2", "dpor", "dfs", "preempt1", "delay1"} {
		Explore(t, ExploreOptions{Strategy: strategy, Runs: 40, Faults: -1}, func(m *Machine) {
			m.Thread("alloc.sys", func(k *irql.K) {
				p := irp.IoAllocateIrp(k, 1, false)
				if p == nil {
					m.Errorf("%s: an allocation failed", strategy)
					return
				}
				irp.IoFreeIrp(k, p)
			})
			m.Run()
		})
	}
}
