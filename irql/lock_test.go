package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Rule: LOCK-001
func TestKeAcquireSpinLock_Twice(t *testing.T) {
	f := trips(t, verify.LOCK_001, func(k *K) {
		var old KIRQL
		l := lock(k)
		KeAcquireSpinLock(k, l, &old)
		KeAcquireSpinLock(k, l, &old)
	})
	assert.Equal(t, uint32(0xF), f.BugCheck)
	assert.Len(t, f.Places, 1)
}

// Near miss: LOCK-001
func TestKeAcquireSpinLock_TwoLocksAndAnotherThread(t *testing.T) {
	l := &KSPIN_LOCK{}
	body := func(k *K) {
		var a, b KIRQL
		own := lock(k)
		KeAcquireSpinLock(k, l, &a)
		KeAcquireSpinLock(k, own, &b)
		KeReleaseSpinLock(k, own, b)
		KeReleaseSpinLock(k, l, a)
	}
	clean(t, after(func(k *K) { KeInitializeSpinLock(k, l) }, body, body))
}

// Rule: LOCK-002
func TestKeReleaseSpinLock_NotHeld(t *testing.T) {
	trips(t, verify.LOCK_002, func(k *K) {
		var old KIRQL
		l := lock(k)
		KeAcquireSpinLock(k, l, &old)
		KeReleaseSpinLock(k, l, old)
		KeReleaseSpinLock(k, l, old)
	})
	trips(t, verify.LOCK_002, func(k *K) { KeReleaseInStackQueuedSpinLock(k, &KLOCK_QUEUE_HANDLE{}) })
}

// Near miss: LOCK-002
func TestKeReleaseSpinLock_TwiceAcquiredTwiceReleased(t *testing.T) {
	clean(t, func(k *K) {
		l := lock(k)
		for range 2 {
			old := KeAcquireSpinLockRaiseToDpc(k, l)
			assert.False(t, KeTestSpinLock(k, l))
			KeReleaseSpinLock(k, l, old)
			assert.True(t, KeTestSpinLock(k, l))
		}
	})
}

// Rule: LOCK-005
func TestKeReleaseSpinLockFromDpcLevel_OutOfOrder(t *testing.T) {
	f := trips(t, verify.LOCK_005, func(k *K) {
		a, b := lock(k), lock(k)
		old := KeRaiseIrqlToDpcLevel(k)
		KeAcquireSpinLockAtDpcLevel(k, a)
		KeAcquireSpinLockAtDpcLevel(k, b)
		KeReleaseSpinLockFromDpcLevel(k, a)
		KeReleaseSpinLockFromDpcLevel(k, b)
		KeLowerIrql(k, old)
	})
	assert.Equal(t, verify.Warning, f.Severity())
}

// Near miss: LOCK-005
func TestKeReleaseSpinLockFromDpcLevel_InReverseOrder(t *testing.T) {
	clean(t, func(k *K) {
		a, b := lock(k), lock(k)
		old := KeRaiseIrqlToDpcLevel(k)
		KeAcquireSpinLockAtDpcLevel(k, a)
		KeAcquireSpinLockAtDpcLevel(k, b)
		KeReleaseSpinLockFromDpcLevel(k, b)
		KeReleaseSpinLockFromDpcLevel(k, a)
		KeLowerIrql(k, old)
	})
}

// Rule: LOCK-006
func TestKeReleaseSpinLock_OfAQueuedAcquisition(t *testing.T) {
	trips(t, verify.LOCK_006, func(k *K) {
		var h KLOCK_QUEUE_HANDLE
		l := lock(k)
		KeAcquireInStackQueuedSpinLock(k, l, &h)
		KeReleaseSpinLock(k, l, PASSIVE_LEVEL)
	})
	trips(t, verify.LOCK_006, func(k *K) {
		m := &FAST_MUTEX{}
		ExInitializeFastMutex(k, m)
		ExAcquireFastMutex(k, m)
		ExReleaseFastMutexUnsafe(k, m)
	})
}

// Near miss: LOCK-006
func TestKeReleaseInStackQueuedSpinLock_MatchingForms(t *testing.T) {
	clean(t, func(k *K) {
		var h, inner KLOCK_QUEUE_HANDLE
		a, b := lock(k), lock(k)
		KeAcquireInStackQueuedSpinLock(k, a, &h)
		assert.Equal(t, DISPATCH_LEVEL, KeGetCurrentIrql(k))
		KeAcquireInStackQueuedSpinLockAtDpcLevel(k, b, &inner)
		KeReleaseInStackQueuedSpinLockFromDpcLevel(k, &inner)
		KeReleaseInStackQueuedSpinLock(k, &h)
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
	})
}

