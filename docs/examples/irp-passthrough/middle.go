package irppassthrough

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Middle is middle.sys: it passes every request on and looks at it on its way back.
type Middle struct {
	Defect Defect
	Below  *irp.DEVICE_OBJECT // the device to attach to; on Windows the PnP manager hands it to AddDevice
	Device *irp.DEVICE_OBJECT
	Seen   int // requests that came back

	lower *irp.DEVICE_OBJECT
	lock  irql.KSPIN_LOCK // guards Seen
}

// DriverEntry attaches a device to the stack below.
func (d *Middle) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = d.pass
	}
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	if s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false,
		&d.Device); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if d.lower = irp.IoAttachDeviceToDeviceStack(k, d.Device, d.Below); d.lower == nil {
		irp.IoDeleteDevice(k, d.Device)
		return ntstatus.STATUS_NO_SUCH_DEVICE
	}
	d.Device.Flags |= d.lower.Flags & (irp.DO_BUFFERED_IO | irp.DO_DIRECT_IO)
	return ntstatus.STATUS_SUCCESS
}

func (d *Middle) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoDetachDevice(k, d.lower)
	irp.IoDeleteDevice(k, d.Device)
}

// pass forwards with a completion routine and returns whatever IoCallDriver returned. Nothing but the Ex form
// keeps this driver loaded until the routine has run.
func (d *Middle) pass(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoCopyCurrentIrpStackLocationToNext(k, p)
	s := irp.IoSetCompletionRoutineEx(k, d.Device, p, d.back, nil, true, true, true)
	if !ntstatus.NT_SUCCESS(s) {
		complete(k, p, s, 0)
		return s
	}
	return irp.IoCallDriver(k, d.lower, p)
}

// back runs wherever the lower driver completed the request. It carries the pending mark on and lets the
// climb continue.
func (d *Middle) back(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
	if p.PendingReturned() && d.Defect != MarkNotCarriedOn {
		irp.IoMarkIrpPending(k, p)
	}
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.Seen++
	irql.KeReleaseSpinLock(k, &d.lock, old)
	return irp.STATUS_CONTINUE_COMPLETION
}
