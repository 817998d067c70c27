package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

func waitStatus(k *K, object any) ntstatus.NTSTATUS {
	return KeWaitForSingleObject(k, object, Executive, KernelMode, false, forever)
}

// Reference: ntifs/nf-ntifs-keinitializemutant; irp.md 15.
func TestKeInitializeMutant_OwnerKeepsItsAPCs(t *testing.T) {
	clean(t, func(k *K) {
		m := &KMUTANT{}
		KeInitializeMutant(k, m, true)
		assert.False(t, KeAreApcsDisabled(k))
		assert.Equal(t, int32(0), KeReadStateMutant(k, m))
		assert.Equal(t, ntstatus.STATUS_SUCCESS, waitStatus(k, m))
		assert.Equal(t, int32(-1), KeReleaseMutant(k, m, 0, false, false))
		assert.Equal(t, int32(0), KeReleaseMutant(k, m, 0, false, false))
		assert.Equal(t, int32(1), KeReadStateMutant(k, m))
	})
}

// A thread that ends as the owner of a mutant abandons it, and the next owner is told (irp.md 15).
func TestKeInitializeMutant_AbandonedByAThreadThatEnds(t *testing.T) {
	clean(t, func(k *K) {
		m, n := &KMUTANT{}, event(k, NotificationEvent)
		KeInitializeMutant(k, m, false)
		wait(k, spawn(k, func(k *K) { wait(k, m); wait(k, m) }))
		KeSetEvent(k, n, 0, false)
		s := KeWaitForMultipleObjects(k, 2, []any{m, n}, WaitAll, Executive, KernelMode, false, forever, nil)
		assert.Equal(t, ntstatus.STATUS_ABANDONED_WAIT_0, s)
		assert.Equal(t, ntstatus.STATUS_SUCCESS, waitStatus(k, m), "told once")
		KeReleaseMutant(k, m, 0, false, false)
		KeReleaseMutex(k, m, false)
		assert.Equal(t, int32(1), KeReadStateMutant(k, m))
	})
}

// The index of the object and STATUS_ABANDONED make up the status of a wait for any.
func TestKeReleaseMutant_AbandonedByAnybody(t *testing.T) {
	clean(t, func(k *K) {
		m, n := &KMUTANT{}, event(k, NotificationEvent)
		KeInitializeMutant(k, m, true)
		waiter := spawn(k, func(k *K) {
			objects := []any{n, m}
			s := KeWaitForMultipleObjects(k, 2, objects, WaitAny, Executive, KernelMode, false, forever, nil)
			assert.Equal(t, ntstatus.STATUS_ABANDONED_WAIT_0+1, s)
			KeReleaseMutant(k, m, 0, false, false)
		})
		spawn(k, func(k *K) { KeReleaseMutant(k, m, 0, true, false) })
		wait(k, waiter)
	})
}

// Rule: LOCK-017
func TestKeReleaseMutant_ByAStranger(t *testing.T) {
	f := trips(t, verify.LOCK_017, func(k *K) {
		m := &KMUTANT{}
		KeInitializeMutant(k, m, true)
		wait(k, spawn(k, func(k *K) { KeReleaseMutant(k, m, 0, false, false) }))
	})
	assert.Equal(t, "0xC0000046", f.Args[0].Value)
	f = trips(t, verify.LOCK_017, func(k *K) {
		m := &KMUTANT{}
		KeInitializeMutant(k, m, false)
		KeReleaseMutant(k, m, 0, true, false)
		KeReleaseMutant(k, m, 0, false, false)
	})
	assert.Equal(t, "0x00000080", f.Args[0].Value)
}

// A pulse is for who waits now.
func TestKePulseEvent_WakesWhoWaitsAndNobodyElse(t *testing.T) {
	clean(t, func(k *K) {
		e, done := event(k, NotificationEvent), event(k, NotificationEvent)
		waiting := func(k *K) { wait(k, e) }
		a, b := spawn(k, waiting), spawn(k, waiting)
		sleep(k, ms)
		assert.Equal(t, int32(0), KePulseEvent(k, e, 0, false))
		wait(k, a)
		wait(k, b)
		assert.Equal(t, int32(0), KeReadStateEvent(k, e))
		assert.Equal(t, ntstatus.STATUS_TIMEOUT,
			KeWaitForSingleObject(k, e, Executive, KernelMode, false, atOnce()))
		KeSetEvent(k, e, 0, false)
		assert.Equal(t, int32(1), KePulseEvent(k, e, 0, false))
		assert.Equal(t, int32(0), KeReadStateEvent(k, e))
		KeSetEvent(k, done, 0, false)
	})
	clean(t, func(k *K) {
		e, n := event(k, SynchronizationEvent), int32(0)
		waiting := func(k *K) { wait(k, e); InterlockedIncrement(k, &n) }
		a, b := spawn(k, waiting), spawn(k, waiting)
		sleep(k, ms)
		KePulseEvent(k, e, 0, false)
		sleep(k, ms)
		assert.Equal(t, int32(1), n, "one waiter")
		KePulseEvent(k, e, 0, false)
		wait(k, a)
		wait(k, b)
	})
}

// A waiter that comes late waits for ever: some order of pulse and wait hangs.
func TestKePulseEvent_MissedByWhoIsAboutToWait(t *testing.T) {
	for _, late := range []bool{false, true} {
		m := play(t, ke.Config{}, func(k *K) {
			e := event(k, NotificationEvent)
			spawn(k, func(k *K) {
				if late {
					sleep(k, 2*ms)
				}
				wait(k, e)
			})
			sleep(k, ms)
			KePulseEvent(k, e, 0, false)
		})
		assert.Equal(t, late, len(m.Threads()) == 1)
	}
}

// Rule: IRQL-013
func TestKePulseEvent_WaitTrueWithoutWait(t *testing.T) {
	trips(t, verify.IRQL_013, func(k *K) {
		e := event(k, NotificationEvent)
		KePulseEvent(k, e, 0, true)
		KeClearEvent(k, e)
	})
}

// Rule: OBJ-001
func TestKePulseEvent_NotInitialised(t *testing.T) {
	trips(t, verify.OBJ_001, func(k *K) { KePulseEvent(k, new(KEVENT), 0, false) })
}

// What is left of a mutant after a mistake is no trap for the simulator: one that is initialised again while
// its owner lives and then ends, and a mutex that a stranger abandons.
func TestKeInitializeMutant_AgainWhileOwned(t *testing.T) {
	m := play(t, ke.Config{Continue: true}, func(k *K) {
		m, x := &KMUTANT{}, &KMUTEX{}
		KeInitializeMutant(k, m, true)
		KeInitializeMutant(k, m, false)
		KeInitializeMutex(k, x, 0)
		wait(k, x)
		wait(k, spawn(k, func(k *K) { KeReleaseMutant(k, x, 0, true, false) }))
		dpc(k, KeFlushQueuedDpcs)
	})
	assert.Empty(t, m.Threads())
}
