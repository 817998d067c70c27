package irp

import (
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// Transfer methods: the two low bits of a control code.
const (
	METHOD_BUFFERED   = 0
	METHOD_IN_DIRECT  = 1
	METHOD_OUT_DIRECT = 2
	METHOD_NEITHER    = 3
)

// Access rights in a control code.
const (
	FILE_ANY_ACCESS   = 0
	FILE_READ_ACCESS  = 1
	FILE_WRITE_ACCESS = 2
)

// CTL_CODE puts a device control code together.
func CTL_CODE(deviceType, function, method, access uint32) uint32 {
	return deviceType<<16 | access<<14 | function<<2 | method
}

var (
	siteBuildIoctl = ke.Site{Name: "fault/IoBuildDeviceIoControlRequest", Alts: nullAlts,
		Spec: "irp.md 8, 19.2"}
	siteBuildSync = ke.Site{Name: "fault/IoBuildSynchronousFsdRequest", Alts: nullAlts,
		Spec: "irp.md 8, 19.2"}
	siteBuildAsync = ke.Site{Name: "fault/IoBuildAsynchronousFsdRequest", Alts: nullAlts,
		Spec: "irp.md 8, 19.2"}
	nullAlts = []string{"succeeds", "returns NULL"}
)

// IoBuildDeviceIoControlRequest makes a device control request that is bound to the calling thread. The I/O
// manager frees the IRP; it writes the status block and sets the event when the request ends, unless it
// failed without being pended.
//
// IRQL: <= APC_LEVEL.
// Ownership: buffers, event and status block must stay until the request has ended.
// Rules: IRP-032, IRP-045, IRP-061, IRQL-001.
// Reference: wdm/nf-wdm-iobuilddeviceiocontrolrequest.
func IoBuildDeviceIoControlRequest(k *irql.K, ioControlCode uint32, dev *DEVICE_OBJECT, inputBuffer *Buffer,
	inputBufferLength uint32, outputBuffer *Buffer, outputBufferLength uint32, internalDeviceIoControl bool,
	event *irql.KEVENT, ioStatusBlock *IO_STATUS_BLOCK) *IRP {
	ke.Enter(k, ddi.IoBuildDeviceIoControlRequest)
	dev.exists(k, ddi.IoBuildDeviceIoControlRequest)
	if badBuffer(k, dev, "0x9", inputBuffer, inputBufferLength) || badBuffer(k, dev, "0x9", outputBuffer,
		outputBufferLength) {
		return nil
	}
	if ke.Fails(k, &siteBuildIoctl) {
		ke.Call(k, ddi.IoBuildDeviceIoControlRequest, 0)
		return nil
	}
	io := state.Of(k)
	p := io.newIRP(k, dev.StackSize, byIoctl)
	p.bind(k, event, ioStatusBlock)
	p.notePlain(k)
	l := p.loc(p.stackCount)
	l.major, l.filled = IRP_MJ_DEVICE_CONTROL, true
	if internalDeviceIoControl {
		l.major = IRP_MJ_INTERNAL_DEVICE_CONTROL
	}
	d := &l.params.DeviceIoControl
	d.IoControlCode, d.InputBufferLength, d.OutputBufferLength = ioControlCode, inputBufferLength,
		outputBufferLength
	if !p.ioctlBuffers(k, ioControlCode&3, inputBuffer, inputBufferLength, outputBuffer, outputBufferLength) {
		p.freeBuffers(k)
		io.release(p)
		return nil
	}
	p.allocSeq = ke.Log(k, trace.Event{What: trace.Call, Code: ddi.IoBuildDeviceIoControlRequest, Obj: p.id,
		Obj2: dev.id,
		A:    uint64(ioControlCode), Flags: trace.HasA | trace.HexA})
	return p
}

// bind ties a request to the calling thread.
func (p *IRP) bind(k *irql.K, event *irql.KEVENT, iosb *IO_STATUS_BLOCK) {
	p.thread = ke.ThreadOf(k)
	p.thread.Requests++
	p.inThreadList = true
	p.userEvent, p.userIosb = event, iosb
	for _, b := range p.reportMemory() {
		pool.LendAs(k, b, pool.Loan{Owner: p.id, Rule: verify.IRP_045, Writable: true, BugCheck: 0xC9,
			Code: verify.Arg{Value: "0xc", Meaning: "memory given to a build routine is gone before the IRP"},
			What: "the event or the I/O status block of " + p.id.String(),
			Fix:  "when IoCallDriver returned STATUS_PENDING, wait for the event before freeing it."})
	}
}

// notePlain remembers a status block in plain Go memory: in C it is a local variable, or lies in pool.
func (p *IRP) notePlain(k *irql.K) {
	if p.userIosb != nil {
		ke.NotePlain(k, unsafe.Pointer(p.userIosb), "the I/O status block of its request", 1)
	}
}

// ioctlBuffers prepares the buffers by transfer method (irp.md 8); false when memory is short.
func (p *IRP) ioctlBuffers(k *irql.K, method uint32, in *Buffer, inLen uint32, out *Buffer,
	outLen uint32) bool {
	l := p.loc(p.stackCount)
	switch method {
	case METHOD_NEITHER:
		l.params.DeviceIoControl.Type3InputBuffer = in
		p.userBuffer = out
		return true
	case METHOD_BUFFERED:
		n := max(inLen, outLen)
		if n == 0 {
			return true
		}
		if !p.systemBuffer(k, n, in, inLen) {
			return false
		}
		if outLen > 0 {
			p.flags |= IRP_INPUT_OPERATION
			p.userBuffer, p.outLen = out, outLen
		}
		return true
	}
	if inLen > 0 && !p.systemBuffer(k, inLen, in, inLen) {
		return false
	}
	if out == nil {
		return true
	}
	p.mdl = lockedMDL(k, out, outLen, method == METHOD_OUT_DIRECT)
	return p.mdl != nil
}

// systemBuffer allocates SystemBuffer and fills it with the input.
func (p *IRP) systemBuffer(k *irql.K, n uint32, in *Buffer, inLen uint32) bool {
	b := allocSystem(k, int(n))
	if b == nil {
		return false
	}
	if inLen > 0 {
		copyBySystem(k, b, in, int(inLen))
	}
	p.assoc.SystemBuffer = b
	p.flags |= IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER
	return true
}

// badBuffer reports IRP-061: a buffer that is NULL, freed, or shorter than the stated length.
func badBuffer(k *irql.K, dev *DEVICE_OBJECT, sub string, b *Buffer, n uint32) bool {
	if n == 0 || b != nil && b.Len() >= int(n) && !pool.Gone(b) {
		return false
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_061, Obj: dev.id.String(),
		Headline: "a build routine is given a buffer that is NULL, freed, or shorter than the stated length",
		Args:     verify.Params(sub, dev.id)})
	return true
}

