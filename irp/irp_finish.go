package irp

import (
	"fmt"
	"unsafe"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// stage2 finishes an IRP that passed its last location (irp.md 5): the rest happens in the requesting thread.
func (p *IRP) stage2(k *irql.K) {
	io := state.Of(k)
	if p.origin == byManager && p.op == nil {
		if p.flags&IRP_CLOSE_OPERATION != 0 {
			p.told(k, io)
			return
		}
		io.m.QueueAPC(p.thread, func(k *ke.K) { p.told(k, io) })
		return
	}
	for mdl := p.mdl; mdl != nil; mdl = mdl.Next {
		mdl.unlockBySystem()
	}
	if p.op != nil && p.op.ofFile {
		p.endForFile(k, io)
		return
	}
	t := p.thread
	if t != nil {
		ke.Adds(k, ke.Reads(t.ID))
	}
	if t == nil || t.Ended() {
		p.discard(k, io)
		return
	}
	io.m.QueueAPC(t, func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameAPC, Obj: p.id})
		p.finishInThread(k, io)
		ke.Pop(k)
	})
}

// reports notes that the memory given for the report may go once the step under way is over.
func (p *IRP) reports(k *irql.K) {
	if e := p.userEvent; e != nil {
		ke.Adds(k, ke.Writes(e.Header().ID))
	}
	for _, at := range [...]unsafe.Pointer{unsafe.Pointer(p.userEvent), unsafe.Pointer(p.userIosb)} {
		if b := pool.Containing(p.m, at); at != nil && b != nil {
			pool.Raw(k, b) // says so
		}
	}
}

// discard frees what a request without a living thread leaves.
func (p *IRP) discard(k *irql.K, io *ioManager) {
	p.freeBuffers(k)
	p.retire(k, io)
}

// retire frees an IRP whose request has ended, and the request of a program with it.
func (p *IRP) retire(k *irql.K, io *ioManager) {
	op := p.op
	if io.m.Trails() {
		p.reports(k)
	}
	if p.inThreadList {
		for _, b := range p.reportMemory() {
			pool.Return(k, b, p.id)
		}
	}
	io.release(p)
	if op != nil {
		op.ended(k)
	}
}

// freeBuffers gives back what the I/O manager allocated for the request.
func (p *IRP) freeBuffers(k *irql.K) {
	if p.flags&IRP_DEALLOCATE_BUFFER != 0 && p.assoc.SystemBuffer != nil {
		freeSystem(k, p.assoc.SystemBuffer)
		p.assoc.SystemBuffer = nil
	}
	for mdl := p.mdl; mdl != nil; {
		next := mdl.Next
		mdl.freeBySystem(k)
		mdl = next
	}
	p.mdl = nil
}

// finishInThread is the special kernel APC: copy back, report, free (irp.md 5).
func (p *IRP) finishInThread(k *irql.K, io *ioManager) {
	const back = IRP_BUFFERED_IO | IRP_INPUT_OPERATION
	if s := p.ioStatus.Status; p.flags&back == back && s != ntstatus.STATUS_VERIFY_REQUIRED &&
		!ntstatus.NT_ERROR(s) && !p.copyBack(k) {
		// The exception code is the final status and counts as one below: a request that was pended ends with
		// it, and nobody hears of one that was not (observed: reactos, kmtests IoReadWrite).
		p.ioStatus.Status = ntstatus.STATUS_ACCESS_VIOLATION
	}
	p.freeBuffers(k)
	s := p.ioStatus.Status
	sync := p.flags&IRP_SYNCHRONOUS_API != 0 || p.op != nil && p.op.f.Flags&FO_SYNCHRONOUS_IO != 0
	text := "request ended without a report to its creator"
	switch {
	case !ntstatus.NT_ERROR(s) || p.pendingReturned && !sync:
		text = "I/O status block written, event set"
		if p.userIosb != nil {
			*p.userIosb = p.ioStatus
		}
		if p.userEvent != nil {
			ke.SetSignal(k, p.userEvent.Header(), 1)
		}
		if p.op != nil {
			p.op.reported(k, s)
		}
	case p.pendingReturned && p.op != nil:
		// The caller is told, by the file object alone: status block, event and APC are not for it.
		text = "the file object has the status, its event is set"
		p.op.f.finalStatus(k, s)
	}
	ke.Log(k, trace.Event{What: trace.Note, Text: text, Obj: p.id, Status: uint32(s), Flags: trace.HasStatus})
	p.retire(k, io)
}

