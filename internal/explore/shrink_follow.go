package explore

import (
	"slices"

	"calloutsim/internal/ke"
)

// block is a number of steps that one actor takes one after the other.
type block struct {
	who ke.Actor
	n   int
}

// blocksOf divides the steps of a run into blocks.
func blocksOf(order []ke.Actor) []block {
	var b []block
	for _, who := range order {
		if n := len(b); n > 0 && b[n-1].who == who {
			b[n-1].n++
		} else {
			b = append(b, block{who, 1})
		}
	}
	return b
}

// follow is a Scheduler that lets actors go on in the order of a plan. A block whose actor cannot go on is
// passed over and waits; where no block fits, the boring alternative is taken. Choices that are no
// scheduling are answered as in the run the plan was made from.
type follow struct {
	plan []block // used up by the run
	data answers
}

func newFollow(plan []block, data answers) *follow {
	clear(data.seen)
	return &follow{plan: slices.Clone(plan), data: data}
}

// Choose is not asked: chooseFor is.
func (f *follow) Choose(s *ke.Site, n int) int { return f.chooseFor(0, s, n) }

// chooseFor answers as the run before did.
func (f *follow) chooseFor(who ke.Actor, s *ke.Site, n int) int {
	if KindOf(s) == Sched {
		return 0
	}
	return f.data.choose(who, s, n)
}

// Pick takes the first block whose actor can go on.
func (f *follow) Pick(_ *ke.Machine, at *ke.Moment) int {
	for i := range f.plan {
		b := &f.plan[i]
		if b.n == 0 {
			continue
		}
		if j := find(at, b.who); j >= 0 {
			if b.n--; b.n == 0 && i == 0 {
				f.plan = f.plan[1:]
			}
			return j
		}
	}
	return 0
}
