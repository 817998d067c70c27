package explore

import (
	"math/bits"

	"calloutsim/internal/ke"
)

// sampler is what the strategies that sample have in common: a generator of their own for every run, which
// also answers what is not about the schedule, as a random walk does; and the count of steps.
type sampler struct {
	ke.Random
	est    *Estimate
	steps  int    // decided so far, from the first decision on, those with one option included
	points uint64 // of the machine, at the last decision
	limit  int    // after so many steps chance decides, so that no loop is gone round for ever
}

// begin starts a run.
func (s *sampler) begin(master, run uint64, e *Estimate) {
	s.Seed(master, run)
	s.est, s.steps, s.points = e, 0, 0
	s.limit = fairAfter + 4*e.Total
}

// fairAfter is how many steps a run may take, besides four times those of the boring one, before a strategy
// falls back to a fair random walk (scheduling.md 8.2).
const fairAfter = 1000

// tick counts the step that is about to be decided, and gives how many steps were taken since the last
// decision without anybody asking, because there was one option only.
func (s *sampler) tick(m *ke.Machine) (unasked int) {
	now := m.Steps()
	if s.steps > 0 {
		// A decision is taken at every point at least, and when somebody blocked or ended, which is no point.
		unasked = max(int(now-s.points)-1, 0)
	}
	s.points = now
	s.steps += 1 + unasked
	return unasked
}

// tired reports whether the run is so long that chance shall decide.
func (s *sampler) tired() bool { return s.steps > s.limit }

// below gives a random number from 0 to n-1.
func (s *sampler) below(n int) int {
	hi, _ := bits.Mul64(s.Next(), uint64(n))
	return int(hi)
}

// find gives the index of an actor among the options, -1 if it is not there.
func find(at *ke.Moment, a ke.Actor) int {
	for i := range at.Options {
		if at.Options[i].Actor == a {
			return i
		}
	}
	return -1
}
