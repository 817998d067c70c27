package irql

import "calloutsim/internal/verify"

// lockRules are about locks.
var lockRules = []verify.Record{
	{ID: verify.LOCK_001, Name: "RecursiveSpinLock", BugCheck: 0xF,
		Args: [4]string{"the lock"},
		Why:  "The holder spins for a lock that only it could release: the processor hangs at DISPATCH_LEVEL.",
		Fix:  "split the helper into a version that locks and one that expects the lock."},
	{ID: verify.LOCK_002, Name: "ReleaseNotHeld", BugCheck: 0x10,
		Args: [4]string{"the lock"},
		Why: "Releasing what one does not hold opens the lock under its real holder, and sets a level " +
			"nobody saved.",
		Fix: "release a lock once per acquisition, on the path that acquired it."},
	{ID: verify.LOCK_003, Name: "LockOrder", BugCheck: 0xC4,
		Args: [4]string{"0x1001: deadlock: locks are taken in different orders", "the lock"},
		Why: "Two contexts that take two locks in different orders can each end up holding what the " +
			"other one needs. That it did not happen in this run was luck. Driver Verifier watches " +
			"spin locks, mutexes and fast mutexes; the same for resources, push locks and guarded " +
			"mutexes is an extension.",
		Fix: "give the locks one order and take them in it everywhere.",
		Cases: []verify.Case{
			{Name: "a lock that Driver Verifier does not watch", BugCheck: verify.NoBugCheck},
		}},
	{ID: verify.LOCK_004, Name: "ReleasedByStranger", BugCheck: 0xC4,
		Args: [4]string{"0x1004: released by another thread", "the mutex", "owner", "current thread"},
		Why: "The APC state or level saved by the owner is restored in another thread, and the owner " +
			"keeps what it should have got back.",
		Fix: "release in the thread that acquired; for a hand-over use a semaphore or an event."},
	{ID: verify.LOCK_005, Name: "ReleasedOutOfOrder", BugCheck: 0xC4,
		Args: [4]string{"0x1003: locks released out of order"},
		Why:  "Legal, but the levels and owners of nested locks only come out right in reverse order.",
		Fix:  "release in reverse order."},
	{ID: verify.LOCK_006, Name: "WrongKindOfRelease", BugCheck: 0xC4,
		Args: [4]string{"0x1009: release does not match the acquisition"},
		Why: "Each kind of acquisition keeps its state elsewhere: a queue entry, a saved level. The " +
			"other kind of release leaves that behind, and waiters in the queue are never woken.",
		Fix: "release with the routine that belongs to the acquisition."},
	{ID: verify.LOCK_007, Name: "LockInitialisation", BugCheck: 0xC4,
		Args: [4]string{"0x1005: a lock was initialised twice"},
		Why: "A lock with stale memory looks held or has broken lists; initialising one that is in use " +
			"throws its holder and its waiters away.",
		Fix: "initialise it once, where its memory is allocated.",
		Cases: []verify.Case{
			{Name: "never initialised", BugCheck: verify.NoBugCheck,
				Fix: "initialise it once, before anybody can use it."},
		}},
	{ID: verify.LOCK_008, Name: "HeldAtReturn",
		Why: "Nobody is left who knows that the lock has to be released; the next acquisition hangs.",
		Fix: "release it on every path."},
	{ID: verify.LOCK_009, Name: "ReleaseLevel", BugCheck: 0xC4,
		Args: [4]string{"0x32: spin lock released at a wrong IRQL"},
		Why: "The level was changed while the lock was held, so the holder could have been preempted, " +
			"or interrupted by a DPC that wants the lock.",
		Fix: "leave the level alone while the lock is held."},
	{ID: verify.LOCK_010, Name: "ReleaseToWrongIrql", BugCheck: 0xC4,
		Args: [4]string{"0x20015: spin lock released to another IRQL"},
		Why: "The level saved by the acquisition belongs to this lock. Restoring another one leaves " +
			"the thread too high, or drops below a lock still held.",
		Fix: "keep one variable for the saved IRQL of each lock, and pass each to its own release."},
	{ID: verify.LOCK_011, Name: "AtDpcLevelBelow", BugCheck: 0xC4,
		Args: [4]string{"0x40: routine called at a wrong IRQL"},
		Why: "The form does not raise. A thread switch or a DPC on the same processor then meets a " +
			"lock whose holder cannot run.",
		Fix: "use KeAcquireSpinLock and KeReleaseSpinLock."},
	{ID: verify.LOCK_012, Name: "SpinLockAboveDispatch", BugCheck: 0xC4,
		Args: [4]string{"0x42: spin lock acquired above DISPATCH_LEVEL"},
		Why: "The raise would be a lowering: the level drops to DISPATCH_LEVEL in the middle of an " +
			"interrupt.",
		Fix: "do the work that needs the lock in a DPC (KeInsertQueueDpc)."},
	{ID: verify.LOCK_013, Name: "CallOutWithSpinLock",
		Why: "Who is called may complete the request at once and come back into this driver, which " +
			"then wants the lock it holds; or it takes locks of its own in the other order.",
		Fix: "collect under the lock, release it, then call."},
	{ID: verify.LOCK_015, Name: "LockOutlivesOwner", BugCheck: 0xC4,
		Args: [4]string{"0x100b: memory of a lock that is owned was freed"},
		Why: "The lock can never be released, or the memory in which waiters are linked is used for " +
			"something else.",
		Fix: "release the lock before the thread ends or the memory goes.",
		Cases: []verify.Case{
			{Name: "handle of a helper",
				Fix: "let the caller of the helper have the handle, and pass its address."},
			{Name: "held at the return", BugCheck: verify.NoBugCheck, Fix: "release it on every path."},
		}},
	{ID: verify.LOCK_016, Name: "FastMutexMisuse", BugCheck: 0xC4,
		Args: [4]string{"0x33: fast or guarded mutex misused", "current IRQL", "APC disable count",
			"the mutex"},
		Why: "These mutexes know one owner and no recursion; at a wrong level, or with APCs let in, " +
			"the owner waits for itself or is suspended while it holds the mutex.",
		Fix: "acquire a fast or guarded mutex once, release it in the same thread, and leave the IRQL " +
			"alone in between.",
		Cases: []verify.Case{
			{Name: "at DISPATCH_LEVEL", Fix: "use a spin lock, or acquire before the level is raised."},
			{Name: "recursive",
				Fix: "split the helper into a version that locks and one that expects the lock."},
			{Name: "APCs enabled", Args: [4]string{"0x39: fast or guarded mutex misused"},
				Fix: "enter a critical or guarded region first, or use the safe form."},
			{Name: "not owned", Args: [4]string{"0x34: fast or guarded mutex misused"},
				Fix: "release once for each acquisition."},
			{Name: "released at another level", Args: [4]string{"0x34: fast or guarded mutex misused"},
				Fix: "leave the level alone while the mutex is owned."},
			{Name: "released outside of the region",
				Args: [4]string{"0x3a: fast or guarded mutex misused"},
				Fix:  "release inside the region."},
		}},
	{ID: verify.LOCK_017, Name: "MutexMisuse", BugCheck: 0x1E,
		Why: "KeReleaseMutex raises STATUS_MUTANT_NOT_OWNED, which a driver without handler does not " +
			"survive; a mutex still owned at the end of a callback leaves kernel APCs disabled in a " +
			"thread of somebody else.",
		Fix: "release in the thread that acquired; for a hand-over use a semaphore or an event.",
		Cases: []verify.Case{
			{Name: "held at the return", BugCheck: verify.NoBugCheck, Fix: "release it on every path."},
		}},
	{ID: verify.LOCK_018, Name: "ResourceMisuse", BugCheck: 0xC4,
		Args: [4]string{"0x37: executive resource misused", "current IRQL", "APC disable count",
			"the resource"},
		Why: "A thread that owns a resource and is suspended by an APC stops everybody else; one that " +
			"waits for itself never goes on; and the system keeps all resources in a list, from which " +
			"they must be deleted before their memory goes.",
		Fix: "call ExEnterCriticalRegionAndAcquireResourceExclusive (or its shared form), release once " +
			"per acquisition, and ExDeleteResourceLite last.",
		Cases: []verify.Case{
			{Name: "in pageable memory",
				Args: [4]string{"0xe1: synchronization object in pageable memory", "the object"},
				Fix:  "allocate its memory with POOL_FLAG_NON_PAGED, or put it into the device extension."},
			{Name: "memory goes", Args: [4]string{"0xd2: executive resource misused"},
				Fix: "ExDeleteResourceLite before the memory goes."},
			{Name: "deleted", Args: [4]string{"0xd1: executive resource misused"},
				Fix: "delete it last."},
			{Name: "APCs enabled",
				Fix: "KeEnterCriticalRegion before the acquisition, KeLeaveCriticalRegion after the " +
					"release."},
			{Name: "initialised twice", Args: [4]string{"0xd0: executive resource misused"},
				Fix: "initialise it once, or use ExReinitializeResourceLite."},
			{Name: "reinitialised while owned", Args: [4]string{"0xd0: executive resource misused"},
				Fix: "release it first."},
			{Name: "deleted while owned", Args: [4]string{"0x100b: executive resource misused"},
				Fix: "release it first."},
			{Name: "shared by the same thread", Args: [4]string{"0x1000: self-deadlock", "the resource"},
				Fix: "release the shared access first, or acquire exclusively from the start."},
			{Name: "not owned", BugCheck: 0xE3, Args: [4]string{"the resource", "current thread"},
				Fix: "release in the thread that acquired, once for each acquisition."},
			{Name: "owner without the two bits", BugCheck: verify.NoBugCheck,
				Fix: "pass the address of your memory with 3 or-ed in."},
			{Name: "another owner", BugCheck: 0xE3,
				Args: [4]string{"the resource", "the thread id that was passed"},
				Fix: "pass what ExGetCurrentResourceThread returned in the acquiring thread, or what " +
					"ExSetResourceOwnerPointer was given."},
			{Name: "never initialised", BugCheck: verify.NoBugCheck,
				Fix: "initialise it once, before anybody can use it."},
		}},
	{ID: verify.LOCK_019, Name: "RegionNotBalanced", BugCheck: 0xC4,
		Args: [4]string{"0x3e: a critical or guarded region is not balanced"},
		Why: "The counter ends positive or negative; APCs stay off, or come in where somebody further " +
			"up has shut them out.",
		Fix: "call the matching leave routine on every path, once.",
		Cases: []verify.Case{
			{Name: "left without being entered",
				Args: [4]string{"0x3e: a region is left that was not entered"},
				Fix:  "leave in the thread that entered, once for each entry."},
		}},
	{ID: verify.LOCK_022, Name: "RundownMisuse",
		Why: "The count no longer says who uses the object: it is deleted in use, or the wait for its " +
			"last user never ends.",
		Fix: "check the result of ExAcquireRundownProtection, release once per successful acquisition, " +
			"and wait only in code that holds none.",
		Cases: []verify.Case{
			{Name: "memory goes", Fix: "ExWaitForRundownProtectionRelease before the memory goes."},
			{Name: "released too often",
				Fix: "release only what ExAcquireRundownProtection gave with TRUE."},
			{Name: "two waiters", Fix: "let one thread run the object down."},
			{Name: "not waited for", Fix: "ExWaitForRundownProtectionRelease first."},
			{Name: "ended in use", Fix: "wait for the last user before the object goes."},
		}},
	{ID: verify.LOCK_023, Name: "PushLockMisuse", BugCheck: 0xC4,
		Args: [4]string{"0xea: push lock misused", "current IRQL", "APC disable count", "the lock"},
		Why: "A push lock knows neither its owner nor recursion: a second acquisition waits for ever, " +
			"a release by a stranger opens it under its holder, and a holder that is suspended by an " +
			"APC stops everybody else.",
		Fix: "enter a critical region before the push lock is acquired, release it in the form it was " +
			"acquired in, and leave the region behind that.",
		Cases: []verify.Case{
			{Name: "recursive",
				Fix: "split the helper into a version that locks and one that expects the lock."},
			{Name: "not held", Args: [4]string{"0xeb: push lock misused"},
				Fix: "release in the thread that acquired, once."},
			{Name: "at DISPATCH_LEVEL", Fix: "use a spin lock, or acquire before the level is raised."},
			{Name: "APCs enabled",
				Fix: "KeEnterCriticalRegion before the acquisition, KeLeaveCriticalRegion after the " +
					"release."},
		}},
	{ID: verify.LOCK_024, Name: "SemaphoreLimit", BugCheck: 0x1E,
		Args: [4]string{"0xC0000047: STATUS_SEMAPHORE_LIMIT_EXCEEDED"},
		Why: "KeReleaseSemaphore raises STATUS_SEMAPHORE_LIMIT_EXCEEDED, and a driver without handler " +
			"does not survive that.",
		Fix: "release as often as was waited, or raise the limit."},
	{ID: verify.LOCK_025, Name: "ReaderWriterMisuse",
		Why: "The processor spins for a lock that only it could release: a reader for the writer it " +
			"wants to become, or behind a writer that waits for it. The wrong kind of release leaves " +
			"the count of readers wrong.",
		Fix: "release in the form that was acquired, and use ExTryConvertSharedSpinLockExclusive to go " +
			"from shared to exclusive.",
		Cases: []verify.Case{
			{Name: "converted while exclusive", Fix: "convert what ExAcquireSpinLockShared acquired."},
			{Name: "exclusive while shared",
				Fix: "use ExTryConvertSharedSpinLockExclusive, and be ready for FALSE."},
			{Name: "recursive",
				Fix: "split the helper into a version that locks and one that expects the lock."},
			{Name: "another form of release",
				Fix: "release with the routine that belongs to the acquisition."},
		}},
	{ID: verify.LOCK_026, Name: "Deadlock", BugCheck: 0x101,
		Why: "Everybody waits for somebody else, or for something that nobody is left to signal. " +
			"Windows hangs, or shows a watchdog bug check much later.",
		Fix: "acquire the locks in one order everywhere, and signal what is waited for on every path; " +
			"a thread must not wait for what only it can signal.",
		Cases: []verify.Case{
			{Name: "spin lock", BugCheck: verify.NoBugCheck,
				Fix: "release the spin lock on every path, and do not acquire it where the same " +
					"processor holds it."},
			{Name: "cycle of owners", BugCheck: verify.NoBugCheck,
				Fix: "acquire the locks in the same order everywhere, or release the first before the " +
					"second."},
			{Name: "a callback waits", BugCheck: verify.NoBugCheck,
				Fix: "signal what the callback waits for on every path, error paths included, and let " +
					"it not wait for what only a later call of the driver can bring."},
			{Name: "a thread waits", BugCheck: verify.NoBugCheck,
				Fix: "signal it on every path that ends what the thread waits for, or give the wait a " +
					"time-out and handle STATUS_TIMEOUT."},
		}},
	{ID: verify.LOCK_027, Name: "SpinLockHeldTooLong", BugCheck: 0x133,
		Args: [4]string{"0x1: too long at DISPATCH_LEVEL or above in total"},
		Why: "Everybody who wants the lock spins meanwhile, each on a processor of its own. The " +
			"guideline is 25 microseconds.",
		Fix: "do under the lock only what needs it."},
	{ID: verify.LOCK_028, Name: "QueueHandleReused",
		Why: "The handle is the entry in the queue of waiters. Used for two acquisitions it links the " +
			"queue into itself.",
		Fix: "use a local handle for each acquisition."},
}
