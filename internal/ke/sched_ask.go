package ke

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
