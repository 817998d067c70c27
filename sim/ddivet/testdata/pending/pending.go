// Package pending has what irppending, aftercomplete and skipcompletion find, and what they must not.
package pending

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

type driver struct {
	lower   *irp.DEVICE_OBJECT
	waiting []*irp.IRP
	queue   irp.IO_CSQ
	other   func(k *irql.K, p *irp.IRP)
}

func (d *driver) forgets(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	d.waiting = append(d.waiting, p)
	d.keep(k, p)
	return ntstatus.STATUS_PENDING // want `irppending: STATUS_PENDING is returned, and nothing on the way here calls IoMarkIrpPending`
}

func (d *driver) onOnePath(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	if len(d.waiting) == 0 {
		irp.IoMarkIrpPending(k, p)
		return ntstatus.STATUS_PENDING
	}
	return ntstatus.STATUS_PENDING // want `irppending: STATUS_PENDING is returned`
}

func (d *driver) marksAndSucceeds(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	if len(d.waiting) > 3 {
		return complete(k, p, ntstatus.STATUS_DEVICE_BUSY) // want `irppending: the IRP is marked pending, so STATUS_PENDING must be returned`
	}
	p.IoStatus().Status = ntstatus.STATUS_SUCCESS
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return ntstatus.STATUS_SUCCESS // want `irppending: the IRP is marked pending`
}

func (d *driver) throughHelper(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	d.mark(k, p)
	return ntstatus.STATUS_PENDING
}

func (d *driver) throughQueue(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoCsqInsertIrp(k, &d.queue, p, nil)
	return ntstatus.STATUS_PENDING
}

func (d *driver) throughVariable(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	d.other(k, p)
	return ntstatus.STATUS_PENDING
}

func (d *driver) passes(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	irp.IoCopyCurrentIrpStackLocationToNext(k, p)
	irp.IoCallDriver(k, d.lower, p)
	return ntstatus.STATUS_PENDING
}

func (d *driver) mark(k *irql.K, p *irp.IRP) { irp.IoMarkIrpPending(k, p) }

func (d *driver) keep(k *irql.K, p *irp.IRP) { d.waiting = append(d.waiting, p) }

func complete(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

func (d *driver) readsAfter(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return p.IoStatus().Status // want `aftercomplete: p was completed in line \d+ and is no longer the driver's`
}

func (d *driver) readsAfterHelper(k *irql.K, p *irp.IRP) {
	complete(k, p, ntstatus.STATUS_SUCCESS)
	d.keep(k, p) // want `aftercomplete: p was completed in line \d+`
}

func (d *driver) frees(k *irql.K, p *irp.IRP) bool {
	irp.IoFreeIrp(k, p)
	return p.Cancel() // want `aftercomplete: p was freed in line \d+`
}

func (d *driver) inALoop(k *irql.K) {
	for _, p := range d.waiting {
		p.IoStatus().Status = ntstatus.STATUS_CANCELLED
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	}
	p := d.waiting[0]
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	if p == d.waiting[0] { // an address is only a number
		p = d.waiting[1]
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	}
}

func (d *driver) sometimes(k *irql.K, p *irp.IRP, now bool) {
	if now {
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	}
	if !now {
		p.IoStatus().Information = 1
	}
}

func (d *driver) skipsAndSets(k *irql.K, p *irp.IRP) {
	irp.IoSkipCurrentIrpStackLocation(k, p)
	irp.IoSetCompletionRoutine(k, p, nil, nil, true, true, true) // want `skipcompletion: the location of p was skipped in line \d+`
}

func (d *driver) copiesAndSets(k *irql.K, p *irp.IRP, skip bool) {
	if skip {
		irp.IoSkipCurrentIrpStackLocation(k, p)
		irp.IoCallDriver(k, d.lower, p)
		return
	}
	irp.IoCopyCurrentIrpStackLocationToNext(k, p)
	irp.IoSetCompletionRoutine(k, p, nil, nil, true, true, true)
}
