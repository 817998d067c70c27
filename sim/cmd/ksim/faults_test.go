package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/sim"
)

// hazardous are the scenarios that show what is only a hazard, and its rule.
var hazardous = map[string]string{"two-redirectors-ignores-others": "WFP-104"}

// TestScenarios_ErrorPathsAreClean lets everything that may fail in a scenario without a defect fail once,
// and then everything behind it, too: no rule may be broken and nothing left behind.
func TestScenarios_ErrorPathsAreClean(t *testing.T) {
	for _, s := range scenarios() {
		if len(s.Expect) > 0 {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			r := sim.Explore(t, sim.ExploreOptions{Strategy: "faults2", Workers: 2}, s.Run)
			assert.True(t, r.Complete, "%s", r.Faults)
			for _, h := range r.Hazards {
				assert.Equal(t, hazardous[s.Name], h.Rule.String(), "%v", h)
			}
		})
	}
}
