package echoserver

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
)

// task is something for the worker to do.
type task struct {
	what job
	conn *irp.Typed[connection]
}

type job uint8

const (
	receive job = iota // the first one
	received
	sent
	disconnected
	closed
	stopListening
	stopWorking
)

// room is how much a connection takes at a time.
const room = 1024

// connection is one accepted socket. Its IRP goes round: receive, send, receive, ..., disconnect, close.
type connection struct {
	driver *Driver
	socket *wsk.WSK_SOCKET
	p      *irp.IRP
	buffer *irp.Buffer
	mdl    *irp.MDL
	then   job // what the worker is to do when the request is completed
}

// newConnection makes what a connection needs; nil when memory is short.
func newConnection(k *irql.K, d *Driver, s *wsk.WSK_SOCKET) *irp.Typed[connection] {
	t := irp.New[connection](k, irp.POOL_FLAG_NON_PAGED, tag)
	if t == nil {
		return nil
	}
	c := t.Get()
	c.driver, c.socket = d, s
	if d.Defect == NullIgnored {
		_ = connected(s)
	}
	if c.p = irp.IoAllocateIrp(k, 1, false); c.p == nil {
		free(k, t)
		return nil
	}
	if c.buffer = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, room, tag); c.buffer == nil {
		free(k, t)
		return nil
	}
	if c.mdl = irp.IoAllocateMdl(k, c.buffer, room, false, false, nil); c.mdl == nil {
		free(k, t)
		return nil
	}
	irp.MmBuildMdlForNonPagedPool(k, c.mdl)
	irp.IoSetCompletionRoutine(k, c.p, done, t, true, true, true)
	return t
}

// free gives back what a connection has.
func free(k *irql.K, t *irp.Typed[connection]) {
	c := t.Get()
	if c.mdl != nil {
		irp.IoFreeMdl(k, c.mdl)
	}
	if c.buffer != nil {
		irp.ExFreePoolWithTag(k, c.buffer, tag)
	}
	if c.p != nil {
		irp.IoFreeIrp(k, c.p)
	}
	irp.Free(k, t, tag)
}

// done hands the connection to the worker: no call is made in a completion routine.
func done(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, context any) ntstatus.NTSTATUS {
	t := context.(*irp.Typed[connection])
	c := t.Get()
	c.driver.queue(k, task{what: c.then, conn: t})
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}

// step is what the worker does for a connection. What the functions return does not matter: the IRP is
// completed in any case, and its completion is the next task.
func (d *Driver) step(k *irql.K, t task) {
	c := t.conn.Get()
	result := *c.p.IoStatus()
	good := ntstatus.NT_SUCCESS(result.Status)
	switch {
	case t.what == closed && d.Defect != ClosedTwice:
		free(k, t.conn)
	case t.what == receive, t.what == sent && good:
		c.receive(k, t.conn)
	case t.what == received && good && result.Information > 0:
		c.reuse(k, t.conn, sent)
		f := connected(c.socket)
		f.WskSend(k, c.socket, &wsk.WSK_BUF{Mdl: c.mdl, Length: result.Information}, 0, c.p)
	case t.what == received && good: // the peer has finished: so do we
		c.reuse(k, t.conn, disconnected)
		connected(c.socket).WskDisconnect(k, c.socket, nil, 0, c.p)
	default: // an error, or the end
		c.reuse(k, t.conn, closed)
		s := c.socket
		connected(s).WskCloseSocket(k, s, c.p)
		if d.Defect == ContextFreed {
			irp.Free(k, t.conn, tag)
		}
	}
}

func (c *connection) receive(k *irql.K, t *irp.Typed[connection]) {
	c.reuse(k, t, received)
	f := connected(c.socket)
	f.WskReceive(k, c.socket, &wsk.WSK_BUF{Mdl: c.mdl, Length: room}, 0, c.p)
}

// reuse makes the IRP ready for another request.
func (c *connection) reuse(k *irql.K, t *irp.Typed[connection], then job) {
	c.then = then
	if c.driver.Defect != IrpNotReused || then != sent {
		irp.IoReuseIrp(k, c.p, ntstatus.STATUS_UNSUCCESSFUL)
	}
	irp.IoSetCompletionRoutine(k, c.p, done, t, true, true, true)
}
