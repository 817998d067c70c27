package explore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
)

var (
	siteA = ke.Site{Name: "fault/A", Alts: []string{"succeeds", "fails"}}
	siteB = ke.Site{Name: "env/B", Alts: []string{"one", "two"}}
)

// asksThree asks three things that may fail, each only while nothing has failed but the first, which is tried
// again once. It gives what it asked and a word for what happened.
func asksThree(src ke.Source) (choices []ke.Choice, story string) {
	ask := func(s *ke.Site) bool {
		pick := src.Choose(s, 2)
		choices = append(choices, ke.Choice{Site: s, N: 2, Pick: uint16(pick)})
		story += fmt.Sprint(pick)
		return pick == 0
	}
	if !ask(&siteA) {
		if again := ask(&siteA); !again {
			return choices, story
		}
	}
	ask(&siteB)
	if ask(&siteA) {
		ask(&siteA)
	}
	return choices, story
}

// explore makes the runs of a plan as a worker does and gives their stories, with the runs made beforehand.
func explore(f *Faults, from, to uint64) (stories []string, before int) {
	for run := from; run <= to; run++ {
		if run == 1 {
			c, s := asksThree(ke.Boring{})
			f.Learn(1, c)
			f.Judged(1)
			stories = append(stories, s)
			continue
		}
		src, n, a := f.Source(run)
		for a == Unknown {
			c, _ := asksThree(src)
			f.Learn(n, c)
			before++
			src, n, a = f.Source(run)
		}
		if a != Planned {
			break
		}
		c, s := asksThree(src)
		f.Learn(run, c)
		f.Judged(run)
		stories = append(stories, s)
	}
	return stories, before
}

func TestFaults_EachOnce(t *testing.T) {
	f := newFaults(false)
	stories, before := explore(f, 1, 100)
	assert.Equal(t, []string{"0000", "10000", "001", "0001"}, stories)
	assert.Zero(t, before, "what has been made need not be made again")
	what, complete := f.Covered("budget")
	assert.True(t, complete)
	assert.Equal(t, "complete: all 3 single faults", what)
}

func TestFaults_ThenPairsInOrder(t *testing.T) {
	f := newFaults(true)
	stories, before := explore(f, 1, 100)
	assert.Equal(t, []string{"0000", "10000", "001", "0001", // the second is the last thing that is asked
		"11", "1001", "10001"}, stories)
	assert.Zero(t, before)
	what, complete := f.Covered("budget")
	assert.True(t, complete)
	assert.Equal(t, "complete: all 3 single faults and all 3 pairs", what)
}

func TestFaults_ARunNeedsNoRunBeforeIt(t *testing.T) {
	all, _ := explore(newFaults(true), 1, 100)
	for i, want := range all {
		if i == 0 {
			continue
		}
		f := newFaults(true)
		got, before := explore(f, uint64(i)+1, uint64(i)+1)
		assert.Equal(t, []string{want}, got, "run %d", i+1)
		assert.Positive(t, before)
		what, complete := f.Covered("budget")
		assert.False(t, complete)
		assert.Contains(t, what, "incomplete (budget): ")
	}
}

func TestFaults_BudgetIsNamed(t *testing.T) {
	f := newFaults(true)
	explore(f, 1, 5)
	what, complete := f.Covered("budget")
	assert.False(t, complete)
	assert.Equal(t, "incomplete (budget): all 3 single faults and 1 of 3 pairs", what)
	f = newFaults(true)
	explore(f, 1, 2)
	what, _ = f.Covered("stopped by a failure")
	assert.Equal(t, "incomplete (stopped by a failure): 1 of 3 single faults and 0 pairs of at least 3", what)
}

func TestFaults_ShareIsSpreadEvenly(t *testing.T) {
	f := FaultsBefore(2)
	stories, _ := explore(f, 1, 100)
	assert.Equal(t, []string{"0000", "10000", "001"}, stories, "of three, the first and the second")
	_, _, a := f.Source(4)
	assert.Equal(t, Other, a, "the other runs are somebody else's")
	what, complete := f.Covered("budget")
	assert.False(t, complete)
	assert.Equal(t, "incomplete (budget): 2 of 3 single faults", what)
	assert.Nil(t, FaultsBefore(0))
	assert.NotPanics(t, func() { explore(nil, 1, 3) })
}

func TestFaults_EveryWayToFailIsAFault(t *testing.T) {
	s := ke.Site{Name: "fault/C", Alts: []string{"succeeds", "fails", "raises"}}
	choices := []ke.Choice{{Site: &s, N: 3}, {Site: &siteA, N: 2}}
	require.Equal(t, 3, occurrences(choices))
	var got [][2]int
	for i := range 3 {
		f := Failing{first: i, second: -1}
		got = append(got, [2]int{f.Choose(&s, 3), f.Choose(&siteA, 2)})
	}
	assert.Equal(t, [][2]int{{1, 0}, {2, 0}, {0, 1}}, got)
}

func TestStrategies_FaultsAreKnownByName(t *testing.T) {
	for name, runs := range map[string]int{"faults1": 3, "faults2": 6} {
		s, err := Parse(name)
		require.NoError(t, err)
		assert.True(t, s.Ends())
		stories, _ := explore(s.Faults(1), 1, 100)
		assert.Len(t, stories, runs+1, name)
	}
	s, err := Parse("portfolio")
	require.NoError(t, err)
	assert.False(t, s.Ends())
	stories, _ := explore(s.Faults(200), 1, 100)
	assert.Len(t, stories, 4)
	s, err = Parse("random")
	require.NoError(t, err)
	assert.Nil(t, s.Faults(200))
}
