package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// MajorFunction is the IRP_MJ_* code. Rules: IRP-005.
func (l *IO_STACK_LOCATION) MajorFunction() uint8 {
	l.p.look()
	return l.major
}

// SetMajorFunction sets the code in a location that is being prepared. Rules: IRP-005.
func (l *IO_STACK_LOCATION) SetMajorFunction(v uint8) {
	l.p.touch()
	l.major = v
}

// MinorFunction is the IRP_MN_* code. Rules: IRP-005.
func (l *IO_STACK_LOCATION) MinorFunction() uint8 {
	l.p.look()
	return l.minor
}

// SetMinorFunction sets the code in a location that is being prepared. Rules: IRP-005.
func (l *IO_STACK_LOCATION) SetMinorFunction(v uint8) {
	l.p.touch()
	l.minor = v
}

// Flags returns the SL_* bits of the request. Rules: IRP-005.
func (l *IO_STACK_LOCATION) Flags() uint8 {
	l.p.look()
	return l.flags
}

// SetFlags sets the SL_* bits of the request. Rules: IRP-005.
func (l *IO_STACK_LOCATION) SetFlags(v uint8) {
	l.p.touch()
	l.flags = v
}

// Parameters is the part that depends on the major function. Rules: IRP-005.
func (l *IO_STACK_LOCATION) Parameters() *PARAMETERS {
	l.p.touch()
	l.filled = true
	return &l.params
}

// DeviceObject is the device the location belongs to, as IoCallDriver stored it. Rules: IRP-005.
func (l *IO_STACK_LOCATION) DeviceObject() *DEVICE_OBJECT {
	l.p.look()
	return l.device
}

// SetDeviceObject lets a creator that took a location of its own store its device there. Rules: IRP-005.
func (l *IO_STACK_LOCATION) SetDeviceObject(dev *DEVICE_OBJECT) {
	l.p.touch()
	l.device = dev
}

// Control returns the SL_PENDING_RETURNED and SL_INVOKE_* bits; only Io* routines change them. Rules:
// IRP-005.
func (l *IO_STACK_LOCATION) Control() uint8 {
	l.p.look()
	return l.control
}

// CompletionRoutine returns the routine stored here by the driver above. Rules: IRP-005.
func (l *IO_STACK_LOCATION) CompletionRoutine() IO_COMPLETION_ROUTINE {
	l.p.look()
	return l.routine
}

// Context returns the context stored with the completion routine. Rules: IRP-005.
func (l *IO_STACK_LOCATION) Context() any {
	l.p.look()
	return l.context
}

// IoGetCurrentIrpStackLocation returns the caller's own stack location.
//
// IRQL: any.
// Ownership: the caller must hold the IRP; the result is for use at once.
// Rules: IRP-005, IRP-017, IRP-062.
// Reference: wdm/nf-wdm-iogetcurrentirpstacklocation.
func IoGetCurrentIrpStackLocation(k *irql.K, p *IRP) *IO_STACK_LOCATION {
	ke.Enter(k, ddi.IoGetCurrentIrpStackLocation)
	p.check(k)
	skipLeft(k, p, "IoGetCurrentIrpStackLocation")
	l := p.loc(p.cur)
	if l == nil {
		p.report(k, verify.Finding{Rule: verify.IRP_062, Case: "location of its own",
			Headline: fmt.Sprintf("%v has no current stack location here: CurrentLocation is %d of %d", p.id,
				p.cur, p.stackCount)})
	}
	return l
}

// IoGetNextIrpStackLocation returns the location of the next lower driver, to be prepared before
// IoCallDriver.
//
// IRQL: any.
// Ownership: the caller must hold the IRP.
// Rules: IRP-004, IRP-005.
// Reference: wdm/nf-wdm-iogetnextirpstacklocation.
func IoGetNextIrpStackLocation(k *irql.K, p *IRP) *IO_STACK_LOCATION {
	ke.Enter(k, ddi.IoGetNextIrpStackLocation)
	p.check(k)
	return nextLocation(k, p, "IoGetNextIrpStackLocation")
}

// nextLocation is the location below the current one; without one IRP-004 ends the run.
func nextLocation(k *irql.K, p *IRP, who string) *IO_STACK_LOCATION {
	l := p.loc(p.cur - 1)
	if l == nil {
		noLocation(k, p, who)
	}
	return l
}

func noLocation(k *irql.K, p *IRP, who string) {
	p.report(k, verify.Finding{Rule: verify.IRP_004,
		Headline: fmt.Sprintf("%s: %v has no stack location left below %d of %d", who, p.id, p.cur,
			p.stackCount),
		Args: verify.Params(p.id), Places: []verify.Place{{Label: "ALLOCATED", Seq: p.allocSeq}}})
}

