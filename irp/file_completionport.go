package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// This file is about I/O completion ports of programs. A request of a file object that has one is bound to
// the file object and not to the thread that made it: it outlives that thread, and what the driver has left
// of such requests at IRP_MJ_CLEANUP the I/O manager cancels afterwards. INFERRED, as no page tells: stage 2
// runs in the thread that made the request if that is where it ends, else in a worker of the system. Not
// modelled: the limit of running threads, and that the thread which waits last is woken first.

// NewPort makes a port.
func (sim) NewPort(k *irql.K) *CompletionPort {
	ke.Point(k, ke.Use{})
	c := &CompletionPort{id: ke.Of(k).NewID(trace.Queue)}
	c.count = ke.Object{Kind: ke.SemaphoreObject, ID: c.id, Limit: 1<<31 - 1}
	return c
}

// Post puts a packet into the port.
func (c *CompletionPort) Post(k *irql.K, p CompletionPacket) {
	ke.Point(k, ke.Writes(c.id))
	c.put(k, p)
}

// Get waits for a packet, as long as due says (nil for ever); ok is false when none came, or the thread is
// to end.
func (c *CompletionPort) Get(k *irql.K, due *int64) (p CompletionPacket, ok bool) {
	ke.Point(k, ke.Writes(c.id))
	objs := [1]*ke.Object{&c.count}
	if ke.WaitAs(k, ke.WaitUser, objs[:], false, due, "a completion packet") != ntstatus.STATUS_SUCCESS {
		return p, false
	}
	ke.Adds(k, ke.Writes(c.id))
	p = c.packets[0]
	c.packets = list.Cut(c.packets, 0)
	if p.Op != nil {
		p.Op.collect(k)
	}
	return p, true
}

// Associate gives the file object of the handle a port. It may have one only, and none when it is
// synchronous.
func (h *UserHandle) Associate(k *irql.K, c *CompletionPort, key uint64) ntstatus.NTSTATUS {
	ke.Point(k, ke.Writes(h.f.id))
	switch {
	case h.closed:
		return ntstatus.STATUS_INVALID_HANDLE
	case h.f.port != nil || h.f.Flags&FO_SYNCHRONOUS_IO != 0:
		return ntstatus.STATUS_INVALID_PARAMETER // IMPL, reactos: ntoskrnl/io/iomgr/iofunc.c
	}
	h.f.port, h.f.portKey = c, key
	return ntstatus.STATUS_SUCCESS
}

// toFile takes a request from its thread's list into that of its file object.
func (op *UserIO) toFile() {
	op.ofFile = true
	op.p.thread.Requests--
	op.p.inThreadList = false
}

// cancelHeld cancels a request that is bound to its file object, which keeps it until that is done.
func (op *UserIO) cancelHeld(k *irql.K) {
	op.cancels++
	ke.Push(k, ke.Frame{Kind: ke.FrameSystem, Obj: op.id})
	if s := op.p.state; s != stStage2 && s != stCompleting {
		op.p.cancelNow(k)
	}
	ke.Pop(k)
	op.cancels--
	if op.ends && op.cancels == 0 {
		op.ends = false
		op.finishHeld(k)
	}
}

// cancelBound cancels what the driver has left of a file object's requests when its last handle is closed.
func (io *ioManager) cancelBound(k *irql.K, f *FILE_OBJECT) {
	ke.Adds(k, ke.Writes(pendingOf(f)))
	for _, op := range io.outstanding(func(op *UserIO) bool { return op.f == f && op.ofFile }) {
		if op.p != nil {
			op.cancelHeld(k)
		}
	}
}
