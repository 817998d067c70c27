package irql

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

func fast(k *K) *FAST_MUTEX {
	m := &FAST_MUTEX{}
	ExInitializeFastMutex(k, m)
	return m
}

func guarded(k *K) *KGUARDED_MUTEX {
	m := &KGUARDED_MUTEX{}
	KeInitializeGuardedMutex(k, m)
	return m
}

// Rule: LOCK-004
func TestExReleaseFastMutex_OwnedByAnotherThread(t *testing.T) {
	f := trips(t, verify.LOCK_004, func(k *K) {
		m := fast(k)
		spawn(k, func(k *K) {
			var old KIRQL
			KeRaiseIrql(k, APC_LEVEL, &old)
			KeDelayExecutionThread(k, KernelMode, false, rel(ms/2))
			ExReleaseFastMutex(k, m)
		})
		ExAcquireFastMutex(k, m)
		KeDelayExecutionThread(k, KernelMode, false, rel(ms))
	})
	assert.Equal(t, []verify.RuleID{verify.LOCK_016}, f.Also)
	f = trips(t, verify.LOCK_017, func(k *K) {
		m := &KMUTEX{}
		KeInitializeMutex(k, m, 0)
		wait(k, m)
		spawn(k, func(k *K) { KeReleaseMutex(k, m, false) })
		KeDelayExecutionThread(k, KernelMode, false, rel(ms))
	})
	assert.Equal(t, []verify.RuleID{verify.LOCK_004}, f.Also)
}

// Near miss: LOCK-004
func TestExReleaseFastMutex_EachByItsOwner(t *testing.T) {
	clean(t, func(k *K) {
		m := fast(k)
		use := func(k *K) {
			ExAcquireFastMutex(k, m)
			assert.Equal(t, APC_LEVEL, KeGetCurrentIrql(k))
			assert.False(t, KeAreApcsDisabled(k))
			assert.True(t, KeAreAllApcsDisabled(k))
			KeDelayExecutionThread(k, KernelMode, false, rel(ms))
			ExReleaseFastMutex(k, m)
			assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
		}
		th := spawn(k, func(k *K) { KeLeaveCriticalRegion(k); use(k) })
		use(k)
		wait(k, th)
	})
}

// Rule: LOCK-016
func TestExAcquireFastMutex_Twice(t *testing.T) {
	trips(t, verify.LOCK_016, func(k *K) {
		m := fast(k)
		ExAcquireFastMutex(k, m)
		ExAcquireFastMutex(k, m)
	})
	trips(t, verify.LOCK_016, func(k *K) {
		m := guarded(k)
		KeAcquireGuardedMutex(k, m)
		KeAcquireGuardedMutex(k, m)
	})
}

// Rule: LOCK-016
func TestExAcquireFastMutex_AtDispatchLevel(t *testing.T) {
	f := trips(t, verify.LOCK_016, func(k *K) {
		m := fast(k)
		KeRaiseIrqlToDpcLevel(k)
		ExAcquireFastMutex(k, m)
	})
	assert.Equal(t, []verify.RuleID{verify.IRQL_001}, f.Also)
}

// Rule: LOCK-016
func TestExReleaseFastMutex_NotOwnedOrAtAnotherLevel(t *testing.T) {
	trips(t, verify.LOCK_016, func(k *K) { ExReleaseFastMutex(k, fast(k)) })
	trips(t, verify.LOCK_016, func(k *K) {
		m := fast(k)
		ExAcquireFastMutex(k, m)
		KeRaiseIrqlToDpcLevel(k)
		ExReleaseFastMutex(k, m)
	})
}

// Rule: LOCK-016
func TestExAcquireFastMutexUnsafe_WithApcsEnabled(t *testing.T) {
	trips(t, verify.LOCK_016, func(k *K) { ExAcquireFastMutexUnsafe(k, fast(k)) })
	trips(t, verify.LOCK_016, func(k *K) { KeAcquireGuardedMutexUnsafe(k, guarded(k)) })
	trips(t, verify.LOCK_016, func(k *K) {
		m := fast(k)
		KeEnterCriticalRegion(k)
		ExAcquireFastMutexUnsafe(k, m)
		KeLeaveCriticalRegion(k)
		ExReleaseFastMutexUnsafe(k, m)
	})
}

