package fwpm

import (
	"cmp"
	"slices"

	"calloutsim/fwps"
	"calloutsim/internal/wfp"
	"calloutsim/ntstatus"
)

const knownEnumFlags = FWP_FILTER_ENUM_FLAG_BEST_TERMINATING_MATCH | FWP_FILTER_ENUM_FLAG_SORTED |
	FWP_FILTER_ENUM_FLAG_BOOTTIME_ONLY | FWP_FILTER_ENUM_FLAG_INCLUDE_BOOTTIME |
	FWP_FILTER_ENUM_FLAG_INCLUDE_DISABLED

// list gives the filters that a template selects (wfp.md 1.6).
func (t *FWPM_FILTER_ENUM_TEMPLATE0) list(o *wfp.Objects) ([]*wfp.Filter, ntstatus.NTSTATUS) {
	if st := t.check(); st != ok {
		return nil, st
	}
	found := selected(o.Filters(), t.selects)
	if t == nil || t.Flags&(FWP_FILTER_ENUM_FLAG_SORTED|FWP_FILTER_ENUM_FLAG_BEST_TERMINATING_MATCH) == 0 {
		return found, ok
	}
	slices.SortStableFunc(found, func(a, b *wfp.Filter) int {
		return cmp.Or(cmp.Compare(b.Sublayer.Weight, a.Sublayer.Weight), cmp.Compare(b.Weight, a.Weight))
	})
	if t.Flags&FWP_FILTER_ENUM_FLAG_BEST_TERMINATING_MATCH != 0 {
		const terminates = wfp.Action(fwps.FWP_ACTION_FLAG_TERMINATING)
		found = selected(found, func(f *wfp.Filter) bool { return f.Action&terminates != 0 })
		found = found[:min(len(found), 1)]
	}
	return found, ok
}

// check judges a template.
func (t *FWPM_FILTER_ENUM_TEMPLATE0) check() ntstatus.NTSTATUS {
	if t == nil {
		return ok
	}
	layer, found := fwps.Sim.LayerByKey(t.LayerKey)
	switch {
	case !found:
		return ntstatus.STATUS_FWP_LAYER_NOT_FOUND
	case t.Flags&^knownEnumFlags != 0:
		return ntstatus.STATUS_FWP_INVALID_FLAGS
	case t.EnumType > FWP_FILTER_ENUM_OVERLAPPING:
		return ntstatus.STATUS_FWP_INVALID_ENUMERATOR
	case t.ActionMask == 0: // no action has a bit in it
		return ntstatus.STATUS_FWP_NEVER_MATCH
	case int(t.NumFilterConditions) > len(t.FilterCondition):
		return ntstatus.STATUS_FWP_INVALID_PARAMETER
	}
	_, st := t.values(layer)
	return st
}

// described are the values that the conditions of a template name, by field.
type described []wfp.Value

// Value is the value of a field, the zero Value for one that no condition names.
func (d described) Value(field int) wfp.Value { return d[field] }

// values reads the conditions of a template. Those on sets of values would select by comparing sets, which is
// not modelled: they are no condition on an exact value.
func (t *FWPM_FILTER_ENUM_TEMPLATE0) values(layer uint16) (described, ntstatus.NTSTATUS) {
	d := make(described, wfp.MaxFields)
	for i := range t.FilterCondition[:t.NumFilterConditions] {
		in := &t.FilterCondition[i]
		f, found := fieldOf(layer, in.FieldKey)
		if !found {
			return nil, ntstatus.STATUS_FWP_CONDITION_NOT_FOUND
		}
		c, st := condition(in, f.typ)
		switch {
		case st != ok:
			return nil, st
		case d[f.index].Type != wfp.Empty:
			return nil, ntstatus.STATUS_FWP_DUPLICATE_CONDITION
		case c.Match != wfp.MatchEqual || c.Value.Type != f.typ:
			return nil, ntstatus.STATUS_NOT_SUPPORTED
		}
		d[f.index] = c.Value
	}
	return d, ok
}

// selects reports whether a template selects a filter.
func (t *FWPM_FILTER_ENUM_TEMPLATE0) selects(f *wfp.Filter) bool {
	if t == nil {
		return !f.Boottime
	}
	layer, _ := fwps.Sim.LayerByKey(t.LayerKey)
	d, st := t.values(layer)
	return st == ok && f.Layer == layer && t.boottime(f.Boottime) && belongs(f.Origin, t.ProviderKey) &&
		(t.ActionMask == 0xFFFFFFFF || uint32(f.Action)&t.ActionMask != 0) &&
		(t.CalloutKey == nil || f.Callout != nil && f.Callout.Key == *t.CalloutKey) &&
		(t.ProviderContextTemplate == nil ||
			f.Provided != nil && t.ProviderContextTemplate.selects(f.Provided)) &&
		(t.NumFilterConditions == 0 || f.Covers(d, t.EnumType == FWP_FILTER_ENUM_OVERLAPPING))
}

// boottime reports whether a filter is selected as far as it matters when it is in force.
func (t *FWPM_FILTER_ENUM_TEMPLATE0) boottime(is bool) bool {
	switch {
	case t.Flags&FWP_FILTER_ENUM_FLAG_BOOTTIME_ONLY != 0:
		return is
	case t.Flags&FWP_FILTER_ENUM_FLAG_INCLUDE_BOOTTIME != 0:
		return true
	}
	return !is
}
