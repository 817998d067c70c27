package wfp

import (
	"cmp"
	"slices"

	"calloutsim/internal/list"
)

// Layers is how many run-time layers there are.
const Layers = 99

// Objects are management objects, each kind in order of insertion. Nobody writes to a list that is handed
// out.
type Objects struct {
	providers []*Provider
	contexts  []*ProviderContext
	sublayers []*Sublayer
	callouts  []*Callout
	filters   []*Filter
}

// Provider finds a provider by key; nil when there is none.
func (o *Objects) Provider(key GUID) *Provider {
	return first(o.providers, func(p *Provider) bool { return p.Key == key })
}

// ProviderContext finds the provider context that is names; nil when there is none.
func (o *Objects) ProviderContext(is func(*ProviderContext) bool) *ProviderContext {
	return first(o.contexts, is)
}

// Sublayer finds a sublayer by key; nil when there is none.
func (o *Objects) Sublayer(key GUID) *Sublayer {
	return first(o.sublayers, func(s *Sublayer) bool { return s.Key == key })
}

// Callout finds a callout by key; nil when there is none.
func (o *Objects) Callout(key GUID) *Callout {
	return first(o.callouts, func(c *Callout) bool { return c.Key == key })
}

// FindCallout finds the callout that is names; nil when there is none.
func (o *Objects) FindCallout(is func(*Callout) bool) *Callout { return first(o.callouts, is) }

// Filter finds a filter by id; nil when there is none.
func (o *Objects) Filter(id uint64) *Filter {
	return first(o.filters, func(f *Filter) bool { return f.ID == id })
}

// FilterByKey finds a filter by key; nil when there is none.
func (o *Objects) FilterByKey(key GUID) *Filter {
	return first(o.filters, func(f *Filter) bool { return f.Key == key })
}

// Providers lists the providers.
func (o *Objects) Providers() []*Provider { return o.providers }

// ProviderContexts lists the provider contexts.
func (o *Objects) ProviderContexts() []*ProviderContext { return o.contexts }

// Sublayers lists the sublayers.
func (o *Objects) Sublayers() []*Sublayer { return o.sublayers }

// Callouts lists the callouts.
func (o *Objects) Callouts() []*Callout { return o.callouts }

// Filters lists the filters.
func (o *Objects) Filters() []*Filter { return o.filters }

// Refers reports whether an object says that it belongs to a provider.
func (o *Objects) Refers(p *Provider) bool {
	return first(o.contexts, func(x *ProviderContext) bool { return x.Origin.Provider == p }) != nil ||
		first(o.sublayers, func(x *Sublayer) bool { return x.Origin.Provider == p }) != nil ||
		first(o.callouts, func(x *Callout) bool { return x.Origin.Provider == p }) != nil ||
		first(o.filters, func(x *Filter) bool { return x.Origin.Provider == p }) != nil
}

//go:norace
func first[T any](all []*T, is func(*T) bool) *T {
	for _, x := range all {
		if is(x) {
			return x
		}
	}
	return nil
}

// Policy is the management objects in force, with the filters of each layer in the order they are evaluated
// in. The zero value is an empty policy.
//
// Invariant: a policy never changes once it is made; a transaction changes a Draft and commits it to another
// policy. Of a filter in it only Context and Deleted change.
type Policy struct {
	Objects
	at [Layers][]Group
}

// Group is a sublayer with its filters at one layer, heaviest first; those of equal weight stand in order of
// insertion.
type Group struct {
	Sublayer *Sublayer
	Filters  []*Filter
	index    *index
}

// At returns the groups of a layer, heaviest first. Nobody writes to them.
func (p *Policy) At(layer uint16) []Group { return p.at[layer] }

// Differs reports whether a layer's filters are others than in a policy this one was drafted from.
func (p *Policy) Differs(from *Policy, layer uint16) bool {
	a, b := p.at[layer], from.at[layer]
	return len(a) != len(b) || len(a) > 0 && &a[0] != &b[0]
}

// Beside lists the filters that share layer and sublayer with f.
func (p *Policy) Beside(f *Filter) []*Filter {
	for i := range p.at[f.Layer] {
		if g := &p.at[f.Layer][i]; g.Sublayer == f.Sublayer {
			return g.Filters
		}
	}
	return nil
}

