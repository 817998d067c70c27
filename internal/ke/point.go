package ke

import "calloutsim/internal/trace"

// Access says what a step does to an object; which pairs commute is scheduling.md 9.4.
type Access uint8

// The kinds of access.
const (
	R Access = iota + 1
	W
	A
	Acq
	Rel
	Set
	Clear
	Waits
	Enq
	Deq
	Free
	Try   // an acquisition that does not wait
	Count // up or down by one, where nobody looks at the result, in whatever order: commutes with itself
)

// Use is one entry of a footprint.
type Use struct {
	Obj trace.ID
	How Access
}

// Point is a scheduling point before an effect on an object becomes visible: any other context that can run
// may run now.
func Point(k *K, u Use) {
	m := k.m
	m.steps++
	if u.How != R {
		m.idle = 0
	}
	if len(m.threads) == 1 && m.queued == 0 && len(m.chans) == 0 && m.steps < m.cfg.MaxSteps && !m.race &&
		m.races == nil && m.trail == nil {
		return
	}
	if m.sched != nil {
		k.next = append(k.next[:0], u)
	}
	m.pointSlow(k)
	if m.races != nil {
		m.races.point(k, u)
	}
}

// PointHere is a scheduling point before no effect of its own. The race detector hears that the object is
// looked at.
func PointHere(k *K, id trace.ID) {
	Point(k, Here(k))
	if r := k.m.races; r != nil {
		r.point(k, Use{id, R})
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

// PointMem is Point for accessors of memory; it is one only if the machine was asked for memory points.
func PointMem(k *K, u Use) {
	switch {
	case k == nil:
	case k.m.cfg.MemPoints:
		Point(k, u)
	default:
		Adds(k, u)
	}
}

func (m *Machine) pointSlow(k *K) {
	if m.steps >= m.cfg.MaxSteps {
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
