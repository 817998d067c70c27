package wsk

import "calloutsim/internal/verify"

// irpRecords are about IRPs given to functions.
var irpRecords = []verify.Record{
	{ID: verify.WSK_060, Name: "NullIrp",
		Why: "The function has no other way to say how it ended.",
		Fix: "pass an IRP of IoAllocateIrp with a completion routine."},
	{ID: verify.WSK_061, Name: "NoCompletionRoutine",
		Why: "Nobody frees an IRP of the driver's own if no routine stops its climb.",
		Fix: "call IoSetCompletionRoutine(k, p, routine, context, true, true, true) before the WSK " +
			"function, each time."},
	{ID: verify.WSK_062, Name: "RoutineNotInEveryCase",
		Why: "The completion routine is missing a flag: in the case left out the I/O manager gets an " +
			"IRP it cannot finish.",
		Fix: "pass TRUE for InvokeOnSuccess, InvokeOnError and InvokeOnCancel."},
	{ID: verify.WSK_063, Name: "ClimbGoesOn",
		Why: "The routine of an own IRP let the climb go on instead of returning " +
			"STATUS_MORE_PROCESSING_REQUIRED.",
		Fix: "return STATUS_MORE_PROCESSING_REQUIRED from the completion routine of an IRP of your own."},
	{ID: verify.WSK_064, Name: "NoStackLocation",
		Why: "WSK needs a stack location of the IRP.",
		Fix: "allocate the IRP with at least one stack location (IoAllocateIrp(k, 1, false)); one that " +
			"is passed down needs a location left."},
	{ID: verify.WSK_065, Name: "FreedUpperIrp",
		Why: "An IRP that came from above belongs to whoever made it.",
		Fix: "let the climb go on: whoever made the IRP frees it."},
	{ID: verify.WSK_066, Name: "FreedInWsk",
		Why: "WSK still works with the IRP and will complete memory that is gone.",
		Fix: "free or reuse the IRP in its completion routine or after it has run; to end it early " +
			"call IoCancelIrp and wait."},
	{ID: verify.WSK_067, Name: "GivenTwice",
		Why: "One IRP can carry one request at a time.",
		Fix: "allocate an IRP for each request that is under way."},
	{ID: verify.WSK_068, Name: "NotReused",
		Why: "A completed IRP must be made new with IoReuseIrp before it is used again.",
		Fix: "call IoReuseIrp and set the completion routine again before the next WSK function."},
	{ID: verify.WSK_069, Name: "RoutineNotSetAgain",
		Why: "IoReuseIrp clears the completion routine.",
		Fix: "set the completion routine again behind IoReuseIrp, which clears it."},
	{ID: verify.WSK_070, Name: "ReusedUpperIrp",
		Why: "IoReuseIrp is for IRPs the driver has allocated itself.",
		Fix: "reuse only IRPs of your own IoAllocateIrp."},
	{ID: verify.WSK_071, Name: "PendingNotPropagated",
		Why: "Drivers above take the request for a synchronous one.",
		Fix: "in the completion routine: if p.PendingReturned() { irp.IoMarkIrpPending(k, p) }."},
	{ID: verify.WSK_072, Name: "NeverCompleted",
		Why: "The climb of an IRP from above was stopped and nobody completed it.",
		Fix: "complete the IRP (IoCompleteRequest) after the work the routine stopped it for, or " +
			"return STATUS_SUCCESS."},
	{ID: verify.WSK_073, Name: "TouchedAfterFree",
		Why: "The completion routine frees the IRP, possibly before the call returns.",
		Fix: "use the status that the function returned, or let the waiter free the IRP in place of " +
			"the routine."},
	{ID: verify.WSK_074, Name: "ReadWhilePending",
		Why: "The result is not there before the completion routine has run.",
		Fix: "when the function returned STATUS_PENDING, wait until the completion routine has run, " +
			"then read IoStatus."},
	{ID: verify.WSK_075, Name: "PendingTakenForDone",
		Why: "STATUS_PENDING was taken for success, and the next step was made in a state that is not " +
			"reached yet.",
		Fix: "when the function returned STATUS_PENDING, wait for the IRP, take its IoStatus.Status " +
			"for the result, and go on then."},
	{ID: verify.WSK_076, Name: "SignalOnlyIfPending",
		Why: "A routine that signals only where PendingReturned is set says nothing of what ends at once.",
		Fix: "wait only when the call returned STATUS_PENDING, or signal in any case."},
	{ID: verify.WSK_077, Name: "CallInCompletionRoutine",
		Why: "A WSK call inside a completion routine can complete inline and call that routine again: " +
			"the stack grows with every round.",
		Fix: "queue a work item (IoQueueWorkItem) in the completion routine and call the WSK function " +
			"there."},
	{ID: verify.WSK_078, Name: "InlineRecursion",
		Why: "Completions were inline often enough to end the kernel stack.",
		Fix: "post the next request in a work item, or in a loop that ends with STATUS_PENDING, not in " +
			"the completion routine itself."},
	{ID: verify.WSK_079, Name: "WaitInCallback",
		Why: "Whoever calls the callback may be the one who would complete the request.",
		Fix: "go on in the completion routine of the request, or wait in a work item."},
	{ID: verify.WSK_080, Name: "EventOfReturnedRoutine", Alias: verify.POOL_026,
		Fix: "wait for the IRP, also behind IoCancelIrp, before the routine with its event returns."},
	{ID: verify.WSK_081, Name: "IrpLeaked",
		Why: "An IRP that had carried WSK requests was never freed.",
		Fix: "free the IRP with IoFreeIrp when the last request with it is done, in the completion " +
			"routine or behind the wait."},
	{ID: verify.WSK_082, Name: "NeverInline",
		ByConstruction: "the sites env/Wsk…/answer play both, and what the driver assumed fails",
		Fix:            "store what the completion routine needs before the call."},
	{ID: verify.WSK_083, Name: "StackLocationSet", Alias: verify.WSK_064,
		Fix: "leave the stack location to the subsystem: set the completion routine only."},
	{ID: verify.WSK_084, Name: "CompletedInWsk",
		Why: "The driver completed an IRP that WSK has.",
		Fix: "call IoCancelIrp and wait for the completion routine in place of completing the IRP."},
}
