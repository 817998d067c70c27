package sim_test

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// pairObjects is one object of each kind, which two threads use without any agreement between them.
type pairObjects struct {
	b      *irp.Buffer
	typed  *irp.Typed[[2]int32]
	lock   irql.KSPIN_LOCK
	lock2  irql.KSPIN_LOCK
	queue  irql.KLOCK_QUEUE_HANDLE
	fm     irql.FAST_MUTEX
	gm     irql.KGUARDED_MUTEX
	mutex  irql.KMUTEX
	event  irql.KEVENT
	ev2    irql.KEVENT
	sem    irql.KSEMAPHORE
	run    irql.EX_RUNDOWN_REF
	list   irp.LIST_ENTRY
	entry  irp.LIST_ENTRY
	flag   irql.Var[int32]
	dpc    irql.KDPC
	tdpc   irql.KDPC
	timer  irql.KTIMER
	ext    *irql.EX_TIMER
	wb     [3]irql.KWAIT_BLOCK
	res    irql.ERESOURCE
	push   irql.EX_PUSH_LOCK
	exspin irql.EX_SPIN_LOCK
	rl     irp.IO_REMOVE_LOCK
	dev    *irp.DEVICE_OBJECT
	item   *irp.IO_WORKITEM
	cb     *irp.CALLBACK_OBJECT
	reg    any
	look   irp.LOOKASIDE_LIST_EX
	dq     irp.KDEVICE_QUEUE
	dqe    irp.KDEVICE_QUEUE_ENTRY
	mdl    *irp.MDL
	p      *irp.IRP
}

// pairAct is something a thread does with them.
type pairAct struct {
	name string
	do   func(k *irql.K, s *pairObjects)
}

var pairTag = irp.Tag("Pair")

