package irql

import "calloutsim/internal/verify"

// fixes are the likely fixes of the rules about IRQL, locks, events, timers and threads,
// for reports whose finding knows no cause that is more particular.
var fixes = []verify.Record{
	{ID: verify.IRQL_001, Fix: "call it before the level is raised or the lock is taken, or in a work " +
		"item (IoQueueWorkItem), whose routine runs at PASSIVE_LEVEL."},
	{ID: verify.IRQL_002, Fix: "use the form for lower levels: KeAcquireSpinLock in place of " +
		"KeAcquireSpinLockAtDpcLevel, or raise the level before."},
	{ID: verify.IRQL_003, Fix: "ask KeGetCurrentIrql first, or leave the call out: the level is higher " +
		"already."},
	{ID: verify.IRQL_004, Fix: "use KeRaiseIrql to go up; KeLowerIrql takes the level that KeRaiseIrql " +
		"saved."},
	{ID: verify.IRQL_005, Fix: "pass the value that KeRaiseIrql stored in OldIrql."},
	{ID: verify.IRQL_006, Fix: "leave the level of a DPC, completion routine or classifyFn alone; queue " +
		"a work item (IoQueueWorkItem) for what needs a lower one."},
	{ID: verify.IRQL_007, Fix: "restore the level on every path."},
	{ID: verify.IRQL_008, Fix: "allocate it with POOL_FLAG_NON_PAGED, or copy what is needed before the " +
		"IRQL is raised."},
	{ID: verify.IRQL_009, Fix: "call the routine before the IRQL is raised or the lock is taken, or take " +
		"it out of the pageable section."},
	{ID: verify.IRQL_010, Fix: "put the routine into nonpageable code: it is called at DISPATCH_LEVEL."},
	{ID: verify.IRQL_011, Fix: "wait in a work item (IoQueueWorkItem) or a thread of your own, pend the " +
		"request meanwhile, or pass a time-out of zero."},
	{ID: verify.IRQL_012, Fix: "pass FALSE for Wait."},
	{ID: verify.IRQL_013, Fix: "pass FALSE for Wait, unless the very next call is KeWaitForSingleObject " +
		"or the like."},
	{ID: verify.IRQL_014, Fix: "enter and leave the region before the spin lock is acquired and after it " +
		"is released."},
	{ID: verify.IRQL_015, Fix: "call it in a work item (IoQueueWorkItem), or release the lock or fast " +
		"mutex first."},
	{ID: verify.IRQL_016, Fix: "pass the level that was saved when it was raised; the variable was never " +
		"set, or something else was stored in it."},
	{ID: verify.IRQL_017, Fix: "use KeEnterCriticalRegion in place of a guarded region or fast mutex, or " +
		"leave the region before the call."},
	{ID: verify.IRQL_018, Fix: "allocate its memory with POOL_FLAG_NON_PAGED, or put it into the device " +
		"extension."},
	{ID: verify.IRQL_019, Fix: "do less at a time at DISPATCH_LEVEL: take a few entries per DPC or per " +
		"acquisition, or go to a work item."},
	{ID: verify.IRQL_020, Fix: "call the matching leave routine (KeLeaveCriticalRegion, " +
		"KeLeaveGuardedRegion) on every path."},
	{ID: verify.IRQL_021, Fix: "pass KernelMode: a wait in UserMode lets the stack with the object be " +
		"paged out."},
	{ID: verify.IRQL_022, Fix: "pass an array of KWAIT_BLOCK for more than THREAD_WAIT_OBJECTS objects; " +
		"MAXIMUM_WAIT_OBJECTS is the limit."},
	{ID: verify.LOCK_001, Fix: "split the helper into one that locks and one for callers that hold the " +
		"lock."},
	{ID: verify.LOCK_002, Fix: "release a lock once per acquisition, on the path that acquired it."},
	{ID: verify.LOCK_003, Fix: "acquire the two locks in the same order everywhere, or release the first " +
		"before the second is taken."},
	{ID: verify.LOCK_004, Fix: "release it in the thread that acquired it; use an event or a semaphore " +
		"where one context hands over to another."},
	{ID: verify.LOCK_005, Fix: "release locks in the reverse order of their acquisition."},
	{ID: verify.LOCK_006, Fix: "acquire and release with the routines of one kind: " +
		"KeReleaseInStackQueuedSpinLock for KeAcquireInStackQueuedSpinLock, KeReleaseSpinLock for " +
		"KeAcquireSpinLock."},
	{ID: verify.LOCK_007, Fix: "initialise the lock once, in DriverEntry or where its memory is " +
		"allocated, before anybody can use it."},
	{ID: verify.LOCK_008, Fix: "release it on every path."},
	{ID: verify.LOCK_009, Fix: "leave the IRQL alone while a spin lock is held: KeReleaseSpinLock lowers " +
		"it."},
	{ID: verify.LOCK_010, Fix: "keep one variable for the saved IRQL of each lock, and pass each to its " +
		"own release."},
	{ID: verify.LOCK_011, Fix: "use KeAcquireSpinLock, which raises the IRQL, unless the code runs at " +
		"DISPATCH_LEVEL."},
	{ID: verify.LOCK_012, Fix: "do the work that needs the lock in a DPC (KeInsertQueueDpc)."},
	{ID: verify.LOCK_013, Fix: "collect under the lock, release it, then call."},
	{ID: verify.LOCK_015, Fix: "release the lock before the thread ends or the memory goes."},
	{ID: verify.LOCK_016, Fix: "acquire a fast or guarded mutex once, release it in the same thread, and " +
		"leave the IRQL alone in between."},
	{ID: verify.LOCK_017, Fix: "release a mutex in the thread that acquired it, once per acquisition."},
	{ID: verify.LOCK_018, Fix: "call ExEnterCriticalRegionAndAcquireResourceExclusive (or its shared " +
		"form), release once per acquisition, and ExDeleteResourceLite last."},
	{ID: verify.LOCK_019, Fix: "call the matching leave routine on every path, once."},
	{ID: verify.LOCK_022, Fix: "check the result of ExAcquireRundownProtection, release once per " +
		"successful acquisition, and wait only in code that holds none."},
	{ID: verify.LOCK_023, Fix: "enter a critical region before the push lock is acquired, release it in " +
		"the form it was acquired in, and leave the region behind that."},
	{ID: verify.LOCK_024, Fix: "release once per successful wait, or initialise the semaphore with a " +
		"higher limit."},
	{ID: verify.LOCK_025, Fix: "release in the form that was acquired, and use " +
		"ExTryConvertSharedSpinLockExclusive to go from shared to exclusive."},
	{ID: verify.LOCK_026, Fix: "acquire the locks in one order everywhere, and signal what is waited for " +
		"on every path; a thread must not wait for what only it can signal."},
	{ID: verify.LOCK_027, Fix: "shorten what is done under the lock: take the entries out under it and " +
		"work on them afterwards."},
	{ID: verify.LOCK_028, Fix: "use a local KLOCK_QUEUE_HANDLE for each acquisition."},
	{ID: verify.OBJ_001, Fix: "use KeClearEvent or KeResetEvent to reset; initialise an object once, " +
		"before anybody can wait for it."},
	{ID: verify.OBJ_002, Fix: "keep the memory until every waiter has returned and KeSetEvent has " +
		"returned: a reference count, or an event outside the block."},
	{ID: verify.OBJ_007, Fix: "initialise the timer once; before its memory goes call KeCancelTimer and, " +
		"since it may have expired, KeFlushQueuedDpcs."},
	{ID: verify.OBJ_008, Fix: "keep the packets in a list and let the DPC take all that are there; where " +
		"KeInsertQueueDpc returns FALSE, its arguments are lost."},
	{ID: verify.OBJ_010, Fix: "signal the thread to stop, wait for its object (KeWaitForSingleObject), " +
		"then ObDereferenceObject and ZwClose, before DriverUnload returns."},
}
