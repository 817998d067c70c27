package irp

import (
	"fmt"
	"unsafe"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
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
		ke.Report(k, verify.Finding{Rule: verify.IRQL_018, Obj: p.id.String(), AllowedIRQL: verify.AnyIRQL,
			Headline: "IoInitializeIrp on memory that may be paged out: it is touched at DISPATCH_LEVEL",
			Fix:      "use nonpaged pool, a nonpaged lookaside list or the device extension."})
	}
	if packetSize < IoSizeOfIrp(n) {
		ke.Report(k, verify.Finding{Rule: verify.IRP_018, Obj: p.id.String(),
			Headline: fmt.Sprintf("IoInitializeIrp: a packet of %d bytes has no room for %d stack locations",
				packetSize, n),
			Fix: "pass IoSizeOfIrp(n), and allocate as many bytes."})
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
		ke.Report(k, verify.Finding{Rule: verify.POOL_026, BugCheck: 0xDC, Obj: p.id.String(),
			Dump: dumpIRP(p), Places: p.story(),
			Headline: fmt.Sprintf("the routine whose local variable %v is returns, and it %s", p.id, why),
			Args:     [4]verify.Arg{arg(p.id, "address below the stack pointer")},
			Fix:      "wait for its completion routine before the routine returns, or allocate it."})
	}
	p.Gone(verify.POOL_026, ke.Note(k, "stack memory gone", p.id))
}

// extensionGone ends the IRPs in a device extension that goes with its device. Only where IoCreateDevice was
// asked for an extension is the Go value one: without a size, C would have it elsewhere. Rule: POOL-018.
func (d *DEVICE_OBJECT) extensionGone(k *irql.K) {
	if d.extensionSize == 0 {
		return
	}
	pool.Inside(d.DeviceExtension, func(obj any) {
		p, ok := obj.(*IRP)
		if !ok || p.m == nil || p.io != state.Of(k) || p.origin != byInitialize || p.state == stFreed {
			return
		}
		p.uses(ke.Free)
		if why := p.Busy(); why != "" {
			ke.Report(k, verify.Finding{Rule: verify.POOL_018, Obj: p.id.String(), Dump: dumpIRP(p),
				Places:   p.story(),
				Headline: fmt.Sprintf("%v goes and its extension contains %v, which %s", d.id, p.id, why),
				Fix:      "cancel the IRP and wait for its completion routine before IoDeleteDevice."})
		}
		p.Gone(verify.POOL_013, ke.Note(k, "gone with its device", p.id))
	})
}
