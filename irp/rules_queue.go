package irp

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

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

// freedInList reports OBJ-014 for an IRP that is freed while it is linked.
func freedInList(k *irql.K, p *IRP) {
	where, seq := "a list", uint64(0)
	if q := p.waitsFor(); q != nil {
		where, seq = q.name(), p.devEntry.seq
	} else {
		seq = p.entry.seq
	}
	p.report(k, verify.Finding{Rule: verify.OBJ_014, Case: "freed in a list",
		Headline: fmt.Sprintf("%v is freed while it is linked into %s", p.id, where),
		Places:   []verify.Place{{Label: "LAST_CHANGED", Seq: seq}}})
}

// cancelNotLooked reports IRP-026 when a dispatch routine returns and leaves a cancelled IRP with a cancel
// routine that it set too late.
func cancelNotLooked(k *irql.K, p *IRP) {
	if !p.cancel || p.cancelRoutine == nil {
		return
	}
	p.report(k, verify.Finding{Rule: verify.IRP_026,
		Headline: fmt.Sprintf("%v was cancelled before its cancel routine was set, and is kept: nobody will "+
			"call %s", p.id, funcName(p.cancelRoutine))})
}

// refine gives an order of locks that the cancel spin lock takes part in its own number.
func (io *ioManager) refine(_ *ke.K, f *verify.Finding) {
	if f.Rule != verify.LOCK_003 {
		return
	}
	id := io.cancelLock.ID.String()
	for _, word := range strings.FieldsFunc(f.Headline, func(r rune) bool { return r == ' ' || r == ';' }) {
		if word == id {
			f.Rule, f.Also = verify.LOCK_020, append(f.Also, verify.LOCK_003)
			f.Fix = "do not hold a driver's lock across IoAcquireCancelSpinLock and IoCancelIrp; a " +
				"cancel-safe queue needs neither."
			return
		}
	}
}
