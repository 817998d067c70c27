package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	synccall "calloutsim/docs/examples/sync-call"
	"calloutsim/docs/examples/sync-call/scenario"
	"calloutsim/sim"
)

func TestTalk_BoringRunIsClean(t *testing.T) { scenario.Talk(synccall.None)(sim.New(t)) }

func TestTalk_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, scenario.Talk(synccall.None))
	t.Logf("%d runs, %d distinct traces", r.Runs, r.Traces)
	assert.Empty(t, r.Hazards)
}

func TestScenarios_BreakWhatTheySay(t *testing.T) {
	for _, s := range scenario.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			o, err := sim.RunScenario(s, sim.RunOptions{})
			require.NoError(t, err)
			t.Cleanup(o.Close)
			assert.Empty(t, s.AsExpected(&o))
		})
	}
}
