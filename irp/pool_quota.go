package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// This file has the allocation routines that charge the memory to the current process. They raise where the
// others return NULL.

// quotaAlts are the ways in which they end; quota is not counted, so that it is used up is an answer of
// Windows. The status comes from rules.md POOL-020.
var quotaAlts = []string{"succeeds", "STATUS_QUOTA_EXCEEDED", "STATUS_INSUFFICIENT_RESOURCES"}

var (
	siteQuota    = ke.Site{Name: "fault/ExAllocatePoolWithQuota", Alts: quotaAlts, Spec: "irp.md 19.2"}
	siteQuotaTag = ke.Site{Name: "fault/ExAllocatePoolWithQuotaTag", Alts: quotaAlts,
		Spec: "irp.md 19.2"}
	siteQuotaZero = ke.Site{Name: "fault/ExAllocatePoolQuotaZero", Alts: quotaAlts, Spec: "irp.md 19.2"}
	siteQuotaRaw  = ke.Site{Name: "fault/ExAllocatePoolQuotaUninitialized", Alts: quotaAlts,
		Spec: "irp.md 19.2"}
)

// ExAllocatePoolWithQuotaTag allocates pool memory for the current process without initialising it. It raises
// an exception when there is none or the process may have no more, unless POOL_QUOTA_FAIL_INSTEAD_OF_RAISE is
// or-ed to the type.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool types.
// Ownership: the caller's until it frees the block.
// Rules: POOL-001, POOL-002, POOL-003, POOL-010, POOL-015, POOL-019, POOL-020, POOL-022.
// Not modelled: how much a process has left.
// Reference: wdm/nf-wdm-exallocatepoolwithquotatag.
func ExAllocatePoolWithQuotaTag(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64, tag uint32) *Buffer {
	const d = ddi.ExAllocatePoolWithQuotaTag
	ke.EnterAnyLevel(k, d)
	deprecated(k, d)
	return quotaPool(k, d, &siteQuotaTag, poolType, numberOfBytes, tag, true)
}

// ExAllocatePoolWithQuota is ExAllocatePoolWithQuotaTag with the default tag.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool types.
// Ownership: the caller's until it frees the block.
// Rules: as ExAllocatePoolWithQuotaTag.
// Reference: wdm/nf-wdm-exallocatepoolwithquota.
func ExAllocatePoolWithQuota(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64) *Buffer {
	const d = ddi.ExAllocatePoolWithQuota
	ke.EnterAnyLevel(k, d)
	deprecated(k, d)
	return quotaPool(k, d, &siteQuota, poolType, numberOfBytes, tagWdm, true) // HEADER: ' mdW'
}

// ExAllocatePoolQuotaZero is ExAllocatePoolWithQuotaTag that fills the memory with zeros.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool types.
// Ownership: the caller's until it frees the block.
// Rules: POOL-001, POOL-002, POOL-003, POOL-010, POOL-019, POOL-020, POOL-022.
// Not modelled: how much a process has left.
// Reference: wdm/nf-wdm-exallocatepoolquotazero.
func ExAllocatePoolQuotaZero(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64, tag uint32) *Buffer {
	const d = ddi.ExAllocatePoolQuotaZero
	ke.EnterAnyLevel(k, d)
	return quotaPool(k, d, &siteQuotaZero, poolType, numberOfBytes, tag, false)
}

// ExAllocatePoolQuotaUninitialized is ExAllocatePoolWithQuotaTag that says by its name that nothing is in the
// memory.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool types.
// Ownership: the caller's until it frees the block.
// Rules: as ExAllocatePoolQuotaZero.
// Reference: wdm/nf-wdm-exallocatepoolquotauninitialized.
func ExAllocatePoolQuotaUninitialized(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64,
	tag uint32) *Buffer {
	const d = ddi.ExAllocatePoolQuotaUninitialized
	ke.EnterAnyLevel(k, d)
	return quotaPool(k, d, &siteQuotaRaw, poolType, numberOfBytes, tag, true)
}

func quotaPool(k *irql.K, d ddi.ID, site *ke.Site, t POOL_TYPE, n uint64, tag uint32,
	uninitialized bool) *Buffer {
	r := pool.Request{DDI: d, Kind: t.kind(), Size: blockSize(n), Tag: tag, Uninitialized: uninitialized,
		CacheAligned: t.cacheAligned()}
	checkRequest(k, &r)
	if ke.IsDPC(k) {
		quotaInDPC(k, d)
	}
	s := ntstatus.STATUS_INSUFFICIENT_RESOURCES
	switch ke.Choose(k, site, len(quotaAlts)) {
	case 0:
		if b := pool.Alloc(k, &r); b != nil {
			return b
		}
	case 1:
		s = ntstatus.STATUS_QUOTA_EXCEEDED
	}
	if t&POOL_QUOTA_FAIL_INSTEAD_OF_RAISE == 0 {
		raise(k, d, s)
	}
	ke.CallStatus(k, d, 0, uint32(s))
	return nil
}
