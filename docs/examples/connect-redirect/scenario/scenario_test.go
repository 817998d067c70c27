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

func TestStory_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, Story(connectredirect.None))
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

func TestScenarios_TokensRepeatTheReport(t *testing.T) {
	for _, s := range Scenarios() {
		for _, seed := range []uint64{1, 2, 3} {
			first, err := sim.RunScenario(s, sim.RunOptions{Options: sim.Options{Seed: seed}})
			require.NoError(t, err)
			token := first.Machine.Token()
			again, err := sim.RunScenario(s, sim.RunOptions{Replay: &token})
			require.NoError(t, err)
			assert.Equal(t, first.Machine.Report(), again.Machine.Report(), "%s, run %d", s.Name, seed)
			assert.Equal(t, first.Machine.Hash(), again.Machine.Hash(), "%s, run %d", s.Name, seed)
			if seed == 1 {
				assert.Empty(t, s.AsExpected(&first), "%s", s.Name)
			}
			first.Close()
			again.Close()
		}
	}
}

func TestStory_WhatTheOutsideCanDoComesUp(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: 600, Workers: 2, Coverage: true},
		Story(connectredirect.None))
	r.RequireCoverage(t, sim.CoverageLevel{Faults: true, Env: true, Requests: true, Except: []string{
		"WskCloseSocket completes=error",                       // a close does not fail
		"WskConnect answer=inline", "WskConnect answer=pended", // connecting and sending take time: they are
		"WskSend answer=inline", "WskSend answer=pended", // never over before the call returns
		"WskDisconnect end=ends", "WskDisconnect end=never ends", // asked only where it is pinned
	}})
}
