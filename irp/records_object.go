package irp

import "calloutsim/internal/verify"

// objectRules are about devices, work items, queues, lists and the locks of drivers.
var objectRules = []verify.Record{
	{ID: verify.LOCK_020, Name: "CancelSpinlockRelease", BugCheck: 0xC4,
		Args: [4]string{"0x1001: deadlock: locks are taken in different orders"},
		Why: "The cancel spin lock and a driver's lock are taken in both orders, or the cancel lock is " +
			"not given back: all cancellation of the system stands still.",
		Fix: "do not hold a driver's lock across IoAcquireCancelSpinLock and IoCancelIrp; a " +
			"cancel-safe queue needs neither.",
		Cases: []verify.Case{
			{Name: "held at the return", BugCheck: verify.NoBugCheck, Fix: "release it on every path."},
		}},
	{ID: verify.LOCK_021, Name: "RemoveLock", BugCheck: 0xC4,
		Args: [4]string{"0xd5: remove lock misused", "the remove lock"},
		Why:  "A remove lock was released without having been acquired, or its life cycle was broken.",
		Fix: "acquire the remove lock at the entry of a request, release it once with the same tag on " +
			"every path (in the completion routine if the request was sent), and remove the device " +
			"once.",
		Cases: []verify.Case{
			{Name: "initialised twice", Fix: "initialise it once, before the device can be reached."},
			{Name: "never initialised", Fix: "call IoInitializeRemoveLock when the device is created."},
			{Name: "another tag", Fix: "release exactly once per acquisition, with the same tag."},
			{Name: "removed twice", Fix: "remove a device once."},
		}},
	{ID: verify.OBJ_003, Name: "ReferenceCount", BugCheck: 0x18,
		Args: [4]string{"0: object type", "the object"},
		Why: "An object was dereferenced more often than it was referenced; it goes while others use " +
			"it.",
		Fix: "call ObDereferenceObject exactly once for each reference that was taken, and do not " +
			"touch the object behind the last one.",
		Cases: []verify.Case{
			{Name: "memory gone", BugCheck: verify.NoBugCheck,
				Fix: "wait for the last user before the routine returns, or allocate the object."},
			{Name: "referenced too late", Fix: "take the reference while another one is still held."},
			{Name: "unregistered twice", Args: [4]string{1: "the registration"},
				Fix: "forget the handle when it is unregistered."},
		}},
	{ID: verify.OBJ_004, Name: "DeviceAttachDelete", BugCheck: 0xC9,
		Args: [4]string{"0x201: device object deleted while attached or in use", 2: "the device object"},
		Why:  "A device object was deleted, attached or detached in a state that does not allow it.",
		Fix:  "detach first (IoDetachDevice on the device below), then delete.",
		Cases: []verify.Case{
			{Name: "attached twice", BugCheck: verify.NoBugCheck,
				Fix: "attach each device once, right after IoCreateDevice."},
			{Name: "nothing is attached", BugCheck: verify.NoBugCheck,
				Fix: "pass the device that IoAttachDeviceToDeviceStack returned."},
		}},
	{ID: verify.OBJ_005, Name: "InitNotCleared", BugCheck: 0xC9,
		Args: [4]string{"0x243: DO_DEVICE_INITIALIZING left set", 2: "the device object"},
		Why: "A device made outside of DriverEntry kept DO_DEVICE_INITIALIZING; nobody can open it or " +
			"attach to it.",
		Fix: "as the last step: dev.Flags &^= irp.DO_DEVICE_INITIALIZING."},
	{ID: verify.OBJ_006, Name: "DeviceFlags", BugCheck: 0xC9,
		Args: [4]string{"0x244: sub-code of the I/O verifier"},
		Why: "The flags of a device do not fit those of the device it is attached to. The I/O manager " +
			"looks at the top one only and presents buffers in a form the drivers below do not expect.",
		Fix: "take the flags over when attaching: dev.Flags |= lower.Flags & (irp.DO_BUFFERED_IO | " +
			"irp.DO_DIRECT_IO), and the DeviceType of the device below.",
		Cases: []verify.Case{
			{Name: "both kinds of buffers", BugCheck: 0xC9,
				Args: [4]string{"0x245: flags of a device object", 2: "the device object"},
				Fix:  "choose one."},
			{Name: "DriverObject changed", BugCheck: verify.NoBugCheck, Fix: "treat the field as read-only."},
			{Name: "flags lost", BugCheck: verify.NoBugCheck,
				Fix: "set single bits (dev.Flags |= irp.DO_DIRECT_IO), do not assign the field."},
			{Name: "other buffers than below", BugCheck: 0xC9,
				Args: [4]string{"0x244: flags of a device object", 2: "the device object"},
				Fix:  "dev.Flags |= lower.Flags & (irp.DO_BUFFERED_IO | irp.DO_DIRECT_IO)"},
			{Name: "other DO_POWER_PAGABLE than below", BugCheck: 0xC9,
				Args: [4]string{"0x23f: flags of a device object", 2: "the device object"},
				Fix:  "dev.Flags |= lower.Flags & irp.DO_POWER_PAGABLE"},
			{Name: "other DeviceType than below", BugCheck: 0xC9,
				Args: [4]string{"0x246: flags of a device object", 2: "the device object"},
				Fix:  "create it with the DeviceType of the device it will be attached to."},
		}},
	{ID: verify.OBJ_009, Name: "WorkItemMisuse", BugCheck: 0xE4,
		Args: [4]string{"0x0: kind of misuse", "the work item"},
		Why:  "A work item was queued twice, freed while queued, or has no routine.",
		Fix: "use one work item per request, or remember in the extension that the item is queued; " +
			"free it only in its own routine or when it is not queued.",
		Cases: []verify.Case{
			{Name: "freed while queued", Args: [4]string{"0x2: memory with a queued work item is freed"},
				Fix: "free it in its own routine, or wait until that has run."},
			{Name: "WORK_QUEUE_ITEM",
				Fix: "ExInitializeWorkItem once, and queue it again only after its routine was called."},
			{Name: "of a driver object", BugCheck: verify.NoBugCheck, Fix: "use IoQueueWorkItemEx."},
			{Name: "in memory of the driver", BugCheck: verify.NoBugCheck,
				Fix: "IoUninitializeWorkItem, then free the memory."},
			{Name: "initialised again", BugCheck: verify.NoBugCheck,
				Fix: "IoUninitializeWorkItem first."},
			{Name: "made by IoAllocateWorkItem", BugCheck: verify.NoBugCheck,
				Fix: "call IoFreeWorkItem."},
			{Name: "never initialised", Fix: "call IoInitializeWorkItem first."},
			{Name: "queued already",
				Fix: "use one work item per request, or remember in the extension that the item is " +
					"queued."},
			{Name: "no device object", Args: [4]string{"0x3: an I/O work item without a device object"}},
		}},
	{ID: verify.OBJ_011, Name: "HandleMisuse", BugCheck: 0x93,
		Args: [4]string{"the handle"},
		Why:  "A handle was closed that is not open.",
		Fix: "initialise the handle, check the status of the call that opens it, and close it once " +
			"with ZwClose."},
	{ID: verify.OBJ_012, Name: "DanglingDeviceObjectReference",
		Why: "A reference to a device was never given back; the device cannot go, nor its driver.",
		Fix: "call ObDereferenceObject on the object the routine returned."},
	{ID: verify.OBJ_013, Name: "CancelSafeQueue",
		Why: "The callbacks of a cancel-safe queue and the library disagree about what is in it, or an " +
			"IRP was touched while the queue has it.",
		Fix: "let the callbacks keep exactly the IRPs that InsertIrp added and RemoveIrp has not " +
			"removed, initialise the queue once, and use an IRP only after taking it out.",
		Cases: []verify.Case{
			{Name: "memory goes", Fix: "take it out before the memory goes."},
			{Name: "touched in the queue",
				Fix: "after IoCsqInsertIrp return STATUS_PENDING; remove the IRP from the queue to " +
					"work on it."},
			{Name: "initialised twice", Fix: "initialise it once, before the first IRP."},
			{Name: "removed from another queue",
				Fix: "pass the context that the IRP was inserted with, and the same queue."},
			{Name: "locks that do not match",
				Fix: "release what AcquireLock acquired, and restore the IRQL it stored."},
			{Name: "context used twice", Fix: "give every IRP a context of its own."},
			{Name: "an IRP that is not in the queue",
				Fix: "keep exactly the IRPs that InsertIrp added and RemoveIrp has not removed."},
			{Name: "endless queue",
				Fix: "go on behind the IRP that is passed, and return NULL at the end."},
			{Name: "never initialised", Fix: "call IoCsqInitialize first."},
		}},
	{ID: verify.OBJ_014, Name: "ListCorruption", BugCheck: 0x139,
		Args: [4]string{"3: a list entry was corrupted"},
		Why: "A list entry was inserted or removed twice, or its memory went while it was linked. " +
			"Windows stops at the next operation that notices.",
		Fix: "remove an entry once and before its memory goes; call InitializeListHead once, and use " +
			"only interlocked or only plain routines with one list.",
		Cases: []verify.Case{
			{Name: "memory goes", Fix: "take it out before the memory goes."},
			{Name: "queue is not busy", BugCheck: verify.NoBugCheck,
				Fix: "call it once for each request that was begun or queued."},
			{Name: "freed in a list", Fix: "remove it from the list first."},
			{Name: "initialised while linked", Fix: "remove the entry first."},
			{Name: "initialised with entries", Fix: "initialise a list once, or empty it first."},
			{Name: "removed twice",
				Fix: "remove an entry once; InitializeListHead on it makes a second removal harmless."},
			{Name: "list never initialised", Fix: "call InitializeListHead once, before the first use."},
			{Name: "two kinds of routines",
				Fix: "use one kind: the interlocked routines do not know the lock of the others."},
			{Name: "two locks", Fix: "give the list one lock."},
			{Name: "in a list already", Fix: "one list at a time: remove it first."},
			{Name: "queue never initialised", Fix: "call KeInitializeDeviceQueue once."},
			{Name: "queue initialised with entries", Fix: "initialise a queue once, or empty it first."},
			{Name: "in a queue already", Fix: "one queue at a time: remove it first."},
			{Name: "DriverContext written",
				Fix: "keep the value somewhere else, or in DriverContext[3]."},
			{Name: "removed from another queue", Fix: "remove it from the queue that it was put into."},
			{Name: "queue goes with entries",
				Fix: "complete every request that waits before the device is deleted."},
			{Name: "no IRP", Fix: "put IRPs only into the queue of a device object."},
		}},
}
