package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// actsForOwner reports whether the code that runs in k may touch the IRP now (irp.md 8.2): its driver is the
// owner's driver, and if the frame is a dispatch or completion routine of this very IRP, its level and device
// are the owner's too.
func (p *IRP) actsForOwner(k *irql.K) bool {
	f := ke.Top(k)
	if f == nil || f.Image == nil {
		return p.state != stFreed
	}
	switch {
	case p.state == stFreed || p.state == stCompleting || p.state == stStage2 || f.Image != p.owner:
		return false
	case p.csq != nil && !p.csq.admits(k):
		return false
	case f.Kind != ke.FrameDispatch && f.Kind != ke.FrameCompletion:
		return true
	case f.Object != p:
		return true
	}
	return f.Level == int(p.level) && f.Device == p.ownerDev
}

// uses says that the step under way looks at the IRP or changes it.
func (p *IRP) uses(how ke.Access) { p.m.AddsOn(ke.Use{Obj: p.id, How: how}) }

// after says that the step changes what a completion routine has made of the request it was called for, which
// the IRP may not be any more.
func (p *IRP) after(k *irql.K, id trace.ID) {
	if p.m.Trails() {
		ke.Adds(k, ke.Writes(id))
		p.uses(ke.W)
	}
}

// returned says what the step looks at that judges how a dispatch routine has ended. Who holds the IRP
// matters only where the routine does not say that it is pending, and a mark only where the mark of a lower
// driver does not stand for it: whether that one arrives is judged when the climb leaves the location or
// here, whichever comes last. That the driver keeps the IRP now changes nothing for whoever holds it.
func (p *IRP) returned(k *irql.K, id trace.ID, level int8, v *visit, s ntstatus.NTSTATUS) {
	if !p.m.Trails() {
		return
	}
	ke.Adds(k, ke.Writes(returnAt(id, level)))
	if !v.forwarded || v.lower != s || s != ntstatus.STATUS_PENDING {
		ke.Adds(k, ke.Reads(markAt(id, level)))
	}
	if s != ntstatus.STATUS_PENDING || v.uncalled {
		ke.Adds(k, ke.Reads(id))
		p.uses(ke.R)
	}
}

// markAt names the pending mark that an IRP gets at a level while the dispatch call for it runs.
func markAt(id trace.ID, level int8) trace.ID { return ke.Beside.AtLevel(level).Of(id) }

// returnAt names the end of the dispatch call for an IRP at a level.
func returnAt(id trace.ID, level int8) trace.ID { return ke.Visit.AtLevel(level).Of(id) }

// usesMark says that the step marks the IRP at a level.
func (p *IRP) usesMark(level int8) { p.m.AddsOn(ke.Writes(markAt(p.id, level))) }

// usesReturn says that it matters to the step whether the dispatch call at a level has returned.
func (p *IRP) usesReturn(level int8, how ke.Access) {
	p.m.AddsOn(ke.Use{Obj: returnAt(p.id, level), How: how})
}

// What steps do to an IRP is told apart in several: who holds it (its id), what is in it, the word of
// cancellation, which others than the holder change, how its dispatch calls go, and that it has ended.
// Whoever touches its content or that word looks at the id. IoCancelIrp does not, unless it finds a cancel
// routine: all it needs besides is that the IRP still exists.

// content names what is in the IRP, as its holder finds and leaves it.
func (p *IRP) content() trace.ID { return ke.Content.Of(p.id) }

// cancelWord names Cancel and CancelRoutine.
func (p *IRP) cancelWord() trace.ID { return ke.Beside.Of(p.id) }

// end names that the IRP has passed its top location or is freed.
func (p *IRP) end() trace.ID { return ke.End.Of(p.id) }

// ends says that the step ends the IRP.
func (p *IRP) ends() { p.m.AddsOn(ke.Writes(p.end())) }

// pointCancel is the scheduling point before the cancel routine is exchanged.
func (p *IRP) pointCancel(k *irql.K) {
	ke.Point(k, ke.Swaps(p.cancelWord()))
	p.uses(ke.R)
}

// pointCancelled is the scheduling point before Cancel is set by somebody who may not hold the IRP.
func (p *IRP) pointCancelled(k *irql.K) {
	ke.Point(k, ke.Swaps(p.cancelWord()))
	p.m.AddsOn(ke.Reads(p.end()))
}

// seesCancel says that the step looks at Cancel or CancelRoutine.
func (p *IRP) seesCancel() { p.m.AddsOn(ke.Reads(p.cancelWord())) }

// cancelled is Cancel for the I/O manager.
func (p *IRP) cancelled() bool {
	p.seesCancel()
	return p.cancel
}

// touch is the check of every method that changes the IRP, or hands out a pointer through which it may be
// changed.
func (p *IRP) touch() { p.accessed(ke.Writes(p.content()), false) }

// touchStatus is touch for the status block, with which every completion begins.
func (p *IRP) touchStatus() { p.accessed(ke.Writes(p.content()), true) }

