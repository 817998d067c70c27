package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The pending mark travels up with the climb. A dispatch routine that returned STATUS_PENDING because the
// driver below it did relies on that: its location must carry the mark when the climb leaves it (irp.md 6). A
// machine that stops at the first violation ends with IRP-011, where the mark is lost; one that continues
// gets to the drivers that relied on it.

// relies reports whether the dispatch call of v returned STATUS_PENDING on the word of the driver below.
func (v *visit) relies(s ntstatus.NTSTATUS) bool {
	return s == ntstatus.STATUS_PENDING && !v.marked && v.forwarded && v.lower == s
}

// leave tells the dispatch calls of a location that the climb leaves it, and reports those that returned
// before and relied on a mark that is not there.
func (p *IRP) leave(k *irql.K, l *IO_STACK_LOCATION, marked bool) {
	for v := l.visit; v != nil; v = v.above {
		v.passed, v.unmarked = true, !marked
	}
	n := l.relying
	l.relying = 0
	for i := uint8(0); i < n && !marked; i++ {
		ke.Report(k, verify.Finding{Rule: verify.IRP_007, Obj: p.id.String(),
			At: fmt.Sprintf("%v %d", l.device.id, i),
			Headline: fmt.Sprintf("a dispatch routine returned STATUS_PENDING and its location of %v was "+
				"never marked pending", p.id),
			Args: verify.Params(nil, nil, p.id)})
	}
}

// lost reports a completion routine that lets the mark end at its location. A routine that gets no mark only
// because the one below lost it is reported, too, if it would not have looked.
func (p *IRP) lost(k *irql.K, up *IO_STACK_LOCATION, level int8) {
	up.broken = true
	as := p.special(func(s *SubsystemRules) verify.RuleID { return s.NotPropagated })
	p.report(k, verify.Finding{Rule: verify.IRP_011, As: as, At: fmt.Sprint(level), Places: p.story(),
		Headline: fmt.Sprintf("the completion routine of %v saw PendingReturned and did not mark the IRP "+
			"pending",
			p.id),
		Args: verify.Params(nil, nil, p.id)})
}

// IoMarkIrpPending marks the caller's own location: its dispatch routine will return STATUS_PENDING. Call it
// before anybody else can get at the IRP.
//
// IRQL: any.
// Ownership: the caller must hold the IRP and have a location.
// Rules: IRP-005, IRP-006, IRP-012, IRP-013, IRP-017, IRP-067.
// Reference: wdm/nf-wdm-iomarkirppending.
func IoMarkIrpPending(k *irql.K, p *IRP) {
	ke.Enter(k, ddi.IoMarkIrpPending)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Writes(p.id))
	p.checkMark(k)
	p.check(k)
	skipLeft(k, p, "IoMarkIrpPending")
	p.markPending(k, ddi.IoMarkIrpPending)
	p.routineMarked(k)
}

// markPending marks the current location, for whichever routine.
func (p *IRP) markPending(k *irql.K, d ddi.ID) {
	l := p.loc(p.cur)
	if l == nil {
		p.report(k, verify.Finding{Rule: verify.IRP_013,
			Headline: fmt.Sprintf("%v on %v by code without a stack location: the mark would lie behind "+
				"the IRP",
				d, p.id)})
		return
	}
	l.control |= SL_PENDING_RETURNED
	l.markedBy = ke.Acting(k)
	if l.visit != nil {
		p.usesMark(p.cur)
		l.visit.marked = true
	}
	if d == ddi.IoMarkIrpPending {
		ke.Call(k, d, p.id)
	}
}

// checkMark reports IRP-067: the IRP has become visible to others before it is marked.
func (p *IRP) checkMark(k *irql.K) {
	where, seq := "", uint64(0)
	switch {
	case ke.Acting(k) != p.owner:
		return
	case p.csq != nil:
		where, seq = p.csq.id.String(), p.csqSeq
	case p.listed() && !p.entry.stillGuarded(k):
		where, seq = "a list", p.entry.seq
	case p.waitsFor() != nil:
		where, seq = p.waitsFor().name(), p.devEntry.seq
	case p.started == p.serial:
		where = "the hands of StartIo"
	case p.inWork == p.serial:
		where = "a work item"
	default:
		return
	}
	p.report(k, verify.Finding{Rule: verify.IRP_067,
		Headline: fmt.Sprintf("%v is marked pending after it was put into %s: somebody may have completed it",
			p.id, where),
		Places: []verify.Place{{Label: "QUEUED", Seq: seq}}})
}