// IoSetNextIrpStackLocation makes the next lower location the current one: a creator takes a location of its
// own.
//
// IRQL: any.
// Ownership: the caller must hold the IRP.
// Rules: IRP-004, IRP-005.
// Reference: wdm/nf-wdm-iosetnextirpstacklocation.
func IoSetNextIrpStackLocation(k *irql.K, p *IRP) {
	ke.Enter(k, ddi.IoSetNextIrpStackLocation)
	p.check(k)
	l := nextLocation(k, p, "IoSetNextIrpStackLocation")
	if v := frameVisit(k, p); v != nil && v.skipped {
		v.skipped = false // backs out of a skip: the arithmetic of irp.md 2.2
	} else if p.state == stCreator || p.state == stStopped {
		p.level = p.cur - 1
		l.visit = nil
	}
	p.cur--
}

// IoSkipCurrentIrpStackLocation gives the caller's own location to the next lower driver.
//
// IRQL: any.
// Ownership: nothing but IoCallDriver may follow.
// Rules: IRP-005, IRP-015, IRP-017.
// Reference: wdm/nf-wdm-ioskipcurrentirpstacklocation.
func IoSkipCurrentIrpStackLocation(k *irql.K, p *IRP) {
	ke.Enter(k, ddi.IoSkipCurrentIrpStackLocation)
	p.check(k)
	skipLeft(k, p, "a second IoSkipCurrentIrpStackLocation")
	l := p.loc(p.cur)
	if l == nil {
		p.report(k, verify.Finding{Rule: verify.IRP_062,
			Headline: fmt.Sprintf("IoSkipCurrentIrpStackLocation: the caller has no location of %v to skip",
				p.id)})
	} else if l.control&SL_PENDING_RETURNED != 0 {
		p.report(k, verify.Finding{Rule: verify.IRP_015,
			Headline: fmt.Sprintf("%v was marked pending here and its location is now given to the lower "+
				"driver", p.id)})
	}
	if v := frameVisit(k, p); v != nil {
		v.skipped = true
	}
	p.cur++
}

// IoCopyCurrentIrpStackLocationToNext copies the caller's parameters to the next lower location, without the
// completion routine, and clears the Control byte there.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller must hold the IRP.
// Rules: IRP-004, IRP-005, IRP-017, IRP-062, IRP-070, IRQL-001.
// Reference: wdm/nf-wdm-iocopycurrentirpstacklocationtonext.
func IoCopyCurrentIrpStackLocationToNext(k *irql.K, p *IRP) {
	ke.Enter(k, ddi.IoCopyCurrentIrpStackLocationToNext)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Writes(p.id))
	p.check(k)
	skipLeft(k, p, "IoCopyCurrentIrpStackLocationToNext")
	src := p.loc(p.cur)
	if src == nil {
		p.report(k, verify.Finding{Rule: verify.IRP_062,
			Headline: fmt.Sprintf("IoCopyCurrentIrpStackLocationToNext: %v has no current location", p.id)})
	}
	dst := nextLocation(k, p, "IoCopyCurrentIrpStackLocationToNext")
	// a second copy takes the routine back on purpose
	if dst.control&invokeAny != 0 && dst.setBy == ke.Acting(k) && !dst.copied {
		p.report(k, verify.Finding{Rule: verify.IRP_070, Case: "copied after it was set",
			Headline: fmt.Sprintf("IoCopyCurrentIrpStackLocationToNext on %v takes away the completion "+
				"routine just set", p.id)})
	}
	if dst.ex != nil {
		dst.ex.neverRun(k, p, "is taken away before the IRP was sent")
		dst.ex = nil
	}
	// The fields before CompletionRoutine are copied; routine and context keep stale contents that Control 0
	// makes inert.
	dst.device, dst.file, dst.flags = src.device, src.file, src.flags
	dst.major, dst.minor = src.major, src.minor
	if src.filled || dst.filled {
		dst.params, dst.filled = src.params, src.filled
	}
	dst.control, dst.copied, dst.self = 0, true, dst
	ke.Call(k, ddi.IoCopyCurrentIrpStackLocationToNext, p.id)
}

// skipLeft reports IRP-017: something else than IoCallDriver follows a skip of this frame.
func skipLeft(k *irql.K, p *IRP, what string) {
	if v := frameVisit(k, p); v != nil && v.skipped {
		v.skipped = false
		p.report(k, verify.Finding{Rule: verify.IRP_017,
			Headline: fmt.Sprintf("%s after IoSkipCurrentIrpStackLocation on %v, which only IoCallDriver "+
				"may follow", what, p.id)})
	}
}

// neverRun reports IRP-041.
func (x *exRoutine) neverRun(k *irql.K, p *IRP, why string) {
	p.report(k, verify.Finding{Rule: verify.IRP_041,
		Headline: fmt.Sprintf("the routine that IoSetCompletionRoutineEx set for %v %s: the reference to "+
			"%v is lost", p.id, why, x.dev.id),
		Places: []verify.Place{{Label: "ROUTINE_SET", Seq: x.seq}}})
}
