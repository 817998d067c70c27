package irp

import "calloutsim/internal/verify"

// memoryFixes are the likely fixes of the rules about pool and MDLs,
// for reports whose finding knows no cause that is more particular.
var memoryFixes = []verify.Record{
	{ID: verify.MDL_001, Fix: "use one builder per MDL: MmProbeAndLockPages for memory that may be " +
		"paged, MmBuildMdlForNonPagedPool for nonpaged pool, IoBuildPartialMdl for a part of another MDL."},
	{ID: verify.MDL_002, Fix: "call MmUnlockPages once, and only where MmProbeAndLockPages has succeeded."},
	{ID: verify.MDL_003, Fix: "leave MmUnlockPages out: an MDL of MmBuildMdlForNonPagedPool needs only " +
		"IoFreeMdl."},
	{ID: verify.MDL_004, Fix: "unlock the source MDL; for the partial one call MmPrepareMdlForReuse or " +
		"IoFreeMdl, which end its mapping."},
	{ID: verify.MDL_005, Fix: "allocate the buffer with POOL_FLAG_NON_PAGED, or lock it with " +
		"MmProbeAndLockPages."},
	{ID: verify.MDL_006, Fix: "call MmUnlockPages, which also unmaps, before IoFreeMdl."},
	{ID: verify.MDL_007, Fix: "MmUnlockPages, IoFreeMdl, then IoFreeIrp, on every path."},
	{ID: verify.MDL_008, Fix: "call MmGetSystemAddressForMdlSafe, which maps a locked MDL once and gives " +
		"the same address afterwards."},
	{ID: verify.MDL_009, Fix: "leave MmUnmapLockedPages out where MmUnlockPages ends the mapping, and " +
		"pass the address that the mapping gave."},
	{ID: verify.MDL_010, Fix: "clip the range to the source, and allocate the target for the same " +
		"address and length."},
	{ID: verify.MDL_011, Fix: "call it before the IRQL is raised, or in a work item (IoQueueWorkItem)."},
	{ID: verify.MDL_012, Fix: "use MmGetSystemAddressForMdlSafe, or BugCheckOnFailure FALSE, and check " +
		"for NULL."},
	{ID: verify.MDL_013, Fix: "check for NULL and complete the request with STATUS_INSUFFICIENT_RESOURCES."},
	{ID: verify.MDL_014, Fix: "change a copy: the buffer of a write request belongs to whoever sent it."},
	{ID: verify.MDL_015, Fix: "use the routines: MmGetMdlByteCount, MmGetMdlByteOffset, " +
		"IoBuildPartialMdl for another range."},
	{ID: verify.MDL_016, Fix: "let one place free the MDL: what hangs at Irp.MdlAddress of a request of " +
		"the I/O manager is freed by it; set the pointer to nil where you free it yourself."},
	{ID: verify.MDL_017, Fix: "unlock and free the MDLs of the chain and call SetMdlAddress(nil), then " +
		"free or reuse the IRP."},
	{ID: verify.MDL_018, Fix: "free the MDL first (MmUnlockPages, IoFreeMdl), then the memory it describes."},
	{ID: verify.MDL_019, Fix: "bound the access by MmGetMdlByteCount."},
	{ID: verify.MDL_020, Fix: "add MdlMappingNoExecute to the priority."},
	{ID: verify.POOL_001, Fix: "do without the block when there is nothing to put into it, and check the " +
		"count before the size is computed."},
	{ID: verify.POOL_002, Fix: "allocate with POOL_FLAG_NON_PAGED, or before the IRQL is raised."},
	{ID: verify.POOL_003, Fix: "allocate before the interrupt, or queue a DPC (KeInsertQueueDpc) and " +
		"allocate there."},
	{ID: verify.POOL_004, Fix: "free it in a work item (IoQueueWorkItem) or after the lock is released, " +
		"or allocate it with POOL_FLAG_NON_PAGED."},
	{ID: verify.POOL_005, Fix: "queue a DPC (KeInsertQueueDpc) and free the block there."},
	{ID: verify.POOL_006, Fix: "let one path free the block, and set the pointer to nil there."},
	{ID: verify.POOL_007, Fix: "free with the routine that belongs to the allocation: IoFreeMdl for " +
		"MDLs, IoFreeIrp for IRPs, the lookaside list for its entries; memory of a stack is not freed at " +
		"all."},
	{ID: verify.POOL_008, Fix: "keep the pointer that the allocation returned and free that one."},
	{ID: verify.POOL_009, Fix: "use one constant for the tag of the allocation and the free."},
	{ID: verify.POOL_010, Fix: "use four printable characters, with at least one letter or digit."},
	{ID: verify.POOL_011, Fix: "bound the access by the size of the block, not by the length of the " +
		"source, and check lengths that come from outside first."},
	{ID: verify.POOL_012, Fix: "check the index or offset before the access: it is below zero here."},
	{ID: verify.POOL_013, Fix: "move the free behind the last use: into the completion routine of the " +
		"operation that has the memory, behind the wait for the other context, or to the last reference."},
	{ID: verify.POOL_014, Fix: "write every byte that is read or copied out, set Information to what was " +
		"written, or allocate without POOL_FLAG_UNINITIALIZED, which zeroes."},
	{ID: verify.POOL_015, Fix: "use ExAllocatePool2, and ExFreePoolWithTag or ExFreePool2 with it."},
	{ID: verify.POOL_016, Fix: "free the block on every path, error paths included, before the last " +
		"pointer to it goes."},
	{ID: verify.POOL_018, Fix: "take what is active out of the block first: cancel the timer and flush " +
		"the DPC (KeCancelTimer, KeFlushQueuedDpcs), let work items run, release locks and wait for " +
		"waiters."},
	{ID: verify.POOL_019, Fix: "use POOL_FLAG_NON_PAGED, which is not executable."},
	{ID: verify.POOL_020, Fix: "leave POOL_FLAG_USE_QUOTA out in code that runs in no particular " +
		"process, and handle the failure of the form that is used."},
	{ID: verify.POOL_021, Fix: "ExInitializeLookasideListEx once, give every entry back to the list it " +
		"came from, and ExDeleteLookasideListEx once when all are back."},
	{ID: verify.POOL_022, Fix: "use a tag of your own."},
	{ID: verify.POOL_024, Fix: "copy the data and change the copy."},
	{ID: verify.POOL_025, Fix: "release or reuse the memory in the completion routine of the operation " +
		"that owns it."},
	{ID: verify.POOL_026, Fix: "allocate what must outlive the routine, or wait in the routine until " +
		"nobody uses it any more."},
}
