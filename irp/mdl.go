package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// MDL_* are the bits of MdlFlags.
const (
	MDL_MAPPED_TO_SYSTEM_VA     uint16 = 0x0001
	MDL_PAGES_LOCKED            uint16 = 0x0002
	MDL_SOURCE_IS_NONPAGED_POOL uint16 = 0x0004
	MDL_ALLOCATED_FIXED_SIZE    uint16 = 0x0008
	MDL_PARTIAL                 uint16 = 0x0010
	MDL_PARTIAL_HAS_BEEN_MAPPED uint16 = 0x0020
	MDL_IO_PAGE_READ            uint16 = 0x0040
	MDL_WRITE_OPERATION         uint16 = 0x0080
	MDL_PARENT_MAPPED_SYSTEM_VA uint16 = 0x0100
)

// mdlBuilt is set in an MDL whose pages are known.
const mdlBuilt = MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL

// LOCK_OPERATION says what the pages of an MDL are locked for.
type LOCK_OPERATION int32

// The operations.
const (
	IoReadAccess   LOCK_OPERATION = 0
	IoWriteAccess  LOCK_OPERATION = 1
	IoModifyAccess LOCK_OPERATION = 2
)

// MDL describes memory for transfers. A driver may write Next and nothing else; what it may read comes from
// MdlFlags and the MmGetMdl* routines.
type MDL struct {
	Next *MDL // the next of a chain

	m     *ke.Machine
	id    trace.ID
	flags uint16
	freed bool
	fixed bool      // made by the I/O manager, which also takes it down
	owner *ke.Image // who locked the pages, else who allocated it
	pages int       // room for page numbers

	process   *ke.Process // whose memory is locked
	own       bool        // of MmInitializeMdl
	reserved  *reservation
	block     *Buffer // that holds it, with MmAllocatePagesForMdl
	havePages bool    // of MmAllocatePagesForMdl

	buf *Buffer // the memory described; nil before a partial MDL is built
	// what the pool knows to be described: buf, unless MmAdvanceMdl has moved its beginning
	described *Buffer
	count     uint32
	source    *MDL // of a partial MDL
	mapped    *Buffer
	alias     *pool.Alias
	lent      []lending

	root     *MDL   // of a partial MDL: whose pages they are in the end
	rootLock uint32 // and its locks then
	locks    uint32 // how often the pages were locked so far

	lentParts   []lending // operations that use partial MDLs of these pages
	mappedParts []*MDL    // partial MDLs with a mapping of their own of these pages

	allocSeq, lockSeq, unlockSeq, mapSeq, freeSeq uint64
}

// mdlState is what one machine knows about its MDLs.
type mdlState struct {
	locked []*MDL // in order of locking

	// The last mapping that failed, and in which call of a driver's routine.
	failed    trace.ID
	failSeq   uint64
	failFrame uint64
}

var mdls = ke.NewSlot(newMdlState)

var (
	siteAllocateMdl = ke.Site{Name: "fault/IoAllocateMdl", Alts: faultAlts, Spec: "irp.md 19.2"}
	siteProbeLock   = ke.Site{Name: "fault/MmProbeAndLockPages", Alts: []string{"locks", "raises"},
		Spec: "irp.md 19.2"}
)

// ID returns the id reports use for the MDL.
func (mdl *MDL) ID() trace.ID {
	if mdl == nil {
		return 0
	}
	return mdl.id
}

// MdlFlags is the C field of that name. Rules: MDL-016.
func (mdl *MDL) MdlFlags() uint16 {
	if k := mdl.m.Current(); k != nil {
		ke.Accesses(k, ke.Reads(mdl.id))
		mdl.alive(k, "MdlFlags")
	}
	return mdl.flags
}

// checkMDL is the first check of every routine that is given an MDL.
func checkMDL(k *irql.K, mdl *MDL, d ddi.ID) {
	if mdl == nil { // as MdlAddress is of a request of length 0
		ke.Null(k, d, "NULL where an MDL is expected")
	}
	if mdl.m == nil {
		ke.Report(k, verify.Finding{Rule: verify.MDL_016, Case: "no MDL", Obj: d.String(),
			Headline: fmt.Sprintf("%v is given memory that is no MDL where an MDL is expected", d)})
		panic("internal error: went on with what is no MDL")
	}
	mdl.alive(k, d.String())
}

