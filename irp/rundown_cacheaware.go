package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/irql"
)

// EX_RUNDOWN_REF_CACHE_AWARE is rundown protection with a count for each processor, which makes acquiring
// cheap. What it does is what EX_RUNDOWN_REF does.
type EX_RUNDOWN_REF_CACHE_AWARE struct {
	ref   irql.EX_RUNDOWN_REF
	block *Buffer // what the system has allocated for it; nil in memory of the driver
}

var siteCacheAware = ke.Site{Name: "fault/ExAllocateCacheAwareRundownProtection", Alts: faultAlts,
	Spec: "irp.md 19.2"}

// runRefSize is what one processor's count takes: a cache line of its own (INFERRED: the structure is
// opaque, and being alone in a cache line is its purpose).
const runRefSize = 64

// ExSizeOfRundownProtectionCacheAware gives the size of the memory that
// ExInitializeRundownProtectionCacheAware needs on this machine.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: the true size.
// Reference: wdm/nf-wdm-exsizeofrundownprotectioncacheaware.
func ExSizeOfRundownProtectionCacheAware(k *irql.K) uint64 {
	ke.Enter(k, ddi.ExSizeOfRundownProtectionCacheAware)
	return runRefSize * uint64(ke.Of(k).Config().Processors+1)
}

// ExAllocateCacheAwareRundownProtection allocates and initialises an object in pool; nil when there is no
// memory.
//
// IRQL: <= APC_LEVEL.
// Ownership: ExFreeCacheAwareRundownProtection.
// Rules: IRQL-001, POOL-010, UNLOAD-001.
// Reference: wdm/nf-wdm-exallocatecacheawarerundownprotection.
func ExAllocateCacheAwareRundownProtection(k *irql.K, poolType POOL_TYPE,
	poolTag uint32) *EX_RUNDOWN_REF_CACHE_AWARE {
	const d = ddi.ExAllocateCacheAwareRundownProtection
	ke.Enter(k, d)
	size := int(runRefSize * (ke.Of(k).Config().Processors + 1))
	r := pool.Request{DDI: d, Kind: poolType.kind(), Size: size, Tag: poolTag}
	if !checkRequest(k, &r) || ke.Fails(k, &siteCacheAware) {
		noPool(k, &r, false)
		return nil
	}
	block := pool.Alloc(k, &r)
	if block == nil {
		noPool(k, &r, false)
		return nil
	}
	p := &EX_RUNDOWN_REF_CACHE_AWARE{block: block}
	irql.Sim.InitializeRundown(k, d, &p.ref)
	return p
}

// ExFreeCacheAwareRundownProtection frees an object that ExAllocateCacheAwareRundownProtection made, and
// that nobody may be using.
//
// IRQL: <= APC_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, LOCK-007, LOCK-022, POOL-013.
// Reference: wdm/nf-wdm-exfreecacheawarerundownprotection.
func ExFreeCacheAwareRundownProtection(k *irql.K, runRefCacheAware *EX_RUNDOWN_REF_CACHE_AWARE) {
	const d = ddi.ExFreeCacheAwareRundownProtection
	ke.Enter(k, d)
	irql.Sim.EndRundown(k, d, &runRefCacheAware.ref)
	pool.Free(k, d, runRefCacheAware.block, 0)
}

// ExInitializeRundownProtectionCacheAware makes an object that nobody uses in memory of the driver.
//
// IRQL: <= APC_LEVEL.
// Ownership: the object is the driver's; it must outlive every user and the wait.
// Rules: IRQL-001, LOCK-007, POOL-026.
// Not modelled: runRefSize.
// Reference: wdm/nf-wdm-exinitializerundownprotectioncacheaware.
func ExInitializeRundownProtectionCacheAware(k *irql.K, runRefCacheAware *EX_RUNDOWN_REF_CACHE_AWARE,
	runRefSize uint64) {
	irql.Sim.InitializeRundown(k, ddi.ExInitializeRundownProtectionCacheAware, &runRefCacheAware.ref)
}

