package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	irppassthrough "calloutsim/docs/examples/irp-passthrough"
	"calloutsim/docs/examples/irp-passthrough/scenario"
	"calloutsim/sim"
)

func TestStack_BoringRunIsCleanAndEveryRequestEnds(t *testing.T) {
	scenario.Stack(irppassthrough.None)(sim.New(t))
}

func TestStack_NoScheduleBreaksARule(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Runs: 3000, Workers: 2}, scenario.Stack(irppassthrough.None))
	t.Logf("%d runs, %d distinct traces", r.Runs, r.Traces)
	assert.Empty(t, r.Hazards)
}

func TestStack_EveryDefectIsFoundByItsRule(t *testing.T) {
	for _, c := range []struct {
		defect irppassthrough.Defect
		rules  []string
	}{
		{irppassthrough.MarkNotCarriedOn, []string{"IRP-011"}},
		{irppassthrough.TouchedAfterSend, []string{"IRP-005"}},
		{irppassthrough.DoubleCompletion, []string{"IRP-001", "IRP-002", "IRP-005"}},
	} {
		t.Run(string(c.defect), func(t *testing.T) {
			o := sim.ExploreOptions{Runs: 1000, Options: sim.Options{Collect: true}}
			r := sim.Explore(t, o, scenario.Stack(c.defect))
			require.NotEmpty(t, r.Failures, "not found in 1000 runs")
			f := r.Failures[0]
			assert.True(t, f.Repeats, "the token does not repeat the run")
			require.Len(t, f.Rules, 1, "one act, one finding: %v", f.Rules)
			assert.Contains(t, c.rules, f.Rules[0])
			t.Logf("run %d: %s", f.Run, f.Headline)
		})
	}
}
