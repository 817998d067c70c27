package irp

import "calloutsim/internal/verify"

var poolRules = []verify.Record{
	rule(verify.POOL_001, "ZeroBytes", 0xC4, 0x0,
		"An allocation of zero bytes has no documented result; the size was computed wrongly."),
	rule(verify.POOL_002, "IrqlExAllocatePool", 0xC4, 0x1,
		"Paged pool was allocated above APC_LEVEL. The allocator may have to wait for a page, and nobody "+
			"can be dispatched at that level."),
	rule(verify.POOL_003, "AllocationAboveDispatch", 0xC4, 0x2,
		"Pool was allocated above DISPATCH_LEVEL, where its locks cannot be taken."),
	rule(verify.POOL_004, "PagedFreeAboveApc", 0xC4, 0x11, "Paged pool was freed above APC_LEVEL."),
	rule(verify.POOL_005, "FreeAboveDispatch", 0xC4, 0x12,
		"Pool was freed above DISPATCH_LEVEL, where its locks cannot be taken."),
	rule(verify.POOL_006, "DoubleFree", 0xC2, 0x7,
		"A block was freed twice. By the second time it may belong to somebody else, whose memory then "+
			"disappears."),
	rule(verify.POOL_007, "NotABlock", 0xC4, 0x10,
		"A pool routine was told to free memory that is no pool block."),
	rule(verify.POOL_008, "FreeInside", 0xC4, 0x13E,
		"An address inside a block was freed; only its start is known to the pool."),
	rule(verify.POOL_009, "WrongTag", 0xC2, 0xA,
		"A block was freed with another tag than it was allocated with."),
	rule(verify.POOL_010, "BadTag", 0xC2, 0x9B,
		"The tag is zero, reserved or unreadable: nobody can say whose the memory is."),
	rule(verify.POOL_011, "Overrun", 0xD6, 0,
		"Memory behind a buffer was touched. It belongs to another block, whose owner fails later."),
	rule(verify.POOL_012, "Underrun", 0xC1, 0, "Memory before a buffer was touched."),
	rule(verify.POOL_013, "UseAfterFree", 0xD5, 0,
		"Memory was touched after it was freed. It may have a new owner, who then reads or loses data that "+
			"is not his."),
	rule(verify.POOL_014, "UninitialisedRead", 0, 0,
		"Memory was read, or handed to a program, that nothing was written to. It holds what its last owner "+
			"left: results change from run to run, and secrets of the kernel get out."),
	rule(verify.POOL_015, "UnSafeAllocatePool", 0, 0,
		"The older allocation routines hand out memory with whatever was in it."),
	rule(verify.POOL_016, "Leak", 0, 0,
		"A block is still allocated and no pointer to it is left. The memory is lost until the next boot."),
	rule(verify.POOL_018, "ActiveObjectFreed", 0xC4, 0x15,
		"Freed memory contains an object that the kernel still has in a list or that somebody waits for."),
	rule(verify.POOL_019, "ExecutablePool", 0xC4, 0x2000,
		"Data need not be executable, and memory that is can be turned against the system."),
	rule(verify.POOL_020, "QuotaInDpc", 0xC4, 0x10A,
		"Quota is charged to the current process, and a DPC runs in an arbitrary one."),
	rule(verify.POOL_021, "LookasideLifeCycle", 0xC4, 0xCA,
		"A lookaside list is initialised once, gets back its own entries, and is deleted last."),
	rule(verify.POOL_022, "DefaultPoolTag", 0, 0,
		"The default tags are those of drivers that gave none; leaks cannot be attributed."),
	rule(verify.POOL_024, "WriteToReadOnly", 0xBE, 0, "Memory was written through a read-only mapping."),
	rule(verify.POOL_025, "BufferGoneInUse", 0, 0,
		"Memory was freed or reused while an operation still needed it. The operation reads or writes "+
			"whatever lies there then."),
	rule(verify.POOL_026, "StackMemoryEscapes", 0xDC, 0,
		"A local variable was used after its routine had returned. Its place on the stack belongs to "+
			"another call by then."),
	rule(verify.UNLOAD_001, "PoolLeft", 0xC4, 0x62, "A driver was unloaded and left pool blocks behind."),
	rule(verify.UNLOAD_010, "AllocationDuringUnload", 0xC4, 0x61,
		"A thread or work item still allocated memory while the unload routine ran, and nobody was left to "+
			"free it. Code that still works then may as well run after the driver has gone."),
	rule(verify.UNLOAD_003, "LookasideLeft", 0xCE, 0,
		"A driver was unloaded and left a lookaside list that the system still trims."),
}
