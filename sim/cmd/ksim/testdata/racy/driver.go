// Package racy is a driver for the tests of ksim race: its contexts count in a plain field, in some of the
// scenarios with something that orders them and in some without.
package racy

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// driver is racy.sys.
type driver struct {
	count int // what is shared

	device    *irp.DEVICE_OBJECT
	spin      irql.KSPIN_LOCK
	shared    irql.EX_SPIN_LOCK
	fast      irql.FAST_MUTEX
	mutex     irql.KMUTEX
	semaphore irql.KSEMAPHORE
	resource  irql.ERESOURCE
	rundown   irql.EX_RUNDOWN_REF
	done      irql.KEVENT
	timer     irql.KTIMER
	dpc       irql.KDPC
	refs      int32
}

// DriverEntry makes everything the scenarios use.
func (d *driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_READ] = d.read
	drv.DriverUnload = d.unload
	s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	irql.KeInitializeSpinLock(k, &d.spin)
	irql.ExInitializeFastMutex(k, &d.fast)
	irql.KeInitializeMutex(k, &d.mutex, 0)
	irql.KeInitializeSemaphore(k, &d.semaphore, 1, 1)
	irql.ExInitializeResourceLite(k, &d.resource)
	irql.ExInitializeRundownProtection(k, &d.rundown)
	irql.KeInitializeEvent(k, &d.done, irql.NotificationEvent, false)
	irql.KeInitializeTimer(k, &d.timer)
	return ntstatus.STATUS_SUCCESS
}

func (d *driver) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irql.ExDeleteResourceLite(k, &d.resource)
	irp.IoDeleteDevice(k, d.device)
}

func (d *driver) wait(k *irql.K, object any) {
	irql.KeWaitForSingleObject(k, object, irql.Executive, irql.KernelMode, false, nil)
}

// countAndSet is a DPC.
func (d *driver) countAndSet(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	d.count++
	irql.KeSetEvent(k, &d.done, 0, false)
}

// inWorkItem runs fn in a work item. It reports whether there was memory for one.
func (d *driver) inWorkItem(k *irql.K, fn func(k *irql.K)) bool {
	item := irp.IoAllocateWorkItem(k, d.device)
	if item == nil {
		return false
	}
	irp.IoQueueWorkItem(k, item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		fn(k)
		irp.IoFreeWorkItem(k, item)
	}, irp.DelayedWorkQueue, nil)
	return true
}

// read pends the request; a DPC counts and completes it.
func (d *driver) read(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
		d.count++
		p.IoStatus().Status = ntstatus.STATUS_SUCCESS
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	}, nil)
	irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
	return ntstatus.STATUS_PENDING
}

// request sends a read to the driver's own device and waits until its completion routine has run.
func (d *driver) request(k *irql.K) {
	p := irp.IoAllocateIrp(k, d.device.StackSize, false)
	if p == nil {
		return
	}
	irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_READ)
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		irql.KeSetEvent(k, &d.done, 0, false)
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, nil, true, true, true)
	d.count++
	irp.IoCallDriver(k, d.device, p)
	d.wait(k, &d.done)
	d.count++
	irp.IoFreeIrp(k, p)
}
