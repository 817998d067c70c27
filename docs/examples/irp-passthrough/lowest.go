// Package irppassthrough is a stack of three drivers in which every request takes the long way: it is pended
// by the lowest driver, completed later from a DPC, passes the middle driver's completion routine on its way
// up and ends in the completion routine of the driver that made it. Some requests are cancelled on the way.
package irppassthrough

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Lowest is lowest.sys: it keeps read requests in a queue of its own until a DPC completes them. The DPC has
// low importance, so the system may let it wait.
type Lowest struct {
	Defect Defect
	Device *irp.DEVICE_OBJECT

	lock  irql.KSPIN_LOCK // guards queue
	queue []*irp.IRP
	dpc   irql.KDPC
}

// DriverEntry creates the device other drivers attach to.
func (d *Lowest) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_READ] = d.read
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irql.KeInitializeDpc(k, &d.dpc, d.answer, nil)
	irql.KeSetImportanceDpc(k, &d.dpc, irql.LowImportance)
	return irp.IoCreateDevice(k, drv, 0, `\Device\Lowest`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d.Device)
}

func (d *Lowest) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irql.KeFlushQueuedDpcs(k)
	irp.IoDeleteDevice(k, d.Device)
}

// read queues the request in the order the documentation asks for: mark, insert, set the cancel routine, and
// only then look whether the request was cancelled meanwhile.
func (d *Lowest) read(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	var old irql.KIRQL
	irp.IoMarkIrpPending(k, p)
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.queue = append(d.queue, p)
	irp.IoSetCancelRoutine(k, p, d.cancelRead)
	if p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil {
		d.remove(p)
		irql.KeReleaseSpinLock(k, &d.lock, old)
		complete(k, p, ntstatus.STATUS_CANCELLED, 0)
		return ntstatus.STATUS_PENDING
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	irql.KeInsertQueueDpc(k, &d.dpc, nil, nil) // if it is queued already, it will find this request too
	return ntstatus.STATUS_PENDING
}

// answer is the DPC: it completes what is in the queue, but for requests whose cancel routine is on its way.
func (d *Lowest) answer(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	var done []*irp.IRP
	irql.KeAcquireSpinLockAtDpcLevel(k, &d.lock)
	for _, p := range d.queue {
		if irp.IoSetCancelRoutine(k, p, nil) != nil || d.Defect == DoubleCompletion {
			done = append(done, p)
		}
	}
	d.queue = nil // the cancel routines of the others find nothing to remove
	irql.KeReleaseSpinLockFromDpcLevel(k, &d.lock)
	for _, p := range done {
		length := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().Read.Length
		complete(k, p, ntstatus.STATUS_SUCCESS, uint64(length))
	}
}

func (d *Lowest) cancelRead(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	var old irql.KIRQL
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.remove(p)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	complete(k, p, ntstatus.STATUS_CANCELLED, 0)
}

func (d *Lowest) remove(p *irp.IRP) {
	for i, q := range d.queue {
		if q == p {
			d.queue = append(d.queue[:i], d.queue[i+1:]...)
			return
		}
	}
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, information uint64) {
	p.IoStatus().Status = s
	p.IoStatus().Information = information
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
}
