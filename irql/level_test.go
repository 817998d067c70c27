package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// Rule: IRQL-001
func TestKeFlushQueuedDpcs_AtDispatchLevel(t *testing.T) {
	f := trips(t, verify.IRQL_001, func(k *K) {
		KeRaiseIrqlToDpcLevel(k)
		KeFlushQueuedDpcs(k)
	})
	assert.Equal(t, uint8(ke.Passive), f.AllowedIRQL)
	assert.Equal(t, "test.sys", f.Driver)
}

// Near miss: IRQL-001
func TestKeFlushQueuedDpcs_AtPassiveLevel(t *testing.T) {
	clean(t, func(k *K) {
		KeFlushQueuedDpcs(k)
		var s KSEMAPHORE
		KeInitializeSemaphore(k, &s, 0, 1)
		KeReleaseSemaphore(k, &s, 0, 1, true)
		wait(k, &s)
	})
}

// Rule: IRQL-001
func TestKeReleaseSemaphore_WaitFlagAtApcLevel(t *testing.T) {
	trips(t, verify.IRQL_001, func(k *K) {
		var s KSEMAPHORE
		var old KIRQL
		KeInitializeSemaphore(k, &s, 0, 1)
		KeRaiseIrql(k, APC_LEVEL, &old)
		KeReleaseSemaphore(k, &s, 0, 1, true)
	})
}

// Rule: IRQL-002
func TestKeShouldYieldProcessor_AtPassiveLevel(t *testing.T) {
	trips(t, verify.IRQL_002, func(k *K) { KeShouldYieldProcessor(k) })
}

// Near miss: IRQL-002
func TestKeShouldYieldProcessor_InADpc(t *testing.T) {
	clean(t, func(k *K) { dpc(k, func(k *K) { assert.False(t, KeShouldYieldProcessor(k)) }) })
}

// Rule: IRQL-003
func TestKeRaiseIrql_ToLowerLevel(t *testing.T) {
	f := trips(t, verify.IRQL_003, func(k *K) {
		var old KIRQL
		KeRaiseIrqlToDpcLevel(k)
		KeRaiseIrql(k, APC_LEVEL, &old)
	})
	assert.Equal(t, "KeRaiseIrql to APC_LEVEL at DISPATCH_LEVEL", f.Headline)
	trips(t, verify.IRQL_003, func(k *K) {
		var old KIRQL
		KeRaiseIrql(k, HIGH_LEVEL+1, &old)
	})
}

// Near miss: IRQL-003
func TestKeRaiseIrql_ToSameLevel(t *testing.T) {
	clean(t, func(k *K) {
		var first, second KIRQL
		KeRaiseIrql(k, HIGH_LEVEL, &first)
		KeRaiseIrql(k, HIGH_LEVEL, &second)
		assert.Equal(t, HIGH_LEVEL, second)
		KeLowerIrql(k, second)
		KeLowerIrql(k, first)
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
	})
}

// Rule: IRQL-004
func TestKeLowerIrql_ToHigherLevel(t *testing.T) {
	trips(t, verify.IRQL_004, func(k *K) { KeLowerIrql(k, DISPATCH_LEVEL) })
	trips(t, verify.IRQL_004, func(k *K) { KeLowerIrql(k, PASSIVE_LEVEL) }) // without a raise
}

// Near miss: IRQL-004
func TestKeLowerIrql_ToSameLevelAfterARaise(t *testing.T) {
	clean(t, func(k *K) {
		var old KIRQL
		KeRaiseIrql(k, PASSIVE_LEVEL, &old)
		KeLowerIrql(k, old)
	})
}

// Rule: IRQL-005
func TestKeLowerIrql_NotToSavedLevel(t *testing.T) {
	f := trips(t, verify.IRQL_005, func(k *K) {
		var old KIRQL
		KeRaiseIrql(k, APC_LEVEL, &old)
		KeRaiseIrql(k, DISPATCH_LEVEL, &old)
		KeLowerIrql(k, PASSIVE_LEVEL)
	})
	assert.Contains(t, f.Headline, "saved APC_LEVEL")
}

// Near miss: IRQL-005
func TestKeLowerIrql_NestedRaises(t *testing.T) {
	clean(t, func(k *K) {
		var a, b KIRQL
		KeRaiseIrql(k, APC_LEVEL, &a)
		KeRaiseIrql(k, DISPATCH_LEVEL, &b)
		KeLowerIrql(k, b)
		assert.Equal(t, APC_LEVEL, KeGetCurrentIrql(k))
		KeLowerIrql(k, a)
	})
}

