package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	pendfirewall "calloutsim/docs/examples/pend-firewall"
	"calloutsim/sim"
)

func TestStory_TheServiceDecides(t *testing.T) {
	w := Play(sim.New(t), pendfirewall.None)
	require.True(t, w.Loaded)
	assert.NoError(t, w.Browser)
	assert.Error(t, w.Malware)
	assert.Error(t, w.Late)
	assert.EqualValues(t, 1, w.Firewall.Permitted)
	assert.EqualValues(t, 2, w.Firewall.Blocked)
}

func TestStory_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, Story(pendfirewall.None))
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
			if d.defect == pendfirewall.StoredTooLate {
				assert.Subset(t, []string{"WFP-130", "WFP-131"}, f.Rules, "%s", f.Headline)
			} else {
				assert.Equal(t, d.rules, f.Rules, "%s", f.Headline)
			}
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
