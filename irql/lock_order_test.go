package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Rule: LOCK-003
func TestKeAcquireSpinLock_InTheOtherOrder(t *testing.T) {
	f := trips(t, verify.LOCK_003, func(k *K) { // no deadlock: one thread, one after the other
		a, b := lock(k), lock(k)
		both := func(x, y *KSPIN_LOCK) {
			first := KeAcquireSpinLockRaiseToDpc(k, x)
			second := KeAcquireSpinLockRaiseToDpc(k, y)
			KeReleaseSpinLock(k, y, second)
			KeReleaseSpinLock(k, x, first)
		}
		both(a, b)
		both(a, b)
		both(b, a)
	})
	assert.Equal(t, "KeAcquireSpinLockRaiseToDpc takes lock#1 while lock#2 is held; "+
		"driver a took lock#2 while it held lock#1", f.Headline)
	assert.Len(t, f.Places, 3)
}

// Rule: LOCK-003
func TestKeWaitForSingleObject_MutexesInTheOtherOrder(t *testing.T) {
	m := &[3]KMUTEX{}
	pair := func(x, y int) func(k *K) {
		return func(k *K) {
			wait(k, &m[x])
			KeDelayExecutionThread(k, KernelMode, false, rel(ms))
			wait(k, &m[y])
			KeReleaseMutex(k, &m[y], false)
			KeReleaseMutex(k, &m[x], false)
		}
	}
	trips(t, verify.LOCK_003, after(func(k *K) { // a circle of three, before anybody hangs
		for i := range m {
			KeInitializeMutex(k, &m[i], 0)
		}
	}, pair(0, 1), pair(1, 2), pair(2, 0)))
}

// Near miss: LOCK-003
func TestKeAcquireSpinLock_OneOrderAndTries(t *testing.T) {
	clean(t, func(k *K) {
		a, b, c := lock(k), lock(k), fast(k)
		ExAcquireFastMutex(k, c)
		old := KeAcquireSpinLockRaiseToDpc(k, a)
		KeAcquireSpinLockAtDpcLevel(k, b)
		KeReleaseSpinLockFromDpcLevel(k, b)
		KeReleaseSpinLock(k, a, old)
		ExReleaseFastMutex(k, c)

		old = KeAcquireSpinLockRaiseToDpc(k, b)
		assert.True(t, KeTryToAcquireSpinLockAtDpcLevel(k, a)) // a try that fails does not wait
		KeReleaseSpinLockFromDpcLevel(k, a)
		KeReleaseSpinLock(k, b, old)
	})
}

// The mutexes of the deadlock are taken in different orders, and that is what is reported.
func TestDeadlock_CauseBeforeSymptom(t *testing.T) {
	a, b := &KMUTEX{}, &KMUTEX{}
	both := func(x, y *KMUTEX) func(k *K) {
		return func(k *K) {
			wait(k, x)
			KeDelayExecutionThread(k, KernelMode, false, rel(ms))
			wait(k, y)
		}
	}
	start := func(k *K) {
		KeInitializeMutex(k, a, 0)
		KeInitializeMutex(k, b, 0)
	}
	found(t, play(t, ke.Config{}, start, both(a, b), both(b, a)), verify.LOCK_003)
	m := play(t, ke.Config{Continue: true}, start, both(a, b), both(b, a))
	f := m.Findings()
	assert.Equal(t, verify.LOCK_026, f[len(f)-1].Rule)
	assert.Len(t, f[len(f)-1].Blocked, 2)
}

// nested takes locks one in the other and gives them back.
func nested(k *K, locks ...*KSPIN_LOCK) {
	old := KeRaiseIrqlToDpcLevel(k)
	for _, l := range locks {
		KeAcquireSpinLockAtDpcLevel(k, l)
	}
	for i := range locks {
		KeReleaseSpinLockFromDpcLevel(k, locks[len(locks)-1-i])
	}
	KeLowerIrql(k, old)
}

// Rule: LOCK-003
func TestKeAcquireSpinLock_InTheOtherOrderOutsideOfTheGate(t *testing.T) {
	trips(t, verify.LOCK_003, func(k *K) {
		gate, a, b := lock(k), lock(k), lock(k)
		nested(k, gate, a, b)
		nested(k, b, a)
	})
	trips(t, verify.LOCK_003, func(k *K) { // the step is known behind the gate only, then without it
		gate, a, b := lock(k), lock(k), lock(k)
		nested(k, gate, a, b)
		nested(k, gate, b, a)
		nested(k, a, b)
	})
	trips(t, verify.LOCK_003, func(k *K) { // the gate itself
		gate, a, b := lock(k), lock(k), lock(k)
		nested(k, gate, a, b)
		nested(k, b, gate)
	})
}

// A lock of which there is one holder keeps apart what is done under it; what is owned already is not waited
// for; a wait with a limit ends.
//
// Near miss: LOCK-003
func TestKeAcquireSpinLock_OrdersThatCannotMeet(t *testing.T) {
	clean(t, func(k *K) {
		gate, a, b := lock(k), lock(k), lock(k)
		for range 2 {
			spawn(k, func(k *K) {
				nested(k, gate, a, b)
				nested(k, gate, b, a)
			})
		}
	})
	clean(t, func(k *K) {
		x, y := &KMUTEX{}, fast(k)
		KeInitializeMutex(k, x, 0)
		wait(k, x)
		ExAcquireFastMutex(k, y)
		wait(k, x) // again
		KeReleaseMutex(k, x, false)
		ExReleaseFastMutex(k, y)
		KeReleaseMutex(k, x, false)
	})
	clean(t, func(k *K) {
		x, y := &KMUTEX{}, &KMUTEX{}
		KeInitializeMutex(k, x, 0)
		KeInitializeMutex(k, y, 0)
		for _, m := range [][2]*KMUTEX{{x, y}, {y, x}} {
			spawn(k, func(k *K) {
				wait(k, m[0])
				if KeWaitForSingleObject(k, m[1], Executive, KernelMode, false, rel(ms)) == 0 {
					KeReleaseMutex(k, m[1], false)
				}
				KeReleaseMutex(k, m[0], false)
			})
		}
	})
}

// Driver Verifier watches neither guarded mutexes nor anything of a circle that one is part of.
func TestLockOrder_WithALockThatIsNotWatched(t *testing.T) {
	f := trips(t, verify.LOCK_003, func(k *K) {
		a, b := fast(k), guarded(k)
		ExAcquireFastMutex(k, a)
		KeAcquireGuardedMutex(k, b)
		KeReleaseGuardedMutex(k, b)
		ExReleaseFastMutex(k, a)
		KeEnterGuardedRegion(k)
		KeAcquireGuardedMutex(k, b)
		ExAcquireFastMutex(k, a)
		ExReleaseFastMutex(k, a)
		KeReleaseGuardedMutex(k, b)
		KeLeaveGuardedRegion(k)
	})
	assert.Zero(t, f.BugCheck, "an extension")
	assert.Contains(t, f.Text, "this is an extension")
}
