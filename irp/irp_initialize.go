package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

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
		ke.Point(k, ke.Writes(p.id))
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
	if p.allocFlags&IRP_QUOTA_CHARGED != 0 {
		sub = "0x20d"
	}
	p.report(k, verify.Finding{Rule: verify.IRP_039,
		Headline: fmt.Sprintf("IoInitializeIrp on %v, which %v made: what was noted in it is lost",
			p.id, p.origin),
		Args: verify.Params(sub, nil, p.id), Places: []verify.Place{{Label: "ALLOCATED", Seq: p.allocSeq}}})
}