// mdlPoint is the scheduling point of a routine that changes an MDL, which is looked at before and after: it
// can be freed when the routine goes on.
func mdlPoint(k *irql.K, mdl *MDL, d ddi.ID) {
	checkMDL(k, mdl, d)
	ke.Point(k, ke.Writes(mdl.id))
	mdl.alive(k, d.String())
}

// uses says that the step under way does something to the MDL.
func (mdl *MDL) uses(how ke.Access) { mdl.m.AddsOn(ke.Use{Obj: mdl.id, How: how}) }

func (mdl *MDL) alive(k *irql.K, what string) {
	ke.Adds(k, ke.Reads(mdl.id))
	if !mdl.freed {
		return
	}
	mdl.report(k, verify.Finding{Rule: verify.MDL_016, Case: "freed already",
		Headline: fmt.Sprintf("%s: %v is freed already", what, mdl.id), Args: verify.Params(mdl.id, 0)})
	panic("internal error: went on with a freed MDL")
}

// report completes a finding about mdl and reports it.
func (mdl *MDL) report(k *irql.K, f verify.Finding) {
	f.Obj = mdl.id.String()
	add := func(label string, seq uint64) {
		if seq != 0 {
			f.Places = append(f.Places, verify.Place{Label: label, Seq: seq})
		}
	}
	add("ALLOCATED", mdl.allocSeq)
	add("LOCKED", mdl.lockSeq)
	add("MAPPED", mdl.mapSeq)
	add("FREED", mdl.freeSeq)
	ke.Report(k, f)
}

// c4 is the sort of finding for which Driver Verifier stops with the MDL and its flags.
func (mdl *MDL) c4(rule verify.RuleID, cause, headline string, code ...any) verify.Finding {
	f := verify.Finding{Rule: rule, Case: cause, Headline: headline,
		Args: verify.Params(nil, mdl.id, fmt.Sprintf("%#x", mdl.flags))}
	if len(code) > 0 {
		f.Args[0].Value = fmt.Sprint(code[0])
	}
	return f
}

// newMDL makes an MDL for a view; buf may be nil.
func newMDL(k *irql.K, d ddi.ID, buf *Buffer, length uint32) *MDL {
	m := ke.Of(k)
	mdls.On(m)
	mdl := &MDL{m: m, id: m.NewID(trace.MDL), flags: MDL_ALLOCATED_FIXED_SIZE, count: length,
		owner: ke.Acting(k)}
	if off, null := pool.FromNull(buf); null {
		mdl.pages = spanned(uint64(off), length)
	} else {
		mdl.pages = spanned(buf.Address(), length)
		mdl.buf = buf.Slice(0, int(length))
	}
	mdl.allocSeq = ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: mdl.id, Obj2: buf.ID(),
		A: uint64(length), Flags: trace.HasA})
	return mdl
}

// spanned is ADDRESS_AND_SIZE_TO_SPAN_PAGES.
func spanned(addr uint64, length uint32) int {
	return int((addr%pool.PageSize + uint64(length) + pool.PageSize - 1) / pool.PageSize)
}

// describe tells the pool that mdl describes its memory, release that it does not any more.
func (mdl *MDL) describe(k *irql.K, l pool.Loan) {
	if mdl.buf != nil {
		l.Owner, l.Seq = mdl.id, mdl.allocSeq
		pool.LendAs(k, mdl.buf, l)
		mdl.described = mdl.buf
	}
}

func (mdl *MDL) release(k *irql.K) {
	if b := mdl.described; b != nil {
		mdl.described = nil
		pool.Return(k, b, mdl.id)
	}
}

// describes is the loan of memory to a driver's own MDL.
var describes = pool.Loan{Rule: verify.MDL_018, What: "an MDL describes it", Writable: true,
	Fix: "IoFreeMdl first, then the memory."}

