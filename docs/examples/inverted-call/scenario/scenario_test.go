package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	invertedcall "calloutsim/docs/examples/inverted-call"
	"calloutsim/docs/examples/inverted-call/scenario"
	"calloutsim/sim"
)

func TestCalls_BoringRunIsClean(t *testing.T) {
	scenario.Calls(invertedcall.None)(sim.New(t))
}

func TestCalls_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: runs, Workers: 2}, scenario.Calls(invertedcall.None))
	t.Logf("%d runs, %d distinct traces", r.Runs, r.Traces)
	assert.Empty(t, r.Hazards)
}

func TestCalls_EveryDefectIsFoundByItsRule(t *testing.T) {
	for _, c := range []struct {
		defect invertedcall.Defect
		rules  []string
	}{
		{invertedcall.CleanupForgets, []string{"IRP-040"}},
		{invertedcall.CancelRoutineLeft, []string{"IRP-001", "IRP-005", "IRP-020"}},
	} {
		t.Run(string(c.defect), func(t *testing.T) {
			o := sim.ExploreOptions{Runs: 500, Options: sim.Options{Collect: true}}
			r := sim.Explore(t, o, scenario.Calls(c.defect))
			require.NotEmpty(t, r.Failures, "not found in 500 runs")
			f := r.Failures[0]
			assert.True(t, f.Repeats, "the token does not repeat the run")
			require.Len(t, f.Rules, 1, "one act, one finding: %v", f.Rules)
			assert.Contains(t, c.rules, f.Rules[0])
			t.Logf("run %d: %s", f.Run, f.Headline)
		})
	}
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

func TestCalls_EveryFaultAndEveryCancelComesUp(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "faults1", Coverage: true},
		scenario.Calls(invertedcall.None))
	r.RequireCoverage(t, sim.CoverageLevel{Faults: true, Cancel: true, Drivers: []string{"inverted.sys"},
		Except: []string{ // these are answered at once
			"DRIVER_DISPATCH (*Driver).cleanup cancelled=with a cancel routine",
			"DRIVER_DISPATCH (*Driver).openClose cancelled=with a cancel routine",
			"DRIVER_DISPATCH (*Driver).write cancelled=with a cancel routine",
		}})
}
