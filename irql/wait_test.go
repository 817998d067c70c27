package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// Rule: IRQL-011
func TestKeWaitForSingleObject_AtDispatchLevel(t *testing.T) {
	f := trips(t, verify.IRQL_011, func(k *K) {
		e := event(k, NotificationEvent)
		KeRaiseIrqlToDpcLevel(k)
		wait(k, e)
	})
	assert.Equal(t, []verify.RuleID{verify.IRQL_001}, f.Also)
	assert.Equal(t, uint8(ke.APC), f.AllowedIRQL)
	trips(t, verify.IRQL_011, func(k *K) {
		e := event(k, NotificationEvent)
		dpc(k, func(k *K) {
			KeWaitForSingleObject(k, e, Executive, KernelMode, false, rel(ms))
		})
	})
	trips(t, verify.IRQL_011, func(k *K) {
		KeRaiseIrqlToDpcLevel(k)
		KeDelayExecutionThread(k, KernelMode, false, rel(ms))
	})
	trips(t, verify.IRQL_011, func(k *K) {
		e := event(k, NotificationEvent)
		KeRaiseIrqlToDpcLevel(k)
		KeWaitForMultipleObjects(k, 1, []any{e}, WaitAny, Executive, KernelMode, false, forever, nil)
	})
}

// Near miss: IRQL-011
func TestKeWaitForSingleObject_PollAtDispatchLevel(t *testing.T) {
	clean(t, func(k *K) {
		e := event(k, SynchronizationEvent)
		poll := func(k *K) ntstatus.NTSTATUS {
			return KeWaitForSingleObject(k, e, Executive, KernelMode, false, atOnce())
		}
		old := KeRaiseIrqlToDpcLevel(k)
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, poll(k))
		KeSetEvent(k, e, 0, false)
		assert.Equal(t, ntstatus.STATUS_SUCCESS, poll(k))
		KeLowerIrql(k, old)
		dpc(k, func(k *K) { assert.Equal(t, ntstatus.STATUS_TIMEOUT, poll(k)) })
		KeRaiseIrql(k, APC_LEVEL, &old)
		KeWaitForSingleObject(k, e, Executive, KernelMode, false, rel(ms))
		KeLowerIrql(k, old)
	})
}

// Rule: IRQL-012
func TestKeSetEvent_WaitFlagAtDispatchLevel(t *testing.T) {
	trips(t, verify.IRQL_012, func(k *K) {
		e := event(k, NotificationEvent)
		dpc(k, func(k *K) { KeSetEvent(k, e, 0, true) })
	})
	trips(t, verify.IRQL_012, func(k *K) {
		var old KIRQL
		e := event(k, NotificationEvent)
		KeRaiseIrql(k, HIGH_LEVEL, &old)
		KeSetEvent(k, e, 0, false)
	})
}

// Near miss: IRQL-012
func TestKeSetEvent_AtDispatchLevel(t *testing.T) {
	clean(t, func(k *K) {
		e := event(k, NotificationEvent)
		dpc(k, func(k *K) { KeSetEvent(k, e, 0, false) })
		KeSetEvent(k, e, 0, true)
		wait(k, e)
	})
}

// Rule: IRQL-021
func TestKeWaitForSingleObject_UserModeOnTheStack(t *testing.T) {
	trips(t, verify.IRQL_021, func(k *K) {
		e := OnStack[KEVENT](k)
		KeInitializeEvent(k, e, NotificationEvent, true)
		KeWaitForSingleObject(k, e, Executive, UserMode, false, forever)
	})
}

// Near miss: IRQL-021
func TestKeWaitForSingleObject_UserModeOffTheStack(t *testing.T) {
	clean(t, func(k *K) {
		e := event(k, NotificationEvent)
		KeSetEvent(k, e, 0, false)
		KeWaitForSingleObject(k, e, Executive, UserMode, false, forever)
	})
}

