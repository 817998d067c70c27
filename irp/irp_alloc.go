package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteAllocateIrp = ke.Site{Name: "fault/IoAllocateIrp", Alts: []string{"succeeds", "returns NULL"},
	Spec: "irp.md 19.2"}

// IoSizeOfIrp gives the size of an IRP with n stack locations.
//
// IRQL: any.
// Reference: wdm/nf-wdm-iosizeofirp.
func IoSizeOfIrp(stackSize int8) uint16 { return uint16(irpSize + locationSize*int(stackSize)) }

// IoAllocateIrp makes an IRP with n stack locations, none of which is current. NULL when there is no memory.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller creates it and frees it with IoFreeIrp, in its completion routine if it was sent.
// Rules: IRQL-001; later IRP-030 to IRP-040.
// Not modelled: quota.
// Reference: wdm/nf-wdm-ioallocateirp.
func IoAllocateIrp(k *irql.K, stackSize int8, chargeQuota bool) *IRP {
	ke.Enter(k, ddi.IoAllocateIrp)
	if stackSize < 0 || stackSize > maxLocations || ke.Fails(k, &siteAllocateIrp) {
		ke.Log(k, trace.Event{What: trace.Call, Code: ddi.IoAllocateIrp, A: uint64(stackSize),
			Flags: trace.HasA})
		return nil
	}
	p := state.Of(k).newIRP(k, stackSize, byAllocate)
	if chargeQuota {
		p.allocFlags |= IRP_QUOTA_CHARGED
	}
	p.allocSeq = ke.CallArg(k, ddi.IoAllocateIrp, p.id, uint64(stackSize))
	return p
}

// newIRP makes an IRP in state Creator for the driver that acts in k.
func (io *ioManager) newIRP(k *irql.K, n int8, o origin) *IRP {
	var p *IRP
	if n <= maxPooled {
		p = io.free[n].pop()
	}
	if p == nil {
		p = &IRP{m: io.m, locs: make([]IO_STACK_LOCATION, n)}
	}
	locs, ran := p.locs, p.ran
	*p = IRP{ran: ran}
	p.forgetRun()
	p.m, p.io, p.locs, p.id, p.origin, p.creator = io.m, io, locs, io.m.NewID(trace.IRP), o, ke.Acting(k)
	p.prepare(n)
	p.next = io.live
	if io.live != nil {
		io.live.prev = p
	}
	io.live = p
	io.nlive++
	return p
}

// prepare makes the mutable part of an IRP as IoInitializeIrp leaves it.
func (p *IRP) prepare(n int8) {
	for i := range p.locs {
		p.locs[i] = IO_STACK_LOCATION{}
		p.locs[i].p, p.locs[i].self = p, &p.locs[i]
	}
	p.stackCount, p.cur = n, n+1
	p.give(stCreator, p.creator, n+1, nil)
}

// release ends an IRP's life; its memory stays recognisable as freed for a while.
func (io *ioManager) release(p *IRP) {
	p.give(stFreed, nil, 0, nil)
	io.unlink(p)
	if p.inThreadList && p.thread != nil {
		p.thread.Requests--
	}
	for i := range p.locs {
		p.locs[i].visit = nil
	}
	p.ioStatus = IO_STATUS_BLOCK{Status: 0xDEDEDEDE, Information: 0xDEDEDEDEDEDEDEDE}
	if int(p.stackCount) <= maxPooled && p.origin != byInitialize {
		io.free[p.stackCount].push(p)
	}
}

// IoFreeIrp frees an IRP of IoAllocateIrp or IoBuildAsynchronousFsdRequest.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller must be the creator and hold the IRP again. MDLs are not freed with it.
// Rules: IRP-018, IRP-030 to IRP-033, IRP-035, IRP-041, IRQL-001, MDL-017, OBJ-014.
// Reference: wdm/nf-wdm-iofreeirp.
func IoFreeIrp(k *irql.K, p *IRP) {
	ke.Enter(k, ddi.IoFreeIrp)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Frees(p.id))
	checkFree(k, p)
	p.checkUnsent(k, "freed")
	if p.queued() {
		freedInList(k, p)
	}
	if p.mdl != nil {
		p.checkChain(k, "freed")
	}
	p.freeSeq = ke.Call(k, ddi.IoFreeIrp, p.id)
	p.io.release(p)
}

// mayDispose reports whether img may free or reuse the IRP now: its creator, who holds it again, with no
// cancel routine set. The I/O manager's own code may, too.
func (p *IRP) mayDispose(img *ke.Image) bool {
	return (img == nil || img == p.creator) && p.cancelRoutine == nil && p.backWithCreator()
}

func checkFree(k *irql.K, p *IRP) {
	img := ke.Acting(k)
	if !p.mayDispose(img) || p.origin != byAllocate && p.origin != byAsyncFsd && p.origin != byAssociated {
		freedWrongly(k, p, img)
	}
}

