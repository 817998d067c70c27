package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irql"
)

// This file has the older lookaside lists, one type for each sort of pool. What is done with a list is in
// pool_lookaside.go.

// ALLOCATE_FUNCTION makes an entry for an older lookaside list that brings its own memory; nil when it has
// none.
//
// IRQL: that of the routine that takes the entry.
// Reference: wdm/nc-wdm-allocate_function.
type ALLOCATE_FUNCTION func(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64, tag uint32) *Buffer

// FREE_FUNCTION takes back an entry of an older lookaside list that brings its own memory.
//
// IRQL: that of the routine that gives the entry back.
// Reference: wdm/nc-wdm-free_function.
type FREE_FUNCTION func(k *irql.K, buffer *Buffer)

// NPAGED_LOOKASIDE_LIST is a list of nonpaged blocks of one size that are kept for reuse. It lies in nonpaged
// memory of the driver.
type NPAGED_LOOKASIDE_LIST struct{ list LOOKASIDE_LIST_EX }

// PAGED_LOOKASIDE_LIST is a list of blocks of paged pool of one size that are kept for reuse. The list itself
// lies in nonpaged memory of the driver.
type PAGED_LOOKASIDE_LIST struct{ list LOOKASIDE_LIST_EX }

var (
	siteNPagedLookaside = ke.Site{Name: "fault/ExAllocateFromNPagedLookasideList", Alts: faultAlts,
		Spec: "irp.md 19.2"}
	sitePagedLookaside = ke.Site{Name: "fault/ExAllocateFromPagedLookasideList", Alts: faultAlts,
		Spec: "irp.md 19.2"}
)

// ID returns the id reports use for the list.
func (l *NPAGED_LOOKASIDE_LIST) ID() trace.ID { return l.list.id }

// ID returns the id reports use for the list.
func (l *PAGED_LOOKASIDE_LIST) ID() trace.ID { return l.list.id }

// older is what the two routines that initialise an older list have in common.
func older(allocate ALLOCATE_FUNCTION, free FREE_FUNCTION, t POOL_TYPE, flags uint32, size uint64,
	tag uint32) LOOKASIDE_LIST_EX {
	l := LOOKASIDE_LIST_EX{poolType: t, size: size, tag: tag,
		raises: flags&POOL_RAISE_IF_ALLOCATION_FAILURE != 0}
	if allocate != nil {
		l.calls[0] = ke.CodeOf(allocate)
		l.allocate = func(k *irql.K, t POOL_TYPE, n uint64, tag uint32, _ *LOOKASIDE_LIST_EX) *Buffer {
			return allocate(k, t, n, tag)
		}
	}
	if free != nil {
		l.calls[1] = ke.CodeOf(free)
		l.free = func(k *irql.K, entry *Buffer, _ *LOOKASIDE_LIST_EX) { free(k, entry) }
	}
	return l
}

// ExInitializeNPagedLookasideList initialises a list of nonpaged entries of one size; nil callbacks mean pool
// memory, executable unless POOL_NX_ALLOCATION is given.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the list's memory must stay until ExDeleteNPagedLookasideList.
// Rules: POOL-010, POOL-019, POOL-021, IRQL-001.
// Not modelled: depth, which is reserved.
// Reference: wdm/nf-wdm-exinitializenpagedlookasidelist.
func ExInitializeNPagedLookasideList(k *irql.K, lookaside *NPAGED_LOOKASIDE_LIST, allocate ALLOCATE_FUNCTION,
	free FREE_FUNCTION, flags uint32, size uint64, tag uint32, depth uint16) {
	const d = ddi.ExInitializeNPagedLookasideList
	_ = depth
	ke.Enter(k, d)
	t := NonPagedPool
	if flags&POOL_NX_ALLOCATION != 0 {
		t = NonPagedPoolNx
	} else {
		executable(k, d)
	}
	lookaside.list.begin(k, d, older(allocate, free, t, flags, size, tag))
}

// ExAllocateFromNPagedLookasideList takes an entry from the list; nil when there is no memory, unless the
// list was told to raise. Its contents are undefined.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller's until it gives the entry back to the same list.
// Rules: POOL-021, IRQL-001.
// Reference: wdm/nf-wdm-exallocatefromnpagedlookasidelist.
func ExAllocateFromNPagedLookasideList(k *irql.K, lookaside *NPAGED_LOOKASIDE_LIST) *Buffer {
	ke.Enter(k, ddi.ExAllocateFromNPagedLookasideList)
	return lookaside.list.take(k, ddi.ExAllocateFromNPagedLookasideList, &siteNPagedLookaside)
}

