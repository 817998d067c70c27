package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	datagramclient "calloutsim/docs/examples/datagram-client"
	"calloutsim/docs/examples/datagram-client/scenario"
	"calloutsim/sim"
)

func TestClient_AsksAgainWhenAQuestionIsLost(t *testing.T) {
	c := scenario.Play(sim.New(t), datagramclient.None)
	assert.Equal(t, []string{"it is 2 o'clock", "it is 3 o'clock"}, c.Answers)
}

func TestClient_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: 300, Workers: 2}, scenario.Ask(datagramclient.None))
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