// copyBack copies Information bytes from the system buffer to the caller's; false when that faults, because
// there is no such buffer. A read of no bytes has neither (irp.md 5).
func (p *IRP) copyBack(k *irql.K) bool {
	n := p.ioStatus.Information
	if n == 0 {
		return true
	}
	if p.assoc.SystemBuffer == nil || p.userBuffer == nil {
		return false
	}
	n = min(n, uint64(p.assoc.SystemBuffer.Len()), uint64(p.userBuffer.Len()))
	copyBySystem(k, p.userBuffer, p.assoc.SystemBuffer, int(n))
	return true
}

// stackGone is told about frame-scoped memory that dies: IRP-045 when a threaded IRP still reports there.
func (io *ioManager) stackGone(k *ke.K, obj any) {
	for p := io.live; p != nil; p = p.next {
		if !p.origin.threaded() {
			continue
		}
		what := ""
		switch o := obj.(type) {
		case *irql.KEVENT:
			if o == p.userEvent {
				what = "event"
			}
		case *IO_STATUS_BLOCK:
			if o == p.userIosb {
				what = "I/O status block"
			}
		}
		if what == "" {
			continue
		}
		p.uses(ke.R)
		p.report(k, verify.Finding{Rule: verify.IRP_045, Places: p.story(),
			Headline: fmt.Sprintf("the %s of %v goes with its stack frame while the request is still in "+
				"progress", what, p.id),
			Args: verify.Params(nil, nil, p.id)})
	}
}

// reportMemory is the pool memory that the event and the status block of a thread-bound request lie in; what
// lies on a stack is watched by stackGone, what is the driver's own Go memory stays.
func (p *IRP) reportMemory() []*Buffer {
	var out []*Buffer
	for _, at := range [...]unsafe.Pointer{unsafe.Pointer(p.userEvent), unsafe.Pointer(p.userIosb)} {
		if at == nil {
			continue
		}
		b := pool.Containing(p.m, at)
		if b != nil && pool.KindOf(b).Pool() && (len(out) == 0 || !pool.SameBlock(out[0], b)) {
			out = append(out, b)
		}
	}
	return out
}

// told ends such a request: no buffers are copied back. For IRP_MJ_CREATE it is an APC of the thread that
// opens; for the others it may happen in any thread (irp.md 5, step 3).
func (p *IRP) told(k *irql.K, io *ioManager) {
	*p.userIosb = p.ioStatus
	ke.SetSignal(k, p.userEvent.Header(), 1)
	p.freeBuffers(k)
	io.release(p)
}

// checkInformation reports IRP-059.
func (p *IRP) checkInformation(k *irql.K) {
	const copied = IRP_BUFFERED_IO | IRP_INPUT_OPERATION
	if p.flags&copied != copied || ntstatus.NT_ERROR(p.ioStatus.Status) {
		return
	}
	if p.ioStatus.Information <= uint64(p.outLen) {
		p.checkDisclosure(k)
		return
	}
	p.report(k, verify.Finding{Rule: verify.IRP_059,
		Headline: fmt.Sprintf("%v is completed with %v and Information %d, but the output buffer has "+
			"%d bytes", p.id, p.ioStatus.Status, p.ioStatus.Information, p.outLen),
		Args: verify.Params(nil, nil, p.id)})
}

// checkDisclosure reports POOL-014: bytes of the system buffer that nobody wrote go to the caller. What a
// driver wrote through a slice of Bytes counts as written.
func (p *IRP) checkDisclosure(k *irql.K) {
	b, n := p.assoc.SystemBuffer, int(p.ioStatus.Information)
	if b == nil || p.userBuffer == nil || ke.Acting(k) == nil {
		return
	}
	at := pool.Unwritten(b, n)
	if at < 0 {
		return
	}
	p.report(k, verify.Finding{Rule: verify.POOL_014, Case: "handed to a program",
		Headline: fmt.Sprintf("%v is completed with Information %d, but nothing was written to offset %d of "+
			"its system buffer: the caller gets what the memory held before", p.id, n, at)})
}
