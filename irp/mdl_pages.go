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

// Flags of MmAllocatePagesForMdlEx.
const (
	MM_DONT_ZERO_ALLOCATION               uint32 = 0x01
	MM_ALLOCATE_FROM_LOCAL_NODE_ONLY      uint32 = 0x02
	MM_ALLOCATE_FULLY_REQUIRED            uint32 = 0x04
	MM_ALLOCATE_NO_WAIT                   uint32 = 0x08
	MM_ALLOCATE_PREFER_CONTIGUOUS         uint32 = 0x10
	MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS uint32 = 0x20
)

var (
	sitePagesForMdl   = ke.Site{Name: "fault/MmAllocatePagesForMdl", Alts: faultAlts, Spec: "irp.md 19.2, 20"}
	sitePagesForMdlEx = ke.Site{Name: "fault/MmAllocatePagesForMdlEx", Alts: faultAlts,
		Spec: "irp.md 19.2, 20"}
	fewerAlts        = []string{"all pages", "half of them"}
	siteFewerPages   = ke.Site{Name: "env/MmAllocatePagesForMdl", Alts: fewerAlts, Spec: "irp.md 20"}
	siteFewerPagesEx = ke.Site{Name: "env/MmAllocatePagesForMdlEx", Alts: fewerAlts, Spec: "irp.md 20"}
)

// tagMdl is what the pool block of such an MDL is called in reports.
var tagMdl = Tag("Mdl ")

// MmAllocatePagesForMdl allocates pages without an address and an MDL that describes them. They may be fewer
// than asked for: MmGetMdlByteCount says how many. NULL when there are none.
//
// IRQL: <= APC_LEVEL.
// Ownership: MmFreePagesFromMdl for the pages, then ExFreePool for the MDL's Block.
// Rules: MDL-011, UNLOAD-001; later MDL-002, MDL-006.
// Not modelled: physical addresses.
// Reference: wdm/nf-wdm-mmallocatepagesformdl.
func MmAllocatePagesForMdl(k *irql.K, lowAddress, highAddress, skipBytes int64, totalBytes uint64) *MDL {
	_, _, _ = lowAddress, highAddress, skipBytes
	return pagesForMdl(k, &pagesRequest{d: ddi.MmAllocatePagesForMdl, total: totalBytes,
		fails: &sitePagesForMdl, fewer: &siteFewerPages})
}

// MmAllocatePagesForMdlEx is MmAllocatePagesForMdl with a type of caching and flags.
//
// IRQL: <= APC_LEVEL.
// Ownership: as MmAllocatePagesForMdl.
// Rules: as MmAllocatePagesForMdl.
// Not modelled: physical addresses, nodes, caching.
// Reference: wdm/nf-wdm-mmallocatepagesformdlex.
func MmAllocatePagesForMdlEx(k *irql.K, lowAddress, highAddress, skipBytes int64, totalBytes uint64,
	cacheType MEMORY_CACHING_TYPE, flags uint32) *MDL {
	_, _, _, _ = lowAddress, highAddress, skipBytes, cacheType
	return pagesForMdl(k, &pagesRequest{d: ddi.MmAllocatePagesForMdlEx, total: totalBytes, flags: flags,
		fails: &sitePagesForMdlEx, fewer: &siteFewerPagesEx})
}

// pagesRequest is what is asked for, and the choices of the routine that is called.
type pagesRequest struct {
	d            ddi.ID
	total        uint64
	flags        uint32
	fails, fewer *ke.Site
}

func pagesForMdl(k *irql.K, r *pagesRequest) *MDL {
	d, flags := r.d, r.flags
	ke.EnterAnyLevel(k, d)
	pagesLevel(k, d, d.String())
	ke.Point(k, ke.Unknown)
	pages := (r.total + pool.PageSize - 1) / pool.PageSize
	const whole = MM_ALLOCATE_FULLY_REQUIRED | MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS
	if flags&whole == 0 && pages > 1 && ke.Choose(k, r.fewer, 2) == 1 {
		pages /= 2
	}
	var buf *Buffer
	if pages > 0 && !ke.Fails(k, r.fails) {
		buf = pool.Alloc(k, &pool.Request{DDI: d, Kind: pool.NonPaged, Size: int(pages * pool.PageSize),
			System: true, Uninitialized: flags&MM_DONT_ZERO_ALLOCATION != 0})
	}
	if buf == nil {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return nil
	}
	t := pool.New[MDL](k, &pool.Request{DDI: d, Kind: pool.NonPaged, Tag: tagMdl})
	var mdl *MDL
	ke.Inside(k, func() { mdl = t.Get() })
	*mdl = *newMDL(k, d, buf, uint32(buf.Len()))
	// The pages are as good as locked, but nobody has them in the books of locked pages.
	mdl.flags |= MDL_PAGES_LOCKED
	mdl.block, mdl.havePages = t.Handle(), true
	return mdl
}

