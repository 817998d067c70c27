package results

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// counting makes a set of n hashes that are as regular as can be.
func counting(from, n int) *Traces {
	t := &Traces{}
	for i := range n {
		t.Add(uint64(from + i))
	}
	return t
}

// text is what a set looks like in a file.
func text(t testing.TB, s *Traces) string {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}

func TestTraces_ExactWhileSmall(t *testing.T) {
	s := counting(0, exactTraces)
	s.Merge(counting(0, exactTraces))
	assert.True(t, s.Exact())
	assert.EqualValues(t, exactTraces, s.Count())
	s.Add(1 << 40)
	assert.False(t, s.Exact())
	assert.InDelta(t, exactTraces+1, s.Count(), exactTraces*0.03)
}

// The standard error is 0.8 per cent: of 150 sets of all sizes none may be off by five times that, and the
// mean square must be about what it says.
func TestTraces_ErrorIsWithinBounds(t *testing.T) {
	const standard = 1.04 / 128
	worst, squares, sets := 0.0, 0.0, 0
	for _, n := range []int{4097, 6_000, 10_000, 20_000, 40_000, 60_000, 80_000, 150_000, 400_000,
		1_000_000} {
		for k := range 15 {
			off := float64(counting(k*10_000_000, n).Count())/float64(n) - 1
			worst = max(worst, math.Abs(off))
			squares += off * off
			sets++
		}
	}
	deviation := math.Sqrt(squares / float64(sets))
	t.Logf("%d sets, worst error %.2f%%, standard deviation %.2f%%", sets, 100*worst, 100*deviation)
	assert.Less(t, worst, 5*standard)
	assert.Less(t, deviation, 1.2*standard)
	assert.Greater(t, deviation, standard/4, "too good to be an estimate")
}

// genTraces draws sets on both sides of the limit, which overlap.
var genTraces = rapid.Custom(func(t *rapid.T) *Traces {
	n := rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(exactTraces-50, exactTraces+50),
		rapid.IntRange(exactTraces, 3*exactTraces)).Draw(t, "n")
	return counting(rapid.IntRange(0, 2*exactTraces).Draw(t, "from"), n)
})

// union puts sets together without changing them.
func union(sets ...*Traces) *Traces {
	u := &Traces{}
	for _, s := range sets {
		u.Merge(s)
	}
	return u
}

func TestTraces_MergeIsAUnion(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b, c := genTraces.Draw(rt, "a"), genTraces.Draw(rt, "b"), genTraces.Draw(rt, "c")
		before := text(t, a)
		abc := text(t, union(union(a, b), c))
		assert.Equal(rt, abc, text(t, union(a, union(b, c))), "associative")
		assert.Equal(rt, abc, text(t, union(c, b, a)), "commutative")
		assert.Equal(rt, abc, text(t, union(a, b, c, b, a)), "idempotent")
		assert.Equal(rt, before, text(t, a), "the parts stay as they are")
	})
}

// Whether a set is kept exactly follows from what is in it, not from how it came together.
func TestTraces_MergeIsTheSetOfAllHashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, cut := rapid.IntRange(1, 3*exactTraces).Draw(rt, "n"), rapid.IntRange(1, 9).Draw(rt, "parts")
		parts := make([]*Traces, cut)
		for i := range parts {
			parts[i] = &Traces{}
		}
		for i := range n {
			parts[i%cut].Add(uint64(i))
		}
		assert.Equal(rt, text(t, counting(0, n)), text(t, union(parts...)))
	})
}

func TestTraces_ReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := genTraces.Draw(rt, "a")
		var b Traces
		require.NoError(rt, json.Unmarshal([]byte(text(t, a)), &b))
		assert.Equal(rt, text(t, a), text(t, &b))
		assert.Equal(rt, a.Count(), b.Count())
	})
	for _, bad := range []string{`{"exact":["xyz"]}`, `{"hll":"@@@"}`, `[]`} {
		var b Traces
		assert.Error(t, json.Unmarshal([]byte(bad), &b), bad)
	}
}

func BenchmarkTraces_Add(b *testing.B) {
	s := counting(0, exactTraces+1)
	for i := range b.N {
		s.Add(uint64(i))
	}
}
