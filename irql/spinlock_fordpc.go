package irql

import "calloutsim/internal/ddi"

// KeAcquireSpinLockRaiseToSynch raises to SYNCH_LEVEL, takes the lock and returns the level before. The lock
// is given back with KeReleaseSpinLock.
//
// IRQL: <= SYNCH_LEVEL.
// Ownership: none.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-012.
// Not modelled: interrupts, so the level masks no more than DISPATCH_LEVEL does.
// Reference: none; declared in ntifs.h
func KeAcquireSpinLockRaiseToSynch(k *K, spinLock *KSPIN_LOCK) KIRQL {
	return acquireRaising(k, spinLock, ddi.KeAcquireSpinLockRaiseToSynch, spinSynch)
}

// KeAcquireSpinLockForDpc takes the lock in a DPC routine that may be that of a threaded DPC: it raises to
// DISPATCH_LEVEL if the routine runs below, and returns the level before.
//
// IRQL: not stated; where DPC routines run, PASSIVE_LEVEL or DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-012.
// Not modelled: none.
// Reference: wdm/nf-wdm-keacquirespinlockfordpc.
func KeAcquireSpinLockForDpc(k *K, spinLock *KSPIN_LOCK) KIRQL {
	return acquireRaising(k, spinLock, ddi.KeAcquireSpinLockForDpc, spinForDpc)
}

// KeReleaseSpinLockForDpc gives the lock back and restores the level that KeAcquireSpinLockForDpc returned.
//
// IRQL: not stated; that of the holder, DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-002, LOCK-005, LOCK-006, LOCK-009, LOCK-010, LOCK-027, IRQL-006, IRQL-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleasespinlockfordpc.
func KeReleaseSpinLockForDpc(k *K, spinLock *KSPIN_LOCK, oldIrql KIRQL) {
	releaseSpin(k, spinLock, ddi.KeReleaseSpinLockForDpc, spinForDpc, oldIrql, nil)
}

// KeAcquireInStackQueuedSpinLockForDpc is KeAcquireSpinLockForDpc with a place in a queue, which lockHandle
// holds.
//
// IRQL: not stated; where DPC routines run, PASSIVE_LEVEL or DISPATCH_LEVEL.
// Ownership: lockHandle belongs to this acquisition until the release.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-012, LOCK-028.
// Not modelled: the queue: who of several waiters comes first is a choice.
// Reference: wdm/nf-wdm-keacquireinstackqueuedspinlockfordpc.
func KeAcquireInStackQueuedSpinLockForDpc(k *K, spinLock *KSPIN_LOCK, lockHandle *KLOCK_QUEUE_HANDLE) {
	acquireQueued(k, spinLock, ddi.KeAcquireInStackQueuedSpinLockForDpc, spinQueuedForDpc, lockHandle)
}

// KeReleaseInStackQueuedSpinLockForDpc gives the lock of lockHandle back and restores the level kept there.
//
// IRQL: not stated; that of the holder, DISPATCH_LEVEL.
// Ownership: lockHandle is free again.
// Rules: LOCK-002, LOCK-005, LOCK-006, LOCK-009, LOCK-027, IRQL-006.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleaseinstackqueuedspinlockfordpc.
func KeReleaseInStackQueuedSpinLockForDpc(k *K, lockHandle *KLOCK_QUEUE_HANDLE) {
	const d = ddi.KeReleaseInStackQueuedSpinLockForDpc
	releaseSpin(k, lockHandle.lock, d, spinQueuedForDpc, lockHandle.old, lockHandle)
	lockHandle.becomes(k, KLOCK_QUEUE_HANDLE{})
}