// pagesLevel reports MDL-011 for the routines that allocate and free pages. INFERRED: the pages on them allow
// DISPATCH_LEVEL on newer systems, the static rule does not (irp.md 24 #22).
func pagesLevel(k *irql.K, d ddi.ID, obj string) {
	if ke.IRQL(k) <= ke.APC {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.MDL_011, Case: "pages of an MDL", Obj: obj,
		AllowedIRQL: ke.APC, Headline: fmt.Sprintf("%v at %s", d, ke.LevelName(ke.IRQL(k))),
		Args: verify.Params(nil, ke.IRQL(k))})
}

// Block is the pool block that holds an MDL of MmAllocatePagesForMdl: what ExFreePool is given, where C casts
// the pointer. NULL for other MDLs.
func (mdl *MDL) Block() *Buffer { return mdl.block }

// Busy says why the memory of an MDL must not go, "" when it may.
func (mdl *MDL) Busy() string {
	switch {
	case mdl.m == nil || mdl.freed:
		return ""
	case mdl.havePages:
		return "still has its pages"
	case mdl.flags&MDL_MAPPED_TO_SYSTEM_VA != 0:
		return "is still mapped"
	case mdl.own && mdl.flags&MDL_PAGES_LOCKED != 0:
		return "has its pages locked"
	}
	return ""
}

// BusyRule is the rule for an MDL that is freed too early.
func (mdl *MDL) BusyRule() verify.RuleID { return verify.MDL_006 }

// Gone tells the MDL that its memory is no more.
func (mdl *MDL) Gone(_ verify.RuleID, seq uint64) {
	if mdl.m == nil || mdl.freed {
		return
	}
	mdl.freed, mdl.freeSeq = true, seq
	mdl.endMapping(seq)
	if k := mdl.m.Current(); k != nil && mdl.own {
		mdl.release(k)
	}
}

// MmFreePagesFromMdl frees the pages of an MDL of MmAllocatePagesForMdl. The MDL itself goes with ExFreePool.
//
// IRQL: <= APC_LEVEL.
// Ownership: nobody may touch the pages any more.
// Rules: MDL-002, MDL-006, MDL-011, MDL-016, POOL-025; POOL-013 when they are touched later.
// Reference: wdm/nf-wdm-mmfreepagesfrommdl.
func MmFreePagesFromMdl(k *irql.K, mdl *MDL) {
	const d = ddi.MmFreePagesFromMdl
	ke.EnterAnyLevel(k, d)
	checkMDL(k, mdl, d)
	pagesLevel(k, d, mdl.id.String())
	ke.Point(k, ke.Frees(mdl.id))
	mdl.alive(k, d.String())
	if !mdl.havePages {
		mdl.report(k, verify.Finding{Rule: verify.MDL_002, Case: "pages freed",
			Headline: fmt.Sprintf("MmFreePagesFromMdl: the pages of %v were not allocated for it, or are "+
				"freed", mdl.id)})
		return
	}
	mdl.notLent(k, d)
	mdl.pagesNotLent(k, d.String())
	if mdl.flags&MDL_MAPPED_TO_SYSTEM_VA != 0 {
		mdl.report(k, verify.Finding{Rule: verify.MDL_006, Case: "pages freed while mapped",
			Headline: fmt.Sprintf("MmFreePagesFromMdl: %v is still mapped", mdl.id)})
	}
	seq := ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: mdl.id})
	mdl.unlocked(seq)
	mdl.endMapping(seq)
	mdl.flags &^= MDL_PAGES_LOCKED
	mdl.havePages = false
	pool.FreeFor(k, d, mdl.buf)
}

// leftInProcess reports MDL-007 for memory of a process that ends with pages a driver has locked.
func (s *mdlState) leftInProcess(k *irql.K, p *ke.Process) {
	for _, mdl := range s.locked {
		if mdl.process != p || mdl.fixed || mdl.owner == nil {
			continue
		}
		mdl.report(k, verify.Finding{Rule: verify.MDL_007, Case: "a process ends", Driver: mdl.owner.Name,
			Headline: fmt.Sprintf("%s ends, and %s keeps %d of its pages locked with %v", p.Image,
				mdl.owner.Name, mdl.pages, mdl.id),
			Args: verify.Params(nil, p.ID, mdl.pages)})
		return
	}
}
