// Package hellodpc is the smallest driver that does something later: DriverEntry queues a DPC, the DPC
// queues a work item, and the work item runs at PASSIVE_LEVEL, where nearly everything is allowed.
package hellodpc

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Driver is the driver's data. A defect is switched on to see what it leads to.
type Driver struct {
	WaitsInDPC    bool // the DPC waits for the work item
	ForgetsDevice bool // DriverUnload does not delete the device

	device *irp.DEVICE_OBJECT
	dpc    irql.KDPC
	item   *irp.IO_WORKITEM
	done   irql.KEVENT
}

// DriverEntry makes a device and queues the DPC.
func (d *Driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, registryPath string) ntstatus.NTSTATUS {
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Hello`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	d.item = irp.IoAllocateWorkItem(k, d.device)
	if d.item == nil {
		irp.IoDeleteDevice(k, d.device)
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	drv.DriverUnload = d.unload
	irql.KeInitializeEvent(k, &d.done, irql.NotificationEvent, false)
	irql.KeInitializeDpc(k, &d.dpc, d.deferred, d)
	irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
	return ntstatus.STATUS_SUCCESS
}

// deferred runs at DISPATCH_LEVEL: it may not wait, so it leaves the rest to the work item.
func (d *Driver) deferred(k *irql.K, dpc *irql.KDPC, context, argument1, argument2 any) {
	irp.IoQueueWorkItem(k, d.item, d.work, irp.DelayedWorkQueue, nil)
	if d.WaitsInDPC {
		//ddivet:ignore irqlmax: this is the defect
		irql.KeWaitForSingleObject(k, &d.done, irql.Executive, irql.KernelMode, false, nil)
	}
}

// work runs at PASSIVE_LEVEL in a system worker thread.
func (d *Driver) work(k *irql.K, dev *irp.DEVICE_OBJECT, context any) {
	irql.KeSetEvent(k, &d.done, irp.IO_NO_INCREMENT, false)
}

// unload waits until nothing of the driver is under way any more, then takes away what DriverEntry made.
func (d *Driver) unload(k *irql.K, drv *irp.DRIVER_OBJECT) {
	irql.KeWaitForSingleObject(k, &d.done, irql.Executive, irql.KernelMode, false, nil)
	irp.IoFreeWorkItem(k, d.item)
	if !d.ForgetsDevice {
		irp.IoDeleteDevice(k, d.device)
	}
}
