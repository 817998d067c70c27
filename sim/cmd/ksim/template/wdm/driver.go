// Package wdm is template.sys: a device on which programs wait for each other. IoctlWait stays outstanding
// until another program sends IoctlSignal, whose four bytes the oldest waiter receives.
package wdm

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The names of the device: for drivers, the link to it, and for programs.
const (
	deviceName = `\Device\Template`
	linkName   = `\DosDevices\Template`
	Path       = `\\.\Template`
)

// The control codes, and how many bytes both of them carry.
var (
	IoctlWait = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x800, irp.METHOD_BUFFERED,
		irp.FILE_ANY_ACCESS)
	IoctlSignal = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x801, irp.METHOD_BUFFERED,
		irp.FILE_ANY_ACCESS)
)

const messageSize = 4

// Driver is the driver's data: what C keeps in global variables or in the device extension.
type Driver struct {
	device  *irp.DEVICE_OBJECT
	csq     irp.IO_CSQ      // cancels what waits
	lock    irql.KSPIN_LOCK // guards waiting
	waiting irp.LIST_ENTRY  // requests, linked through Tail.Overlay.ListEntry
}

// DriverEntry makes the device and the name that programs open it by.
func (d *Driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_CREATE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLOSE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = d.cleanup
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.control
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irp.InitializeListHead(k, &d.waiting)
	s := irp.IoCsqInitialize(k, &d.csq, d.insert, d.remove, d.peek, d.acquire, d.release, d.cancelled)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	s = irp.IoCreateDevice(k, drv, 0, deviceName, irp.FILE_DEVICE_UNKNOWN,
		irp.FILE_DEVICE_SECURE_OPEN, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = irp.IoCreateSymbolicLink(k, linkName, deviceName); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.device)
	}
	return s
}

// unload is called when no program has the device open any more.
func (d *Driver) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoDeleteSymbolicLink(k, linkName)
	irp.IoDeleteDevice(k, d.device)
}

func (d *Driver) openClose(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// control looks at the sizes first, whatever the code.
func (d *Driver) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	c := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
	switch c.IoControlCode {
	case IoctlWait:
		if c.OutputBufferLength < messageSize {
			return complete(k, p, ntstatus.STATUS_BUFFER_TOO_SMALL, 0)
		}
		irp.IoCsqInsertIrp(k, &d.csq, p, nil) // marks it pending; from here on it may be cancelled
		return ntstatus.STATUS_PENDING
	case IoctlSignal:
		if c.InputBufferLength != messageSize {
			return complete(k, p, ntstatus.STATUS_INVALID_PARAMETER, 0)
		}
		return d.signal(k, p)
	}
	return complete(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST, 0)
}

// signal completes the oldest waiter with the bytes of p.
func (d *Driver) signal(k *irql.K, p *irp.IRP) ntstatus.NTSTATUS {
	waiter := irp.IoCsqRemoveNextIrp(k, &d.csq, nil)
	if waiter == nil {
		return complete(k, p, ntstatus.STATUS_NOT_FOUND, 0)
	}
	message := p.AssociatedIrp().SystemBuffer.Load32(0)
	waiter.AssociatedIrp().SystemBuffer.Store32(0, message)
	complete(k, waiter, ntstatus.STATUS_SUCCESS, messageSize)
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// cleanup is called when the last handle of a file object is closed: nobody will wait for its requests.
func (d *Driver) cleanup(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	file := irp.IoGetCurrentIrpStackLocation(k, p).FileObject()
	for q := irp.IoCsqRemoveNextIrp(k, &d.csq, file); q != nil; q = irp.IoCsqRemoveNextIrp(k, &d.csq, file) {
		complete(k, q, ntstatus.STATUS_CANCELLED, 0)
	}
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, information uint64) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = information
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}