// Near miss: LOCK-016
func TestExAcquireFastMutexUnsafe_InARegion(t *testing.T) {
	clean(t, func(k *K) {
		m, g := fast(k), guarded(k)
		KeEnterCriticalRegion(k)
		ExAcquireFastMutexUnsafe(k, m)
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
		ExReleaseFastMutexUnsafe(k, m)
		KeAcquireGuardedMutexUnsafe(k, g)
		KeReleaseGuardedMutexUnsafe(k, g)
		KeLeaveCriticalRegion(k)
		var old KIRQL
		KeRaiseIrql(k, APC_LEVEL, &old)
		ExAcquireFastMutex(k, m)
		assert.False(t, ExTryToAcquireFastMutex(k, m))
		ExReleaseFastMutex(k, m)
		assert.Equal(t, APC_LEVEL, KeGetCurrentIrql(k))
		KeLowerIrql(k, old)
	})
}

// Reference: irp.md 13.3.
func TestKeTryToAcquireGuardedMutex_FailedTryLeavesNoTrace(t *testing.T) {
	clean(t, func(k *K) {
		m := guarded(k)
		KeAcquireGuardedMutex(k, m)
		assert.True(t, KeAreAllApcsDisabled(k))
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
		wait(k, spawn(k, func(k *K) {
			assert.False(t, KeTryToAcquireGuardedMutex(k, m))
			assert.False(t, KeAreAllApcsDisabled(k))
		}))
		KeReleaseGuardedMutex(k, m)
		assert.True(t, KeTryToAcquireGuardedMutex(k, m))
		KeReleaseGuardedMutex(k, m)
	})
}

func TestReturn_HoldingAFastMutex(t *testing.T) {
	trips(t, verify.LOCK_008, func(k *K) { ExAcquireFastMutex(k, fast(k)) })
}

func TestExReleaseFastMutex_OutOfOrder(t *testing.T) {
	trips(t, verify.LOCK_005, func(k *K) {
		a, b := guarded(k), guarded(k)
		KeAcquireGuardedMutex(k, a)
		KeAcquireGuardedMutex(k, b)
		KeReleaseGuardedMutex(k, a)
		KeReleaseGuardedMutex(k, b)
	})
}

func rundown(k *K) *EX_RUNDOWN_REF {
	r := &EX_RUNDOWN_REF{}
	ExInitializeRundownProtection(k, r)
	return r
}

// Rule: LOCK-022
func TestExReleaseRundownProtection_NotAcquired(t *testing.T) {
	trips(t, verify.LOCK_022, func(k *K) { ExReleaseRundownProtection(k, rundown(k)) })
	trips(t, verify.LOCK_022, func(k *K) { // two threads run it down at once
		r := rundown(k)
		ExAcquireRundownProtection(k, r)
		for range 2 {
			spawn(k, func(k *K) { ExWaitForRundownProtectionRelease(k, r) })
		}
		sleep(k, ms)
		ExReleaseRundownProtection(k, r)
	})
	trips(t, verify.LOCK_022, func(k *K) { ExReInitializeRundownProtection(k, rundown(k)) })
	trips(t, verify.LOCK_022, func(k *K) {
		r := OnStack[EX_RUNDOWN_REF](k)
		ExInitializeRundownProtection(k, r)
		ExAcquireRundownProtection(k, r)
	})
}

// Near miss: LOCK-022
func TestExWaitForRundownProtectionRelease_WaitsForUsers(t *testing.T) {
	clean(t, func(k *K) {
		r := rundown(k)
		used := false
		assert.True(t, ExAcquireRundownProtection(k, r)) // handed to the thread
		spawn(k, func(k *K) {
			KeDelayExecutionThread(k, KernelMode, false, rel(ms))
			used = true
			ExReleaseRundownProtection(k, r)
		})
		assert.True(t, ExAcquireRundownProtection(k, r))
		ExReleaseRundownProtection(k, r)
		ExWaitForRundownProtectionRelease(k, r)
		assert.True(t, used)
		assert.False(t, ExAcquireRundownProtection(k, r))
		ExReInitializeRundownProtection(k, r)
		assert.True(t, ExAcquireRundownProtection(k, r))
		ExReleaseRundownProtection(k, r)
		ExRundownCompleted(k, r)
		assert.False(t, ExAcquireRundownProtection(k, r))
	})
}

