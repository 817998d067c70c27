package irp_test

import (
	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// The operations of FuzzOperations, by family. Each takes what it needs from the script.

// irpOp is what is done with IRPs of one's own.
func (z *fuzz) irpOp(k *irql.K, _ *irp.IRP, op int) {
	i := z.pick(registers)
	p := &z.p[i]
	switch op % 8 {
	case 0:
		*p = irp.IoAllocateIrp(k, int8(z.pick(5)), false)
	case 1:
		irp.IoFreeIrp(k, *p)
	case 2:
		irp.IoReuseIrp(k, *p, z.status())
	case 3:
		irp.IoCancelIrp(k, *p)
	case 4:
		if d := z.dev[z.pick(registers)]; d != nil {
			b := z.buf[z.pick(registers)]
			*p = irp.IoBuildDeviceIoControlRequest(k, uint32(z.next()), d, b, uint32(z.next()), b,
				uint32(z.next()), z.next()&1 != 0, &z.data.event[z.pick(registers)], &z.iosb)
		}
	case 5, 6:
		if d := z.dev[z.pick(registers)]; d != nil {
			b := z.buf[z.pick(registers)]
			if major := uint32(irp.IRP_MJ_READ + z.pick(2)); op%8 == 5 {
				*p = irp.IoBuildAsynchronousFsdRequest(k, major, d, b, uint32(z.next()), nil, &z.iosb)
			} else {
				*p = irp.IoBuildSynchronousFsdRequest(k, major, d, b, uint32(z.next()), nil,
					&z.data.event[z.pick(registers)], &z.iosb)
			}
		}
	case 7:
		z.p[z.pick(registers)] = *p
	}
}

// stackOp is what is done with the stack locations of the IRP at hand.
func (z *fuzz) stackOp(k *irql.K, p *irp.IRP, op int) {
	switch op % 12 {
	case 0:
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
	case 1:
		irp.IoSkipCurrentIrpStackLocation(k, p)
	case 2:
		b := z.next()
		irp.IoSetCompletionRoutine(k, p, z.onCompletion, nil, b&1 == 0, b&2 == 0, b&4 == 0)
	case 3:
		irp.IoSetCompletionRoutine(k, p, nil, nil, false, false, z.next()&1 != 0)
	case 4:
		irp.IoMarkIrpPending(k, p)
	case 5:
		irp.IoCallDriver(k, z.dev[z.pick(registers)], p)
	case 6:
		irp.IoSetNextIrpStackLocation(k, p)
	case 7:
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	case 8:
		if p != nil {
			p.IoStatus().Status = z.status()
			p.IoStatus().Information = uint64(z.next())
		}
	case 9:
		if l := irp.IoGetNextIrpStackLocation(k, p); l != nil {
			l.SetMajorFunction(uint8(z.next()))
			l.SetDeviceObject(z.dev[z.pick(registers)])
		}
	case 10:
		if l := irp.IoGetCurrentIrpStackLocation(k, p); l != nil {
			l.Parameters().Others.Argument1 = l.Control()
		}
	case 11:
		if p != nil {
			z.touch(p, z.next())
		}
	}
}

func (z *fuzz) touch(p *irp.IRP, how int) {
	switch how % 6 {
	case 0:
		p.PendingReturned()
	case 1:
		p.SetMdlAddress(z.mdl[z.pick(registers)])
	case 2:
		p.AssociatedIrp().SystemBuffer = z.buf[z.pick(registers)]
	case 3:
		p.SetUserBuffer(z.buf[z.pick(registers)])
	case 4:
		p.DriverContext()[0] = p.CurrentLocation()
	case 5:
		z.p[z.pick(registers)] = p
	}
}

// ownOp is cancellation and the cancel lock.
func (z *fuzz) ownOp(k *irql.K, p *irp.IRP, op int) {
	switch op % 6 {
	case 0:
		irp.IoSetCancelRoutine(k, p, z.onCancel)
	case 1:
		irp.IoSetCancelRoutine(k, p, nil)
	case 2:
		irp.IoAcquireCancelSpinLock(k, &z.old)
	case 3:
		irp.IoReleaseCancelSpinLock(k, z.old)
	case 4:
		irp.IoAcquireRemoveLock(k, &z.data.remove, nil)
	case 5:
		if z.next()&3 == 0 {
			irp.IoReleaseRemoveLockAndWait(k, &z.data.remove, nil)
		} else {
			irp.IoReleaseRemoveLock(k, &z.data.remove, nil)
		}
	}
}

// levelOp raises, lowers and locks.
func (z *fuzz) levelOp(k *irql.K, _ *irp.IRP, op int) {
	d, i := z.data, z.pick(registers)
	j := i % 2
	switch op % 20 {
	case 0:
		irql.KeRaiseIrql(k, irql.KIRQL(z.pick(16)), &z.old)
	case 1:
		irql.KeLowerIrql(k, irql.KIRQL(z.pick(16)))
	case 2:
		irql.KeLowerIrql(k, z.old)
	case 3:
		irql.KeAcquireSpinLock(k, &d.spin[i], &z.old)
	case 4:
		irql.KeReleaseSpinLock(k, &d.spin[i], z.old)
	case 5:
		irql.KeAcquireSpinLockAtDpcLevel(k, &d.spin[i])
	case 6:
		irql.KeReleaseSpinLockFromDpcLevel(k, &d.spin[i])
	case 7:
		irql.KeAcquireInStackQueuedSpinLock(k, &d.spin[i], &z.handle[i])
	case 8:
		irql.KeReleaseInStackQueuedSpinLock(k, &z.handle[i])
	case 9:
		irql.ExAcquireFastMutex(k, &d.fast[j])
	case 10:
		irql.ExReleaseFastMutex(k, &d.fast[j])
	case 11:
		irql.KeAcquireGuardedMutex(k, &d.guarded[j])
	case 12:
		irql.KeReleaseGuardedMutex(k, &d.guarded[j])
	case 13:
		irql.KeEnterCriticalRegion(k)
	case 14:
		irql.KeLeaveCriticalRegion(k)
	case 15:
		irql.KeInitializeSpinLock(k, &d.spin[i])
	case 16:
		irql.ExTryToAcquireFastMutex(k, &d.fast[j])
	case 17:
		irql.ExReleaseFastMutexUnsafe(k, &d.fast[j])
	case 18:
		irql.KeTryToAcquireSpinLockAtDpcLevel(k, &d.spin[i])
	case 19:
		irql.InterlockedIncrement(k, &z.count)
	}
}

// waitOp waits and signals.
func (z *fuzz) waitOp(k *irql.K, _ *irp.IRP, op int) {
	d, i := z.data, z.pick(registers)
	j := i % 2
	var limit *int64
	if b := z.next(); b&3 != 0 {
		limit = new(int64)
		*limit = -int64(b>>2) * ke.Millisecond
	}
	waitable := [...]any{&d.event[i], &d.mutex[j], &d.sem[j], &d.timer[j]}
	switch op % 14 {
	case 0:
		irql.KeSetEvent(k, &d.event[i], 0, z.next()&7 == 7)
	case 1:
		irql.KeClearEvent(k, &d.event[i])
	case 2, 3:
		irql.KeWaitForSingleObject(k, waitable[z.pick(len(waitable))], irql.Executive, irql.KernelMode, false,
			limit)
	case 4:
		irql.KeWaitForMultipleObjects(k, 2, waitable[z.pick(3):], irql.WAIT_TYPE(z.pick(2)), irql.Executive,
			irql.KernelMode, false, limit, nil)
	case 5:
		irql.KeReleaseMutex(k, &d.mutex[j], false)
	case 6:
		irql.KeReleaseSemaphore(k, &d.sem[j], 0, int32(z.pick(5)), false)
	case 7:
		if limit != nil {
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, limit)
		}
	case 8:
		irql.ExAcquireRundownProtection(k, &d.rundown)
	case 9:
		irql.ExReleaseRundownProtection(k, &d.rundown)
	case 10:
		irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
	case 11:
		irql.KeInitializeEvent(k, &d.event[i], irql.NotificationEvent, z.next()&1 != 0)
	case 12:
		irql.Yield(k)
	case 13:
		irql.KeStallExecutionProcessor(k, uint32(z.next()))
	}
}

