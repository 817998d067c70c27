package main

import (
	"cmp"
	"slices"

	"calloutsim/sim"
)

// scenarios lists every built-in scenario by name.
func scenarios() []sim.Scenario {
	var all []sim.Scenario
	for _, list := range registry {
		all = append(all, list()...)
	}
	slices.SortFunc(all, func(a, b sim.Scenario) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
