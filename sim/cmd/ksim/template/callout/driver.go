// Package callout is template.sys: a callout that blocks outgoing TCP connections to one port, which a
// program chooses through a device.
package callout

import (
	"calloutsim/fwps"
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

// IoctlBlock takes a port, two bytes in the order of the machine; 0 blocks nothing.
var IoctlBlock = irp.CTL_CODE(irp.FILE_DEVICE_NETWORK, 0x800, irp.METHOD_BUFFERED, irp.FILE_ANY_ACCESS)

// Driver is the driver's data: what C keeps in global variables or in the device extension.
type Driver struct {
	device  *irp.DEVICE_OBJECT
	engine  irql.HANDLE
	callout uint32          // run-time id
	port    irql.Var[int32] // blocked; classifyFn and the dispatch routine share it
}

// DriverEntry makes the device, registers the callout and adds the filter that calls it. A step that fails
// has everything before it undone.
func (d *Driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_CREATE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLOSE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.control
	drv.DriverUnload = d.unload
	s := irp.IoCreateDevice(k, drv, 0, deviceName, irp.FILE_DEVICE_NETWORK,
		irp.FILE_DEVICE_SECURE_OPEN, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	c := fwps.FWPS_CALLOUT1{CalloutKey: calloutKey, ClassifyFn: d.classify, NotifyFn: d.notify}
	if s = fwps.FwpsCalloutRegister1(k, d.device, &c, &d.callout); ntstatus.NT_SUCCESS(s) {
		if s = d.addFilter(k); ntstatus.NT_SUCCESS(s) {
			if s = irp.IoCreateSymbolicLink(k, linkName, deviceName); ntstatus.NT_SUCCESS(s) {
				return s
			}
			d.removeFilter(k)
		}
		d.unregister(k)
	}
	irp.IoDeleteDevice(k, d.device)
	return s
}

// unload takes the filter away first, so that no more connections come.
func (d *Driver) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoDeleteSymbolicLink(k, linkName)
	d.removeFilter(k)
	d.unregister(k)
	irp.IoDeleteDevice(k, d.device)
}

// unregister waits while the callout is busy.
func (d *Driver) unregister(k *irql.K) {
	for fwps.FwpsCalloutUnregisterById0(k, d.callout) == ntstatus.STATUS_DEVICE_BUSY {
		pause := int64(-10_000) // a millisecond
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}

// classify decides at once, so it pends nothing. It may run at DISPATCH_LEVEL.
func (d *Driver) classify(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	_ *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any, _ *fwps.FWPS_FILTER1, _ uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return // somebody heavier has decided
	}
	out.ActionType = fwps.FWP_ACTION_CONTINUE
	port := in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT).Value().Uint16()
	if int32(port) == d.port.Load(k) {
		out.ActionType = fwps.FWP_ACTION_BLOCK
		out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	}
}

func (d *Driver) notify(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
	*fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
	return ntstatus.STATUS_SUCCESS
}

func (d *Driver) openClose(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	return complete(k, p, ntstatus.STATUS_SUCCESS)
}

func (d *Driver) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	c := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
	switch {
	case c.IoControlCode != IoctlBlock:
		return complete(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST)
	case c.InputBufferLength != 2:
		return complete(k, p, ntstatus.STATUS_INVALID_PARAMETER)
	}
	irql.InterlockedExchange(k, &d.port, int32(p.AssociatedIrp().SystemBuffer.Load16(0)))
	return complete(k, p, ntstatus.STATUS_SUCCESS)
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = 0
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}