// look is the check of every method that only tells something.
func (p *IRP) look() { p.accessed(ke.Reads(p.content()), false) }

// lookCancel is look for what others than the holder change.
func (p *IRP) lookCancel() { p.accessed(ke.Reads(p.cancelWord()), false) }

func (p *IRP) accessed(u ke.Use, status bool) {
	k := p.m.Current()
	if k == nil {
		return
	}
	ke.Accesses(k, u)
	p.uses(ke.R)
	if !p.actsForOwner(k) {
		p.touchedBy(k, status)
	}
}

// check is touch for routines that have k.
func (p *IRP) check(k *irql.K) {
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Adds(k, ke.Reads(p.id))
	if !p.actsForOwner(k) {
		p.touchedByStranger(k)
	}
}

// isIRP reports whether p was made by one of the routines that make IRPs.
func isIRP(p *IRP) bool { return p != nil && p.m != nil }

func notAnIRP(k *irql.K, p *IRP) {
	headline := "NULL given where an IRP is expected"
	if p != nil {
		headline = "memory that is no IRP given where an IRP is expected"
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_018, Obj: "nil", Headline: headline})
	panic("internal error: went on with what is no IRP")
}

func (p *IRP) touchedByStranger(k *irql.K) { p.touchedBy(k, false) }

// touchedBy is touchedByStranger; status says that it is the status block that is touched.
func (p *IRP) touchedBy(k *irql.K, status bool) {
	if p.csq != nil && ke.Acting(k) == p.owner {
		p.touchedInQueue(k)
		return
	}
	f := verify.Finding{Rule: verify.IRP_005, Obj: p.id.String(), Dump: dumpIRP(p),
		Headline: fmt.Sprintf("%v is touched by code that does not own it: %s", p.id, p.whereIs())}
	if late := p.touchedLate(k, status); late != "" {
		f.Headline = late
	}
	if p.state == stFreed {
		f.Args = verify.Params(p.id, 0)
	}
	f.Places = p.story()
	switch p.state {
	case stFreed:
		f.As = p.special(func(s *SubsystemRules) verify.RuleID { return s.TouchedFreed })
	case stAt, stQueued:
		f.As = p.special(func(s *SubsystemRules) verify.RuleID { return s.ReadPending })
	}
	switch {
	case p.finished():
		f.Case = p.lateCase(k, status)
	case p.state == stFreed:
	case p.sentSeq > 0:
		f.Case = "sent on"
	default:
		f.Case = "held by another"
	}
	ke.Report(k, f)
}

// give makes somebody else the owner.
func (p *IRP) give(s ownState, img *ke.Image, level int8, dev *DEVICE_OBJECT) uint64 {
	p.uses(ke.W)
	if s == stFreed || s == stStage2 {
		p.ends()
	}
	p.enters(s)
	p.owner, p.level, p.ownerDev = img, level, dev
	p.serial++
	return p.serial
}

// frameVisit is the record of the dispatch call that runs in k, if that call is for p.
func frameVisit(k *irql.K, p *IRP) *visit {
	f := ke.Top(k)
	if f == nil || f.Kind != ke.FrameDispatch || f.Object != p {
		return nil
	}
	v, _ := f.Data.(*visit)
	return v
}

// Holder returns the driver that holds the IRP, nil while nobody does. It is for the simulator's own tools.
func (sim) Holder(p *IRP) *ke.Image {
	if p.state == stFreed || p.state == stCompleting || p.state == stStage2 {
		return nil
	}
	return p.owner
}

// backWithCreator reports whether the creator holds the IRP and may dispose of it.
func (p *IRP) backWithCreator() bool {
	switch p.state {
	case stCreator:
		return true
	case stInRoutine, stStopped:
		if p.level > p.stackCount || p.owner != p.creator {
			return p.level > p.stackCount
		}
		p.usesReturn(p.level, ke.R)
		return p.loc(p.level).visit == nil
	}
	return false
}

func c9(k *irql.K, p *IRP, id trace.ID, rule verify.RuleID, cause, format string) {
	f := verify.Finding{Rule: rule, Case: cause, Obj: id.String(), Headline: fmt.Sprintf(format, id),
		Args: verify.Params(nil, nil, id)}
	if p.id == id {
		f.Dump, f.Places = dumpIRP(p), p.story()
	}
	if top := ke.Top(k); top != nil {
		if dev, ok := top.Device.(*DEVICE_OBJECT); ok && dev != nil {
			f.At = dev.id.String()
		}
	}
	ke.Report(k, f)
}

// report completes a finding about the IRP and reports it.
func (p *IRP) report(k *irql.K, f verify.Finding) {
	f.Obj, f.Dump = p.id.String(), dumpIRP(p)
	ke.Report(k, f)
}

func c9Args(sub, meaning string, p *IRP) [4]verify.Arg {
	return [4]verify.Arg{arg(sub, meaning), {}, arg(p.id, "the IRP")}
}
