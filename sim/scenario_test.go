package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A scenario that breaks in some schedules shows one of them, and is told which run to make like any other.
func TestRunScenario_LooksForTheRunThatBreaks(t *testing.T) {
	s := Scenario{Name: "late", Run: touchedLate, Expect: []string{"POOL-013"}, Sometimes: true}
	out, err := RunScenario(s, RunOptions{})
	require.NoError(t, err)
	defer out.Close()
	require.NotNil(t, out.Found)
	assert.Greater(t, out.Found.Run, uint64(1))
	assert.Equal(t, out.Found.Minimal, out.Machine.Token())
	assert.Empty(t, s.AsExpected(&out))

	boring, err := RunScenario(s, RunOptions{Options: Options{Seed: 1}})
	require.NoError(t, err)
	defer boring.Close()
	assert.Nil(t, boring.Found)
	assert.Equal(t, "late should break POOL-013 and does not (found: none)", s.AsExpected(&boring))
}

func TestRunScenario_FindsNothingWhereNothingBreaks(t *testing.T) {
	s := Scenario{Name: "clean", Run: func(m *Machine) { m.Run() }, Sometimes: true}
	out, err := RunScenario(s, RunOptions{})
	require.NoError(t, err)
	defer out.Close()
	assert.Nil(t, out.Found)
	assert.False(t, out.Failed)
}

// What is wrong with the options is said before anything is looked for.
func TestRunScenario_RefusesOptionsBeforeItLooks(t *testing.T) {
	s := Scenario{Name: "late", Run: touchedLate, Sometimes: true}
	_, err := RunScenario(s, RunOptions{Options: Options{FailOn: "nothing"}})
	assert.ErrorContains(t, err, "Options.FailOn")
}
