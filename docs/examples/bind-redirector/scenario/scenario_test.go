package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	bindredirector "calloutsim/docs/examples/bind-redirector"
	"calloutsim/sim"
)

func TestStory_TheProgramIsReachedFromThisMachineOnly(t *testing.T) {
	w := Play(sim.New(t), bindredirector.None)
	require.NoError(t, w.Service.Err)
	assert.Equal(t, loopback, w.Service.Got)
	assert.Equal(t, w.Other.Asked, w.Other.Got, "nobody else's sockets are touched")
	assert.NoError(t, w.Neighbour)
	assert.Error(t, w.Remote)
	assert.Equal(t, 1, w.Service.Guests)
	assert.Equal(t, int32(1), w.Driver.Redirected)
}

func TestStory_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, Story(bindredirector.None))
	t.Logf("%d runs, %d distinct traces", r.Runs, r.Traces)
	for _, h := range r.Hazards {
		t.Errorf("hazard: %v %s", h.Rule, h.Headline)
	}
}

func TestStory_EveryDefectIsFoundByItsRule(t *testing.T) {
	for _, d := range defects {
		t.Run(string(d.defect), func(t *testing.T) {
			r := sim.Explore(t, sim.ExploreOptions{Runs: 1000, Options: sim.Options{Collect: true}},
				Story(d.defect))
			require.NotEmpty(t, r.Failures, "not found in 1000 runs")
			f := r.Failures[0]
			assert.Equal(t, []string{d.rule}, f.Rules, "%s", f.Headline)
			assert.True(t, f.Repeats, "the token does not repeat the run")
			t.Logf("run %d: %s", f.Run, f.Headline)
		})
	}
}

func TestScenarios_AreAsExpected(t *testing.T) {
	for _, s := range Scenarios() {
		out, err := sim.RunScenario(s, sim.RunOptions{})
		require.NoError(t, err)
		assert.Empty(t, s.AsExpected(&out), "%s", s.Name)
		out.Close()
	}
}