// ExAcquireRundownProtectionCacheAware makes the caller a user. FALSE means that the object is going away.
//
// IRQL: not stated.
// Ownership: after FALSE the protected object must not be touched.
// Rules: LOCK-007, POOL-013, POOL-026.
// Reference: wdm/nf-wdm-exacquirerundownprotectioncacheaware.
func ExAcquireRundownProtectionCacheAware(k *irql.K, runRefCacheAware *EX_RUNDOWN_REF_CACHE_AWARE) bool {
	return irql.Sim.AcquireRundown(k, ddi.ExAcquireRundownProtectionCacheAware, &runRefCacheAware.ref, 1)
}

// ExAcquireRundownProtectionCacheAwareEx makes the caller a user count times over.
//
// IRQL: not stated.
// Ownership: after FALSE the protected object must not be touched.
// Rules: LOCK-007, POOL-013, POOL-026.
// Reference: wdm/nf-wdm-exacquirerundownprotectioncacheawareex.
func ExAcquireRundownProtectionCacheAwareEx(k *irql.K, runRefCacheAware *EX_RUNDOWN_REF_CACHE_AWARE,
	count uint32) bool {
	return irql.Sim.AcquireRundown(k, ddi.ExAcquireRundownProtectionCacheAwareEx, &runRefCacheAware.ref,
		count)
}

// ExReleaseRundownProtectionCacheAware ends one use.
//
// IRQL: not stated.
// Ownership: the caller may not touch the protected object any more.
// Rules: LOCK-007, LOCK-022, POOL-013, POOL-026.
// Reference: wdm/nf-wdm-exreleaserundownprotectioncacheaware.
func ExReleaseRundownProtectionCacheAware(k *irql.K, runRefCacheAware *EX_RUNDOWN_REF_CACHE_AWARE) {
	irql.Sim.ReleaseRundown(k, ddi.ExReleaseRundownProtectionCacheAware, &runRefCacheAware.ref, 1)
}

// ExReleaseRundownProtectionCacheAwareEx ends count uses.
//
// IRQL: not stated.
// Ownership: the caller may not touch the protected object any more.
// Rules: LOCK-007, LOCK-022, POOL-013, POOL-026.
// Reference: wdm/nf-wdm-exreleaserundownprotectioncacheawareex.
func ExReleaseRundownProtectionCacheAwareEx(k *irql.K, runRef *EX_RUNDOWN_REF_CACHE_AWARE, count uint32) {
	irql.Sim.ReleaseRundown(k, ddi.ExReleaseRundownProtectionCacheAwareEx, &runRef.ref, count)
}

// ExWaitForRundownProtectionReleaseCacheAware lets no new user in and waits until the last one is gone.
//
// IRQL: not stated; it may wait.
// Ownership: afterwards the protected object is the caller's alone.
// Rules: LOCK-007, LOCK-022, POOL-013, POOL-026.
// Reference: wdm/nf-wdm-exwaitforrundownprotectionreleasecacheaware.
func ExWaitForRundownProtectionReleaseCacheAware(k *irql.K, runRef *EX_RUNDOWN_REF_CACHE_AWARE) {
	irql.Sim.WaitForRundown(k, ddi.ExWaitForRundownProtectionReleaseCacheAware, &runRef.ref)
}

// ExReInitializeRundownProtectionCacheAware makes an object that has been waited for usable again.
//
// IRQL: not stated.
// Ownership: nobody may use the object meanwhile.
// Rules: LOCK-007, LOCK-022, POOL-013, POOL-026.
// Reference: wdm/nf-wdm-exreinitializerundownprotectioncacheaware.
func ExReInitializeRundownProtectionCacheAware(k *irql.K, runRefCacheAware *EX_RUNDOWN_REF_CACHE_AWARE) {
	irql.Sim.ReinitializeRundown(k, ddi.ExReInitializeRundownProtectionCacheAware, &runRefCacheAware.ref)
}

// ExRundownCompletedCacheAware says that the object will not be used again: acquiring fails from now on.
//
// IRQL: not stated.
// Ownership: afterwards the protected object is the caller's alone.
// Rules: LOCK-007, POOL-013, POOL-026.
// Reference: wdm/nf-wdm-exrundowncompletedcacheaware.
func ExRundownCompletedCacheAware(k *irql.K, runRefCacheAware *EX_RUNDOWN_REF_CACHE_AWARE) {
	irql.Sim.CompleteRundown(k, ddi.ExRundownCompletedCacheAware, &runRefCacheAware.ref)
}
