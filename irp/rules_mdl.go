package irp

import "calloutsim/internal/verify"

var mdlRules = []verify.Record{
	rule(verify.MDL_001, "LockedInWrongState", 0xC4, 0xB0,
		"An MDL gets its pages in one way only: locked, nonpaged pool, or part of another."),
	rule(verify.MDL_002, "UnlockNotLocked", 0xC4, 0x7C,
		"Pages were unlocked that are not locked; the counts of the memory manager go wrong."),
	rule(verify.MDL_003, "UnlockNonPagedPool", 0xC4, 0x7D,
		"Nonpaged pool is never locked, so it must not be unlocked."),
	rule(verify.MDL_004, "PartialMdlTakenDown", 0xC4, 0xB4,
		"The pages of a partial MDL belong to its source."),
	rule(verify.MDL_005, "NotNonPagedPool", 0xC4, 0x7F,
		"MmBuildMdlForNonPagedPool takes the pages as they are; those of pageable memory may be given to "+
			"somebody else at any time."),
	rule(verify.MDL_006, "FreedLockedOrMapped", 0xC4, 0xB8,
		"An MDL was freed while its pages were locked or mapped; nobody can undo that any more."),
	rule(verify.MDL_007, "LockedPagesLeft", 0xCB, 0,
		"Pages stayed locked although nobody is left to unlock them."),
	rule(verify.MDL_008, "MappedInWrongState", 0xC4, 0xB2,
		"Only an MDL whose pages are known can be mapped, and only once."),
	rule(verify.MDL_009, "UnmapNotMapped", 0xC4, 0xB6, "A mapping was removed that does not exist."),
	rule(verify.MDL_010, "PartialMdlRange", 0x12E, 0,
		"A partial MDL must lie in its source and fit into its target."),
	rule(verify.MDL_011, "IrqlMmApcLte", 0xC4, 0x70,
		"Locking pageable memory may need the pager, which cannot be waited for above APC_LEVEL."),
	rule(verify.MDL_012, "BugCheckOnFailure", 0xC4, 0x82,
		"A mapping that fails would stop the system instead of returning NULL."),
	rule(verify.MDL_013, "NullCheck", 0xD1, 0,
		"A mapping failed, which it may whenever memory is short, and the NULL that came back was "+
			"dereferenced."),
	rule(verify.MDL_014, "ReadOnlyBufferChanged", 0xC4, 0x1011,
		"A buffer that was given for reading was changed. The sender still owns its contents and may use "+
			"or check them."),
	{ID: verify.MDL_015, Name: "OpaqueMdlUse", Package: "irp",
		ByConstruction: "MDL has one field, Next; MdlFlags() comes out by value, the rest is not exported"},
	rule(verify.MDL_016, "MdlUsedAfterFree", 0xD5, 0,
		"An MDL, or an address made from it, was used after its end."),
	rule(verify.MDL_017, "MdlChainLeaked", 0, 0,
		"An IRP was freed or reused while it had the only pointer to an MDL. IoFreeIrp frees no MDL and "+
			"IoReuseIrp forgets the address: the MDL is lost, and so are pages that it has locked."),
	rule(verify.MDL_018, "MemoryGoneUnderMdl", 0, 0,
		"Memory was freed while an MDL still described it; its pages will be used for something else."),
	rule(verify.MDL_019, "AccessBeyondByteCount", 0xD6, 0,
		"Memory outside of what an MDL describes was touched. On Windows it is on the same page and nobody "+
			"notices."),
	rule(verify.MDL_020, "ExecutableMapping", 0xC4, 0x2002, "Data need not be executable."),
}