// ExFreeToNPagedLookasideList gives an entry back to the list it came from.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: POOL-006, POOL-007, POOL-021, POOL-025, IRQL-001.
// Reference: wdm/nf-wdm-exfreetonpagedlookasidelist.
func ExFreeToNPagedLookasideList(k *irql.K, lookaside *NPAGED_LOOKASIDE_LIST, entry *Buffer) {
	ke.Enter(k, ddi.ExFreeToNPagedLookasideList)
	lookaside.list.giveBack(k, ddi.ExFreeToNPagedLookasideList, entry)
}

// ExDeleteNPagedLookasideList ends a list. Entries that were not given back are lost.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the list's memory may go.
// Rules: POOL-021, IRQL-001.
// Reference: wdm/nf-wdm-exdeletenpagedlookasidelist.
func ExDeleteNPagedLookasideList(k *irql.K, lookaside *NPAGED_LOOKASIDE_LIST) {
	ke.Enter(k, ddi.ExDeleteNPagedLookasideList)
	lookaside.list.end(k, ddi.ExDeleteNPagedLookasideList)
}

// ExInitializePagedLookasideList initialises a list of entries of one size in paged pool; nil callbacks mean
// pool memory.
//
// IRQL: <= APC_LEVEL.
// Ownership: the list's memory must stay until ExDeletePagedLookasideList.
// Rules: POOL-010, POOL-021, IRQL-001.
// Not modelled: depth, which is reserved.
// Reference: wdm/nf-wdm-exinitializepagedlookasidelist.
func ExInitializePagedLookasideList(k *irql.K, lookaside *PAGED_LOOKASIDE_LIST, allocate ALLOCATE_FUNCTION,
	free FREE_FUNCTION, flags uint32, size uint64, tag uint32, depth uint16) {
	const d = ddi.ExInitializePagedLookasideList
	_ = depth
	ke.Enter(k, d)
	lookaside.list.begin(k, d, older(allocate, free, PagedPool, flags, size, tag))
}

// ExAllocateFromPagedLookasideList takes an entry from the list; nil when there is no memory, unless the list
// was told to raise. Its contents are undefined.
//
// IRQL: <= APC_LEVEL.
// Ownership: the caller's until it gives the entry back to the same list.
// Rules: POOL-021, IRQL-001; later IRQL-008.
// Reference: wdm/nf-wdm-exallocatefrompagedlookasidelist.
func ExAllocateFromPagedLookasideList(k *irql.K, lookaside *PAGED_LOOKASIDE_LIST) *Buffer {
	ke.Enter(k, ddi.ExAllocateFromPagedLookasideList)
	return lookaside.list.take(k, ddi.ExAllocateFromPagedLookasideList, &sitePagedLookaside)
}

// ExFreeToPagedLookasideList gives an entry back to the list it came from.
//
// IRQL: <= APC_LEVEL.
// Ownership: gone.
// Rules: POOL-006, POOL-007, POOL-021, POOL-025, IRQL-001.
// Reference: wdm/nf-wdm-exfreetopagedlookasidelist.
func ExFreeToPagedLookasideList(k *irql.K, lookaside *PAGED_LOOKASIDE_LIST, entry *Buffer) {
	ke.Enter(k, ddi.ExFreeToPagedLookasideList)
	lookaside.list.giveBack(k, ddi.ExFreeToPagedLookasideList, entry)
}

// ExDeletePagedLookasideList ends a list. Entries that were not given back are lost.
//
// IRQL: <= APC_LEVEL.
// Ownership: the list's memory may go.
// Rules: POOL-021, IRQL-001.
// Reference: wdm/nf-wdm-exdeletepagedlookasidelist.
func ExDeletePagedLookasideList(k *irql.K, lookaside *PAGED_LOOKASIDE_LIST) {
	ke.Enter(k, ddi.ExDeletePagedLookasideList)
	lookaside.list.end(k, ddi.ExDeletePagedLookasideList)
}