// Rule: IRQL-022
func TestKeWaitForMultipleObjects_TooMany(t *testing.T) {
	all := func(k *K, n int, blocks []KWAIT_BLOCK) {
		objs := make([]any, n)
		for i := range objs {
			objs[i] = event(k, NotificationEvent)
		}
		KeWaitForMultipleObjects(k, uint32(n), objs, WaitAny, Executive, KernelMode, false, atOnce(), blocks)
	}
	trips(t, verify.IRQL_022, func(k *K) { all(k, 4, nil) })
	trips(t, verify.IRQL_022, func(k *K) { all(k, 65, make([]KWAIT_BLOCK, 65)) })
	shared := make([]KWAIT_BLOCK, 4)
	long := func(k *K) {
		e := event(k, NotificationEvent)
		KeWaitForMultipleObjects(k, 1, []any{e}, WaitAny, Executive, KernelMode, false, rel(ms), shared)
	}
	trips(t, verify.IRQL_022, long, long)
}

// Near miss: IRQL-022
func TestKeWaitForMultipleObjects_ArrayLargeEnough(t *testing.T) {
	clean(t, func(k *K) {
		objs := make([]any, 64)
		for i := range objs {
			objs[i] = event(k, NotificationEvent)
		}
		blocks := make([]KWAIT_BLOCK, 64)
		for range 2 {
			s := KeWaitForMultipleObjects(k, 64, objs, WaitAny, Executive, KernelMode, false, atOnce(),
				blocks)
			assert.Equal(t, ntstatus.STATUS_TIMEOUT, s)
		}
		KeWaitForMultipleObjects(k, 3, objs, WaitAny, Executive, KernelMode, false, atOnce(), nil)
	})
}

// Rule: OBJ-001
func TestKeInitializeEvent_WithWaiters(t *testing.T) {
	e := &KEVENT{}
	trips(t, verify.OBJ_001, func(k *K) {
		KeInitializeEvent(k, e, NotificationEvent, false)
		spawn(k, func(k *K) { wait(k, e) })
		KeDelayExecutionThread(k, KernelMode, false, rel(ms))
		KeInitializeEvent(k, e, NotificationEvent, false)
	})
	trips(t, verify.OBJ_001, func(k *K) { KeSetEvent(k, &KEVENT{}, 0, false) }) // its list was never made
}

// Near miss: OBJ-001
func TestKeInitializeEvent_AgainWithoutWaiters(t *testing.T) {
	clean(t, func(k *K) {
		e := event(k, NotificationEvent)
		KeWaitForSingleObject(k, e, Executive, KernelMode, false, rel(ms))
		KeInitializeEvent(k, e, SynchronizationEvent, true)
		wait(k, e)
		assert.Zero(t, KeReadStateEvent(k, e))
	})
}

// Rule: OBJ-002
func TestStackGone_EventWithWaiters(t *testing.T) {
	trips(t, verify.OBJ_002, func(k *K) {
		e := OnStack[KEVENT](k)
		KeInitializeEvent(k, e, NotificationEvent, false)
		spawn(k, func(k *K) { wait(k, e) })
		KeDelayExecutionThread(k, KernelMode, false, rel(ms))
	})
	trips(t, verify.OBJ_002, func(k *K) {
		tm := OnStack[KTIMER](k)
		KeInitializeTimer(k, tm)
		spawn(k, func(k *K) { wait(k, tm) })
		KeDelayExecutionThread(k, KernelMode, false, rel(ms))
	})
}

// TestStackGone_WhileKeSetEventHasNotReturned: which rule such a driver breaks is up to the schedule.
func TestStackGone_WhileKeSetEventHasNotReturned(t *testing.T) {
	seen := map[string]int{}
	for run := range uint64(200) {
		m := play(t, ke.Config{Source: ke.NewRandom(0, run)}, func(k *K) {
			e := OnStack[KEVENT](k)
			KeInitializeEvent(k, e, NotificationEvent, false)
			spawn(k, func(k *K) { KeSetEvent(k, e, 0, false) })
			Yield(k) // what ends the routine is not the event
		})
		for _, f := range m.Findings() {
			seen[f.Rule.String()]++
		}
	}
	assert.Positive(t, seen["OBJ-002"])
	assert.Positive(t, seen["POOL-026"]) // the set comes after the return
	assert.Len(t, seen, 2)
}

// Near miss: OBJ-002
func TestStackGone_AfterTheWaitForIt(t *testing.T) {
	clean(t, func(k *K) {
		e := OnStack[KEVENT](k)
		KeInitializeEvent(k, e, NotificationEvent, false)
		spawn(k, func(k *K) { KeSetEvent(k, e, 0, false) })
		wait(k, e)
	})
}

