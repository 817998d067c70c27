package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// A partial MDL has no pages of its own: they are those of the MDL it was built from, its root, for as long
// as that keeps them locked. What uses the partial one therefore uses the lock of the root (irp.md 20).

// MmPrepareMdlForReuse ends the mapping that a partial MDL got of its own, so that it can be built again.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Rules: MDL-016, POOL-025, IRQL-001.
// Reference: wdm/nf-wdm-mmpreparemdlforreuse.
func MmPrepareMdlForReuse(k *irql.K, mdl *MDL) {
	ke.Enter(k, ddi.MmPrepareMdlForReuse)
	mdlPoint(k, mdl, ddi.MmPrepareMdlForReuse)
	if mdl.flags&MDL_PARTIAL == 0 {
		ke.Call(k, ddi.MmPrepareMdlForReuse, mdl.id)
		return
	}
	mdl.notLent(k, ddi.MmPrepareMdlForReuse)
	mdl.endMapping(ke.Call(k, ddi.MmPrepareMdlForReuse, mdl.id))
}

// IoBuildPartialMdl makes targetMdl describe length bytes of what sourceMdl describes, from virtualAddress
// on; length 0 means up to its end. The pages stay the source's.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the source must stay locked while the target is in use.
// Rules: MDL-008, MDL-010, MDL-016, POOL-025, IRQL-001.
// Reference: wdm/nf-wdm-iobuildpartialmdl.
func IoBuildPartialMdl(k *irql.K, sourceMdl, targetMdl *MDL, virtualAddress *Buffer, length uint32) {
	ke.Enter(k, ddi.IoBuildPartialMdl)
	checkMDL(k, sourceMdl, ddi.IoBuildPartialMdl)
	mdlPoint(k, targetMdl, ddi.IoBuildPartialMdl)
	sourceMdl.alive(k, ddi.IoBuildPartialMdl.String())
	start, n, ok := partialRange(sourceMdl, virtualAddress, length)
	if !ok || spanned(virtualAddress.Address(), uint32(n)) > targetMdl.pages {
		badPartial(k, sourceMdl, targetMdl, start, length, ok)
		return
	}
	if !sourceMdl.hasPages() { // "must be locked before the driver calls" it, says the page
		sourceUnlocked(k, sourceMdl, targetMdl)
	}
	targetMdl.notLent(k, ddi.IoBuildPartialMdl)
	targetMdl.release(k)
	targetMdl.endMapping(ke.Call(k, ddi.IoBuildPartialMdl, targetMdl.id))
	targetMdl.buf, targetMdl.count, targetMdl.source = sourceMdl.buf.Slice(start, n), uint32(n), sourceMdl
	targetMdl.flags = targetMdl.flags&MDL_ALLOCATED_FIXED_SIZE | MDL_PARTIAL |
		sourceMdl.flags&(MDL_SOURCE_IS_NONPAGED_POOL|MDL_IO_PAGE_READ)
	root := sourceMdl
	if sourceMdl.flags&MDL_PARTIAL != 0 {
		root = sourceMdl.root
	}
	targetMdl.root, targetMdl.rootLock = root, root.locks
	targetMdl.describe(k, describes)
}

// sourceUnlocked reports MDL-008 for a partial MDL of pages that are not locked.
func sourceUnlocked(k *irql.K, source, target *MDL) {
	f := target.c4(verify.MDL_008, "partial MDL built",
		fmt.Sprintf("IoBuildPartialMdl: the pages of the source %v of %v are not locked", source.id,
			target.id))
	target.report(k, f)
}

// partialRange is where the range lies in what source describes.
func partialRange(source *MDL, va *Buffer, length uint32) (start, n int, ok bool) {
	off, null := pool.FromNull(va)
	switch {
	case source.buf == nil, null && !source.noAddress(), !null && !pool.SameBlock(va, source.buf):
		return 0, 0, false
	case !null:
		off, _ = pool.Offset(va)
	}
	base, _ := pool.Offset(source.buf)
	start, n = off-base, int(length)
	if n == 0 {
		n = int(source.count) - start
	}
	return start, n, start >= 0 && n >= 0 && start+n <= int(source.count)
}

func badPartial(k *irql.K, source, target *MDL, start int, length uint32, inside bool) {
	why := fmt.Sprintf("%d bytes at offset %d do not lie in the %d bytes of %v", length, start, source.count,
		source.id)
	if inside {
		why = fmt.Sprintf("%d bytes at offset %d need more pages than %v has room for", length, start,
			target.id)
	}
	target.report(k, verify.Finding{Rule: verify.MDL_010, Headline: "IoBuildPartialMdl: " + why,
		Args: verify.Params(source.id, target.id, start, length)})
}
