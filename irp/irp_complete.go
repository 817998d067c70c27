package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IoCompleteRequest ends the caller's work on an IRP: the completion routines above are called one after the
// other, then the I/O manager finishes the request.
//
// IRQL: <= DISPATCH_LEVEL, no spin lock held.
// Ownership: the caller may not touch the IRP again.
// Rules: IRP-001, IRP-002, IRP-010, IRP-017, IRP-018, IRP-020, IRP-027, IRP-053, IRP-054, IRP-059, IRP-065,
// and during the climb IRP-011, IRP-036, IRP-047, IRP-050 to IRP-052.
// Not modelled: the priority boost.
// Reference: wdm/nf-wdm-iofcompleterequest.
func IoCompleteRequest(k *irql.K, p *IRP, priorityBoost int8) {
	_ = priorityBoost
	ke.EnterAnyLevel(k, ddi.IoCompleteRequest)
	if ke.IRQL(k) > ke.Dispatch && isIRP(p) {
		ke.Report(k, verify.Finding{Rule: verify.IRP_054, Obj: p.id.String(), AllowedIRQL: ke.Dispatch,
			Headline: fmt.Sprintf("%v is completed above DISPATCH_LEVEL", p.id),
			Args:     verify.Params(nil, ke.IRQL(k), p.id)})
	}
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Writes(p.id))
	checkComplete(k, p)
	f := ke.Top(k)
	if l := p.loc(p.cur); l != nil && l.visit != nil && (p.state == stAt || p.state == stQueued ||
		p.state == stStopped || p.state == stInCancel) {
		v := l.visit
		v.completed, v.status = true, p.ioStatus.Status
		v.ownFrame = f != nil && f.Kind == ke.FrameDispatch && f.Data == v
	}
	if v := frameVisit(k, p); v != nil && !v.completed {
		// Resumed after its own routine stopped the climb.
		v.completed, v.ownFrame, v.status = true, true, p.ioStatus.Status
	}
	p.completer = ke.Acting(k)
	p.completeSeq = ke.CallStatus(k, ddi.IoCompleteRequest, p.id, uint32(p.ioStatus.Status))
	p.climb(k)
}