var pairActs = []pairAct{
	{"qlock", func(k *irql.K, s *pairObjects) {
		irql.KeAcquireInStackQueuedSpinLock(k, &s.lock, &s.queue)
		irql.KeReleaseInStackQueuedSpinLock(k, &s.queue)
	}},
	{"spin", func(k *irql.K, s *pairObjects) {
		var o irql.KIRQL
		irql.KeAcquireSpinLock(k, &s.lock, &o)
		irql.KeReleaseSpinLock(k, &s.lock, o)
	}},
	{"spininit", func(k *irql.K, s *pairObjects) { irql.KeInitializeSpinLock(k, &s.lock) }},
	{"spin2", func(k *irql.K, s *pairObjects) {
		var o, o2 irql.KIRQL
		irql.KeAcquireSpinLock(k, &s.lock, &o)
		irql.KeAcquireSpinLock(k, &s.lock2, &o2)
		irql.KeReleaseSpinLock(k, &s.lock2, o2)
		irql.KeReleaseSpinLock(k, &s.lock, o)
	}},
	{"insdpc", func(k *irql.K, s *pairObjects) { irql.KeInsertQueueDpc(k, &s.dpc, nil, nil) }},
	{"insdpcD", func(k *irql.K, s *pairObjects) {
		var o irql.KIRQL
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &o)
		irql.KeInsertQueueDpc(k, &s.dpc, nil, nil)
		irql.KeLowerIrql(k, o)
	}},
	{"remdpc", func(k *irql.K, s *pairObjects) { irql.KeRemoveQueueDpc(k, &s.dpc) }},
	{"target", func(k *irql.K, s *pairObjects) { irql.KeSetTargetProcessorDpc(k, &s.dpc, 1) }},
	{"import", func(k *irql.K, s *pairObjects) { irql.KeSetImportanceDpc(k, &s.dpc, irql.LowImportance) }},
	{"initdpc", func(k *irql.K, s *pairObjects) {
		irql.KeInitializeDpc(k, &s.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { s.b.Store32(0, 2) }, nil)
	}},
	{"tdpc", func(k *irql.K, s *pairObjects) { irql.KeInsertQueueDpc(k, &s.tdpc, nil, nil) }},
	{"flush", func(k *irql.K, s *pairObjects) { irql.KeFlushQueuedDpcs(k) }},
	{"free", func(k *irql.K, s *pairObjects) { irp.ExFreePoolWithTag(k, s.b, pairTag) }},
	{"store", func(k *irql.K, s *pairObjects) { s.b.Store32(0, 3) }},
	{"freet", func(k *irql.K, s *pairObjects) { irp.Free(k, s.typed, pairTag) }},
	{"get", func(k *irql.K, s *pairObjects) { s.typed.Get()[0]++ }},
	{"timer0", func(k *irql.K, s *pairObjects) { irql.KeSetTimer(k, &s.timer, 0, &s.dpc) }},
	{"timer1", func(k *irql.K, s *pairObjects) { irql.KeSetTimer(k, &s.timer, -10, &s.dpc) }},
	{"cancel", func(k *irql.K, s *pairObjects) { irql.KeCancelTimer(k, &s.timer) }},
	{"inittimer", func(k *irql.K, s *pairObjects) { irql.KeInitializeTimer(k, &s.timer) }},
	{"exset", func(k *irql.K, s *pairObjects) { irql.ExSetTimer(k, s.ext, -10, 0, nil) }},
	{"exdel", func(k *irql.K, s *pairObjects) { irql.ExDeleteTimer(k, s.ext, true, true, nil) }},
	{"excancel", func(k *irql.K, s *pairObjects) { irql.ExCancelTimer(k, s.ext, nil) }},
	{"waitev", func(k *irql.K, s *pairObjects) {
		due := int64(-10)
		irql.KeWaitForSingleObject(k, &s.event, irql.Executive, irql.KernelMode, false, &due)
	}},
	{"setev", func(k *irql.K, s *pairObjects) { irql.KeSetEvent(k, &s.event, 0, false) }},
	{"initev", func(k *irql.K, s *pairObjects) {
		irql.KeInitializeEvent(k, &s.event, irql.SynchronizationEvent, false)
	}},
	{"multi", func(k *irql.K, s *pairObjects) {
		due := int64(-10)
		irql.KeWaitForMultipleObjects(k, 2, []any{&s.event, &s.ev2}, irql.WaitAny, irql.Executive,
			irql.KernelMode, false, &due, s.wb[:])
	}},
	{"multiall", func(k *irql.K, s *pairObjects) {
		due := int64(-10)
		irql.KeWaitForMultipleObjects(k, 2, []any{&s.event, &s.sem}, irql.WaitAll, irql.Executive,
			irql.KernelMode, false, &due, s.wb[:])
	}},
	{"relsem", func(k *irql.K, s *pairObjects) { irql.KeReleaseSemaphore(k, &s.sem, 0, 1, false) }},
	{"waitsem", func(k *irql.K, s *pairObjects) {
		due := int64(-10)
		irql.KeWaitForSingleObject(k, &s.sem, irql.Executive, irql.KernelMode, false, &due)
	}},
	{"initsem", func(k *irql.K, s *pairObjects) { irql.KeInitializeSemaphore(k, &s.sem, 0, 1) }},
	{"mutex", func(k *irql.K, s *pairObjects) {
		irql.KeWaitForSingleObject(k, &s.mutex, irql.Executive, irql.KernelMode, false, nil)
		irql.KeReleaseMutex(k, &s.mutex, false)
	}},
	{"initmutex", func(k *irql.K, s *pairObjects) { irql.KeInitializeMutex(k, &s.mutex, 0) }},
	{"fm", func(k *irql.K, s *pairObjects) {
		irql.ExAcquireFastMutex(k, &s.fm)
		irql.ExReleaseFastMutex(k, &s.fm)
	}},
	{"initfm", func(k *irql.K, s *pairObjects) { irql.ExInitializeFastMutex(k, &s.fm) }},
	{"tryfm", func(k *irql.K, s *pairObjects) {
		if irql.ExTryToAcquireFastMutex(k, &s.fm) {
			irql.ExReleaseFastMutex(k, &s.fm)
		}
	}},
	{"gm", func(k *irql.K, s *pairObjects) {
		irql.KeAcquireGuardedMutex(k, &s.gm)
		irql.KeReleaseGuardedMutex(k, &s.gm)
	}},
	{"initgm", func(k *irql.K, s *pairObjects) { irql.KeInitializeGuardedMutex(k, &s.gm) }},
	{"rundown", func(k *irql.K, s *pairObjects) {
		if irql.ExAcquireRundownProtection(k, &s.run) {
			irql.ExReleaseRundownProtection(k, &s.run)
		}
	}},
	{"runwait", func(k *irql.K, s *pairObjects) { irql.ExWaitForRundownProtectionRelease(k, &s.run) }},
	{"runinit", func(k *irql.K, s *pairObjects) { irql.ExInitializeRundownProtection(k, &s.run) }},
	{"rundone", func(k *irql.K, s *pairObjects) { irql.ExRundownCompleted(k, &s.run) }},
	{"runrel", func(k *irql.K, s *pairObjects) { irql.ExReleaseRundownProtection(k, &s.run) }},
	{"runre", func(k *irql.K, s *pairObjects) { irql.ExReInitializeRundownProtection(k, &s.run) }},
	{"listins", func(k *irql.K, s *pairObjects) { irp.InsertTailList(k, &s.list, &s.entry) }},
	{"listrem", func(k *irql.K, s *pairObjects) { irp.RemoveEntryList(k, &s.entry) }},
	{"listhead", func(k *irql.K, s *pairObjects) {
		if !irp.IsListEmpty(k, &s.list) {
			irp.RemoveHeadList(k, &s.list)
		}
	}},
	{"listinit", func(k *irql.K, s *pairObjects) { irp.InitializeListHead(k, &s.list) }},
	{"exlistins", func(k *irql.K, s *pairObjects) {
		irp.ExInterlockedInsertTailList(k, &s.list, &s.entry, &s.lock)
	}},
	{"exlistrem", func(k *irql.K, s *pairObjects) { irp.ExInterlockedRemoveHeadList(k, &s.list, &s.lock) }},
	{"res", func(k *irql.K, s *pairObjects) {
		irql.ExEnterCriticalRegionAndAcquireResourceExclusive(k, &s.res)
		irql.ExReleaseResourceAndLeaveCriticalRegion(k, &s.res)
	}},
	{"resshared", func(k *irql.K, s *pairObjects) {
		irql.ExEnterCriticalRegionAndAcquireResourceShared(k, &s.res)
		irql.ExReleaseResourceAndLeaveCriticalRegion(k, &s.res)
	}},
	{"resdel", func(k *irql.K, s *pairObjects) { irql.ExDeleteResourceLite(k, &s.res) }},
	{"resinit", func(k *irql.K, s *pairObjects) { irql.ExInitializeResourceLite(k, &s.res) }},
	{"resreinit", func(k *irql.K, s *pairObjects) { irql.ExReinitializeResourceLite(k, &s.res) }},
	{"push", func(k *irql.K, s *pairObjects) {
		irql.KeEnterCriticalRegion(k)
		irql.ExAcquirePushLockExclusive(k, &s.push)
		irql.ExReleasePushLockExclusive(k, &s.push)
		irql.KeLeaveCriticalRegion(k)
	}},
	{"pushinit", func(k *irql.K, s *pairObjects) { irql.ExInitializePushLock(k, &s.push) }},
	{"exsp", func(k *irql.K, s *pairObjects) {
		o := irql.ExAcquireSpinLockShared(k, &s.exspin)
		if irql.ExTryConvertSharedSpinLockExclusive(k, &s.exspin) {
			irql.ExReleaseSpinLockExclusive(k, &s.exspin, o)
		} else {
			irql.ExReleaseSpinLockShared(k, &s.exspin, o)
		}
	}},
	{"rlacq", func(k *irql.K, s *pairObjects) {
		if ntstatus.NT_SUCCESS(irp.IoAcquireRemoveLock(k, &s.rl, s)) {
			irp.IoReleaseRemoveLock(k, &s.rl, s)
		}
	}},
	{"rlwait", func(k *irql.K, s *pairObjects) {
		if ntstatus.NT_SUCCESS(irp.IoAcquireRemoveLock(k, &s.rl, s)) {
			irp.IoReleaseRemoveLockAndWait(k, &s.rl, s)
		}
	}},
	{"rlrel", func(k *irql.K, s *pairObjects) { irp.IoReleaseRemoveLock(k, &s.rl, s) }},
	{"rlinit", func(k *irql.K, s *pairObjects) { irp.IoInitializeRemoveLock(k, &s.rl, pairTag, 0, 0) }},
	{"work", func(k *irql.K, s *pairObjects) {
		irp.IoQueueWorkItem(k, s.item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) { s.b.Store32(0, 3) },
			irp.DelayedWorkQueue, nil)
	}},
	{"workfree", func(k *irql.K, s *pairObjects) { irp.IoFreeWorkItem(k, s.item) }},
	{"cbreg", func(k *irql.K, s *pairObjects) {
		r := irp.ExRegisterCallback(k, s.cb, func(k *irql.K, _, _, _ any) { s.b.Store32(0, 3) }, nil)
		if r != nil {
			irp.ExUnregisterCallback(k, r)
		}
	}},
	{"cbunreg", func(k *irql.K, s *pairObjects) { irp.ExUnregisterCallback(k, s.reg) }},
	{"cbnotify", func(k *irql.K, s *pairObjects) { irp.ExNotifyCallback(k, s.cb, nil, nil) }},
	{"cbderef", func(k *irql.K, s *pairObjects) { irp.ObDereferenceObject(k, s.cb) }},
	{"lookalloc", func(k *irql.K, s *pairObjects) {
		if b := irp.ExAllocateFromLookasideListEx(k, &s.look); b != nil {
			irp.ExFreeToLookasideListEx(k, &s.look, b)
		}
	}},
	{"lookdel", func(k *irql.K, s *pairObjects) { irp.ExDeleteLookasideListEx(k, &s.look) }},
	{"dqins", func(k *irql.K, s *pairObjects) { irp.KeInsertDeviceQueue(k, &s.dq, &s.dqe) }},
	{"dqrem", func(k *irql.K, s *pairObjects) { irp.KeRemoveDeviceQueue(k, &s.dq) }},
	{"dqentry", func(k *irql.K, s *pairObjects) { irp.KeRemoveEntryDeviceQueue(k, &s.dq, &s.dqe) }},
	{"dqinit", func(k *irql.K, s *pairObjects) { irp.KeInitializeDeviceQueue(k, &s.dq) }},
	{"mdlmap", func(k *irql.K, s *pairObjects) {
		if b := irp.MmGetSystemAddressForMdlSafe(k, s.mdl, irp.NormalPagePriority); b != nil {
			b.Load32(0)
		}
	}},
	{"mdlfree", func(k *irql.K, s *pairObjects) { irp.IoFreeMdl(k, s.mdl) }},
	{"mdlcount", func(k *irql.K, s *pairObjects) { irp.MmGetMdlByteCount(k, s.mdl) }},
	{"mdlprep", func(k *irql.K, s *pairObjects) { irp.MmPrepareMdlForReuse(k, s.mdl) }},
	{"mdlbuild", func(k *irql.K, s *pairObjects) { irp.MmBuildMdlForNonPagedPool(k, s.mdl) }},
	{"irpfree", func(k *irql.K, s *pairObjects) { irp.IoFreeIrp(k, s.p) }},
	{"irpreuse", func(k *irql.K, s *pairObjects) { irp.IoReuseIrp(k, s.p, 0) }},
	{"irpcancel", func(k *irql.K, s *pairObjects) { irp.IoCancelIrp(k, s.p) }},
	{"irpset", func(k *irql.K, s *pairObjects) {
		irp.IoSetCancelRoutine(k, s.p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
			irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
			s.b.Store32(0, 9)
		})
	}},
	{"irpunset", func(k *irql.K, s *pairObjects) { irp.IoSetCancelRoutine(k, s.p, nil) }},
	{"irpstatus", func(k *irql.K, s *pairObjects) { s.p.IoStatus().Status = 1 }},
	{"irpsend", func(k *irql.K, s *pairObjects) {
		irp.IoGetNextIrpStackLocation(k, s.p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
		irp.IoSetCompletionRoutine(k, s.p, func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS {
			return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
		}, nil, true, true, true)
		irp.IoCallDriver(k, s.dev, s.p)
	}},
	{"devdel", func(k *irql.K, s *pairObjects) { irp.IoDeleteDevice(k, s.dev) }},
	{"devref", func(k *irql.K, s *pairObjects) {
		irp.ObReferenceObject(k, s.dev)
		irp.ObDereferenceObject(k, s.dev)
	}},
	{"devflags", func(k *irql.K, s *pairObjects) { s.dev.Flags |= irp.DO_DIRECT_IO }},
	{"flag", func(k *irql.K, s *pairObjects) { s.flag.Store(k, s.flag.Load(k)+1) }},
}

