package pendfirewall

import (
	"encoding/binary"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// create lets one service at a time open the device. From now on there is somebody to ask.
func (d *Firewall) create(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	if irql.InterlockedCompareExchange(k, &d.service, 1, 0) != 0 {
		return complete(k, p, ntstatus.STATUS_DEVICE_BUSY, 0)
	}
	irql.ExReInitializeRundownProtection(k, &d.serving)
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// cleanup is the end of the service: nobody is asked any more, its requests are cancelled, and what it has
// not answered is blocked.
func (d *Firewall) cleanup(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irql.ExWaitForRundownProtectionRelease(k, &d.serving)
	for {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &d.lock, &old)
		q := d.takeRequest(k)
		irql.KeReleaseSpinLock(k, &d.lock, old)
		if q == nil {
			break
		}
		complete(k, q, ntstatus.STATUS_CANCELLED, 0)
	}
	for d.Defect != NeverCompleted && d.answer(k, false, func(q *question) bool { return !q.decided }) {
	}
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

// close is the end of the file object: another service may come.
func (d *Firewall) close(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irql.InterlockedExchange(k, &d.service, 0)
	return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
}

func (d *Firewall) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	c := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
	switch c.IoControlCode {
	case IoctlNext:
		if c.OutputBufferLength < QuestionSize {
			return complete(k, p, ntstatus.STATUS_BUFFER_TOO_SMALL, 0)
		}
		return d.next(k, p)
	case IoctlAnswer:
		if c.InputBufferLength != AnswerSize {
			return complete(k, p, ntstatus.STATUS_INVALID_PARAMETER, 0)
		}
		b := p.AssociatedIrp().SystemBuffer
		id, permit := b.Load32(0), b.Load32(4) != 0
		if !d.answer(k, permit, func(q *question) bool { return q.id == id }) {
			return complete(k, p, ntstatus.STATUS_NOT_FOUND, 0)
		}
		return complete(k, p, ntstatus.STATUS_SUCCESS, 0)
	}
	return complete(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST, 0)
}

// next queues a request for a question.
func (d *Firewall) next(k *irql.K, p *irp.IRP) ntstatus.NTSTATUS {
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
	d.deliver(k)
	return ntstatus.STATUS_PENDING
}

// deliver gives questions that the service has not been told to its requests.
func (d *Firewall) deliver(k *irql.K) {
	for {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &d.lock, &old)
		q := d.untold()
		var p *irp.IRP
		if q != nil {
			p = d.takeRequest(k)
		}
		if p == nil {
			irql.KeReleaseSpinLock(k, &d.lock, old)
			return
		}
		q.told = true
		b := q.bytes()
		irql.KeReleaseSpinLock(k, &d.lock, old)
		p.AssociatedIrp().SystemBuffer.CopyFrom(0, b[:])
		complete(k, p, ntstatus.STATUS_SUCCESS, QuestionSize)
	}
}

// untold is the oldest question that the service has not been told. The lock is held.
func (d *Firewall) untold() *question {
	for _, t := range d.held {
		if q := t.Get(); !q.told && !q.decided {
			return q
		}
	}
	return nil
}

// takeRequest removes the oldest request whose cancel routine can be taken back. The lock is held.
func (d *Firewall) takeRequest(k *irql.K) *irp.IRP {
	for _, p := range d.waiting {
		if irp.IoSetCancelRoutine(k, p, nil) != nil {
			d.remove(p)
			return p
		}
	}
	return nil
}

func (d *Firewall) remove(p *irp.IRP) {
	for i, q := range d.waiting {
		if q == p {
			d.waiting = append(d.waiting[:i], d.waiting[i+1:]...)
			return
		}
	}
}

// cancel is the cancel routine of every request in the queue.
func (d *Firewall) cancel(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	var old irql.KIRQL
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.remove(p)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	complete(k, p, ntstatus.STATUS_CANCELLED, 0)
}

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, information uint64) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = information
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

// Question is what a program finds in the buffer of IoctlNext.
func Question(b []byte) (id, pid, port uint32) {
	return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
}

// Answer is what a program puts into the buffer of IoctlAnswer.
func Answer(id uint32, permit bool) []byte {
	b := binary.LittleEndian.AppendUint32(nil, id)
	if permit {
		return append(b, 1, 0, 0, 0)
	}
	return append(b, 0, 0, 0, 0)
}
