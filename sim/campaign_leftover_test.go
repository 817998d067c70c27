package sim

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// What outlives a run is found although no run fails.
func TestExplore_NamesWhatIsLeftOver(t *testing.T) {
	for _, strategy := range []string{"portfolio", "default", "random", "faults1", "preempt1", "delay1"} {
		for _, out := range []string{"", t.TempDir()} {
			ready := false // the driver object was made outside of the scenario
			o := ExploreOptions{Strategy: strategy, Runs: 20}
			o.Out = out
			r := collected(t, o, func(m *Machine) {
				m.Thread("a.sys", func(k *ke.K) {
					touch(k, 7)
					if ready {
						touch(k, 8)
					}
					ready = true
				})
				m.Thread("b.sys", func(k *ke.K) { touch(k, 9) })
				m.Run()
			})
			if len(r.Failures) == 0 && r.Runs < 2 {
				continue // nothing may fail here, so there is one run
			}
			assert.Contains(t, r.Unrepeatable, "something is left over from one run to the next", strategy)
			assert.Regexp(t, `They differ first at event \d+:\n  run 1: #\d+ .*\n  now:   #\d+ .*a\.sys +`+
				`touches`, r.Unrepeatable)
			assert.False(t, r.Complete)
			assert.Empty(t, r.Failures)
		}
	}
}

func TestExplore_NamesADriverThatIsNotDeterministic(t *testing.T) {
	r := collected(t, ExploreOptions{Runs: 20}, func(m *Machine) {
		m.Thread("a.sys", func(k *ke.K) {
			for range rand.Intn(1 << 12) {
				touch(k, 7)
			}
		})
		m.Run()
	})
	assert.Contains(t, r.Unrepeatable, "the driver or the test is not deterministic (math/rand, time")
	assert.Contains(t, r.Unrepeatable, "\n  run 1: #")
}

func TestExplore_DeterministicScenariosRepeat(t *testing.T) {
	for _, strategy := range []string{"portfolio", "random", "surw", "dpor", "dfs", "preempt1", "faults2"} {
		o := ExploreOptions{Strategy: strategy, Runs: 50}
		assert.Empty(t, collected(t, o, loads(leaky{})).Unrepeatable, strategy)
		o.Pins = []Pin{{"fault/ExAllocatePool2", "1"}}
		assert.Empty(t, collected(t, o, loads(leaky{})).Unrepeatable, strategy)
	}
}

// A test fails by it, unless it looks at the result itself.
func TestExplore_WhatIsLeftOverFailsTheTest(t *testing.T) {
	n := 0
	s := Scenario{Name: "left", Title: "left", Run: func(m *Machine) {
		m.Thread("a.sys", func(k *ke.K) {
			if n++; n == 1 {
				touch(k, 7)
			}
		})
		m.Run()
	}}
	r, err := ExploreScenario(s, ExploreOptions{Runs: 5})
	require.ErrorContains(t, err, "the boring run was made once more at the end, and is not what it was")
	assert.NotEmpty(t, r.Unrepeatable)
}

// A failing run that is the boring one although run 1 passed is called what it is.
func TestExplore_BoringRunThatFailsLaterIsLeftoverState(t *testing.T) {
	n := 0
	r := collected(t, ExploreOptions{Runs: 20}, func(m *Machine) {
		m.Thread("a.sys", func(k *ke.K) { touch(k, 7) })
		m.Run()
		if n++; n > 3 {
			m.Fatalf("the list is not empty")
		}
	})
	require.Len(t, r.Failures, 1)
	f := r.Failures[0]
	assert.EqualValues(t, 4, f.Run)
	assert.Contains(t, f.Report, "This is the boring run, as run 1 was, and run 1 passed: something is left")
	r = collected(t, ExploreOptions{Runs: 20}, func(m *Machine) { m.Fatalf("always") })
	require.Len(t, r.Failures, 1)
	assert.NotContains(t, r.Failures[0].Report, "left over")
}
