//go:build !simraces

package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	useafterfree "calloutsim/docs/examples/use-after-free"
	"calloutsim/docs/examples/use-after-free/scenario"
	"calloutsim/sim"
)

// Sampling finds the mistake, and so does going through everything. Either reports it from the simplest run,
// and says what has no order.
func TestMessage_MistakeIsFound(t *testing.T) {
	for strategy, atMost := range map[string]uint64{"portfolio": 1000, "random": 1000, "dpor": 10} {
		t.Run(strategy, func(t *testing.T) {
			r := sim.Explore(t, sim.ExploreOptions{Strategy: strategy, Runs: 1000,
				Options: sim.Options{Collect: true}}, scenario.Message(useafterfree.LooksAfterSend))
			require.Len(t, r.Failures, 1)
			f := r.Failures[0]
			t.Logf("run %d, %d choices, %d interruptions; simplest after %d runs %s", f.Run,
				f.Shrinking.From.Choices, f.Shrinking.From.Interruptions, f.Shrinking.Runs, f.Minimal)
			assert.LessOrEqual(t, f.Run, atMost)
			assert.Equal(t, []string{"POOL-013"}, f.Rules)
			assert.True(t, f.Repeats)
			assert.Equal(t, sim.Size{Choices: 1, Interruptions: 1}, f.Shrinking.To)
			assert.True(t, f.Shrinking.Proven)
			assert.Regexp(t, `(?m)^UNORDERED:\nnothing orders #\d+ \(work item work#1: `+
				`ExFreePoolWithTag\(pool#\d+\)\) before #\d+ \(app\.exe main\)\n`+
				`choice [0-9a-f.]+ let work item work#1 go on although app\.exe main could\n`, f.Report)
		})
	}
}

func TestMessage_FixIsProved(t *testing.T) {
	start := time.Now()
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor"}, scenario.Message(useafterfree.None))
	t.Logf("%s in %v", r.Covered, time.Since(start))
	assert.True(t, r.Complete)
	assert.Empty(t, r.Hazards)
	assert.Equal(t, "all 12 partial orders, answers <= 1, faults <= 1", r.Covered)
}

// Without failures there are two orders: the wait begins before the event is set, or after.
func TestMessage_FixHasTwoOrdersWithoutFailures(t *testing.T) {
	r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor", Faults: -1}, scenario.Message(useafterfree.None))
	assert.Equal(t, "all 2 partial orders, answers <= 1, faults <= 0", r.Covered)
}
