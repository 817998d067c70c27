// Package invertedcall is a driver that calls a program: the program keeps requests outstanding, and the
// driver completes one for each event it has to tell. Events come from other programs here, which write them;
// in a network driver they would come from a callout.
package invertedcall

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The names of the device, for drivers and for programs.
const (
	deviceName = `\Device\Inverted`
	linkName   = `\DosDevices\Inverted`
	Path       = `\\.\Inverted`
)

// EventSize is the size of an event, maxEvents how many the driver keeps when nobody waits.
const (
	EventSize = 8
	maxEvents = 16
)

// IoctlNextEvent asks for the next event. It stays outstanding until there is one.
var IoctlNextEvent = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x801, irp.METHOD_BUFFERED, irp.FILE_READ_ACCESS)

type event [EventSize]byte

// Driver is inverted.sys.
type Driver struct {
	Defect Defect

	device  *irp.DEVICE_OBJECT
	lock    irql.KSPIN_LOCK // guards what follows
	waiting []*irp.IRP      // requests for an event, oldest first; each has a cancel routine
	events  []event         // nobody has asked for yet
	dpc     irql.KDPC
}

// DriverEntry makes the device and the name programs open it by.
func (d *Driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_CREATE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLOSE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = d.cleanup
	drv.MajorFunction[irp.IRP_MJ_WRITE] = d.write
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.control
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irql.KeInitializeDpc(k, &d.dpc, d.deliver, nil)
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

// unload is called when no program has the device open any more, so nothing can be in the queue.
func (d *Driver) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irql.KeFlushQueuedDpcs(k)
	irp.IoDeleteSymbolicLink(k, linkName)
	irp.IoDeleteDevice(k, d.device)
}

func (d *Driver) openClose(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// write takes an event from a program.
func (d *Driver) write(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	var e event
	if irp.IoGetCurrentIrpStackLocation(k, p).Parameters().Write.Length != EventSize {
		return complete(k, p, ntstatus.STATUS_INVALID_PARAMETER, 0)
	}
	p.AssociatedIrp().SystemBuffer.CopyTo(0, e[:])
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	full := len(d.events) == maxEvents
	if !full {
		d.events = append(d.events, e)
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	if full {
		return complete(k, p, ntstatus.STATUS_DEVICE_BUSY, 0)
	}
	irql.KeInsertQueueDpc(k, &d.dpc, nil, nil) // if it is queued already, it will find this event too
	return complete(k, p, ntstatus.STATUS_SUCCESS, EventSize)
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, information uint64) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = information
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}
