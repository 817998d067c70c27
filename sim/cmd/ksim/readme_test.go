package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/sim"
)

// What the README shows of an exhaustive search is what it prints.
func TestReadme_ShowsWhatIsPrinted(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	shown := regexp.MustCompile("(?s)`go run ./sim/cmd/ksim (explore use-after-free --strategy dpor)`:" +
		"\n\n```\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, shown, "the README has no such example any more")
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFindings, Main(strings.Fields(string(shown[1])), &stdout, &stderr))
	for l := range strings.Lines(string(shown[2])) {
		if l != "…\n" {
			assert.Contains(t, stdout.String(), l, "the README shows another line")
		}
	}

	proved := regexp.MustCompile("(?m)^sim: dpor: (all .*)$").FindSubmatch(text)
	require.NotNil(t, proved)
	for _, s := range scenarios() {
		if s.Name == "use-after-free-fixed" {
			r, err := sim.ExploreScenario(s, sim.ExploreOptions{Strategy: "dpor"})
			require.NoError(t, err)
			assert.True(t, r.Complete)
			assert.Equal(t, r.Covered, string(proved[1]))
		}
	}
}

// Every strategy there is has a line in the table of sim/README.md.
func TestReadme_ListsEveryStrategy(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, err = sim.ExploreScenario(scenarios()[0], sim.ExploreOptions{Strategy: "nosuch"})
	require.Error(t, err)
	_, list, _ := strings.Cut(err.Error(), "there are ")
	names := strings.Split(list, ", ")
	assert.Greater(t, len(names), 10)
	for _, name := range names {
		assert.Regexp(t, "(?m)^\\|.*`"+name+"`.* \\|", string(text))
	}
}
