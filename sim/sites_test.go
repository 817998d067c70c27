package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// pinned runs a question with its pins and gives the pick.
func pinned(t *testing.T, site *ke.Site, pins ...Pin) (pick int, messages string) {
	t.Helper()
	out := attempt(t, Options{Pins: pins}, func(m *Machine) {
		m.Thread("a", func(k *ke.K) { pick = ke.Choose(k, site, max(len(site.Alts), 2)) })
		m.Run()
	})
	return pick, strings.Join(out.Messages, "")
}

func TestPin_PatternsFixManySites(t *testing.T) {
	site := &ke.Site{Name: "doc/Test/answer", Alts: []string{"never", "inline", "pended"}}
	for _, c := range []struct {
		pins []Pin
		want int
	}{
		{[]Pin{{"*", "2"}}, 2},
		{[]Pin{{"*", "pended"}}, 2},
		{[]Pin{{"*/answer", "inline"}}, 1},
		{[]Pin{{"*", "1"}}, 1},
		{[]Pin{{"env/*", "1"}}, 0},
		{[]Pin{{"*/irql", "1"}}, 0},
		{[]Pin{{"doc/*", "STATUS_DEVICE_BUSY"}}, 0},        // of another site
		{[]Pin{{"doc/*", "1"}, {"*/answer", "pended"}}, 2}, // the later
		{[]Pin{{"doc/Test/answer", "2"}, {"doc/*", "1"}}, 2},
		{[]Pin{{"doc/*", "1"}, {"doc/Test/answer", "2"}}, 2},
		{[]Pin{{"doc/Test/answer", "2"}, {"doc/Test/answer", "1"}}, 1},
	} {
		pick, messages := pinned(t, site, c.pins...)
		assert.Equal(t, c.want, pick, "%v", c.pins)
		assert.Empty(t, messages)
	}
}

func TestPin_WhatFixesNothingIsAnError(t *testing.T) {
	for want, pin := range map[string]Pin{
		"Options.Pins: no choice site matches \"docs/*\"; `ksim sites` lists them": {"docs/*", "0"},
		"Options.Pins: site fault/IoAllocateIrp has no alternative fails; there are succeeds, returns NULL": {
			"fault/IoAllocateIrp", "fails"},
		"Options.Pins: site fault/IoAllocateIrp has no alternative 2; there are succeeds, returns NULL": {
			"fault/IoAllocateIrp", "2"},
		"Options.Pins: no site that matches env/*/answer has an alternative passive; there are pended, " +
			"inline": {"env/*/answer", "passive"},
	} {
		_, err := RunScenario(Scenario{Name: "pins"}, RunOptions{Options: Options{Pins: []Pin{pin}}})
		assert.EqualError(t, err, want)
		_, err = ExploreScenario(Scenario{Name: "pins"}, ExploreOptions{Options: Options{Pins: []Pin{pin}}})
		assert.EqualError(t, err, want)
	}
	good := Options{Pins: []Pin{{"sched/wake", "1"}, {"env/*/irql", "passive"}, {"*", "0"},
		{"doc/*", "later"}}}
	require.NoError(t, good.check())
}

func TestSites_HaveNamesAlternativesAndASpec(t *testing.T) {
	all := Sites()
	for i, s := range all {
		kind, _, _ := strings.Cut(s.Name, "/")
		assert.Contains(t, []string{"fault", "doc", "env", "sched", "verifier", "wait"}, kind, s.Name)
		assert.NotEmpty(t, s.Spec, s.Name)
		assert.NotEqual(t, 1, len(s.Alternatives), s.Name)
		if i > 0 {
			assert.Less(t, all[i-1].Name, s.Name, "sorted, each once")
		}
	}
	assert.Len(t, MatchSites("fault/IoAllocateIrp"), 1)
	assert.Empty(t, MatchSites("IoAllocateIrp"))
}

func TestFlags_PinsMayHaveBlanks(t *testing.T) {
	assert.Equal(t, []string{"doc/A=applies the acquired copy", "env/*=0", "fault/B=returns NULL"},
		pinTexts("doc/A=applies the acquired copy  env/*=0 fault/B=returns NULL"))
	assert.Empty(t, pinTexts(""))
	assert.Equal(t, []string{"x"}, pinTexts("x"))
}
