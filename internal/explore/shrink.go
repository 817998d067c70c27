package explore

import (
	"maps"
	"slices"

	"calloutsim/internal/ke"
)

// Shrunk is what came of shrinking a run.
type Shrunk struct {
	From, To Trial
	Runs     int // made to get there
	// Searched says that every schedule with fewer interruptions than To was made, with the other choices as
	// they are in To, and that none has the signature; Schedules is how many these were.
	Searched  bool
	Schedules int
}

// The price of shrinking is counted in scheduling points, not in time, so that its result is the same
// everywhere. On a slow processor perSearch is the price of some 200 ms, perShrink that of 350 ms.
const (
	perRun    = 60 // what a run costs besides its points
	perShrink = 180_000
	perSearch = 100_000
)

// Shrink looks for a simpler run with the same signature, in the order of scheduling.md 13. run makes a run
// with a source, through a Recorder. first is the run as it failed.
func Shrink(first ke.Source, run func(ke.Source) Trial) Shrunk {
	s := &shrinker{make: run, left: perShrink}
	s.best = s.try(first)
	from := s.best
	if s.best.Signature != "" && len(s.best.Deviations()) > 0 {
		s.cutTail()
		s.zero(Fault)
		s.zero(World)
		s.gather()
		s.minimise(nil)
		s.merge()
		s.omit()
		s.minimise(nil)
		s.lower()
		s.left = perSearch
		s.search()
	} else {
		s.out.Searched = true
	}
	s.out.From, s.out.To = from, s.best
	return s.out
}

type shrinker struct {
	make func(ke.Source) Trial
	best Trial
	left int // price that may still be paid
	out  Shrunk
	// what the search has shown holds for these answers; accept no others after it
	searched *answers
}

// try makes a run.
func (s *shrinker) try(src ke.Source) Trial {
	t := s.make(src)
	s.out.Runs++
	s.left -= perRun + t.Cost
	return t
}

// may reports whether another run can be paid for and can be simpler than the best one.
func (s *shrinker) may() bool { return s.left > 0 && score(&s.best)[3] > 0 }

// score orders runs, the simplest first.
func score(t *Trial) [6]int {
	var n [6]int
	sum := 0
	for i := range t.Acts {
		a := &t.Acts[i]
		if a.Pick == 0 {
			continue
		}
		if a.Kind != Sched {
			n[a.Kind]++ // Fault, World
		}
		if a.interrupts() {
			n[2]++
		}
		n[3]++
		sum += a.Pick
	}
	n[4], n[5] = len(t.Acts), sum
	return n
}

// accept takes over a run that is simpler and fails in the same way.
func (s *shrinker) accept(t *Trial) bool {
	if t.Signature != s.best.Signature {
		return false
	}
	old, now := score(&s.best), score(t)
	if slices.Compare(now[:], old[:]) >= 0 {
		return false
	}
	if s.searched != nil && !maps.Equal(answersOf(t).of, s.searched.of) {
		return false
	}
	s.best = *t
	return true
}

// replay tries a list of deviations.
func (s *shrinker) replay(d []ke.Deviation) bool {
	t := s.try(&ke.Replay{Deviations: d})
	return s.accept(&t)
}

// cutTail looks for the shortest beginning that suffices: what comes last matters least.
func (s *shrinker) cutTail() {
	for keep := 0; s.may(); {
		d := s.best.Deviations()
		if keep >= len(d) {
			return
		}
		if s.replay(d[:keep]) {
			return
		}
		keep += (len(d) - keep + 1) / 2
	}
}

// zero takes away the deviations of one kind, together if that will do.
func (s *shrinker) zero(kind Kind) {
	is := func(i int) bool { return s.best.Acts[i].Kind == kind }
	d := s.best.Deviations()
	rest := slices.DeleteFunc(slices.Clone(d), func(x ke.Deviation) bool { return is(x.Index) })
	if len(rest) == len(d) || s.may() && s.replay(rest) {
		return
	}
	s.minimise(is)
}

// minimise takes away deviations, many at a time, then fewer, until no single one can go (ddmin). Which may
// go says only, by index; nil is all.
func (s *shrinker) minimise(only func(int) bool) {
	for chunk := len(indices(s.best.Deviations(), only)); chunk > 0; chunk /= 2 {
		for progress := true; progress; {
			progress = false
			for at := 0; s.may(); {
				d := s.best.Deviations()
				mine := indices(d, only)
				if at >= len(mine) {
					break
				}
				end := min(at+chunk, len(mine))
				if s.replay(without(d, mine[at:end])) {
					progress = chunk == 1
				} else {
					at = end
				}
			}
		}
	}
}

