package irql

import "calloutsim/internal/verify"

// objectRules are about dispatcher objects, timers, DPCs and threads.
var objectRules = []verify.Record{
	{ID: verify.OBJ_001, Name: "ReinitialisedWithWaiters", BugCheck: 0x139,
		Args: [4]string{"3: a list entry was corrupted"},
		Why: "The list head is overwritten while waiters are linked to it: they never wake, or the " +
			"list check fails fast.",
		Fix: "use KeClearEvent or KeResetEvent to reset; initialise an object once, before anybody can " +
			"wait for it.",
		Cases: []verify.Case{
			{Name: "never initialised", BugCheck: verify.NoBugCheck,
				Fix: "initialise it once, before anybody can use it."},
		}},
	{ID: verify.OBJ_002, Name: "FreedWithWaiters", BugCheck: 0x139,
		Args: [4]string{"3: a list entry was corrupted"},
		Why:  "The memory is used for something else while a wait or a signal still goes through its list.",
		Fix: "keep the memory until every waiter has returned and KeSetEvent has returned: a reference " +
			"count, or an event outside the block.",
		Cases: []verify.Case{
			{Name: "used after the function has returned",
				Fix: "wait for the last user before the function returns (cancel first, then wait " +
					"without a time-out), or allocate the object."},
			{Name: "last handle closed", Fix: "close the handle when nobody uses the event any more."},
		}},
	{ID: verify.OBJ_007, Name: "TimerMisuse", BugCheck: 0xC7,
		Args: [4]string{"0: a timer", "the timer"},
		Why: "A timer is linked in the timer queue of the system. Overwritten or gone, it takes the " +
			"queue with it at the next expiry.",
		Fix: "initialise the timer once; before its memory goes call KeCancelTimer and, since it may " +
			"have expired, KeFlushQueuedDpcs.",
		Cases: []verify.Case{
			{Name: "two attributes", Fix: "choose one."},
			{Name: "absolute time", Fix: "pass a negative time, which is relative."},
			{Name: "negative tolerance", Fix: "pass a time, or EX_TIMER_UNLIMITED_TOLERANCE."},
			{Name: "waits without cancelling", Fix: "pass TRUE for Cancel as well."},
			{Name: "NULL", Fix: "check the result of ExAllocateTimer."},
			{Name: "deleted", Fix: "delete it last, and only once."},
			{Name: "memory goes",
				Fix: "KeCancelTimer and, with a DPC, KeFlushQueuedDpcs before the memory goes."},
			{Name: "initialised while set", Fix: "KeCancelTimer first, or set it anew with KeSetTimer."},
			{Name: "shared DPC", BugCheck: verify.NoBugCheck, Fix: "give each timer a DPC of its own."},
			{Name: "never initialised", BugCheck: verify.NoBugCheck,
				Fix: "initialise it once, before anybody can use it."},
			{Name: "its DPC is queued", Fix: "use a DPC of its own."},
		}},
	{ID: verify.OBJ_008, Name: "DpcMisuse", BugCheck: 0xC7,
		Args: [4]string{"1: kind of object and state", "the DPC"},
		Why: "A DPC is linked in the queue of a processor. Overwritten or gone, the processor calls " +
			"what then lies there.",
		Fix: "keep the packets in a list and let the DPC take all that are there; where " +
			"KeInsertQueueDpc returns FALSE, its arguments are lost.",
		Cases: []verify.Case{
			{Name: "memory goes", Args: [4]string{"0: kind of object and state"},
				Fix: "KeFlushQueuedDpcs before the memory goes, and allocate the DPC."},
			{Name: "initialised while queued", Fix: "initialise it once."},
			{Name: "arguments lost", BugCheck: verify.NoBugCheck,
				Fix: "look at FALSE and keep the arguments, or put the work into a queue that the DPC " +
					"empties, and pass no arguments."},
			{Name: "local variable", Fix: "allocate the DPC."},
			{Name: "KeSignalCallDpcDone not called", BugCheck: verify.NoBugCheck,
				Fix: "call it last, on every path."},
			{Name: "KeSignalCallDpcDone called twice", BugCheck: verify.NoBugCheck,
				Fix: "call it once, last."},
			{Name: "never initialised", BugCheck: verify.NoBugCheck,
				Fix: "initialise it once, before anybody can use it."},
		}},
	{ID: verify.OBJ_010, Name: "SystemThreadMisuse", BugCheck: 0xE9,
		Why: "A thread whose code or object goes away, or that ends a worker of the system, takes down " +
			"what relies on it.",
		Fix: "signal the thread to stop, wait for its object (KeWaitForSingleObject), then " +
			"ObDereferenceObject and ZwClose, before DriverUnload returns.",
		Cases: []verify.Case{
			{Name: "in a DPC", Fix: "let the thread end itself: return from its routine."},
			{Name: "in a work item", Fix: "return from the routine."},
			{Name: "handle left", BugCheck: verify.NoBugCheck,
				Fix: "ZwClose the handle, at the latest when the thread object is referenced."},
			{Name: "reference left", BugCheck: verify.NoBugCheck,
				Fix: "ObDereferenceObject when the wait for the thread is over."},
		}},
}
