package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// adders are threads that each add one to a number in pool memory, with or without a lock. Between the load
// and the store of one of them there is no routine.
func adders(locked bool) func(m *Machine) {
	return func(m *Machine) {
		var lock irql.KSPIN_LOCK
		var b *irp.Buffer
		m.Thread("adder.sys", func(k *irql.K) {
			irql.KeInitializeSpinLock(k, &lock)
			if b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, irp.Tag("Addr")); b == nil {
				return
			}
			for range 2 {
				m.Thread("adder.sys", func(k *irql.K) {
					var old irql.KIRQL
					if locked {
						irql.KeAcquireSpinLock(k, &lock, &old)
					}
					b.Store32(0, b.Load32(0)+1)
					if locked {
						irql.KeReleaseSpinLock(k, &lock, old)
					}
				})
			}
		})
		m.Run()
		if b == nil {
			return
		}
		m.Thread("adder.sys", func(k *irql.K) {
			assert.EqualValues(m, 2, b.Load32(0))
			irp.ExFreePoolWithTag(k, b, irp.Tag("Addr"))
		})
		m.Run()
	}
}

// A step may take in both accesses only as long as nobody can come between them: a search that finds that
// somebody can begins anew. Nothing of the first attempt is left in its result.
func TestExplore_AccessesBecomeStepsWhereSomebodyCanComeBetween(t *testing.T) {
	for _, strategy := range []string{"dpor", "dfs"} {
		bad := Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: strategy, Faults: -1},
			adders(false))
		require.NotEmpty(t, bad.Failures, strategy)
		assert.False(t, bad.Complete, strategy)
		assert.True(t, bad.Failures[0].Repeats, strategy)

		good := Explore(t, ExploreOptions{Strategy: strategy, Faults: -1}, adders(true))
		assert.True(t, good.Complete, strategy)
		all := Explore(t, ExploreOptions{Options: Options{Memory: true}, Strategy: strategy, Faults: -1},
			adders(true))
		assert.True(t, all.Complete, strategy)
		assert.Equal(t, all.Covered, good.Covered, strategy)
		assert.Less(t, good.Steps, all.Steps, "steps of single accesses are more")
	}
}

// threadStarter is a driver with a thread of its own that takes some steps.
func threadStarter(seen *int32) irp.DRIVER_INITIALIZE {
	return func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		var h irql.HANDLE
		s := irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, func(k *irql.K, _ any) {
			for range 5 {
				irql.InterlockedIncrement(k, seen)
			}
		}, nil)
		if ntstatus.NT_SUCCESS(s) {
			irp.ZwClose(k, h)
		}
		return s
	}
}

// When Load returns, threads of the driver may have got anywhere. Where nothing is done then that they could
// notice, that makes no difference and no runs; where the scenario does something, all of it is gone through.
func TestExplore_WhenLoadReturnsMattersToWhatIsDoneThen(t *testing.T) {
	var seen int32
	r := Explore(t, ExploreOptions{Strategy: "dpor", Faults: -1}, func(m *Machine) {
		seen = 0
		m.Load("starter.sys", threadStarter(&seen))
		m.Run()
	})
	assert.True(t, r.Complete)
	assert.LessOrEqual(t, r.Runs, 2)

	found := map[int32]bool{}
	r = Explore(t, ExploreOptions{Strategy: "dpor", Faults: -1}, func(m *Machine) {
		seen = 0
		m.Load("starter.sys", threadStarter(&seen))
		m.Thread("late.sys", func(k *irql.K) { found[irql.InterlockedExchangeAdd(k, &seen, 0)] = true })
		m.Run()
	})
	assert.True(t, r.Complete)
	assert.Len(t, found, 6)
}

// A routine looks whether its object exists before its own scheduling point. What another thread does between
// what came before and that look must be found as well: here the driver uses an event as long as another one
// is not set, and looked at that one in the step before.
func TestExplore_LooksOfARoutineBecomeStepsWhereSomebodyCanComeBetween(t *testing.T) {
	for _, strategy := range []string{"dpor", "dfs"} {
		r := Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: strategy, Faults: -1},
			func(m *Machine) {
				var over irql.KEVENT
				var event irql.Var[*irql.KEVENT]
				m.Thread("looker.sys", func(k *irql.K) {
					irql.KeInitializeEvent(k, &over, irql.NotificationEvent, false)
					m.Thread("looker.sys", func(k *irql.K) {
						if e := event.Load(k); e != nil && irql.KeReadStateEvent(k, &over) == 0 {
							irql.KeReadStateEvent(k, e)
						}
					})
					m.Thread("looker.sys", func(k *irql.K) {
						mine := irql.OnStack[irql.KEVENT](k)
						irql.KeInitializeEvent(k, mine, irql.NotificationEvent, false)
						event.Store(k, mine)
						irql.KeSetEvent(k, &over, 0, false)
					})
				})
				m.Run()
			})
		require.NotEmpty(t, r.Failures, strategy)
		assert.Equal(t, []string{"POOL-026"}, r.Failures[0].Rules, strategy)
		assert.True(t, r.Failures[0].Repeats, strategy)
	}
}
