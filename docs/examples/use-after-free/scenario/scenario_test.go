package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	useafterfree "calloutsim/docs/examples/use-after-free"
	"calloutsim/docs/examples/use-after-free/scenario"
	"calloutsim/sim"
)

func TestMessage_BoringRunIsCleanEvenWithTheMistake(t *testing.T) {
	scenario.Message(useafterfree.None)(sim.New(t))
	scenario.Message(useafterfree.LooksAfterSend)(sim.New(t))
}

// The sampling strategies find nothing where there is nothing.
func TestMessage_NoScheduleOfTheFixBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: 1000}, scenario.Message(useafterfree.None))
	t.Logf("%d runs, %d distinct traces", r.Runs, r.Traces)
	assert.Empty(t, r.Hazards)
}
