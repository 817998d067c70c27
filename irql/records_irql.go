package irql

import "calloutsim/internal/verify"

// irqlRules are about levels and waits.
var irqlRules = []verify.Record{
	{ID: verify.IRQL_001, Name: "AboveMaximum", BugCheck: 0xC4,
		Args: [4]string{"0xe5: a routine was called at a wrong IRQL", "current IRQL", "the routine"},
		Why: "A routine that may wait, touch pageable memory or take a lock of a lower level does so " +
			"with the scheduler or the pager shut out; without the verifier it works until a page is " +
			"out or a thread switch is needed, and then it is 0xA, 0xD1 or a hang.",
		Fix: "call it before the level is raised or the lock is taken, or in a work item " +
			"(IoQueueWorkItem), whose routine runs at PASSIVE_LEVEL.",
		Cases: []verify.Case{
			{Name: "Unicode text", BugCheck: verify.NoBugCheck,
				Fix: "print such text at PASSIVE_LEVEL, or as ANSI."},
			{Name: "Wait = TRUE", Fix: "pass FALSE for Wait."},
			{Name: "for PASSIVE_LEVEL",
				Fix: "move the call to a work item (IoQueueWorkItem): its routine runs at PASSIVE_LEVEL."},
		}},
	{ID: verify.IRQL_002, Name: "BelowMinimum", BugCheck: 0xC4,
		Args: [4]string{"0xe5: a routine was called at a wrong IRQL", "current IRQL", "the routine"},
		Why: "The routine relies on nothing else running on its processor. Below its minimum it can be " +
			"preempted half way, and the next one to come spins for ever or finds half-written state.",
		Fix: "use the form for lower levels: KeAcquireSpinLock in place of " +
			"KeAcquireSpinLockAtDpcLevel, or raise the level before."},
	{ID: verify.IRQL_003, Name: "RaiseToLower", BugCheck: 0xC4,
		Args: [4]string{"0x30: what was done", "current IRQL", "new IRQL"},
		Why: "A raise that lowers lets in what the caller shut out, for instance while a spin lock is " +
			"held. A free build sets the level all the same.",
		Fix: "test KeGetCurrentIrql before raising, or raise where the level is known."},
	{ID: verify.IRQL_004, Name: "LowerToHigher", BugCheck: 0xC4,
		Args: [4]string{"0x31: what was done", "current IRQL", "new IRQL"},
		Why: "A lowering that raises leaves the thread at a level nobody will restore; every wait and " +
			"every page fault after it is fatal.",
		Fix: "use KeRaiseIrql to go up; KeLowerIrql takes the level that KeRaiseIrql saved."},
	{ID: verify.IRQL_005, Name: "IrqlKeRaiseLower2",
		Why: "Raise and lower nest. Lowering to another level than the saved one drops protection that " +
			"an outer caller relies on.",
		Fix: "pass the value that KeRaiseIrql stored in OldIrql."},
	{ID: verify.IRQL_006, Name: "LowersContext", BugCheck: 0xC4,
		Args: [4]string{"0x31: what was done", "current IRQL", "new IRQL"},
		Why: "A DPC, or the holder of a spin lock, must keep its processor to itself. Below " +
			"DISPATCH_LEVEL a thread switch can happen, and everybody else spins for a holder that " +
			"does not run.",
		Fix: "leave the level of a DPC, completion routine or classifyFn alone; queue a work item " +
			"(IoQueueWorkItem) for what needs a lower one.",
		Cases: []verify.Case{
			{Name: "lowered in a DPC", Fix: "queue a work item for what needs a lower level."},
			{Name: "lowered under a lock", Fix: "release nested locks in reverse order."},
			{Name: "released in a DPC", Args: [4]string{"0x20015: spin lock released to another IRQL"},
				Fix: "queue a work item for what needs a lower level."},
			{Name: "released under another lock",
				Args: [4]string{"0x20015: spin lock released to another IRQL"},
				Fix:  "release nested locks in reverse order."},
		}},
	{ID: verify.IRQL_007, Name: "CallbackChangesIrql", BugCheck: 0xC8,
		Why: "The caller goes on at a level it does not expect: a worker thread that cannot wait, or a " +
			"path that thinks it is protected and is not.",
		Fix: "restore the level on every path."},
	{ID: verify.IRQL_008, Name: "PageableAtDispatch", BugCheck: 0xD1,
		Args: [4]string{"memory referenced", "IRQL", "0 read, 1 write"},
		Why: "A page fault cannot be served from DISPATCH_LEVEL on: the access is fatal as soon as the " +
			"page is out, which it seldom is on the machine of the author. Pool and MDL accessors detect it.",
		Fix: "allocate it with POOL_FLAG_NON_PAGED, or copy what is needed before the IRQL is raised.",
		Cases: []verify.Case{
			{Name: "pool",
				Fix: "allocate it with POOL_FLAG_NON_PAGED, or do this work at PASSIVE_LEVEL."},
			{Name: "a buffer of the program",
				Fix: "map the buffer with an MDL before the IRQL is raised."},
		}},
	{ID: verify.IRQL_009, Name: "PagedCode",
		Why: "At DISPATCH_LEVEL a page fault cannot be served. The function works as long as its page " +
			"happens to be resident.",
		Fix: "make the function nonpageable, or call it before the level is raised."},
	{ID: verify.IRQL_010, Name: "PagedRoutine", BugCheck: 0xC9,
		Args: [4]string{"0x227: a completion routine is pageable code"},
		Why: "Whoever calls such a routine may be at DISPATCH_LEVEL, where a page of code that is out " +
			"cannot be brought in. Detected when the routine itself says PAGED_CODE.",
		Fix: "make the routine nonpageable: it may run at DISPATCH_LEVEL.",
		Cases: []verify.Case{
			{Name: "no completion routine", BugCheck: 0xD1},
		}},
	{ID: verify.IRQL_011, Name: "WaitAtDispatch", BugCheck: 0xC4,
		Args: [4]string{"0x3b: wait at DISPATCH_LEVEL or above", "current IRQL", "the object"},
		Why: "At DISPATCH_LEVEL no other thread can be dispatched on the processor, so nobody can end " +
			"the wait there: 0xB8 without the verifier.",
		Fix: "wait in a work item, or let a completion routine or DPC carry on."},
	{ID: verify.IRQL_012, Name: "IrqlKeSetEvent", BugCheck: 0xC4,
		Args: [4]string{"0x80: KeSetEvent at a wrong IRQL", "current IRQL", "the event"},
		Why: "KeSetEvent readies threads under the dispatcher lock, which is a lock of DISPATCH_LEVEL; " +
			"with Wait = TRUE it announces a wait, which needs APC_LEVEL or less.",
		Fix: "pass FALSE for Wait.",
		Cases: []verify.Case{
			{Name: "Wait = TRUE", Fix: "pass FALSE for Wait."},
		}},
	{ID: verify.IRQL_013, Name: "WaitTrueWithoutWait",
		Why: "With Wait = TRUE the routine returns at a raised IRQL, holding what the announced wait " +
			"takes over. Whatever runs instead of that wait runs there, and nobody lowers the level again.",
		Fix: "pass FALSE for Wait, unless the very next call is KeWaitForSingleObject or the like."},
	{ID: verify.IRQL_014, Name: "IrqlKeApcLte2", BugCheck: 0xC4,
		Args: [4]string{"0x11a: region entered or left above APC_LEVEL", "current IRQL"},
		Why: "The counters of a region belong to the thread. From DISPATCH_LEVEL on there may be no " +
			"thread of the caller, and leaving may have to deliver APCs, which cannot be done there.",
		Fix: "enter the region before the level is raised.",
		Cases: []verify.Case{
			{Name: "a guarded region", Args: [4]string{"0x11b: region entered or left above APC_LEVEL"}},
		}},
	{ID: verify.IRQL_015, Name: "FileAbovePassive", BugCheck: 0xC4,
		Args: [4]string{"0xe6: a file routine was called at a wrong IRQL", "the routine", "current IRQL",
			"APC disable count"},
		Why: "File operations end with a special kernel APC of the calling thread and touch pageable " +
			"memory. Above PASSIVE_LEVEL the call hangs or faults, if it happens not to go through.",
		Fix: "call it before the level is raised, or in a work item (IoQueueWorkItem)."},
	{ID: verify.IRQL_016, Name: "NotAnIrql",
		Why: "The value was never returned by a raise; the level after the call is whatever lay in the " +
			"variable.",
		Fix: "pass the level that was saved when it was raised; the variable was never set, or " +
			"something else was stored in it.",
		Cases: []verify.Case{
			{Name: "lowered", BugCheck: 0xC4,
				Args: [4]string{"0x31: what was done", "current IRQL", "new IRQL"}},
			{Name: "released", BugCheck: 0xC4,
				Args: [4]string{"0x20015: spin lock released to another IRQL"}},
		}},
	{ID: verify.IRQL_017, Name: "ApcsNeededButDisabled",
		Why: "A request bound to the thread ends with a special kernel APC of it: the event is set " +
			"there. In a guarded region or at APC_LEVEL that APC waits for the thread, and the thread " +
			"for it.",
		Fix: "wait outside, or use a critical region: it lets special kernel APCs in."},
	{ID: verify.IRQL_018, Name: "PageableSynchronization", BugCheck: 0xC4,
		Args: [4]string{"0xe1: synchronization object in pageable memory", "the object"},
		Why: "The scheduler and spin locks touch the object at DISPATCH_LEVEL and above, where a page " +
			"fault is fatal: 0xA as soon as the page is out.",
		Fix: "allocate its memory with POOL_FLAG_NON_PAGED, or put it into the device extension.",
		Cases: []verify.Case{
			{Name: "device queue",
				Args: [4]string{"0xe1: synchronisation object in pageable memory", "the queue"},
				Fix:  "put it into the device extension or into nonpaged pool."},
			{Name: "IRP", BugCheck: verify.NoBugCheck,
				Fix: "use nonpaged pool, a nonpaged lookaside list or the device extension."},
			{Name: "work item", Args: [4]string{"0x131: work item in pageable memory", "the work item"},
				Fix: "allocate its memory with POOL_FLAG_NON_PAGED, or put it into the device extension."},
		}},
	{ID: verify.IRQL_019, Name: "TooLongAtDispatch", BugCheck: 0x133,
		Args: [4]string{"0x0: one DPC took too long"},
		Why: "Nothing else runs on the processor meanwhile, neither threads nor other DPCs. The " +
			"guideline is 100 microseconds; the watchdog waits much longer.",
		Fix: "split the work, or do it in a work item."},
	{ID: verify.IRQL_020, Name: "ApcCountLeft", BugCheck: 0x1,
		Args: [4]string{"the routine", 2: "APC disable count now"},
		Why: "A system thread is used again by others. With APCs disabled its I/O never completes and " +
			"it cannot be suspended or ended.",
		Fix: "call the matching leave routine (KeLeaveCriticalRegion, KeLeaveGuardedRegion) on every path."},
	{ID: verify.IRQL_021, Name: "UserModeStackWait", BugCheck: 0xC4,
		Args: [4]string{"0x123: UserMode wait on a stack object"},
		Why: "During a UserMode wait the kernel stack may be paged out, and the object that others are " +
			"to signal lies on it.",
		Fix: "wait in KernelMode."},
	{ID: verify.IRQL_022, Name: "TooManyWaitObjects", BugCheck: 0xC,
		Why: "A thread has room for three wait blocks; more need memory of the caller, and 64 is the " +
			"limit of the status codes.",
		Fix: "pass an array of KWAIT_BLOCK for more than THREAD_WAIT_OBJECTS objects; " +
			"MAXIMUM_WAIT_OBJECTS is the limit.",
		Cases: []verify.Case{
			{Name: "no WaitBlockArray", Fix: "pass a WaitBlockArray with an element for each object."},
			{Name: "WaitBlockArray in use", Fix: "give each wait an array of its own."},
		}},
}