// laterOp starts something in another context.
func (z *fuzz) laterOp(k *irql.K, _ *irp.IRP, op int) {
	d, i := z.data, z.pick(registers)
	j := i % 2
	switch op % 12 {
	case 0:
		if dev := z.dev[z.pick(registers)]; dev != nil {
			z.item[i] = irp.IoAllocateWorkItem(k, dev)
		}
	case 1:
		irp.IoQueueWorkItem(k, z.item[i], z.onWork, irp.DelayedWorkQueue, nil)
	case 2:
		irp.IoFreeWorkItem(k, z.item[i])
	case 3:
		irql.KeInsertQueueDpc(k, &d.dpc[j], nil, nil)
	case 4:
		irql.KeRemoveQueueDpc(k, &d.dpc[j])
	case 5:
		irql.KeFlushQueuedDpcs(k)
	case 6:
		dpc := &d.dpc[j]
		if z.next()&1 != 0 {
			dpc = nil
		}
		irql.KeSetTimerEx(k, &d.timer[j], -int64(z.next())*ke.Millisecond, int32(z.next()&7)*500, dpc)
	case 7:
		irql.KeCancelTimer(k, &d.timer[j])
	case 8:
		irql.PsCreateSystemThread(k, &z.thread, 0, nil, 0, nil, z.onThread, nil)
	case 9:
		irp.ZwClose(k, z.thread)
	case 10:
		irql.PsTerminateSystemThread(k, z.status())
	case 11:
		irql.KeSetTargetProcessorDpc(k, &d.dpc[j], int8(z.pick(3)))
	}
}

// deviceOp changes the device stack.
func (z *fuzz) deviceOp(k *irql.K, _ *irp.IRP, op int) {
	i := z.pick(registers)
	dev, other := z.dev[i], z.dev[z.pick(registers)]
	if dev == nil || other == nil {
		return
	}
	switch op % 7 {
	case 0:
		irp.IoCreateDevice(k, z.driver[i/2], 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &z.dev[i])
	case 1:
		irp.IoDeleteDevice(k, dev)
	case 2:
		irp.IoAttachDeviceToDeviceStack(k, dev, other)
	case 3:
		irp.IoDetachDevice(k, dev)
	case 4:
		irp.IoGetAttachedDeviceReference(k, dev)
	case 5:
		irp.ObReferenceObject(k, dev)
	case 6:
		irp.ObDereferenceObject(k, dev)
	}
}
