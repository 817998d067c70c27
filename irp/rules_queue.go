package irp

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// queueRules are about queues of IRPs, about completion routines that hold their image, and about events that
// tell the end of a request.
var queueRules = []verify.Record{
	rule(verify.IRP_012, "CompletionEventChecking", 0, 0,
		"A completion routine marked the IRP pending, as one does that lets the climb go on, and "+
			"signalled the event its dispatch routine waits for, as one does that stops it. Mark and "+
			"returned status will disagree."),
	rule(verify.IRP_016, "IrpStackEntryCopy", 0xC9, 0x206,
		"A stack location was copied by assignment. What only the I/O routines may write came along: "+
			"Control, and with it a pending mark or a completion routine of another driver."),
	rule(verify.IRP_026, "IrpCancelField", 0, 0,
		"A cancel routine was set on an IRP that had been cancelled before, and Cancel was not looked "+
			"at afterwards. IoCancelIrp has been and gone: nobody will call the routine, and the thread "+
			"of the request cannot end."),
	{ID: verify.IRP_034, Name: "IrpFreedAsPool", Package: "irp", BugCheck: 0xC4, Args: [4]string{"0x105"},
		ByConstruction: "ExFreePool and ExFreePoolWithTag take a *Buffer; no IRP of IoAllocateIrp is one"},
	rule(verify.IRP_039, "InitializeAllocated", 0xC9, 0x238,
		"IoInitializeIrp was called on an IRP that IoAllocateIrp had initialised. It overwrites what "+
			"the I/O manager noted there about quota and lookaside list."),
	rule(verify.IRP_041, "CompletionRoutineRegistered", 0, 0,
		"A routine of IoSetCompletionRoutineEx never ran. Its small allocation and the reference to "+
			"the device are given back when it has run, so they are lost, and the driver can never be "+
			"unloaded."),
	rule(verify.IRP_042, "IoSetCompletionExCompleteIrp", 0xC4, 0x4100F,
		"IoSetCompletionRoutineEx failed, and the IRP was sent without the routine the driver relies "+
			"on."),
	rule(verify.IRP_043, "IoSetCompletionRoutineExCheckDeviceObject", 0, 0,
		"IoSetCompletionRoutineEx was given a device of another driver. It holds that driver in "+
			"memory, not the one whose routine will be called."),
	rule(verify.IRP_044, "IoSetCompletionRoutineNonPnpDriver", 0, 0,
		"A driver that is unloaded when somebody asks for it sent an IRP with a plain completion "+
			"routine. Nothing keeps its code in memory until the routine has run."),
	rule(verify.IRP_048, "SignalEventInCompletion", 0, 0,
		"A thread waits for an event that nobody signals: the routine that was to do it has run and "+
			"did not, or the wait should not have begun."),
	rule(verify.IRP_049, "WaitTimeout", 0, 0,
		"A wait without time-out for a request that another driver holds. If that driver loses it, "+
			"the thread waits for ever."),
	rule(verify.IRP_056, "ThreadedIrpAtApcLevel", 0xC9, 0x302,
		"A request that ends with a special kernel APC to its thread was sent where no such APC is "+
			"delivered; a wait for it never ends."),
	rule(verify.IRP_064, "CopyWithoutRoutine", 0xC9, 0x21C,
		"A location was copied to the next one and no completion routine was set; skipping needs no "+
			"second location."),
	rule(verify.IRP_066, "DeviceBypassed", 0xC9, 0x211,
		"A request was sent past the device it should have gone to next; the driver in between never "+
			"sees it."),
	rule(verify.IRP_067, "MarkingQueuedIrps", 0, 0,
		"An IRP was marked pending after it had become visible to others. One of them may have "+
			"completed and freed it by then: the mark lands in memory that is something else."),
	rule(verify.IRP_074, "AssociatedIrps", 0, 0,
		"The number of parts of a split request was not known before the first part was sent. The "+
			"part that ends last completes the master, so it is completed too early, twice or never."),
	rule(verify.IRP_075, "DriverContext3", 0, 0,
		"DriverContext[3] was overwritten while the IRP was in a cancel-safe queue. The queue finds "+
			"itself through it when the IRP is cancelled."),
	rule(verify.IRP_076, "IrpInTwoLists", 0x139, 0,
		"An IRP has one list entry. Inserted a second time it ties two lists together; completed "+
			"while it is in one, it leaves that list pointing to freed memory."),
	rule(verify.LOCK_020, "CancelSpinlockRelease", 0xC4, 0x1001,
		"The cancel spin lock and a driver's lock are taken in both orders, or the cancel lock is not "+
			"given back: all cancellation of the system stands still."),
	rule(verify.OBJ_013, "CancelSafeQueue", 0, 0,
		"The callbacks of a cancel-safe queue and the library disagree about what is in it, or an IRP "+
			"was touched while the queue has it."),
	rule(verify.OBJ_014, "ListCorruption", 0x139, 0,
		"A list entry was inserted or removed twice, or its memory went while it was linked. Windows "+
			"stops at the next operation that notices."),
}

