package explore

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// private reports whether a use only says who takes the step.
func private(u ke.Use) bool { return u.Obj.Kind() == trace.Context && u.How == ke.R }

// footprint is that of a step, or of one that somebody is about to take.
type footprint struct {
	actor, host ke.Actor
	uses        []ke.Use
}

// relation says how two steps, one before the other, depend on each other.
type relation uint8

const (
	free    relation = iota // the order does not matter
	ordered                 // it matters, and the second one was not possible before the first one
	racing                  // it matters, and the second one could have come first
)

// relate compares two steps of different actors, the earlier one first.
func relate(one, two *footprint) relation {
	switch {
	case one.host != two.actor && two.host != one.actor && !conflicting(one.uses, two.uses):
		return free
	case waits(one, two):
		return ordered
	}
	return racing
}

// waits reports whether the second step could not begin before the first one: whoever waits for a spin lock
// takes no step before it is free.
func waits(one, two *footprint) bool {
	if len(two.uses) == 0 || two.uses[0].How != ke.Acq || two.uses[0].Obj.Kind() != trace.SpinLock {
		return false
	}
	for _, a := range one.uses {
		if a.How == ke.Rel && a.Obj == two.uses[0].Obj {
			return true
		}
	}
	return false
}
