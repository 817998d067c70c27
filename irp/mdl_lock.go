package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// MmProbeAndLockPages makes the pages of an MDL resident and keeps them so. It raises an exception when
// that fails.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for pageable addresses.
// Ownership: the caller unlocks.
// Rules: MDL-001, MDL-011, MDL-016.
// Not modelled: access rights of pages.
// Reference: wdm/nf-wdm-mmprobeandlockpages.
func MmProbeAndLockPages(k *irql.K, mdl *MDL, accessMode irql.KPROCESSOR_MODE, operation LOCK_OPERATION) {
	ke.EnterAnyLevel(k, ddi.MmProbeAndLockPages)
	mdlPoint(k, mdl, ddi.MmProbeAndLockPages)
	if bad := mdl.flags & (mdlBuilt | MDL_MAPPED_TO_SYSTEM_VA); bad != 0 {
		mdl.report(k, mdl.c4(verify.MDL_001, "", fmt.Sprintf("MmProbeAndLockPages: %v is %s", mdl.id,
			flagWords(bad))))
	}
	pageable := mdl.buf != nil && pool.KindOf(mdl.buf).Pageable()
	mdlLevel(k, mdl, ddi.MmProbeAndLockPages, pageable, "pageable memory")
	user := mdl.buf != nil && pool.KindOf(mdl.buf) == pool.User
	if mdl.buf == nil || accessMode == irql.UserMode && !user {
		raise(k, ddi.MmProbeAndLockPages, ntstatus.STATUS_ACCESS_VIOLATION)
	}
	if ke.Fails(k, &siteProbeLock) {
		s := ntstatus.STATUS_INSUFFICIENT_RESOURCES
		if user {
			s = ntstatus.STATUS_ACCESS_VIOLATION
		}
		raise(k, ddi.MmProbeAndLockPages, s)
	}
	mdl.lock(k, operation != IoReadAccess)
	mdl.lockSeq = ke.Call(k, ddi.MmProbeAndLockPages, mdl.id)
}

func (mdl *MDL) lock(k *irql.K, write bool) {
	mdl.uses(ke.W)
	mdl.flags |= MDL_PAGES_LOCKED
	mdl.locks++
	if write {
		mdl.flags |= MDL_WRITE_OPERATION
	}
	mdl.owner = ke.Acting(k)
	if pool.KindOf(mdl.buf) == pool.User {
		mdl.process = ke.ThreadOf(k).Process
	}
	s := mdls.Of(k)
	s.locked = append(s.locked, mdl)
}

// flagWords says what the flags of an MDL mean for one that should have none of them.
func flagWords(f uint16) string {
	switch {
	case f&MDL_PARTIAL != 0:
		return "a partial MDL"
	case f&MDL_PAGES_LOCKED != 0:
		return "locked already"
	case f&MDL_SOURCE_IS_NONPAGED_POOL != 0:
		return "built for nonpaged pool, which is never locked"
	}
	return "mapped already"
}

// MmUnlockPages lets the pages go; the system mapping made for them ends too.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the MDL stays the caller's.
// Rules: MDL-002, MDL-003, MDL-004, MDL-011, MDL-016.
// Reference: wdm/nf-wdm-mmunlockpages.
func MmUnlockPages(k *irql.K, mdl *MDL) {
	ke.EnterAnyLevel(k, ddi.MmUnlockPages)
	mdlPoint(k, mdl, ddi.MmUnlockPages)
	mdlLevel(k, mdl, ddi.MmUnlockPages, false, "")
	mdl.notLent(k, ddi.MmUnlockPages)
	switch {
	case mdl.flags&MDL_PARTIAL != 0:
		mdl.report(k, mdl.c4(verify.MDL_004, "",
			fmt.Sprintf("MmUnlockPages: %v is partial, its pages belong to %v", mdl.id, mdl.source.ID())))
		return
	case mdl.flags&MDL_SOURCE_IS_NONPAGED_POOL != 0:
		mdl.report(k, mdl.c4(verify.MDL_003, "",
			fmt.Sprintf("MmUnlockPages: %v was built for nonpaged pool and never locked",
				mdl.id)))
		return
	case mdl.flags&MDL_PAGES_LOCKED == 0 || mdl.havePages:
		mdl.report(k, mdl.c4(verify.MDL_002, "", fmt.Sprintf("MmUnlockPages: the pages of %v are not locked",
			mdl.id)))
		return
	}
	mdl.notReserved(k, ddi.MmUnlockPages)
	mdl.pagesNotLent(k, "MmUnlockPages")
	mdl.unlock(k)
	seq := ke.Call(k, ddi.MmUnlockPages, mdl.id)
	mdl.unlocked(seq)
	mdl.endMapping(seq)
}

// unlock takes the pages of mdl out of the books.
func (mdl *MDL) unlock(k *irql.K) {
	mdl.uses(ke.W)
	mdl.flags &^= MDL_PAGES_LOCKED | MDL_WRITE_OPERATION
	s := mdls.Of(k)
	for i, o := range s.locked {
		if o == mdl {
			s.locked = list.Cut(s.locked, i)
			break
		}
	}
}

// checkUnload reports pages a driver has left locked. Rules: MDL-007.
func (s *mdlState) checkUnload(m *ke.Machine, img *ke.Image) {
	s.leftLocked(m, img, "unload of "+img.Name)
}

func (s *mdlState) checkEnd(m *ke.Machine) {
	for _, img := range m.Images() {
		if !img.Unloaded {
			s.leftLocked(m, img, endOfRun)
		}
	}
}

const endOfRun = "end of run"

// underWay reports whether an operation uses the MDL that can still end: a receive waits for the network, a
// request for the next one. The pages are unlocked then.
func (mdl *MDL) underWay(io *ioManager) bool {
	if len(mdl.lent) > 0 {
		return true
	}
	for p := io.live; p != nil; p = p.next {
		for x := p.mdl; x != nil && p.kept(); x = x.Next {
			if x == mdl {
				return true
			}
		}
	}
	return false
}

func (s *mdlState) leftLocked(m *ke.Machine, img *ke.Image, when string) {
	for _, mdl := range s.locked {
		if mdl.owner != img || mdl.fixed || when == endOfRun && mdl.underWay(state.On(m)) {
			continue
		}
		m.ReportEnd(verify.Finding{Rule: verify.MDL_007, Obj: mdl.id.String(), Driver: img.Name, Ctx: when,
			Headline: fmt.Sprintf("%s leaves %d pages locked by %v", img.Name, mdl.pages, mdl.id),
			Args:     verify.Params(nil, nil, mdl.id, mdl.pages),
			Places:   []verify.Place{{Label: "LOCKED", Seq: mdl.lockSeq}}})
	}
}

func newMdlState(m *ke.Machine) *mdlState {
	s := &mdlState{}
	m.AtUnload(s.checkUnload)
	m.AtEnd(s.checkEnd)
	m.Explain = append(m.Explain, s.explain)
	return s
}
