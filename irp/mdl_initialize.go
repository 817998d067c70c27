package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// This file has what is done to MDLs without allocating anything: in memory of the driver's own, and on under
// way.

const (
	mdlSize = 0x30 // sizeof(MDL) on x64
	pfnSize = 8
)

// MmSizeOfMdl gives the size of the memory for an MDL that describes length bytes from base on.
//
// IRQL: any.
// Reference: wdm/nf-wdm-mmsizeofmdl.
func MmSizeOfMdl(base *Buffer, length uint64) uint64 {
	in := uint64(0)
	if base != nil {
		in = base.Address() % pool.PageSize
	}
	return mdlSize + pfnSize*((in+length+pool.PageSize-1)/pool.PageSize)
}

// MmInitializeMdl makes an MDL of memory of the driver's own: a member of its structures, or what As makes of
// MmSizeOfMdl bytes of nonpaged pool. It is not built yet.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller's, who frees the memory itself once the MDL is neither locked nor mapped.
// Rules: IRQL-001, MDL-006; later POOL-007 for IoFreeMdl.
// Reference: wdm/nf-wdm-mminitializemdl.
func MmInitializeMdl(k *irql.K, memoryDescriptorList *MDL, baseVa *Buffer, length uint64) {
	const d = ddi.MmInitializeMdl
	ke.Enter(k, d)
	mdl := memoryDescriptorList
	if mdl.m == ke.Of(k) && !mdl.freed {
		mdl.uses(ke.W)
		if why := mdl.Busy(); why != "" {
			mdl.report(k, verify.Finding{Rule: verify.MDL_006,
				Headline: fmt.Sprintf("%v: %v is made anew and %s", d, mdl.id, why),
				Fix:      "unmap and unlock it before it is used for something else."})
		}
		mdl.release(k)
	}
	ke.Of(k).Ends(mdl.id)
	*mdl = *newMDL(k, d, baseVa, uint32(length))
	mdl.flags, mdl.own = 0, true // none of the I/O manager's sizes
	mdl.describe(k, describes)
}

// freedAsOther reports IoFreeMdl on an MDL in memory of the driver's own.
func (mdl *MDL) freedAsOther(k *irql.K) {
	mdl.report(k, verify.Finding{Rule: verify.POOL_007, BugCheck: 0xC4,
		Headline: fmt.Sprintf("IoFreeMdl: %v was made by MmInitializeMdl, in memory of the driver's own",
			mdl.id),
		Args: [4]verify.Arg{arg("0x10", "an address that is no pool block"), arg(mdl.id, "the address")},
		Fix:  "free the memory that the MDL lies in; IoFreeMdl is for what IoAllocateMdl returned."})
}

// MmAdvanceMdl lets an MDL begin numberOfBytes later; its end stays. Pages that it has passed are unlocked,
// the address in the system and the one it was made for move on. STATUS_INVALID_PARAMETER_2 when it has fewer
// bytes.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged; MmUnlockPages for the pages that are left.
// Rules: IRQL-001, MDL-002, MDL-016, POOL-025.
// Not modelled: that the mapping of pages passed is gone at once.
// Reference: wdm/nf-wdm-mmadvancemdl.
func MmAdvanceMdl(k *irql.K, mdl *MDL, numberOfBytes uint32) ntstatus.NTSTATUS {
	const d = ddi.MmAdvanceMdl
	ke.Enter(k, d)
	checkMDL(k, mdl, d)
	ke.Point(k, ke.Use{Obj: mdl.id, How: ke.W})
	if numberOfBytes > mdl.count {
		s := ntstatus.STATUS_INVALID_PARAMETER_2
		ke.CallStatus(k, d, mdl.id, uint32(s))
		return s
	}
	mdl.notLent(k, d)
	n, addr := int(numberOfBytes), uint64(0)
	if mdl.buf != nil {
		addr = mdl.buf.Address()
	}
	if passed := int((addr%pool.PageSize + uint64(n)) / pool.PageSize); passed > 0 {
		mdl.passPages(k, passed)
	}
	ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: mdl.id, A: uint64(n), Flags: trace.HasA})
	mdl.count -= numberOfBytes
	if mdl.buf != nil {
		mdl.buf = mdl.buf.Slice(n, int(mdl.count))
	}
	if mdl.mapped != nil {
		mdl.mapped = mdl.mapped.Slice(n, int(mdl.count))
	}
	return ntstatus.STATUS_SUCCESS
}

// passPages lets the first pages of mdl go: they have to be its own to unlock.
func (mdl *MDL) passPages(k *irql.K, n int) {
	switch {
	case mdl.flags&(MDL_SOURCE_IS_NONPAGED_POOL|MDL_PARTIAL) != 0:
		// Nonpaged pool is not locked. That the pages of a partial MDL stay those of its source is INFERRED.
	case mdl.flags&MDL_PAGES_LOCKED == 0:
		mdl.report(k, mdl.c4(verify.MDL_002, "0x7c", "pages of an MDL that is not locked",
			fmt.Sprintf("MmAdvanceMdl: %v passes %d pages, which are not locked", mdl.id, n),
			"lock the MDL first: pages that are passed are unlocked."))
	default:
		mdl.pagesNotLent(k, "MmAdvanceMdl")
	}
	mdl.pages -= n
}
