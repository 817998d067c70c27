package explore

import "calloutsim/internal/ke"

// branch is a schedule: that of its parent up to a scheduling choice, another alternative there, and the
// boring ones from then on.
type branch struct {
	parent *branch
	index  int // of the scheduling choice among those of the run
	pick   int
}

// path lists the deviations of a branch, first one first.
func (b *branch) path() []ke.Deviation {
	n := 0
	for x := b; x.parent != nil; x = x.parent {
		n++
	}
	d := make([]ke.Deviation, n)
	for x := b; x.parent != nil; x = x.parent {
		n--
		d[n] = ke.Deviation{Index: x.index, Pick: x.pick}
	}
	return d
}

// bounded is a Scheduler that plays one branch. Its indices count scheduling choices only; the others are
// answered as in the run the search began with.
type bounded struct {
	path ke.Replay
	data answers
}

// Choose is not asked: chooseFor is.
func (b *bounded) Choose(s *ke.Site, n int) int { return b.chooseFor(0, s, n) }

// chooseFor answers sched/wake by the branch and the rest as the run before did.
func (b *bounded) chooseFor(who ke.Actor, s *ke.Site, n int) int {
	if KindOf(s) == Sched {
		return b.path.Choose(s, n)
	}
	return b.data.choose(who, s, n)
}

// Pick answers by the branch.
func (b *bounded) Pick(_ *ke.Machine, at *ke.Moment) int {
	if len(at.Options) == 1 {
		return 0
	}
	return b.path.Choose(nil, len(at.Options))
}

// search goes through schedules by the number of their interruptions: all with none, then all with one, and
// so on. Every schedule is made once. Within a number the ones with fewer deviations come first.
type search struct {
	levels [][]*branch // by interruptions
	data   answers
	lost   bool // some branches were not kept: what was not found may exist
}

// newSearch prepares a search below limit interruptions.
func newSearch(limit int, data answers) *search {
	s := &search{levels: make([][]*branch, limit), data: data}
	s.levels[0] = []*branch{{}}
	return s
}

// run goes through the schedules until one has the signature, none is left or what may be spent is spent.
// The schedule that was found has the fewest interruptions; found nil and complete means that there is none.
func (s *search) run(signature string, try func(ke.Source) Trial,
	may func() bool) (found *Trial, complete bool) {
	for level := range s.levels {
		for len(s.levels[level]) > 0 {
			if !may() {
				return nil, false
			}
			b := s.levels[level][0]
			s.levels[level] = s.levels[level][1:]
			clear(s.data.seen)
			t := try(&bounded{path: ke.Replay{Deviations: b.path()}, data: s.data})
			if t.Signature == signature {
				return &t, !s.lost
			}
			s.expand(b, level, &t)
		}
	}
	return nil, !s.lost
}

// maxBranches is how many schedules may wait to be made.
const maxBranches = 1 << 16

// expand adds the schedules that leave t for the first time after its last deviation.
func (s *search) expand(b *branch, level int, t *Trial) {
	first := 0
	if b.parent != nil {
		first = b.index + 1
	}
	index := 0
	for i := range t.Acts {
		a := &t.Acts[i]
		if a.Kind != Sched {
			continue
		}
		if index >= first {
			at := level
			if a.Stay {
				at++
			}
			if at < len(s.levels) {
				s.add(at, b, index, a.N)
			}
		}
		index++
	}
}

func (s *search) add(level int, b *branch, index, n int) {
	if len(s.levels[level])+n > maxBranches {
		s.lost = true
		return
	}
	for pick := 1; pick < n; pick++ {
		s.levels[level] = append(s.levels[level], &branch{b, index, pick})
	}
}
