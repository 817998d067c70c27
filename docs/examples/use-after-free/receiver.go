// Package useafterfree is a driver that sends a request down with a buffer, and the driver below, which
// answers later. Who may look at the buffer once IoCallDriver has returned STATUS_PENDING?
package useafterfree

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Receiver is receiver.sys: it takes messages, one at a time, and completes each from a work item.
type Receiver struct {
	Device *irp.DEVICE_OBJECT
	Got    uint32 // number of the last message; read it after the run

	item *irp.IO_WORKITEM
}

// DriverEntry makes the device the sender talks to.
func (d *Receiver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_WRITE] = d.write
	drv.DriverUnload = d.unload
	if s := irp.IoCreateDevice(k, drv, 0, `\Device\Receiver`, irp.FILE_DEVICE_UNKNOWN, 0, false,
		&d.Device); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	d.Device.Flags |= irp.DO_BUFFERED_IO
	if d.item = irp.IoAllocateWorkItem(k, d.Device); d.item == nil {
		irp.IoDeleteDevice(k, d.Device)
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	return ntstatus.STATUS_SUCCESS
}

func (d *Receiver) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoFreeWorkItem(k, d.item)
	irp.IoDeleteDevice(k, d.Device)
}

// write leaves the request to the work item, as its context: what contexts hand to each other in a field of
// the driver is nothing that a search for all orders sees.
func (d *Receiver) write(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	irp.IoQueueWorkItem(k, d.item, d.answer, irp.DelayedWorkQueue, p)
	return ntstatus.STATUS_PENDING
}

// answer is the work item.
func (d *Receiver) answer(k *irql.K, _ *irp.DEVICE_OBJECT, context any) {
	p := context.(*irp.IRP)
	d.Got = p.AssociatedIrp().SystemBuffer.Load32(0)
	complete(k, p, ntstatus.STATUS_SUCCESS, MessageSize)
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, information uint64) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = information
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}
