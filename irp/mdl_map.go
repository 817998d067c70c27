package irp

import (
	"fmt"
	"runtime"
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Priorities of MmGetSystemAddressForMdlSafe, and the bits that may be or-ed to them.
const (
	LowPagePriority     uint32 = 0
	NormalPagePriority  uint32 = 16
	HighPagePriority    uint32 = 32
	MdlMappingNoWrite   uint32 = 0x80000000
	MdlMappingNoExecute uint32 = 0x40000000
)

// MEMORY_CACHING_TYPE is how a mapping is cached, which makes no difference here.
type MEMORY_CACHING_TYPE int32

// The ways of caching.
const (
	MmNonCached     MEMORY_CACHING_TYPE = 0
	MmCached        MEMORY_CACHING_TYPE = 1
	MmWriteCombined MEMORY_CACHING_TYPE = 2
)

var (
	siteGetSystemAddress = ke.Site{Name: "fault/MmGetSystemAddressForMdlSafe", Alts: faultAlts,
		Spec: "irp.md 19.2"}
	siteMapLockedPages = ke.Site{Name: "fault/MmMapLockedPagesSpecifyCache", Alts: faultAlts,
		Spec: "irp.md 19.2"}
)

// MmGetSystemAddressForMdlSafe returns an address at which the memory of an MDL may be touched at any level
// and in any context, nil when it cannot be mapped. The same address comes back until the MDL is unlocked.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the address ends with MmUnlockPages, for a partial MDL with IoFreeMdl or MmPrepareMdlForReuse.
// Rules: MDL-008, MDL-013, MDL-016, MDL-019, MDL-020, IRQL-001.
// Reference: wdm/nf-wdm-mmgetsystemaddressformdlsafe.
func MmGetSystemAddressForMdlSafe(k *irql.K, mdl *MDL, priority uint32) *Buffer {
	ke.Enter(k, ddi.MmGetSystemAddressForMdlSafe)
	mdlPoint(k, mdl, ddi.MmGetSystemAddressForMdlSafe)
	if priority&MdlMappingNoExecute == 0 {
		mdl.report(k, mdl.c4(verify.MDL_020, "",
			fmt.Sprintf("MmGetSystemAddressForMdlSafe maps %v executable",
				mdl.id)))
	}
	if mdl.flags&mdlBuilt == 0 {
		mdl.report(k, mdl.c4(verify.MDL_008, "",
			fmt.Sprintf("MmGetSystemAddressForMdlSafe: %v is neither locked nor built for nonpaged pool",
				mdl.id)))
		return nil
	}
	if !mdl.hasPages() {
		mdl.lostPages(k, ddi.MmGetSystemAddressForMdlSafe)
		return nil
	}
	if mdl.mapped != nil {
		return mdl.mapped
	}
	if b := mdl.addressKnown(); b != nil {
		mdl.mapped = b
		return b
	}
	if ke.Fails(k, &siteGetSystemAddress) {
		mdl.mappingFailed(k, ddi.MmGetSystemAddressForMdlSafe)
		return nil
	}
	return mdl.mapNow(k, ddi.MmGetSystemAddressForMdlSafe, priority&MdlMappingNoWrite != 0)
}

// addressKnown is the system address of an MDL that needs no mapping of its own: nonpaged pool, or a part
// of what its source has mapped.
func (mdl *MDL) addressKnown() *Buffer {
	if mdl.flags&MDL_SOURCE_IS_NONPAGED_POOL != 0 {
		return pool.Mapped(mdl.buf, &pool.Alias{Obj: mdl.id}, false)
	}
	if s := mdl.source; s != nil {
		s.uses(ke.R)
	}
	if s := mdl.source; s != nil && s.alias != nil && s.alias.Ended == 0 {
		mdl.flags |= MDL_PARENT_MAPPED_SYSTEM_VA
		return pool.Mapped(mdl.buf, s.alias, false)
	}
	return nil
}

func (mdl *MDL) mappingFailed(k *irql.K, d ddi.ID) {
	s := mdls.Of(k)
	s.failed, s.failFrame = mdl.id, 0
	if f := ke.Top(k); f != nil {
		s.failFrame = f.Serial
	}
	s.failSeq = ke.CallStatus(k, d, mdl.id, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
}

// explain makes MDL-013 of a NULL dereference in the routine whose last mapping failed.
func (s *mdlState) explain(k *ke.K, value any) (verify.Finding, bool) {
	err, isError := value.(runtime.Error)
	if !isError || !strings.Contains(err.Error(), "nil pointer") {
		return verify.Finding{}, false
	}
	if f := ke.Top(k); f == nil || s.failed == 0 || f.Serial != s.failFrame {
		return verify.Finding{}, false
	}
	return verify.Finding{Rule: verify.MDL_013, Obj: s.failed.String(),
		Headline: fmt.Sprintf("NULL is dereferenced after the mapping of %v failed", s.failed),
		Args:     verify.Params(nil, ke.IRQL(k), 0),
		Places:   []verify.Place{{Label: "MAPPING_FAILED", Seq: s.failSeq}}}, true
}

func (mdl *MDL) mapNow(k *irql.K, d ddi.ID, readOnly bool) *Buffer {
	return mdl.mapAt(k, d, pool.MapAddress(mdl.m, mdl.buf), readOnly)
}

// mapAt makes the mapping of mdl at an address.
func (mdl *MDL) mapAt(k *irql.K, d ddi.ID, addr uint64, readOnly bool) *Buffer {
	off, _ := pool.Offset(mdl.buf)
	mdl.alias = &pool.Alias{Obj: mdl.id, Addr: addr, Start: off, Own: true}
	mdl.mapped = pool.Mapped(mdl.buf, mdl.alias, readOnly)
	if mdl.flags&MDL_PARTIAL != 0 {
		mdl.flags |= MDL_PARTIAL_HAS_BEEN_MAPPED
		mdl.root.mappedParts = append(mdl.root.mappedParts, mdl)
	}
	mdl.flags |= MDL_MAPPED_TO_SYSTEM_VA
	mdl.mapSeq = ke.Call(k, d, mdl.id)
	return mdl.mapped
}

// endMapping ends the mapping mdl has of its own; addresses made from it must not be used any more.
func (mdl *MDL) endMapping(seq uint64) {
	if mdl.alias != nil {
		mdl.alias.Ended = seq
	}
	if mdl.flags&MDL_PARTIAL_HAS_BEEN_MAPPED != 0 {
		mdl.root.forgetPart(mdl)
	}
	if r := mdl.reserved; r != nil {
		r.mdl, mdl.reserved = nil, nil
	}
	mdl.alias, mdl.mapped = nil, nil
	mdl.flags &^= MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED | MDL_PARENT_MAPPED_SYSTEM_VA
}

// NotModelled is the kind of finding about what Windows does and this simulator does not.
const NotModelled = "not modelled"

// mapsForUser refuses a mapping in user space: taken for one of the system's it would hide whatever goes
// wrong with such an address. With continue it fails as it would in a full address space, with an exception.
func (mdl *MDL) mapsForUser(k *irql.K, d ddi.ID) {
	mdl.report(k, verify.Finding{Kind: NotModelled,
		Headline: fmt.Sprintf("%v of %v in UserMode: mappings in user space are not modelled", d, mdl.id),
		Text: "Windows maps the pages into the process of the calling thread, where the address is valid " +
			"until the process ends, and raises an exception when it cannot. Programs here are Go " +
			"functions and have no address space to map into.",
		Fix: "give the program the bytes with its request; in KernelMode the address is the system's."})
	raise(k, d, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
}

// MmMapLockedPagesSpecifyCache maps an MDL that is locked and not mapped; nil when that fails. UserMode is
// refused.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL when accessMode is UserMode.
// Ownership: the caller unmaps with MmUnmapLockedPages.
// Rules: MDL-008, MDL-011, MDL-012, MDL-016.
// Not modelled: mappings in user space, cache types, requested addresses.
// Reference: wdm/nf-wdm-mmmaplockedpagesspecifycache.
func MmMapLockedPagesSpecifyCache(k *irql.K, mdl *MDL, accessMode irql.KPROCESSOR_MODE,
	cacheType MEMORY_CACHING_TYPE,
	requestedAddress any, bugCheckOnFailure, priority uint32) *Buffer {
	ke.EnterAnyLevel(k, ddi.MmMapLockedPagesSpecifyCache)
	mdlPoint(k, mdl, ddi.MmMapLockedPagesSpecifyCache)
	mdlLevel(k, mdl, ddi.MmMapLockedPagesSpecifyCache, accessMode == irql.UserMode, "a mapping in user space")
	if accessMode == irql.UserMode {
		mdl.mapsForUser(k, ddi.MmMapLockedPagesSpecifyCache)
	}
	if bugCheckOnFailure != 0 {
		mdl.report(k, mdl.c4(verify.MDL_012, "",
			fmt.Sprintf("MmMapLockedPagesSpecifyCache of %v with BugCheckOnFailure",
				mdl.id)))
	}
	bad := mdl.flags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)
	if bad != 0 || mdl.flags&mdlBuilt == 0 {
		sub, state := "0xb2", "mapped already"
		switch {
		case bad == 0:
			sub, state = "0xb3", "not locked"
		case mdl.flags&MDL_SOURCE_IS_NONPAGED_POOL != 0:
			state = "built for nonpaged pool, which has an address"
		}
		mdl.report(k, mdl.c4(verify.MDL_008, "mapped by hand",
			fmt.Sprintf("MmMapLockedPagesSpecifyCache: %v is %s", mdl.id,
				state), sub))
		return mdl.mapped
	}
	if !mdl.hasPages() {
		mdl.lostPages(k, ddi.MmMapLockedPagesSpecifyCache)
		return nil
	}
	if ke.Fails(k, &siteMapLockedPages) {
		mdl.mappingFailed(k, ddi.MmMapLockedPagesSpecifyCache)
		return nil
	}
	return mdl.mapNow(k, ddi.MmMapLockedPagesSpecifyCache, priority&MdlMappingNoWrite != 0)
}

// MmUnmapLockedPages ends a mapping.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the address is gone.
// Rules: MDL-004, MDL-009, MDL-011, MDL-016.
// Not modelled: mappings in user space.
// Reference: wdm/nf-wdm-mmunmaplockedpages.
func MmUnmapLockedPages(k *irql.K, baseAddress *Buffer, mdl *MDL) {
	ke.EnterAnyLevel(k, ddi.MmUnmapLockedPages)
	mdlPoint(k, mdl, ddi.MmUnmapLockedPages)
	mdlLevel(k, mdl, ddi.MmUnmapLockedPages, false, "")
	mdl.notLent(k, ddi.MmUnmapLockedPages)
	switch {
	case mdl.flags&MDL_PARTIAL != 0:
		mdl.report(k, mdl.c4(verify.MDL_004, "unmapped", fmt.Sprintf("MmUnmapLockedPages: %v is partial",
			mdl.id)))
		return
	case mdl.alias == nil || mdl.mapped == nil:
		mdl.report(k, mdl.c4(verify.MDL_009, "", fmt.Sprintf("MmUnmapLockedPages: %v is not mapped",
			mdl.id)))
		return
	case mdl.reserved != nil:
		mdl.notReserved(k, ddi.MmUnmapLockedPages)
	case baseAddress == nil || baseAddress.Address() != mdl.mapped.Address():
		f := mdl.c4(verify.MDL_009, "another address",
			fmt.Sprintf("MmUnmapLockedPages: the address given is not that of the mapping of %v",
				mdl.id))
		mdl.report(k, f)
	}
	mdl.endMapping(ke.Call(k, ddi.MmUnmapLockedPages, mdl.id))
}
