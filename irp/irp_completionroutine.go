package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteSetRoutine = ke.Site{Name: "fault/IoSetCompletionRoutineEx",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 2.2, 19.2"}

// IoSetCompletionRoutineEx is IoSetCompletionRoutine that keeps the driver loaded until the routine has
// run. After success the IRP must be sent, or memory and reference are lost; after
// STATUS_INSUFFICIENT_RESOURCES no routine is set and the IRP must be completed, or freed by its creator.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: dev is a device of the calling driver.
// Rules: IRP-004, IRP-005, IRP-014, IRP-018, IRP-041 to IRP-043, IRP-070, IRQL-001.
// Reference: wdm/nf-wdm-iosetcompletionroutineex.
func IoSetCompletionRoutineEx(k *irql.K, dev *DEVICE_OBJECT, p *IRP, routine IO_COMPLETION_ROUTINE,
	context any, invokeOnSuccess, invokeOnError, invokeOnCancel bool) ntstatus.NTSTATUS {
	const d = ddi.IoSetCompletionRoutineEx
	ke.Enter(k, d)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Writes(p.id))
	p.check(k)
	if dev != nil {
		dev.exists(k, d)
	}
	if img := ke.Acting(k); dev == nil || img != nil && dev.DriverObject.image != img {
		notOwnDevice(k, dev, p)
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if ke.Fails(k, &siteSetRoutine) {
		const s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
		p.exFailed = ke.CallStatus(k, d, p.id, uint32(s)) + 1
		return s
	}
	l := p.setRoutine(k, d, routine, context, invokeFlags(invokeOnSuccess, invokeOnError, invokeOnCancel))
	l.ex = &exRoutine{dev: dev, seq: ke.CallStatus(k, d, p.id, uint32(ntstatus.STATUS_SUCCESS))}
	dev.hold(k)
	dev.DriverObject.exRoutines++
	ke.Adds(k, ke.Counts(dev.DriverObject.id))
	return ntstatus.STATUS_SUCCESS
}

func notOwnDevice(k *irql.K, dev *DEVICE_OBJECT, p *IRP) {
	whose, obj := "NULL", p.id.String()
	if dev != nil {
		whose, obj = fmt.Sprintf("%v of %s", dev.id, dev.DriverObject.image.Name), dev.id.String()
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_043, Obj: obj, Dump: dumpIRP(p),
		Headline: fmt.Sprintf("IoSetCompletionRoutineEx for %v is given %s: the caller's image is not held",
			p.id, whose)})
}

// invokeFlags makes the Control byte of a routine.
func invokeFlags(onSuccess, onError, onCancel bool) uint8 {
	c := uint8(0)
	if onSuccess {
		c |= SL_INVOKE_ON_SUCCESS
	}
	if onError {
		c |= SL_INVOKE_ON_ERROR
	}
	if onCancel {
		c |= SL_INVOKE_ON_CANCEL
	}
	return c
}

// setRoutine registers a routine in the next location, by whichever form.
func (p *IRP) setRoutine(k *irql.K, d ddi.ID, routine IO_COMPLETION_ROUTINE, context any,
	control uint8) *IO_STACK_LOCATION {
	if v := frameVisit(k, p); v != nil && v.skipped {
		skippedThenSet(k, p)
	}
	l := nextLocation(k, p, d.String())
	if routine == nil && control != 0 {
		ke.Report(k, verify.Finding{Rule: verify.IRP_070, Obj: p.id.String(),
			Headline: fmt.Sprintf("%v: a flag is set but the routine is NULL", d)})
	}
	if l.ex != nil {
		l.ex.neverRun(k, p, "is replaced before the IRP was sent")
		l.ex = nil
	}
	l.routine, l.context, l.setBy, l.control = routine, context, ke.Acting(k), control
	l.self = l // what was copied by hand is made good by setting these members anew
	p.exFailed = 0
	ke.Gives(k, "IO_COMPLETION_ROUTINE", ke.CodeOf(routine))
	return l
}

// checkUnsent reports IRP-041 for an IRP that is completed, freed or reused although a routine of the Ex form
// waits in its next location.
func (p *IRP) checkUnsent(k *irql.K, act string) {
	if l := p.loc(p.cur - 1); l != nil && l.ex != nil {
		l.ex.neverRun(k, p, "never runs: the IRP is "+act+" without having been sent")
		l.ex = nil
	}
}

// done gives the device back after the routine has returned.
func (x *exRoutine) done(k *irql.K) {
	drv := x.dev.DriverObject
	drv.exRoutines--
	drv.left(k)
	state.Of(k).letGo(k, x.dev)
}

// IO_COMPLETION_ROUTINE is called when an IRP comes back from below. STATUS_MORE_PROCESSING_REQUIRED stops
// the climb.
//
// IRQL: that of IoCompleteRequest's caller, <= DISPATCH_LEVEL.
// Ownership: the IRP is the routine's driver's while it runs.
// Rules: IRP-011, IRP-013, IRP-050 to IRP-052.
// Reference: wdm/nc-wdm-io_completion_routine.
type IO_COMPLETION_ROUTINE func(k *irql.K, dev *DEVICE_OBJECT, p *IRP, context any) ntstatus.NTSTATUS

// IoSetCompletionRoutine registers a routine in the next lower location, to be called when the IRP comes
// back.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: routine and context must stay valid until the routine has run. The routine may be nil only if no
// flag is set.
// Rules: IRP-004, IRP-005, IRP-014, IRP-041, IRP-070, IRQL-001; later IRP-044.
// Reference: wdm/nf-wdm-iosetcompletionroutine.
func IoSetCompletionRoutine(k *irql.K, p *IRP, routine IO_COMPLETION_ROUTINE, context any,
	invokeOnSuccess, invokeOnError, invokeOnCancel bool) {
	ke.Enter(k, ddi.IoSetCompletionRoutine)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Writes(p.id))
	p.check(k)
	p.setRoutine(k, ddi.IoSetCompletionRoutine, routine, context,
		invokeFlags(invokeOnSuccess, invokeOnError, invokeOnCancel))
	ke.Call(k, ddi.IoSetCompletionRoutine, p.id)
}

func skippedThenSet(k *irql.K, p *IRP) {
	p.report(k, verify.Finding{Rule: verify.IRP_014, Case: "set after a skip",
		Headline: fmt.Sprintf("IoSetCompletionRoutine after IoSkipCurrentIrpStackLocation overwrites the "+
			"upper driver's routine of %v", p.id),
		Args: verify.Params(nil, nil, p.id)})
}
