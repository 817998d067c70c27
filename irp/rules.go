package irp

import (
	"fmt"
	"slices"

	"calloutsim/internal/verify"
)

// rules are the records of the rules this package guards; those of pool memory and MDLs are in files of their
// own.
var rules = verify.WithFixes(slices.Concat(irpRules, poolRules, mdlRules, fileRules, queueRules), irpFixes,
	objectFixes, memoryFixes)

func rule(id verify.RuleID, name string, bugCheck, sub uint32, why string) verify.Record {
	r := verify.Record{ID: id, Name: name, Package: "irp", BugCheck: bugCheck, Why: why}
	if sub != 0 {
		r.Args[0] = fmt.Sprintf("%#x", sub)
	}
	r.Literal = id != verify.IRP_025 && id != verify.UNLOAD_012
	switch id {
	case verify.IRP_052:
		r.Literal = false
		r.Args = [4]string{"0xfa: a completion routine changed the IRQL", "the routine", "IRQL before",
			"IRQL now"}
		r.Cases = []verify.Case{{Name: "APC state", Args: [4]string{
			"0xfb: a completion routine changed the APC disable count", "the routine",
			"APC disable count now", "APC disable count before"}}}
	case verify.IRP_057:
		r.Literal = false
		r.Args = [4]string{"0x12: a dispatch routine changed the IRQL", "the routine", "IRQL before",
			"IRQL now"}
	case verify.IRP_058:
		r.Literal = false
		r.Args = [4]string{"0xc5: a dispatch routine changed the APC disable count", "the routine",
			"APC disable count now", "APC disable count before"}
	case verify.POOL_013, verify.POOL_026:
		r.Literal = true
		r.Cases = []verify.Case{{Name: "an object of the kernel",
			Fix: "wait for the last user before the routine returns, or allocate the object."}}
	case verify.LOCK_020:
		r.Cases = []verify.Case{{Name: "held at the return", BugCheck: verify.NoBugCheck,
			Fix: "release it on every path."}}
	}
	return r
}

