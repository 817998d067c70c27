package irp

import "calloutsim/internal/verify"

// cancelRules are about cancelling.
var cancelRules = []verify.Record{
	{ID: verify.IRP_020, Name: "CompletedWithCancelRoutine", BugCheck: 0xC9,
		Args: [4]string{"0x7: IRP completed with a cancel routine set", "the cancel routine", "the IRP"},
		Why: "An IRP was completed while its cancel routine was still set. If somebody cancels it " +
			"later, the routine runs on freed memory.",
		Fix: "take the cancel routine back first; if IoSetCancelRoutine(k, p, nil) returns nil, the " +
			"cancel routine owns the IRP."},
	{ID: verify.IRP_021, Name: "ForwardedWithCancelRoutine", BugCheck: 0xC9,
		Args: [4]string{"0x203: IRP sent down with a cancel routine set", 2: "the IRP"},
		Why: "An IRP was sent down while the sender's cancel routine was set; cancelling it would " +
			"complete it under the lower driver's hands.",
		Fix: "take it back first: if IoSetCancelRoutine(k, p, nil) returns nil, leave the IRP to the " +
			"cancel routine."},
	{ID: verify.IRP_022, Name: "CancelRoutineSetByStranger", BugCheck: 0xC9,
		Args: [4]string{"0x229: cancel routine set on an IRP that is being processed below", 2: "the IRP"},
		Why:  "Only the driver that holds an IRP makes it cancelable. The sender uses IoCancelIrp.",
		Fix: "set the cancel routine only while the driver holds the IRP; to cancel one that was sent, " +
			"call IoCancelIrp."},
	{ID: verify.IRP_023, Name: "CancelAfterCompletion", BugCheck: 0x48,
		Args: [4]string{"the IRP", "the cancel routine"},
		Why:  "IoCancelIrp was called for an IRP that has been completed or freed.",
		Fix: "keep the IRP alive across the call: an interlocked word shared with the completion " +
			"routine decides who disposes of it."},
	{ID: verify.IRP_024, Name: "CancelLockHeld", BugCheck: 0x11B,
		Args: [4]string{"the IRP", "the cancel routine"},
		Why:  "A cancel routine returned without releasing the cancel spin lock.",
		Fix:  "call IoReleaseCancelSpinLock(k, p.CancelIrql()) as the first statement."},
	{ID: verify.IRP_025, Name: "WrongCancelIrql", BugCheck: 0x20,
		Why: "A cancel routine restored another IRQL than Irp.CancelIrql.",
		Fix: "pass p.CancelIrql(), before the IRP is completed."},
	{ID: verify.IRP_026, Name: "IrpCancelField",
		Why: "A cancel routine was set on an IRP that had been cancelled before, and Cancel was not " +
			"looked at afterwards. IoCancelIrp has been and gone: nobody will call the routine, and " +
			"the thread of the request cannot end.",
		Fix: "after IoSetCancelRoutine: if p.Cancel() and IoSetCancelRoutine(k, p, nil) is not nil, " +
			"complete it with STATUS_CANCELLED."},
	{ID: verify.IRP_027, Name: "CancelledTooLate", BugCheck: 0xC4,
		Args: [4]string{"0x135: cancelled IRP not completed in time", "the IRP", "milliseconds allowed"},
		Why: "A request was cancelled and the driver kept it. The thread that made it cannot end " +
			"before, and whoever waits for it waits on.",
		Fix: "set a cancel routine on every IRP that is kept, and look at Cancel after setting it: it " +
			"may have been cancelled before."},
	{ID: verify.IRP_028, Name: "CancelByStranger",
		Why: "Only the creator of an IRP may cancel it; the results for others are unpredictable.",
		Fix: "complete a received IRP with STATUS_CANCELLED instead of cancelling it, and leave " +
			"IoCancelIrp to whoever created it."},
	{ID: verify.IRP_078, Name: "CancelSpinLock",
		Why: "The cancel spin lock was acquired twice: the processor waits for itself.",
		Fix: "in a cancel routine call IoReleaseCancelSpinLock(k, p.CancelIrql()) first."},
}
