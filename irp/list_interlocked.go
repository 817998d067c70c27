package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// ExInterlockedInsertHeadList puts an entry in front of a list and returns the entry that was first before,
// nil for an empty list.
//
// IRQL: any; the lock here allows <= DISPATCH_LEVEL.
// Ownership: the lock guards this list and nothing else, and is never held by the caller.
// Rules: IRP-067, IRP-076, LOCK-001, LOCK-007, OBJ-014.
// Reference: wdm/nf-wdm-exinterlockedinsertheadlist.
func ExInterlockedInsertHeadList(k *irql.K, listHead, listEntry *LIST_ENTRY,
	lock *irql.KSPIN_LOCK) *LIST_ENTRY {
	return listHead.insertLocked(k, ddi.ExInterlockedInsertHeadList, listEntry, lock, true)
}

// ExInterlockedInsertTailList puts an entry at the end of a list and returns the entry that was last before,
// nil for an empty list.
//
// IRQL: any; the lock here allows <= DISPATCH_LEVEL.
// Ownership: as ExInterlockedInsertHeadList.
// Rules: IRP-067, IRP-076, LOCK-001, LOCK-007, OBJ-014.
// Reference: wdm/nf-wdm-exinterlockedinserttaillist.
func ExInterlockedInsertTailList(k *irql.K, listHead, listEntry *LIST_ENTRY,
	lock *irql.KSPIN_LOCK) *LIST_ENTRY {
	return listHead.insertLocked(k, ddi.ExInterlockedInsertTailList, listEntry, lock, false)
}

// ExInterlockedRemoveHeadList takes the first entry out of a list; nil when the list is empty.
//
// IRQL: any; the lock here allows <= DISPATCH_LEVEL.
// Ownership: as ExInterlockedInsertHeadList.
// Rules: IRP-076, LOCK-001, LOCK-007, OBJ-014.
// Reference: wdm/nf-wdm-exinterlockedremoveheadlist.
func ExInterlockedRemoveHeadList(k *irql.K, listHead *LIST_ENTRY, lock *irql.KSPIN_LOCK) *LIST_ENTRY {
	const d = ddi.ExInterlockedRemoveHeadList
	ke.Enter(k, d)
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, lock, &old)
	defer irql.KeReleaseSpinLock(k, lock, old)
	if !listHead.changes(k, d, listInterlocked, lock) {
		return nil
	}
	if at := listHead.takeFrom(k, d, listInterlocked, true); at != listHead {
		return at
	}
	return nil
}

func (e *LIST_ENTRY) insertLocked(k *irql.K, d ddi.ID, entry *LIST_ENTRY, lock *irql.KSPIN_LOCK,
	first bool) *LIST_ENTRY {
	ke.Enter(k, d)
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, lock, &old)
	defer irql.KeReleaseSpinLock(k, lock, old)
	if !e.changes(k, d, listInterlocked, lock) {
		return nil
	}
	before := e.Blink
	if first {
		before = e.Flink
	}
	e.insert(k, d, listInterlocked, entry, first)
	if before == e {
		return nil
	}
	return before
}
