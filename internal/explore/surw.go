package explore

import "calloutsim/internal/ke"

// surw is urw for a class of steps: those that use what more than one actor uses. An actor is intended
// in proportion to the steps of the class it has left; the others may take any step but one of the class
// until it has taken its own (Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025, with the class of the shared
// objects of the boring run).
type surw struct {
	urw
	intended ke.Actor // 0: to be drawn
}

func newSURW() maker {
	s := &surw{}
	return func(master, run uint64, e *Estimate) ke.Source {
		s.begin(master, run, e)
		s.intended = 0
		return s
	}
}

// Pick answers sched/step.
func (s *surw) Pick(m *ke.Machine, at *ke.Moment) int {
	s.count(m, at)
	if s.intended == 0 {
		s.intend(at, false)
	}
	i := s.anyone(at)
	if i < 0 { // the one that is intended cannot go on, and the others only with a step of the class
		s.intend(at, true)
		i = s.anyone(at)
	}
	o := &at.Options[i]
	if o.Actor == s.intended && s.inClass(o) {
		s.intended = 0
	}
	s.goes(o)
	return i
}

func (s *surw) inClass(o *ke.Option) bool {
	return len(o.Next) > 0 && s.est.course(o.Actor).usesShared(*s.taken.at(o.Actor))
}

// ahead is how many steps of the class an actor has left.
func (s *surw) ahead(a ke.Actor) int { return s.est.course(a).ahead(*s.taken.at(a)) }

// intend draws who is to take the next step of the class. Nobody is, if nobody has any left, unless somebody
// has to be.
func (s *surw) intend(at *ke.Moment, must bool) {
	least := 0
	if must {
		least = 1
	}
	sum := 0
	for i := range at.Options {
		sum += max(s.ahead(at.Options[i].Actor), least)
	}
	if s.intended = 0; sum == 0 {
		return
	}
	v := s.below(sum)
	for i := range at.Options {
		if v -= max(s.ahead(at.Options[i].Actor), least); v < 0 {
			s.intended = at.Options[i].Actor
			return
		}
	}
}

// anyone draws one of those who may go on, all alike; -1 if there is none.
func (s *surw) anyone(at *ke.Moment) int {
	n, pick := 0, -1
	for i := range at.Options {
		if o := &at.Options[i]; o.Actor != s.intended && s.inClass(o) {
			continue
		}
		if n++; s.below(n) == 0 {
			pick = i
		}
	}
	return pick
}
