package useafterfree

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The names of the sender's device, for drivers and for programs.
const (
	deviceName = `\Device\Sender`
	linkName   = `\DosDevices\Sender`
	Path       = `\\.\Sender`
)

// MessageSize is the size of a message. It begins with its number.
const MessageSize = 8

var messageTag = irp.Tag("Mess")

// Sender is sender.sys: what a program writes to it, it sends to the driver below, and notes the number.
type Sender struct {
	Defect Defect
	Below  *irp.DEVICE_OBJECT
	Noted  uint32 // number of the last message; read it after the run

	device *irp.DEVICE_OBJECT
}

// DriverEntry makes the device and the name programs open it by.
func (d *Sender) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_CREATE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLOSE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_WRITE] = d.write
	drv.DriverUnload = d.unload
	s := irp.IoCreateDevice(k, drv, 0, deviceName, irp.FILE_DEVICE_UNKNOWN, irp.FILE_DEVICE_SECURE_OPEN,
		false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	d.device.Flags |= irp.DO_BUFFERED_IO
	if s = irp.IoCreateSymbolicLink(k, linkName, deviceName); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.device)
	}
	return s
}

func (d *Sender) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoDeleteSymbolicLink(k, linkName)
	irp.IoDeleteDevice(k, d.device)
}

func (d *Sender) openClose(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// write makes a copy of the message and sends it. As long as the request is on its way, the copy belongs to
// the request.
func (d *Sender) write(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	var message [MessageSize]byte
	if irp.IoGetCurrentIrpStackLocation(k, p).Parameters().Write.Length != MessageSize {
		return complete(k, p, ntstatus.STATUS_INVALID_PARAMETER, 0)
	}
	p.AssociatedIrp().SystemBuffer.CopyTo(0, message[:])
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, MessageSize, messageTag)
	if b == nil {
		return complete(k, p, ntstatus.STATUS_INSUFFICIENT_RESOURCES, 0)
	}
	b.CopyFrom(0, message[:])
	var done irql.KEVENT
	irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
	if !d.send(k, b, &done) {
		irp.ExFreePoolWithTag(k, b, messageTag)
		return complete(k, p, ntstatus.STATUS_INSUFFICIENT_RESOURCES, 0)
	}
	if d.Defect == None {
		irql.KeWaitForSingleObject(k, &done, irql.Executive, irql.KernelMode, false, nil)
	}
	d.Noted = b.Load32(0)
	if d.Defect == None {
		irp.ExFreePoolWithTag(k, b, messageTag)
	}
	return complete(k, p, ntstatus.STATUS_SUCCESS, MessageSize)
}

// send makes a request of the copy and sends it down; false means that there was no memory for it.
func (d *Sender) send(k *irql.K, b *irp.Buffer, done *irql.KEVENT) bool {
	p := irp.IoAllocateIrp(k, d.Below.StackSize, false)
	if p == nil {
		return false
	}
	next := irp.IoGetNextIrpStackLocation(k, p)
	next.SetMajorFunction(irp.IRP_MJ_WRITE)
	next.Parameters().Write.Length = MessageSize
	p.AssociatedIrp().SystemBuffer = b
	s := irp.IoSetCompletionRoutineEx(k, d.device, p, d.sent, done, true, true, true)
	if !ntstatus.NT_SUCCESS(s) {
		irp.IoFreeIrp(k, p)
		return false
	}
	irp.IoCallDriver(k, d.Below, p) // whatever it returns, sent is called
	return true
}

// sent is the completion routine. The request is this driver's own, so it ends here.
func (d *Sender) sent(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
	if d.Defect == LooksAfterSend {
		irp.ExFreePoolWithTag(k, p.AssociatedIrp().SystemBuffer, messageTag)
	}
	irp.IoFreeIrp(k, p)
	if d.Defect == None {
		irql.KeSetEvent(k, context.(*irql.KEVENT), irp.IO_NO_INCREMENT, false)
	}
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}
