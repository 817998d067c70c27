package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

// Everybody who can go on has a name, and a file read again is the run.
func TestSimFile_NamesEverybody(t *testing.T) {
	var all strings.Builder
	for run := uint64(2); run < 30; run++ {
		out, err := RunScenario(Scenario{Name: "busy", Run: busy},
			RunOptions{Options: Options{Seed: run, TimersRace: true}, Story: true})
		require.NoError(t, err)
		text := out.ReplayFile()
		token, st, err := parseSimFile(text)
		require.NoError(t, err)
		assert.Equal(t, out.Machine.Token(), token)
		assert.Len(t, st.lines, len(out.Machine.Kernel().Choices()))
		all.WriteString(text)
		out.Close()

		st.name, token.story, token.strict = "x.sim", st, true
		again, err := RunScenario(Scenario{Name: "busy", Run: busy}, RunOptions{Replay: &token, Story: true})
		require.NoError(t, err)
		assert.False(t, again.Failed, "%v", again.Messages)
		assert.Equal(t, strings.Split(text, "\n")[4:], strings.Split(again.ReplayFile(), "\n")[4:])
		again.Close()
	}
	for _, name := range []string{"thread 0", "thread 2", "DPCs of processor 0", "DPCs of processor 1",
		"wire", "worker", "the clock"} {
		assert.Contains(t, all.String(), name)
	}
	assert.NotRegexp(t, `: .*\b(context|channel) \d+`, all.String())
}

func TestSimFile_ManyNumberedAlternativesAreARange(t *testing.T) {
	numbered := &ke.Site{Name: "env/Test/length"}
	assert.Equal(t, []string{"0 to 1499"}, altsOf(numbered, 1500))
	assert.Equal(t, []string{"#0", "#1"}, altsOf(numbered, 2))
	assert.Equal(t, "1f env/Test/length 64 #100: 0 to 1499",
		choiceLine(31, numbered.Name, altsOf(numbered, 1500), 100))
	named := &ke.Site{Name: "env/Test/answer", Alts: []string{"pended", "inline"}}
	assert.Equal(t, "0 env/Test/answer 1 inline: pended | inline",
		choiceLine(0, named.Name, altsOf(named, 2), 1))
}
