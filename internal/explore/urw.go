package explore

import "calloutsim/internal/ke"

// urw lets an actor go on with a probability in proportion to the steps it has left, as estimated from the
// boring run. Where the estimate is right and nobody blocks, all interleavings are equally likely (Zhao,
// Wolff, Mathur, Roychoudhury, ASPLOS 2025).
//
// Steps without a footprint do not count: whoever takes one was chosen for the step that follows.
type urw struct {
	sampler
	taken  byActor[int]
	chosen ke.Actor // for its next step with a footprint; 0: nobody
}

func newURW() maker {
	u := &urw{}
	return func(master, run uint64, e *Estimate) ke.Source {
		u.begin(master, run, e)
		return u
	}
}

func (u *urw) begin(master, run uint64, e *Estimate) {
	u.sampler.begin(master, run, e)
	u.taken.reset()
	u.chosen = 0
}

// Pick answers sched/step.
func (u *urw) Pick(m *ke.Machine, at *ke.Moment) int {
	u.count(m, at)
	i := -1
	if u.chosen != 0 {
		i = find(at, u.chosen)
	}
	if i < 0 {
		i = u.draw(at)
	}
	u.goes(&at.Options[i])
	return i
}

// count takes up the steps that nobody asked about: they were of whoever asks now.
func (u *urw) count(m *ke.Machine, at *ke.Moment) {
	if n := u.tick(m); n > 0 && at.Self != 0 {
		*u.taken.at(at.Self) += n
	}
}

// goes notes that an option is taken.
func (u *urw) goes(o *ke.Option) {
	if u.chosen = 0; len(o.Next) == 0 && o.Actor != ke.ActorClock {
		u.chosen = o.Actor
		return
	}
	*u.taken.at(o.Actor)++
}

// left is how many steps an actor has left; one at least, for it is there.
func (u *urw) left(a ke.Actor) int { return max(u.est.Steps(a)-*u.taken.at(a), 1) }

func (u *urw) draw(at *ke.Moment) int {
	sum := 0
	for i := range at.Options {
		sum += u.left(at.Options[i].Actor)
	}
	v := u.below(sum)
	for i := range at.Options {
		if v -= u.left(at.Options[i].Actor); v < 0 {
			return i
		}
	}
	panic("internal error: a number below the sum of all weights exceeds it")
}
