package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Rule: LOCK-025
func TestExAcquireSpinLockShared_Misused(t *testing.T) {
	f := trips(t, verify.LOCK_025, func(k *K) {
		var l EX_SPIN_LOCK
		ExAcquireSpinLockShared(k, &l)
		ExAcquireSpinLockExclusive(k, &l)
	})
	assert.Contains(t, f.Fix, "ExTryConvertSharedSpinLockExclusive")
	trips(t, verify.LOCK_025, func(k *K) {
		var l EX_SPIN_LOCK
		ExAcquireSpinLockShared(k, &l)
		ExAcquireSpinLockSharedAtDpcLevel(k, &l)
	})
	trips(t, verify.LOCK_025, func(k *K) {
		var l EX_SPIN_LOCK
		ExReleaseSpinLockExclusive(k, &l, ExAcquireSpinLockShared(k, &l))
	})
	trips(t, verify.LOCK_025, func(k *K) {
		var l EX_SPIN_LOCK
		ExAcquireSpinLockExclusive(k, &l)
		ExTryConvertSharedSpinLockExclusive(k, &l)
	})
}

// Near miss: LOCK-025
func TestExAcquireSpinLockShared_AsItShouldBe(t *testing.T) {
	clean(t, func(k *K) {
		var l, other EX_SPIN_LOCK
		old := ExAcquireSpinLockShared(k, &l)
		ExAcquireSpinLockSharedAtDpcLevel(k, &other)
		assert.True(t, ExTryConvertSharedSpinLockExclusive(k, &other))
		ExReleaseSpinLockExclusiveFromDpcLevel(k, &other)
		assert.True(t, ExTryConvertSharedSpinLockExclusive(k, &l))
		ExReleaseSpinLockExclusive(k, &l, old)
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
		old = ExAcquireSpinLockExclusive(k, &l)
		assert.Equal(t, "is held", l.Busy())
		ExAcquireSpinLockExclusiveAtDpcLevel(k, &other)
		ExReleaseSpinLockExclusiveFromDpcLevel(k, &other)
		ExReleaseSpinLockExclusive(k, &l, old)
		old = ExAcquireSpinLockShared(k, &l)
		ExAcquireSpinLockSharedAtDpcLevel(k, &other)
		ExReleaseSpinLockSharedFromDpcLevel(k, &other)
		ExReleaseSpinLockShared(k, &l, old)
		assert.Empty(t, l.Busy())
	})
}

// Rule: LOCK-002
func TestExReleaseSpinLockShared_NotHeld(t *testing.T) {
	trips(t, verify.LOCK_002, func(k *K) {
		var l EX_SPIN_LOCK
		KeRaiseIrqlToDpcLevel(k)
		ExReleaseSpinLockSharedFromDpcLevel(k, &l)
	})
	trips(t, verify.LOCK_002, func(k *K) {
		var l EX_SPIN_LOCK
		KeRaiseIrqlToDpcLevel(k)
		ExTryConvertSharedSpinLockExclusive(k, &l)
	})
}

// Rule: LOCK-010
func TestExReleaseSpinLockShared_ToAnotherLevel(t *testing.T) {
	trips(t, verify.LOCK_010, func(k *K) {
		var l EX_SPIN_LOCK
		ExAcquireSpinLockShared(k, &l)
		ExReleaseSpinLockShared(k, &l, APC_LEVEL)
	})
}

// Rule: LOCK-012
func TestExAcquireSpinLockExclusive_AboveDispatchLevel(t *testing.T) {
	trips(t, verify.LOCK_012, func(k *K) {
		var l EX_SPIN_LOCK
		var old KIRQL
		KeRaiseIrql(k, CLOCK_LEVEL, &old)
		ExAcquireSpinLockExclusive(k, &l)
	})
}

// Rule: IRQL-002
func TestExAcquireSpinLockSharedAtDpcLevel_BelowDispatchLevel(t *testing.T) {
	trips(t, verify.IRQL_002, func(k *K) { ExAcquireSpinLockSharedAtDpcLevel(k, &EX_SPIN_LOCK{}) })
}

// Rule: LOCK-015
func TestEX_SPIN_LOCK_OnTheStackAndHeld(t *testing.T) {
	trips(t, verify.LOCK_015, func(k *K) {
		l := OnStack[EX_SPIN_LOCK](k)
		ExAcquireSpinLockShared(k, l)
		l.StackGone(k)
	})
}

// Rule: LOCK-003
func TestExAcquireSpinLockShared_InTheOtherOrder(t *testing.T) {
	f := trips(t, verify.LOCK_003, func(k *K) {
		var a, b EX_SPIN_LOCK
		both := func(x, y *EX_SPIN_LOCK) {
			old := ExAcquireSpinLockShared(k, x)
			ExAcquireSpinLockExclusiveAtDpcLevel(k, y)
			ExReleaseSpinLockExclusiveFromDpcLevel(k, y)
			ExReleaseSpinLockShared(k, x, old)
		}
		both(&a, &b)
		both(&b, &a)
	})
	assert.Equal(t, uint32(0xC4), f.BugCheck)
}

// Readers share, writers are alone, and no schedule hangs.
func TestExAcquireSpinLockShared_UnderManySchedules(t *testing.T) {
	together := false
	for run := range uint64(300) {
		var l EX_SPIN_LOCK
		readers, writers := 0, 0
		reader := func(k *K) {
			old := ExAcquireSpinLockShared(k, &l)
			readers++
			together = together || readers > 1
			assert.Zero(t, writers)
			KeReadStateEvent(k, event(k, NotificationEvent))
			readers--
			if readers == 0 && ExTryConvertSharedSpinLockExclusive(k, &l) {
				ExReleaseSpinLockExclusive(k, &l, old)
				return
			}
			ExReleaseSpinLockShared(k, &l, old)
		}
		writer := func(k *K) {
			old := ExAcquireSpinLockExclusive(k, &l)
			writers++
			assert.True(t, writers == 1 && readers == 0)
			KeReadStateEvent(k, event(k, NotificationEvent))
			writers--
			ExReleaseSpinLockExclusive(k, &l, old)
		}
		m := play(t, ke.Config{Source: ke.NewRandom(1, run), Processors: 3}, reader, writer, reader, writer)
		assert.Empty(t, m.Findings())
		assert.Empty(t, m.Threads())
	}
	assert.True(t, together)
}
