package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// collected explores without failing the test.
func collected(t *testing.T, o ExploreOptions, fn func(m *Machine)) Result {
	t.Helper()
	o.Collect = true
	return Explore(t, o, fn)
}

func TestExplore_FindsALostUpdate(t *testing.T) {
	r := collected(t, ExploreOptions{}, lostUpdate)
	require.Len(t, r.Failures, 1)
	f := r.Failures[0]
	assert.Greater(t, f.Run, uint64(1), "run 1 is the boring one")
	assert.Equal(t, "counter is 1", f.Headline)
	assert.True(t, f.Repeats)
	assert.Contains(t, f.Report, "-sim.replay="+f.Minimal.String())
	assert.Contains(t, f.Report, "The run itself was "+f.Token.String())
	assert.Contains(t, f.Report, "go test -run '^TestExplore_FindsALostUpdate$'")
}

func TestExplore_WorkersFindTheSameRun(t *testing.T) {
	one := collected(t, ExploreOptions{Workers: 1}, lostUpdate)
	for _, n := range []int{2, 4} {
		many := collected(t, ExploreOptions{Workers: n}, lostUpdate)
		assert.Equal(t, one.Failures[0].Run, many.Failures[0].Run)
		assert.Equal(t, one.Failures[0].Token.Trace, many.Failures[0].Token.Trace)
	}
}

func TestExplore_CleanScenarioMakesAllRuns(t *testing.T) {
	r := Explore(t, ExploreOptions{Runs: 50, Workers: 2}, func(m *Machine) {
		for _, name := range []string{"a", "b"} {
			m.Thread(name, func(k *ke.K) { touch(k, 0); touch(k, 0) })
		}
		m.Run()
	})
	assert.Equal(t, 50, r.Runs)
	assert.Greater(t, r.Traces, 1)
	assert.Positive(t, r.Steps)
	assert.Empty(t, r.Failures)
}

// violates breaks a rule in one schedule and another in the other.
func violates(m *Machine) {
	rule := verify.IRP_001
	m.Thread("a.sys", func(k *ke.K) { touch(k, 0); rule = verify.IRP_002 })
	m.Thread("b.sys", func(k *ke.K) {
		touch(k, 0)
		ke.Report(k, verify.Finding{Rule: rule, Headline: "broken"})
	})
	m.Run()
}

func TestExplore_ViolationIsRepeatedWithEverything(t *testing.T) {
	r := collected(t, ExploreOptions{}, violates)
	require.Len(t, r.Failures, 1)
	f := r.Failures[0]
	assert.EqualValues(t, 1, f.Run)
	assert.Equal(t, []string{"IRP-002"}, f.Rules)
	assert.True(t, f.Repeats)
	assert.Contains(t, f.Report, "Bugcheck Analysis")
	assert.Contains(t, f.Report, "LAST_EVENTS")
}

func TestExplore_KeepGoingReportsOneRunPerSignature(t *testing.T) {
	r := collected(t, ExploreOptions{KeepGoing: true, Runs: 60, Workers: 2}, violates)
	assert.Equal(t, 60, r.Runs)
	require.Len(t, r.Failures, 2)
	assert.Equal(t, []string{"IRP-002"}, r.Failures[0].Rules)
	assert.Equal(t, []string{"IRP-001"}, r.Failures[1].Rules)
}

func TestExplore_NamesTheFirstEventThatDiffers(t *testing.T) {
	calls := 0
	r := collected(t, ExploreOptions{}, func(m *Machine) {
		calls++
		n := calls
		m.Thread("a.sys", func(k *ke.K) {
			for i := range n {
				ke.Note(k, []string{"even", "odd"}[(n+i)%2], 0)
			}
			ke.Report(k, verify.Finding{Rule: verify.IRP_001, Headline: "broken"})
		})
		m.Run()
	})
	require.Len(t, r.Failures, 1)
	assert.False(t, r.Failures[0].Repeats)
	assert.Contains(t, r.Failures[0].Report, "The run does not repeat.")
	assert.Contains(t, r.Failures[0].Report, "not deterministic")
	assert.Contains(t, r.Failures[0].Report, "differ first at event 4:")
}

func TestExplore_SaysWhenSomethingIsLeftOver(t *testing.T) {
	first := true
	r := collected(t, ExploreOptions{}, func(m *Machine) {
		was := first
		first = false
		m.Thread("a.sys", func(k *ke.K) {
			if was {
				ke.Note(k, "first", 0)
			}
			ke.Report(k, verify.Finding{Rule: verify.IRP_001, Headline: "broken"})
		})
		m.Run()
	})
	assert.Contains(t, r.Failures[0].Report, "left over from one run to the next")
}

func TestExplore_FatalInsideSimulatedCode(t *testing.T) {
	r := collected(t, ExploreOptions{Workers: 2}, func(m *Machine) {
		m.Thread("a", func(k *ke.K) { touch(k, 0); m.Fatalf("stop in the middle") })
		m.Thread("b", func(k *ke.K) { touch(k, 0) })
		m.Run()
		panic("not reached")
	})
	require.Len(t, r.Failures, 1)
	assert.Equal(t, "stop in the middle", r.Failures[0].Headline)
	assert.True(t, r.Failures[0].Repeats)
}

func TestExplore_PanicOfTheScenarioReachesTheTest(t *testing.T) {
	assert.PanicsWithValue(t, "boom in the test", func() {
		defer func() {
			v := recover()
			text := fmt.Sprint(v)
			assert.Contains(t, text, "in run 1 of")
			first, _, _ := strings.Cut(text, "\n")
			panic(first)
		}()
		collected(t, ExploreOptions{}, func(m *Machine) { panic("boom in the test") })
	})
}

func TestExplore_HazardsAreInTheResult(t *testing.T) {
	r := collected(t, ExploreOptions{Runs: 20}, hazardous)
	assert.Empty(t, r.Failures)
	require.Len(t, r.Hazards, 1)
	assert.Equal(t, verify.LOCK_013, r.Hazards[0].Rule)
}

func TestExplore_RunsAreNumberedFromSeed0(t *testing.T) {
	base := collected(t, ExploreOptions{}, lostUpdate).Failures[0]
	r := collected(t, ExploreOptions{Seed0: base.Run, Runs: 1}, lostUpdate)
	assert.Equal(t, base.Token.Deviations, r.Failures[0].Token.Deviations)
}

func TestExplore_CleanupsOfARunAreCalled(t *testing.T) {
	n := 0
	r := collected(t, ExploreOptions{Runs: 10, KeepGoing: true}, func(m *Machine) {
		m.tb.Cleanup(func() { n++ })
		lostUpdate(m)
	})
	z := r.Failures[0].Shrinking
	assert.Equal(t, 11+z.Runs+2+1, n, "ten runs, one repeat, those that make it simpler, "+
		"two of the simplest one, and the boring run at the end")
}
