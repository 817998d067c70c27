package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	tworedirectors "calloutsim/docs/examples/two-redirectors"
	"calloutsim/fwps"
	"calloutsim/sim"
)

func TestStory_ThroughBothProxiesOnce(t *testing.T) {
	w := Play(sim.New(t), tworedirectors.None)
	require.NoError(t, w.Err)
	assert.Equal(t, "you said: hello", w.Reply)
	assert.Equal(t, []string{"first.exe", "second.exe"}, w.Carried)
	assert.Equal(t, int32(1), w.First.Redirected)
	assert.Equal(t, int32(1), w.Second.Redirected)
	// What each was told, in this order: of the browser's connection that it is nobody's, and, when the
	// second is asked, the first's; of that of first.exe the same; of that of second.exe that it was the
	// first's before and is the second's.
	states := func(d *tworedirectors.Redirector, s fwps.FWPS_CONNECTION_REDIRECT_STATE) int32 {
		return d.States[s]
	}
	assert.Equal(t, int32(1), states(w.First, fwps.FWPS_CONNECTION_NOT_REDIRECTED))
	assert.Equal(t, int32(1), states(w.First, fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF))
	assert.Equal(t, int32(1), states(w.First, fwps.FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF))
	assert.Equal(t, int32(2), states(w.Second, fwps.FWPS_CONNECTION_REDIRECTED_BY_OTHER))
	assert.Equal(t, int32(1), states(w.Second, fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF))
	assert.Equal(t, int32(3), w.Monitor.Seen)
	assert.Equal(t, int32(2), w.Monitor.Redirected)
	assert.Equal(t, int32(2), w.Monitor.Proxied)
}

// TestStory_IgnoringOthersIsAHazard: who redirects what another has redirected is told of it.
func TestStory_IgnoringOthersIsAHazard(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: 20}, Story(tworedirectors.IgnoresOthers))
	require.NotEmpty(t, r.Hazards)
	assert.Equal(t, "WFP-104", r.Hazards[0].Rule.String())
}

func TestFirewall_BlocksForGood(t *testing.T) {
	m := sim.New(t)
	f, w := &tworedirectors.Firewall{Port: server.Port()}, new(tworedirectors.Monitor)
	m.Load("firewall.sys", f.DriverEntry)
	m.Load("monitor.sys", w.DriverEntry)
	m.Process("server.exe").Serve(server, answer)
	c := m.Process("browser.exe").Dial(server)
	m.Run()
	assert.Error(t, c.Err())
	assert.Equal(t, int32(1), f.Blocked)
	assert.Equal(t, int32(1), w.Seen, "a lighter callout is asked all the same")
	m.Unload("monitor.sys")
	m.Unload("firewall.sys")
}

func TestStory_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, Story(tworedirectors.None))
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
