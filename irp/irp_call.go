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

// IoCallDriver sends an IRP to a device: the next location becomes the current one and the dispatch routine
// for its major function is called. The status is exactly what that routine returned.
//
// IRQL: <= DISPATCH_LEVEL; at DISPATCH_LEVEL only READ, WRITE, DEVICE_CONTROL, INTERNAL_DEVICE_CONTROL and
// POWER.
// Ownership: the IRP belongs to the lower driver; the caller may not touch it again unless a routine of its
// own stops the climb.
// Returns: what the dispatch routine of the device returned: STATUS_PENDING where it completes the IRP
// later, else the status it was completed with.
// Rules: IRP-003, IRP-004, IRP-005, IRP-014, IRP-016, IRP-018, IRP-019, IRP-021, IRP-036, IRP-042, IRP-044,
// IRP-055, IRP-056, IRP-060, IRP-063, IRP-064, IRP-066, IRP-069, IRP-074, IRP-076; and on return IRP-006 to
// IRP-010, IRP-017, IRP-046; LOCK-013.
// Reference: wdm/nf-wdm-iofcalldriver.
func IoCallDriver(k *irql.K, dev *DEVICE_OBJECT, p *IRP) ntstatus.NTSTATUS {
	ke.EnterAnyLevel(k, ddi.IoCallDriver)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.LeavesDriver(k, "IoCallDriver")
	ke.Point(k, ke.Writes(p.id))
	if dev != nil {
		ke.Alive(k, dev.id)
	}
	checkSend(k, dev, p)
	fv := frameVisit(k, p)
	var above *visit
	if fv != nil {
		if fv.skipped {
			above = fv
		}
		fv.skipped = false
		fv.forwarded = true
	}
	p.cur--
	l := p.loc(p.cur)
	if l == nil {
		noLocation(k, p, "IoCallDriver")
	}
	// Nothing else in the location is overwritten, so a skipped driver's device is never recorded.
	l.device = dev
	io := p.io
	v := io.getVisit(p)
	v.above = above
	l.visit = v
	// The location may have been marked by another device of the same driver and then skipped.
	v.marked = l.control&SL_PENDING_RETURNED != 0 && l.markedBy == dev.DriverObject.image
	p.sent = true
	p.sentSeq = ke.CallOn(k, ddi.IoCallDriver, dev.id, p.id)
	level := p.cur
	stale := trace.ID(0)
	if e := p.userEvent; e != nil && p.state == stCreator && e.Header().Signal > 0 {
		stale = e.Header().ID
	}
	id := p.id
	v.serial = p.give(stAt, dev.DriverObject.image, level, dev)
	if io.forces {
		v.force = forcePending(k)
	}
	returned := dispatch(k, dev, p, v, l.major)
	s := returned
	if v.forced {
		s = ntstatus.STATUS_PENDING
	}
	if fv != nil {
		fv.lower = s
	}
	if int(level) <= len(p.locs) {
		if l := &p.locs[level-1]; l.visit == v {
			l.visit = v.above
			if v.relies(returned) && !v.passed {
				l.relying++
			}
		}
	}
	io.putVisit(v)
	if stale != 0 && s == ntstatus.STATUS_PENDING {
		eventStale(k, p, id, stale)
	}
	ke.PointHere(k, p.id)
	return s
}

// dispatch calls the driver and judges how the call ended.
func dispatch(k *irql.K, dev *DEVICE_OBJECT, p *IRP, v *visit, major uint8) ntstatus.NTSTATUS {
	drv := dev.DriverObject
	fn := drv.MajorFunction[major%(IRP_MJ_MAXIMUM_FUNCTION+1)]
	if fn == nil {
		fn = invalidDeviceRequest
	}
	id, level := p.id, p.level
	f := ke.NewFrame(k)
	f.Kind, f.Image, f.Obj, f.Fn, f.Level = ke.FrameDispatch, drv.image, id, ke.CodeOf(fn), int(level)
	f.Device, f.Object, f.Data, f.Entry = dev, p, v, major
	ke.Begin(k, f)
	ke.PointHere(k, id)
	s := fn(k, dev, p)
	p.returned(k, id, level, v, s)
	judgeDispatch(k, p, id, v, s)
	if p.id == id && p.state == stAt && p.serial == v.serial {
		p.enters(stQueued) // marked, and kept by the driver
		p.queueSeq = ke.Of(k).Log().Len()
	}
	ke.PopStatus(k, s)
	return s
}

// invalidDeviceRequest stands in every empty entry of a dispatch table (irp.md 3).
func invalidDeviceRequest(k *irql.K, dev *DEVICE_OBJECT, p *IRP) ntstatus.NTSTATUS {
	routineMissing(k, dev, p)
	p.received = nil // what follows is the system's
	p.ioStatus = IO_STATUS_BLOCK{Status: ntstatus.STATUS_INVALID_DEVICE_REQUEST}
	IoCompleteRequest(k, p, IO_NO_INCREMENT)
	return ntstatus.STATUS_INVALID_DEVICE_REQUEST
}

