package irql

import "calloutsim/internal/ddi"

// ExEnterCriticalRegionAndAcquireFastMutexUnsafe enters a critical region and acquires the mutex without
// changing the level.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-014, LOCK-003, LOCK-007, LOCK-016, LOCK-019.
// Not modelled: the result, which drivers ignore.
// Reference: none; declared in ntifs.h
func ExEnterCriticalRegionAndAcquireFastMutexUnsafe(k *K, fastMutex *FAST_MUTEX) {
	const d = ddi.ExEnterCriticalRegionAndAcquireFastMutexUnsafe
	enterRegion(k, d, false)
	fastMutex.acquire(k, d, fastMutexUnsafe, false)
}

// ExReleaseFastMutexUnsafeAndLeaveCriticalRegion gives the mutex back and leaves the critical region.
//
// IRQL: <= APC_LEVEL.
// Ownership: only the owner may release.
// Rules: IRQL-014, LOCK-004, LOCK-005, LOCK-006, LOCK-007, LOCK-016, LOCK-019.
// Not modelled: none.
// Reference: none; declared in ntifs.h
func ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(k *K, fastMutex *FAST_MUTEX) {
	const d = ddi.ExReleaseFastMutexUnsafeAndLeaveCriticalRegion
	fastMutex.release(k, d, fastMutexUnsafe)
	leaveRegion(k, d, false)
}
