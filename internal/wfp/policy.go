package wfp

import (
	"slices"

	"calloutsim/internal/list"
)

// Policy is the set of management objects in force. A transaction works on a clone and puts it in force when
// it commits.
type Policy struct {
	Sublayers []*Sublayer
	Callouts  []*Callout
	Filters   []*Filter // in order of insertion
}

// Clone copies the lists, not the objects.
func (p *Policy) Clone() *Policy {
	return &Policy{list.Add(nil, p.Sublayers), list.Add(nil, p.Callouts), list.Add(nil, p.Filters)}
}

// Sublayer finds a sublayer by key; nil when there is none.
func (p *Policy) Sublayer(key GUID) *Sublayer {
	for _, s := range p.Sublayers {
		if s.Key == key {
			return s
		}
	}
	return nil
}

// Callout finds a callout by key; nil when there is none.
func (p *Policy) Callout(key GUID) *Callout {
	for _, c := range p.Callouts {
		if c.Key == key {
			return c
		}
	}
	return nil
}

// Filter finds a filter by id; nil when there is none.
func (p *Policy) Filter(id uint64) *Filter {
	for _, f := range p.Filters {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// FilterByKey finds a filter by key; nil when there is none.
func (p *Policy) FilterByKey(key GUID) *Filter {
	for _, f := range p.Filters {
		if f.Key == key {
			return f
		}
	}
	return nil
}

// Group is a sublayer with its filters at one layer, heaviest first.
type Group struct {
	Sublayer *Sublayer
	Filters  []*Filter
}

// Order returns the groups of a layer, heaviest first. Among sublayers of equal weight the order is undefined
// on Windows: pick chooses which of the n remaining ones comes next; 0 is the one added first. Filters of
// equal weight stand in order of insertion.
func (p *Policy) Order(layer uint16, pick func(n int) int) []Group {
	var groups []Group
	for _, s := range p.Sublayers {
		g := Group{Sublayer: s}
		for _, f := range p.Filters {
			if f.Layer == layer && f.Sublayer == s {
				g.Filters = append(g.Filters, f)
			}
		}
		if len(g.Filters) == 0 {
			continue
		}
		slices.SortStableFunc(g.Filters, func(a, b *Filter) int { return cmpDesc(a.Weight, b.Weight) })
		groups = append(groups, g)
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmpDesc(uint64(a.Sublayer.Weight), uint64(b.Sublayer.Weight))
	})
	for i := range groups {
		n := 1
		for i+n < len(groups) && groups[i+n].Sublayer.Weight == groups[i].Sublayer.Weight {
			n++
		}
		if n > 1 {
			c := pick(n)
			chosen := groups[i+c]
			for j := i + c; j > i; j-- {
				groups[j] = groups[j-1]
			}
			groups[i] = chosen
		}
	}
	return groups
}

func cmpDesc(a, b uint64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// AutomaticWeight gives a filter without a weight of its own one in [0, 2^60): more conditions weigh more, a
// condition on an exact value more than one on a set of values. How Windows computes it is not stated beyond
// the range.
func AutomaticWeight(conditions []Condition) uint64 {
	w := uint64(0)
	for i := range conditions {
		w += 2
		if conditions[i].Match == MatchEqual && conditions[i].Value.Type < V4AddrMask {
			w++
		}
	}
	return min(w<<40, 1<<60-1)
}

// WeightInRange places an automatic weight in one of the sixteen ranges an 8-bit weight stands for.
func WeightInRange(r uint8, conditions []Condition) uint64 {
	return uint64(r)<<60 | AutomaticWeight(conditions)
}
