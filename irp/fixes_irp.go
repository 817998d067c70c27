package irp

import "calloutsim/internal/verify"

// irpFixes are the likely fixes of the rules about requests and their queues,
// for reports whose finding knows no cause that is more particular.
var irpFixes = []verify.Record{
	{ID: verify.IRP_001, Fix: "complete a request on one path only: return right behind the call that " +
		"completed it, and let a helper say that it has."},
	{ID: verify.IRP_002, Fix: "complete only what the driver holds. One that sent the IRP on gets it " +
		"back in a completion routine that returns STATUS_MORE_PROCESSING_REQUIRED."},
	{ID: verify.IRP_003, Fix: "send it again only in the completion routine of the first send, which " +
		"returns STATUS_MORE_PROCESSING_REQUIRED, or after that routine has run."},
	{ID: verify.IRP_004, Fix: "allocate it with the StackSize of the device it is sent to " +
		"(IoAllocateIrp(k, target.StackSize, false)), one more for a location of your own."},
	{ID: verify.IRP_005, Fix: "take copies of what is needed before the IRP is given away, use the " +
		"status that IoCallDriver returned, and touch the IRP again only where a completion routine of " +
		"yours has stopped the climb."},
	{ID: verify.IRP_006, Fix: "return STATUS_PENDING on every path behind IoMarkIrpPending, whatever " +
		"IoCallDriver returned and even if the IRP has been completed meanwhile."},
	{ID: verify.IRP_007, Fix: "call IoMarkIrpPending before the IRP is queued or handed to others, on " +
		"every path that returns STATUS_PENDING."},
	{ID: verify.IRP_008, Fix: "on this path set IoStatus and call IoCompleteRequest, or send the IRP on " +
		"with IoCallDriver, or mark it pending and keep it; the default branch of a switch is the usual " +
		"one that is left out."},
	{ID: verify.IRP_009, Fix: "keep the status in one variable: write it to IoStatus.Status, complete, " +
		"and return it; return what IoCallDriver returned where the IRP was only sent on."},
	{ID: verify.IRP_010, Fix: "complete with a final status: after a wait take it from " +
		"p.IoStatus().Status, not from what IoCallDriver returned."},
	{ID: verify.IRP_011, Fix: "carry the mark on in the completion routine: if p.PendingReturned() { " +
		"irp.IoMarkIrpPending(k, p) }."},
	{ID: verify.IRP_012, Fix: "decide for one form: a routine for a waiting dispatch routine sets the " +
		"event and returns STATUS_MORE_PROCESSING_REQUIRED; one that lets the climb go on marks and sets " +
		"no event."},
	{ID: verify.IRP_013, Fix: "leave the mark out in a creator's completion routine: it has no stack " +
		"location, frees the IRP and returns STATUS_MORE_PROCESSING_REQUIRED."},
	{ID: verify.IRP_014, Fix: "call IoCopyCurrentIrpStackLocationToNext before IoSetCompletionRoutine; " +
		"IoSkipCurrentIrpStackLocation leaves no location for a routine of yours."},
	{ID: verify.IRP_015, Fix: "use IoCopyCurrentIrpStackLocationToNext in place of " +
		"IoSkipCurrentIrpStackLocation where the IRP is marked pending, or do not mark it and return " +
		"what IoCallDriver returns."},
	{ID: verify.IRP_016, Fix: "use IoCopyCurrentIrpStackLocationToNext, which leaves out what belongs to " +
		"the driver above."},
	{ID: verify.IRP_017, Fix: "decide first: call IoSkipCurrentIrpStackLocation immediately before " +
		"IoCallDriver and nowhere else."},
	{ID: verify.IRP_018, Fix: "check what the pointer is: pass the IRP the routine was given, and test " +
		"what IoAllocateIrp and the build routines return for NULL."},
	{ID: verify.IRP_019, Fix: "send to the pointer that IoAttachDeviceToDeviceStack or " +
		"IoGetDeviceObjectPointer returned, and keep the device there with a reference or a remove lock " +
		"until the call has returned."},
	{ID: verify.IRP_020, Fix: "take the cancel routine back first; if IoSetCancelRoutine(k, p, nil) " +
		"returns nil, the cancel routine owns the IRP."},
	{ID: verify.IRP_021, Fix: "take the cancel routine back before sending: if IoSetCancelRoutine(k, p, " +
		"nil) returns nil, leave the IRP to the cancel routine."},
	{ID: verify.IRP_022, Fix: "set the cancel routine only while the driver holds the IRP; to cancel one " +
		"that was sent, call IoCancelIrp."},
	{ID: verify.IRP_023, Fix: "keep the IRP until IoCancelIrp has returned: let the completion routine " +
		"and the canceller agree with one interlocked exchange on who frees it, the later of the two " +
		"(irp.md 10.4)."},
	{ID: verify.IRP_024, Fix: "call IoReleaseCancelSpinLock(k, p.CancelIrql()) as the first statement of " +
		"the cancel routine."},
	{ID: verify.IRP_025, Fix: "pass p.CancelIrql() to IoReleaseCancelSpinLock, before the IRP is completed."},
	{ID: verify.IRP_026, Fix: "after IoSetCancelRoutine: if p.Cancel() and IoSetCancelRoutine(k, p, nil) " +
		"is not nil, complete the IRP with STATUS_CANCELLED."},
	{ID: verify.IRP_027, Fix: "set a cancel routine on every IRP that is kept, and look at Cancel after " +
		"setting it: it may have been cancelled before. A cancel-safe queue does both."},
	{ID: verify.IRP_028, Fix: "complete a received IRP with STATUS_CANCELLED instead of cancelling it, " +
		"and leave IoCancelIrp to whoever created it."},
	{ID: verify.IRP_030, Fix: "free it in its completion routine, which returns " +
		"STATUS_MORE_PROCESSING_REQUIRED, or after that routine has run."},
	{ID: verify.IRP_031, Fix: "send the request, or complete it so that the I/O manager releases it; " +
		"IoFreeIrp is for IRPs of IoAllocateIrp and IoBuildAsynchronousFsdRequest."},
	{ID: verify.IRP_032, Fix: "leave IoFreeIrp out: the I/O manager frees the IRPs of " +
		"IoBuildDeviceIoControlRequest and IoBuildSynchronousFsdRequest when they are completed."},
	{ID: verify.IRP_033, Fix: "complete a received IRP with IoCompleteRequest; free only those that this " +
		"driver has made with IoAllocateIrp or IoBuildAsynchronousFsdRequest."},
	{ID: verify.IRP_034, Fix: "release it with IoFreeIrp."},
	{ID: verify.IRP_035, Fix: "let one place free the IRP: the completion routine, or whoever waits for " +
		"it, and set the pointer to nil there."},
	{ID: verify.IRP_036, Fix: "set a completion routine for success, error and cancel on every IRP of " +
		"your own, which frees it and returns STATUS_MORE_PROCESSING_REQUIRED."},
	{ID: verify.IRP_037, Fix: "allocate IRPs that are to be reused with IoAllocateIrp; those of the " +
		"build routines are built anew for every request."},
	{ID: verify.IRP_038, Fix: "reuse it in the completion routine that stops the climb, or after that " +
		"routine has run."},
	{ID: verify.IRP_039, Fix: "leave IoInitializeIrp out: IoAllocateIrp initialises, and IoReuseIrp " +
		"prepares the next request."},
	{ID: verify.IRP_040, Fix: "call IoFreeIrp on every path that does not send the IRP, and complete " +
		"every IRP that was received, at IRP_MJ_CLEANUP at the latest."},
	{ID: verify.IRP_041, Fix: "call IoSetCompletionRoutineEx immediately before IoCallDriver, behind " +
		"every check that can still fail."},
	{ID: verify.IRP_042, Fix: "check its result: if it is an error, complete the IRP with that status, " +
		"or free it if it is your own, and do not send it."},
	{ID: verify.IRP_043, Fix: "pass a device object of the driver whose routine it is, not the one the " +
		"IRP is sent to."},
	{ID: verify.IRP_044, Fix: "use IoSetCompletionRoutineEx, or let DriverUnload wait for every IRP that " +
		"was sent."},
	{ID: verify.IRP_045, Fix: "when IoCallDriver returned STATUS_PENDING, wait for the event " +
		"(KeWaitForSingleObject) before the routine returns that has the event and the status block."},
	{ID: verify.IRP_046, Fix: "call KeInitializeEvent or KeClearEvent before every request."},
	{ID: verify.IRP_047, Fix: "leave the event to the I/O manager, or return " +
		"STATUS_MORE_PROCESSING_REQUIRED and complete the IRP again after the wait."},
	{ID: verify.IRP_048, Fix: "make both sides the same condition: the routine signals if " +
		"p.PendingReturned(), the caller waits if IoCallDriver returned STATUS_PENDING; or the routine " +
		"signals always and the caller waits always."},
	{ID: verify.IRP_049, Fix: "give the wait a time-out; when it passes, call IoCancelIrp and wait once " +
		"more without limit."},
	{ID: verify.IRP_050, Fix: "return STATUS_MORE_PROCESSING_REQUIRED behind IoFreeIrp and IoReuseIrp."},
	{ID: verify.IRP_051, Fix: "return STATUS_MORE_PROCESSING_REQUIRED where the routine has completed " +
		"the IRP or sent it again."},
	{ID: verify.IRP_052, Fix: "release every lock, lower the IRQL to what it was and leave every region " +
		"before the completion routine returns."},
	{ID: verify.IRP_053, Fix: "collect the IRPs under the lock and complete them after releasing it."},
	{ID: verify.IRP_054, Fix: "queue a DPC (KeInsertQueueDpc) and complete the IRP there."},
	{ID: verify.IRP_055, Fix: "send it in a work item (IoQueueWorkItem), whose routine runs at " +
		"PASSIVE_LEVEL."},
	{ID: verify.IRP_056, Fix: "release the fast mutex or leave the guarded region first, or use an IRP " +
		"of IoAllocateIrp, whose end needs no APC."},
	{ID: verify.IRP_057, Fix: "release what raised the IRQL on every path out of the dispatch routine, " +
		"the early returns above all."},
	{ID: verify.IRP_058, Fix: "call the matching KeLeaveCriticalRegion or KeLeaveGuardedRegion on every " +
		"path out of the dispatch routine."},
	{ID: verify.IRP_059, Fix: "set Information to the number of bytes written; say what is wanted in the " +
		"data, or fail the request with STATUS_BUFFER_TOO_SMALL."},
	{ID: verify.IRP_060, Fix: "lock the user's buffer with MmProbeAndLockPages and pass the system " +
		"address of the MDL, or leave RequestorMode at UserMode."},
	{ID: verify.IRP_061, Fix: "pass the buffer with its real length, NULL only with length 0, and check " +
		"the result for NULL."},
	{ID: verify.IRP_062, Fix: "use locations the IRP has: a creator reaches its first one with " +
		"IoGetNextIrpStackLocation and hands its routine what it needs as context."},
	{ID: verify.IRP_063, Fix: "send requests that the driver does not know on as they are: skip the " +
		"location, and leave Status and Information alone."},
	{ID: verify.IRP_064, Fix: "use IoSkipCurrentIrpStackLocation where no completion routine is wanted."},
	{ID: verify.IRP_065, Fix: "free it with IoFreeIrp; only IRPs of IoBuildDeviceIoControlRequest and " +
		"IoBuildSynchronousFsdRequest are completed unsent to release them."},
	{ID: verify.IRP_066, Fix: "send to the device that IoAttachDeviceToDeviceStack returned."},
	{ID: verify.IRP_067, Fix: "call IoMarkIrpPending before the IRP is inserted where others can see it. " +
		"IoCsqInsertIrp marks the IRP itself."},
	{ID: verify.IRP_068, Fix: "complete the IRP after the work the routine stopped it for, or return " +
		"STATUS_CONTINUE_COMPLETION and let the climb go on."},
	{ID: verify.IRP_069, Fix: "send IRP_MJ_CREATE with a new file object."},
	{ID: verify.IRP_070, Fix: "set the routine on the next location immediately before IoCallDriver: " +
		"copy the location first, set the routine then."},
	{ID: verify.IRP_071, Fix: "pass TRUE for InvokeOnSuccess, InvokeOnError and InvokeOnCancel on IRPs " +
		"of your own."},
	{ID: verify.IRP_072, Fix: "fill MajorFunction in DriverEntry: create and close at least, cleanup " +
		"where requests are queued; in a filter, every entry."},
	{ID: verify.IRP_074, Fix: "set AssociatedIrp.IrpCount to the number of parts and mark the master " +
		"pending before the first part is sent, and return STATUS_PENDING."},
	{ID: verify.IRP_075, Fix: "use DriverContext[0] to [2]; the last one is the queue's while the IRP is " +
		"in a cancel-safe queue."},
	{ID: verify.IRP_076, Fix: "take the IRP out of one queue before it is put into another, completed or " +
		"freed."},
	{ID: verify.IRP_078, Fix: "in a cancel routine call IoReleaseCancelSpinLock(k, p.CancelIrql()) " +
		"first; elsewhere do not call what takes the cancel lock while it is held."},
}