// Order is At with sublayers of equal weight, whose order is undefined on Windows, as pick wants them: it
// chooses which of the n remaining ones comes next; 0 is the one added first.
func (p *Policy) Order(layer uint16, pick func(n int) int) []Group {
	groups := p.at[layer]
	own := false
	for i := range groups {
		n := 1
		for i+n < len(groups) && groups[i+n].Sublayer.Weight == groups[i].Sublayer.Weight {
			n++
		}
		if n == 1 {
			continue
		}
		c := pick(n)
		if c == 0 {
			continue
		}
		if !own {
			groups, own = list.Add(nil, groups), true
		}
		chosen := groups[i+c]
		for j := i + c; j > i; j-- {
			groups[j] = groups[j-1]
		}
		groups[i] = chosen
	}
	return groups
}

// Draft is what a transaction sees and changes.
type Draft struct {
	Objects
	base *Policy
}

// Draft copies the lists, not the objects.
func (p *Policy) Draft() *Draft {
	return &Draft{Objects{list.Add(nil, p.providers), list.Add(nil, p.contexts), list.Add(nil, p.sublayers),
		list.Add(nil, p.callouts), list.Add(nil, p.filters)}, p}
}

// AddProvider adds a provider behind the others.
func (d *Draft) AddProvider(p *Provider) { d.providers = append(d.providers, p) }

// AddProviderContext adds a provider context behind the others.
func (d *Draft) AddProviderContext(c *ProviderContext) { d.contexts = append(d.contexts, c) }

// AddSublayer adds a sublayer behind the others.
func (d *Draft) AddSublayer(s *Sublayer) { d.sublayers = append(d.sublayers, s) }

// AddCallout adds a callout.
func (d *Draft) AddCallout(c *Callout) { d.callouts = append(d.callouts, c) }

// AddFilter adds a filter behind the others.
func (d *Draft) AddFilter(f *Filter) { d.filters = append(d.filters, f) }

// RemoveProviders takes out the providers that drop names.
func (d *Draft) RemoveProviders(drop func(*Provider) bool) { d.providers = without(d.providers, drop) }

// RemoveProviderContexts takes out the provider contexts that drop names.
func (d *Draft) RemoveProviderContexts(drop func(*ProviderContext) bool) {
	d.contexts = without(d.contexts, drop)
}

// RemoveSublayers takes out the sublayers that drop names.
func (d *Draft) RemoveSublayers(drop func(*Sublayer) bool) { d.sublayers = without(d.sublayers, drop) }

// RemoveCallouts takes out the callouts that drop names.
func (d *Draft) RemoveCallouts(drop func(*Callout) bool) { d.callouts = without(d.callouts, drop) }

// RemoveFilter takes out a filter.
func (d *Draft) RemoveFilter(f *Filter) {
	d.filters = without(d.filters, func(o *Filter) bool { return o == f })
}

//go:norace
func without[T any](all []*T, drop func(*T) bool) []*T {
	var out []*T
	for _, x := range all {
		if !drop(x) {
			out = append(out, x)
		}
	}
	return out
}

// Commit makes the policy that the draft amounts to. Layers whose filters are what they were share the groups
// of the policy that the draft was made of.
//
// Invariant: a draft is done with once it is committed.
func (d *Draft) Commit() *Policy {
	p := &Policy{Objects: d.Objects, at: d.base.at}
	changed := differing(d.base.filters, d.filters)
	for l, c := range changed {
		if c {
			p.at[l] = group(d.sublayers, d.filters, uint16(l))
		}
	}
	return p
}

// differing tells at which layers filters are in only one of two lists. What is in both stands in the same
// order: filters are added behind the others only.
func differing(was, is []*Filter) (layers [Layers]bool) {
	i := 0
	for _, f := range was {
		if i < len(is) && is[i] == f {
			i++
		} else {
			layers[f.Layer] = true
		}
	}
	for _, f := range is[i:] {
		layers[f.Layer] = true
	}
	return layers
}

// group sorts the filters of a layer.
func group(sublayers []*Sublayer, filters []*Filter, layer uint16) []Group {
	var groups []Group
	for _, s := range sublayers {
		groups = append(groups, Group{Sublayer: s, index: new(index)})
	}
	for _, f := range filters {
		if f.Layer == layer && !f.Boottime {
			g := &groups[slices.Index(sublayers, f.Sublayer)]
			g.Filters = append(g.Filters, f)
		}
	}
	groups = slices.DeleteFunc(groups, func(g Group) bool { return len(g.Filters) == 0 })
	for i := range groups {
		slices.SortStableFunc(groups[i].Filters, func(a, b *Filter) int {
			return cmp.Compare(b.Weight, a.Weight)
		})
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Compare(b.Sublayer.Weight, a.Sublayer.Weight)
	})
	return groups
}