// Rule: LOCK-017
func TestKeReleaseMutex_ByAStranger(t *testing.T) {
	f := trips(t, verify.LOCK_017, func(k *K) {
		m := &KMUTEX{}
		KeInitializeMutex(k, m, 0)
		KeReleaseMutex(k, m, false)
	})
	assert.Empty(t, f.Also)
	trips(t, verify.LOCK_017, func(k *K) { // still owned at the end of a work item
		m := &KMUTEX{}
		KeInitializeMutex(k, m, 0)
		wait(k, m)
	})
}

// Near miss: LOCK-017
func TestKeReleaseMutex_AsOftenAsAcquired(t *testing.T) {
	clean(t, func(k *K) {
		m := &KMUTEX{}
		KeInitializeMutex(k, m, 0)
		wait(k, m)
		assert.True(t, KeAreApcsDisabled(k))
		wait(k, m)
		assert.Equal(t, int32(-1), KeReadStateMutex(k, m))
		assert.Equal(t, int32(-1), KeReleaseMutex(k, m, false))
		assert.Equal(t, int32(0), KeReleaseMutex(k, m, false))
		assert.False(t, KeAreApcsDisabled(k))
		KeWaitForMultipleObjects(k, 1, []any{m}, WaitAll, Executive, KernelMode, false, forever, nil)
		KeReleaseMutex(k, m, false)
	})
}

func TestKeReleaseMutex_RaisesForAStranger(t *testing.T) {
	m := play(t, ke.Config{Continue: true}, func(k *K) {
		mu := &KMUTEX{}
		KeInitializeMutex(k, mu, 0)
		defer func() {
			e, ok := recover().(Exception)
			require.True(t, ok)
			assert.Equal(t, ntstatus.STATUS_MUTANT_NOT_OWNED, e.Status)
			assert.Equal(t, "KeReleaseMutex raised STATUS_MUTANT_NOT_OWNED", e.Error())
		}()
		KeReleaseMutex(k, mu, false)
	})
	found(t, m, verify.LOCK_017)
}

// Rule: LOCK-024
func TestKeReleaseSemaphore_AboveTheLimit(t *testing.T) {
	trips(t, verify.LOCK_024, func(k *K) {
		var s KSEMAPHORE
		KeInitializeSemaphore(k, &s, 1, 2)
		KeReleaseSemaphore(k, &s, 0, 2, false)
	})
	m := play(t, ke.Config{Continue: true}, func(k *K) {
		var s KSEMAPHORE
		KeInitializeSemaphore(k, &s, 1, 2)
		defer func() {
			assert.Equal(t, ntstatus.STATUS_SEMAPHORE_LIMIT_EXCEEDED, recover().(Exception).Status)
			assert.Equal(t, int32(1), KeReadStateSemaphore(k, &s))
		}()
		KeReleaseSemaphore(k, &s, 0, 2, false)
	})
	found(t, m, verify.LOCK_024)
}

// Near miss: LOCK-024
func TestKeReleaseSemaphore_UpToTheLimit(t *testing.T) {
	clean(t, func(k *K) {
		var s KSEMAPHORE
		KeInitializeSemaphore(k, &s, 1, 2)
		assert.Equal(t, int32(1), KeReleaseSemaphore(k, &s, 0, 1, false))
		wait(k, &s)
		wait(k, &s)
		assert.Zero(t, KeReadStateSemaphore(k, &s))
	})
}

// Rule: LOCK-026
func TestDeadlock_NobodyIsLeftToSignal(t *testing.T) {
	f := trips(t, verify.LOCK_026, func(k *K) { wait(k, event(k, NotificationEvent)) })
	want := "driver a waits in KeWaitForSingleObject for event#1, since 0.0000000 s"
	assert.Equal(t, []string{want}, f.Blocked)
}

// Near miss: LOCK-026
func TestDeadlock_LateSignalIsNone(t *testing.T) {
	clean(t, func(k *K) {
		e := event(k, NotificationEvent)
		spawn(k, func(k *K) {
			KeDelayExecutionThread(k, KernelMode, false, rel(ms))
			KeSetEvent(k, e, 0, false)
		})
		wait(k, e)
	})
	trial.Keeps(t, func(number int) { // a system thread may wait for work for ever
		m := play(t, ke.Config{Source: trial.Walk(number)}, func(k *K) {
			spawn(k, func(k *K) { wait(k, event(k, NotificationEvent)) })
		})
		assert.Empty(t, m.Findings())
		m.Close()
	})
}