var irpRules = []verify.Record{
	rule(verify.IRP_001, "DoubleCompletion", 0x44, 0,
		"A driver completed an IRP that had already been completed. Usually two routines each believe they "+
			"own the packet."),
	rule(verify.IRP_002, "CompletedByStranger", 0xC9, 0x209,
		"A driver completed an IRP that another driver still works on; that driver will complete it again "+
			"or touch freed memory."),
	rule(verify.IRP_003, "ForwardedByStranger", 0xC9, 0x205,
		"A driver sent an IRP on that another driver holds at this moment."),
	rule(verify.IRP_004, "NoStackLocation", 0x35, 0,
		"An IRP was sent to one driver more than it has stack locations for. Without the check the memory "+
			"in front of the locations is used."),
	rule(verify.IRP_005, "TouchedAfterGivenAway", 0xD5, 0,
		"A driver read or wrote an IRP that it had given away. The new owner may have freed it on another "+
			"processor by then."),
	rule(verify.IRP_006, "MarkIrpPending", 0xC9, 0x23E,
		"An IRP was marked pending and its dispatch routine returned something else than STATUS_PENDING. "+
			"The caller takes the returned status for the result and goes on."),
	rule(verify.IRP_007, "PendingNotMarked", 0xC9, 0x23D,
		"A dispatch routine returned STATUS_PENDING for an IRP that was not marked. The I/O manager "+
			"believes the caller saw the result inline and does not report it again."),
	rule(verify.IRP_008, "IrpProcessingComplete", 0xC9, 0x226,
		"A dispatch routine returned without having completed, forwarded or pended its IRP. Nobody will "+
			"ever complete it."),
	rule(verify.IRP_009, "ReturnedStatusDiffers", 0xC9, 0x224,
		"The status a dispatch routine returned is not that of the IRP. Callers that look at the one and "+
			"callers that look at the other come to different conclusions."),
	rule(verify.IRP_010, "IllegalStatus", 0xC9, 0x6,
		"An IRP was completed with a status that is no result."),
	rule(verify.IRP_011, "PendingReturnedNotPropagated", 0xC9, 0x228,
		"A completion routine saw PendingReturned and let the climb go on without marking its own "+
			"location. Drivers above take the request for a synchronous one."),
	rule(verify.IRP_013, "MarkWithoutLocation", 0, 0,
		"IoMarkIrpPending was called by code that has no stack location. On Windows the memory behind the "+
			"IRP is overwritten."),
	rule(verify.IRP_014, "CompletionRoutineOverwritten", 0xC9, 0x207,
		"The completion routine of the driver above was overwritten or copied; it runs never, or twice."),
	rule(verify.IRP_015, "SkipAfterMark", 0, 0,
		"A location that was marked pending was given to the lower driver, which has not agreed to return "+
			"STATUS_PENDING."),
	rule(verify.IRP_017, "SkipWithoutCall", 0, 0,
		"After IoSkipCurrentIrpStackLocation the caller has no location of its own; only IoCallDriver "+
			"makes sense then."),
	rule(verify.IRP_018, "NotAnIrp", 0xC9, 0x3, "An I/O routine received something that is no IRP."),
	rule(verify.IRP_019, "BadDeviceObject", 0xC9, 0x4, "An IRP was sent to NULL or to a device object that "+
		"has been deleted."),
	rule(verify.IRP_020, "CompletedWithCancelRoutine", 0xC9, 0x7,
		"An IRP was completed while its cancel routine was still set. If somebody cancels it later, the "+
			"routine runs on freed memory."),
	rule(verify.IRP_021, "ForwardedWithCancelRoutine", 0xC9, 0x203,
		"An IRP was sent down while the sender's cancel routine was set; cancelling it would complete it "+
			"under the lower driver's hands."),
	rule(verify.IRP_022, "CancelRoutineSetByStranger", 0xC9, 0x229,
		"Only the driver that holds an IRP makes it cancelable. The sender uses IoCancelIrp."),
	rule(verify.IRP_023, "CancelAfterCompletion", 0x48, 0,
		"IoCancelIrp was called for an IRP that has been completed or freed."),
	rule(verify.IRP_024, "CancelLockHeld", 0x11B, 0, "A cancel routine returned without releasing the "+
		"cancel spin lock."),
	rule(verify.IRP_025, "WrongCancelIrql", 0x20, 0, "A cancel routine restored another IRQL than "+
		"Irp.CancelIrql."),
	rule(verify.IRP_028, "CancelByStranger", 0, 0,
		"Only the creator of an IRP may cancel it; the results for others are unpredictable."),
	rule(verify.IRP_030, "FreeInUse", 0xC9, 0x20A, "An IRP was freed while a driver below still worked on "+
		"it."),
	rule(verify.IRP_031, "FreeInThreadList", 0xC9, 0x2, "An IRP was freed while it was in its thread's "+
		"list of outstanding requests."),
	rule(verify.IRP_032, "ThreadedIrpFreed", 0xC9, 0x20C,
		"The I/O manager frees the IRPs of IoBuildDeviceIoControlRequest and IoBuildSynchronousFsdRequest; "+
			"a second free follows."),
	rule(verify.IRP_033, "FreeByStranger", 0, 0, "An IRP was freed by a driver that did not allocate it."),
	rule(verify.IRP_035, "IrpFreedTwice", 0xC9, 0x1, "An IRP was freed twice."),
	rule(verify.IRP_036, "IoAllocateForward", 0, 0,
		"An IRP that its creator must free reached the I/O manager, which has neither a thread nor a "+
			"status block for it. The documentation forbids it without saying what breaks."),
	rule(verify.IRP_037, "IoReuseIrpOrigin", 0xC9, 0x311, "IoReuseIrp was called on an IRP that was not "+
		"made by IoAllocateIrp."),
	rule(verify.IRP_038, "ReuseInUse", 0xC9, 0x310, "An IRP was initialised again while somebody still "+
		"worked on it."),
	rule(verify.IRP_040, "IrpLeaked", 0, 0,
		"An IRP was never freed, or never completed by the driver that keeps it."),
	rule(verify.IRP_045, "StatusBlockGone", 0xC9, 0xC,
		"The event or status block of a thread-bound request disappeared before the request ended; its end "+
			"is written into whatever lies there then."),
	rule(verify.IRP_050, "FreedAndContinued", 0, 0,
		"A completion routine freed the IRP and let the climb go on: the I/O manager would go on reading "+
			"freed memory."),
	rule(verify.IRP_051, "ResentAndContinued", 0, 0,
		"A completion routine completed the IRP or sent it on and let the climb go on: two owners at once."),
	rule(verify.IRP_052, "RoutineChangesState", 0xC4, 0xFA, "A completion routine returned at another IRQL "+
		"or APC state than it was called at."),
	rule(verify.IRP_053, "SpinLockSafe", 0, 0,
		"An IRP was completed while a spin lock was held. A completion routine above may need that lock, "+
			"and it runs on this very stack."),
	rule(verify.IRP_054, "CompletedAboveDispatch", 0xC9, 0xE, "An IRP was completed above DISPATCH_LEVEL."),
	rule(verify.IRP_055, "ForwardedAtBadIrql", 0xC9, 0x10,
		"At DISPATCH_LEVEL only read, write, device control and power requests may be sent; the receiver "+
			"of any other may wait."),
	rule(verify.IRP_057, "IrqlReturn", 0xC9, 0x12, "A dispatch routine returned at another IRQL than it "+
		"was called at."),
	rule(verify.IRP_058, "DispatchChangesApcState", 0xC4, 0xC5, "A dispatch routine returned in another "+
		"APC state than it was called in."),
	rule(verify.IRP_061, "BuildBuffer", 0xC9, 0x9, "A build routine was given a buffer that is NULL or too "+
		"short."),
	rule(verify.IRP_063, "UnknownRequestChanged", 0xC9, 0x213, "A driver changed the status block of a request "+
		"that it does not know. The caller takes that for the answer of somebody who does."),
	rule(verify.IRP_062, "LocationOutsideArray", 0, 0, "A stack location outside the IRP's array was used; "+
		"what lies there belongs to somebody else."),
	rule(verify.IRP_065, "CompletedUnsent", 0xC9, 0x239, "An IRP was completed without ever having been "+
		"sent."),
	rule(verify.IRP_068, "ClimbNeverResumed", 0, 0, "A completion routine stopped the climb and nobody "+
		"completed the IRP afterwards."),
	rule(verify.IRP_070, "RoutineMissing", 0, 0, "A completion routine was registered as NULL, or where it "+
		"cannot be called."),
	rule(verify.IRP_071, "RoutineNotInEveryCase", 0, 0,
		"The creator's completion routine is not called in every case; in the missing one the I/O manager "+
			"gets an IRP it cannot finish."),
	rule(verify.IRP_078, "CancelSpinLock", 0, 0, "The cancel spin lock was acquired twice: the processor "+
		"waits for itself."),
	rule(verify.OBJ_004, "DeviceAttachDelete", 0xC9, 0x201, "A device object was deleted, attached or "+
		"detached in a state that does not allow it."),
	rule(verify.OBJ_009, "WorkItemMisuse", 0xE4, 0, "A work item was queued twice, freed while queued, or "+
		"has no routine."),
	rule(verify.OBJ_003, "ReferenceCount", 0x18, 0, "An object was dereferenced more often than it was "+
		"referenced; it goes while others use it."),
	rule(verify.OBJ_011, "HandleMisuse", 0x93, 0, "A handle was closed that is not open."),
	rule(verify.LOCK_021, "RemoveLock", 0xC4, 0xD5, "A remove lock was released without having been "+
		"acquired, or its life cycle was broken."),
	rule(verify.UNLOAD_002, "TimerOrDpcLeft", 0xC7, 0, "A timer is set or a DPC queued or running when its "+
		"driver is unloaded; the processor will jump into memory that is gone."),
	rule(verify.UNLOAD_004, "ThreadLeft", 0xCE, 0, "A system thread of the driver still runs when the "+
		"driver is unloaded."),
	rule(verify.UNLOAD_005, "ResourceLeft", 0xC4, 0xD2, "The system keeps all resources in a list. One "+
		"whose memory goes "+
		"with its driver takes the list with it."),
	rule(verify.UNLOAD_006, "DeviceLeft", 0, 0, "A device object still exists after its driver was "+
		"unloaded; the next request to it calls code that is gone."),
	rule(verify.UNLOAD_007, "IrpLeft", 0xCE, 0, "An IRP is in flight whose completion routine lies in a "+
		"driver that was unloaded."),
	{ID: verify.UNLOAD_008, Name: "RegistrationLeft", Package: "irp", BugCheck: 0xCE,
		Why: "What is registered calls into a driver that is gone. Notify routines and callbacks have this " +
			"number; other kinds of registration have a rule of their own that says so: WFP-013 to WFP-015 " +
			"for callouts, WFP-098 for redirect handles, WSK-005 and WSK-020 for clients of WSK."},
	rule(verify.UNLOAD_012, "UnloadedCodeRuns", 0xCE, 0, "A callback of a driver was called after the "+
		"driver had been unloaded."),
}
