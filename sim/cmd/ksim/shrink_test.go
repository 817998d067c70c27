//go:build unix && !race

package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/sim"
)

// cpuTime is what this process has used of processors so far, whatever else the machine is doing.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Every defect of the examples that is found by some run, be it not the boring one, comes down to a run that
// is not longer, always the same one, in few runs: less than a second.
func TestShrink_EveryDefectOfTheExamples(t *testing.T) {
	for _, s := range scenarios() {
		if len(s.Expect) == 0 {
			continue
		}
		for _, first := range []uint64{2, 300} {
			o := sim.ExploreOptions{Runs: 1000, Seed0: first, Options: sim.Options{Collect: true},
				Strategy: "random"}
			before := cpuTime(t)
			r := sim.Explore(t, o, s.Run)
			require.NotEmpty(t, r.Failures, s.Name)
			f := r.Failures[0]
			took := cpuTime(t) - before
			z := f.Shrinking
			t.Logf("%-39s run %3d %s: %d choices, %d interruptions, %d faults -> %d, %d, %d; %d runs, %v, "+
				"proven %v (%d)", s.Name, f.Run, f.Rules, z.From.Choices, z.From.Interruptions,
				z.From.Faults, z.To.Choices, z.To.Interruptions, z.To.Faults, z.Runs,
				took.Round(time.Millisecond), z.Proven, z.Tried)
			assert.True(t, f.Repeats, s.Name)
			assert.LessOrEqual(t, z.To.Choices, z.From.Choices, s.Name)
			assert.LessOrEqual(t, z.To.Interruptions, z.From.Interruptions, s.Name)
			assert.Len(t, f.Minimal.Deviations, z.To.Choices, s.Name)
			o.Seed0, o.Runs = f.Run, 1
			again := sim.Explore(t, o, s.Run).Failures[0]
			assert.LessOrEqual(t, z.Runs, 1200, s.Name)
			assert.Equal(t, z, again.Shrinking, s.Name)
			assert.Equal(t, f.Minimal.Deviations, again.Minimal.Deviations, s.Name)
			assert.Equal(t, f.Rules, again.Rules, s.Name)
		}
	}
}

// From run 1 on, as it is by default, every defect is found and comes down to the provably simplest run.
//
// Reference: scheduling.md 13.
func TestShrink_DefectsAreFoundAndProvedMinimal(t *testing.T) {
	for _, s := range scenarios() {
		if len(s.Expect) == 0 {
			continue
		}
		before := cpuTime(t)
		r := sim.Explore(t, sim.ExploreOptions{Runs: 1000, Options: sim.Options{Collect: true}}, s.Run)
		require.NotEmpty(t, r.Failures, s.Name)
		f := r.Failures[0]
		t.Logf("%-39s run %d, %d choices, %v", s.Name, f.Run, f.Shrinking.To.Choices, cpuTime(t)-before)
		assert.ElementsMatch(t, s.Expect, f.Rules, s.Name)
		assert.True(t, f.Shrinking.Proven, s.Name)
	}
}
