package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// A driver that must get on although memory is short reserves addresses beforehand and maps one MDL after the
// other there, which cannot fail.
//
//	MmAllocateMappingAddress   reserved -> MmMapLockedPagesWithReservedMapping -> mapped
//	MmFreeMappingAddress       reserved <- MmUnmapReservedMapping              <- mapped

// reservations are the ranges of one machine that were not freed.
type reservations struct{ live []*reservation }

var reservationState = ke.NewSlot(func(m *ke.Machine) *reservations {
	s := &reservations{}
	m.AtUnload(s.checkUnload)
	return s
})

var siteMappingAddress = ke.Site{Name: "fault/MmAllocateMappingAddress", Alts: faultAlts,
	Spec: "irp.md 19.2"}

// reserved is the range that a routine was given; nil, after a report, if it is none or not the caller's.
func reserved(k *irql.K, rule verify.RuleID, d ddi.ID, address any, tag uint32,
	empty, foreign string) *reservation {
	r, _ := address.(*reservation)
	if r != nil {
		ke.Point(k, ke.Writes(r.id))
	}
	switch {
	case r == nil || !r.run.Of(k):
		(*reservation)(nil).wrong(k, rule, d, empty,
			"an address that MmAllocateMappingAddress did not return",
			"not reserved")
		return nil
	case r.freed:
		r.wrong(k, rule, d, empty, r.name()+" are freed already", "freed already")
		return nil
	case r.tag != tag:
		r.wrong(k, rule, d, foreign, fmt.Sprintf("%s have tag '%s', given is '%s'", r.name(),
			pool.TagName(r.tag), pool.TagName(tag)), "another tag")
		return nil
	}
	return r
}

// MmAllocateMappingAddress reserves addresses of the system for mappings; NULL when there are none. Nothing
// is mapped there yet.
//
// IRQL: <= APC_LEVEL.
// Ownership: MmFreeMappingAddress.
// Rules: IRQL-001, MDL-008, POOL-010, UNLOAD-001.
// Reference: wdm/nf-wdm-mmallocatemappingaddress.
func MmAllocateMappingAddress(k *irql.K, numberOfBytes uint64, poolTag uint32) any {
	const d = ddi.MmAllocateMappingAddress
	ke.Enter(k, d)
	checkTag(k, d, poolTag)
	if numberOfBytes == 0 {
		(*reservation)(nil).wrong(k, verify.MDL_008, d, "0x100", "zero bytes are reserved",
			"zero bytes reserved")
		return nil
	}
	if ke.Fails(k, &siteMappingAddress) {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return nil
	}
	m := ke.Of(k)
	pages := (numberOfBytes + pool.PageSize - 1) / pool.PageSize
	r := &reservation{run: ke.StampOf(k), id: m.NewID(trace.MDL), pages: int(pages), tag: poolTag,
		addr: pool.MapRange(m, pages*pool.PageSize), owner: ke.Acting(k)}
	m.Ends(r.id)
	s := reservationState.Of(k)
	s.live = append(s.live, r)
	r.seq = ke.CallArg(k, d, r.id, numberOfBytes)
	return r
}

// MmFreeMappingAddress gives addresses back at which nothing is mapped.
//
// IRQL: <= APC_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, MDL-006, MDL-009.
// Reference: wdm/nf-wdm-mmfreemappingaddress.
func MmFreeMappingAddress(k *irql.K, baseAddress any, poolTag uint32) {
	const d = ddi.MmFreeMappingAddress
	ke.Enter(k, d)
	r := reserved(k, verify.MDL_009, d, baseAddress, poolTag, "0x102", "0x101")
	if r == nil {
		return
	}
	if r.mdl != nil {
		r.wrong(k, verify.MDL_006, d, "0x103", fmt.Sprintf("%v is still mapped in %s", r.mdl.id, r.name()),
			"mapped at reserved addresses")
	}
	r.freed = true
	ke.Of(k).Ends(r.id)
	s := reservationState.Of(k)
	for i, o := range s.live {
		if o == r {
			s.live = list.Cut(s.live, i)
			break
		}
	}
	ke.Call(k, d, r.id)
}

