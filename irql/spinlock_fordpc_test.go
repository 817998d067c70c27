package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
)

func TestKeAcquireSpinLockForDpc_InDpcAndThread(t *testing.T) {
	clean(t, func(k *K) {
		l := lock(k)
		var h KLOCK_QUEUE_HANDLE
		use := func(k *K, level KIRQL) {
			old := KeAcquireSpinLockForDpc(k, l)
			assert.Equal(t, level, old)
			assert.Equal(t, DISPATCH_LEVEL, KeGetCurrentIrql(k))
			KeReleaseSpinLockForDpc(k, l, old)
			KeAcquireInStackQueuedSpinLockForDpc(k, l, &h)
			assert.Equal(t, DISPATCH_LEVEL, KeGetCurrentIrql(k))
			KeReleaseInStackQueuedSpinLockForDpc(k, &h)
			assert.Equal(t, level, KeGetCurrentIrql(k))
		}
		dpc(k, func(k *K) { use(k, DISPATCH_LEVEL) })
		use(k, PASSIVE_LEVEL)
	})
}

// Rule: LOCK-006
func TestKeReleaseSpinLockForDpc_OfAnotherKindOfAcquisition(t *testing.T) {
	trips(t, verify.LOCK_006, func(k *K) {
		l := lock(k)
		old := KeAcquireSpinLockForDpc(k, l)
		KeReleaseSpinLock(k, l, old)
	})
	trips(t, verify.LOCK_006, func(k *K) {
		l := lock(k)
		old := KeAcquireSpinLockRaiseToDpc(k, l)
		KeReleaseSpinLockForDpc(k, l, old)
	})
}

// Rule: LOCK-010
func TestKeReleaseSpinLockForDpc_ToAnotherLevel(t *testing.T) {
	trips(t, verify.LOCK_010, func(k *K) {
		l := lock(k)
		KeAcquireSpinLockForDpc(k, l)
		KeReleaseSpinLockForDpc(k, l, APC_LEVEL)
	})
}

func TestKeAcquireSpinLockRaiseToSynch_Level(t *testing.T) {
	clean(t, func(k *K) {
		l := lock(k)
		old := KeAcquireSpinLockRaiseToSynch(k, l)
		assert.Equal(t, PASSIVE_LEVEL, old)
		assert.Equal(t, SYNCH_LEVEL, KeGetCurrentIrql(k))
		KeReleaseSpinLock(k, l, old)
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
		was := KeRaiseIrqlToSynchLevel(k)
		assert.Equal(t, PASSIVE_LEVEL, was)
		assert.Equal(t, SYNCH_LEVEL, KeGetCurrentIrql(k))
		assert.Equal(t, SYNCH_LEVEL, KeAcquireSpinLockRaiseToSynch(k, l))
		KeReleaseSpinLock(k, l, SYNCH_LEVEL)
		KfLowerIrql(k, was)
		assert.Equal(t, PASSIVE_LEVEL, KfRaiseIrql(k, DISPATCH_LEVEL))
		KfLowerIrql(k, PASSIVE_LEVEL)
	})
}

// Rule: LOCK-012
func TestKeAcquireSpinLockRaiseToSynch_FromAbove(t *testing.T) {
	trips(t, verify.LOCK_012, func(k *K) {
		l := lock(k)
		KfRaiseIrql(k, HIGH_LEVEL)
		KeAcquireSpinLockRaiseToSynch(k, l)
	})
}

// Rule: LOCK-009
func TestKeAcquireSpinLockRaiseToSynch_ReleasedAtAnotherLevel(t *testing.T) {
	trips(t, verify.LOCK_009, func(k *K) {
		l := lock(k)
		old := KeAcquireSpinLockRaiseToSynch(k, l)
		KfRaiseIrql(k, HIGH_LEVEL)
		KeReleaseSpinLock(k, l, old)
	})
}

// Rule: IRQL-003
func TestKfRaiseIrql_ToALowerLevel(t *testing.T) {
	trips(t, verify.IRQL_003, func(k *K) {
		KfRaiseIrql(k, DISPATCH_LEVEL)
		KfRaiseIrql(k, APC_LEVEL)
	})
}

// Rule: IRQL-004
func TestKfLowerIrql_NothingRaised(t *testing.T) {
	trips(t, verify.IRQL_004, func(k *K) { KfLowerIrql(k, PASSIVE_LEVEL) })
}