func TestKeWaitForMultipleObjects_AnyAndAll(t *testing.T) {
	clean(t, func(k *K) {
		a, b := event(k, NotificationEvent), event(k, SynchronizationEvent)
		mu := &KMUTEX{}
		KeInitializeMutex(k, mu, 0)
		multi := func(how WAIT_TYPE, objs ...any) ntstatus.NTSTATUS {
			return KeWaitForMultipleObjects(k, uint32(len(objs)), objs, how, Executive, KernelMode, false,
				atOnce(), nil)
		}
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, multi(WaitAny, a, b))
		KeSetEvent(k, b, 0, false)
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, multi(WaitAll, a, b))
		assert.Equal(t, ntstatus.STATUS_WAIT_1, multi(WaitAny, a, b))
		assert.Equal(t, ntstatus.STATUS_WAIT_1, multi(WaitAny, b, mu))
		assert.Equal(t, int32(0), KeReleaseMutex(k, mu, false))
		assert.Equal(t, ntstatus.STATUS_TIMEOUT, multi(WaitAll, a, mu))
		assert.Equal(t, int32(1), KeReadStateMutex(k, mu))
	})
}

func TestKeResetEvent_ReturnsTheStateBefore(t *testing.T) {
	clean(t, func(k *K) {
		e := event(k, NotificationEvent)
		assert.Equal(t, int32(0), KeSetEvent(k, e, 1, false))
		assert.Equal(t, int32(1), KeSetEvent(k, e, 1, false))
		assert.Equal(t, int32(1), KeResetEvent(k, e))
		assert.Equal(t, int32(0), KeResetEvent(k, e))
		KeSetEvent(k, e, 0, false)
		KeClearEvent(k, e)
		assert.Zero(t, KeReadStateEvent(k, e))
	})
}

func TestKeWaitForSingleObject_NoDispatcherObjectIsMisuse(t *testing.T) {
	assert.Panics(t, func() { play(t, ke.Config{}, func(k *K) { wait(k, "event") }) })
}

func TestUse_AfterTheStackFrameEnded(t *testing.T) {
	var kept *KEVENT
	f := trips(t, verify.POOL_026, func(k *K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameDispatch})
		kept = OnStack[KEVENT](k)
		KeInitializeEvent(k, kept, NotificationEvent, false)
		ke.Pop(k)
		KeSetEvent(k, kept, 0, false)
	})
	assert.Equal(t, "KeSetEvent on event#1, whose memory is gone", f.Headline)
	assert.Len(t, f.Places, 2)
}

// TestWait_Alerted: an alert ends the alertable wait it meets, or the next one, in either mode and whatever
// the region; nothing is acquired. windows-driver-docs: windows-driver-docs-pr/kernel/waits-and-apcs.md
func TestWait_Alerted(t *testing.T) {
	m := clean(t, func(k *K) {
		alert := func() { ke.Alert(k, ke.ThreadOf(k)) }
		e, mutex := event(k, NotificationEvent), &KMUTEX{}
		KeInitializeMutex(k, mutex, 0)
		alert()
		KeEnterCriticalRegion(k)
		assert.Equal(t, ntstatus.STATUS_ALERTED, KeDelayExecutionThread(k, KernelMode, true, rel(1000*ms)))
		KeLeaveCriticalRegion(k)
		alert()
		assert.Equal(t, ntstatus.STATUS_SUCCESS, KeDelayExecutionThread(k, UserMode, false, rel(ms)))
		assert.Equal(t, ntstatus.STATUS_ALERTED, KeDelayExecutionThread(k, UserMode, true, atOnce()))
		assert.Equal(t, ntstatus.STATUS_SUCCESS, KeDelayExecutionThread(k, UserMode, true, atOnce()))
		alert()
		s := KeWaitForMultipleObjects(k, 2, []any{mutex, e}, WaitAll, Executive, UserMode, true, nil, nil)
		assert.Equal(t, ntstatus.STATUS_ALERTED, s)
		assert.EqualValues(t, 1, KeReadStateMutex(k, mutex))
		alert()
		s = KeWaitForSingleObject(k, e, Executive, KernelMode, true, nil)
		assert.Equal(t, ntstatus.STATUS_ALERTED, s)
	})
	assert.Equal(t, ms, m.Uptime())
}
