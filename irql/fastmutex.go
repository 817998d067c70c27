package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
)

// FAST_MUTEX is a mutex whose owner is at APC_LEVEL. It is not recursive. It lies in driver memory and is
// initialised once.
type FAST_MUTEX struct{ ownedMutex }

// ExInitializeFastMutex makes a fast mutex that nobody owns.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the mutex is the driver's; its memory must be nonpaged and outlive every waiter.
// Rules: LOCK-007, OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exinitializefastmutex.
func ExInitializeFastMutex(k *K, mutex *FAST_MUTEX) {
	mutex.initialiseLock(k, ddi.ExInitializeFastMutex, trace.FastMutex)
}

// ExAcquireFastMutex raises to APC_LEVEL and waits until the mutex is the caller's.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirefastmutex.
func ExAcquireFastMutex(k *K, mutex *FAST_MUTEX) {
	mutex.acquire(k, ddi.ExAcquireFastMutex, fastMutex, false)
}

// ExTryToAcquireFastMutex acquires the mutex if it is free and says whether it did; if not, the level
// stays.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-extrytoacquirefastmutex.
func ExTryToAcquireFastMutex(k *K, mutex *FAST_MUTEX) bool {
	return mutex.acquire(k, ddi.ExTryToAcquireFastMutex, fastMutex, true)
}

// ExReleaseFastMutex gives the mutex back and restores the level of its acquisition.
//
// IRQL: APC_LEVEL.
// Ownership: only the owner may release.
// Rules: LOCK-004, LOCK-005, LOCK-006, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasefastmutex.
func ExReleaseFastMutex(k *K, mutex *FAST_MUTEX) {
	mutex.release(k, ddi.ExReleaseFastMutex, fastMutex)
}

// ExAcquireFastMutexUnsafe acquires without a raise, for callers at APC_LEVEL or in a region that keeps
// APCs off.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirefastmutexunsafe.
func ExAcquireFastMutexUnsafe(k *K, mutex *FAST_MUTEX) {
	mutex.acquire(k, ddi.ExAcquireFastMutexUnsafe, fastMutexUnsafe, false)
}

// ExReleaseFastMutexUnsafe is the counterpart of ExAcquireFastMutexUnsafe.
//
// IRQL: <= APC_LEVEL.
// Ownership: only the owner may release.
// Rules: LOCK-004, LOCK-005, LOCK-006, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasefastmutexunsafe.
func ExReleaseFastMutexUnsafe(k *K, mutex *FAST_MUTEX) {
	mutex.release(k, ddi.ExReleaseFastMutexUnsafe, fastMutexUnsafe)
}
