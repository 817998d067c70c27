package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	testAnswer = &ke.Site{Name: "doc/Test/answer", Alts: []string{"usual", "odd"}}
	testFault  = &ke.Site{Name: "fault/Test", Alts: []string{"succeeds", "fails"}}
)

// asks is a scenario with questions about what Windows answers, and one order of two threads that matters.
func asks(questions int) func(m *Machine) {
	return func(m *Machine) {
		v := new(irql.Var[int32])
		m.Thread("asker.sys", func(k *irql.K) {
			for range questions {
				irql.InterlockedIncrement(k, v)
				ke.Choose(k, testAnswer, 2)
			}
		})
		m.Thread("other.sys", func(k *irql.K) { irql.InterlockedIncrement(k, v) })
		m.Run()
	}
}

// With three questions there are 4 places for the other thread's step, and 2, 4 or 8 ways to answer.
func TestAnswers_AreBoundedBesideFaults(t *testing.T) {
	for _, c := range []struct {
		strategy string
		answers  int
		runs     int
		covered  string
	}{
		{"dpor", 0, 4 * 4, "all 16 partial orders, answers <= 1, faults <= 1"},
		{"dpor", -1, 4, "all 4 partial orders, answers <= 0, faults <= 1"},
		{"dpor", 1, 4 * 4, "all 16 partial orders, answers <= 1, faults <= 1"},
		{"dpor", 2, 4 * 7, "all 28 partial orders, answers <= 2, faults <= 1"},
		{"dpor", 3, 4 * 8, "all 32 partial orders, answers <= 3, faults <= 1"},
		{"dpor", 50, 4 * 8, "all 32 partial orders, answers <= 50, faults <= 1"},
		{"dfs", 1, 4 * 4, "all 16 partial orders, answers <= 1, faults <= 1"},
		{"preempt0", 2, 2 * 7, "all 14 schedules, preemptions <= 0, answers <= 2, faults <= 1"},
		{"delay1", 1, 0, ", delays <= 1, answers <= 1, faults <= 1"},
	} {
		name := fmt.Sprint(c.strategy, " ", c.answers)
		r := collected(t, ExploreOptions{Strategy: c.strategy, Answers: c.answers}, asks(3))
		assert.True(t, r.Complete, name)
		assert.Contains(t, r.Covered, c.covered, name)
		if c.runs > 0 {
			assert.Equal(t, c.runs, r.Runs, name)
		}
	}
}

// A search that does not come to its end has gone through the lower levels.
func TestAnswers_GoUpOneByOne(t *testing.T) {
	r := collected(t, ExploreOptions{Strategy: "dpor", Answers: 3, Runs: 20}, asks(3))
	assert.False(t, r.Complete)
	assert.Equal(t, "all 16 partial orders, answers <= 1, faults <= 1; then 4 of unknown many with "+
		"answers = 2", r.Covered)
	r = collected(t, ExploreOptions{Strategy: "dpor", Answers: 3, Runs: 3}, asks(3))
	assert.Equal(t, "3 partial orders of unknown many, answers <= 0, faults <= 1", r.Covered)
}

// What needs two odd answers at once is not found below that, and found with the fewest.
func TestAnswers_FindWhatNeedsThem(t *testing.T) {
	story := func(m *Machine) {
		odd := 0
		m.Thread("asker.sys", func(k *irql.K) {
			for range 4 {
				odd += ke.Choose(k, testAnswer, 2)
			}
		})
		m.Run()
		if odd >= 2 {
			m.Fatalf("two odd answers")
		}
	}
	assert.Empty(t, collected(t, ExploreOptions{Strategy: "dpor"}, story).Failures)
	r := collected(t, ExploreOptions{Strategy: "dpor", Answers: 2}, story)
	require.Len(t, r.Failures, 1)
	assert.Equal(t, 1+4+1, r.Runs, "none, one, and the first with two")
	assert.Len(t, r.Failures[0].Token.Deviations, 2)
	assert.False(t, r.Complete)
}

// What a pin answers counts for no bound, and asks for no further level.
func TestAnswers_PinnedOnesAreFree(t *testing.T) {
	o := ExploreOptions{Strategy: "dpor", Answers: -1}
	o.Pins = []Pin{{testAnswer.Name, "odd"}, {testFault.Name, "fails"}}
	failed := 0
	story := func(m *Machine) {
		m.Thread("asker.sys", func(k *irql.K) {
			for range 2 {
				failed += ke.Choose(k, testAnswer, 2) + ke.Choose(k, testFault, 2)
			}
		})
		m.Run()
	}
	r := collected(t, o, story)
	assert.True(t, r.Complete)
	assert.Equal(t, 1, r.Runs)
	o.Answers, o.Pins = 0, o.Pins[1:]
	r = collected(t, o, story)
	assert.Equal(t, 3, r.Runs, "with either of the answers odd")
	assert.True(t, r.Complete)
}

