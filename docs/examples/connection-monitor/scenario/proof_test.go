//go:build !simraces

package scenario

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	connectionmonitor "calloutsim/docs/examples/connection-monitor"
	"calloutsim/sim"
)

// A flow ends while a program asks for a report: in no order of events the record is freed twice, under who
// looks at it, or not at all.
func TestRace_IsProvedForTheCorrectDriver(t *testing.T) {
	if os.Getenv("SIM_THOROUGH") == "" {
		t.Skip("takes a quarter of a minute; set SIM_THOROUGH=1")
	}
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1}, Race(connectionmonitor.None))
	t.Logf("%s", r.Covered)
	assert.True(t, r.Complete)
}

// The same search finds the report that has no reference.
func TestRace_FindsTheMissingReference(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1, Options: sim.Options{Collect: true}},
		Race(connectionmonitor.NoReference))
	require.NotEmpty(t, r.Failures)
	assert.Equal(t, []string{"WFP-147"}, r.Failures[0].Rules)
}

// A flow ends while the driver goes: its context goes once, and the driver not before.
func TestUnload_IsProvedForTheCorrectDriver(t *testing.T) {
	if os.Getenv("SIM_THOROUGH") == "" {
		t.Skip("takes half a minute; set SIM_THOROUGH=1")
	}
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1, Answers: -1},
		Unload(connectionmonitor.None))
	t.Logf("%s", r.Covered)
	assert.True(t, r.Complete)
}
