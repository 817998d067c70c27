package irp

import "calloutsim/internal/verify"

// completionRules are about who holds an IRP, completes it and answers for it.
var completionRules = []verify.Record{
	{ID: verify.IRP_001, Name: "DoubleCompletion", BugCheck: 0x44,
		Args: [4]string{"the IRP"},
		Why: "A driver completed an IRP that had already been completed. Usually two routines each " +
			"believe they own the packet.",
		Fix: "complete a request on one path only: return right behind the call that completed it, or " +
			"let the helper say that it has.",
		Cases: []verify.Case{
			{Name: "the cancel routine has run",
				Fix: "whoever ends the request asks first: if IoSetCancelRoutine(k, p, nil) returns " +
					"nil, the cancel routine has been called and completes the IRP; leave it alone " +
					"then. A cancel-safe queue (IoCsqRemoveNextIrp) does this by itself."},
			{Name: "by another driver",
				Fix: "only the driver that holds the IRP completes it; one that sent it on gets it " +
					"back in a completion routine that returns STATUS_MORE_PROCESSING_REQUIRED."},
		}},
	{ID: verify.IRP_002, Name: "CompletedByStranger", BugCheck: 0xC9,
		Args: [4]string{"0x209: IRP completed while another driver owns it", 2: "the IRP"},
		Why: "A driver completed an IRP that another driver still works on; that driver will complete " +
			"it again or touch freed memory.",
		Fix: "complete only what the driver holds. One that sent the IRP on gets it back in a " +
			"completion routine that returns STATUS_MORE_PROCESSING_REQUIRED.",
		Cases: []verify.Case{
			{Name: "the cancel routine has run",
				Fix: "whoever ends the request asks first: if IoSetCancelRoutine(k, p, nil) returns " +
					"nil, the cancel routine has been called and completes the IRP; leave it alone " +
					"then. A cancel-safe queue (IoCsqRemoveNextIrp) does this by itself."},
			{Name: "sent on before",
				Fix: "forward with a completion routine that returns STATUS_MORE_PROCESSING_REQUIRED, " +
					"wait for it, then complete."},
		}},
	{ID: verify.IRP_003, Name: "ForwardedByStranger", BugCheck: 0xC9,
		Args: [4]string{"0x205: IRP forwarded while another driver owns it", 2: "the IRP"},
		Why:  "A driver sent an IRP on that another driver holds at this moment.",
		Fix: "send it again only in the completion routine of the first send, which returns " +
			"STATUS_MORE_PROCESSING_REQUIRED, or after that routine has run."},
	{ID: verify.IRP_004, Name: "NoStackLocation", BugCheck: 0x35,
		Args: [4]string{"the IRP"},
		Why: "An IRP was sent to one driver more than it has stack locations for. Without the check " +
			"the memory in front of the locations is used.",
		Fix: "allocate the IRP with the StackSize of the device it is sent to."},
	{ID: verify.IRP_005, Name: "TouchedAfterGivenAway", BugCheck: 0xD5,
		Args: [4]string{"the IRP whose memory is referenced", "0 read, 1 write"},
		Why: "A driver read or wrote an IRP that it had given away. The new owner may have freed it on " +
			"another processor by then.",
		Fix: "take copies of what is needed before the IRP is given away, use the status that " +
			"IoCallDriver returned, and touch the IRP again only where a completion routine of yours " +
			"has stopped the climb.",
		Cases: []verify.Case{
			{Name: "the cancel routine has run", BugCheck: verify.NoBugCheck,
				Fix: "whoever ends the request asks first: if IoSetCancelRoutine(k, p, nil) returns " +
					"nil, the cancel routine has been called and completes the IRP; leave it alone " +
					"then. A cancel-safe queue (IoCsqRemoveNextIrp) does this by itself."},
			{Name: "completed on two paths", BugCheck: verify.NoBugCheck,
				Fix: "complete a request on one path only: return right behind the call that completed " +
					"it, or let the helper say that it has."},
			{Name: "completed", BugCheck: verify.NoBugCheck,
				Fix: "keep copies of what is needed (the status above all) before calling " +
					"IoCompleteRequest."},
			{Name: "the cancel routine has run, freed",
				Fix: "whoever ends the request asks first: if IoSetCancelRoutine(k, p, nil) returns " +
					"nil, the cancel routine has been called and completes the IRP; leave it alone " +
					"then. A cancel-safe queue (IoCsqRemoveNextIrp) does this by itself."},
			{Name: "completed on two paths, freed",
				Fix: "complete a request on one path only: return right behind the call that completed " +
					"it, or let the helper say that it has."},
			{Name: "completed, freed",
				Fix: "keep copies of what is needed (the status above all) before calling " +
					"IoCompleteRequest."},
			{Name: "sent on", BugCheck: verify.NoBugCheck,
				Fix: "use the status IoCallDriver returned; touch the IRP again only after a " +
					"completion routine of yours has stopped the climb."},
			{Name: "held by another", BugCheck: verify.NoBugCheck},
		}},
	{ID: verify.IRP_006, Name: "MarkIrpPending", BugCheck: 0xC9,
		Args: [4]string{"0x23e: sub-code of the I/O verifier", 2: "the IRP"},
		Why: "An IRP was marked pending and its dispatch routine returned something else than " +
			"STATUS_PENDING. The caller takes the returned status for the result and goes on.",
		Fix: "after IoMarkIrpPending return STATUS_PENDING, whatever IoCallDriver or IoCompleteRequest " +
			"did meanwhile."},
	{ID: verify.IRP_007, Name: "PendingNotMarked", BugCheck: 0xC9,
		Args: [4]string{"0x23d: sub-code of the I/O verifier", 2: "the IRP"},
		Why: "A dispatch routine returned STATUS_PENDING for an IRP that was not marked. The I/O " +
			"manager believes the caller saw the result inline and does not report it again.",
		Fix: "call IoMarkIrpPending before the IRP becomes visible to anybody else."},
	{ID: verify.IRP_008, Name: "IrpProcessingComplete", BugCheck: 0xC9,
		Args: [4]string{"0x226: sub-code of the I/O verifier", 2: "the IRP"},
		Why: "A dispatch routine returned without having completed, forwarded or pended its IRP. " +
			"Nobody will ever complete it.",
		Fix: "set IoStatus, call IoCompleteRequest and return the same status."},
	{ID: verify.IRP_009, Name: "ReturnedStatusDiffers", BugCheck: 0xC9,
		Args: [4]string{"0x224: sub-code of the I/O verifier", 2: "the IRP"},
		Why: "The status a dispatch routine returned is not that of the IRP. Callers that look at the " +
			"one and callers that look at the other come to different conclusions.",
		Fix: "keep the status in a variable: put it into IoStatus.Status, complete, return the variable.",
		Cases: []verify.Case{
			{Name: "only forwarded", Fix: "return what IoCallDriver returned."},
		}},
	{ID: verify.IRP_010, Name: "IllegalStatus", BugCheck: 0xC9,
		Args: [4]string{"0x6: IRP completed with an illegal status", "the status", "the IRP"},
		Why:  "An IRP was completed with a status that is no result.",
		Fix: "complete with a final status: after a wait take it from p.IoStatus().Status, not from " +
			"what IoCallDriver returned.",
		Cases: []verify.Case{
			{Name: "0xFFFFFFFF returned",
				Args: [4]string{"0x225: sub-code of the I/O verifier", 2: "the IRP"}},
			{Name: "answer of completion routines", BugCheck: verify.NoBugCheck},
		}},
	{ID: verify.IRP_011, Name: "PendingReturnedNotPropagated", BugCheck: 0xC9,
		Args: [4]string{"0x228: sub-code of the I/O verifier", 2: "the IRP"},
		Why: "A completion routine saw PendingReturned and let the climb go on without marking its own " +
			"location. Drivers above take the request for a synchronous one.",
		Fix: "carry the mark on: if p.PendingReturned() { irp.IoMarkIrpPending(k, p) }."},
	{ID: verify.IRP_012, Name: "CompletionEventChecking",
		Why: "A completion routine marked the IRP pending, as one does that lets the climb go on, and " +
			"signalled the event its dispatch routine waits for, as one does that stops it. Mark and " +
			"returned status will disagree.",
		Fix: "forward and wait: only signal, and stop the climb. Do not wait: only mark, and let it go on."},
	{ID: verify.IRP_013, Name: "MarkWithoutLocation",
		Why: "IoMarkIrpPending was called by code that has no stack location. On Windows the memory " +
			"behind the IRP is overwritten.",
		Fix: "a creator's completion routine never marks: it frees the IRP and returns " +
			"STATUS_MORE_PROCESSING_REQUIRED."},
	{ID: verify.IRP_014, Name: "CompletionRoutineOverwritten", BugCheck: 0xC9,
		Args: [4]string{"0x207: the upper driver's completion routine is overwritten", 2: "the IRP"},
		Why:  "The completion routine of the driver above was overwritten or copied; it runs never, or twice.",
		Fix: "call IoCopyCurrentIrpStackLocationToNext before IoSetCompletionRoutine; " +
			"IoSkipCurrentIrpStackLocation leaves no location for a routine of yours.",
		Cases: []verify.Case{
			{Name: "copied by hand", Fix: "use IoCopyCurrentIrpStackLocationToNext."},
			{Name: "set after a skip",
				Fix: "replace IoSkipCurrentIrpStackLocation by IoCopyCurrentIrpStackLocationToNext."},
		}},
	{ID: verify.IRP_015, Name: "SkipAfterMark",
		Why: "A location that was marked pending was given to the lower driver, which has not agreed " +
			"to return STATUS_PENDING.",
		Fix: "use IoCopyCurrentIrpStackLocationToNext, so that the mark stays in the caller's own location."},
	{ID: verify.IRP_016, Name: "IrpStackEntryCopy", BugCheck: 0xC9,
		Args: [4]string{"0x206: Control of the next location was not cleared", 2: "the IRP"},
		Why: "A stack location was copied by assignment. What only the I/O routines may write came " +
			"along: Control, and with it a pending mark or a completion routine of another driver.",
		Fix: "use IoCopyCurrentIrpStackLocationToNext."},
	{ID: verify.IRP_017, Name: "SkipWithoutCall",
		Why: "After IoSkipCurrentIrpStackLocation the caller has no location of its own; only " +
			"IoCallDriver makes sense then.",
		Fix: "decide first and skip immediately before IoCallDriver, or take the skip back with " +
			"IoSetNextIrpStackLocation."},
	{ID: verify.IRP_018, Name: "NotAnIrp", BugCheck: 0xC9,
		Args: [4]string{"0x3: an I/O routine received something that is no IRP"},
		Why:  "An I/O routine received something that is no IRP.",
		Fix: "check what the pointer is: pass the IRP the routine was given, and test what " +
			"IoAllocateIrp and the build routines return for NULL.",
		Cases: []verify.Case{
			{Name: "packet too small", BugCheck: verify.NoBugCheck,
				Fix: "pass IoSizeOfIrp(n), and allocate as many bytes."},
		}},
	{ID: verify.IRP_019, Name: "BadDeviceObject", BugCheck: 0xC9,
		Args: [4]string{"0x4: IoCallDriver with a bad device object", 2: "the IRP"},
		Why:  "An IRP was sent to NULL or to a device object that has been deleted.",
		Fix: "send to the pointer that IoAttachDeviceToDeviceStack or IoGetDeviceObjectPointer " +
			"returned, and keep the device there with a reference or a remove lock until the call has " +
			"returned."},
}
