package explore

import "calloutsim/internal/ke"

// pct gives every actor a random priority and lets the highest go on; at depth-1 random steps the priority of
// whoever would go on falls below all of these. With n actors and k steps it meets a bug of that depth with a
// probability of at least 1/(n k^(depth-1)) in every run (Burckhardt, Kothari, Musuvathi, Nagarakatte,
// ASPLOS 2010).
type pct struct {
	sampler
	changes []int          // steps at which a priority falls; the i-th to i+1
	prio    byActor[int64] // 0: not drawn yet
	lowest  int64          // last priority given to one that yielded
}

func newPCT(depth int) maker {
	p := &pct{changes: make([]int, depth-1)}
	return func(master, run uint64, e *Estimate) ke.Source {
		p.begin(master, run, e)
		p.prio.reset()
		p.lowest = 0
		for i := range p.changes {
			p.changes[i] = 1 + p.below(max(e.Total, 1))
		}
		return p
	}
}

// Pick answers sched/step.
func (p *pct) Pick(m *ke.Machine, at *ke.Moment) int {
	p.tick(m)
	if p.tired() {
		return p.below(len(at.Options))
	}
	if at.Yields && at.Self != 0 {
		// Below everybody, or a loop that polls would never be left (scheduling.md 8.2).
		p.lowest--
		*p.prio.at(at.Self) = p.lowest
	}
	best := p.highest(at)
	for i, step := range p.changes {
		if step != 0 && p.steps >= step {
			p.changes[i] = 0
			*p.prio.at(at.Options[best].Actor) = int64(i + 1)
			best = p.highest(at)
		}
	}
	if a := at.Options[best].Actor; a == ke.ActorClock {
		*p.prio.at(a) = 0 // or time would do nothing but pass
	}
	return best
}

func (p *pct) highest(at *ke.Moment) int {
	best, high := 0, int64(0)
	for i := range at.Options {
		v := p.prio.at(at.Options[i].Actor)
		if *v == 0 {
			*v = 1<<32 + int64(p.Next()>>2) // above those of the change points
		}
		if i == 0 || *v > high {
			best, high = i, *v
		}
	}
	return best
}