// Rule: IRQL-006
func TestKeLowerIrql_InADpc(t *testing.T) {
	trips(t, verify.IRQL_006, func(k *K) { dpc(k, func(k *K) { KeLowerIrql(k, PASSIVE_LEVEL) }) })
}

// Rule: IRQL-006
func TestKeReleaseSpinLock_OuterOneFirst(t *testing.T) {
	f := trips(t, verify.IRQL_006, func(k *K) {
		var first, second KIRQL
		a, b := lock(k), lock(k)
		KeAcquireSpinLock(k, a, &first)
		KeAcquireSpinLock(k, b, &second)
		KeReleaseSpinLock(k, a, first)
	})
	assert.Contains(t, f.Headline, "lock#2 is held")
}

// Near miss: IRQL-006
func TestKeLowerIrql_InADpcBackToDispatchLevel(t *testing.T) {
	clean(t, func(k *K) {
		dpc(k, func(k *K) {
			var old KIRQL
			KeRaiseIrql(k, CLOCK_LEVEL, &old)
			KeLowerIrql(k, old)
		})
	})
}

// Rule: IRQL-007
func TestReturn_AtAnotherLevel(t *testing.T) {
	trips(t, verify.IRQL_007, func(k *K) { KeRaiseIrqlToDpcLevel(k) })
}

// Near miss: IRQL-007
func TestReturn_AtTheLevelOfEntry(t *testing.T) {
	clean(t, func(k *K) { KeLowerIrql(k, KeRaiseIrqlToDpcLevel(k)) })
}

// Rule: IRQL-009
func TestPAGED_CODE_AtDispatchLevel(t *testing.T) {
	trips(t, verify.IRQL_009, func(k *K) {
		KeRaiseIrqlToDpcLevel(k)
		PAGED_CODE(k)
	})
}

// Near miss: IRQL-009
func TestPAGED_CODE_AtApcLevel(t *testing.T) {
	clean(t, func(k *K) {
		var old KIRQL
		KeRaiseIrql(k, APC_LEVEL, &old)
		PAGED_CODE(k)
		KeLowerIrql(k, old)
	})
}

// Rule: IRQL-016
func TestKeLowerIrql_ToNoLevel(t *testing.T) {
	trips(t, verify.IRQL_016, func(k *K) {
		KeRaiseIrqlToDpcLevel(k)
		KeLowerIrql(k, 0xCC)
	})
	trips(t, verify.IRQL_016, func(k *K) {
		var old KIRQL
		l := lock(k)
		KeAcquireSpinLock(k, l, &old)
		KeReleaseSpinLock(k, l, 0xCC)
	})
}

// Near miss: IRQL-016
func TestKeLowerIrql_FromHighestLevel(t *testing.T) {
	clean(t, func(k *K) {
		var old KIRQL
		KeRaiseIrql(k, HIGH_LEVEL, &old)
		KeLowerIrql(k, old)
	})
}

func TestKeLowerIrql_LetsDpcsInBeforeItReturns(t *testing.T) {
	at := ""
	clean(t, func(k *K) {
		old := KeRaiseIrqlToDpcLevel(k)
		dpc(k, func(k *K) { at += "d" })
		at = "1"
		KeLowerIrql(k, old)
		at += "2"
	})
	assert.Equal(t, "1d2", at)
}

func TestContinue_LevelChangesAsGiven(t *testing.T) {
	m := play(t, ke.Config{Continue: true}, func(k *K) {
		var old KIRQL
		KeRaiseIrqlToDpcLevel(k)
		KeRaiseIrql(k, APC_LEVEL, &old)
		assert.Equal(t, DISPATCH_LEVEL, old)
		assert.Equal(t, APC_LEVEL, KeGetCurrentIrql(k))
		KeLowerIrql(k, PASSIVE_LEVEL)
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
	})
	assert.Len(t, m.Findings(), 2)
}

func TestPsGetCurrentProcessId_SystemIsFour(t *testing.T) {
	clean(t, func(k *K) {
		assert.Equal(t, HANDLE(4), PsGetCurrentProcessId(k))
		assert.Equal(t, HANDLE(12), PsGetCurrentThreadId(k))
		assert.Same(t, KeGetCurrentThread(k), PsGetCurrentThread(k))
		assert.Equal(t, ntstatus.STATUS_PENDING, PsGetThreadExitStatus(k, KeGetCurrentThread(k)))
		var mask uint64
		assert.Equal(t, uint32(2), KeQueryActiveProcessorCount(k, &mask))
		assert.Equal(t, uint64(3), mask)
		assert.Less(t, KeGetCurrentProcessorNumber(k), uint32(2))
	})
}