// MmMapLockedPagesWithReservedMapping maps an MDL that is locked and not mapped at reserved addresses. NULL
// comes back only when it spans more pages than they do.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller unmaps with MmUnmapReservedMapping, before the pages are unlocked.
// Rules: IRQL-001, MDL-008, MDL-016.
// Not modelled: cache types.
// Reference: wdm/nf-wdm-mmmaplockedpageswithreservedmapping.
func MmMapLockedPagesWithReservedMapping(k *irql.K, mappingAddress any, poolTag uint32,
	memoryDescriptorList *MDL, cacheType MEMORY_CACHING_TYPE) *Buffer {
	const d = ddi.MmMapLockedPagesWithReservedMapping
	_ = cacheType
	ke.Enter(k, d)
	mdl := memoryDescriptorList
	checkMDL(k, mdl, d)
	r := reserved(k, verify.MDL_008, d, mappingAddress, poolTag, "0x105", "0x104")
	if r == nil {
		return nil
	}
	mdl.uses(ke.W)
	switch {
	case r.mdl != nil:
		r.wrong(k, verify.MDL_008, d, "0x107", fmt.Sprintf("%v is mapped in %s already", r.mdl.id, r.name()),
			"mapped at reserved addresses")
		return nil
	case !mdl.mappable(k, d):
		return nil
	case spanned(mdl.buf.Address(), mdl.count) > r.pages:
		ke.CallStatus(k, d, mdl.id, uint32(ntstatus.STATUS_INVALID_PARAMETER))
		return nil
	}
	mdl.reserved, r.mdl = r, mdl
	return mdl.mapAt(k, d, r.addr+mdl.buf.Address()%pool.PageSize, false)
}

// mappable reports MDL-008 for an MDL that cannot be mapped by the driver.
func (mdl *MDL) mappable(k *irql.K, d ddi.ID) bool {
	sub, state := "0xb2", ""
	switch {
	case mdl.flags&MDL_MAPPED_TO_SYSTEM_VA != 0:
		state = "mapped already"
	case mdl.flags&MDL_SOURCE_IS_NONPAGED_POOL != 0:
		state = "built for nonpaged pool, which has an address"
	case mdl.flags&mdlBuilt == 0:
		sub, state = "0xb3", "not locked"
	case !mdl.hasPages():
		mdl.lostPages(k, d)
		return false
	default:
		return true
	}
	mdl.report(k, mdl.c4(verify.MDL_008, "mapped by hand", fmt.Sprintf("%v: %v is %s", d, mdl.id, state),
		sub))
	return false
}

// MmUnmapReservedMapping ends a mapping at reserved addresses, which may be used again.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the address of the mapping is gone.
// Rules: IRQL-001, MDL-009, MDL-016, POOL-025.
// Reference: wdm/nf-wdm-mmunmapreservedmapping.
func MmUnmapReservedMapping(k *irql.K, baseAddress any, poolTag uint32, memoryDescriptorList *MDL) {
	const d = ddi.MmUnmapReservedMapping
	ke.Enter(k, d)
	mdl := memoryDescriptorList
	checkMDL(k, mdl, d)
	// The page wants what the mapping routine returned, and calls it the beginning of the range.
	if b, ok := baseAddress.(*Buffer); ok && b != nil && mdl.mapped != nil &&
		b.Address() == mdl.mapped.Address() && mdl.reserved != nil {
		baseAddress = mdl.reserved
	}
	r := reserved(k, verify.MDL_009, d, baseAddress, poolTag, "0x109", "0x108")
	if r == nil {
		return
	}
	mdl.uses(ke.W)
	if r.mdl != mdl {
		r.wrong(k, verify.MDL_009, d, "0x10b", fmt.Sprintf("%v is not mapped in %s", mdl.id, r.name()),
			"not mapped there")
		return
	}
	mdl.notLent(k, d)
	mdl.endMapping(ke.Call(k, d, mdl.id))
}

// checkUnload reports addresses that a driver has left reserved.
func (s *reservations) checkUnload(m *ke.Machine, img *ke.Image) {
	for _, r := range s.live {
		if r.owner != img {
			continue
		}
		m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_001, Case: "reserved addresses", Obj: r.id.String(),
			Driver: img.Name, Ctx: "unload of " + img.Name,
			Headline: fmt.Sprintf("%s is unloaded and leaves %s, %d pages", img.Name, r.name(), r.pages),
			Places:   []verify.Place{{Label: "RESERVED", Seq: r.seq}}})
	}
}
