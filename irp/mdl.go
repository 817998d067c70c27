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

func newMdlState(m *ke.Machine) *mdlState {
	s := &mdlState{}
	m.AtUnload(s.checkUnload)
	m.AtEnd(s.checkEnd)
	m.Explain = append(m.Explain, s.explain)
	return s
}

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
		ke.Accesses(k, ke.Use{Obj: mdl.id, How: ke.R})
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
		ke.Report(k, verify.Finding{Rule: verify.MDL_016, Obj: d.String(), BugCheck: 0xD5,
			Headline: fmt.Sprintf("%v is given memory that is no MDL where an MDL is expected", d),
			Fix:      "pass what IoAllocateMdl returned, or call MmInitializeMdl first."})
		panic("internal error: went on with what is no MDL")
	}
	mdl.alive(k, d.String())
}

// uses says that the step under way does something to the MDL.
func (mdl *MDL) uses(how ke.Access) { mdl.m.AddsOn(ke.Use{Obj: mdl.id, How: how}) }

func (mdl *MDL) alive(k *irql.K, what string) {
	ke.Adds(k, ke.Use{Obj: mdl.id, How: ke.R})
	if !mdl.freed {
		return
	}
	mdl.report(k, verify.Finding{Rule: verify.MDL_016, BugCheck: 0xD5,
		Headline: fmt.Sprintf("%s: %v is freed already", what, mdl.id),
		Args:     [4]verify.Arg{arg(mdl.id, "the MDL whose memory is referenced"), arg(0, "0 read, 1 write")},
		Fix: "let exactly one party free it: the I/O manager frees what it made, the creator what it " +
			"made."})
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
func (mdl *MDL) c4(rule verify.RuleID, sub, meaning, headline, fix string) verify.Finding {
	return verify.Finding{Rule: rule, BugCheck: 0xC4, Headline: headline, Fix: fix,
		Args: [4]verify.Arg{arg(sub, meaning), arg(mdl.id, "the MDL"), arg(fmt.Sprintf("%#x", mdl.flags),
			"MdlFlags")}}
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
		ke.Point(k, ke.Use{Obj: mdl.id, How: ke.Free})
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
		mdl.report(k, verify.Finding{Rule: verify.MDL_006, BugCheck: 0xCB,
			Headline: fmt.Sprintf("IoFreeMdl: the pages of %v are still locked",
				mdl.id), Fix: "MmUnlockPages first.",
			Args: [4]verify.Arg{{}, {}, arg(mdl.id, "the MDL"), arg(mdl.pages, "locked pages")}})
		mdl.unlock(k)
		mdl.unlocked(mdl.m.Log().Len())
	case mdl.flags&MDL_PARTIAL != 0: // its mapping ends here (wdm/nf-wdm-iobuildpartialmdl)
	case mdl.flags&MDL_MAPPED_TO_SYSTEM_VA != 0:
		mdl.report(k, mdl.c4(verify.MDL_006, "0xb8", "IoFreeMdl of a mapped MDL",
			fmt.Sprintf("IoFreeMdl: %v is still mapped",
				mdl.id), "MmUnmapLockedPages or MmUnlockPages first."))
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

// MmBuildMdlForNonPagedPool fills in the pages of an MDL over nonpaged pool. There is nothing to unlock or
// unmap later.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Rules: MDL-005, MDL-016, IRQL-001.
// Reference: wdm/nf-wdm-mmbuildmdlfornonpagedpool.
func MmBuildMdlForNonPagedPool(k *irql.K, mdl *MDL) {
	ke.Enter(k, ddi.MmBuildMdlForNonPagedPool)
	checkMDL(k, mdl, ddi.MmBuildMdlForNonPagedPool)
	ke.Point(k, ke.Use{Obj: mdl.id, How: ke.W})
	if mdl.buf == nil || !pool.KindOf(mdl.buf).Pool() || pool.KindOf(mdl.buf).Pageable() {
		what := "no memory"
		if mdl.buf != nil {
			what = pool.KindOf(mdl.buf).String()
		}
		mdl.report(k, mdl.c4(verify.MDL_005, "0x7f", "not nonpaged pool",
			fmt.Sprintf("MmBuildMdlForNonPagedPool: %v describes %s", mdl.id,
				what), "use MmProbeAndLockPages."))
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

// raise ends a routine with an exception, as ExRaiseStatus does.
func raise(k *irql.K, d ddi.ID, s ntstatus.NTSTATUS) {
	ke.CallStatus(k, d, 0, uint32(s))
	panic(irql.Exception{Status: s, Routine: d.String()})
}
