package irql

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Rule: IRQL-010
func TestPAGED_CODE_InADpcRoutine(t *testing.T) {
	f := trips(t, verify.IRQL_010, func(k *K) {
		d := &KDPC{}
		KeInitializeDpc(k, d, pagedDpc, nil)
		KeInsertQueueDpc(k, d, nil, nil)
	})
	assert.Equal(t, "DPC routine pagedDpc is pageable code", f.Headline)
}

func pagedDpc(k *K, _ *KDPC, _, _, _ any) { PAGED_CODE(k) }

// Near miss: IRQL-010
func TestPAGED_CODE_InAWorkItem(t *testing.T) {
	clean(t, func(k *K) { PAGED_CODE(k) })
}

// A helper that a DPC calls at DISPATCH_LEVEL is IRQL-009: the routine itself is not pageable.
//
// Rule: IRQL-009
func TestPAGED_CODE_InAHelperOfADpc(t *testing.T) {
	helper := func(k *K) { PAGED_CODE(k) }
	trips(t, verify.IRQL_009, func(k *K) {
		d := &KDPC{}
		KeInitializeDpc(k, d, func(k *K, _ *KDPC, _, _, _ any) { helper(k) }, nil)
		KeInsertQueueDpc(k, d, nil, nil)
	})
}

// Rule: IRQL-013
func TestKeSetEvent_WaitFlagWithoutAWait(t *testing.T) {
	f := trips(t, verify.IRQL_013, func(k *K) {
		e := event(k, NotificationEvent)
		KeSetEvent(k, e, 0, true)
		KeClearEvent(k, e)
		wait(k, e)
	})
	assert.Equal(t, "KeSetEvent with Wait = TRUE, and instead of a wait KeClearEvent is called", f.Headline)
	f = trips(t, verify.IRQL_013, func(k *K) { KeSetEvent(k, event(k, NotificationEvent), 0, true) })
	assert.Contains(t, f.Headline, "instead of a wait the routine returns")
	trips(t, verify.IRQL_013, func(k *K) {
		m := &KMUTEX{}
		KeInitializeMutex(k, m, 0)
		wait(k, m)
		KeReleaseMutex(k, m, true)
		sleep(k, 1)
	})
}

// Near miss: IRQL-013
func TestKeSetEvent_WaitFlagAndAWait(t *testing.T) {
	var v Var[int32]
	clean(t, func(k *K) {
		go1, done := event(k, SynchronizationEvent), event(k, NotificationEvent)
		v.Store(k, 0)
		spawn(k, func(k *K) {
			wait(k, go1)
			v.Store(k, 1)
			KeSetEvent(k, done, 0, false)
		})
		KeSetEvent(k, go1, 0, true)
		wait(k, done)
		KeSetEvent(k, done, 0, true)
		KeWaitForMultipleObjects(k, 1, []any{done}, WaitAll, Executive, KernelMode, false, nil, nil)
		s := &KSEMAPHORE{}
		KeInitializeSemaphore(k, s, 0, 1)
		KeReleaseSemaphore(k, s, 0, 1, true)
		wait(k, s)
	})
}

// pageable makes what begins at p look like pageable memory.
func pageable(k *K, p any) {
	ke.Of(k).Pageable = func(q unsafe.Pointer) bool {
		switch p := p.(type) {
		case *KEVENT:
			return unsafe.Pointer(p) == q
		case *EX_SPIN_LOCK:
			return unsafe.Pointer(p) == q
		case *ERESOURCE:
			return unsafe.Pointer(p) == q
		case *EX_PUSH_LOCK:
			return unsafe.Pointer(p) == q
		}
		return false
	}
}

