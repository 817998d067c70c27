// Package status has what ntsuccess finds.
package status

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

func entry(k *irql.K, drv *irp.DRIVER_OBJECT, p *irp.IRP, lower *irp.DEVICE_OBJECT, event *irql.KEVENT) {
	var dev *irp.DEVICE_OBJECT
	s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
	if s != ntstatus.STATUS_SUCCESS { // want `ntsuccess: a status is compared with STATUS_SUCCESS: !NT_SUCCESS is meant`
		return
	}
	if irp.IoCreateSymbolicLink(k, "a", "b") == 0 { // want `ntsuccess: .*: NT_SUCCESS is meant`
		return
	}
	w := irql.KeWaitForSingleObject(k, event, irql.Executive, irql.KernelMode, false, nil)
	if w != ntstatus.STATUS_SUCCESS {
		return
	}
	c := irp.IoCallDriver(k, lower, p)
	if c == ntstatus.STATUS_PENDING {
		return
	}
	if c != ntstatus.STATUS_SUCCESS {
		return
	}
	if p.IoStatus().Status == ntstatus.STATUS_SUCCESS || !ntstatus.NT_SUCCESS(c) {
		return
	}
}
