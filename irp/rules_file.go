package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

func c9Args(sub, meaning string, p *IRP) [4]verify.Arg {
	return [4]verify.Arg{arg(sub, meaning), {}, arg(p.id, "the IRP")}
}

// --- cancelled and kept ---

// keptTooLong is IRP-027. It is reported once for an IRP: when its thread gives it up, when it is completed
// too late, or when the run is over.
func (p *IRP) keptTooLong(now int64) verify.Finding {
	p.late = true
	ms := (now - p.cancelAt) / ke.Millisecond
	f := verify.Finding{Rule: verify.IRP_027, Obj: p.id.String(), Dump: dumpIRP(p),
		Headline: fmt.Sprintf("%v was cancelled %d ms ago and %s", p.id, ms, p.whereIs()),
		Args:     verify.Params(nil, p.id, exitLimit/ke.Millisecond),
		Places:   append(p.story(), verify.Place{Label: "CANCELLED", Seq: p.cancelSeq})}
	if p.owner != nil {
		f.Driver = p.owner.Name
	}
	return f
}

// neverEnds makes an error of it where nobody is left who could complete the IRP: what asked for the end of
// the request, the end of a thread above all, never comes (irp.md 10.2).
func (p *IRP) neverEnds(f verify.Finding) verify.Finding {
	p.lateError = true
	f.Error = true
	f.Headline += ", and nothing can run any more that would complete it"
	return f
}

// heldTooLong is IRP-027 where the thread of the request gives it up, and ends (irp.md 10.2).
func (p *IRP) heldTooLong(k *irql.K) {
	f := p.keptTooLong(ke.Of(k).Now())
	if !ke.Of(k).Quiet(ke.ThreadOf(k)) {
		ke.Report(k, f)
		return
	}
	f = p.neverEnds(f)
	f.Headline += ": the thread that made it could not end"
	ke.Collect(k, f)
}

// checkLate is asked when a cancelled IRP is completed.
func (p *IRP) checkLate(k *irql.K) {
	m := ke.Of(k)
	if now := m.Now(); !p.late && now-p.cancelAt > exitLimit && !m.ClockRaces() {
		ke.Report(k, p.keptTooLong(now))
	}
}

// checkHeld judges an IRP at the end of the run: may a driver hold it when nothing happens any more?
func (io *ioManager) checkHeld(m *ke.Machine, p *IRP) {
	held := p.state == stAt || p.state == stQueued || p.state == stInCancel
	if !held || p.lateError || p.owner == nil || p.owner == p.creator || p.owner.Unloaded ||
		p.ownerDev.DriverObject.system {
		return
	}
	f := verify.Finding{Rule: verify.IRP_040, Obj: p.id.String(), Driver: p.owner.Name, Dump: dumpIRP(p),
		Places: p.story()}
	switch {
	case p.origin == byManager && p.op == nil:
		f.Headline = fmt.Sprintf("%s never completes %v (%s): whoever opens or closes the device waits "+
			"for ever", p.owner.Name, p.id, Sim.MajorName(p.loc(p.stackCount).major))
		f.Case = "create, cleanup or close"
	case p.op != nil && p.op.f.Flags&FO_CLEANUP_COMPLETE != 0 && !p.late:
		io.leftByCleanup(m, p.op.f)
		return
	case p.cancel && m.Quiet(nil):
		f = p.neverEnds(p.keptTooLong(m.Now()))
	case p.cancel && !p.late:
		f = p.keptTooLong(m.Now())
	case p.cancel:
		return
	default:
		io.lost(m, p)
		return
	}
	m.ReportEnd(f)
}

// leftByCleanup reports IRP-040 once for a file object, with the oldest request that is left.
func (io *ioManager) leftByCleanup(m *ke.Machine, file *FILE_OBJECT) {
	if file.judged {
		return
	}
	file.judged = true
	left := io.outstanding(func(op *UserIO) bool { return op.f == file && op.p.owner != nil })
	p, more := left[0].p, ""
	if n := len(left) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	m.ReportEnd(verify.Finding{Rule: verify.IRP_040, Case: "kept after cleanup", Obj: p.id.String(),
		Driver: p.owner.Name,
		Headline: fmt.Sprintf("%s still keeps %v%s of %v, whose last handle is closed", p.owner.Name, p.id,
			more, file.id),
		Dump: dumpIRP(p), Places: append(p.story(), verify.Place{Label: "OPENED", Seq: file.seq})})
}

