package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
)

// KGUARDED_MUTEX is a mutex whose owner is in a guarded region. It is not recursive.
type KGUARDED_MUTEX struct{ ownedMutex }

// KeInitializeGuardedMutex makes a guarded mutex that nobody owns.
//
// IRQL: <= APC_LEVEL.
// Ownership: the mutex is the driver's; its memory must be nonpaged and outlive every waiter.
// Rules: LOCK-007, OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keinitializeguardedmutex.
func KeInitializeGuardedMutex(k *K, mutex *KGUARDED_MUTEX) {
	mutex.initialiseLock(k, ddi.KeInitializeGuardedMutex, trace.GuardedMutex)
}

// KeAcquireGuardedMutex enters a guarded region and waits until the mutex is the caller's. The level stays.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-keacquireguardedmutex.
func KeAcquireGuardedMutex(k *K, mutex *KGUARDED_MUTEX) {
	mutex.acquire(k, ddi.KeAcquireGuardedMutex, guardedMutex, false)
}

// KeTryToAcquireGuardedMutex acquires the mutex if it is free and says whether it did; if not, it leaves no
// trace.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-ketrytoacquireguardedmutex.
func KeTryToAcquireGuardedMutex(k *K, mutex *KGUARDED_MUTEX) bool {
	return mutex.acquire(k, ddi.KeTryToAcquireGuardedMutex, guardedMutex, true)
}

// KeReleaseGuardedMutex gives the mutex back and leaves the guarded region of its acquisition.
//
// IRQL: <= APC_LEVEL.
// Ownership: only the owner may release.
// Rules: LOCK-004, LOCK-005, LOCK-006, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleaseguardedmutex.
func KeReleaseGuardedMutex(k *K, mutex *KGUARDED_MUTEX) {
	mutex.release(k, ddi.KeReleaseGuardedMutex, guardedMutex)
}

// KeAcquireGuardedMutexUnsafe acquires without entering a region, for callers in a region or at APC_LEVEL.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-keacquireguardedmutexunsafe.
func KeAcquireGuardedMutexUnsafe(k *K, fastMutex *KGUARDED_MUTEX) {
	fastMutex.acquire(k, ddi.KeAcquireGuardedMutexUnsafe, guardedMutexUnsafe, false)
}

// KeReleaseGuardedMutexUnsafe is the counterpart of KeAcquireGuardedMutexUnsafe.
//
// IRQL: <= APC_LEVEL.
// Ownership: only the owner may release.
// Rules: LOCK-004, LOCK-005, LOCK-006, LOCK-007, LOCK-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleaseguardedmutexunsafe.
func KeReleaseGuardedMutexUnsafe(k *K, fastMutex *KGUARDED_MUTEX) {
	fastMutex.release(k, ddi.KeReleaseGuardedMutexUnsafe, guardedMutexUnsafe)
}
