package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// UserIO is a request of a program, outstanding or ended.
type UserIO struct {
	io     *ioManager
	id     trace.ID
	f      *FILE_OBJECT
	p      *IRP // while the I/O manager has it in the thread's list
	event  irql.KEVENT
	iosb   IO_STATUS_BLOCK
	status ntstatus.NTSTATUS // what the call returned
	user   *Buffer           // what the program's buffer is to the driver
	out    []byte
	apc    func(k *irql.K, s ntstatus.NTSTATUS, information uint64)

	onFile  bool // without an event of its own
	ofFile  bool // in its file object's list and not in its thread's
	ends    bool // stage 2 waits for the end of a cancellation
	cancels int  // cancellations of it under way
}

// ended is the last act of stage 2: the request gives its reference to the file object back.
func (op *UserIO) ended(k *irql.K) {
	op.p = nil
	ke.Adds(k, ke.Counts(pendingOf(op.f)))
	op.io.dereference(k, op.f)
}

// reported is stage 2's report to the program: the event is set, the rest is here.
func (op *UserIO) reported(k *irql.K, s ntstatus.NTSTATUS) {
	switch {
	case op.f.Flags&FO_SYNCHRONOUS_IO != 0:
		op.f.finalStatus(k, s)
	case op.onFile:
		ke.SetSignal(k, &op.f.event, 1)
	}
	if c := op.f.port; c != nil {
		c.put(k, CompletionPacket{op.f.portKey, op, s, op.iosb.Information})
		return
	}
	op.queueAPC(k)
}

// queueAPC tells the program of the end of a request that has an APC routine.
func (op *UserIO) queueAPC(k *irql.K) {
	fn := op.apc
	if fn == nil {
		return
	}
	ke.QueueUserAPC(k, op.p.thread, func(k *irql.K) {
		op.collect(k)
		s, n := op.iosb.Status, op.iosb.Information
		ke.Log(k, trace.Event{What: trace.Note, Text: "APC routine", Obj: op.id, Status: uint32(s),
			Flags: trace.HasStatus})
		fn(k, s, n)
	})
}

// endForFile is the end of such a request: in its thread, if that runs now, else in a worker.
func (p *IRP) endForFile(k *irql.K, io *ioManager) {
	if ke.ThreadOf(k) == p.thread && !ke.IsDPC(k) {
		io.m.QueueAPC(p.thread, func(k *ke.K) { p.op.finishHeld(k) })
		return
	}
	io.m.QueueWork("System worker", func(k *ke.K) { p.op.finishHeld(k) })
}

// CompletionPort is an I/O completion port.
type CompletionPort struct {
	id      trace.ID
	count   ke.Object // a semaphore: how many packets there are
	packets []CompletionPacket
}

// CompletionPacket is what a port has for each request that ended, or was posted.
type CompletionPacket struct {
	Key         uint64
	Op          *UserIO // nil for one that was posted
	Status      ntstatus.NTSTATUS
	Information uint64
}

func (c *CompletionPort) put(k *irql.K, p CompletionPacket) {
	ke.Log(k, trace.Event{What: trace.Note, Text: "completion packet", Obj: c.id, Status: uint32(p.Status),
		Flags: trace.HasStatus})
	ke.Adds(k, ke.Writes(c.id))
	c.packets = append(c.packets, p)
	ke.SetSignal(k, &c.count, c.count.Signal+1)
}

// collect gives the program what the driver wrote.
func (op *UserIO) collect(k *irql.K) {
	if op.user != nil {
		copy(op.out, pool.Raw(k, op.user))
		op.user = nil
	}
}

// pendingOf names the requests under way on a file object.
func pendingOf(f *FILE_OBJECT) trace.ID { return ke.Beside.Of(f.id) }

// finishHeld is stage 2, which waits until nobody cancels the request any more.
func (op *UserIO) finishHeld(k *irql.K) {
	if op.cancels > 0 {
		op.ends = true
		return
	}
	ke.Push(k, ke.Frame{Kind: ke.FrameAPC, Obj: op.id})
	op.p.finishInThread(k, op.io)
	ke.Pop(k)
}

// outstanding lists the requests that have not ended, oldest first.
func (io *ioManager) outstanding(want func(*UserIO) bool) []*UserIO {
	var out []*UserIO
	for p := io.live; p != nil; p = p.next {
		if p.op != nil && p.op.p == p && want(p.op) {
			out = append(out, p.op)
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
