package wfp

import (
	"cmp"
	"math"
	"slices"
)

// span is the numbers from low to high that let the filter at a position of the group match.
type span struct {
	low, high uint64
	position  int32
}

func (s span) compare(t span) int {
	return cmp.Or(cmp.Compare(s.position, t.position), cmp.Compare(s.low, t.low), cmp.Compare(s.high, t.high))
}

// span is the numbers that meet a condition; false for one that is about something else, or that none meets.
func (c *Condition) span() (low, high uint64, ok bool) {
	n := c.Value.Num
	switch c.Match {
	case MatchEqual:
		return n, n, true
	case MatchRange:
		return n, c.High.Num, n <= c.High.Num
	case MatchGreater:
		return n + 1, math.MaxUint64, n < math.MaxUint64
	case MatchGreaterOrEqual:
		return n, math.MaxUint64, true
	case MatchLess:
		return 0, n - 1, n > 0
	case MatchLessOrEqual:
		return 0, n, true
	}
	return 0, 0, false
}

// spans adds what lets a filter match, so that no number lies in two of its spans.
func spans(all []span, position int32, run []Condition) []span {
	first := len(all)
	for i := range run {
		if low, high, ok := run[i].span(); ok {
			all = append(all, span{low, high, position})
		}
	}
	mine := all[first:]
	slices.SortFunc(mine, span.compare)
	n := 0
	for _, s := range mine {
		if n > 0 && s.low <= mine[n-1].high {
			mine[n-1].high = max(mine[n-1].high, s.high)
			continue
		}
		mine[n] = s
		n++
	}
	return all[:first+n]
}

// spanTree finds the spans that a number lies in: a tree over the pieces that their ends cut the numbers
// into. A span stands at the few nodes that make it up; a number lies in the spans at the nodes above its
// piece.
type spanTree struct {
	begins []uint64 // of the pieces, ascending
	nodes  [][]place
}

// plant makes the tree of spans, which come in order of position.
func plant(all []span) *spanTree {
	t := new(spanTree)
	for _, s := range all {
		t.begins = append(t.begins, s.low)
		if s.high < math.MaxUint64 {
			t.begins = append(t.begins, s.high+1)
		}
	}
	slices.Sort(t.begins)
	t.begins = slices.Compact(t.begins)
	size := len(t.begins)
	t.nodes = make([][]place, 2*size)
	for _, s := range all {
		from, _ := slices.BinarySearch(t.begins, s.low)
		to := size
		if s.high < math.MaxUint64 {
			to, _ = slices.BinarySearch(t.begins, s.high+1)
		}
		for from, to = from+size, to+size; from < to; from, to = from/2, to/2 {
			if from%2 == 1 {
				t.nodes[from] = append(t.nodes[from], place{0, s.position})
				from++
			}
			if to%2 == 1 {
				to--
				t.nodes[to] = append(t.nodes[to], place{0, s.position})
			}
		}
	}
	return t
}

// at adds the lists of places whose spans n lies in.
func (t *spanTree) at(lists [][]place, n uint64) [][]place {
	i, found := slices.BinarySearch(t.begins, n)
	if !found {
		i-- // the piece that n lies in began before
	}
	if i < 0 {
		return lists
	}
	for i += len(t.begins); i > 0; i /= 2 {
		if len(t.nodes[i]) > 0 {
			lists = append(lists, t.nodes[i])
		}
	}
	return lists
}

// differentSpans counts the different spans of a view.
func (v *view) differentSpans() (n int) {
	all := make([]span, len(v.spans))
	for i, s := range v.spans {
		all[i] = span{low: s.low, high: s.high}
	}
	slices.SortFunc(all, span.compare)
	return len(slices.Compact(all))
}