// Nothing fails, and nothing is odd, under any strategy that is told so.
func TestBounds_NoneIsNoneForEveryStrategy(t *testing.T) {
	for _, strategy := range []string{"portfolio", "default", "random", "pct2", "pct3", "pos", "urw", "surw",
		"faults1", "faults2", "dpor", "dfs", "preempt1", "delay1"} {
		for _, none := range []string{"faults", "answers"} {
			o := ExploreOptions{Strategy: strategy, Runs: 300}
			if none == "faults" {
				o.Faults = -1
			} else {
				o.Answers = -1
			}
			var seen [2]int
			r := collected(t, o, func(m *Machine) {
				m.Thread("asker.sys", func(k *irql.K) {
					for range 3 {
						seen[0] += ke.Choose(k, testFault, 2)
						irql.Yield(k)
						seen[1] += ke.Choose(k, testAnswer, 2)
					}
				})
				m.Thread("other.sys", func(k *irql.K) { irql.Yield(k); irql.Yield(k) })
				m.Run()
			})
			name := strategy + ", no " + none
			assert.Zero(t, seen[map[string]int{"faults": 0, "answers": 1}[none]], name)
			if none == "answers" && strategy != "default" {
				assert.NotZero(t, seen[0], name)
			}
			if strategy == "faults1" && none == "faults" {
				assert.Equal(t, "complete: no faults, as was asked for", r.Covered)
				assert.Equal(t, 1, r.Runs)
			}
		}
	}
}

// An interrupted search goes on in the middle of a level, and ends with the same file. Reference:
// scheduling.md 14.
func TestAnswers_InterruptedSearchEndsAlike(t *testing.T) {
	slow := func(m *Machine) { time.Sleep(500 * time.Microsecond); asks(5)(m) }
	s := Scenario{Name: "asks", Title: "asks", Run: slow}
	for _, shard := range []string{"", "0/2", "1/2"} {
		for _, strategy := range []string{"dpor", "preempt1"} {
			o := ExploreOptions{Strategy: strategy, Answers: 2, KeepGoing: true}
			o.Shard = shard
			explored := func(budget time.Duration) (text string, stops int) {
				o.Out, o.Budget = t.TempDir(), budget
				for {
					r, err := ExploreScenario(s, o)
					require.NoError(t, err)
					if r.Incomplete == "" {
						break
					}
					stops++
				}
				names, err := filepath.Glob(filepath.Join(o.Out, "*"))
				require.NoError(t, err)
				require.Len(t, names, 1)
				b, err := os.ReadFile(names[0])
				require.NoError(t, err)
				return string(b), stops
			}
			want, _ := explored(0)
			got, stops := explored(15 * time.Millisecond)
			assert.Positive(t, stops)
			assert.Equal(t, want, got, "%s %s, interrupted %d times", strategy, shard, stops)
			assert.Contains(t, want, "answers <= 2")
		}
	}
}

// Shards of a bounded search see together what the undivided one sees.
func TestAnswers_ShardsShareTheLevels(t *testing.T) {
	for _, strategy := range []string{"dpor", "dfs", "preempt1"} {
		runs := func(shard string) (n int) {
			o := ExploreOptions{Strategy: strategy, Answers: 2}
			o.Shard = shard
			r := collected(t, o, asks(4))
			require.Empty(t, r.Failures)
			return r.Runs
		}
		whole := runs("")
		parts := runs("0/3") + runs("1/3") + runs("2/3")
		if strategy == "preempt1" {
			assert.Equal(t, whole, parts)
		} else {
			assert.GreaterOrEqual(t, parts, whole, "%s: every prefix is looked at", strategy)
		}
	}
}

func TestComplete_OnlyWhereEverythingWasGoneThrough(t *testing.T) {
	fails := func(k *irql.K, _ *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		return ntstatus.STATUS_UNSUCCESSFUL
	}
	never := func(m *Machine) { m.LoadStatus("never.sys", fails) }
	for _, strategy := range []string{"portfolio", "default", "random", "pct2", "pos", "urw", "surw"} {
		r := collected(t, ExploreOptions{Strategy: strategy, Runs: 50}, loads(leaky{}))
		assert.False(t, r.Complete, strategy)
		assert.Contains(t, r.Covered, "50 runs of unknown many")
	}
	for _, strategy := range []string{"dpor", "dfs", "preempt1", "faults1", "faults2"} {
		r := collected(t, ExploreOptions{Strategy: strategy}, loads(leaky{}))
		assert.True(t, r.Complete, strategy)
		r = collected(t, ExploreOptions{Strategy: strategy}, never)
		assert.False(t, r.Complete, strategy)
		assert.Contains(t, r.Covered, "; in none of them never.sys was loaded", strategy)
		o := ExploreOptions{Strategy: strategy}
		o.Budget = time.Nanosecond
		r = collected(t, o, loads(leaky{}))
		assert.Zero(t, r.Runs)
		assert.False(t, r.Complete, "%s: no run was made", strategy)
	}
}
