//go:build !simraces

package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	pendfirewall "calloutsim/docs/examples/pend-firewall"
	"calloutsim/sim"
)

// A connect is pended while the service answers: in no order of events it is completed twice, or not at all.
func TestRace_IsProvedForTheCorrectDriver(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1}, Race(pendfirewall.None))
	t.Logf("%s", r.Covered)
	assert.True(t, r.Complete)
}

// The same search finds the decision that is stored too late.
func TestRace_FindsTheLateDecision(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1, Options: sim.Options{Collect: true}},
		Race(pendfirewall.StoredTooLate))
	require.NotEmpty(t, r.Failures)
	assert.Subset(t, []string{"WFP-130", "WFP-131"}, r.Failures[0].Rules)
}
