package irp

import (
	"fmt"
	"reflect"
	"unsafe"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// record is where the IRP keeps what its routine does. IRPs that nobody has completed yet, of which there
// may be very many, do without.
func (p *IRP) record() *routineRun {
	if p.ran == nil {
		p.ran = new(routineRun)
	}
	return p.ran
}

// last is what the routine called last did; zero when none has run.
func (p *IRP) last() routineRun {
	if p.ran == nil {
		return routineRun{}
	}
	return *p.ran
}

// forgetRun empties the record; its memory serves on.
func (p *IRP) forgetRun() {
	if p.ran != nil {
		*p.ran = routineRun{}
	}
}

// isIn reports whether o is the event that a context points to, or lies in the structure it points to.
func isIn(context any, o *ke.Object) bool {
	switch c := context.(type) {
	case nil:
		return false
	case *irql.KEVENT:
		return c.Header() == o
	}
	v := reflect.ValueOf(context)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return false
	}
	start, at := v.Pointer(), uintptr(unsafe.Pointer(o))
	return at >= start && at < start+v.Type().Elem().Size()
}

// isUserEvent reports whether o is the event of a threaded request.
func (p *IRP) isUserEvent(o *ke.Object) bool {
	return p.origin.threaded() && p.userEvent != nil && p.userEvent.Header() == o
}

// running is the IRP whose completion routine is the innermost frame of k.
func running(k *irql.K) *IRP {
	f := ke.Top(k)
	if f == nil || f.Kind != ke.FrameCompletion {
		return nil
	}
	p, ok := f.Object.(*IRP)
	if !ok || p.id != f.Obj || p.ran == nil || p.ran.frame != f.Serial {
		return nil
	}
	return p
}

// eventSet is told before driver code signals an event.
func (io *ioManager) eventSet(k *irql.K, o *ke.Object) {
	p := running(k)
	if p == nil {
		return
	}
	p.ran.set = o
	p.mixes(k)
}

// routineMarked is told when a routine calls IoMarkIrpPending for its IRP.
func (p *IRP) routineMarked(k *irql.K) {
	if running(k) == p {
		p.ran.marked = true
		p.mixes(k)
	}
}

// mixes looks for IRP-012: the routine that runs has marked the IRP and signalled an event. If the dispatch
// routine of this level waits for that event, it is reported now, else when it does.
func (p *IRP) mixes(k *irql.K) {
	l := p.loc(p.level)
	if !p.ran.marked || p.ran.set == nil || l == nil || l.visit == nil {
		return
	}
	v := l.visit
	v.mixed = p.ran.set
	if v.event == v.mixed {
		v.reportMixed(k)
	}
}

func (v *visit) reportMixed(k *irql.K) {
	id := v.mixed.ID
	v.mixed = nil
	ke.Report(k, verify.Finding{Rule: verify.IRP_012, Obj: v.p.id.String(),
		Headline: fmt.Sprintf("the completion routine of %v marks it pending and signals %v, for which the "+
			"dispatch routine waits", v.p.id, id)})
}

// eventAwaited is told before driver code waits for an object.
func (io *ioManager) eventAwaited(k *irql.K, o *ke.Object, forever bool) {
	f := ke.Top(k)
	if f == nil || f.Image == nil {
		return
	}
	if f.Kind == ke.FrameDispatch {
		if v, ok := f.Data.(*visit); ok {
			v.event = o
			if v.mixed == o {
				v.reportMixed(k)
			}
		}
	}
	if forever && !ke.CanTakeAPC(k) {
		io.needsAPC(k, o)
	}
	if forever && *io.adviceFor(f.Image)&saidWaits == 0 {
		io.adviseTimeout(k, f.Image, o)
	}
}

// adviceReach is how many IRPs adviseTimeout looks at, the newest first: advice must not make waits slow.
const adviceReach = 32

// adviseTimeout reports IRP-049 if o is the event of a request of img that another driver holds; once for
// each driver and run.
func (io *ioManager) adviseTimeout(k *irql.K, img *ke.Image, o *ke.Object) {
	for p, n := io.live, 0; p != nil && n < adviceReach; p, n = p.next, n+1 {
		if p.sub != nil || p.owner == img || p.owner == nil || !p.sent || !p.reportsTo(img, o) {
			continue
		}
		*io.adviceFor(img) |= saidWaits
		ke.Report(k, verify.Finding{Rule: verify.IRP_049, Obj: p.id.String(),
			Headline: fmt.Sprintf("%s waits for the end of %v without a time-out, and %s has it", img.Name,
				p.id, p.owner.Name)})
		return
	}
}

// reportsTo reports whether the end of p signals o for img: its event, or the context of a routine of img.
func (p *IRP) reportsTo(img *ke.Image, o *ke.Object) bool {
	if p.isUserEvent(o) {
		return p.creator == img
	}
	for i := range p.locs {
		if l := &p.locs[i]; l.setBy == img && l.control&invokeAny != 0 && isIn(l.context, o) {
			return true
		}
	}
	return false
}

