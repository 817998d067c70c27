package irp

import "calloutsim/internal/verify"

// unloadRules are about what a driver leaves behind.
var unloadRules = []verify.Record{
	{ID: verify.UNLOAD_001, Name: "PoolLeft", BugCheck: 0xC4,
		Args: [4]string{"0x62: pool left at unload", "the driver", "0x0: reserved", "blocks left"},
		Why:  "A driver was unloaded and left pool blocks behind.",
		Fix: "free every block in DriverUnload: empty the lists and caches, and free what only a " +
			"failed path of DriverEntry has kept.",
		Cases: []verify.Case{
			{Name: "work item",
				Args: [4]string{"0x62: a driver has forgotten to free its pool allocations",
					3: "1: allocations not freed"},
				Fix: "call IoFreeWorkItem, at the latest in the work item's own routine."},
			{Name: "reserved addresses", BugCheck: verify.NoBugCheck,
				Fix: "MmFreeMappingAddress in the unload routine."},
		}},
	{ID: verify.UNLOAD_002, Name: "TimerOrDpcLeft", BugCheck: 0xC7,
		Why: "A timer is set or a DPC queued or running when its driver is unloaded; the processor " +
			"will jump into memory that is gone.",
		Fix: "in DriverUnload call KeCancelTimer, then KeFlushQueuedDpcs."},
	{ID: verify.UNLOAD_003, Name: "LookasideLeft", BugCheck: 0xCE,
		Args: [4]string{"the driver"},
		Why:  "A driver was unloaded and left a lookaside list that the system still trims.",
		Fix:  "delete it in the unload routine."},
	{ID: verify.UNLOAD_004, Name: "ThreadLeft", BugCheck: 0xCE,
		Why: "A system thread of the driver still runs when the driver is unloaded.",
		Fix: "signal the thread to stop and wait for its thread object in DriverUnload."},
	{ID: verify.UNLOAD_005, Name: "ResourceLeft", BugCheck: 0xC4,
		Args: [4]string{"0xd2: memory that goes holds an active ERESOURCE"},
		Why: "The system keeps all resources in a list. One whose memory goes with its driver takes " +
			"the list with it.",
		Fix: "call ExDeleteResourceLite in DriverUnload."},
	{ID: verify.UNLOAD_006, Name: "DeviceLeft",
		Why: "A device object still exists after its driver was unloaded; the next request to it calls " +
			"code that is gone.",
		Fix: "call IoDeleteDevice for every device in DriverUnload.",
		Cases: []verify.Case{
			{Name: "symbolic link",
				Fix: "call IoDeleteSymbolicLink in DriverUnload, before IoDeleteDevice."},
		}},
	{ID: verify.UNLOAD_007, Name: "IrpLeft", BugCheck: 0xCE,
		Args: [4]string{"the routine that will be called"},
		Why:  "An IRP is in flight whose completion routine lies in a driver that was unloaded.",
		Fix:  "cancel the IRP and wait for its completion routine before returning from DriverUnload."},
	{ID: verify.UNLOAD_008, Name: "RegistrationLeft", BugCheck: 0xCE,
		Why: "What is registered calls into a driver that is gone. Notify routines and callbacks have " +
			"this number; other kinds of registration have a rule of their own that says so: WFP-013 " +
			"to WFP-015 for callouts, WFP-098 for redirect handles, WSK-005 and WSK-020 for clients of WSK.",
		Fix: "deregister everything in DriverUnload, and where the answer is busy or pending wait for " +
			"the callback that says it is over.",
		Cases: []verify.Case{
			{Name: "callback", Fix: "call ExUnregisterCallback in DriverUnload."},
			{Name: "process notify routine",
				Fix: "PsSetCreateProcessNotifyRoutine with TRUE for Remove in DriverUnload, before " +
					"what the routine uses goes."},
			{Name: "image notify routine",
				Fix: "PsRemoveLoadImageNotifyRoutine in DriverUnload, before what the routine uses goes."},
		}},
	{ID: verify.UNLOAD_010, Name: "AllocationDuringUnload", BugCheck: 0xC4,
		Args: [4]string{"0x61: pool allocated while the driver unloads", "bytes of paged pool",
			"bytes of nonpaged pool", "blocks not freed"},
		Why: "A thread or work item still allocated memory while the unload routine ran, and nobody " +
			"was left to free it. Code that still works then may as well run after the driver has gone.",
		Fix: "stop workers first: wait in DriverUnload for the end of every thread and work item, then " +
			"free what they left."},
	{ID: verify.UNLOAD_012, Name: "UnloadedCodeRuns", BugCheck: 0xCE,
		Why: "A callback of a driver was called after the driver had been unloaded.",
		Fix: "end every source of calls before DriverUnload returns: deregister callbacks, cancel " +
			"timers and flush DPCs, wait for work items, threads and IRPs."},
}
