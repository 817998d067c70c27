package verify

// fatalHere lists the fatal rules that no catalogue marks: those of rules.md and wfp.md whose breach leaves
// no state to go on from (rules.md 1.1: memory gone, an IRP or lock without a defined state, a processor
// that hangs).
//
// Left out on purpose: whatever Windows survives without a verifier in a way the specifications describe,
// because a continued run must show it (IRP-006, IRP-007, IRP-011 and IRP-015 occur in recorded vectors);
// lost mutual exclusion and wrong IRQLs, which are states, if bad ones; rules that fire at unload or at the
// end, when nothing is to follow.
func fatalHere(id RuleID) bool {
	switch id {
	// The IRP has no defined state: it climbed past its last location, has no location to use, is no IRP at
	// all, goes to no device, is reset under its owner, or is climbed by two parties at once.
	case IRP_001, IRP_004, IRP_013, IRP_018, IRP_019, IRP_038, IRP_051, IRP_062:
		return true
	// The IRP reaches stage 2 without the thread that stage 2 queues its APC to (irp.md 5 says to treat it as
	// fatal). One from IoBuildAsynchronousFsdRequest does have a thread; its finding says so (Survived).
	case IRP_036:
		return true
	// The IRP's memory is gone while somebody, or a list, still counts on it, or is returned to the wrong
	// place.
	case IRP_030, IRP_031, IRP_032, IRP_033, IRP_034, IRP_035, IRP_050:
		return true
	// What stage 2 is going to write to is gone.
	case IRP_045:
		return true
	// A list links what is not there, or twice. Windows fails fast on it, verifier or not.
	case IRP_076, OBJ_001, OBJ_002, OBJ_014:
		return true
	// The processor spins for ever: the lock's holder is below it on the same stack.
	case IRP_078, LOCK_001, LOCK_025:
		return true
	// A lock word that no routine can interpret, or that nobody is left to release (0x11B for the cancel
	// lock).
	case IRP_024, LOCK_006, LOCK_028:
		return true
	// There is nobody to run: every context waits, or one tries to at a level where no other can be
	// dispatched.
	case IRQL_011, LOCK_026:
		return true
	// Pool: the block is freed already, was never one, starts elsewhere, or holds an object the kernel
	// still has linked.
	case POOL_006, POOL_007, POOL_008, POOL_018:
		return true
	// Pool and MDLs: the bytes touched do not exist, or not any more.
	case POOL_011, POOL_012, POOL_013, POOL_025, POOL_026, MDL_013, MDL_016, MDL_018, MDL_019,
		OBJ_003:
		return true
	// The code is gone.
	case UNLOAD_012:
		return true
	}
	return fatalWFP(id)
}

// fatalWFP lists the WFP rules of the same sort. wfp.md names only their effect; those whose effect is use
// of memory that is gone, a NULL dereference or a self-deadlock at the act are here.
func fatalWFP(id RuleID) bool {
	switch id {
	// NULL is dereferenced.
	case WFP_026, WFP_092:
		return true
	// Handles, contexts and lent memory are used after they ended, or ended twice.
	case WFP_029, WFP_054, WFP_062, WFP_063, WFP_068, WFP_070, WFP_082, WFP_095,
		WFP_108, WFP_138, WFP_139, WFP_141:
		return true
	// The engine is given memory it will free or write, and which is not there or not of that kind.
	case WFP_107, WFP_177:
		return true
	// Packets are touched or freed after they were given away.
	case WFP_133, WFP_166, WFP_167:
		return true
	// The act waits for itself.
	case WFP_170:
		return true
	}
	return false
}
