package explore

import (
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// learn notes what the steps of the run used, and where it mattered in which order they came.
func (s *Search) learn(cut bool) {
	for i := range s.Trail.Steps {
		if c := s.Trail.Steps[i].Choice; c >= 0 && c < len(s.nodes) && s.nodes[c].site == nil {
			s.nodes[c].took(s.next(i))
		}
	}
	if !s.Reduce && !s.Orders {
		return
	}
	o := &s.ord
	o.keep(s.same, s.Trail)
	for j := len(o.steps); j < len(s.Trail.Steps); j++ {
		t := s.footprint(j)
		lane := o.laneOf(t.actor)
		clock := o.reached(lane, s.Trail.After(j), s.Trail.Steps[j].Alone)
		o.names[lane] = s.Trail.Steps[j].By
		s.races(&t, lane, &clock)
		s.meets(&t, lane, clock)
		o.append(&t, lane, clock)
	}
	s.same = len(o.steps)
	if cut {
		return
	}
	s.last = s.partialOrder()
	if s.Reduce {
		s.Trail.Pending(s.pending)
		s.brokenOff()
	}
}

// next is what is remembered of step i to judge whether its actor need not go on elsewhere: where it used
// something that has no name that holds in other runs, it is to go on after whatever anybody does.
func (s *Search) next(i int) []ke.Use {
	uses, ok := s.Trail.Next(i)
	if !ok || i == s.Trail.Cut {
		uses = append(uses[:len(uses):len(uses)], ke.Unknown)
	}
	return uses
}

// brokenOff lets everybody who could have gone on in place of the step that a violation ended do so in some
// run: what they would have used, once they have begun, is not known.
func (s *Search) brokenOff() {
	if s.Trail.Cut < 0 {
		return
	}
	c := s.Trail.Steps[s.Trail.Cut].Choice
	if c < s.root || c >= len(s.nodes) {
		return
	}
	if nd := &s.nodes[c]; nd.site == nil && !nd.fixed {
		nd.wanted.fill(nd.n)
	}
}

// pending looks for races of a step that was announced and not taken.
func (s *Search) pending(who ke.Actor, next []ke.Use) {
	t := footprint{actor: who, uses: next}
	lane := s.ord.laneOf(who)
	clock := s.ord.reached(lane, nil, false)
	s.races(&t, lane, &clock)
	s.meets(&t, lane, clock)
	s.ord.spare = append(s.ord.spare, clock)
}

// meets notes if t, with its clock, could have come in the middle of an earlier step and made a difference
// there: it uses what that step accessed on its way, and does not come after the next step of the same
// actor. As long as that never happens, a search of steps that are larger than an access leaves nothing out:
// in every schedule of single accesses those of one step can be moved together.
func (s *Search) meets(t *footprint, lane int, clock []int32) {
	if !s.Trail.Parts || s.split {
		return
	}
	o := &s.ord
	for i := range o.steps {
		l := o.lane[i]
		if int(l) == lane || int(l) < len(clock) && clock[l] > o.pos[i] {
			continue
		}
		if parts := s.Trail.PartsOf(i); len(parts) > 0 && conflicting(parts, t.uses) {
			s.split = true
			return
		}
	}
}

// races finds the steps that t, the next step of a lane, could have come before, and makes sure that it does
// in some run. clock is what t came after when it became possible; it becomes the clock of t.
//
// Whoever waits for a spin lock takes no step before it is free. What happens while somebody has the lock is
// no race with the acquisition, then, but that the other one acquired it first is.
func (s *Search) races(t *footprint, lane int, clock *[]int32) {
	o := &s.ord
	covered := append(o.clock(), *clock...)
	reversed, stuck := false, -1
	var held section
	for i := len(o.steps) - 1; i >= 0; i-- {
		if int(o.lane[i]) == lane || o.before(i, covered) {
			continue
		}
		r := relate(&o.steps[i], t)
		if r == free {
			continue
		}
		join(clock, o.clocks[i])
		switch c := s.Trail.Steps[i].Choice; {
		case r == ordered:
			held = o.section(i, t.uses[0].Obj)
		case i > held.start && held.end != nil && o.before(i, held.end):
		case c < 0 || c >= len(s.nodes): // nobody else could go on
		case c < s.root: // another part of the search looks at it
			reversed = true
			join(&covered, o.clocks[i])
		case s.reverse(&s.nodes[c], i, t.actor, *clock):
			reversed = true
			join(&covered, o.clocks[i])
		case stuck < 0:
			stuck = c
		}
	}
	if !reversed && stuck >= 0 {
		s.Fallbacks++
		s.nodes[stuck].wanted.fill(s.nodes[stuck].n)
	}
	o.spare = append(o.spare, covered)
}

// section is the time that somebody has a lock: the step that acquired it, and the clock of the release.
type section struct {
	start int
	end   []int32
}

// section finds the section that step i ends by the release of a lock.
func (o *order) section(i int, lock trace.ID) section {
	s := section{-1, o.clocks[i]}
	for k := i - 1; k >= 0; k-- {
		if o.lane[k] != o.lane[i] {
			continue
		}
		for _, u := range o.steps[k].uses {
			if u.Obj == lock && (u.How == ke.Acq || u.How == ke.Try) {
				s.start = k
				return s
			}
		}
	}
	return s
}

// reverse makes sure that at node nd, before step i, somebody goes on who leads to the next step of who, with
// the given clock, coming first. It is false when nobody there could: whoever waits for a lock that was held
// then, say. The race is with the acquisition of the lock in that case.
//
// Candidates are, of the steps after i that do not depend on it, those that depend on none of the others.
func (s *Search) reverse(nd *node, i int, who ke.Actor, clock []int32) bool {
	if nd.fixed {
		return true
	}
	o := &s.ord
	between, best := s.between[:0], -1
	lane := int32(o.laneOf(who))
	for k := i + 1; k <= len(o.steps); k++ {
		a, l, c := who, lane, clock
		if k < len(o.steps) {
			if o.before(i, o.clocks[k]) {
				continue
			}
			a, l, c = o.steps[k].actor, o.lane[k], o.clocks[k]
		}
		if !o.preceded(between, l, c) {
			if nd.sleeps(a) {
				return true
			}
			if x := slices.Index(nd.actors, a); x >= 0 {
				if nd.wanted.has(x) {
					return true
				}
				best = x
			}
		}
		between = append(between, int32(k))
		s.between = between
	}
	if best >= 0 {
		nd.wanted.set(best)
	}
	return best >= 0
}

// preceded reports whether a step of a lane with a clock comes after one of others.
func (o *order) preceded(by []int32, lane int32, clock []int32) bool {
	for _, k := range by {
		if o.lane[k] == lane || o.before(int(k), clock) {
			return true
		}
	}
	return false
}

// took adds to the footprint of the step that the current pick leads to; it may differ with what was
// answered in between.
func (nd *node) took(uses []ke.Use) {
	f := nd.foots[nd.pick]
	for _, u := range uses {
		if !slices.Contains(f, u) {
			f = append(f, u)
		}
	}
	nd.foots[nd.pick] = f
}