// Rule: IRQL-018
func TestKeInitializeEvent_InPageableMemory(t *testing.T) {
	f := trips(t, verify.IRQL_018, func(k *K) {
		e := &KEVENT{}
		pageable(k, e)
		KeInitializeEvent(k, e, NotificationEvent, false)
	})
	assert.Equal(t, "0xe1", f.Args[0].Value)
	trips(t, verify.IRQL_018, func(k *K) {
		l := &EX_SPIN_LOCK{}
		pageable(k, l)
		ExAcquireSpinLockShared(k, l)
	})
	f = trips(t, verify.LOCK_018, func(k *K) {
		r := &ERESOURCE{}
		pageable(k, r)
		ExInitializeResourceLite(k, r)
	})
	assert.Equal(t, []verify.RuleID{verify.IRQL_018}, f.Also)
}

// Near miss: IRQL-018
func TestExInitializePushLock_MayBePagedOut(t *testing.T) {
	clean(t, func(k *K) {
		l := &EX_PUSH_LOCK{}
		pageable(k, l)
		ExInitializePushLock(k, l)
		event(k, NotificationEvent)
	})
}

// Rule: IRQL-019
func TestDpc_TooLong(t *testing.T) {
	f := trips(t, verify.IRQL_019, func(k *K) {
		dpc(k, func(k *K) { KeStallExecutionProcessor(k, 101) })
	})
	assert.Equal(t, "101 microseconds at DISPATCH_LEVEL since the DPC routine, the guideline is 100",
		f.Headline)
	assert.Equal(t, verify.Note, f.Severity())
	trips(t, verify.IRQL_019, func(k *K) {
		old := KeRaiseIrqlToDpcLevel(k)
		KeStallExecutionProcessor(k, 101)
		KeLowerIrql(k, old)
	})
}

// Near miss: IRQL-019
func TestDpc_ShortEnough(t *testing.T) {
	clean(t, func(k *K) {
		dpc(k, func(k *K) { KeStallExecutionProcessor(k, 100) })
		sleep(k, ms)
		var old, low KIRQL
		KeRaiseIrql(k, APC_LEVEL, &low)
		KeStallExecutionProcessor(k, 200)
		KeRaiseIrql(k, DISPATCH_LEVEL, &old)
		KeStallExecutionProcessor(k, 100)
		KeLowerIrql(k, old)
		KeLowerIrql(k, low)
	})
}

// Rule: LOCK-027
func TestKeReleaseSpinLock_HeldTooLong(t *testing.T) {
	f := trips(t, verify.LOCK_027, func(k *K) {
		l := lock(k)
		dpc(k, func(k *K) {
			KeAcquireSpinLockAtDpcLevel(k, l)
			KeStallExecutionProcessor(k, 120)
			KeReleaseSpinLockFromDpcLevel(k, l)
		})
	})
	assert.Equal(t, verify.Note, f.Severity())
	trips(t, verify.LOCK_027, func(k *K) {
		var l EX_SPIN_LOCK
		old := ExAcquireSpinLockExclusive(k, &l)
		KeStallExecutionProcessor(k, 26)
		ExReleaseSpinLockExclusive(k, &l, old)
	})
}

// Near miss: LOCK-027
func TestKeReleaseSpinLock_ShortEnough(t *testing.T) {
	clean(t, func(k *K) {
		l := lock(k)
		old := KeAcquireSpinLockRaiseToDpc(k, l)
		KeStallExecutionProcessor(k, 25)
		KeReleaseSpinLock(k, l, old)
		KeStallExecutionProcessor(k, 50)
	})
}

// Rule: IRQL-015
// The routine is of package irp; what it reports is decided below it.
func TestEnter_FileRoutineAbovePassiveLevel(t *testing.T) {
	f := trips(t, verify.IRQL_015, func(k *K) {
		var old KIRQL
		KeRaiseIrql(k, APC_LEVEL, &old)
		enterZwClose(k)
	})
	assert.Equal(t, []verify.RuleID{verify.IRQL_001}, f.Also)
}

// Near miss: IRQL-015
func TestEnter_FileRoutineAtPassiveLevel(t *testing.T) { clean(t, enterZwClose) }
