package invertedcall

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// control queues a request for the next event: mark, insert, set the cancel routine, and only then look
// whether the request was cancelled meanwhile.
func (d *Driver) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	c := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
	switch {
	case c.IoControlCode != IoctlNextEvent:
		return complete(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST, 0)
	case c.OutputBufferLength < EventSize:
		return complete(k, p, ntstatus.STATUS_BUFFER_TOO_SMALL, 0)
	}
	var old irql.KIRQL
	irp.IoMarkIrpPending(k, p)
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.waiting = append(d.waiting, p)
	irp.IoSetCancelRoutine(k, p, d.cancel)
	if p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil {
		d.remove(p)
		irql.KeReleaseSpinLock(k, &d.lock, old)
		complete(k, p, ntstatus.STATUS_CANCELLED, 0)
		return ntstatus.STATUS_PENDING
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	irql.KeInsertQueueDpc(k, &d.dpc, nil, nil) // an event may have been waiting for somebody to ask
	return ntstatus.STATUS_PENDING
}

// told is a request and the event it is completed with.
type told struct {
	p *irp.IRP
	e event
}

// deliver is the DPC: it gives the oldest events to the oldest requests, and completes them once the lock is
// released.
func (d *Driver) deliver(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	var done []told
	irql.KeAcquireSpinLockAtDpcLevel(k, &d.lock)
	for len(d.events) > 0 {
		p := d.take(k, func(*irp.IRP) bool { return true })
		if p == nil {
			break
		}
		done = append(done, told{p, d.events[0]})
		d.events = d.events[1:]
	}
	irql.KeReleaseSpinLockFromDpcLevel(k, &d.lock)
	for _, t := range done {
		t.p.AssociatedIrp().SystemBuffer.CopyFrom(0, t.e[:])
		complete(k, t.p, ntstatus.STATUS_SUCCESS, EventSize)
	}
}

// take removes the oldest request that is wanted and returns it as the driver's own. One whose cancel routine
// cannot be taken back belongs to that routine, which is on its way and will remove it. The lock is held.
func (d *Driver) take(k *irql.K, wanted func(p *irp.IRP) bool) *irp.IRP {
	for _, p := range d.waiting {
		if wanted(p) && d.owns(k, p) {
			d.remove(p)
			return p
		}
	}
	return nil
}

// owns takes the cancel routine of a request back and reports whether it was still there.
func (d *Driver) owns(k *irql.K, p *irp.IRP) bool {
	switch d.Defect {
	case CancelRoutineLeft:
		return true
	case CancelAnswerIgnored:
		irp.IoSetCancelRoutine(k, p, nil)
		return true
	}
	return irp.IoSetCancelRoutine(k, p, nil) != nil
}

func (d *Driver) remove(p *irp.IRP) {
	for i, q := range d.waiting {
		if q == p {
			d.waiting = append(d.waiting[:i], d.waiting[i+1:]...)
			return
		}
	}
}

// cancel is the cancel routine of every request in the queue.
func (d *Driver) cancel(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	var old irql.KIRQL
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.remove(p)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	complete(k, p, ntstatus.STATUS_CANCELLED, 0)
}

// cleanup is called when the last handle of a file object is closed: what is queued for it, and only that, is
// completed here. Nobody could receive it any more.
func (d *Driver) cleanup(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	file := irp.IoGetCurrentIrpStackLocation(k, p).FileObject()
	same := func(q *irp.IRP) bool { return irp.IoGetCurrentIrpStackLocation(k, q).FileObject() == file }
	for d.Defect != CleanupForgets {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &d.lock, &old)
		q := d.take(k, same)
		irql.KeReleaseSpinLock(k, &d.lock, old)
		if q == nil {
			break
		}
		complete(k, q, ntstatus.STATUS_CANCELLED, 0)
	}
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}
