package explore

import "calloutsim/internal/ke"

// Order is a hash of the partial order that the last run was one of, unless it was cut: which steps there
// were, which of them came before which for a reason, and what was answered to other questions. Two runs with
// the same are the same but for steps that commute. Call it after End.
func (s *Search) Order() uint64 { return s.last }

func (s *Search) partialOrder() uint64 {
	var sum uint64
	o := &s.ord
	for i, clock := range o.clocks {
		h := s.nameOf(i)
		for lane, n := range clock {
			if n > 0 {
				h += ke.Mix(o.names[lane]^ke.Mix(uint64(n))) | 1
			}
		}
		sum += ke.Mix(h)
	}
	nth, at := uint64(0), -1 // of the questions of one step
	for i := range s.nodes {
		nd := &s.nodes[i]
		if nd.site == nil || nd.lastStep >= len(o.clocks) {
			continue
		}
		if nth++; nd.lastStep != at {
			nth, at = 0, nd.lastStep
		}
		sum += ke.Mix(s.nameOf(nd.lastStep) ^ ke.Mix(nth<<32|uint64(nd.pick)))
	}
	return sum
}

// nameOf names a step independently of the schedule: whose it is, and the how manieth.
func (s *Search) nameOf(i int) uint64 {
	return ke.Mix(s.Trail.Steps[i].By + uint64(s.ord.pos[i])*0x9e3779b97f4a7c15)
}
