package wdm

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// What follows are the callbacks of the cancel-safe queue. All but cancelled are called with the lock held.

func (d *Driver) insert(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) {
	irp.InsertTailList(k, &d.waiting, p.ListEntry())
}

func (d *Driver) remove(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) {
	irp.RemoveEntryList(k, p.ListEntry())
}

// peek gives the request behind p, of one file object if that is asked for.
func (d *Driver) peek(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP, file any) *irp.IRP {
	e := d.waiting.Flink
	if p != nil {
		e = p.ListEntry().Flink
	}
	for ; e != &d.waiting; e = e.Flink {
		q := irp.CONTAINING_RECORD[irp.IRP](e)
		if file == nil || irp.IoGetCurrentIrpStackLocation(k, q).FileObject() == file {
			return q
		}
	}
	return nil
}

func (d *Driver) acquire(k *irql.K, _ *irp.IO_CSQ, old *irql.KIRQL) {
	irql.KeAcquireSpinLock(k, &d.lock, old)
}

func (d *Driver) release(k *irql.K, _ *irp.IO_CSQ, old irql.KIRQL) {
	irql.KeReleaseSpinLock(k, &d.lock, old)
}

func (d *Driver) cancelled(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) {
	complete(k, p, ntstatus.STATUS_CANCELLED, 0)
}
