package irp_test

import (
	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// The wider vocabulary of FuzzOperations, for scripts whose first byte has the bit wide: the families of the
// others keep their numbers, so that what was found stays what it is.
const wide = 32

// fuzzWide is what the wider vocabulary works with.
type fuzzWide struct {
	lookaside irp.NPAGED_LOOKASIDE_LIST
	item      [2]irp.IO_WORKITEM
	mutant    irql.KMUTANT
	head      irp.LIST_ENTRY
	entry     [2]irp.LIST_ENTRY
	owner     irql.ERESOURCE_THREAD
	dpc       irql.KDPC
}

func (z *fuzz) initialiseWide(k *irql.K) {
	w := &z.more
	irp.InitializeListHead(k, &w.head)
	irql.KeInitializeMutant(k, &w.mutant, false)
	irql.KeInitializeDpc(k, &w.dpc, z.onDpc, nil)
	irp.ExInitializeNPagedLookasideList(k, &w.lookaside, nil, nil, 0, 32, irp.Tag("wide"), 0)
}

// regionOp is regions and the locks that stand in them, resources and fast mutexes above all.
func (z *fuzz) regionOp(k *irql.K, _ *irp.IRP, op int) {
	s, d, i := &z.shared, z.data, z.pick(2)
	switch op % 20 {
	case 0:
		irql.KeEnterGuardedRegion(k)
	case 1:
		irql.KeLeaveGuardedRegion(k)
	case 2:
		irql.ExAcquireFastMutexUnsafe(k, &d.fast[i])
	case 3:
		irql.ExEnterCriticalRegionAndAcquireFastMutexUnsafe(k, &d.fast[i])
	case 4:
		irql.ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(k, &d.fast[i])
	case 5:
		irql.KeAcquireGuardedMutexUnsafe(k, &d.guarded[i])
	case 6:
		irql.KeReleaseGuardedMutexUnsafe(k, &d.guarded[i])
	case 7:
		irql.KeTryToAcquireGuardedMutex(k, &d.guarded[i])
	case 8:
		irql.ExAcquireSharedStarveExclusive(k, &s.resource[i], z.next()&1 != 0)
	case 9:
		irql.ExAcquireSharedWaitForExclusive(k, &s.resource[i], z.next()&1 != 0)
	case 10:
		irql.ExEnterCriticalRegionAndAcquireResourceShared(k, &s.resource[i])
	case 11:
		irql.ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(k, &s.resource[i])
	case 12:
		irql.ExReinitializeResourceLite(k, &s.resource[i])
	case 13:
		irql.ExIsResourceAcquiredExclusiveLite(k, &s.resource[i])
		irql.ExIsResourceAcquiredSharedLite(k, &s.resource[i])
		irql.ExGetExclusiveWaiterCount(k, &s.resource[i])
	case 14:
		z.more.owner = irql.ExGetCurrentResourceThread(k)
	case 15:
		irql.ExSetResourceOwnerPointer(k, &s.resource[i], irql.ERESOURCE_THREAD(z.next()))
	case 16:
		irql.ExReleaseResourceForThreadLite(k, &s.resource[i], z.more.owner)
	case 17:
		irql.ExReleaseResourceForThreadLite(k, &s.resource[i], irql.ERESOURCE_THREAD(z.next()))
	case 18:
		irql.ExInitializeResourceLite(k, &s.resource[i])
	case 19:
		irql.ExInitializePushLock(k, &s.push[i])
	}
}

// spinOp is the rarer spin locks, raises, mutants and rundown protection.
func (z *fuzz) spinOp(k *irql.K, _ *irp.IRP, op int) {
	s, d, w, i := &z.shared, z.data, &z.more, z.pick(2)
	switch op % 20 {
	case 0:
		z.old = irql.KeRaiseIrqlToDpcLevel(k)
	case 1:
		z.old = irql.KeRaiseIrqlToSynchLevel(k)
	case 2:
		z.old = irql.KeAcquireSpinLockRaiseToDpc(k, &d.spin[i])
	case 3:
		z.old = irql.KeAcquireSpinLockForDpc(k, &d.spin[i])
	case 4:
		irql.KeReleaseSpinLockForDpc(k, &d.spin[i], z.old)
	case 5:
		irql.KeAcquireInStackQueuedSpinLockForDpc(k, &d.spin[i], &z.handle[i])
	case 6:
		irql.KeReleaseInStackQueuedSpinLockForDpc(k, &z.handle[i])
	case 7:
		irql.KeAcquireInStackQueuedSpinLockAtDpcLevel(k, &d.spin[i], &z.handle[i])
	case 8:
		irql.KeReleaseInStackQueuedSpinLockFromDpcLevel(k, &z.handle[i])
	case 9:
		irql.ExAcquireSpinLockExclusiveAtDpcLevel(k, &s.spin[i])
	case 10:
		irql.ExAcquireSpinLockSharedAtDpcLevel(k, &s.spin[i])
	case 11:
		irql.ExReleaseSpinLockExclusiveFromDpcLevel(k, &s.spin[i])
	case 12:
		irql.ExReleaseSpinLockSharedFromDpcLevel(k, &s.spin[i])
	case 13:
		irql.KeReleaseMutant(k, &w.mutant, 0, z.next()&1 != 0, z.next()&7 == 7)
	case 14:
		limit := int64(0)
		irql.KeWaitForSingleObject(k, &w.mutant, irql.Executive, irql.KernelMode, false, &limit)
	case 15:
		irql.KePulseEvent(k, &d.event[i], 0, z.next()&7 == 7)
	case 16:
		irql.ExReInitializeRundownProtection(k, &d.rundown)
	case 17:
		irql.ExRundownCompleted(k, &d.rundown)
	case 18:
		irql.KeTestSpinLock(k, &d.spin[i])
	case 19:
		irql.KeInsertQueueDpc(k, &w.dpc, nil, nil)
	}
}

// storeOp is lists, the older lookaside lists, work items of the driver's own and pages.
func (z *fuzz) storeOp(k *irql.K, _ *irp.IRP, op int) {
	w, i := &z.more, z.pick(2)
	mdl, b := &z.mdl[z.pick(registers)], &z.buf[z.pick(registers)]
	switch op % 20 {
	case 0:
		irp.InsertTailList(k, &w.head, &w.entry[i])
	case 1:
		irp.InsertHeadList(k, &w.head, &w.entry[i])
	case 2:
		irp.RemoveHeadList(k, &w.head)
	case 3:
		irp.RemoveEntryList(k, &w.entry[i])
	case 4:
		irp.ExInterlockedInsertTailList(k, &w.head, &w.entry[i], &z.data.spin[i])
	case 5:
		irp.ExInterlockedRemoveHeadList(k, &w.head, &z.data.spin[i])
	case 6:
		irp.IsListEmpty(k, &w.head)
	case 7:
		*b = irp.ExAllocateFromNPagedLookasideList(k, &w.lookaside)
	case 8:
		irp.ExFreeToNPagedLookasideList(k, &w.lookaside, *b)
	case 9:
		irp.ExDeleteNPagedLookasideList(k, &w.lookaside)
	case 10:
		if dev := z.dev[z.pick(registers)]; dev != nil {
			irp.IoInitializeWorkItem(k, dev, &w.item[i])
		}
	case 11:
		irp.IoQueueWorkItem(k, &w.item[i], z.onWork, irp.DelayedWorkQueue, nil)
	case 12:
		irp.IoUninitializeWorkItem(k, &w.item[i])
	case 13:
		*mdl = irp.MmAllocatePagesForMdl(k, 0, -1, 0, uint64(z.next())<<8)
	case 14:
		irp.MmFreePagesFromMdl(k, *mdl)
	case 15:
		*b = irp.MmMapLockedPagesSpecifyCache(k, *mdl, irql.KernelMode, irp.MmCached, nil, 0,
			uint32(z.next()))
	case 16:
		irp.MmGetMdlVirtualAddress(k, *mdl)
	case 17:
		irp.MmGetMdlByteCount(k, *mdl)
	case 18:
		irp.IoGetLowerDeviceObject(k, z.dev[z.pick(registers)])
	case 19:
		d := z.data
		irql.KeSetCoalescableTimer(k, &d.timer[i], -int64(z.next())*ke.Millisecond,
			uint32(z.pick(3))*500, uint32(z.next()), &w.dpc)
	}
}