// checkSend evaluates the rules of IoCallDriver's entry.
func checkSend(k *irql.K, dev *DEVICE_OBJECT, p *IRP) {
	if dev != nil && dev.deleted {
		ke.Adds(k, ke.Reads(dev.id))
	}
	if dev == nil || dev.DriverObject == nil || dev.deleted && dev.refs <= 0 {
		badDevice(k, dev, p)
	}
	if !p.actsForOwner(k) {
		sentByStranger(k, p)
	}
	if p.cancelRoutine != nil { // as in checkComplete
		p.seesCancel()
		p.report(k, verify.Finding{Rule: verify.IRP_021,
			Headline: fmt.Sprintf("%v is forwarded with a cancel routine set", p.id),
			Args:     verify.Params(nil, nil, p.id)})
	}
	l := p.loc(p.cur - 1)
	if l == nil {
		return // IoCallDriver reports it
	}
	if now := ke.IRQL(k); now > ke.Dispatch || now == ke.Dispatch && !anyLevelMajor(l.major) {
		sentAtBadIrql(k, p, l.major)
	}
	if up := p.loc(p.cur); l.setBy != p.owner && up != nil && l.setBy == up.setBy && l.routine != nil &&
		l.control&invokeAny != 0 && l.control == up.control && ke.CodeOf(l.routine) == ke.CodeOf(up.routine) {
		p.report(k, verify.Finding{Rule: verify.IRP_014, Case: "copied by hand",
			Headline: fmt.Sprintf("the stack location of %v was copied by hand: the upper driver's "+
				"completion routine would run twice", p.id),
			Args: verify.Params(nil, nil, p.id)})
	}
	if p.requestorMode == irql.KernelMode && (p.userBuffer != nil || l.filled) {
		p.checkAddresses(k, l)
	}
	if l.file != nil && l.major == IRP_MJ_CREATE && l.file.Flags&FO_CLEANUP_COMPLETE != 0 {
		createOnClosed(k, dev, p, l.file)
	}
	if dev.special != nil {
		p.sub = dev.special
	}
	if p.state == stCreator || p.level > p.stackCount {
		checkCreatorRoutine(k, p, l)
	}
	p.checkPrepared(k, dev, l)
	if p.received != nil || l.minor == unknownMinor {
		p.sendUnknown(k, l)
	}
}

func sentAtBadIrql(k *irql.K, p *IRP, major uint8) {
	now := ke.IRQL(k)
	f := verify.Finding{Rule: verify.IRP_055, Obj: p.id.String(), Dump: dumpIRP(p), AllowedIRQL: ke.APC,
		Headline: fmt.Sprintf("%v with major function %s is sent at %v", p.id, Sim.MajorName(major),
			irql.KIRQL(now)),
		Args: verify.Params(nil, now)}
	if now > ke.Dispatch {
		f.Also = []verify.RuleID{verify.IRQL_001}
	}
	if anyLevelMajor(major) {
		f.AllowedIRQL = ke.Dispatch
	}
	ke.Report(k, f)
}

func anyLevelMajor(major uint8) bool {
	switch major {
	case IRP_MJ_POWER, IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL:
		return true
	}
	return false
}

// checkCreatorRoutine: an IRP that the creator must free needs a routine that is called in every case
// (IRP-036, IRP-071).
func checkCreatorRoutine(k *irql.K, p *IRP, l *IO_STACK_LOCATION) {
	if p.origin.threaded() || p.origin == byAssociated {
		return
	}
	const all = SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL
	c := l.control & all
	p.unstopped = c == 0
	switch {
	case c == 0:
		as := p.special(func(s *SubsystemRules) verify.RuleID { return s.NoRoutine })
		p.report(k, verify.Finding{Rule: verify.IRP_036, As: as, Survived: p.origin == byAsyncFsd,
			Headline: fmt.Sprintf("%v, made by %v, is sent without a completion routine: nobody will free it",
				p.id, p.origin),
			Places: []verify.Place{{Label: "ALLOCATED", Seq: p.allocSeq}}})
	case c != all:
		as := p.special(func(s *SubsystemRules) verify.RuleID { return s.MissingFlag })
		p.report(k, verify.Finding{Rule: verify.IRP_071, As: as,
			Headline: fmt.Sprintf("the completion routine of %v is not invoked in every case (flags 0x%02x)",
				p.id, c),
			Places: []verify.Place{{Label: "ALLOCATED", Seq: p.allocSeq}}})
	}
}