// checkWaiters reports IRP-048 at the end of a run: a thread waits for an event that the end of a request was
// to signal, and the request has ended.
func (io *ioManager) checkWaiters(m *ke.Machine) {
	for _, t := range m.Threads() {
		_, on, since, ok := t.Waits()
		if !ok || t.Limited() {
			continue
		}
		for _, o := range on {
			if p := io.endedWithout(t, o, since); p != nil {
				t.Explain()
				p.record().reported = true
				io.neverSignalled(m, t, o, p)
				break
			}
		}
	}
}

// endedWithout finds a request of t's driver that has ended, or been stopped, without signalling o.
func (io *ioManager) endedWithout(t *ke.Thread, o *ke.Object, since int64) *IRP {
	img := waiter(t)
	if img == nil {
		return nil
	}
	for p := io.live; p != nil; p = p.next {
		if p.silent(t, img, o, since) {
			return p
		}
	}
	for n := range io.free {
		for q, i := &io.free[n], uint(0); i < q.n; i++ {
			if p := q.ring[(q.head+i)%uint(len(q.ring))]; p.silent(t, img, o, since) {
				return p
			}
		}
	}
	return nil
}

// waiter is the driver whose code waits in t.
func waiter(t *ke.Thread) *ke.Image {
	if f := ke.Top(ke.KOf(t)); f != nil {
		return f.Image
	}
	return nil
}

// silent reports whether the routine of img that was to signal o has run for p and did not; or whether p
// ended inline, in which case its own event is not signalled. A wait that began after a routine ran that
// had no cause to signal is only judged where it blocks somebody.
func (p *IRP) silent(t *ke.Thread, img *ke.Image, o *ke.Object, since int64) bool {
	ran := p.last()
	switch {
	case p.sub != nil || ran.reported:
		return false
	case p.isUserEvent(o):
		return p.creator == img && p.state == stFreed && p.thread == t
	case ran.by != img || ran.set != nil || !isIn(ran.context, o):
		return false
	}
	if e, ok := ran.context.(*irql.KEVENT); !ok || e.Header() != o {
		return blocksSomebody(t) // a wide context has events for other purposes, too
	}
	return ran.pended || ran.time <= since && blocksSomebody(t)
}

// blocksSomebody reports whether t waits inside a callback, as opposed to a system thread that waits for
// work.
func blocksSomebody(t *ke.Thread) bool {
	f := ke.Top(ke.KOf(t))
	return f != nil && f.Kind != ke.FrameThread && f.Kind != ke.FrameUser && f.Kind != ke.FrameSystem
}

func (io *ioManager) neverSignalled(m *ke.Machine, t *ke.Thread, o *ke.Object, p *IRP) {
	f := verify.Finding{Rule: verify.IRP_048, Also: []verify.RuleID{verify.LOCK_026}, Obj: p.id.String(),
		Driver: waiter(t).Name, Ctx: t.Name(), Dump: dumpIRP(p), Places: p.story(),
		Headline: fmt.Sprintf("%s waits for %v for ever: routine %s ran for %v and did not signal it",
			t.Name(),
			o.ID, ke.FuncName(p.last().fn), p.id)}
	if p.isUserEvent(o) {
		f.Headline = fmt.Sprintf("%s waits for %v for ever: %v failed without having been pended and reports"+
			" nothing then", t.Name(), o.ID, p.id)
		f.Case = "not pended"
	}
	m.ReportEnd(f)
}

// needsAPC reports IRQL-017: the thread waits without time limit for the event of a threaded request of its
// own where no special kernel APC is delivered to it, and the event is set by one (irp.md 5, 16). That the
// request was already sent like that is IRP-056.
func (io *ioManager) needsAPC(k *irql.K, o *ke.Object) {
	ke.Adds(k, ke.Reads(o.ID))
	for p := io.live; p != nil; p = p.next {
		if !p.sent || p.thread != ke.ThreadOf(k) || !p.isUserEvent(o) || o.Signal > 0 {
			continue
		}
		where := "in a guarded region"
		if ke.IRQL(k) >= ke.APC {
			where = "at " + irql.KIRQL(ke.IRQL(k)).String()
		}
		p.report(k, verify.Finding{Rule: verify.IRQL_017, AllowedIRQL: verify.AnyIRQL,
			Headline: fmt.Sprintf("wait for %v, the event of %v, %s: the APC that sets it cannot be "+
				"delivered", o.ID, p.id, where)})
		return
	}
}

// eventSetByDriver reports IRP-047 for a routine that lets the climb go on.
func (p *IRP) eventSetByDriver(k *irql.K) {
	p.report(k, verify.Finding{Rule: verify.IRP_047,
		Headline: fmt.Sprintf("the completion routine of %v signals %v, which the I/O manager will signal, "+
			"and lets the climb go on", p.id, p.userEvent.ID()),
		Places: append(p.story(), verify.Place{Label: "SIGNALLED", Seq: p.userEvent.LastSet()})})
}