// IoBuildSynchronousFsdRequest makes a read, write, flush, shutdown or PnP request that is bound to the
// calling thread.
//
// IRQL: <= APC_LEVEL.
// Ownership: as IoBuildDeviceIoControlRequest.
// Rules: IRP-032, IRP-045, IRP-061, IRQL-001.
// Reference: wdm/nf-wdm-iobuildsynchronousfsdrequest.
func IoBuildSynchronousFsdRequest(k *irql.K, majorFunction uint32, dev *DEVICE_OBJECT, buffer *Buffer,
	length uint32,
	startingOffset *int64, event *irql.KEVENT, ioStatusBlock *IO_STATUS_BLOCK) *IRP {
	ke.Enter(k, ddi.IoBuildSynchronousFsdRequest)
	dev.exists(k, ddi.IoBuildSynchronousFsdRequest)
	p := buildFsd(k, bySyncFsd, ddi.IoBuildSynchronousFsdRequest, majorFunction, dev, buffer, length,
		startingOffset)
	if p != nil {
		p.bind(k, event, ioStatusBlock)
		p.notePlain(k)
	}
	return p
}

// IoBuildAsynchronousFsdRequest makes a request like the synchronous form, but its creator frees it.
//
// IRQL: <= APC_LEVEL.
// Ownership: the creator's completion routine frees buffers, MDLs and the IRP and stops the climb.
// Rules: IRP-036, IRP-061, IRP-071, IRQL-001.
// Reference: wdm/nf-wdm-iobuildasynchronousfsdrequest.
func IoBuildAsynchronousFsdRequest(k *irql.K, majorFunction uint32, dev *DEVICE_OBJECT, buffer *Buffer,
	length uint32,
	startingOffset *int64, ioStatusBlock *IO_STATUS_BLOCK) *IRP {
	ke.Enter(k, ddi.IoBuildAsynchronousFsdRequest)
	dev.exists(k, ddi.IoBuildAsynchronousFsdRequest)
	p := buildFsd(k, byAsyncFsd, ddi.IoBuildAsynchronousFsdRequest, majorFunction, dev, buffer, length,
		startingOffset)
	if p != nil {
		p.thread, p.userIosb = ke.ThreadOf(k), ioStatusBlock
	}
	return p
}

func buildFsd(k *irql.K, o origin, d ddi.ID, major uint32, dev *DEVICE_OBJECT, b *Buffer, n uint32,
	off *int64) *IRP {
	transfers := major == IRP_MJ_READ || major == IRP_MJ_WRITE
	if transfers && badBuffer(k, dev, "0x8", b, n) {
		return nil
	}
	site := &siteBuildSync
	if o == byAsyncFsd {
		site = &siteBuildAsync
	}
	if ke.Fails(k, site) {
		ke.Call(k, d, 0)
		return nil
	}
	io := state.Of(k)
	p := io.newIRP(k, dev.StackSize, o)
	l := p.loc(p.stackCount)
	l.major = uint8(major)
	if transfers && !p.fsdBuffers(k, dev, b, n, off, major == IRP_MJ_WRITE) {
		p.freeBuffers(k)
		io.release(p)
		return nil
	}
	p.allocSeq = ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: p.id, Obj2: dev.id, A: uint64(major),
		Flags: trace.HasA})
	return p
}

// fsdBuffers presents the buffer by the device's flags (irp.md 8).
func (p *IRP) fsdBuffers(k *irql.K, dev *DEVICE_OBJECT, b *Buffer, n uint32, off *int64, write bool) bool {
	l := p.loc(p.stackCount)
	l.filled = true
	tr := &l.params.Read
	p.flags |= IRP_READ_OPERATION
	if write {
		tr = &l.params.Write
		p.flags = p.flags&^IRP_READ_OPERATION | IRP_WRITE_OPERATION
	}
	tr.Length = n
	if off != nil {
		tr.ByteOffset = *off
	}
	switch {
	case dev.Flags&DO_BUFFERED_IO != 0:
		fill := n
		p.flags |= IRP_BUFFERED_IO
		if !write {
			fill = 0
			p.flags |= IRP_INPUT_OPERATION
			p.userBuffer, p.outLen = b, n
		}
		if n == 0 {
			// No buffer, but the flags of one (IMPL, reactos: ntoskrnl/io/iomgr/iofunc.c, NtReadFile).
			return true
		}
		return p.systemBuffer(k, n, b, fill)
	case dev.Flags&DO_DIRECT_IO != 0:
		if n == 0 {
			return true
		}
		p.mdl = lockedMDL(k, b, n, !write)
		return p.mdl != nil
	}
	p.userBuffer = b
	return true
}