func badDevice(k *irql.K, dev *DEVICE_OBJECT, p *IRP) {
	what := "NULL"
	sub := "0x204"
	switch {
	case dev == nil:
	case dev.DriverObject == nil:
		what, sub = "something that IoCreateDevice did not make", "0x4"
	default:
		what, sub = "the deleted device object "+dev.id.String(), "0x4"
	}
	p.report(k, verify.Finding{Rule: verify.IRP_019, Headline: fmt.Sprintf("%v is sent to %s", p.id, what),
		Args: verify.Params(sub, nil, p.id)})
	panic("internal error: went on with a bad device object")
}

func sentByStranger(k *irql.K, p *IRP) {
	if p.state == stFreed {
		p.touchedByStranger(k)
		return
	}
	if p.csq != nil && ke.Acting(k) == p.owner {
		p.inTwoQueues(k, ddi.IoCallDriver)
		return
	}
	as := p.special(func(s *SubsystemRules) verify.RuleID { return s.SentTwice })
	p.report(k, verify.Finding{Rule: verify.IRP_003, As: as, Places: p.story(),
		Headline: fmt.Sprintf("%v is sent by a driver that does not hold it: %s", p.id, p.whereIs()),
		Args:     verify.Params(nil, nil, p.id)})
}

// judgeDispatch evaluates the pending contract when a dispatch routine has returned (irp.md 6).
func judgeDispatch(k *irql.K, p *IRP, id trace.ID, v *visit, s ntstatus.NTSTATUS) {
	here := p.id == id && p.state == stAt && p.serial == v.serial
	if v.skipped {
		skipLeft(k, p, "return from the dispatch routine")
	}
	if v.uncalled && here {
		cancelNotLooked(k, p)
	}
	switch {
	case s == 0xFFFFFFFF:
		c9(k, p, id, verify.IRP_010, "0xFFFFFFFF returned", "the dispatch routine returned 0xFFFFFFFF for %v")
	case v.marked && s != ntstatus.STATUS_PENDING:
		c9(k, p, id, verify.IRP_006, "", "%v was marked pending but the dispatch routine returned "+
			s.String())
	case v.marked:
	case s == ntstatus.STATUS_PENDING:
		if v.completed && v.ownFrame || !v.relies(s) || v.passed && v.unmarked {
			c9(k, p, id, verify.IRP_007, "", "the dispatch routine returned STATUS_PENDING but %v "+
				"was not marked pending")
		}
	case here:
		c9(k, p, id, verify.IRP_008, "", "the dispatch routine returned "+s.String()+" without "+
			"having completed, forwarded or pended %v")
	case v.completed && v.ownFrame:
		if s != v.status {
			c9(k, p, id, verify.IRP_009, "", "%v was completed with "+v.status.String()+" but the "+
				"dispatch routine returned "+s.String())
		}
	case v.forwarded && s != v.lower:
		c9(k, p, id, verify.IRP_009, "only forwarded", "%v was only forwarded; IoCallDriver returned "+
			v.lower.String()+" but the dispatch routine returned "+s.String())
	}
}

// IoForwardIrpSynchronously passes an IRP to the next lower driver and waits until it comes back; the caller
// holds it again then. FALSE when there is no location for that driver.
//
// IRQL: <= APC_LEVEL.
// Ownership: the caller's before and after; it must not be marked pending.
// Rules: IRP-005, IRP-018, IRQL-001, and those of IoCallDriver.
// Reference: wdm/nf-wdm-ioforwardirpsynchronously.
func IoForwardIrpSynchronously(k *irql.K, dev *DEVICE_OBJECT, p *IRP) bool {
	const d = ddi.IoForwardIrpSynchronously
	ke.Enter(k, d)
	p.check(k)
	if p.loc(p.cur-1) == nil { // as the page says (irp.md 24 #6)
		ke.CallBool(k, d, p.id, false)
		return false
	}
	id := p.id
	back := &ke.Object{Kind: ke.NotificationEvent, ID: ke.Of(k).NewID(trace.KEvent)}
	IoCopyCurrentIrpStackLocationToNext(k, p)
	l := p.setRoutine(k, d, cameBack, back, invokeAny)
	l.synchronous = true
	if IoCallDriver(k, dev, p) == ntstatus.STATUS_PENDING {
		ke.Wait(k, []*ke.Object{back}, false, nil, "IoForwardIrpSynchronously")
	}
	ke.CallBool(k, d, id, true)
	return true
}

// cameBack is the completion routine of IoForwardIrpSynchronously.
func cameBack(k *irql.K, _ *DEVICE_OBJECT, p *IRP, context any) ntstatus.NTSTATUS {
	if p.pendingReturned {
		ke.SetSignal(k, context.(*ke.Object), 1)
	}
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}
