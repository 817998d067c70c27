package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// This file is the I/O manager's side of what programs ask of devices. None of it is a routine of Windows;
// package sim gives it the shape of Win32.
//
// The IRPs made here are bound to the thread that asks (irp.md 5, 8): RequestorMode is UserMode, buffers are
// presented by the method of the control code or the flags of the top device, stage 2 runs in that thread as
// a special kernel APC, copies back and reports. The waits of programs are in UserMode: a thread that is told
// to end gives its synchronous request up. Completion ports are in file_completionport.go. Not modelled:
// fast I/O.

// DeviceRequest is what a program asks for. Out is filled when the request has ended.
type DeviceRequest struct {
	Major   uint8 // IRP_MJ_READ, IRP_MJ_WRITE or IRP_MJ_DEVICE_CONTROL
	Code    uint32
	In, Out []byte
	Offset  int64
	// APC is called, as a user APC, when the request has ended; nil for none. It is not called for an error
	// that the call itself returned.
	APC func(k *irql.K, s ntstatus.NTSTATUS, information uint64)
	// NoEvent says that the request has no event of its own: the file object is signalled at its end.
	NoEvent bool
}

var siteUserRequest = ke.Site{Name: "fault/UserRequest",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 8, 19.2"}

// OpenUser opens a device for a process. access holds FILE_READ_ACCESS and FILE_WRITE_ACCESS; a synchronous
// handle lets one request after the other through.
func (sim) OpenUser(k *irql.K, by *ke.Process, name string, rights uint32,
	synchronous bool) (*UserHandle, ntstatus.NTSTATUS) {
	io := state.Of(k)
	ke.Point(k, ke.Reads(io.names))
	f, s := io.open(k, by, irql.UserMode, name, access{read: rights&FILE_READ_ACCESS != 0,
		write: rights&FILE_WRITE_ACCESS != 0, sync: synchronous})
	if !ntstatus.NT_SUCCESS(s) {
		return nil, s
	}
	ke.Adds(k, ke.Counts(handlesOf(by)))
	return io.handle(by, f), s
}

func (io *ioManager) handle(by *ke.Process, f *FILE_OBJECT) *UserHandle {
	h := &UserHandle{io: io, process: by, f: f}
	io.handles = append(io.handles, h)
	return h
}

// ID returns the id of the file object.
func (h *UserHandle) ID() trace.ID { return h.f.id }

// Duplicate makes a second handle to the same file object.
func (h *UserHandle) Duplicate(k *irql.K, by *ke.Process) (*UserHandle, ntstatus.NTSTATUS) {
	ke.Point(k, ke.Swaps(h.f.id))
	if h.closed {
		return nil, ntstatus.STATUS_INVALID_HANDLE
	}
	h.f.handles++
	h.f.Reference()
	ke.Adds(k, ke.Counts(handlesOf(by)))
	return h.io.handle(by, h.f), ntstatus.STATUS_SUCCESS
}

// Close closes the handle. The I/O manager does not cancel what is outstanding; it tells the driver with
// IRP_MJ_CLEANUP when the last handle goes, and the driver does (irp.md 10.2).
func (h *UserHandle) Close(k *irql.K) ntstatus.NTSTATUS {
	ke.Point(k, ke.Writes(h.f.id))
	if h.closed {
		return ntstatus.STATUS_INVALID_HANDLE
	}
	h.closed = true
	ke.Adds(k, ke.Counts(handlesOf(h.process)))
	io := h.io
	for i, o := range io.handles {
		if o == h {
			io.handles = list.Cut(io.handles, i)
			break
		}
	}
	io.closeHandle(k, h.f)
	return ntstatus.STATUS_SUCCESS
}

// Begin makes a request and sends it. It returns when the driver's dispatch routine has; with a synchronous
// handle, when the request has ended.
func (h *UserHandle) Begin(k *irql.K, r *DeviceRequest) *UserIO {
	op := &UserIO{io: h.io, f: h.f, out: r.Out, apc: r.APC, onFile: r.NoEvent}
	ke.Point(k, ke.Reads(h.f.id))
	if op.status = h.refuses(r); op.status != ntstatus.STATUS_SUCCESS {
		return op
	}
	f := h.f
	ke.Adds(k, ke.Counts(f.id))
	f.Reference() // the request's own, until it has ended
	sync := f.Flags&FO_SYNCHRONOUS_IO != 0
	if sync {
		op.status = ke.WaitAs(k, ke.WaitUser, []*ke.Object{&f.lock}, false, nil,
			"the requests before on a synchronous handle")
		if op.status != ntstatus.STATUS_SUCCESS {
			op.io.dereference(k, f)
			return op
		}
	}
	op.send(k, r)
	if sync {
		if op.status == ntstatus.STATUS_PENDING {
			op.awaitFile(k)
		}
		ke.SetSignal(k, &f.lock, 1)
	}
	return op
}

// awaitFile waits for the end of a pended request of a synchronous handle. What the call returns is what the
// file object has in the end; the status block may not have been written (irp.md 5).
func (op *UserIO) awaitFile(k *irql.K) {
	objs := [1]*ke.Object{&op.f.event}
	const why = "a request to a device"
	if ke.WaitAs(k, ke.WaitUser, objs[:], false, nil, why) != ntstatus.STATUS_SUCCESS {
		op.abort(k)
	}
	op.status = op.f.FinalStatus
	op.collect(k)
}

// Wait is WaitForSingleObject on the handle: it reports whether the file object was signalled in time, as it
// is by the end of a request without an event, and of each request of a synchronous handle.
func (h *UserHandle) Wait(k *irql.K, due *int64) (bool, ntstatus.NTSTATUS) {
	ke.Point(k, ke.WaitsOn(h.f.id))
	if h.closed {
		return false, ntstatus.STATUS_INVALID_HANDLE
	}
	f := h.f
	ke.Adds(k, ke.Counts(f.id))
	f.Reference() // the wait's own
	s := ke.WaitAs(k, ke.WaitUser, []*ke.Object{&f.event}, false, due, "a file object")
	ke.Adds(k, ke.Counts(f.id))
	h.io.dereference(k, f)
	return s == ntstatus.STATUS_SUCCESS, ntstatus.STATUS_SUCCESS
}

// refuses says why a request does not come to the driver.
func (h *UserHandle) refuses(r *DeviceRequest) ntstatus.NTSTATUS {
	need := uint32(FILE_ANY_ACCESS)
	switch r.Major {
	case IRP_MJ_READ:
		need = FILE_READ_ACCESS
	case IRP_MJ_WRITE:
		need = FILE_WRITE_ACCESS
	case IRP_MJ_DEVICE_CONTROL:
		need = r.Code >> 14 & 3
	}
	switch {
	case h.closed:
		return ntstatus.STATUS_INVALID_HANDLE
	case h.f.port != nil && r.APC != nil: // IMPL, reactos: ntoskrnl/io/iomgr/iofunc.c, NtReadFile
		return ntstatus.STATUS_INVALID_PARAMETER
	case need&FILE_READ_ACCESS != 0 && !h.f.ReadAccess, need&FILE_WRITE_ACCESS != 0 && !h.f.WriteAccess:
		return ntstatus.STATUS_ACCESS_DENIED
	}
	return ntstatus.STATUS_SUCCESS
}

// send makes the IRP and gives it to the top of the stack.
func (op *UserIO) send(k *irql.K, r *DeviceRequest) {
	io, f := op.io, op.f
	f.DeviceObject.looks(k)
	dev := f.DeviceObject.top()
	*op.event.Header() = ke.Object{Kind: ke.NotificationEvent, ID: f.id}
	ke.Adds(k, ke.Clears(f.id))
	f.event.Signal = 0 // irp.md 5, step 0
	op.status = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	if ke.Fails(k, &siteUserRequest) {
		io.dereference(k, f)
		return
	}
	p := io.newIRP(k, dev.StackSize, byManager)
	p.requestorMode = irql.UserMode
	l := p.loc(p.stackCount)
	l.major, l.file, l.filled = r.Major, f, true
	p.file = f
	if !op.present(k, p, dev, r) {
		p.freeBuffers(k)
		io.release(p)
		io.dereference(k, f)
		return
	}
	event := &op.event
	if r.NoEvent {
		event = nil
	}
	p.bind(k, event, &op.iosb)
	p.op, op.p, op.id = op, p, p.id
	if f.port != nil {
		op.toFile()
	}
	ke.Adds(k, ke.Counts(pendingOf(f)))
	op.iosb.Status = ntstatus.STATUS_PENDING
	p.allocSeq = ke.Log(k, trace.Event{What: trace.Note, Text: Sim.MajorName(r.Major), Obj: p.id, Obj2: f.id,
		A: uint64(r.Code), Flags: trace.HasA | trace.HexA})
	op.status = IoCallDriver(k, dev, p)
}

// present gives the program's buffers the form the driver asked for (irp.md 8); false when memory is short.
func (op *UserIO) present(k *irql.K, p *IRP, dev *DEVICE_OBJECT, r *DeviceRequest) bool {
	in, out := toUser(k, r.In), toUser(k, r.Out)
	op.user = out
	l := p.loc(p.stackCount)
	switch r.Major {
	case IRP_MJ_READ:
		return p.fsdBuffers(k, dev, out, uint32(len(r.Out)), &r.Offset, false)
	case IRP_MJ_WRITE:
		return p.fsdBuffers(k, dev, in, uint32(len(r.In)), &r.Offset, true)
	}
	d := &l.params.DeviceIoControl
	d.IoControlCode = r.Code
	d.InputBufferLength, d.OutputBufferLength = uint32(len(r.In)), uint32(len(r.Out))
	return p.ioctlBuffers(k, r.Code&3, in, d.InputBufferLength, out, d.OutputBufferLength)
}

// toUser puts bytes of a program into user memory, where drivers meet them; nil for none.
func toUser(k *irql.K, b []byte) *Buffer {
	if len(b) == 0 {
		return nil
	}
	u := pool.AllocUser(ke.Of(k), len(b))
	pool.Put(k, u, b)
	return u
}

// ID returns the id of the IRP; 0 when none was made.
func (op *UserIO) ID() trace.ID { return op.id }

// Done reports whether the request has ended.
func (op *UserIO) Done() bool {
	op.io.m.AddsOn(ke.Reads(op.f.id))
	return op.status != ntstatus.STATUS_PENDING || op.iosb.Status != ntstatus.STATUS_PENDING
}

// Wait blocks until the request's event is set (without one, until the file object is signalled, be it by
// another request), or for a time (nil for ever, as in ke.Wait), or until the thread is to end. It reports
// whether the request has ended.
func (op *UserIO) Wait(k *irql.K, due *int64) bool {
	if !op.Done() {
		o := op.event.Header()
		if op.onFile {
			o = &op.f.event
		}
		ke.WaitAs(k, ke.WaitUser, []*ke.Object{o}, false, due, "a request to a device")
	}
	if !op.Done() {
		return false
	}
	op.collect(k)
	return true
}

// abort ends a synchronous request whose wait was broken off: it is cancelled, and waited for without a limit
// and in KernelMode (IMPL, reactos: ntoskrnl/io/iomgr/irp.c, IopAbortInterruptedIrp).
func (op *UserIO) abort(k *irql.K) {
	op.Cancel(k)
	if op.f.event.Signal == 0 {
		ke.Wait(k, []*ke.Object{&op.f.event}, false, nil, "a request that was broken off")
	}
}

// Result is what the program sees: the status and the number of bytes. STATUS_PENDING until the request has
// ended. What the call returned counts before the status block, which a request that failed at once does not
// fill in (irp.md 5).
func (op *UserIO) Result() (ntstatus.NTSTATUS, uint64) {
	switch {
	case !op.Done():
		return ntstatus.STATUS_PENDING, 0
	case op.status == ntstatus.STATUS_PENDING:
		return op.iosb.Status, op.iosb.Information
	case ntstatus.NT_ERROR(op.status):
		return op.status, 0
	}
	return op.status, op.iosb.Information
}

// Cancel asks for the request's cancellation; STATUS_NOT_FOUND when it has ended. The I/O manager cancels in
// the thread that made the request, at APC_LEVEL, where stage 2 cannot free the IRP meanwhile (INFERRED from
// the ownership of the thread's list, irp.md 10.2).
func (op *UserIO) Cancel(k *irql.K) ntstatus.NTSTATUS {
	ke.Point(k, ke.Swaps(op.id))
	if op.p == nil {
		return ntstatus.STATUS_NOT_FOUND
	}
	if op.ofFile {
		op.cancelHeld(k)
		return ntstatus.STATUS_SUCCESS
	}
	op.p.cancelIn(op.p.thread, func() bool { return op.p != nil })
	return ntstatus.STATUS_SUCCESS
}

// CancelAll is Cancel for all requests made through the file object; STATUS_NOT_FOUND when there are none.
func (h *UserHandle) CancelAll(k *irql.K) ntstatus.NTSTATUS {
	ke.Point(k, ke.Writes(h.f.id))
	if h.closed {
		return ntstatus.STATUS_INVALID_HANDLE
	}
	s := ntstatus.STATUS_NOT_FOUND
	ke.Adds(k, ke.Writes(pendingOf(h.f)))
	for _, op := range h.io.outstanding(func(op *UserIO) bool { return op.f == h.f }) {
		if op.Cancel(k) == ntstatus.STATUS_SUCCESS {
			s = ntstatus.STATUS_SUCCESS
		}
	}
	return s
}

// EndProcess closes the handles of a process whose last thread has ended. Rules: MDL-007.
func (sim) EndProcess(k *irql.K, by *ke.Process) {
	io := state.Of(k)
	for i := 0; i < len(io.handles); {
		ke.Adds(k, ke.Writes(handlesOf(by)))
		if h := io.handles[i]; h.process == by {
			h.Close(k) // takes it from the list
			i = 0
			continue
		}
		i++
	}
	mdls.Of(k).leftInProcess(k, by)
}

// handlesOf names the table of handles of a process.
func handlesOf(p *ke.Process) trace.ID {
	if p == nil {
		return ke.Table(trace.Process, 0)
	}
	return ke.Beside.Of(p.ID)
}
