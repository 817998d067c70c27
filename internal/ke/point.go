package ke

import "calloutsim/internal/trace"

// enters is the entry to a routine.
func (k *K) enters() {
	k.turn = k.quiet
	if k.gave {
		k.turn = turnDue
	}
}

// watch tells a fresh k whether its accesses are scheduling points, or parts of steps that a trail keeps
// apart.
func (k *K) watch(m *Machine) {
	k.gave, k.turn, k.quiet = m.cfg.MemPoints, turnNone, turnNone
	if m.trail != nil && m.trail.Parts {
		k.quiet = turnPart
	}
}

// Point is a scheduling point before an effect on an object becomes visible: any other context that can run
// may run now.
//
// The effect, and what the routine does besides, belong to the step that begins here. What the driver does
// when the routine has returned may come long after: if the effect hands something over, the next access, or
// the next look of a routine, is a scheduling point as well (Accesses, Adds).
func Point(k *K, u Use) {
	m := k.m
	m.steps++
	if len(k.stack) > 0 {
		CheckFunctions(k) // here, so that it does not depend on who else can run
	}
	over := k.turn == turnOver
	k.turn, k.gave = turnNone, handsOver>>u.How&1 != 0 || m.cfg.MemPoints
	switch {
	case looks>>u.How&1 != 0:
		k.idles++
	case u.How != A:
		k.acts(m)
	}
	if len(m.threads) == 1 && m.queued == 0 && len(m.chans) == 0 && m.steps < m.cfg.MaxSteps && !m.race &&
		m.races == nil && m.trail == nil {
		k.changes(u)
		return
	}
	if !over || m.cfg.MemPoints || k.wants != nil { // who waits for a lock has a step of its own
		if m.sched != nil {
			k.next = append(k.next[:0], u)
		}
		if !k.spins(u) || !m.yield(k) {
			m.pointSlow(k)
		}
	} else if m.trail != nil {
		m.trail.add(u)
	}
	if m.races != nil {
		m.races.point(k, u)
	}
	k.changes(u)
}

// changes notes that k acts, if u is atomic: such an operation may also be the look of a polling loop, which
// nobody knows before it is made.
func (k *K) changes(u Use) {
	if u.How == A {
		k.acts(k.m)
	}
}

// PointHere is a scheduling point before no effect of its own. The race detector hears that the object is
// looked at.
func PointHere(k *K, id trace.ID) {
	Point(k, Here(k))
	if r := k.m.races; r != nil {
		r.point(k, Reads(id))
	}
}

// PointSpin is Point before l is taken.
func PointSpin(k *K, u Use, l *SpinLock) {
	if k.m.wide {
		k.wants = l
	}
	Point(k, u)
	k.wants = nil
}

// PointRWSpin is the same for a reader/writer spin lock: a waiting writer keeps everybody out.
func PointRWSpin(k *K, u Use, l *RWSpin) { PointSpin(k, u, &l.claim) }

// Accesses is what every accessor of memory, of a request or of another object that contexts share begins
// with, before any check. It is a scheduling point if what the context did last has handed something over, or
// if the machine was asked for a point at every access. System code that looks at what is its own makes none.
func Accesses(k *K, u Use) {
	if k == nil {
		return
	}
	k.idles++
	switch {
	case k.gave:
		k.access(u)
	case k.idles >= spinTurns && !k.bySystem():
		k.m.yield(k)
		fallthrough
	default:
		Adds(k, u)
		if k.quiet != turnNone {
			k.part(u)
		}
	}
}

// part notes an access that would be a step of its own if every access were a scheduling point.
//
//go:noinline
func (k *K) part(u Use) {
	if !k.bySystem() {
		k.m.trail.part(u)
	}
}

//go:noinline
func (k *K) access(u Use) {
	if k.bySystem() {
		k.m.AddsOn(u)
		return
	}
	n := k.idles
	k.looks(u)
	k.gave, k.idles = k.m.cfg.MemPoints, n // an accessor may look or change: who calls it knows
}

// Inside calls fn, a part of the routine that k is in: what it accesses is no act of the driver's own.
func Inside(k *K, fn func()) {
	gave, quiet := k.gave, k.quiet
	k.gave, k.quiet = false, turnNone
	fn()
	k.gave, k.quiet = gave, quiet
}

// bySystem reports whether code that models the system runs in k: between two acts of its own nobody goes on.
func (k *K) bySystem() bool {
	n := len(k.frames)
	if n == 0 {
		return false
	}
	img := k.frames[n-1].Image
	return img == nil || img.System
}

func (m *Machine) pointSlow(k *K) {
	if m.steps >= m.cfg.MaxSteps {
		if n := m.steps - m.acted; n > max(m.cfg.MaxSteps/2, idleTurns) && m.crash == nil && m.cur != nil {
			m.livelock(k, n)
		}
		m.exceeded(Misuse("step limit reached (" + utoa(m.cfg.MaxSteps) +
			" scheduling points): the drivers or " +
			"programs never come to rest; Options.MaxSteps sets the limit"))
	}
	k.t.active = k
	a := m.decide(k.t)
	if a == nil {
		m.leave()
	}
	if a.kind == altThread && a.t == k.t {
		return
	}
	m.next = a
	m.park(k)
}

// leave unwinds the running context of a run that was cut.
func (m *Machine) leave() {
	m.cur = nil
	m.die()
}
