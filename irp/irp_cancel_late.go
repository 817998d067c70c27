package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// checkLate is asked when a cancelled IRP is completed.
func (p *IRP) checkLate(k *irql.K) {
	m := ke.Of(k)
	if now := m.Now(); !p.late && now-p.cancelAt > exitLimit && !m.ClockRaces() {
		ke.Report(k, p.keptTooLong(now))
	}
}

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

// neverEnds makes an error of it where nobody is left who could complete the IRP: what asked for the end of
// the request, the end of a thread above all, never comes (irp.md 10.2).
func (p *IRP) neverEnds(f verify.Finding) verify.Finding {
	p.lateError = true
	f.Error = true
	f.Headline += ", and nothing can run any more that would complete it"
	return f
}
