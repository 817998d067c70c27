package irql

import "calloutsim/internal/verify"

// Rules are the records of the rules that this package and internal/ke detect.
var Rules = verify.WithFixes(records, fixes)

var records = []verify.Record{
	{ID: verify.IRQL_001, Name: "AboveMaximum", Package: "irql", BugCheck: 0xC4, SubCode: 0xE5,
		Why: "A routine that may wait, touch pageable memory or take a lock of a lower level does so with " +
			"the scheduler or the pager shut out; without the verifier it works until a page is out or a " +
			"thread switch is needed, and then it is 0xA, 0xD1 or a hang."},
	{ID: verify.IRQL_002, Name: "BelowMinimum", Package: "irql", BugCheck: 0xC4, SubCode: 0x20003,
		Why: "The routine relies on nothing else running on its processor. Below its minimum it can be " +
			"preempted half way, and the next one to come spins for ever or finds half-written state."},
	{ID: verify.IRQL_003, Name: "RaiseToLower", Package: "irql", BugCheck: 0xC4, SubCode: 0x30,
		Why: "A raise that lowers lets in what the caller shut out, for instance while a spin lock is " +
			"held. A free build sets the level all the same."},
	{ID: verify.IRQL_004, Name: "LowerToHigher", Package: "irql", BugCheck: 0xC4, SubCode: 0x31,
		Why: "A lowering that raises leaves the thread at a level nobody will restore; every wait and " +
			"every page fault after it is fatal."},
	{ID: verify.IRQL_005, Name: "IrqlKeRaiseLower2", Package: "irql",
		Why: "Raise and lower nest. Lowering to another level than the saved one drops protection that an " +
			"outer caller relies on."},
	{ID: verify.IRQL_006, Name: "LowersContext", Package: "irql", BugCheck: 0xC4, SubCode: 0x31,
		Why: "A DPC, or the holder of a spin lock, must keep its processor to itself. Below DISPATCH_LEVEL " +
			"a thread switch can happen, and everybody else spins for a holder that does not run."},
	{ID: verify.IRQL_007, Name: "CallbackChangesIrql", Package: "irql", BugCheck: 0xC8,
		Why: "The caller goes on at a level it does not expect: a worker thread that cannot wait, or a " +
			"path that thinks it is protected and is not."},
	{ID: verify.IRQL_008, Name: "PageableAtDispatch", Package: "irql", BugCheck: 0xD1,
		Why: "A page fault cannot be served from DISPATCH_LEVEL on: the access is fatal as soon as the " +
			"page is out, which it seldom is on the machine of the author. Pool and MDL accessors detect " +
			"it."},
	{ID: verify.IRQL_009, Name: "PagedCode", Package: "irql",
		Why: "At DISPATCH_LEVEL a page fault cannot be served. The function works as long as its page " +
			"happens to be resident."},
	{ID: verify.IRQL_010, Name: "PagedRoutine", Package: "irql", BugCheck: 0xC9, SubCode: 0x227,
		Why: "Whoever calls such a routine may be at DISPATCH_LEVEL, where a page of code that is out " +
			"cannot be brought in. Detected when the routine itself says PAGED_CODE."},
	{ID: verify.IRQL_011, Name: "WaitAtDispatch", Package: "irql", BugCheck: 0xC4, SubCode: 0x3B,
		Why: "At DISPATCH_LEVEL no other thread can be dispatched on the processor, so nobody can end the " +
			"wait there: 0xB8 without the verifier."},
	{ID: verify.IRQL_012, Name: "IrqlKeSetEvent", Package: "irql", BugCheck: 0xC4, SubCode: 0x80,
		Why: "KeSetEvent readies threads under the dispatcher lock, which is a lock of DISPATCH_LEVEL; " +
			"with Wait = TRUE it announces a wait, which needs APC_LEVEL or less."},
	{ID: verify.IRQL_013, Name: "WaitTrueWithoutWait", Package: "irql",
		Why: "With Wait = TRUE the routine returns at a raised IRQL, holding what the announced wait takes " +
			"over. Whatever runs instead of that wait runs there, and nobody lowers the level again."},
	{ID: verify.IRQL_014, Name: "IrqlKeApcLte2", Package: "irql", BugCheck: 0xC4, SubCode: 0x11A,
		Why: "The counters of a region belong to the thread. From DISPATCH_LEVEL on there may be no thread " +
			"of the caller, and leaving may have to deliver APCs, which cannot be done there."},
	{ID: verify.IRQL_015, Name: "FileAbovePassive", Package: "irql", BugCheck: 0xC4, SubCode: 0xE6,
		Why: "File operations end with a special kernel APC of the calling thread and touch pageable " +
			"memory. Above PASSIVE_LEVEL the call hangs or faults, if it happens not to go through."},
	{ID: verify.IRQL_016, Name: "NotAnIrql", Package: "irql",
		Why: "The value was never returned by a raise; the level after the call is whatever lay in the " +
			"variable."},
	{ID: verify.IRQL_017, Name: "ApcsNeededButDisabled", Package: "irql",
		Why: "A request bound to the thread ends with a special kernel APC of it: the event is set there. " +
			"In a guarded region or at APC_LEVEL that APC waits for the thread, and the thread for it."},
	{ID: verify.IRQL_018, Name: "PageableSynchronization", Package: "irql", BugCheck: 0xC4, SubCode: 0xE1,
		Why: "The scheduler and spin locks touch the object at DISPATCH_LEVEL and above, where a page " +
			"fault is fatal: 0xA as soon as the page is out."},
	{ID: verify.IRQL_019, Name: "TooLongAtDispatch", Package: "irql", BugCheck: 0x133,
		Why: "Nothing else runs on the processor meanwhile, neither threads nor other DPCs. The guideline " +
			"is 100 microseconds; the watchdog waits much longer."},
	{ID: verify.IRQL_020, Name: "ApcCountLeft", Package: "irql", BugCheck: 0x1,
		Why: "A system thread is used again by others. With APCs disabled its I/O never completes and it " +
			"cannot be suspended or ended."},
	{ID: verify.IRQL_021, Name: "UserModeStackWait", Package: "irql", BugCheck: 0xC4, SubCode: 0x123,
		Why: "During a UserMode wait the kernel stack may be paged out, and the object that others are to " +
			"signal lies on it."},
	{ID: verify.IRQL_022, Name: "TooManyWaitObjects", Package: "irql", BugCheck: 0xC,
		Why: "A thread has room for three wait blocks; more need memory of the caller, and 64 is the limit " +
			"of the status codes."},
	{ID: verify.LOCK_001, Name: "RecursiveSpinLock", Package: "irql", BugCheck: 0xF,
		Why: "The holder spins for a lock that only it could release: the processor hangs at " +
			"DISPATCH_LEVEL."},
	{ID: verify.LOCK_002, Name: "ReleaseNotHeld", Package: "irql", BugCheck: 0x10,
		Why: "Releasing what one does not hold opens the lock under its real holder, and sets a level " +
			"nobody saved."},
	{ID: verify.LOCK_003, Name: "LockOrder", Package: "irql", BugCheck: 0xC4, SubCode: 0x1001,
		Why: "Two contexts that take two locks in different orders can each end up holding what the other " +
			"one needs. That it did not happen in this run was luck. Driver Verifier watches spin locks, " +
			"mutexes and fast mutexes; the same for resources, push locks and guarded mutexes is an " +
			"extension."},
	{ID: verify.LOCK_004, Name: "ReleasedByStranger", Package: "irql", BugCheck: 0xC4, SubCode: 0x1004,
		Why: "The APC state or level saved by the owner is restored in another thread, and the owner keeps " +
			"what it should have got back."},
	{ID: verify.LOCK_005, Name: "ReleasedOutOfOrder", Package: "irql", BugCheck: 0xC4, SubCode: 0x1003,
		Why: "Legal, but the levels and owners of nested locks only come out right in reverse order."},
	{ID: verify.LOCK_006, Name: "WrongKindOfRelease", Package: "irql", BugCheck: 0xC4, SubCode: 0x1009,
		Why: "Each kind of acquisition keeps its state elsewhere: a queue entry, a saved level. The other " +
			"kind of release leaves that behind, and waiters in the queue are never woken."},
	{ID: verify.LOCK_007, Name: "LockInitialisation", Package: "irql", BugCheck: 0xC4, SubCode: 0x1005,
		Why: "A lock with stale memory looks held or has broken lists; initialising one that is in use " +
			"throws its holder and its waiters away."},
	{ID: verify.LOCK_008, Name: "HeldAtReturn", Package: "irql", BugCheck: 0xC4,
		Why: "Nobody is left who knows that the lock has to be released; the next acquisition hangs."},
	{ID: verify.LOCK_009, Name: "ReleaseLevel", Package: "irql", BugCheck: 0xC4, SubCode: 0x32,
		Why: "The level was changed while the lock was held, so the holder could have been preempted, or " +
			"interrupted by a DPC that wants the lock."},
	{ID: verify.LOCK_010, Name: "ReleaseToWrongIrql", Package: "irql", BugCheck: 0xC4, SubCode: 0x20015,
		Why: "The level saved by the acquisition belongs to this lock. Restoring another one leaves the " +
			"thread too high, or drops below a lock still held."},
	{ID: verify.LOCK_011, Name: "AtDpcLevelBelow", Package: "irql", BugCheck: 0xC4, SubCode: 0x40,
		Why: "The form does not raise. A thread switch or a DPC on the same processor then meets a lock " +
			"whose holder cannot run."},
	{ID: verify.LOCK_012, Name: "SpinLockAboveDispatch", Package: "irql", BugCheck: 0xC4, SubCode: 0x42,
		Why: "The raise would be a lowering: the level drops to DISPATCH_LEVEL in the middle of an " +
			"interrupt."},
	{ID: verify.LOCK_013, Name: "CallOutWithSpinLock", Package: "irql",
		Why: "Who is called may complete the request at once and come back into this driver, which then " +
			"wants the lock it holds; or it takes locks of its own in the other order."},
	{ID: verify.LOCK_015, Name: "LockOutlivesOwner", Package: "irql", BugCheck: 0xC4, SubCode: 0x100B,
		Why: "The lock can never be released, or the memory in which waiters are linked is used for " +
			"something else."},
	{ID: verify.LOCK_016, Name: "FastMutexMisuse", Package: "irql", BugCheck: 0xC4, SubCode: 0x33,
		Why: "These mutexes know one owner and no recursion; at a wrong level, or with APCs let in, the " +
			"owner waits for itself or is suspended while it holds the mutex."},
	{ID: verify.LOCK_017, Name: "MutexMisuse", Package: "irql", BugCheck: 0x1E,
		Why: "KeReleaseMutex raises STATUS_MUTANT_NOT_OWNED, which a driver without handler does not " +
			"survive; a mutex still owned at the end of a callback leaves kernel APCs disabled in a " +
			"thread of somebody else."},
	{ID: verify.LOCK_018, Name: "ResourceMisuse", Package: "irql", BugCheck: 0xC4, SubCode: 0x37,
		Why: "A thread that owns a resource and is suspended by an APC stops everybody else; one that " +
			"waits for itself never goes on; and the system keeps all resources in a list, from which they " +
			"must be deleted before their memory goes."},
	{ID: verify.LOCK_019, Name: "RegionNotBalanced", Package: "irql", BugCheck: 0xC4, SubCode: 0x3E,
		Why: "The counter ends positive or negative; APCs stay off, or come in where somebody further up " +
			"has shut them out."},
	{ID: verify.LOCK_022, Name: "RundownMisuse", Package: "irql",
		Why: "The count no longer says who uses the object: it is deleted in use, or the wait for its last " +
			"user never ends."},
	{ID: verify.LOCK_023, Name: "PushLockMisuse", Package: "irql", BugCheck: 0xC4, SubCode: 0xEA,
		Why: "A push lock knows neither its owner nor recursion: a second acquisition waits for ever, a " +
			"release by a stranger opens it under its holder, and a holder that is suspended by an APC " +
			"stops everybody else."},
	{ID: verify.LOCK_024, Name: "SemaphoreLimit", Package: "irql", BugCheck: 0x1E,
		Why: "KeReleaseSemaphore raises STATUS_SEMAPHORE_LIMIT_EXCEEDED, and a driver without handler does " +
			"not survive that."},
	{ID: verify.LOCK_025, Name: "ReaderWriterMisuse", Package: "irql",
		Why: "The processor spins for a lock that only it could release: a reader for the writer it wants " +
			"to become, or behind a writer that waits for it. The wrong kind of release leaves the count " +
			"of readers wrong."},
	{ID: verify.LOCK_026, Name: "Deadlock", Package: "irql", BugCheck: 0x101,
		Why: "Everybody waits for somebody else, or for something that nobody is left to signal. Windows " +
			"hangs, or shows a watchdog bug check much later."},
	{ID: verify.LOCK_027, Name: "SpinLockHeldTooLong", Package: "irql", BugCheck: 0x133, SubCode: 0x1,
		Why: "Everybody who wants the lock spins meanwhile, each on a processor of its own. The guideline " +
			"is 25 microseconds."},
	{ID: verify.LOCK_028, Name: "QueueHandleReused", Package: "irql",
		Why: "The handle is the entry in the queue of waiters. Used for two acquisitions it links the " +
			"queue into itself."},
	{ID: verify.OBJ_001, Name: "ReinitialisedWithWaiters", Package: "irql", BugCheck: 0x139, SubCode: 0x3,
		Why: "The list head is overwritten while waiters are linked to it: they never wake, or the list " +
			"check fails fast."},
	{ID: verify.OBJ_002, Name: "FreedWithWaiters", Package: "irql", BugCheck: 0x139, SubCode: 0x3,
		Why: "The memory is used for something else while a wait or a signal still goes through its list."},
	{ID: verify.OBJ_007, Name: "TimerMisuse", Package: "irql", BugCheck: 0xC7,
		Why: "A timer is linked in the timer queue of the system. Overwritten or gone, it takes the queue " +
			"with it at the next expiry."},
	{ID: verify.OBJ_008, Name: "DpcMisuse", Package: "irql", BugCheck: 0xC7, SubCode: 0x1,
		Why: "A DPC is linked in the queue of a processor. Overwritten or gone, the processor calls what " +
			"then lies there."},
	{ID: verify.OBJ_010, Name: "SystemThreadMisuse", Package: "irql", BugCheck: 0xE9,
		Why: "A thread whose code or object goes away, or that ends a worker of the system, takes down " +
			"what relies on it."},
}
