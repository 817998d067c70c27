package wfp

import (
	"cmp"
	"slices"
)

// indexFrom is how many filters a group has before an index pays.
const indexFrom = 16

// index finds the filters of a group that an event can match. Each filter stands under one field that it
// wants to be equal to something, or in one network, or in rest; whether it matches is seen by looking at it.
// The index is made when the group is evaluated for the first time: filters may be added one by one at little
// cost.
type index struct {
	made  bool
	views []view
	rest  []int32 // positions of filters that stand under no view, ascending
}

// view is a field, or what a mask leaves of it, with the places of the filters that stand under it, by key
// and position.
type view struct {
	of     lens
	places []place
	spans  []span // of a lens of ranges, in place of places
	tree   *spanTree
}

// lens says what of a value counts: all of it, or the part that belongs to a network.
type lens struct {
	field int
	kind  DataType // V4AddrMask or V6AddrMask; Empty for all of the value; Range for numbers in order
	mask  uint64   // IPv4: the mask; IPv6: the length of the prefix
}

// through is what a condition compares, for those that an index helps with.
func (c *Condition) through() (l lens, ok bool) {
	l.field = c.Field
	switch c.Value.Type {
	case V4AddrMask:
		l.kind, l.mask = V4AddrMask, c.Value.Num&0xffff_ffff
	case V6AddrMask:
		l.kind, l.mask = V6AddrMask, min(c.Value.Num, 128)
	}
	if c.Value.Type.Number() && c.Match != MatchEqual {
		l.kind = Range
		return l, c.ordersNumbers()
	}
	return l, c.Match == MatchEqual
}

// ordersNumbers reports whether the condition compares numbers by their order.
func (c *Condition) ordersNumbers() bool {
	switch c.Match {
	case MatchRange, MatchGreater, MatchLess, MatchGreaterOrEqual, MatchLessOrEqual:
		return c.Value.Type.Number()
	}
	return false
}

// numbers reports whether all conditions compare with numbers.
func numbers(run []Condition) bool {
	for i := range run {
		if !run[i].Value.Type.Number() {
			return false
		}
	}
	return true
}

// joint is the lens of two that a run of conditions on one field can be looked at through.
func joint(a, b lens) (lens, bool) {
	number := func(l lens) bool { return l.kind == Empty || l.kind == Range }
	if a != b && number(a) && number(b) {
		a.kind = Range
		return a, true
	}
	return a, a == b
}

// wanted is the key of the values that meet a condition.
func (l lens) wanted(c *Condition) uint64 {
	if l.kind == V4AddrMask {
		return c.Value.Num >> 32 & l.mask
	}
	return l.key(c.Value)
}

// key is a number that values share which look equal through the lens; others may share it as well.
func (l lens) key(v Value) uint64 {
	switch {
	case l.kind == V4AddrMask:
		return v.Num & l.mask
	case l.kind == V6AddrMask && len(v.Bytes) == 16:
		b := [16]byte(v.Bytes)
		for i := range b {
			left := int(l.mask) - 8*i
			b[i] &= byte(uint16(0xff00) >> max(min(left, 8), 0))
		}
		return hash(b[:])
	case v.Type.Number():
		return v.Num
	}
	return hash(v.Bytes)
}

// hash is FNV-1a.
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, x := range b {
		h = (h ^ uint64(x)) * 1099511628211
	}
	return h
}

// place says that the filter at a position of the group may match an event whose value has the key.
type place struct {
	key      uint64
	position int32
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.key, q.key), cmp.Compare(p.position, q.position))
}

// each calls yield for each run of conditions on one field that an index helps with: one of them has to hold
// for f to match.
func (f *Filter) each(yield func(l lens, equal []Condition)) {
	for i := 0; i < len(f.Conditions); {
		run := f.Conditions[i:]
		l, plain := run[0].through()
		n := 1
		for ; n < len(run) && run[n].Field == l.field; n++ {
			m, ok := run[n].through()
			together := false
			l, together = joint(l, m)
			plain = plain && ok && together
		}
		if l.kind == Range {
			plain = plain && numbers(run[:n])
		}
		if plain {
			yield(l, run[:n])
		}
		i += n
	}
}

