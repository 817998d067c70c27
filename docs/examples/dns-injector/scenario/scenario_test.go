package scenario_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	dnsinjector "calloutsim/docs/examples/dns-injector"
	"calloutsim/docs/examples/dns-injector/scenario"
	"calloutsim/sim"
)

func TestStory_BoringRun(t *testing.T) {
	w := scenario.Play(sim.New(t), dnsinjector.None)
	assert.Equal(t, netip.MustParseAddr("127.0.0.1"), w.Listed)
	assert.Equal(t, netip.MustParseAddr("203.0.113.80"), w.Other)
	assert.Equal(t, []string{"www.example"}, w.Asked, "what is answered does not reach the server")
	assert.Equal(t, int32(1), w.Injector.Answered)
	assert.Equal(t, int32(3), w.VPN.Carried, "the injected answer, the other query and its answer")
}

func TestStory_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, scenario.Story(dnsinjector.None))
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
