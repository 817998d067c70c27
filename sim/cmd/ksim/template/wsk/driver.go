// Package wsk is template.sys: a Winsock Kernel client behind a device. IoctlAsk connects to a server, sends
// it the bytes of the request, and gives back what the server answers.
package wsk

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// The names of the device: for drivers, the link to it, and for programs.
const (
	deviceName = `\Device\Template`
	linkName   = `\DosDevices\Template`
	Path       = `\\.\Template`
)

// IoctlAsk is the control code.
var IoctlAsk = irp.CTL_CODE(irp.FILE_DEVICE_NETWORK, 0x800, irp.METHOD_BUFFERED, irp.FILE_ANY_ACCESS)

// captureWait is how long DriverEntry waits for the network, in milliseconds.
const captureWait = 100

// Driver is the driver's data: what C keeps in global variables or in the device extension.
type Driver struct {
	Server ws2def.SOCKADDR_IN // whom to ask

	device       *irp.DEVICE_OBJECT
	registration wsk.WSK_REGISTRATION
	npi          wsk.WSK_PROVIDER_NPI
}

var clientDispatch = wsk.WSK_CLIENT_DISPATCH{Version: wsk.MAKE_WSK_VERSION(1, 0)}

// DriverEntry makes the device and attaches to Winsock Kernel. Programs can open the device once it has its
// name, so that comes last.
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
	client := wsk.WSK_CLIENT_NPI{ClientContext: d, Dispatch: &clientDispatch}
	if s = wsk.WskRegister(k, &client, &d.registration); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.device)
		return s
	}
	s = wsk.WskCaptureProviderNPI(k, &d.registration, captureWait, &d.npi)
	if ntstatus.NT_SUCCESS(s) {
		if s = irp.IoCreateSymbolicLink(k, linkName, deviceName); ntstatus.NT_SUCCESS(s) {
			return s
		}
		wsk.WskReleaseProviderNPI(k, &d.registration)
	}
	wsk.WskDeregister(k, &d.registration)
	irp.IoDeleteDevice(k, d.device)
	return s
}

// unload is called when no program has the device open any more, so no socket is left either.
func (d *Driver) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irp.IoDeleteSymbolicLink(k, linkName)
	wsk.WskReleaseProviderNPI(k, &d.registration)
	wsk.WskDeregister(k, &d.registration)
	irp.IoDeleteDevice(k, d.device)
}

func (d *Driver) openClose(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// control runs in the thread of the program, at PASSIVE_LEVEL, and may wait there.
func (d *Driver) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	c := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
	switch {
	case c.IoControlCode != IoctlAsk:
		return complete(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST, 0)
	case c.InputBufferLength == 0 || c.OutputBufferLength == 0:
		return complete(k, p, ntstatus.STATUS_INVALID_PARAMETER, 0)
	}
	got, s := d.ask(k, p.AssociatedIrp().SystemBuffer, uint64(c.InputBufferLength),
		uint64(c.OutputBufferLength))
	return complete(k, p, s, got)
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, information uint64) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = information
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}
