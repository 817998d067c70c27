package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// This file has MDLs in memory of the driver's own.

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
			mdl.report(k, verify.Finding{Rule: verify.MDL_006, Case: "made anew",
				Headline: fmt.Sprintf("%v: %v is made anew and %s", d, mdl.id, why)})
		}
		mdl.release(k)
	}
	ke.Of(k).Ends(mdl.id)
	*mdl = *newMDL(k, d, baseVa, uint32(length))
	mdl.flags, mdl.own = 0, true // none of the I/O manager's sizes
	mdl.describe(k, describes)
}