// Near miss: LOCK-022
//
// Reference: wdk-ddi-src/content/wdm/nf-wdm-exwaitforrundownprotectionrelease.md (run down already)
func TestExWaitForRundownProtectionRelease_Again(t *testing.T) {
	clean(t, func(k *K) {
		r := rundown(k)
		ExWaitForRundownProtectionRelease(k, r)
		ExWaitForRundownProtectionRelease(k, r)
		assert.False(t, ExAcquireRundownProtection(k, r))
		ExReInitializeRundownProtection(k, r)
		ExRundownCompleted(k, r)
		ExWaitForRundownProtectionRelease(k, r)
		ExRundownCompleted(k, r)
		ExReInitializeRundownProtection(k, r)
		assert.True(t, ExAcquireRundownProtection(k, r))
		ExReleaseRundownProtection(k, r)
	})
}

// What is acquired here is released by a thread and by a DPC, which took uses of their own as well.
//
// Near miss: LOCK-022
func TestExReleaseRundownProtection_ByAnotherContext(t *testing.T) {
	clean(t, func(k *K) {
		r := rundown(k)
		assert.True(t, ExAcquireRundownProtection(k, r))
		assert.True(t, ExAcquireRundownProtection(k, r))
		spawn(k, func(k *K) { ExReleaseRundownProtection(k, r) })
		dpc(k, func(k *K) {
			if ExAcquireRundownProtection(k, r) {
				ExReleaseRundownProtection(k, r)
			}
			ExReleaseRundownProtection(k, r)
		})
		ExWaitForRundownProtectionRelease(k, r)
		KeFlushQueuedDpcs(k)
	})
}

// Whoever waits for a use that nobody gives back waits for ever: its own one included.
func TestExWaitForRundownProtectionRelease_ForItself(t *testing.T) {
	f := trips(t, verify.LOCK_026, func(k *K) {
		r := rundown(k)
		ExAcquireRundownProtection(k, r)
		ExWaitForRundownProtectionRelease(k, r)
	})
	assert.Contains(t, f.Blocked[0], "ExWaitForRundownProtectionRelease for rundown#1")
}

// raises calls fn and gives the exception it ends with.
func raises(fn func()) (e Exception) {
	defer func() { e, _ = recover().(Exception) }()
	fn()
	return e
}

// TestKeWait_MutexAtItsLimit: SignalState counts down to MINLONG; one acquisition more is an exception, which
// changes nothing. Observed: reactos, kmtests KeMutex.
func TestKeWait_MutexAtItsLimit(t *testing.T) {
	many := func(k *K, kind WAIT_TYPE, objects ...any) {
		KeWaitForMultipleObjects(k, uint32(len(objects)), objects, kind, Executive, KernelMode, false,
			forever, nil)
	}
	for name, again := range map[string]func(k *K, m *KMUTEX){
		"KeWaitForSingleObject":    func(k *K, m *KMUTEX) { wait(k, m) },
		"KeWaitForMultipleObjects": func(k *K, m *KMUTEX) { many(k, WaitAny, m) },
	} {
		clean(t, func(k *K) {
			m := &KMUTEX{}
			KeInitializeMutex(k, m, 0)
			wait(k, m)
			m.Header().Signal = math.MinInt32 + 1
			again(k, m)
			assert.EqualValues(t, math.MinInt32, KeReadStateMutex(k, m))
			want := Exception{ntstatus.STATUS_MUTANT_LIMIT_EXCEEDED, name}
			assert.Equal(t, want, raises(func() { again(k, m) }))
			assert.EqualValues(t, math.MinInt32, KeReadStateMutex(k, m))
			assert.EqualValues(t, math.MinInt32, KeReleaseMutex(k, m, false))
			m.Header().Signal = 0
			assert.Zero(t, KeReleaseMutex(k, m, false))
		})
	}
	clean(t, func(k *K) { // all or nothing, and any before the mutex
		m, e := &KMUTEX{}, event(k, NotificationEvent)
		KeInitializeMutex(k, m, 0)
		wait(k, m)
		m.Header().Signal = math.MinInt32
		assert.Equal(t, ntstatus.STATUS_MUTANT_LIMIT_EXCEEDED,
			raises(func() { many(k, WaitAll, m, e) }).Status)
		KeSetEvent(k, e, 0, false)
		many(k, WaitAny, e, m)
		assert.EqualValues(t, math.MinInt32, KeReadStateMutex(k, m))
		m.Header().Signal = 0
		KeReleaseMutex(k, m, false)
	})
}
