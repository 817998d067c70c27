package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
)

// TestDumpLocks_OwnersWaitersAndOrder: who holds what, who waits for it, and which lock came under which.
func TestDumpLocks_OwnersWaitersAndOrder(t *testing.T) {
	var outer, inner FAST_MUTEX
	var lock KSPIN_LOCK
	var event KEVENT
	m := playIn(t, ke.Config{}, ke.FrameThread, func(k *K) {
		ExInitializeFastMutex(k, &outer)
		ExInitializeFastMutex(k, &inner)
		KeInitializeSpinLock(k, &lock)
		KeInitializeEvent(k, &event, NotificationEvent, false)
		ExAcquireFastMutex(k, &outer)
		ExAcquireFastMutex(k, &inner)
		wait(k, &event)
	}, func(k *K) { ExAcquireFastMutex(k, &inner) })
	assert.Equal(t, []string{"!locks", "**** DUMP OF ALL LOCKS THAT ARE HELD ****",
		"Lock @ fmutex#1", "     Owner: driver a, acquired by ExAcquireFastMutex (event 8)",
		"Lock @ fmutex#2", "     Owner: driver a, acquired by ExAcquireFastMutex (event 9)",
		"     Waiter: driver b, since 0.0000000 s",
		"Locks held: 2", "Order of acquisition:", "     fmutex#1 -> fmutex#2    first by driver a"}, Sim.DumpLocks(m))
	assert.Equal(t, []string{"!irql", "IRQL for processor 0x0 -- 0 (PASSIVE_LEVEL)",
		"IRQL for processor 0x1 -- 0 (PASSIVE_LEVEL)"}, Sim.DumpIRQL(m), "both wait: the processors idle")
	assert.Contains(t, Sim.DumpTransitions(m)[1], "ExAcquireFastMutex fmutex#2: processor 0")
}

// TestDumpLocks_SpinningProcessor: a context that spins for a lock is a waiter, too.
func TestDumpLocks_SpinningProcessor(t *testing.T) {
	var lock KSPIN_LOCK
	var dump, levels []string
	var m *ke.Machine
	ready, spinning := false, false
	play(t, ke.Config{}, func(k *K) {
		KeInitializeSpinLock(k, &lock)
		old := KeAcquireSpinLockRaiseToDpc(k, &lock)
		ready = true
		for !spinning {
			Yield(k)
		}
		Yield(k)
		m = ke.Of(k)
		dump, levels = Sim.DumpLocks(m), Sim.DumpIRQL(m)
		KeReleaseSpinLock(k, &lock, old)
	}, func(k *K) {
		for !ready {
			Yield(k)
		}
		spinning = true
		old := KeAcquireSpinLockRaiseToDpc(k, &lock)
		KeReleaseSpinLock(k, &lock, old)
	})
	assert.Contains(t, dump, "     Waiter: driver b, since 0.0000000 s")
	assert.Equal(t, "IRQL for processor 0x1 -- 2 (DISPATCH_LEVEL)", levels[2])
}

// TestKeInsertQueueDpc_WithoutRoutineIsNotRun: a run that continues after the finding has nothing to run.
func TestKeInsertQueueDpc_WithoutRoutineIsNotRun(t *testing.T) {
	var never, empty KDPC
	var timer KTIMER
	m := play(t, ke.Config{Continue: true}, func(k *K) {
		KeInitializeDpc(k, &empty, nil, nil)
		KeInitializeTimer(k, &timer)
		assert.False(t, KeInsertQueueDpc(k, &never, nil, nil))
		assert.False(t, KeInsertQueueDpc(k, &empty, nil, nil))
		KeSetTimer(k, &timer, *rel(ms), &empty)
		wait(k, &timer)
	})
	for _, f := range m.Findings() {
		assert.Equal(t, "OBJ-008", f.Rule.String(), f.Headline)
	}
	assert.Len(t, m.Findings(), 4)
}
