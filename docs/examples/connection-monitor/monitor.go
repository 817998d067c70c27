// Package connectionmonitor is a callout driver that knows every TCP connection of the machine while it
// lives. At ALE_FLOW_ESTABLISHED_V4 each flow gets a context, a record in pool; the callout at
// ALE_ENDPOINT_CLOSURE_V4 gets it when the program closes its socket; flowDeleteFn takes it away. A program
// asks for a report by a control code.
//
//	flow established --> record, reference 1 --> list, context on the flow
//	report           --> references under the lock, looks without it, gives them back
//	flow ends        --> flowDeleteFn: off the list, reference given back; the last one frees
//	unload           --> FwpsFlowRemoveContext0 for each, until the callout can be unregistered
package connectionmonitor

import (
	"encoding/binary"

	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The names of the device, for drivers and for programs.
const (
	deviceName = `\Device\Monitor`
	linkName   = `\DosDevices\Monitor`
	Path       = `\\.\Monitor`
)

// ReportSize is the size of a report: how many connections there are, and how many are closed by the program
// and not over yet, as two ULONGs.
const ReportSize = 8

// IoctlReport asks for a report.
var IoctlReport = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x801, irp.METHOD_BUFFERED, irp.FILE_READ_ACCESS)

const recordSize = 32

var tag = irp.Tag("CMon")

// record is what the driver knows about a connection. It lies in pool; the flow has one reference to it, and
// whoever looks at it without the lock has one of its own.
type record struct {
	refs   int32
	flow   uint64
	closed int32
}

// Monitor is monitor.sys.
type Monitor struct {
	Defect Defect

	device  *irp.DEVICE_OBJECT
	engine  irql.HANDLE
	flows   uint32 // run-time ids of the callouts
	closure uint32
	rundown irql.EX_RUNDOWN_REF // held while a context is associated
	lock    irql.KSPIN_LOCK     // guards records
	records []*irp.Buffer

	Seen, Ended int32 // connections so far
}

// DriverEntry makes the device, the callouts and their filters.
func (d *Monitor) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_CREATE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_CLOSE] = d.openClose
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.control
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irql.ExInitializeRundownProtection(k, &d.rundown)
	s := irp.IoCreateDevice(k, drv, 0, deviceName, irp.FILE_DEVICE_UNKNOWN, irp.FILE_DEVICE_SECURE_OPEN,
		false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = irp.IoCreateSymbolicLink(k, linkName, deviceName); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.device)
		return s
	}
	if s = d.register(k); ntstatus.NT_SUCCESS(s) {
		if s = d.addFilters(k); ntstatus.NT_SUCCESS(s) {
			return s
		}
		d.unregister(k)
	}
	irp.IoDeleteSymbolicLink(k, linkName)
	irp.IoDeleteDevice(k, d.device)
	return s
}

// register registers both callouts, or none.
func (d *Monitor) register(k *irql.K) ntstatus.NTSTATUS {
	c := fwps.FWPS_CALLOUT1{CalloutKey: closureKey, ClassifyFn: d.closureFn1, NotifyFn: notifyFn1,
		FlowDeleteFn: d.flowDeleteFn}
	s := fwps.FwpsCalloutRegister1(k, d.device, &c, &d.closure)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	c = fwps.FWPS_CALLOUT1{CalloutKey: flowKey, ClassifyFn: d.flowFn1, NotifyFn: notifyFn1}
	if s = fwps.FwpsCalloutRegister1(k, d.device, &c, &d.flows); !ntstatus.NT_SUCCESS(s) {
		fwps.FwpsCalloutUnregisterById0(k, d.closure)
	}
	return s
}

// unload lets no new context come, takes away those there are, and goes when the callouts are unregistered.
func (d *Monitor) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	d.removeFilters(k)
	irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
	d.unregister(k)
	irp.IoDeleteSymbolicLink(k, linkName)
	irp.IoDeleteDevice(k, d.device)
}

func (d *Monitor) unregister(k *irql.K) {
	for fwps.FwpsCalloutUnregisterById0(k, d.flows) == ntstatus.STATUS_DEVICE_BUSY {
		pause(k)
	}
	for fwps.FwpsCalloutUnregisterById0(k, d.closure) == ntstatus.STATUS_DEVICE_BUSY {
		if d.Defect == BusyIgnored {
			return
		}
		d.removeAll(k)
		pause(k) // a removal that is pending, or a callback on its way
	}
}

func pause(k *irql.K) {
	due := int64(-10_000)
	irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
}

func notifyFn1(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID, *fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
	return ntstatus.STATUS_SUCCESS
}

func (d *Monitor) openClose(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// control answers a program that asks for a report.
func (d *Monitor) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	c := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
	switch {
	case c.IoControlCode != IoctlReport:
		return complete(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST, 0)
	case c.OutputBufferLength < ReportSize:
		return complete(k, p, ntstatus.STATUS_BUFFER_TOO_SMALL, 0)
	}
	var b [ReportSize]byte
	open, closed := d.report(k)
	binary.LittleEndian.PutUint32(b[:], open)
	binary.LittleEndian.PutUint32(b[4:], closed)
	p.AssociatedIrp().SystemBuffer.CopyFrom(0, b[:])
	return complete(k, p, ntstatus.STATUS_SUCCESS, ReportSize)
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, information uint64) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = information
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}
