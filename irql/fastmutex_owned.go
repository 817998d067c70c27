package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// ownedMutex is what fast and guarded mutexes have in common: one owner, not recursive.
type ownedMutex struct {
	header
	saved uint8 // level to restore, in a fast mutex
}

// Busy says what keeps the mutex's memory in use, "" when nothing does.
func (m *ownedMutex) Busy() string {
	if m.o.Owner != nil {
		return "is owned"
	}
	return m.header.Busy()
}

// StackGone is called when the routine whose local variable the mutex is returns.
func (m *ownedMutex) StackGone(k *K) {
	if m.o.Owner != nil {
		reportHeldGone(k, &m.resident, m.Busy())
	}
	m.header.StackGone(k)
}

func (m *ownedMutex) initialiseLock(k *K, d ddi.ID, id trace.Kind) {
	ke.Enter(k, d)
	if m.fresh(k) && m.o.Waiters() == 0 {
		reportLockAgain(k, d, &m.resident, m.o.Owner != nil)
	}
	m.initialise(k, d, id, ke.SynchronizationEvent, 1)
}

// misuse is LOCK-016; the sub-code that the verifier has for the routine is that of the cause.
func (m *ownedMutex) misuse(k *K, headline, cause string, also ...verify.RuleID) {
	kernel, special := ke.APCState(k)
	ke.Report(k, verify.Finding{Rule: verify.LOCK_016, Case: cause, Obj: m.id.String(),
		AllowedIRQL: ke.APC, Headline: headline, Also: also,
		Args: verify.Params(nil, ke.IRQL(k), kernel+special, m.id)})
}

// checkAcquire looks at level, recursion and, for the unsafe forms, whether APCs can disturb the owner.
func (m *ownedMutex) checkAcquire(k *K, d ddi.ID, kind uint8) {
	m.usable(k, d, verify.LOCK_007)
	if now := ke.IRQL(k); now > ke.APC {
		m.misuse(k, fmt.Sprintf("%v on %v at %v, where no thread can wait", d, m.id, KIRQL(now)),
			"at DISPATCH_LEVEL", verify.IRQL_001)
	}
	if ke.Owns(k, m.o.Owner) {
		m.misuse(k, fmt.Sprintf("%v on %v, which this thread owns: it would wait for itself", d, m.id),
			"recursive")
	}
	if unsafeKind(kind) && !apcsKeptOff(k) {
		m.misuse(k, fmt.Sprintf("%v on %v with APCs enabled", d, m.id), "APCs enabled")
	}
}

func unsafeKind(kind uint8) bool { return kind == fastMutexUnsafe || kind == guardedMutexUnsafe }

func apcsKeptOff(k *K) bool {
	kernel, special := ke.APCState(k)
	return kernel != 0 || special != 0 || ke.IRQL(k) >= ke.APC
}

func (m *ownedMutex) acquire(k *K, d ddi.ID, kind uint8, try bool) bool {
	ke.EnterAnyLevel(k, d)
	if try && m.fresh(k) && ke.Owns(k, m.o.Owner) && ke.IRQL(k) <= ke.APC {
		return false
	}
	m.checkAcquire(k, d, kind)
	m.point(k, d, ke.Acquires(m.id))
	if try && m.o.Signal == 0 {
		return false
	}
	if !try {
		noteOrder(k, d, m.id)
	}
	saved := ke.IRQL(k)
	switch kind {
	case fastMutex:
		ke.SetIRQL(k, ke.APC)
	case guardedMutex:
		ke.ChangeAPCState(k, 0, -1)
	}
	objs := [1]*ke.Object{&m.o}
	if s := ke.Wait(k, objs[:], false, nil, d.String()); s != ntstatus.STATUS_SUCCESS {
		return false // a DPC, which cannot wait (reported)
	}
	m.o.Owner, m.saved = ke.Owner(k), saved
	ke.Call(k, d, m.id)
	ke.Hold(k, ke.Held{Lock: m, ID: m.id, Kind: kind, Saved: saved})
	return true
}

func (m *ownedMutex) release(k *K, d ddi.ID, kind uint8) {
	ke.EnterAnyLevel(k, d)
	m.usable(k, d, verify.LOCK_007)
	owner := m.o.Owner
	switch {
	case owner == nil:
		m.misuse(k, fmt.Sprintf("%v on %v, which nobody owns", d, m.id), "not owned")
		return
	case !ke.Owns(k, owner):
		m.reportStranger(k, d, owner)
	}
	if kind == fastMutex && ke.IRQL(k) != ke.APC || ke.IRQL(k) > ke.APC {
		m.misuse(k, fmt.Sprintf("%v on %v at %v, its owner is at APC_LEVEL", d, m.id, KIRQL(ke.IRQL(k))),
			"released at another level", verify.IRQL_002)
	}
	if unsafeKind(kind) && !apcsKeptOff(k) {
		m.misuse(k, fmt.Sprintf("%v on %v with APCs enabled", d, m.id), "released outside of the region")
	}
	if h, ok := ke.FindHeld(k, m); ok && h.Kind != kind {
		ke.Report(k, verify.Finding{Rule: verify.LOCK_006, Obj: m.id.String(),
			Headline: fmt.Sprintf("%v releases %v, which %s acquired", d, m.id, kindNames[h.Kind]),
			Places:   []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
	}
	m.point(k, d, ke.Releases(m.id))
	switch _, after, mine := ke.Unhold(k, m); {
	case after > 0:
		reportMutexOrder(k, d, m.id)
	case !mine:
		ke.Drop(k, m)
	}
	ke.Call(k, d, m.id)
	saved := m.saved
	m.o.Owner = nil
	ke.SetSignal(k, &m.o, 1)
	switch kind {
	case fastMutex:
		ke.SetIRQL(k, saved)
	case guardedMutex:
		ke.ChangeAPCState(k, 0, 1)
	}
}

func (m *ownedMutex) reportStranger(k *K, d ddi.ID, owner *ke.Thread) {
	ke.Report(k, verify.Finding{Rule: verify.LOCK_004, Obj: m.id.String(),
		Also: []verify.RuleID{verify.LOCK_016},
		Headline: fmt.Sprintf("%v on %v by %s that does not own it; its owner is %s", d, m.id, caller(k),
			owner.Name()),
		Args: verify.Params(nil, m.id, owner.ID, ke.ThreadOf(k).ID)})
}
