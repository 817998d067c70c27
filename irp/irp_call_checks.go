package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// noteNonPnp remembers, when DriverEntry has returned, whether IRP-044 applies to a driver.
func (io *ioManager) noteNonPnp(drv *DRIVER_OBJECT) {
	if drv.DriverUnload != nil && drv.DriverExtension.AddDevice == nil {
		*io.adviceFor(drv.image) |= plainUnsafe
	}
}

// checkPrepared evaluates the rules about how an IRP was prepared for IoCallDriver; l is the next location.
func (p *IRP) checkPrepared(k *irql.K, dev *DEVICE_OBJECT, l *IO_STACK_LOCATION) {
	if p.queued() {
		p.inTwoQueues(k, ddi.IoCallDriver)
	}
	if p.exFailed != 0 {
		exResultIgnored(k, p)
	}
	if l.self != l {
		copiedByHand(k, p, l)
	}
	if p.inThreadList && p.state == stCreator {
		checkThreaded(k, p)
	}
	if p.master != nil {
		p.checkAssociated(k)
	}
	if at := p.ownerDev; at != nil && at.lower != nil && at.lower != dev {
		checkBypass(k, p, at, dev)
	}
	if l.setBy == p.owner && l.control&invokeAny != 0 {
		if dev.special == nil && l.ex == nil && !l.synchronous && p.owner != nil {
			p.checkPlain(k, l)
		}
	} else if l.copied && l.control&invokeAny == 0 && p.owner != nil {
		p.checkCopied(k)
	}
}

func exResultIgnored(k *irql.K, p *IRP) {
	p.report(k, verify.Finding{Rule: verify.IRP_042,
		Headline: fmt.Sprintf("%v is sent although IoSetCompletionRoutineEx failed for it: no routine is set",
			p.id),
		Args: verify.Params(nil, p.id), Places: []verify.Place{{Label: "FAILED", Seq: p.exFailed - 1}}})
}

// copiedByHand reports IRP-016. When a routine came along, that is IRP-014, which was reported before.
func copiedByHand(k *irql.K, p *IRP, l *IO_STACK_LOCATION) {
	l.self = l
	p.report(k, verify.Finding{Rule: verify.IRP_016,
		Headline: fmt.Sprintf("a stack location of %v was copied by assignment: Control came along, 0x%02x",
			p.id, l.control),
		Args: verify.Params(nil, nil, p.id)})
}

// checkThreaded reports IRP-056: the special kernel APC that ends a threaded request could not run.
func checkThreaded(k *irql.K, p *IRP) {
	now := ke.IRQL(k)
	_, special := ke.APCState(k)
	if now < ke.APC && special == 0 || now > ke.Dispatch {
		return
	}
	why := "with special kernel APCs disabled"
	if now >= ke.APC {
		why = "at " + irql.KIRQL(now).String()
	}
	p.report(k, verify.Finding{Rule: verify.IRP_056,
		Headline: fmt.Sprintf("%v, made by %v, is sent %s: the APC that ends it cannot run", p.id, p.origin,
			why),
		Args: verify.Params(nil, nil, p.id, now)})
}

// checkBypass reports IRP-066: dev lies below the device that at is attached to.
func checkBypass(k *irql.K, p *IRP, at, dev *DEVICE_OBJECT) {
	for d := at.lower.lower; d != nil; d = d.lower {
		if d != dev {
			continue
		}
		ke.Report(k, verify.Finding{Rule: verify.IRP_066, Obj: p.id.String(),
			Headline: fmt.Sprintf("%v of %v is sent to %v and passes over %v, to which %v is attached", p.id,
				at.id, dev.id, at.lower.id, at.id),
			Args: verify.Params(nil, nil, p.id)})
	}
}

// checkPlain reports IRP-044, once for each driver and run.
func (p *IRP) checkPlain(k *irql.K, l *IO_STACK_LOCATION) {
	img := p.owner
	if int(img.Num) >= len(p.io.advice) || p.io.advice[img.Num]&plainUnsafe == 0 {
		return
	}
	p.io.advice[img.Num] &^= plainUnsafe
	ke.Report(k, verify.Finding{Rule: verify.IRP_044, Obj: img.ID.String(),
		Headline: fmt.Sprintf("%s can be unloaded while %s waits in %v: nothing holds its image", img.Name,
			ke.FuncName(ke.CodeOf(l.routine)), p.id)})
}

// checkCopied reports IRP-064, once for each driver and run.
func (p *IRP) checkCopied(k *irql.K) {
	a := p.io.adviceFor(p.owner)
	if *a&saidCopied != 0 {
		return
	}
	*a |= saidCopied
	ke.Report(k, verify.Finding{Rule: verify.IRP_064, Obj: p.id.String(),
		Headline: fmt.Sprintf("the location of %v is copied and no completion routine is set", p.id),
		Args:     verify.Params(nil, nil, p.id)})
}

// inTwoQueues reports IRP-076: d is about to dispose of an IRP that its driver left in a queue.
func (p *IRP) inTwoQueues(k *irql.K, d ddi.ID) {
	where, seq := "a list", uint64(0)
	switch q := p.waitsFor(); {
	case p.csq != nil:
		where, seq = p.csq.id.String(), p.csqSeq
	case q != nil:
		where, seq = q.name(), p.devEntry.seq
	case p.entry != nil:
		seq = p.entry.seq
	}
	p.report(k, verify.Finding{Rule: verify.IRP_076,
		Headline: fmt.Sprintf("%v on %v, which is still in %s", d, p.id, where),
		Places:   []verify.Place{{Label: "QUEUED", Seq: seq}}})
}

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

// createOnClosed reports IRP-069.
func createOnClosed(k *irql.K, dev *DEVICE_OBJECT, p *IRP, file *FILE_OBJECT) {
	p.report(k, verify.Finding{Rule: verify.IRP_069,
		Headline: fmt.Sprintf("%v is an IRP_MJ_CREATE for %v, whose last handle is closed", p.id, file.id),
		Args:     verify.Params(nil, dev.id, p.id, file.id)})
}

// userHalf is where the addresses of programs end.
const userHalf = 1 << 47
