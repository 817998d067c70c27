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
	mdlPoint(k, mdl, d)
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
		mdl.report(k, mdl.c4(verify.MDL_002, "pages passed",
			fmt.Sprintf("MmAdvanceMdl: %v passes %d pages, which are not locked", mdl.id, n)))
	default:
		mdl.pagesNotLent(k, "MmAdvanceMdl")
	}
	mdl.pages -= n
}
