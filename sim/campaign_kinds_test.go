package sim

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/sim/results"
)

// breakIt is the innermost function of a driver with one defect that is reached on two ways.
func breakIt(k *irql.K)   { irp.ExFreePoolWithTag(k, nil, 0) }
func oneWay(k *irql.K)    { breakIt(k) }
func theOther(k *irql.K)  { breakIt(k) }
func elsewhere(k *irql.K) { irp.ExFreePoolWithTag(k, nil, 0) }

// waysIn takes one of the ways.
func waysIn(ways ...func(k *irql.K)) func(m *Machine) {
	site := &ke.Site{Name: "env/Test/way"}
	return func(m *Machine) {
		m.Thread("broken.sys", func(k *irql.K) { ways[ke.Choose(k, site, len(ways))](k) })
		m.Run()
	}
}

func TestExplore_OneDefectIsOneFailure(t *testing.T) {
	for _, out := range []bool{false, true} {
		o := ExploreOptions{KeepGoing: true, Runs: 60, Workers: 2}
		if out {
			o.Out = t.TempDir()
		}
		r := collected(t, o, waysIn(oneWay, theOther, elsewhere))
		require.Len(t, r.Failures, 2)
		assert.Equal(t, 60, r.Failures[0].Runs+r.Failures[1].Runs, "every run fails")
		assert.Greater(t, r.Failures[0].Runs, r.Failures[1].Runs)
		assert.EqualValues(t, 1, r.Failures[0].Run)
		assert.Regexp(t, `(?m)^It is the first of \d+ runs that failed like it\.$`, r.Failures[0].Report)
		if !out {
			continue
		}
		names, _ := filepath.Glob(filepath.Join(o.Out, "*"))
		require.Len(t, names, 1)
		s, err := results.Load(names[0])
		require.NoError(t, err)
		assert.Equal(t, r.Failures[0].Runs, s.Findings[0].Failing)
		text, err := os.ReadFile(names[0])
		require.NoError(t, err)
		assert.NotContains(t, string(text), "failed like it", "shards add it up")
	}
	r := collected(t, ExploreOptions{Runs: 60}, waysIn(oneWay, theOther, elsewhere))
	require.Len(t, r.Failures, 1)
	assert.Equal(t, 1, r.Failures[0].Runs, "how many there are was not looked for")
}

// breakAll breaks some rules.
func breakAll(k *irql.K, rules []verify.RuleID) {
	for _, rule := range rules {
		ke.Report(k, verify.Finding{Rule: rule, Headline: "broken"})
	}
}

// Each failure that is reported shows something that none before it does.
func TestExplore_RunsWithSeveralDefects(t *testing.T) {
	found := func(rules ...verify.RuleID) func(k *irql.K) {
		return func(k *irql.K) { breakAll(k, rules) }
	}
	o := ExploreOptions{KeepGoing: true, Runs: 100}
	o.Continue = true
	r := collected(t, o, waysIn(found(verify.IRP_011), found(verify.IRP_011, verify.IRP_036),
		found(verify.IRP_036), found(verify.IRP_011)))
	var got [][]string
	runs := 0
	for _, f := range r.Failures {
		got = append(got, f.Rules)
		runs += f.Runs
	}
	assert.Len(t, got, 2, "%v", got)
	assert.Equal(t, []string{"IRP-011"}, got[0])
	assert.Contains(t, got[1], "IRP-036")
	assert.Equal(t, 100, runs)
}

// The simplest run shows all that the run showed, not only what came first.
func TestShrink_KeepsEveryDefectOfTheRun(t *testing.T) {
	o := ExploreOptions{Runs: 300, KeepGoing: true}
	o.Continues = []string{"IRP-011"}
	r := collected(t, o, func(m *Machine) {
		order := ""
		for _, name := range []string{"a", "b"} {
			m.Thread(name+".sys", func(k *ke.K) { touch(k, 0); order += name; touch(k, 0) })
		}
		m.Thread("c.sys", func(k *ke.K) {
			ke.Report(k, verify.Finding{Rule: verify.IRP_011, Headline: "broken in every run"})
			touch(k, 0)
			if order == "b" {
				ke.Report(k, verify.Finding{Rule: verify.POOL_013, Headline: "broken in some"})
			}
		})
		m.Run()
	})
	require.Len(t, r.Failures, 2)
	f := r.Failures[1]
	assert.Equal(t, []string{"IRP-011", "POOL-013"}, f.Rules)
	assert.NotEmpty(t, f.Minimal.Deviations)
	assert.Contains(t, f.Report, "POOL-013")
	assert.Contains(t, f.Report, "IRP-011")
}

// A rule may be a hazard in one case and fail the run in another; neither hides the other.
func TestExplore_HazardAndFailureOfOneRule(t *testing.T) {
	for _, out := range []string{"", t.TempDir()} {
		o := ExploreOptions{KeepGoing: true, Runs: 40}
		o.Out = out
		mild := func(k *irql.K) { breakOnce(k, true) }
		r := collected(t, o, waysIn(mild, mild, func(k *irql.K) { breakOnce(k, false) }))
		assert.Len(t, r.Failures, 1)
		assert.Len(t, r.Hazards, 1)
	}
}

// breakOnce breaks a rule, or comes close.
func breakOnce(k *irql.K, mild bool) {
	ke.Report(k, verify.Finding{Rule: verify.IRP_011, Headline: "broken", Warning: mild})
}
