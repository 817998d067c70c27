package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	connectredirect "calloutsim/docs/examples/connect-redirect"
	"calloutsim/sim"
)

func TestStory_BytesFlowBothWaysThroughTheProxy(t *testing.T) {
	w := Play(sim.New(t), connectredirect.None)
	require.True(t, w.Loaded)
	for n, talk := range w.Talks {
		require.NoError(t, talk.Err, "connection %d", n+1)
		assert.Equal(t, []string{"you said: hello 1", "you said: hello 2"}[n], talk.Reply)
	}
	assert.ElementsMatch(t, []int{64, 1500}, w.Proxy.Contexts, "the second context does not fit into the "+
		"first buffer")
}

// runs is how many schedules the test tries; the command line can ask for more (-sim.runs).
const runs = 2000

func TestStory_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, Story(connectredirect.None))
	t.Logf("%d runs, %d distinct traces", r.Runs, r.Traces)
	for _, h := range r.Hazards {
		t.Logf("hazard: %v %s", h.Rule, h.Headline)
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
