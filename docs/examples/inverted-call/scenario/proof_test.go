//go:build !simraces

package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	invertedcall "calloutsim/docs/examples/inverted-call"
	"calloutsim/docs/examples/inverted-call/scenario"
	"calloutsim/sim"
)

// The boring run of the race is clean, whatever the driver looks at: the cancel comes first or last.
func TestRace_OnlySomeSchedulesShowTheMistake(t *testing.T) {
	scenario.Race(invertedcall.CancelAnswerIgnored)(sim.New(t))
	r := sim.Explore(t, sim.ExploreOptions{Runs: 1000, Options: sim.Options{Collect: true}},
		scenario.Race(invertedcall.CancelAnswerIgnored))
	require.Len(t, r.Failures, 1, "not found in 1000 runs")
	f := r.Failures[0]
	t.Logf("run %d: %s; simplest after %d runs %s", f.Run, f.Headline, f.Shrinking.Runs, f.Minimal)
	assert.Equal(t, []string{"IRP-005"}, f.Rules)
	assert.True(t, f.Repeats)
	assert.Equal(t, sim.Size{Choices: 1, Interruptions: 1}, f.Shrinking.To)
	assert.True(t, f.Shrinking.Proven)
}

func TestRace_IsProvedForTheCorrectDriver(t *testing.T) {
	start := time.Now()
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor"}, scenario.Race(invertedcall.None))
	t.Logf("%s in %v", r.Covered, time.Since(start))
	assert.True(t, r.Complete)
	assert.Equal(t, "all 159 partial orders, answers <= 1, faults <= 1", r.Covered)
}
