// Package escape has what kescape and lentescape find.
package escape

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

type context struct {
	length int
}

type driver struct {
	k      *irql.K // want `kescape: a field that keeps a K`
	dpc    irql.KDPC
	item   *irp.IO_WORKITEM
	block  *irp.Typed[context]
	held   *context
	bytes  []byte
	status *irp.IO_STATUS_BLOCK
}

var last *irql.K

func (d *driver) start(k *irql.K) {
	d.k = k  // want `kescape: a K is kept`
	last = k // want `kescape: a K is kept`
	irql.KeInitializeDpc(k, &d.dpc, func(k2 *irql.K, _ *irql.KDPC, _, _, _ any) {
		irql.KeInsertQueueDpc(k, &d.dpc, nil, nil) // want `kescape: k is the K of the function around this callback`
	}, nil)
	irp.IoQueueWorkItem(k, d.item, d.work, irp.DelayedWorkQueue, k) // want `kescape: a K is given to IoQueueWorkItem as a context`
	queue := func() { irql.KeInsertQueueDpc(k, &d.dpc, nil, nil) }
	queue()
	defer func() { irql.KeInsertQueueDpc(k, &d.dpc, nil, nil) }()
	_ = driver{k: k} // want `kescape: a K is kept`
}

func (d *driver) work(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {}

func (d *driver) lent(k *irql.K, b *irp.Buffer, p *irp.IRP) {
	d.held = d.block.Get()  // want `lentescape: what Get hands out is for use at once`
	d.bytes = b.Bytes()     // want `lentescape: what Bytes hands out is for use at once`
	d.status = p.IoStatus() // want `lentescape: what IoStatus hands out is for use at once`
	d.block.Get().length = 4
	c := d.block.Get()
	c.length++
	p.IoStatus().Status = ntstatus.STATUS_SUCCESS
	var local driver
	local.held = d.block.Get()
	local.held.length++
}
