package ke

import "calloutsim/internal/trace"

// Adds says that what k does until its next scheduling point touches an object that the point did not
// announce. It is needed for every effect that another context can notice, and comes before it: in a routine
// that has had no scheduling point yet, and is called after something was handed over, it is one.
func Adds(k *K, u Use) {
	if k.turn == turnDue {
		k.looks(u)
	} else if tr := k.m.trail; tr != nil {
		tr.add(u)
		if k.turn == turnPart {
			k.part(u)
		}
	}
}

// AddsOn is Adds where no K is at hand.
func (m *Machine) AddsOn(u Use) {
	if tr := m.trail; tr != nil {
		tr.add(u)
	}
}

// Here is the use of a scheduling point that stands before no effect of its own: somebody else may go on.
func Here(k *K) Use { return Reads(Beside.Of(trace.MakeID(trace.Context, uint64(k.actor)))) }

// Alive says that k makes sure that an object exists.
func Alive(k *K, id trace.ID) {
	if k.turn == turnDue {
		k.looks(Reads(lifeOf(id)))
	} else if tr := k.m.trail; tr != nil {
		tr.addLife(id, R)
		if k.turn == turnPart && id != 0 {
			k.part(Reads(lifeOf(id)))
		}
	}
}

// Ends says that an object begins or ends to exist.
func (m *Machine) Ends(id trace.ID) {
	if tr := m.trail; tr != nil {
		tr.addLife(id, W)
	}
}

// Trails reports whether footprints are recorded.
func (m *Machine) Trails() bool { return m.trail != nil }

// Within says that the object is touched by this step of k and by all that follow, until Leave is called with
// the result. It is for long operations of the simulated system that call out of it again and again.
func Within(k *K, u Use) int {
	n := len(k.within)
	if tr := k.m.trail; tr != nil {
		k.within = append(k.within, u)
		tr.add(u)
	}
	return n
}

// Leave ends what Within has begun, and what began inside.
func Leave(k *K, n int) { k.within = k.within[:n] }

// Sees says that k has learnt v, which no event tells: part of what the context went through.
func Sees(k *K, v uint64) {
	if tr := k.m.trail; tr != nil && tr.Outcomes {
		tr.see(k.past, v)
	}
}

// AddrID gives memory that has no id of its own one for the footprints of this run.
func AddrID(k *K, p any) trace.ID { return k.m.AddrID(p) }

// AddrID is the function AddrID where no K is at hand.
func (m *Machine) AddrID(p any) trace.ID {
	tr := m.trail
	if tr == nil {
		return 0
	}
	id, ok := tr.addrs[p]
	if !ok {
		id = trace.MakeID(trace.NoKind, uint64(len(tr.addrs)+1))
		tr.addrs[p] = id
		tr.names(id)
	}
	return id
}

// alone begins a step that comes after everything before it, because nobody can go on: the clock moves, or
// whoever drives the machine does something.
func (m *Machine) alone(who Actor) {
	if m.trail != nil {
		m.trail.begin(who, 0, uint64(who), nil, nil, false)
		m.trail.Steps[m.trail.now()].Alone = true
	}
}

// rests begins the step of whoever drives the machine and does something before it runs again. Where it was
// stopped before it came to rest, that belongs to the step it was stopped after.
func (m *Machine) rests() {
	if !m.dead {
		m.alone(actorDriver)
	}
}

// breaksOff notes that a violation ends the step under way.
func (m *Machine) breaksOff() {
	if m.trail != nil {
		m.trail.Cut = int(m.trail.now())
	}
}

// looks is a scheduling point before something is looked at.
//
//go:noinline
func (k *K) looks(u Use) {
	if k.bySystem() {
		k.turn = turnNone
		k.m.AddsOn(u)
		return
	}
	inside := k.turn == turnDue
	Point(k, u)
	if inside {
		k.turn = turnOver
	}
}

// PutAside takes back what Within has said, for as long as k calls code that is none of the operation's;
// TakeUp says it again.
func PutAside(k *K) []Use {
	u := k.within
	k.within = nil
	return u
}

// TakeUp undoes PutAside.
func TakeUp(k *K, u []Use) {
	k.within = u
	if tr := k.m.trail; tr != nil {
		for _, x := range u {
			tr.add(x)
		}
	}
}
