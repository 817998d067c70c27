package main

import (
	"cmp"
	"slices"
	"strings"

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

// noScenario says that a name is none, and which one may be meant.
func noScenario(verb, name string) error {
	hint := ""
	low := strings.ToLower(name)
	for _, s := range scenarios() {
		if low != "" && (strings.Contains(s.Name, low) || strings.Contains(low, s.Name)) {
			hint = ", is it " + s.Name + "?"
			break
		}
	}
	if hint == "" {
		var names []string
		for _, s := range scenarios() {
			names = append(names, s.Name)
		}
		hint = didYouMean(name, names)
	}
	return usagef("%s: there is no scenario %q%s (ksim run lists them)", verb, name, hint)
}
