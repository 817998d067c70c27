//go:build !simraces

package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	dnsinjector "calloutsim/docs/examples/dns-injector"
	"calloutsim/docs/examples/dns-injector/scenario"
	"calloutsim/sim"
)

// TestRace_IsProvedForTheCorrectDriver: a query is taken, answered and injected, and its completionFn is
// called, while the driver goes.
func TestRace_IsProvedForTheCorrectDriver(t *testing.T) {
	start := time.Now()
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1, Answers: -1},
		scenario.Race(dnsinjector.None))
	t.Logf("%s in %v", r.Covered, time.Since(start))
	assert.True(t, r.Complete)
}
