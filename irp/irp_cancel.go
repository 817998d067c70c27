package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

const cancelLockKind = 100 // of ke.Held, distinct from the kinds of package irql

// IoAcquireCancelSpinLock takes the system-wide cancel spin lock.
//
// IRQL: <= DISPATCH_LEVEL; raises to DISPATCH_LEVEL.
// Rules: IRP-078, IRQL-001, LOCK-020.
// Reference: wdm/nf-wdm-ioacquirecancelspinlock.
func IoAcquireCancelSpinLock(k *irql.K, irqlOut *irql.KIRQL) {
	ke.Enter(k, ddi.IoAcquireCancelSpinLock)
	io := state.Of(k)
	ke.PointSpin(k, ke.Acquires(io.cancelLock.ID), &io.cancelLock)
	*irqlOut = irql.KIRQL(io.lockCancel(k))
	ke.Call(k, ddi.IoAcquireCancelSpinLock, io.cancelLock.ID)
}

func (io *ioManager) lockCancel(k *irql.K) (old uint8) {
	if _, ok := ke.FindHeld(k, &io.cancelLock); ok {
		ke.Report(k, verify.Finding{Rule: verify.IRP_078, Obj: io.cancelLock.ID.String(),
			Headline: "the cancel spin lock is acquired by code that holds it already"})
	}
	irql.Sim.NoteOrder(k, ddi.IoAcquireCancelSpinLock, io.cancelLock.ID)
	old = ke.IRQL(k)
	ke.SetIRQL(k, ke.Dispatch)
	ke.AcquireSpin(k, &io.cancelLock)
	ke.Hold(k, ke.Held{Lock: &io.cancelLock, ID: io.cancelLock.ID, Kind: cancelLockKind, Saved: old,
		Spin: true, AtReturn: verify.LOCK_020, AtEnd: verify.LOCK_020})
	return old
}

// IoReleaseCancelSpinLock gives the cancel spin lock back and restores the IRQL; a cancel routine passes
// CancelIrql.
//
// IRQL: DISPATCH_LEVEL.
// Rules: IRP-025, IRQL-002, LOCK-002, LOCK-010.
// Reference: wdm/nf-wdm-ioreleasecancelspinlock.
func IoReleaseCancelSpinLock(k *irql.K, level irql.KIRQL) {
	ke.Enter(k, ddi.IoReleaseCancelSpinLock)
	io := state.Of(k)
	ke.Point(k, ke.Releases(io.cancelLock.ID))
	h, _, ok := ke.Unhold(k, &io.cancelLock)
	if !ok {
		ke.Report(k, verify.Finding{Rule: verify.LOCK_002, Obj: io.cancelLock.ID.String(),
			Headline: "the cancel spin lock is released by code that does not hold it"})
		return
	}
	if uint8(level) != h.Saved {
		io.wrongCancelIrql(k, level, &h)
		ke.Excuse(k)
	}
	io.cancelOwner = nil
	ke.ReleaseSpin(k, &io.cancelLock)
	ke.Call(k, ddi.IoReleaseCancelSpinLock, io.cancelLock.ID)
	ke.SetIRQL(k, uint8(level))
}

