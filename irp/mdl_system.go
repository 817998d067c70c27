package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/irql"
)

// This file is for the I/O manager and for packages that model other parts of the system: they use drivers'
// memory without mapping it, and say that they use it.

// MdlBuffer is the memory an MDL describes, for the system's own use. It is not a routine of Windows.
func (sim) MdlBuffer(mdl *MDL) *Buffer {
	mdl.uses(ke.R)
	return mdl.buf
}

// LendMdl marks an MDL and the memory it describes as in use by an operation, until ReturnMdl with the same
// owner. The other MDLs of a chain are not touched. It is not a routine of Windows.
func (sim) LendMdl(k *irql.K, mdl *MDL, l pool.Loan) {
	mdl.alive(k, l.What)
	mdl.uses(ke.W)
	if l.Seq == 0 {
		l.Seq = mdl.m.Log().Len()
	}
	mdl.lent = append(mdl.lent, lending{l, mdl})
	if r := mdl.root; mdl.flags&MDL_PARTIAL != 0 && r.flags&MDL_PAGES_LOCKED != 0 {
		r.uses(ke.W)
		r.lentParts = append(r.lentParts, lending{l, mdl})
	}
	if mdl.buf != nil {
		pool.LendAs(k, mdl.buf, l)
	}
}

// ReturnMdl ends what LendMdl began. It is not a routine of Windows.
func (sim) ReturnMdl(k *irql.K, mdl *MDL, owner trace.ID) {
	mdl.uses(ke.W)
	if mdl.flags&MDL_PARTIAL != 0 {
		mdl.root.returnPart(mdl, owner)
	}
	for i := range mdl.lent {
		if mdl.lent[i].Owner == owner {
			mdl.lent = list.Cut(mdl.lent, i)
			if mdl.buf != nil {
				pool.Return(k, mdl.buf, owner)
			}
			return
		}
	}
}

// returnPart ends the use of the lock of mdl by an operation that was lent a part of it.
func (mdl *MDL) returnPart(part *MDL, owner trace.ID) {
	mdl.uses(ke.W)
	for i := range mdl.lentParts {
		if l := &mdl.lentParts[i]; l.part == part && l.Owner == owner {
			mdl.lentParts = list.Cut(mdl.lentParts, i)
			return
		}
	}
}

// MdlPages says whether the pages of an MDL are known and there, and whether an operation may write them: a
// partial MDL has the access that its source was locked for. It is not a routine of Windows.
func (sim) MdlPages(mdl *MDL) (there, writable bool) {
	mdl.uses(ke.R)
	r := mdl
	if mdl.flags&MDL_PARTIAL != 0 {
		r = mdl.root
		r.uses(ke.R)
	}
	return mdl.hasPages(), r.flags&MDL_PAGES_LOCKED == 0 || r.flags&MDL_WRITE_OPERATION != 0 || r.havePages
}

// lockedMDL is an MDL the I/O manager makes for a request, locked. The buffer is lent to the request;
// unless it is writable it must not change either (MDL-014).
func lockedMDL(k *irql.K, b *Buffer, length uint32, writable bool) *MDL {
	if ke.Fails(k, &siteAllocateMdl) {
		return nil
	}
	mdl := newMDL(k, ddi.IoAllocateMdl, b, length)
	mdl.fixed = true
	mdl.describe(k, pool.Loan{What: "buffer of a request in progress", Writable: writable,
		Fix: "wait for the request before the buffer goes."})
	mdl.lock(k, writable)
	return mdl
}

// unlockBySystem lets the pages of a request's MDL go, as the I/O manager does at the end of a request.
func (mdl *MDL) unlockBySystem() {
	k := mdl.m.Current()
	mdl.alive(k, "end of the request")
	mdl.notInUse(k)
	if mdl.flags&MDL_PAGES_LOCKED != 0 {
		mdl.unlock(k)
		seq := ke.Note(k, "pages unlocked by the I/O manager", mdl.id)
		mdl.unlocked(seq)
		mdl.endMapping(seq)
	}
}

// notInUse reports that a request ends while an operation uses its MDL or a part of it.
func (mdl *MDL) notInUse(k *irql.K) {
	if len(mdl.lent) > 0 {
		mdl.inUse(k, &mdl.lent[0].Loan, fmt.Sprintf("the request ends and its %v is in use", mdl.id))
	} else {
		mdl.pagesNotLent(k, "end of the request")
	}
}

// freeBySystem frees a request's MDL.
func (mdl *MDL) freeBySystem(k *irql.K) {
	mdl.alive(k, "end of the request")
	mdl.end(k, ke.Note(k, "freed by the I/O manager", mdl.id))
}

// SystemMdl is an MDL over memory of the system's own, whose pages are known. It is not a routine of Windows.
func (sim) SystemMdl(k *irql.K, b *Buffer) *MDL {
	m := ke.Of(k)
	return &MDL{m: m, id: m.NewID(trace.MDL), flags: MDL_ALLOCATED_FIXED_SIZE | MDL_SOURCE_IS_NONPAGED_POOL,
		count: uint32(b.Len()), pages: spanned(b.Address(), uint32(b.Len())), buf: b, fixed: true,
		allocSeq: m.Log().Len()}
}

// FreeSystemMdl ends what SystemMdl made. It is not a routine of Windows.
func (sim) FreeSystemMdl(k *irql.K, mdl *MDL) {
	if !mdl.freed {
		mdl.freeBySystem(k)
	}
}