func (s *pairObjects) driver(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	done := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
		finished(k, p)
		return ntstatus.STATUS_SUCCESS
	}
	drv.MajorFunction[irp.IRP_MJ_CREATE], drv.MajorFunction[irp.IRP_MJ_CLOSE] = done, done
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = done
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {}
	irp.IoCreateDevice(k, drv, 64, `\Device\Pair`, irp.FILE_DEVICE_UNKNOWN, 0, false, &s.dev)
	irql.KeInitializeSpinLock(k, &s.lock)
	irql.KeInitializeSpinLock(k, &s.lock2)
	irql.ExInitializeFastMutex(k, &s.fm)
	irql.KeInitializeGuardedMutex(k, &s.gm)
	irql.KeInitializeMutex(k, &s.mutex, 0)
	irql.KeInitializeEvent(k, &s.event, irql.NotificationEvent, false)
	irql.KeInitializeEvent(k, &s.ev2, irql.SynchronizationEvent, false)
	irql.KeInitializeSemaphore(k, &s.sem, 0, 1)
	irql.ExInitializeRundownProtection(k, &s.run)
	irp.InitializeListHead(k, &s.list)
	stores := func(k *irql.K, _ *irql.KDPC, _, _, _ any) { s.b.Store32(0, 1) }
	irql.KeInitializeDpc(k, &s.dpc, stores, nil)
	irql.KeInitializeThreadedDpc(k, &s.tdpc, stores, nil)
	irql.KeInitializeTimer(k, &s.timer)
	irql.ExInitializeResourceLite(k, &s.res)
	irql.ExInitializePushLock(k, &s.push)
	irp.IoInitializeRemoveLock(k, &s.rl, pairTag, 0, 0)
	s.ext = irql.ExAllocateTimer(k, func(k *irql.K, _ *irql.EX_TIMER, _ any) { s.b.Store32(0, 7) }, nil, 0)
	s.item = irp.IoAllocateWorkItem(k, s.dev)
	irp.ExCreateCallback(k, &s.cb, nil, true, true)
	s.reg = irp.ExRegisterCallback(k, s.cb, func(k *irql.K, _, _, _ any) { s.b.Store32(0, 3) }, nil)
	irp.ExInitializeLookasideListEx(k, &s.look, nil, nil, irp.NonPagedPoolNx, 0, 32, pairTag, 0)
	irp.KeInitializeDeviceQueue(k, &s.dq)
	s.b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, pairTag)
	s.typed = irp.New[[2]int32](k, irp.POOL_FLAG_NON_PAGED, pairTag)
	s.mdl = irp.IoAllocateMdl(k, s.b, 16, false, false, nil)
	irp.MmBuildMdlForNonPagedPool(k, s.mdl)
	s.p = irp.IoAllocateIrp(k, 2, false)
	return 0
}
