package scenario_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	irppassthrough "calloutsim/docs/examples/irp-passthrough"
	"calloutsim/docs/examples/irp-passthrough/scenario"
	"calloutsim/sim"
)

// The stack has no order of events in which it goes wrong. Reference: docs/performance.md ("Proofs").
func TestStack_IsProved(t *testing.T) {
	if os.Getenv("SIM_THOROUGH") == "" {
		t.Skip("takes a minute; set SIM_THOROUGH=1")
	}
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor"}, scenario.Stack(irppassthrough.None))
	assert.True(t, r.Complete)
	assert.Equal(t, "all 33 416 partial orders, answers <= 1, faults <= 1", r.Covered)
}
