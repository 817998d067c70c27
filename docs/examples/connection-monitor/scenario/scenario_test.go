package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	connectionmonitor "calloutsim/docs/examples/connection-monitor"
	"calloutsim/sim"
)

func TestStory_EveryConnectionIsSeenAndEnds(t *testing.T) {
	w := Play(sim.New(t), connectionmonitor.None)
	require.True(t, w.Loaded)
	require.NoError(t, w.Err)
	assert.Equal(t, 3, w.Reports)
	assert.EqualValues(t, 4, w.Monitor.Seen, "both ends of two connections")
	assert.EqualValues(t, 4, w.Monitor.Ended)
}

func TestStory_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, Story(connectionmonitor.None))
	t.Logf("%d runs, %d distinct traces", r.Runs, r.Traces)
	for _, h := range r.Hazards {
		t.Errorf("hazard: %v %s", h.Rule, h.Headline)
	}
}

func TestStory_EveryDefectIsFoundByItsRule(t *testing.T) {
	for _, d := range defects {
		t.Run(string(d.defect), func(t *testing.T) {
			o := sim.ExploreOptions{Runs: 1000, Options: sim.Options{Collect: true}}
			r := sim.Explore(t, o, Story(d.defect))
			require.NotEmpty(t, r.Failures, "not found in 1000 runs")
			f := r.Failures[0]
			assert.Equal(t, []string{d.rule}, f.Rules, "%s", f.Headline)
			assert.True(t, f.Repeats, "the token does not repeat the run")
			t.Logf("run %d: %s", f.Run, f.Headline)
		})
	}
}

func TestScenarios_BreakWhatTheySay(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			o, err := sim.RunScenario(s, sim.RunOptions{})
			require.NoError(t, err)
			t.Cleanup(o.Close)
			assert.Empty(t, s.AsExpected(&o))
		})
	}
}
