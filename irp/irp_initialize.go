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

var siteAllocateIrpEx = ke.Site{Name: "fault/IoAllocateIrpEx", Alts: []string{"succeeds", "returns NULL"},
	Spec: "irp.md 19.2"}

// allocQuota is the bit of AllocationFlags for an IRP that quota was charged for.
const allocQuota = 0x01

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
		p.allocFlags |= allocQuota
	}
	p.allocSeq = ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: p.id, Obj2: dev.id,
		A: uint64(stackSize), Flags: trace.HasA})
	return p
}

// IoInitializeIrp makes an IRP of n locations in memory of the driver's own: a member of its device extension
// or context, a block that New[IRP] allocated, or what As[IRP] makes of IoSizeOfIrp bytes of pool or of an
// entry of a lookaside list. The driver gives the memory back itself; the IRP may be
// initialised again whenever its creator holds it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller creates it; its memory must be nonpaged and stay until the IRP has come back.
// Rules: IRP-005, IRP-018, IRP-033, IRP-038, IRP-039, IRQL-001, IRQL-018, POOL-011, POOL-018, POOL-026.
// Not modelled: where the locations lie; Go makes them.
// Reference: wdm/nf-wdm-ioinitializeirp.
func IoInitializeIrp(k *irql.K, p *IRP, packetSize uint16, stackSize int8) {
	const d = ddi.IoInitializeIrp
	ke.Enter(k, d)
	if p == nil {
		notAnIRP(k, p)
	}
	io := state.Of(k)
	again := p.io == io && p.state != stFreed
	if !again && p.io == io && p.origin != byInitialize {
		p.touchedByStranger(k) // freed
	}
	if again {
		ke.Point(k, ke.Use{Obj: p.id, How: ke.W})
		checkInitialize(k, p)
	}
	if !again {
		*p = IRP{m: io.m, io: io, id: io.m.NewID(trace.IRP), origin: byInitialize, creator: ke.Acting(k),
			mem: p.mem}
		io.link(p)
	}
	stackSize = max(stackSize, 0) // sending it is IRP-004 as with 0 (INFERRED: nothing checks the number)
	if len(p.locs) != int(stackSize) {
		p.locs = make([]IO_STACK_LOCATION, stackSize)
	}
	p.stackCount = stackSize
	p.checkMemory(k, packetSize, stackSize)
	p.reinitialise()
	p.allocSeq = ke.CallArg(k, d, p.id, uint64(stackSize))
}

// checkInitialize judges IoInitializeIrp on what is an IRP already.
func checkInitialize(k *irql.K, p *IRP) {
	if p.origin == byInitialize {
		checkReuse(k, p)
		p.checkUnsent(k, "initialised again")
		return
	}
	sub := "0x238"
	if p.allocFlags&allocQuota != 0 {
		sub = "0x20d"
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_039, BugCheck: 0xC9, Obj: p.id.String(), Dump: dumpIRP(p),
		Headline: fmt.Sprintf("IoInitializeIrp on %v, which %v made: what was noted in it is lost",
			p.id, p.origin),
		Args: [4]verify.Arg{arg(sub, "IoInitializeIrp on an IRP of IoAllocateIrp"), {},
			arg(p.id, "the IRP")},
		Places: []verify.Place{{Label: "ALLOCATED", Seq: p.allocSeq}},
		Fix:    "IoAllocateIrp initialises; use IoReuseIrp for the next request."})
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

// Busy says why the memory of an IRP of IoInitializeIrp must not go, "" when it may.
func (p *IRP) Busy() string {
	if p.m == nil || p.state == stFreed || p.backWithCreator() {
		return ""
	}
	return "is an IRP in use: " + p.whereIs()
}

// Gone tells an IRP of IoInitializeIrp that its memory is no more.
func (p *IRP) Gone(_ verify.RuleID, seq uint64) {
	if p.m == nil || p.state == stFreed {
		return
	}
	p.freeSeq = seq
	p.give(stFreed, nil, 0, nil)
	p.io.unlink(p)
}

// IoForwardIrpSynchronously passes an IRP to the next lower driver and waits until it comes back; the caller
// holds it again then. FALSE when there is no location for that driver.
//
// IRQL: <= APC_LEVEL.
// Ownership: the caller's before and after; it must not be marked pending.
// Rules: IRP-005, IRP-018, IRQL-001, and those of IoCallDriver.
// Reference: wdm/nf-wdm-ioforwardirpsynchronously.
func IoForwardIrpSynchronously(k *irql.K, dev *DEVICE_OBJECT, p *IRP) bool {
	const d = ddi.IoForwardIrpSynchronously
	ke.Enter(k, d)
	p.check(k)
	if p.loc(p.cur-1) == nil { // as the page says (irp.md 24 #6)
		ke.CallBool(k, d, p.id, false)
		return false
	}
	id := p.id
	back := &ke.Object{Kind: ke.NotificationEvent, ID: ke.Of(k).NewID(trace.KEvent)}
	IoCopyCurrentIrpStackLocationToNext(k, p)
	l := p.setRoutine(k, d, cameBack, back, invokeAny)
	l.synchronous = true
	if IoCallDriver(k, dev, p) == ntstatus.STATUS_PENDING {
		ke.Wait(k, []*ke.Object{back}, false, nil, "IoForwardIrpSynchronously")
	}
	ke.CallBool(k, d, id, true)
	return true
}

// cameBack is the completion routine of IoForwardIrpSynchronously.
func cameBack(k *irql.K, _ *DEVICE_OBJECT, p *IRP, context any) ntstatus.NTSTATUS {
	if p.pendingReturned {
		ke.SetSignal(k, context.(*ke.Object), 1)
	}
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}