func checkComplete(k *irql.K, p *IRP) {
	if p.state == stFreed || p.cur > p.stackCount+1 {
		p.report(k, verify.Finding{Rule: verify.IRP_001,
			Headline: fmt.Sprintf("%v completed a second time", p.id), Args: verify.Params(p.id),
			Places: []verify.Place{{Label: "FIRST_COMPLETION", Seq: p.completeSeq}}, Case: p.twiceCase(k)})
	}
	if !p.actsForOwner(k) {
		completedByStranger(k, p)
	}
	skipLeft(k, p, "IoCompleteRequest")
	p.checkUnsent(k, "completed")
	if p.queued() {
		p.inTwoQueues(k, ddi.IoCompleteRequest)
	}
	if h, ok := ke.HoldsSpin(k); ok {
		ke.Report(k, verify.Finding{Rule: verify.IRP_053, Obj: p.id.String(),
			Headline: fmt.Sprintf("%v is completed while %v is held: a completion routine above may need it",
				p.id, h.ID),
			Places: []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
	}
	switch s := p.ioStatus.Status; {
	case s == ntstatus.STATUS_PENDING || s == 0xFFFFFFFF:
		p.report(k, verify.Finding{Rule: verify.IRP_010,
			Headline: fmt.Sprintf("%v is completed with %v", p.id, s),
			Args:     verify.Params(nil, fmt.Sprintf("0x%08x", uint32(s)), p.id)})
	case s == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
		ke.Report(k, verify.Finding{Rule: verify.IRP_010, Case: "answer of completion routines",
			Warning: true,
			Obj:     p.id.String(),
			Headline: fmt.Sprintf("%v is completed with %v, which is an answer of completion routines", p.id,
				s)})
	}
	if p.cancelRoutine != nil { // if there is none, IoCancelIrp changes nothing in that
		p.seesCancel()
		p.report(k, verify.Finding{Rule: verify.IRP_020,
			Headline: fmt.Sprintf("%v is completed with a cancel routine set", p.id),
			Args:     verify.Params(nil, funcName(p.cancelRoutine), p.id)})
	}
	if p.flags&IRP_INPUT_OPERATION != 0 {
		p.checkInformation(k)
	}
	if p.received != nil {
		p.checkUnknown(k, "completed")
	}
	if p.cancel {
		p.checkLate(k)
	}
	if p.state == stCreator && !p.sent {
		checkNeverSent(k, p)
	}
}

func checkNeverSent(k *irql.K, p *IRP) {
	if p.origin.threaded() {
		ke.Report(k, verify.Finding{Rule: verify.IRP_065, Obj: p.id.String(),
			Headline: fmt.Sprintf("%v is completed by its creator without having been sent", p.id),
			Args:     verify.Params(nil, nil, p.id)})
	}
}

func completedByStranger(k *irql.K, p *IRP) {
	if p.csq != nil && ke.Acting(k) == p.owner {
		p.inTwoQueues(k, ddi.IoCompleteRequest)
		return
	}
	f := verify.Finding{Rule: verify.IRP_002, Obj: p.id.String(), Dump: dumpIRP(p), Places: p.story(),
		Headline: fmt.Sprintf("%v is completed by a driver that does not hold it: %s", p.id, p.whereIs()),
		Args:     verify.Params(nil, nil, p.id)}
	if p.state == stCompleting || p.state == stStage2 {
		f.Rule, f.Args = verify.IRP_001, verify.Params(p.id)
		f.Headline = fmt.Sprintf("%v completed a second time", p.id)
		f.Places = []verify.Place{{Label: "FIRST_COMPLETION", Seq: p.completeSeq}}
		f.Case = p.twiceCase(k)
	}
	if p.state == stInCancel {
		f.Case = cancelRace
	}
	if f.Rule == verify.IRP_002 && (p.state == stAt || p.state == stQueued) {
		f.As = p.special(func(s *SubsystemRules) verify.RuleID { return s.Completed })
	}
	if p.sentSeq > 0 && f.Rule == verify.IRP_002 {
		f.Case = "sent on before"
	}
	ke.Report(k, f)
}

// climb is stage 1 of completion (irp.md 4): upwards location by location, until a routine stops it or the
// top is passed.
func (p *IRP) climb(k *irql.K) {
	sp := p.loc(p.cur)
	p.cur++
	for p.cur <= p.stackCount+1 {
		if p.io.forces && p.deferred(k, sp) {
			return
		}
		ctl := sp.control
		p.pendingReturned = ctl&SL_PENDING_RETURNED != 0
		// Evaluated anew at every level: a routine may have rewritten it.
		ok := ntstatus.NT_SUCCESS(p.ioStatus.Status)
		invoke := ok && ctl&SL_INVOKE_ON_SUCCESS != 0 || !ok && ctl&SL_INVOKE_ON_ERROR != 0
		if !invoke && ctl&SL_INVOKE_ON_CANCEL != 0 {
			p.seesCancel()
			invoke = p.cancel
		}
		up := p.loc(p.cur)
		routine, ctx, setBy, ex, owed := sp.routine, sp.context, sp.setBy, sp.ex, sp.broken
		if sp.visit != nil || sp.relying > 0 {
			p.leave(k, sp, p.pendingReturned)
		}
		sp.clear()
		if invoke && routine != nil {
			ended := p.invoke(k, routine, ctx, setBy, up, owed)
			if ex != nil {
				ex.done(k)
			}
			if ended {
				return
			}
		} else {
			if ex != nil {
				ex.neverRun(k, p, "was not called for the status it ended with")
			}
			if p.pendingReturned && up != nil {
				up.control |= SL_PENDING_RETURNED // the I/O manager carries the mark on where no routine does
			}
			p.give(stCompleting, nil, p.cur, nil)
		}
		if up == nil {
			p.ends()
			p.cur++
			break
		}
		sp = up
		p.cur++
	}
	p.finish(k)
}

// clear makes a completed location inert; the documentation says that it reads as zero from the routine
// above.
func (l *IO_STACK_LOCATION) clear() {
	l.minor, l.flags, l.file = 0, 0, nil
	if l.filled {
		l.params, l.filled = PARAMETERS{}, false
	}
	l.control &= SL_ERROR_RETURNED
	l.broken = false
	l.copied, l.synchronous, l.ex = false, false, nil
}

// invoke calls one completion routine and reports whether the climb ends here.
func (p *IRP) invoke(k *irql.K, routine IO_COMPLETION_ROUTINE, ctx any, setBy *ke.Image,
	up *IO_STACK_LOCATION, owed bool) bool {
	var dev *DEVICE_OBJECT
	if up != nil {
		// The routine owner's own device; NULL for a creator without a location (irp.md 24 #1).
		dev = up.device
	}
	id, level, pended := p.id, p.cur, p.pendingReturned
	sent, completed := p.sentSeq, p.completeSeq
	mine := p.give(stInRoutine, setBy, level, dev)
	p.looked = false
	f := ke.NewFrame(k)
	f.Kind, f.Image, f.Obj, f.Fn, f.Level = ke.FrameCompletion, setBy, id, ke.CodeOf(routine), int(level)
	f.Device, f.Object, f.Data, f.Entry = dev, p, nil, 0
	ke.Begin(k, f)
	*p.record() = routineRun{context: ctx, fn: f.Fn, frame: f.Serial, pended: pended, time: ke.Of(k).Now(),
		by: setBy}
	ke.PointHere(k, id)
	r := routine(k, dev, p, ctx)
	p.after(k, id)
	still := p.id == id && p.state == stInRoutine && p.serial == mine
	switch {
	case r == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
		if still {
			p.enters(stStopped)
		}
	case !still:
		climbsOn(k, p, id, r, p.id == id && (p.sentSeq > sent || p.completeSeq > completed))
	case p.userEvent != nil && p.userEvent.LastSet() > p.completeSeq:
		p.eventSetByDriver(k)
	case up != nil && up.control&SL_PENDING_RETURNED == 0 && (pended || owed && !p.looked):
		p.lost(k, up, level)
	}
	ke.PopStatus(k, r)
	if r == ntstatus.STATUS_MORE_PROCESSING_REQUIRED || !still {
		return true // touch nothing, the IRP may be gone
	}
	p.give(stCompleting, nil, level, nil)
	return false
}

// climbsOn reports a routine that disposed of the IRP and let the climb go on all the same.
func climbsOn(k *irql.K, p *IRP, id trace.ID, r ntstatus.NTSTATUS, resent bool) {
	rule, act := verify.IRP_050, "freed or reused"
	if resent {
		rule, act = verify.IRP_051, "completed or sent"
	}
	as := p.special(func(s *SubsystemRules) verify.RuleID { return s.PastTop })
	ke.Report(k, verify.Finding{Rule: rule, As: as, Obj: id.String(),
		Headline: fmt.Sprintf("the completion routine %s %v and returned %v: the climb would go on with it",
			act, id, r)})
}

// finish is the end of the climb: what the creator owns must not get here.
func (p *IRP) finish(k *irql.K) {
	p.give(stStage2, nil, p.stackCount+1, nil)
	if p.origin.threaded() {
		p.stage2(k)
		return
	}
	if p.origin == byAssociated {
		p.finishAssociated(k)
		return
	}
	if p.origin == byAsyncFsd && p.unstopped {
		p.stage2(k)
		return
	}
	as := p.special(func(s *SubsystemRules) verify.RuleID { return s.PastTop })
	f := verify.Finding{Rule: verify.IRP_036, As: as, Obj: p.id.String(), Dump: dumpIRP(p),
		Survived: p.origin == byAsyncFsd,
		Headline: fmt.Sprintf("%v, made by %v, went past its last location: the I/O manager cannot finish it",
			p.id, p.origin),
		Places: []verify.Place{{Label: "ALLOCATED", Seq: p.allocSeq}}}
	if p.sent {
		f.Case = "sent with a routine"
	}
	ke.Report(k, f)
	if p.origin == byAsyncFsd {
		p.stage2(k) // observed: it has a thread and an IOSB, so stage 2 runs (irp.md 5)
	}
}