// Rule: LOCK-007
func TestKeAcquireSpinLock_NeverInitialised(t *testing.T) {
	trips(t, verify.LOCK_007, func(k *K) {
		var l KSPIN_LOCK
		var old KIRQL
		KeAcquireSpinLock(k, &l, &old)
	})
	f := trips(t, verify.LOCK_007, func(k *K) { KeInitializeSpinLock(k, lock(k)) })
	assert.Equal(t, verify.Warning, f.Severity(), "idle")
	f = trips(t, verify.LOCK_007, func(k *K) {
		var old KIRQL
		l := lock(k)
		KeAcquireSpinLock(k, l, &old)
		KeInitializeSpinLock(k, l)
	})
	assert.Equal(t, verify.Error, f.Severity(), "held")
	trips(t, verify.LOCK_007, func(k *K) { wait(k, &KMUTEX{}) })
	trips(t, verify.LOCK_007, func(k *K) { ExAcquireFastMutex(k, &FAST_MUTEX{}) })
}

// Near miss: LOCK-007
func TestKeInitializeSpinLock_OncePerRun(t *testing.T) {
	var global KSPIN_LOCK // lives longer than a machine
	for range 2 {
		clean(t, func(k *K) {
			KeInitializeSpinLock(k, &global)
			KeReleaseSpinLock(k, &global, KeAcquireSpinLockRaiseToDpc(k, &global))
		})
	}
}

// Rule: LOCK-008
func TestReturn_HoldingASpinLock(t *testing.T) {
	f := trips(t, verify.LOCK_008, func(k *K) { KeAcquireSpinLockRaiseToDpc(k, lock(k)) })
	assert.Contains(t, f.Headline, "returns holding lock#1")
	trips(t, verify.LOCK_008, func(k *K) {
		spawn(k, func(k *K) { KeAcquireSpinLockRaiseToDpc(k, lock(k)) })
	})
}

// Near miss: LOCK-008
func TestReturn_HoldingOnlyWhatTheCallerTook(t *testing.T) {
	clean(t, func(k *K) {
		l := lock(k)
		old := KeAcquireSpinLockRaiseToDpc(k, l)
		ke.Push(k, ke.Frame{Kind: ke.FrameQueue})
		ke.Pop(k)
		KeReleaseSpinLock(k, l, old)
	})
}

// Rule: LOCK-009
func TestKeReleaseSpinLock_BelowDispatchLevel(t *testing.T) {
	m := play(t, ke.Config{Continue: true}, func(k *K) {
		var old KIRQL
		l := lock(k)
		before := KeRaiseIrqlToDpcLevel(k)
		KeAcquireSpinLock(k, l, &old)
		KeLowerIrql(k, before) // IRQL-006
		KeReleaseSpinLock(k, l, old)
	})
	assert.Equal(t, verify.IRQL_006, m.Findings()[0].Rule)
	assert.Equal(t, verify.LOCK_009, m.Findings()[1].Rule)
	f := trips(t, verify.LOCK_009, func(k *K) {
		var old, high KIRQL
		l := lock(k)
		KeAcquireSpinLock(k, l, &old)
		KeRaiseIrql(k, HIGH_LEVEL, &high)
		KeReleaseSpinLock(k, l, old)
	})
	assert.Contains(t, f.Headline, "HIGH_LEVEL")
}

// Near miss: LOCK-009
func TestKeReleaseSpinLock_RaisedAndLoweredMeanwhile(t *testing.T) {
	clean(t, func(k *K) {
		var old, high KIRQL
		l := lock(k)
		KeAcquireSpinLock(k, l, &old)
		KeRaiseIrql(k, HIGH_LEVEL, &high)
		KeLowerIrql(k, high)
		KeReleaseSpinLock(k, l, old)
	})
}

// Rule: LOCK-010
func TestKeReleaseSpinLock_SwappedLevels(t *testing.T) {
	f := trips(t, verify.LOCK_010, func(k *K) {
		var a, b KIRQL
		l1, l2 := lock(k), lock(k)
		KeAcquireSpinLock(k, l1, &a)
		KeAcquireSpinLock(k, l2, &b)
		KeReleaseSpinLock(k, l2, a)
		KeReleaseSpinLock(k, l1, b)
	})
	assert.Contains(t, f.Headline, "returned DISPATCH_LEVEL")
}

// Near miss: LOCK-010
func TestKeReleaseSpinLock_OwnLevels(t *testing.T) {
	clean(t, func(k *K) {
		var a, b KIRQL
		l1, l2 := lock(k), lock(k)
		KeAcquireSpinLock(k, l1, &a)
		KeAcquireSpinLock(k, l2, &b)
		KeReleaseSpinLock(k, l2, b)
		KeReleaseSpinLock(k, l1, a)
	})
}