// MmBuildMdlForNonPagedPool fills in the pages of an MDL over nonpaged pool. There is nothing to unlock or
// unmap later.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Rules: MDL-005, MDL-016, IRQL-001.
// Reference: wdm/nf-wdm-mmbuildmdlfornonpagedpool.
func MmBuildMdlForNonPagedPool(k *irql.K, mdl *MDL) {
	ke.Enter(k, ddi.MmBuildMdlForNonPagedPool)
	mdlPoint(k, mdl, ddi.MmBuildMdlForNonPagedPool)
	if mdl.buf == nil || !pool.KindOf(mdl.buf).Pool() || pool.KindOf(mdl.buf).Pageable() {
		what := "no memory"
		if mdl.buf != nil {
			what = pool.KindOf(mdl.buf).String()
		}
		mdl.report(k, mdl.c4(verify.MDL_005, "", fmt.Sprintf("MmBuildMdlForNonPagedPool: %v describes %s",
			mdl.id,
			what)))
	}
	mdl.flags |= MDL_SOURCE_IS_NONPAGED_POOL
	ke.Call(k, ddi.MmBuildMdlForNonPagedPool, mdl.id)
}

// MmGetMdlByteCount returns the number of bytes an MDL describes.
//
// IRQL: any.
// Ownership: unchanged.
// Rules: MDL-016.
// Reference: wdm/nf-wdm-mmgetmdlbytecount.
func MmGetMdlByteCount(k *irql.K, mdl *MDL) uint32 {
	ke.Enter(k, ddi.MmGetMdlByteCount)
	checkMDL(k, mdl, ddi.MmGetMdlByteCount)
	return mdl.count
}

// MmGetMdlByteOffset returns where in its first page the memory of an MDL begins.
//
// IRQL: any.
// Ownership: unchanged.
// Rules: MDL-016.
// Reference: wdm/nf-wdm-mmgetmdlbyteoffset.
func MmGetMdlByteOffset(k *irql.K, mdl *MDL) uint32 {
	ke.Enter(k, ddi.MmGetMdlByteOffset)
	checkMDL(k, mdl, ddi.MmGetMdlByteOffset)
	if mdl.buf == nil {
		return 0
	}
	return uint32(mdl.buf.Address() % pool.PageSize)
}

// MmGetMdlVirtualAddress returns the address an MDL was made for: a value to compute with, for
// IoBuildPartialMdl above all, that need not be valid where the caller runs.
//
// Pages of MmAllocatePagesForMdl have no address: NULL, mapped or not (observed: reactos, kmtests MmMdl), and
// a part of them its distance from NULL.
//
// IRQL: any.
// Ownership: unchanged.
// Rules: MDL-016.
// Reference: wdm/nf-wdm-mmgetmdlvirtualaddress.
func MmGetMdlVirtualAddress(k *irql.K, mdl *MDL) *Buffer {
	ke.Enter(k, ddi.MmGetMdlVirtualAddress)
	checkMDL(k, mdl, ddi.MmGetMdlVirtualAddress)
	if mdl.noAddress() && mdl.buf != nil {
		off, _ := pool.Offset(mdl.buf)
		return pool.Null(off)
	}
	return mdl.buf
}

// noAddress reports whether mdl describes pages that were allocated without an address, or part of such.
func (mdl *MDL) noAddress() bool {
	for mdl.source != nil {
		mdl = mdl.source
	}
	return mdl.block != nil
}

// lending is an operation that uses an MDL, or a part of it.
type lending struct {
	pool.Loan
	part *MDL // the MDL the operation was given
}

// reservation is a range of addresses of MmAllocateMappingAddress.
type reservation struct {
	run   ke.Stamp
	id    trace.ID
	addr  uint64
	pages int
	tag   uint32
	owner *ke.Image
	mdl   *MDL // mapped there
	freed bool
	seq   uint64
}

// mdlLevel reports MDL-011: a routine of locking or mapping above its level.
func mdlLevel(k *irql.K, mdl *MDL, d ddi.ID, pageable bool, why string) {
	allowed := uint8(ke.Dispatch)
	if pageable {
		allowed = ke.APC
	}
	if ke.IRQL(k) <= allowed {
		return
	}
	if !pageable {
		why = "any memory"
	}
	f := mdl.c4(verify.MDL_011, "", fmt.Sprintf("%v of %v at %s: for %s at most %s is allowed", d, mdl.id,
		ke.LevelName(ke.IRQL(k)), why, ke.LevelName(allowed)))
	f.AllowedIRQL = allowed
	mdl.report(k, f)
}
