package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/ntstatus"
)

const knownFilterFlags = FWPM_FILTER_FLAG_PERSISTENT | FWPM_FILTER_FLAG_BOOTTIME |
	FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT | FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT |
	FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED | FWPM_FILTER_FLAG_INDEXED | FWPM_FILTER_FLAG_SILENT_MODE

// makeFilter checks a description and makes the filter of it.
func (s *session) makeFilter(k *ke.K, p *wfp.Draft, d *FWPM_FILTER0) (*wfp.Filter, ntstatus.NTSTATUS) {
	const lasting = FWPM_FILTER_FLAG_PERSISTENT | FWPM_FILTER_FLAG_BOOTTIME
	f := &wfp.Filter{Key: keyOf(k, d.FilterKey), Name: d.DisplayData.Name, Action: wfp.Action(d.Action.Type),
		Context: d.RawContext, ClearActionRight: d.Flags&FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT != 0,
		Boottime:                    d.Flags&FWPM_FILTER_FLAG_BOOTTIME != 0,
		PermitIfCalloutUnregistered: d.Flags&FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED != 0}
	layer, found := fwps.Sim.LayerByKey(d.LayerKey)
	f.Layer = layer
	sub := d.SubLayerKey
	if sub == (fwps.GUID{}) {
		sub = FWPM_SUBLAYER_UNIVERSAL
	}
	f.Sublayer = p.Sublayer(sub)
	switch {
	case d.DisplayData.Name == "":
		return nil, ntstatus.STATUS_FWP_NULL_DISPLAY_NAME
	case p.FilterByKey(f.Key) != nil:
		return nil, ntstatus.STATUS_FWP_ALREADY_EXISTS
	case d.Flags&^knownFilterFlags != 0 || d.Flags&lasting == lasting: // INFERRED, wfp.md 1.2
		return nil, ntstatus.STATUS_FWP_INVALID_FLAGS
	case !found:
		return nil, ntstatus.STATUS_FWP_LAYER_NOT_FOUND
	case f.Boottime && !fwps.Sim.KernelLayer(layer): // boot-time filters are the kernel's; status INFERRED
		return nil, ntstatus.STATUS_FWP_INCOMPATIBLE_LAYER
	case f.Sublayer == nil:
		return nil, ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND
	}
	st := ok
	if f.Origin, st = s.origin(&p.Objects, d.Flags&lasting != 0, d.ProviderKey); st != ok {
		return nil, st
	}
	if st := setAction(k, f, p, d); st != ok {
		return nil, st
	}
	if st := setContext(f, p, d); st != ok {
		return nil, st
	}
	if !mayRefer(f) {
		return nil, refused(k, verify.WFP_035, f.Key.String(),
			"FwpmFilterAdd0 with a filter that outlives what it refers to",
			ntstatus.STATUS_FWP_LIFETIME_MISMATCH)
	}
	if f.Conditions, st = conditions(k, f.Layer, d); st != ok {
		return nil, st
	}
	f.Weight, st = weight(&d.Weight, f.Conditions)
	return f, st
}

// mayRefer reports whether all that a filter refers to lasts as long as it does.
func mayRefer(f *wfp.Filter) bool {
	return f.Origin.MayReferTo(f.Sublayer.Origin) &&
		(f.Callout == nil || f.Origin.MayReferTo(f.Callout.Origin)) &&
		(f.Provided == nil || f.Origin.MayReferTo(f.Provided.Origin))
}

// setContext finds what the filter hands to its callout; then FWPS_FILTER's context is its number.
func setContext(f *wfp.Filter, p *wfp.Draft, d *FWPM_FILTER0) ntstatus.NTSTATUS {
	if d.Flags&FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT == 0 {
		return ok
	}
	f.Provided = p.ProviderContext(contextKey(d.ProviderContextKey))
	if f.Provided == nil {
		return ntstatus.STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND
	}
	f.Context = f.Provided.ID
	return ok
}

// setAction finds the callout of a filter.
func setAction(k *ke.K, f *wfp.Filter, p *wfp.Draft, d *FWPM_FILTER0) ntstatus.NTSTATUS {
	switch f.Action {
	case wfp.Permit, wfp.Block:
		if f.PermitIfCalloutUnregistered {
			return ntstatus.STATUS_FWP_INVALID_FLAGS
		}
		return ok
	case wfp.CalloutInspection:
		if f.PermitIfCalloutUnregistered {
			return ntstatus.STATUS_FWP_INVALID_FLAGS
		}
	case wfp.CalloutTerminating, wfp.CalloutUnknown:
	default:
		return ntstatus.STATUS_FWP_INVALID_ACTION_TYPE
	}
	f.Callout = p.Callout(d.Action.CalloutKey)
	switch {
	case f.Callout == nil:
		return refused(k, verify.WFP_032, d.Action.CalloutKey.String(),
			"FwpmFilterAdd0 names a callout that was not added",
			ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND)
	case f.Callout.Layer != f.Layer:
		return refused(k, verify.WFP_032, d.Action.CalloutKey.String(),
			"FwpmFilterAdd0 names a callout of another layer",
			ntstatus.STATUS_FWP_INCOMPATIBLE_LAYER)
	}
	return ok
}

// weight turns the three forms of a weight into a number.
func weight(v *fwps.FWP_VALUE0, c []wfp.Condition) (uint64, ntstatus.NTSTATUS) {
	w := v.Raw()
	switch {
	case w.Type == wfp.Empty:
		return wfp.AutomaticWeight(c), ok
	case w.Type == wfp.Uint64:
		return w.Num, ok
	case w.Type == wfp.Uint8 && w.Num <= 15:
		return wfp.WeightInRange(uint8(w.Num), c), ok
	}
	return 0, ntstatus.STATUS_FWP_INVALID_WEIGHT
}

// copyFilter copies a description with all that it points to, and fills in what the engine decided.
func copyFilter(in *FWPM_FILTER0, f *wfp.Filter) *FWPM_FILTER0 {
	d := *in
	d.FilterKey, d.SubLayerKey, d.FilterId = f.Key, f.Sublayer.Key, f.ID
	d.EffectiveWeight = fwps.Uint64Value(f.Weight)
	d.ProviderKey, d.ProviderData = copyKey(d.ProviderKey), copyBlob(d.ProviderData)
	d.FilterCondition = list.Add(nil, d.FilterCondition[:d.NumFilterConditions])
	return &d
}

// describeFilter makes a description with memory of its own.
func describeFilter(f *wfp.Filter) *FWPM_FILTER0 { return copyFilter(f.Data.(*FWPM_FILTER0), f) }
