package explore

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Estimate is what the boring run of a scenario took. Strategies that need it take it from that run and no
// other, so that run k depends on no run before it.
type Estimate struct {
	Decisions int // with two options or more
	Total     int // steps of everybody, from the first of those decisions on
	of        byActor[course]
}

// Steps is how many steps with a footprint an actor took, from the first decision on.
func (e *Estimate) Steps(a ke.Actor) int { return e.course(a).steps }

// course gives what an actor did. The result is for reading.
func (e *Estimate) course(a ke.Actor) *course {
	if c := e.of.peek(a); c != nil {
		return c
	}
	return &course{}
}

// course is what one actor did in the boring run. A step without a footprint (the beginning of a thread, the
// way from a wait to the next scheduling point) nobody else can notice, so it does not count.
type course struct {
	steps  int
	shared []int32 // how many of the first i steps used something that others use as well
}

// maxCourse is the number of steps of one actor about which is remembered whether they use what others
// use. Later ones count as if they did not.
const maxCourse = 1 << 14

// ahead is how many shared steps an actor has left after some steps.
func (c *course) ahead(taken int) int {
	if len(c.shared) == 0 {
		return 0
	}
	last := len(c.shared) - 1
	return int(c.shared[last] - c.shared[min(taken, last)])
}

// usesShared reports whether the step after so many uses something shared. Objects of one run cannot be found
// again in another by their numbers (those of variables follow the order of use), but the place of a step in
// the course of its actor can, where the course does not depend on the schedule.
func (c *course) usesShared(taken int) bool {
	return taken+1 < len(c.shared) && c.shared[taken+1] > c.shared[taken]
}

// Measure is the boring schedule, which it measures. Its machine has a Trail, so that it is asked at every
// step.
type Measure struct {
	est   Estimate
	log   []objectUse
	first map[trace.ID]ke.Actor // who was the first to use an object; everybody where it is shared
}

// objectUse is one step and one object of its footprint.
type objectUse struct {
	by  ke.Actor
	obj trace.ID
	nth int32 // of the actor's steps
}

// everybody stands for more than one actor.
const everybody = ^ke.Actor(0)

// Choose returns 0.
func (ms *Measure) Choose(*ke.Site, int) int { return 0 }

// Pick returns 0.
func (ms *Measure) Pick(_ *ke.Machine, at *ke.Moment) int {
	e := &ms.est
	if len(at.Options) > 1 {
		e.Decisions++
	}
	if e.Decisions == 0 {
		return 0
	}
	e.Total++
	o := &at.Options[0]
	if len(o.Next) == 0 {
		return 0
	}
	c := e.of.at(o.Actor)
	if c.steps < maxCourse {
		for _, u := range o.Next {
			ms.note(objectUse{o.Actor, u.Obj, int32(c.steps)})
		}
	}
	c.steps++
	return 0
}

// note takes up an object of a footprint. What may be anything is shared from the start.
func (ms *Measure) note(t objectUse) {
	if ms.first == nil {
		ms.first = map[trace.ID]ke.Actor{0: everybody}
	}
	who, known := ms.first[t.obj]
	switch {
	case !known:
		ms.first[t.obj] = t.by
	case who != t.by:
		ms.first[t.obj] = everybody
	}
	ms.log = append(ms.log, t)
}

// finish gives what was measured, once.
func (ms *Measure) finish() Estimate {
	for _, t := range ms.log {
		c := ms.est.of.at(t.by)
		if c.shared == nil {
			c.shared = make([]int32, min(c.steps, maxCourse)+1)
		}
		if ms.first[t.obj] == everybody {
			c.shared[t.nth+1] = 1
		}
	}
	ms.est.of.each(func(c *course) {
		for i := 1; i < len(c.shared); i++ {
			c.shared[i] += c.shared[i-1]
		}
	})
	e := ms.est
	*ms = Measure{}
	return e
}