func freedWrongly(k *irql.K, p *IRP, img *ke.Image) {
	f := verify.Finding{Places: p.story(), Args: verify.Params(nil, p.id)}
	switch {
	case p.state == stFreed && (!p.origin.threaded() || p.origin == byManager):
		f.Rule = verify.IRP_035
		f.Headline = fmt.Sprintf("%v is freed a second time", p.id)
		if p.completeSeq > 0 {
			f.Case = "freed by two parties"
		}
	case p.inThreadList && !p.sent:
		f.Rule = verify.IRP_031
		f.Headline = fmt.Sprintf("%v is freed while it is in its thread's list", p.id)
	case p.origin.threaded() && p.origin != byManager:
		f.Rule = verify.IRP_032
		f.Headline = fmt.Sprintf("%v, made by %v, is freed by its creator; the I/O manager frees it", p.id,
			p.origin)
		if p.state == stFreed {
			f.Also = []verify.RuleID{verify.IRP_035}
		}
	case img != nil && img != p.creator || p.origin == byInitialize:
		f.Rule, f.As = verify.IRP_033, p.special(func(s *SubsystemRules) verify.RuleID { return s.WrongFree })
		f.Args = [4]verify.Arg{}
		f.Headline = fmt.Sprintf("%v is freed by a driver that did not allocate it with IoAllocateIrp", p.id)
		if p.origin == byInitialize {
			f.Case = "made by IoInitializeIrp"
		}
	default:
		f.Rule = verify.IRP_030
		pick := func(s *SubsystemRules) verify.RuleID { return s.Reinitialised }
		if p.cancel {
			pick = func(s *SubsystemRules) verify.RuleID { return s.FreedCancelled }
		}
		f.As = p.special(pick)
		f.Headline = fmt.Sprintf("%v is freed while it is in use: %s", p.id, p.whereIs())
	}
	p.report(k, f)
}

// IoReuseIrp makes an IRP of IoAllocateIrp as new, with the same number of locations.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller must be the creator and hold the IRP again; MDLs must have been taken off.
// Rules: IRP-005, IRP-037, IRP-038, IRP-041, IRQL-001, MDL-017.
// Reference: wdm/nf-wdm-ioreuseirp.
func IoReuseIrp(k *irql.K, p *IRP, status ntstatus.NTSTATUS) {
	ke.Enter(k, ddi.IoReuseIrp)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Writes(p.id))
	if p.state == stFreed {
		p.touchedByStranger(k)
	}
	checkReuse(k, p)
	p.checkUnsent(k, "reused")
	if p.mdl != nil {
		p.checkChain(k, "reused")
	}
	ke.CallStatus(k, ddi.IoReuseIrp, p.id, uint32(status))
	p.reinitialise()
	p.ioStatus.Status = status
}

// reinitialise clears everything but identity, origin and the allocation record.
func (p *IRP) reinitialise() {
	p.enters(stCreator)
	*p = IRP{m: p.m, io: p.io, id: p.id, locs: p.locs, origin: p.origin, creator: p.creator,
		allocSeq:   p.allocSeq,
		allocFlags: p.allocFlags, next: p.next, prev: p.prev, stackCount: p.stackCount, serial: p.serial,
		ran: p.ran, mem: p.mem}
	p.forgetRun()
	p.prepare(p.stackCount)
}

func checkReuse(k *irql.K, p *IRP) {
	img := ke.Acting(k)
	if !p.mayDispose(img) || p.queued() || p.origin != byAllocate && p.origin != byInitialize {
		reusedWrongly(k, p, img)
	}
}

func reusedWrongly(k *irql.K, p *IRP, img *ke.Image) {
	f := verify.Finding{Places: p.story(), Args: verify.Params(nil, nil, p.id)}
	switch {
	case p.origin.threaded() || p.origin == byAssociated || img != nil && img != p.creator:
		f.Rule, f.As = verify.IRP_037,
			p.special(func(s *SubsystemRules) verify.RuleID { return s.WrongReuse })
		f.Headline = fmt.Sprintf("IoReuseIrp on %v, which was made by %v", p.id, p.origin)
	case !p.backWithCreator() || p.cancelRoutine != nil || p.queued():
		f.Rule, f.As = verify.IRP_038,
			p.special(func(s *SubsystemRules) verify.RuleID { return s.Reinitialised })
		f.Headline = fmt.Sprintf("%v is reinitialised while it is in use: %s", p.id, p.whereIs())
	default: // of IoBuildAsynchronousFsdRequest
		f.Rule, f.Warning, f.Case = verify.IRP_037, true, "made by IoBuildAsynchronousFsdRequest"
		f.Headline = fmt.Sprintf("IoReuseIrp on %v, made by %v: the pages disagree whether that is allowed",
			p.id, p.origin)
	}
	p.report(k, f)
}

// link puts an IRP into the list of live ones.
func (io *ioManager) link(p *IRP) {
	p.prev, p.next = nil, io.live
	if io.live != nil {
		io.live.prev = p
	}
	io.live = p
	io.nlive++
}

// unlink takes an IRP out of the list of live ones.
func (io *ioManager) unlink(p *IRP) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		io.live = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.next, p.prev = nil, nil
	io.nlive--
}

// IoAllocateIrpEx is IoAllocateIrp with room for what the stack of dev wants to keep with the IRP.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: as IoAllocateIrp.
// Rules: IRQL-001; later IRP-030 to IRP-040.
// Not modelled: the extension space.
// Reference: wdm/nf-wdm-ioallocateirpex.
func IoAllocateIrpEx(k *irql.K, dev *DEVICE_OBJECT, stackSize int8, chargeQuota bool) *IRP {
	const d = ddi.IoAllocateIrpEx
	ke.Enter(k, d)
	dev.exists(k, d)
	if stackSize < 0 || stackSize > maxLocations || ke.Fails(k, &siteAllocateIrpEx) {
		ke.Log(k, trace.Event{What: trace.Call, Code: d, A: uint64(stackSize), Flags: trace.HasA})
		return nil
	}
	p := state.Of(k).newIRP(k, stackSize, byAllocate)
	if chargeQuota {
		p.allocFlags |= IRP_QUOTA_CHARGED
	}
	p.allocSeq = ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: p.id, Obj2: dev.id,
		A: uint64(stackSize), Flags: trace.HasA})
	return p
}

var siteAllocateIrpEx = ke.Site{Name: "fault/IoAllocateIrpEx", Alts: []string{"succeeds", "returns NULL"},
	Spec: "irp.md 19.2"}