// --- the event of a threaded request ---

// eventStale reports IRP-046.
func eventStale(k *irql.K, p *IRP, id trace.ID, event trace.ID) {
	f := verify.Finding{Rule: verify.IRP_046, Obj: id.String(),
		Headline: fmt.Sprintf("%v was sent with %v, which was signalled already, and STATUS_PENDING came "+
			"back", id, event),
		Args: verify.Params(nil, nil, id)}
	if p.id == id {
		f.Dump, f.Places = dumpIRP(p), p.story()
	}
	ke.Report(k, f)
}

// eventSetByDriver reports IRP-047 for a routine that lets the climb go on.
func (p *IRP) eventSetByDriver(k *irql.K) {
	p.report(k, verify.Finding{Rule: verify.IRP_047,
		Headline: fmt.Sprintf("the completion routine of %v signals %v, which the I/O manager will signal, "+
			"and lets the climb go on", p.id, p.userEvent.ID()),
		Places: append(p.story(), verify.Place{Label: "SIGNALLED", Seq: p.userEvent.LastSet()})})
}

// --- buffers ---

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

// userHalf is where the addresses of programs end.
const userHalf = 1 << 47

func userAddress(b *Buffer) bool { return b != nil && b.Address() < userHalf }

// checkAddresses reports IRP-060. A mapping of locked pages has a system address and passes.
func (p *IRP) checkAddresses(k *irql.K, l *IO_STACK_LOCATION) {
	b := p.userBuffer
	if !userAddress(b) {
		b = l.params.DeviceIoControl.Type3InputBuffer
	}
	if !userAddress(b) {
		return
	}
	p.report(k, verify.Finding{Rule: verify.IRP_060,
		Headline: fmt.Sprintf("%v has RequestorMode KernelMode and carries the user address of %v", p.id,
			b.ID()),
		Args: verify.Params(nil, p.id, fmt.Sprintf("%#x", b.Address()))})
}

// --- file objects and dispatch tables ---

// createOnClosed reports IRP-069.
func createOnClosed(k *irql.K, dev *DEVICE_OBJECT, p *IRP, file *FILE_OBJECT) {
	p.report(k, verify.Finding{Rule: verify.IRP_069,
		Headline: fmt.Sprintf("%v is an IRP_MJ_CREATE for %v, whose last handle is closed", p.id, file.id),
		Args:     verify.Params(nil, dev.id, p.id, file.id)})
}

// has reports whether the driver set a routine for a major function.
func (d *DRIVER_OBJECT) has(major uint8) bool {
	fn := d.MajorFunction[major%(IRP_MJ_MAXIMUM_FUNCTION+1)]
	return fn != nil && ke.CodeOf(fn) != ke.CodeOf(invalidDeviceRequest)
}

// routineMissing reports IRP-072 for a request that met an empty entry: an opening or closing of a device, or
// one that the driver below would have served. IRP_MJ_CLEANUP is needed by drivers that queue, IRP-040 tells.
func routineMissing(k *irql.K, dev *DEVICE_OBJECT, p *IRP) {
	l := p.loc(p.cur)
	if dev == nil || l == nil {
		return
	}
	why := ""
	switch {
	case dev.lower != nil && dev.lower.DriverObject.has(l.major):
		why = fmt.Sprintf(", and %s below would serve it", dev.lower.DriverObject.image.Name)
	case p.origin == byManager && p.op == nil && l.major != IRP_MJ_CLEANUP:
		why = ", and its device is opened"
	default:
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_072, Case: "no routine", Obj: dev.id.String(),
		Dump: dumpIRP(p), Headline: fmt.Sprintf("%s has no routine for %s%s", dev.DriverObject.image.Name,
			Sim.MajorName(l.major), why)})
}

// checkTable reports IRP-072 for a dispatch table that was changed after DriverEntry.
func (d *DRIVER_OBJECT) checkTable(m *ke.Machine) {
	if d.system || !d.entered || !ntstatus.NT_SUCCESS(d.entry) {
		return
	}
	for i, fn := range d.MajorFunction {
		if fn != nil && ke.CodeOf(fn) == d.table[i] {
			continue
		}
		m.ReportEnd(verify.Finding{Rule: verify.IRP_072, Case: "changed late", Obj: d.id.String(),
			Driver: d.image.Name,
			Headline: fmt.Sprintf("%s changed its routine for %s after DriverEntry had returned",
				d.image.Name, Sim.MajorName(uint8(i)))})
		return
	}
}
