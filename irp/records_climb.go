package irp

import "calloutsim/internal/verify"

// climbRules are about completion routines, levels and what a request carries.
var climbRules = []verify.Record{
	{ID: verify.IRP_050, Name: "FreedAndContinued",
		Why: "A completion routine freed the IRP and let the climb go on: the I/O manager would go on " +
			"reading freed memory.",
		Fix: "return STATUS_MORE_PROCESSING_REQUIRED."},
	{ID: verify.IRP_051, Name: "ResentAndContinued",
		Why: "A completion routine completed the IRP or sent it on and let the climb go on: two owners " +
			"at once.",
		Fix: "return STATUS_MORE_PROCESSING_REQUIRED."},
	{ID: verify.IRP_052, Name: "RoutineChangesState", BugCheck: 0xC4,
		Args: [4]string{"0xfa: a completion routine changed the IRQL", "the routine", "IRQL before",
			"IRQL now"},
		Why: "A completion routine returned at another IRQL or APC state than it was called at.",
		Fix: "release every lock, lower the IRQL to what it was and leave every region before the " +
			"completion routine returns.",
		Cases: []verify.Case{
			{Name: "APC state",
				Args: [4]string{"0xfb: a completion routine changed the APC disable count", "the routine",
					"APC disable count now", "APC disable count before"}},
		}},
	{ID: verify.IRP_053, Name: "SpinLockSafe",
		Why: "An IRP was completed while a spin lock was held. A completion routine above may need " +
			"that lock, and it runs on this very stack.",
		Fix: "collect the IRPs under the lock and complete them after releasing it."},
	{ID: verify.IRP_054, Name: "CompletedAboveDispatch", BugCheck: 0xC9,
		Args: [4]string{"0xe: IoCompleteRequest above DISPATCH_LEVEL", "current IRQL", "the IRP"},
		Why:  "An IRP was completed above DISPATCH_LEVEL.",
		Fix:  "queue a DPC (KeInsertQueueDpc) and complete the IRP there."},
	{ID: verify.IRP_055, Name: "ForwardedAtBadIrql", BugCheck: 0xC9,
		Args: [4]string{"0x10: IRP sent at an IRQL the receiver need not accept", "current IRQL"},
		Why: "At DISPATCH_LEVEL only read, write, device control and power requests may be sent; the " +
			"receiver of any other may wait.",
		Fix: "send it in a work item (IoQueueWorkItem), whose routine runs at PASSIVE_LEVEL."},
	{ID: verify.IRP_056, Name: "ThreadedIrpAtApcLevel", BugCheck: 0xC9,
		Args: [4]string{"0x302: a threaded IRP is sent at APC_LEVEL or in a guarded region", 2: "the IRP",
			"current IRQL"},
		Why: "A request that ends with a special kernel APC to its thread was sent where no such APC " +
			"is delivered; a wait for it never ends.",
		Fix: "release the fast mutex first, or use an IRP of IoAllocateIrp."},
	{ID: verify.IRP_057, Name: "IrqlReturn", BugCheck: 0xC9,
		Args: [4]string{"0x12: a dispatch routine changed the IRQL", "the routine", "IRQL before",
			"IRQL now"},
		Why: "A dispatch routine returned at another IRQL than it was called at.",
		Fix: "release what raised the IRQL on every path out of the dispatch routine, the early " +
			"returns above all."},
	{ID: verify.IRP_058, Name: "DispatchChangesApcState", BugCheck: 0xC4,
		Args: [4]string{"0xc5: a dispatch routine changed the APC disable count", "the routine",
			"APC disable count now", "APC disable count before"},
		Why: "A dispatch routine returned in another APC state than it was called in.",
		Fix: "call the matching KeLeaveCriticalRegion or KeLeaveGuardedRegion on every path out of the " +
			"dispatch routine."},
	{ID: verify.IRP_059, Name: "InformationTooLarge", BugCheck: 0xC9,
		Args: [4]string{"0x312: Information larger than the output buffer", 2: "the IRP"},
		Why: "More bytes were promised than the output buffer holds. The I/O manager copies what lies " +
			"behind the system buffer to the caller.",
		Fix: "Information is the number of bytes written; say what is wanted in the data, or fail the " +
			"request."},
	{ID: verify.IRP_060, Name: "UserAddressInKernelMode", BugCheck: 0xC4,
		Args: [4]string{"0xe2: KernelMode request with a user address", "the IRP", "the address"},
		Why: "A request that says it comes from the kernel carries an address of a program. Nobody " +
			"below checks it, and in another process it means something else.",
		Fix: "lock the pages with an MDL and pass the address MmGetSystemAddressForMdlSafe returns."},
	{ID: verify.IRP_061, Name: "BuildBuffer", BugCheck: 0xC9,
		Args: [4]string{"0x9: invalid buffer given to a build routine", "the device"},
		Why:  "A build routine was given a buffer that is NULL or too short.",
		Fix:  "pass the buffer with its real length, NULL only with length 0, and check the result for NULL."},
	{ID: verify.IRP_062, Name: "LocationOutsideArray",
		Why: "A stack location outside the IRP's array was used; what lies there belongs to somebody else.",
		Fix: "use locations the IRP has: a creator reaches its first one with " +
			"IoGetNextIrpStackLocation and hands its routine what it needs as context.",
		Cases: []verify.Case{
			{Name: "location of its own",
				Fix: "allocate the IRP with one location more and take it with " +
					"IoSetNextIrpStackLocation, or use the routine's Context."},
		}},
	{ID: verify.IRP_063, Name: "UnknownRequestChanged", BugCheck: 0xC9,
		Args: [4]string{"0x213: sub-code of the I/O verifier"},
		Why: "A driver changed the status block of a request that it does not know. The caller takes " +
			"that for the answer of somebody who does.",
		Fix: "leave IoStatus alone in the default branch: forward the request, or complete it, as it came."},
	{ID: verify.IRP_064, Name: "CopyWithoutRoutine", BugCheck: 0xC9,
		Args: [4]string{"0x21c: location copied without a completion routine", 2: "the IRP"},
		Why: "A location was copied to the next one and no completion routine was set; skipping needs " +
			"no second location.",
		Fix: "IoSkipCurrentIrpStackLocation does the same without a copy."},
	{ID: verify.IRP_065, Name: "CompletedUnsent", BugCheck: 0xC9,
		Args: [4]string{"0x239: IRP completed that was never sent", 2: "the IRP"},
		Why:  "An IRP was completed without ever having been sent.",
		Fix: "free it with IoFreeIrp; only IRPs of IoBuildDeviceIoControlRequest and " +
			"IoBuildSynchronousFsdRequest are completed unsent to release them."},
	{ID: verify.IRP_066, Name: "DeviceBypassed", BugCheck: 0xC9,
		Args: [4]string{"0x211: a device of the stack was bypassed", 2: "the IRP"},
		Why: "A request was sent past the device it should have gone to next; the driver in between " +
			"never sees it.",
		Fix: "send to the device that IoAttachDeviceToDeviceStack returned."},
	{ID: verify.IRP_067, Name: "MarkingQueuedIrps",
		Why: "An IRP was marked pending after it had become visible to others. One of them may have " +
			"completed and freed it by then: the mark lands in memory that is something else.",
		Fix: "mark first, then queue or call IoStartPacket. IoCsqInsertIrp marks the IRP itself."},
	{ID: verify.IRP_068, Name: "ClimbNeverResumed",
		Why: "A completion routine stopped the climb and nobody completed the IRP afterwards.",
		Fix: "complete the IRP after the work the routine stopped it for, or let the climb go on."},
	{ID: verify.IRP_069, Name: "CreateOnClosedFile", BugCheck: 0xC9,
		Args: [4]string{"0xf: create request for a closed file object", "the device", "the IRP",
			"the file object"},
		Why: "A file object was opened again after it had been closed.",
		Fix: "every opening has a file object of its own, which the I/O manager makes."},
	{ID: verify.IRP_070, Name: "RoutineMissing",
		Why: "A completion routine was registered as NULL, or where it cannot be called.",
		Fix: "set the routine on the next location immediately before IoCallDriver: copy the location " +
			"first, set the routine then.",
		Cases: []verify.Case{
			{Name: "no StartIo routine", Fix: "set DriverStartIo in DriverEntry."},
			{Name: "copied after it was set", Fix: "copy first, then call IoSetCompletionRoutine."},
		}},
	{ID: verify.IRP_071, Name: "RoutineNotInEveryCase",
		Why: "The creator's completion routine is not called in every case; in the missing one the I/O " +
			"manager gets an IRP it cannot finish.",
		Fix: "pass TRUE for InvokeOnSuccess, InvokeOnError and InvokeOnCancel."},
	{ID: verify.IRP_072, Name: "DispatchTable",
		Why: "A request found no routine in the dispatch table although one is needed there, or the " +
			"table was changed after DriverEntry.",
		Fix: "fill MajorFunction in DriverEntry: create and close at least, cleanup where requests are " +
			"queued; in a filter, every entry.",
		Cases: []verify.Case{
			{Name: "no routine",
				Fix: "fill MajorFunction in DriverEntry: create and close at least; in a filter, every " +
					"entry."},
			{Name: "changed late", Fix: "fill the table in DriverEntry and decide in the routine."},
		}},
	{ID: verify.IRP_074, Name: "AssociatedIrps",
		Why: "The number of parts of a split request was not known before the first part was sent. The " +
			"part that ends last completes the master, so it is completed too early, twice or never.",
		Fix: "set AssociatedIrp.IrpCount to the number of parts and mark the master pending before the " +
			"first part is sent, and return STATUS_PENDING.",
		Cases: []verify.Case{
			{Name: "parts are missing", Fix: "set AssociatedIrp.IrpCount to the number of parts."},
			{Name: "a part is split", Fix: "only the highest driver of a stack splits requests."},
			{Name: "buffered I/O", Fix: "only drivers with direct I/O or neither can split requests."},
			{Name: "master not marked",
				Fix: "call IoMarkIrpPending for the master before the first part is sent."},
			{Name: "not counted",
				Fix: "set AssociatedIrp.IrpCount to the number of parts before the first is sent."},
		}},
	{ID: verify.IRP_075, Name: "DriverContext3",
		Why: "DriverContext[3] was overwritten while the IRP was in a cancel-safe queue. The queue " +
			"finds itself through it when the IRP is cancelled.",
		Fix: "use DriverContext[0] to [2]; the last one is the queue's."},
	{ID: verify.IRP_076, Name: "IrpInTwoLists", BugCheck: 0x139,
		Args: [4]string{"3: a list entry was corrupted"},
		Why: "An IRP has one list entry. Inserted a second time it ties two lists together; completed " +
			"while it is in one, it leaves that list pointing to freed memory.",
		Fix: "take the IRP out of one queue before anything else is done with it."},
}
