package irp

import "calloutsim/internal/verify"

// memoryRules are about the life of an IRP and of what it needs.
var memoryRules = []verify.Record{
	{ID: verify.IRP_030, Name: "FreeInUse", BugCheck: 0xC9,
		Args: [4]string{"0x20a: sub-code of the I/O verifier", "the IRP"},
		Why:  "An IRP was freed while a driver below still worked on it.",
		Fix:  "free it in the completion routine, which returns STATUS_MORE_PROCESSING_REQUIRED."},
	{ID: verify.IRP_031, Name: "FreeInThreadList", BugCheck: 0xC9,
		Args: [4]string{"0x2: sub-code of the I/O verifier", "the IRP"},
		Why:  "An IRP was freed while it was in its thread's list of outstanding requests.",
		Fix:  "send the request, or complete it so that the I/O manager releases it."},
	{ID: verify.IRP_032, Name: "ThreadedIrpFreed", BugCheck: 0xC9,
		Args: [4]string{"0x20c: sub-code of the I/O verifier", "the IRP"},
		Why: "The I/O manager frees the IRPs of IoBuildDeviceIoControlRequest and " +
			"IoBuildSynchronousFsdRequest; a second free follows.",
		Fix: "do nothing: stage 2 of completion frees the IRP."},
	{ID: verify.IRP_033, Name: "FreeByStranger",
		Why: "An IRP was freed by a driver that did not allocate it.",
		Fix: "complete the IRP (IoCompleteRequest): a driver frees only those it has made itself.",
		Cases: []verify.Case{
			{Name: "made by IoInitializeIrp",
				Fix: "free the memory it lies in with the routine it was allocated with; IoFreeIrp is " +
					"for IRPs of IoAllocateIrp and IoBuildAsynchronousFsdRequest."},
		}},
	{ID: verify.IRP_034, Name: "IrpFreedAsPool", BugCheck: 0xC4,
		ByConstruction: "ExFreePool and ExFreePoolWithTag take a *Buffer; no IRP of IoAllocateIrp is one",
		Fix:            "release it with IoFreeIrp."},
	{ID: verify.IRP_035, Name: "IrpFreedTwice", BugCheck: 0xC9,
		Args: [4]string{"0x1: sub-code of the I/O verifier", "the IRP"},
		Why:  "An IRP was freed twice.",
		Fix: "let one place free the IRP: the completion routine, or whoever waits for it, and set the " +
			"pointer to nil there.",
		Cases: []verify.Case{
			{Name: "freed by two parties",
				Fix: "let either the completion routine free it or whoever waits for it, not both."},
		}},
	{ID: verify.IRP_036, Name: "IoAllocateForward",
		Why: "An IRP that its creator must free reached the I/O manager, which has neither a thread " +
			"nor a status block for it. The documentation forbids it without saying what breaks.",
		Fix: "set a routine for success, error and cancel that frees the IRP and returns " +
			"STATUS_MORE_PROCESSING_REQUIRED.",
		Cases: []verify.Case{
			{Name: "sent with a routine",
				Fix: "return STATUS_MORE_PROCESSING_REQUIRED from the creator's completion routine."},
		}},
	{ID: verify.IRP_037, Name: "IoReuseIrpOrigin", BugCheck: 0xC9,
		Args: [4]string{"0x311: IoReuseIrp on an IRP of the wrong origin", 2: "the IRP"},
		Why:  "IoReuseIrp was called on an IRP that was not made by IoAllocateIrp.",
		Fix:  "allocate IRPs that are to be reused with IoAllocateIrp.",
		Cases: []verify.Case{
			{Name: "made by IoBuildAsynchronousFsdRequest", BugCheck: verify.NoBugCheck},
		}},
	{ID: verify.IRP_038, Name: "ReuseInUse", BugCheck: 0xC9,
		Args: [4]string{"0x310: IRP reinitialised while in use", 2: "the IRP"},
		Why:  "An IRP was initialised again while somebody still worked on it.",
		Fix:  "reuse it in the completion routine that stops the climb, or after that routine has run."},
	{ID: verify.IRP_039, Name: "InitializeAllocated", BugCheck: 0xC9,
		Args: [4]string{"0x238: IoInitializeIrp on an IRP of IoAllocateIrp", 2: "the IRP"},
		Why: "IoInitializeIrp was called on an IRP that IoAllocateIrp had initialised. It overwrites " +
			"what the I/O manager noted there about quota and lookaside list.",
		Fix: "IoAllocateIrp initialises; use IoReuseIrp for the next request."},
	{ID: verify.IRP_040, Name: "IrpLeaked",
		Why: "An IRP was never freed, or never completed by the driver that keeps it.",
		Fix: "call IoFreeIrp on every path that does not send the IRP, and complete every IRP that was " +
			"received, at IRP_MJ_CLEANUP at the latest.",
		Cases: []verify.Case{
			{Name: "kept at unload",
				Fix: "complete every IRP that is queued before DriverUnload returns."},
			{Name: "kept for ever",
				Fix: "complete it on every path; if it may be kept for long, put it into a cancel-safe " +
					"queue (IoCsqInsertIrp), so that it ends with the program."},
			{Name: "kept after cleanup",
				Fix: "at IRP_MJ_CLEANUP complete every IRP that is queued for the file object."},
			{Name: "create, cleanup or close",
				Fix: "complete create, cleanup and close requests in the dispatch routine."},
		}},
	{ID: verify.IRP_041, Name: "CompletionRoutineRegistered",
		Why: "A routine of IoSetCompletionRoutineEx never ran. Its small allocation and the reference " +
			"to the device are given back when it has run, so they are lost, and the driver can never " +
			"be unloaded.",
		Fix: "set the routine immediately before IoCallDriver, for success, error and cancel."},
	{ID: verify.IRP_042, Name: "IoSetCompletionExCompleteIrp", BugCheck: 0xC4,
		Args: [4]string{"0x4100f: the result of IoSetCompletionRoutineEx was not checked", "the IRP"},
		Why: "IoSetCompletionRoutineEx failed, and the IRP was sent without the routine the driver " +
			"relies on.",
		Fix: "if it fails, complete the IRP with its status, or free it if it is your own."},
	{ID: verify.IRP_043, Name: "IoSetCompletionRoutineExCheckDeviceObject",
		Why: "IoSetCompletionRoutineEx was given a device of another driver. It holds that driver in " +
			"memory, not the one whose routine will be called.",
		Fix: "pass the caller's own device object, not the one the IRP is sent to."},
	{ID: verify.IRP_044, Name: "IoSetCompletionRoutineNonPnpDriver",
		Why: "A driver that is unloaded when somebody asks for it sent an IRP with a plain completion " +
			"routine. Nothing keeps its code in memory until the routine has run.",
		Fix: "use IoSetCompletionRoutineEx with a device of the driver's own."},
	{ID: verify.IRP_045, Name: "StatusBlockGone", BugCheck: 0xC9,
		Args: [4]string{"0xc: memory given to a build routine is gone before the request ended",
			2: "the IRP"},
		Why: "The event or status block of a thread-bound request disappeared before the request " +
			"ended; its end is written into whatever lies there then.",
		Fix: "when IoCallDriver returned STATUS_PENDING, wait for the event before returning."},
	{ID: verify.IRP_046, Name: "EventSignalledAtIssue", BugCheck: 0xC9,
		Args: [4]string{"0x307: request issued with a signalled event", 2: "the IRP"},
		Why: "A request was sent with an event that was signalled already, and pended: the wait for " +
			"its end ends at once, while the request still writes its status block.",
		Fix: "call KeInitializeEvent or KeClearEvent before every request."},
	{ID: verify.IRP_047, Name: "IoBuildDeviceIoControlSetEvent",
		Why: "A completion routine signalled the event that the I/O manager signals: the waiter goes " +
			"on before the status block is written.",
		Fix: "leave the event to the I/O manager, or return STATUS_MORE_PROCESSING_REQUIRED and " +
			"complete the IRP again after the wait."},
	{ID: verify.IRP_048, Name: "SignalEventInCompletion",
		Why: "A thread waits for an event that nobody signals: the routine that was to do it has run " +
			"and did not, or the wait should not have begun.",
		Fix: "signal if PendingReturned, wait if STATUS_PENDING: the same condition on both sides.",
		Cases: []verify.Case{
			{Name: "not pended", Fix: "wait only if IoCallDriver returned STATUS_PENDING."},
		}},
	{ID: verify.IRP_049, Name: "WaitTimeout",
		Why: "A wait without time-out for a request that another driver holds. If that driver loses " +
			"it, the thread waits for ever.",
		Fix: "wait with a time-out, then cancel the IRP and wait for its end."},
}