// wrongCancelIrql reports the cancel lock released to another level than its acquisition saved.
func (io *ioManager) wrongCancelIrql(k *irql.K, level irql.KIRQL, h *ke.Held) {
	if p := io.cancelOwner; p != nil {
		ke.Report(k, verify.Finding{Rule: verify.IRP_025, Obj: p.id.String(),
			Headline: fmt.Sprintf("the cancel routine of %v releases the cancel lock to IRQL %d instead of "+
				"Irp.CancelIrql %d", p.id, level, h.Saved)})
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.LOCK_010, Obj: h.ID.String(),
		Headline: fmt.Sprintf("IoReleaseCancelSpinLock goes to %v, but the acquisition returned %v", level,
			irql.KIRQL(h.Saved)),
		Places: []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
}

// IoSetCancelRoutine exchanges the cancel routine of an IRP atomically. NULL as result means that none was
// set, or that cancellation has taken it already.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller must hold the IRP to set a routine.
// Rules: IRP-005, IRP-022, IRP-026, IRQL-001.
// Reference: wdm/nf-wdm-iosetcancelroutine.
func IoSetCancelRoutine(k *irql.K, p *IRP, routine DRIVER_CANCEL) DRIVER_CANCEL {
	ke.Enter(k, ddi.IoSetCancelRoutine)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	p.pointCancel(k)
	if !p.actsForOwner(k) {
		if routine == nil || p.state == stFreed {
			p.touchedByStranger(k)
		} else {
			p.report(k, verify.Finding{Rule: verify.IRP_022, Places: p.story(),
				Headline: fmt.Sprintf("a cancel routine is set on %v, which another driver holds: %s", p.id,
					p.whereIs()),
				Args: verify.Params(nil, nil, p.id)})
		}
	}
	old := p.cancelRoutine
	p.cancelRoutine = routine
	if v := frameVisit(k, p); v != nil {
		v.uncalled = routine != nil && p.cancel
	}
	e := trace.Event{What: trace.Call, Code: ddi.IoSetCancelRoutine, Obj: p.id}
	if routine != nil {
		e.Fn = ke.CodeOf(routine)
		ke.Gives(k, "DRIVER_CANCEL", e.Fn)
	}
	ke.Log(k, e)
	return old
}

// IoCancelIrp asks for an IRP to be cancelled: Cancel is set and the cancel routine, if there is one, is
// called at DISPATCH_LEVEL with the cancel spin lock held. TRUE means that a routine was called, not that the
// IRP has completed.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller, its creator, must keep the IRP alive across the call.
// Rules: IRP-023, IRP-024, IRP-025, IRP-028, IRQL-001.
// Reference: wdm/nf-wdm-iocancelirp.
func IoCancelIrp(k *irql.K, p *IRP) bool {
	ke.Enter(k, ddi.IoCancelIrp)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	p.pointCancelled(k)
	io := state.Of(k)
	checkCancel(k, p)
	id := p.id
	old := io.lockCancel(k)
	ke.Adds(k, ke.Reads(p.end()))
	if p.id != id || p.cur > p.stackCount+1 || p.state == stFreed || p.state == stStage2 {
		checkCancel(k, p) // it went while the lock was waited for
	}
	return p.takeCancel(k, io, old)
}

// cancelNow is IoCancelIrp for the I/O manager, which holds the IRP in its thread's list.
func (p *IRP) cancelNow(k *irql.K) bool {
	io := p.io
	p.pointCancelled(k)
	return p.takeCancel(k, io, io.lockCancel(k))
}

// cancelIn has the I/O manager cancel p in a thread, by a special APC, if it is still to be then.
func (p *IRP) cancelIn(t *ke.Thread, still func() bool) {
	id := p.id
	p.io.m.QueueAPC(t, func(k *ke.K) {
		if still() {
			ke.Push(k, ke.Frame{Kind: ke.FrameAPC, Obj: id})
			p.cancelNow(k)
			ke.Pop(k)
		}
	})
}

// takeCancel sets Cancel and calls the cancel routine, if there is one, with the cancel lock held.
func (p *IRP) takeCancel(k *irql.K, io *ioManager, old uint8) bool {
	ke.Adds(k, ke.Writes(p.cancelWord()))
	if !p.cancel {
		p.cancel, p.cancelAt = true, io.m.Now()
	}
	r := p.cancelRoutine
	p.cancelRoutine = nil
	p.cancelSeq = ke.CallBool(k, ddi.IoCancelIrp, p.id, r != nil)
	if r == nil {
		ke.Unhold(k, &io.cancelLock)
		ke.ReleaseSpin(k, &io.cancelLock)
		ke.SetIRQL(k, old)
		return false
	}
	p.uses(ke.R)
	p.cancelIrql = irql.KIRQL(old)
	io.cancelOwner = p
	p.runCancel(k, io, r, old)
	return true
}

// runCancel calls a cancel routine, which owns the IRP from here on.
func (p *IRP) runCancel(k *irql.K, io *ioManager, r DRIVER_CANCEL, old uint8) {
	var dev *DEVICE_OBJECT
	img := p.owner
	if l := p.loc(p.cur); l != nil {
		dev = l.device
	}
	id, was := p.id, p.state
	mine := p.serial
	p.cancelRan = true
	p.uses(ke.W)
	if was == stAt || was == stQueued {
		p.enters(stInCancel)
	}
	held, _, _ := ke.Unhold(k, &io.cancelLock) // the cancel routine takes the lock over
	f := ke.Push(k, ke.Frame{Kind: ke.FrameCancel, Image: img, Device: dev, Object: p, Obj: id,
		Fn: ke.CodeOf(r)})
	f.SetEntryIRQL(old)
	ke.Hold(k, held)
	r(k, dev, p)
	p.uses(ke.W)
	ke.Adds(k, ke.Writes(id))
	if _, ok := ke.FindHeld(k, &io.cancelLock); ok && io.cancelOwner == p {
		ke.Report(k, verify.Finding{Rule: verify.IRP_024, Obj: id.String(),
			Headline: fmt.Sprintf("the cancel routine of %v returns holding the cancel spin lock", id),
			Args:     verify.Params(id, funcName(r))})
	}
	if p.id == id && p.serial == mine && p.state == stInCancel {
		if l := p.loc(p.cur); l == nil || l.visit == nil {
			was = stQueued // its dispatch routine has returned
		}
		p.enters(was)
	}
	ke.Pop(k)
}

func checkCancel(k *irql.K, p *IRP) {
	img := ke.Acting(k)
	switch {
	case p.state == stFreed || p.state == stStage2 || p.cur > p.stackCount+1:
		f := verify.Finding{Rule: verify.IRP_023, Obj: p.id.String(), Dump: dumpIRP(p), Places: p.story(),
			Headline: fmt.Sprintf("IoCancelIrp on %v, but %s", p.id, p.whereIs()),
			Args:     verify.Params(p.id, funcName(p.cancelRoutine))}
		f.As = p.special(func(s *SubsystemRules) verify.RuleID { return s.CancelFreed })
		ke.Report(k, f)
	case img != nil && img != p.creator:
		as := p.special(func(s *SubsystemRules) verify.RuleID { return s.CancelStranger })
		ke.Report(k, verify.Finding{Rule: verify.IRP_028, As: as, Obj: p.id.String(),
			Headline: fmt.Sprintf("%s cancels %v, which it did not create", img.Name, p.id)})
	}
}

// DRIVER_CANCEL is a cancel routine. It releases the cancel spin lock first.
//
// IRQL: DISPATCH_LEVEL at entry, Irp.CancelIrql at return.
// Ownership: the IRP is the routine's to complete.
// Rules: IRP-024, IRP-025.
// Reference: wdm/nc-wdm-driver_cancel.
type DRIVER_CANCEL func(k *irql.K, dev *DEVICE_OBJECT, p *IRP)

// cancelNotLooked reports IRP-026 when a dispatch routine returns and leaves a cancelled IRP with a cancel
// routine that it set too late.
func cancelNotLooked(k *irql.K, p *IRP) {
	if !p.cancel || p.cancelRoutine == nil {
		return
	}
	p.report(k, verify.Finding{Rule: verify.IRP_026,
		Headline: fmt.Sprintf("%v was cancelled before its cancel routine was set, and is kept: nobody will "+
			"call %s", p.id, funcName(p.cancelRoutine))})
}