// build fills the index. A filter that could stand under several views stands under the one that has the most
// keys in the group, which tells filters apart best.
func (x *index) build(filters []*Filter) {
	x.made = true
	for i, f := range filters {
		f.each(func(l lens, equal []Condition) { x.under(l).add(int32(i), equal) })
	}
	for i := range x.views {
		slices.SortFunc(x.views[i].places, place.compare)
		slices.SortFunc(x.views[i].spans, span.compare)
	}
	slices.SortStableFunc(x.views, func(a, b view) int { return cmp.Compare(b.keys(), a.keys()) })
	best := make([]int, len(filters))
	for i, f := range filters {
		best[i] = len(x.views)
		f.each(func(l lens, _ []Condition) {
			best[i] = min(best[i], slices.IndexFunc(x.views, func(v view) bool { return v.of == l }))
		})
		if best[i] == len(x.views) {
			x.rest = append(x.rest, int32(i))
		}
	}
	for i := range x.views {
		x.views[i].places = slices.DeleteFunc(x.views[i].places, func(p place) bool {
			return best[p.position] != i
		})
		x.views[i].spans = slices.DeleteFunc(x.views[i].spans, func(s span) bool {
			return best[s.position] != i
		})
		if len(x.views[i].spans) > 0 {
			x.views[i].tree = plant(x.views[i].spans)
		}
	}
	x.views = slices.DeleteFunc(x.views, func(v view) bool { return len(v.places) == 0 && v.tree == nil })
}

// under is the view through a lens, made when it is needed first.
func (x *index) under(l lens) *view {
	for i := range x.views {
		if x.views[i].of == l {
			return &x.views[i]
		}
	}
	x.views = append(x.views, view{of: l})
	return &x.views[len(x.views)-1]
}

func (v *view) add(position int32, equal []Condition) {
	if v.of.kind == Range {
		v.spans = spans(v.spans, position, equal)
		return
	}
	first := len(v.places)
	for i := range equal {
		p := place{v.of.wanted(&equal[i]), position}
		if !slices.Contains(v.places[first:], p) {
			v.places = append(v.places, p)
		}
	}
}

// keys counts the different keys.
func (v *view) keys() (n int) {
	if v.of.kind == Range {
		return v.differentSpans()
	}
	for i, p := range v.places {
		if i == 0 || p.key != v.places[i-1].key {
			n++
		}
	}
	return n
}

// at are the places of a key.
func (v *view) at(k uint64) []place {
	from, _ := slices.BinarySearchFunc(v.places, place{key: k}, place.compare)
	n := from
	for n < len(v.places) && v.places[n].key == k {
		n++
	}
	return v.places[from:n]
}

// ahead is what is still to be looked at in a group. The zero value stands before a group.
type ahead struct {
	open  bool
	next  int // without an index: the next position
	rest  []int32
	lists [][]place
}

// step returns the position of the next filter that may match; false at the end of the group.
func (a *ahead) step(g *Group, values Values) (int, bool) {
	if len(g.Filters) < indexFrom {
		a.next++
		return a.next - 1, a.next <= len(g.Filters)
	}
	if !a.open {
		a.enter(g, values)
	}
	best, from := int32(-1), -1
	if len(a.rest) > 0 {
		best = a.rest[0]
	}
	for i, l := range a.lists {
		if len(l) > 0 && (best < 0 || l[0].position < best) {
			best, from = l[0].position, i
		}
	}
	switch {
	case best < 0:
		return 0, false
	case from < 0:
		a.rest = a.rest[1:]
	default:
		a.lists[from] = a.lists[from][1:]
	}
	return int(best), true
}

// enter looks up what the values of an event lead to.
func (a *ahead) enter(g *Group, values Values) {
	a.open = true
	if !g.index.made {
		g.index.build(g.Filters)
	}
	a.rest, a.lists = g.index.rest, a.lists[:0]
	for i := range g.index.views {
		v := &g.index.views[i]
		value := values.Value(v.of.field)
		switch {
		case v.tree == nil:
			a.lists = append(a.lists, v.at(v.of.key(value)))
		case value.Type.Number():
			a.lists = v.tree.at(a.lists, value.Num)
		}
	}
}

// leave stands before the next group.
func (a *ahead) leave() { *a = ahead{lists: a.lists[:0]} }
