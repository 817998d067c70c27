package wfp

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSpanTree_FindsTheSpansOfANumber against looking at every span.
func TestSpanTree_FindsTheSpansOfANumber(t *testing.T) {
	end := rapid.OneOf(rapid.Uint64Range(0, 20),
		rapid.SampledFrom([]uint64{math.MaxUint64 - 1, math.MaxUint64}))
	rapid.Check(t, func(rt *rapid.T) {
		var all []span
		for i := range rapid.IntRange(1, 12).Draw(rt, "filters") {
			var run []Condition
			for range rapid.IntRange(1, 3).Draw(rt, "conditions") {
				run = append(run, Condition{Value: Value{Type: Uint64, Num: end.Draw(rt, "low")},
					High: Value{Type: Uint64, Num: end.Draw(rt, "high")},
					Match: rapid.SampledFrom([]MatchType{MatchEqual, MatchRange, MatchGreater, MatchLess,
						MatchGreaterOrEqual, MatchLessOrEqual}).Draw(rt, "match")})
			}
			all = spans(all, int32(i), run)
			slices.SortFunc(all, span.compare)
		}
		n := end.Draw(rt, "number")
		var want, got []int32
		for _, s := range all {
			if s.low <= n && n <= s.high {
				want = append(want, s.position)
			}
		}
		if len(all) > 0 {
			for _, l := range plant(all).at(nil, n) {
				require.True(rt, slices.IsSortedFunc(l, place.compare))
				for _, p := range l {
					got = append(got, p.position)
				}
			}
		}
		slices.Sort(got)
		require.Equal(rt, want, got)
	})
}

// counted counts how often a value is asked for.
type counted struct {
	v Value
	n *int
}

// Value gives the one value.
func (c counted) Value(int) Value {
	*c.n++
	return c.v
}

// TestIndex_RangesLookAtFewFilters: of thousands of ranges only those that the value lies in are looked at.
func TestIndex_RangesLookAtFewFilters(t *testing.T) {
	d := new(Policy).Draft()
	sub := new(Sublayer)
	d.AddSublayer(sub)
	for i := range uint64(5000) {
		d.AddFilter(&Filter{ID: i + 1, Sublayer: sub, Action: Block, Conditions: []Condition{{
			Match: MatchRange,
			Value: Value{Type: Uint16, Num: 10 * i}, High: Value{Type: Uint16, Num: 10*i + 12}}}})
	}
	p := d.Commit()
	for port, hit := range map[uint64]bool{25_004: true, 60_000: false} {
		asked := 0
		r := Start(p.At(0), counted{Value{Type: Uint16, Num: port}, &asked}, Options{})
		require.Nil(t, r.Next())
		assert.Equal(t, hit, r.Verdict().Action == Block)
		assert.LessOrEqual(t, asked, 4, "looks at the value")
	}
}