// checkMark reports IRP-067: the IRP has become visible to others before it is marked.
func (p *IRP) checkMark(k *irql.K) {
	where, seq := "", uint64(0)
	switch {
	case ke.Acting(k) != p.owner:
		return
	case p.csq != nil:
		where, seq = p.csq.id.String(), p.csqSeq
	case p.listed() && !p.entry.stillGuarded(k):
		where, seq = "a list", p.entry.seq
	case p.waitsFor() != nil:
		where, seq = p.waitsFor().name(), p.devEntry.seq
	case p.started == p.serial:
		where = "the hands of StartIo"
	case p.inWork == p.serial:
		where = "a work item"
	default:
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_067, Obj: p.id.String(), Dump: dumpIRP(p),
		Headline: fmt.Sprintf("%v is marked pending after it was put into %s: somebody may have completed it",
			p.id, where),
		Places: []verify.Place{{Label: "QUEUED", Seq: seq}},
		Fix:    "mark first, then queue or call IoStartPacket. IoCsqInsertIrp marks the IRP itself."})
}

// freedInList reports OBJ-014 for an IRP that is freed while it is linked.
func freedInList(k *irql.K, p *IRP) {
	where, seq := "a list", uint64(0)
	if q := p.waitsFor(); q != nil {
		where, seq = q.name(), p.devEntry.seq
	} else {
		seq = p.entry.seq
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_014, BugCheck: 0x139, Obj: p.id.String(), Dump: dumpIRP(p),
		Headline: fmt.Sprintf("%v is freed while it is linked into %s", p.id, where),
		Args:     [4]verify.Arg{arg("3", "a list entry was corrupted")},
		Places:   []verify.Place{{Label: "LAST_CHANGED", Seq: seq}},
		Fix:      "remove it from the list first."})
}

// cancelNotLooked reports IRP-026 when a dispatch routine returns and leaves a cancelled IRP with a cancel
// routine that it set too late.
func cancelNotLooked(k *irql.K, p *IRP) {
	if !p.cancel || p.cancelRoutine == nil {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_026, Obj: p.id.String(), Dump: dumpIRP(p),
		Headline: fmt.Sprintf("%v was cancelled before its cancel routine was set, and is kept: nobody will "+
			"call %s", p.id, funcName(p.cancelRoutine)),
		Fix: "after IoSetCancelRoutine: if p.Cancel() and IoSetCancelRoutine(k, p, nil) is not nil, " +
			"complete it with STATUS_CANCELLED."})
}

// refine gives an order of locks that the cancel spin lock takes part in its own number.
func (io *ioManager) refine(_ *ke.K, f *verify.Finding) {
	if f.Rule != verify.LOCK_003 {
		return
	}
	id := io.cancelLock.ID.String()
	for _, word := range strings.FieldsFunc(f.Headline, func(r rune) bool { return r == ' ' || r == ';' }) {
		if word == id {
			f.Rule, f.Also = verify.LOCK_020, append(f.Also, verify.LOCK_003)
			f.Fix = "do not hold a driver's lock across IoAcquireCancelSpinLock and IoCancelIrp; a " +
				"cancel-safe queue needs neither."
			return
		}
	}
}
