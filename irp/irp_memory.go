package irp

import (
	"fmt"
	"unsafe"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// This file has the rules about the memory of an IRP that its driver provides: pool (New or As), an entry of
// a lookaside list (As), a member of a structure or of the device extension, a local variable. Pool and
// lists tell the IRP themselves when the memory goes (Busy, Gone).

// checkMemory judges the memory that IoInitializeIrp is given: nonpaged, and room for what packetSize says,
// which has to be what IoSizeOfIrp says.
func (p *IRP) checkMemory(k *irql.K, packetSize uint16, n int8) {
	if pageable := ke.Of(k).Pageable; pageable != nil && pageable(unsafe.Pointer(p)) {
		ke.Report(k, verify.Finding{Rule: verify.IRQL_018, Case: "IRP", Obj: p.id.String(),
			AllowedIRQL: verify.AnyIRQL,
			Headline:    "IoInitializeIrp on memory that may be paged out: it is touched at DISPATCH_LEVEL"})
	}
	if packetSize < IoSizeOfIrp(n) {
		ke.Report(k, verify.Finding{Rule: verify.IRP_018, Case: "packet too small", Obj: p.id.String(),
			Headline: fmt.Sprintf("IoInitializeIrp: a packet of %d bytes has no room for %d stack locations",
				packetSize, n)})
	}
	if p.mem != nil {
		p.mem.Fill(0, int(packetSize), 0) // what the routine begins with; reports POOL-011
	}
}

// StackGone is called when the routine whose local variable the IRP is returns. Rule: POOL-026.
func (p *IRP) StackGone(k *irql.K) {
	if p.m == nil || p.origin != byInitialize || p.state == stFreed || p.io != state.Of(k) {
		return
	}
	p.uses(ke.Free)
	if why := p.Busy(); why != "" {
		p.report(k, verify.Finding{Rule: verify.POOL_026, Case: "an IRP", Places: p.story(),
			Headline: fmt.Sprintf("the routine whose local variable %v is returns, and it %s", p.id, why),
			Args:     verify.Params(p.id)})
	}
	p.Gone(verify.POOL_026, ke.Note(k, "stack memory gone", p.id))
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
