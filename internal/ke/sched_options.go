package ke

import "calloutsim/internal/trace"

// Actor names who takes a step: a thread by its number, the DPC queue of a processor, a channel of the
// outside, the clock. An Actor keeps its name for the whole run.
type Actor uint32

const (
	actorDPC      Actor = 1 << 16
	actorDelivery Actor = 2 << 16
	// ActorClock is the virtual clock.
	ActorClock  Actor = 3 << 16
	actorDriver Actor = 4 << 16 // whoever drives the machine from outside
	actorKind         = 0xFFFF << 16
)

// DPC reports whether a is a queue of DPCs, which interrupts the thread of its processor.
func (a Actor) DPC() bool { return a&actorKind == actorDPC }

// id names a in footprints.
func (a Actor) id() trace.ID { return trace.MakeID(trace.Context, uint64(a)) }

// Option is one thing that can happen next, as a Scheduler sees it.
type Option struct {
	Actor Actor
	Host  Actor // a DPC that interrupts somebody: whom; else 0
	Next  []Use // announced for its next step; empty when that touches nothing, or is not known
}

// Moment is one decision about who goes on.
type Moment struct {
	Options []Option // the boring one first
	Self    Actor    // whose step has just ended; 0 when it was nobody's
	Stays   bool     // Options[0] is Self: any other answer interrupts it
	Yields  bool     // Self has asked that somebody else goes on
}

// Scheduler is a Source that wants to know whom it lets go on. It answers sched/step in place of Choose.
type Scheduler interface {
	Source
	// Pick is asked with two options or more; a Scheduler of a machine with a Trail is asked at every step
	// and may answer Cut. The Moment is for use at once.
	Pick(m *Machine, at *Moment) int
}

// Cut as an answer of Pick ends the run here: whatever could still come is of no interest.
const Cut = -1

// WasCut reports whether the run ended because the Scheduler said so.
func (m *Machine) WasCut() bool { return m.cut }

// actorOf is who goes on if a is chosen.
func (a *alternative) actorOf() Actor {
	switch a.kind {
	case altThread:
		if a.t.active == nil {
			return a.t.K.actor
		}
		return a.t.active.actor
	case altDPC:
		return a.c.queue
	case altDeliver:
		return actorDelivery | Actor(a.ch.order)
	}
	return ActorClock
}

// options fills the Moment from the alternatives that enumerate found.
func (m *Machine) options(a []alternative) {
	o := m.moment.Options[:0]
	for i := range a {
		x := &a[i]
		opt := Option{Actor: x.actorOf()}
		switch {
		case x.kind == altThread && x.t.active != nil:
			opt.Next = x.t.active.next
		case x.kind == altDPC && x.c.thread != nil:
			opt.Host = x.c.thread.K.actor
		}
		o = append(o, opt)
	}
	m.moment.Options = o
}

// ask lets the source choose among the alternatives, of which there is at least one. The result is nil when
// the run was cut.
func (m *Machine) ask(a []alternative, self *Thread, yields bool) *alternative {
	if m.sched == nil {
		if len(a) == 1 {
			return &a[0]
		}
		return &a[m.Choose(&siteStep, len(a))]
	}
	at := &m.moment
	at.Self, at.Stays, at.Yields = 0, false, yields
	if self != nil {
		at.Self = self.active.actor
		at.Stays = a[0].kind == altThread && a[0].t == self
	}
	m.options(a)
	pick := 0
	if len(a) > 1 || m.trail != nil {
		if pick = m.sched.Pick(m, at); pick == Cut {
			m.cut, m.dead = true, true
			return nil
		}
	}
	if len(a) > 1 {
		pick = m.answer(&siteStep, len(a), pick)
	}
	x := &a[pick]
	m.begins(x, &at.Options[pick], len(a) > 1)
	return x
}

// byName names who goes on if x is chosen, independently of the schedule.
func (x *alternative) byName() uint64 {
	switch {
	case x.kind == altThread && x.t.idle && x.t.active != nil:
		return x.t.active.past
	case x.kind == altThread:
		return x.t.past
	case x.kind == altDPC && x.c.owner != nil:
		return Mix(x.c.owner.past + uint64(actorDPC))
	case x.kind == altDPC && x.c.target != 0:
		return Mix(uint64(x.c.target) + uint64(actorDPC))
	case x.kind == altDPC && x.c.num != 0:
		return x.c.dpcK.m.trail.canonical(x.c.dpcs[0].ID)
	case x.kind == altDeliver:
		return Mix(x.ch.order)
	}
	return uint64(x.kind)
}

// begins takes up what the chosen actor announced, and tells the trail that a step begins.
func (m *Machine) begins(x *alternative, o *Option, chosen bool) {
	var announced []Use
	var t *Thread
	if x.kind == altThread {
		t = x.t
		if k := t.active; k != nil { // it has run before
			announced = k.next
			k.next = announced[:0]
		}
	}
	if m.trail != nil {
		m.trail.begin(o.Actor, o.Host, x.byName(), announced, t, chosen)
	}
}