// indices are the positions in d that only lets through.
func indices(d []ke.Deviation, only func(int) bool) []int {
	var at []int
	for i := range d {
		if only == nil || only(d[i].Index) {
			at = append(at, i)
		}
	}
	return at
}

// without copies d but for some positions, which are in order.
func without(d []ke.Deviation, gone []int) []ke.Deviation {
	var out []ke.Deviation
	for i := range d {
		if len(gone) > 0 && gone[0] == i {
			gone = gone[1:]
			continue
		}
		out = append(out, d[i])
	}
	return out
}

// lower tries smaller picks in place of those that are left.
func (s *shrinker) lower() {
	for i := 0; i < len(s.best.Deviations()) && s.may(); i++ {
		d := s.best.Deviations()
		for p := 1; p < d[i].Pick && s.may(); p++ {
			c := slices.Clone(d)
			c[i].Pick = p
			if s.replay(c) {
				break
			}
		}
	}
}

// gather moves blocks of steps of one actor together: all of long stretches of the run, then those of
// shorter ones.
func (s *shrinker) gather() {
	for width := len(blocksOf(s.best.Order)); width > 2; width = (width + 1) / 2 {
		for at := 0; s.may(); {
			plan := blocksOf(s.best.Order)
			if at >= len(plan) {
				break
			}
			if !s.gathered(plan, at, min(at+width, len(plan))) {
				at += width
			}
		}
	}
}

// merge moves blocks of steps of one actor together, two at a time.
func (s *shrinker) merge() {
	for progress := true; progress; {
		progress = false
		plan := blocksOf(s.best.Order)
		for i := 0; i < len(plan) && s.may(); {
			if s.moved(plan, i) {
				progress = true
				plan = blocksOf(s.best.Order)
			} else {
				i++
			}
		}
	}
}

// gathered tries to let every actor take its steps of plan[from:to] at once, at the place of its first or of
// its last block there.
func (s *shrinker) gathered(plan []block, from, to int) bool {
	first := together(plan[from:to])
	last := slices.Clone(plan[from:to])
	slices.Reverse(last)
	last = together(last)
	slices.Reverse(last)
	for _, middle := range [][]block{first, last} {
		if len(middle) == to-from || !s.may() {
			return false
		}
		if s.follows(slices.Concat(plan[:from], middle, plan[to:])) {
			return true
		}
	}
	return false
}

// together makes one block of all those of an actor, in order of their first ones.
func together(plan []block) []block {
	var out []block
	for _, b := range plan {
		i := slices.IndexFunc(out, func(o block) bool { return o.who == b.who })
		if i < 0 {
			out = append(out, b)
		} else {
			out[i].n += b.n
		}
	}
	return out
}

// omit tries to leave out actors that nobody has to wait for: they can go on after the failure.
func (s *shrinker) omit() {
	for _, b := range together(blocksOf(s.best.Order)) {
		if !s.may() {
			return
		}
		s.follows(slices.DeleteFunc(blocksOf(s.best.Order), func(o block) bool { return o.who == b.who }))
	}
}

// follows tries a plan.
func (s *shrinker) follows(plan []block) bool {
	t := s.try(newFollow(plan, answersOf(&s.best)))
	return s.accept(&t)
}

// moved tries to move the next block of the actor of block i up to it, or block i down to that one.
func (s *shrinker) moved(plan []block, i int) bool {
	j := i + 1
	for ; j < len(plan) && plan[j].who != plan[i].who; j++ {
	}
	if j == len(plan) {
		return false
	}
	both := block{plan[i].who, plan[i].n + plan[j].n}
	up := slices.Concat(plan[:i], []block{both}, plan[i+1:j], plan[j+1:])
	down := slices.Concat(plan[:i], plan[i+1:j], []block{both}, plan[j+1:])
	for _, p := range [][]block{up, down} {
		if s.may() && s.follows(p) {
			return true
		}
	}
	return false
}

// search looks among all schedules with fewer interruptions.
func (s *shrinker) search() {
	limit := s.best.Interruptions()
	if limit == 0 {
		s.out.Searched = true
		return
	}
	before, data := s.out.Runs, answersOf(&s.best)
	found, complete := newSearch(limit, data).run(s.best.Signature, s.try, s.may)
	s.out.Schedules, s.out.Searched = s.out.Runs-before, complete
	s.searched = &data
	if found != nil {
		s.accept(found)
	}
	s.minimise(nil)
	s.lower()
}
