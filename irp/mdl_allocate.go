package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IoAllocateMdl makes an MDL for length bytes of a buffer; it is not built yet. With p it becomes the IRP's
// MdlAddress, or with secondaryBuffer the last one of its chain. It returns nil when memory is short.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller's, who frees it before the memory it describes.
// Rules: POOL-011, POOL-013, IRP-005, IRQL-001.
// Not modelled: quotas.
// Reference: wdm/nf-wdm-ioallocatemdl.
func IoAllocateMdl(k *irql.K, virtualAddress *Buffer, length uint32, secondaryBuffer, chargeQuota bool,
	p *IRP) *MDL {
	ke.Enter(k, ddi.IoAllocateMdl)
	if ke.Fails(k, &siteAllocateMdl) {
		ke.CallStatus(k, ddi.IoAllocateMdl, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return nil
	}
	mdl := newMDL(k, ddi.IoAllocateMdl, virtualAddress, length)
	mdl.describe(k, describes)
	if p == nil {
		return mdl
	}
	head := p.MdlAddress() // checks who owns the IRP
	if !secondaryBuffer {
		p.setMdlHead(mdl)
		return mdl
	}
	if head == nil {
		p.setMdlHead(mdl)
		return mdl
	}
	for head.Next != nil {
		head = head.Next
	}
	head.Next = mdl
	return mdl
}

// IoFreeMdl frees an MDL; the mapping of a partial one ends with it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone; the memory it described stays.
// Rules: MDL-006, MDL-016, POOL-025, IRQL-001.
// Reference: wdm/nf-wdm-iofreemdl.
func IoFreeMdl(k *irql.K, mdl *MDL) {
	ke.Enter(k, ddi.IoFreeMdl)
	if mdl != nil {
		ke.Point(k, ke.Frees(mdl.id))
	}
	checkMDL(k, mdl, ddi.IoFreeMdl)
	mdl.notLent(k, ddi.IoFreeMdl)
	switch {
	case mdl.own:
		mdl.freedAsOther(k)
	case mdl.block != nil: // not documented, but it is pool that both routines free (INFERRED)
		pool.Free(k, ddi.IoFreeMdl, mdl.block, 0)
		return
	case mdl.flags&MDL_PAGES_LOCKED != 0:
		mdl.report(k, verify.Finding{Rule: verify.MDL_006, Case: "pages still locked",
			Headline: fmt.Sprintf("IoFreeMdl: the pages of %v are still locked",
				mdl.id),
			Args: verify.Params(nil, nil, mdl.id, mdl.pages)})
		mdl.unlock(k)
		mdl.unlocked(mdl.m.Log().Len())
	case mdl.flags&MDL_PARTIAL != 0: // its mapping ends here (wdm/nf-wdm-iobuildpartialmdl)
	case mdl.flags&MDL_MAPPED_TO_SYSTEM_VA != 0:
		mdl.report(k, mdl.c4(verify.MDL_006, "still mapped", fmt.Sprintf("IoFreeMdl: %v is still mapped",
			mdl.id)))
	}
	mdl.end(k, ke.Call(k, ddi.IoFreeMdl, mdl.id))
}

// end closes the books on an MDL.
func (mdl *MDL) end(k *irql.K, seq uint64) {
	mdl.uses(ke.Free)
	mdl.freed, mdl.freeSeq = true, seq
	mdl.endMapping(seq)
	mdl.release(k)
}

// freedAsOther reports IoFreeMdl on an MDL in memory of the driver's own.
func (mdl *MDL) freedAsOther(k *irql.K) {
	mdl.report(k, verify.Finding{Rule: verify.POOL_007, Case: "MDL in other memory",
		Headline: fmt.Sprintf("IoFreeMdl: %v was made by MmInitializeMdl, in memory of the driver's own",
			mdl.id),
		Args: verify.Params(nil, mdl.id)})
}