// Rule: LOCK-011
func TestKeAcquireSpinLockAtDpcLevel_BelowIt(t *testing.T) {
	f := trips(t, verify.LOCK_011, func(k *K) { KeAcquireSpinLockAtDpcLevel(k, lock(k)) })
	assert.Equal(t, []verify.RuleID{verify.IRQL_002}, f.Also)
	trips(t, verify.LOCK_011, func(k *K) { KeTryToAcquireSpinLockAtDpcLevel(k, lock(k)) })
	f = trips(t, verify.LOCK_011, func(k *K) {
		var old KIRQL
		l := lock(k)
		KeRaiseIrql(k, CLOCK_LEVEL, &old)
		KeAcquireSpinLockAtDpcLevel(k, l)
		ke.SetIRQL(k, ke.Dispatch)
		KeReleaseSpinLockFromDpcLevel(k, l)
		ke.Lower(k, uint8(old))
	})
	assert.Equal(t, verify.Warning, f.Severity(), "above")
}

// Near miss: LOCK-011
func TestKeAcquireSpinLockAtDpcLevel_InADpc(t *testing.T) {
	clean(t, func(k *K) {
		dpc(k, func(k *K) {
			l := lock(k)
			KeAcquireSpinLockAtDpcLevel(k, l)
			assert.False(t, KeTryToAcquireSpinLockAtDpcLevel(k, l))
			KeReleaseSpinLockFromDpcLevel(k, l)
			assert.True(t, KeTryToAcquireSpinLockAtDpcLevel(k, l))
			KeReleaseSpinLockFromDpcLevel(k, l)
		})
	})
}

// Rule: LOCK-012
func TestKeAcquireSpinLock_AboveDispatchLevel(t *testing.T) {
	f := trips(t, verify.LOCK_012, func(k *K) {
		var old KIRQL
		l := lock(k)
		KeRaiseIrql(k, CLOCK_LEVEL, &old)
		KeAcquireSpinLock(k, l, &old)
	})
	assert.Equal(t, []verify.RuleID{verify.IRQL_001}, f.Also)
}

// Near miss: LOCK-012
func TestKeAcquireSpinLock_AtDispatchLevel(t *testing.T) {
	clean(t, func(k *K) {
		dpc(k, func(k *K) {
			var old KIRQL
			l := lock(k)
			KeAcquireSpinLock(k, l, &old)
			assert.Equal(t, DISPATCH_LEVEL, old)
			KeReleaseSpinLock(k, l, old)
		})
	})
}

// Rule: LOCK-015
func TestStackGone_LockHeld(t *testing.T) {
	trips(t, verify.LOCK_015, func(k *K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameUser}) // a frame that may return with a lock
		l := OnStack[KSPIN_LOCK](k)
		KeInitializeSpinLock(k, l)
		KeAcquireSpinLockRaiseToDpc(k, l)
		ke.SetIRQL(k, ke.Passive)
		ke.Pop(k)
	})
}

// Rule: LOCK-015
func TestThread_EndsOwningAMutex(t *testing.T) {
	trips(t, verify.LOCK_015, func(k *K) {
		m := &KMUTEX{}
		KeInitializeMutex(k, m, 0)
		spawn(k, func(k *K) { wait(k, m) })
	})
}

// Near miss: LOCK-015
func TestThread_EndsAfterItsRelease(t *testing.T) {
	clean(t, func(k *K) {
		m := OnStack[KMUTEX](k)
		KeInitializeMutex(k, m, 0)
		wait(k, spawn(k, func(k *K) {
			wait(k, m)
			KeReleaseMutex(k, m, false)
		}))
		l := OnStack[KSPIN_LOCK](k)
		KeInitializeSpinLock(k, l)
	})
}

// Rule: LOCK-028
func TestKeAcquireInStackQueuedSpinLock_HandleInUse(t *testing.T) {
	trips(t, verify.LOCK_028, func(k *K) {
		var h KLOCK_QUEUE_HANDLE
		a, b := lock(k), lock(k)
		KeAcquireInStackQueuedSpinLock(k, a, &h)
		KeAcquireInStackQueuedSpinLockAtDpcLevel(k, b, &h)
	})
}

// Near miss: LOCK-028
func TestKeAcquireInStackQueuedSpinLock_HandleUsedAgainLater(t *testing.T) {
	clean(t, func(k *K) {
		var h KLOCK_QUEUE_HANDLE
		a := lock(k)
		for range 2 {
			KeAcquireInStackQueuedSpinLock(k, a, &h)
			KeReleaseInStackQueuedSpinLock(k, &h)
		}
	})
}

func TestKeAcquireSpinLock_ExcludesInEverySchedule(t *testing.T) {
	for run := range uint64(100) {
		l := &KSPIN_LOCK{}
		inside, most := 0, 0
		ready := false
		body := func(k *K) {
			if !ready {
				KeInitializeSpinLock(k, l)
				ready = true
			}
			for range 3 {
				old := KeAcquireSpinLockRaiseToDpc(k, l)
				inside++
				most = max(most, inside)
				Yield(k)
				inside--
				KeReleaseSpinLock(k, l, old)
			}
		}
		m := play(t, ke.Config{Source: ke.NewRandom(0, run)}, body, body, body)
		assert.Empty(t, m.Findings())
		assert.Equal(t, 1, most)
	}
}
