package explore

import "calloutsim/internal/ke"

// pos gives every pending event a random priority and lets the highest happen; then those that conflict with
// it get new ones. It samples partial orders (Yuan, Yang, Gu, CAV 2018).
//
// A step without a footprint is no event: whoever takes one keeps the priority for the event that follows.
type pos struct {
	sampler
	prio byActor[uint64] // of the actor's pending event; 0: not drawn yet
}

func newPOS() maker {
	p := &pos{}
	return func(master, run uint64, e *Estimate) ke.Source {
		p.begin(master, run, e)
		p.prio.reset()
		return p
	}
}

// Pick answers sched/step.
func (p *pos) Pick(m *ke.Machine, at *ke.Moment) int {
	p.tick(m)
	if p.tired() {
		return p.below(len(at.Options))
	}
	best, high := 0, uint64(0)
	for i := range at.Options {
		v := p.prio.at(at.Options[i].Actor)
		if *v == 0 {
			*v = p.Next() | 1
		}
		if *v > high {
			best, high = i, *v
		}
	}
	o := &at.Options[best]
	if len(o.Next) == 0 && o.Actor != ke.ActorClock {
		return best
	}
	*p.prio.at(o.Actor) = 0
	for i := range at.Options {
		if i != best && conflicting(o.Next, at.Options[i].Next) {
			*p.prio.at(at.Options[i].Actor) = 0
		}
	}
	return best
}
