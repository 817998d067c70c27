package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/ntstatus"
)

const ok = ntstatus.STATUS_SUCCESS

// makeFilter checks a description and makes the filter of it.
func (s *session) makeFilter(k *ke.K, p *wfp.Draft, d *FWPM_FILTER0) (*wfp.Filter, ntstatus.NTSTATUS) {
	f := &wfp.Filter{Key: d.FilterKey, Name: d.DisplayData.Name, Action: wfp.Action(d.Action.Type),
		Owner:   s.dynamic,
		Context: d.RawContext, ClearActionRight: d.Flags&FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT != 0,
		PermitIfCalloutUnregistered: d.Flags&FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED != 0}
	if f.Key == (fwps.GUID{}) {
		f.Key = state.Of(k).newKey()
	}
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
	case !found:
		return nil, ntstatus.STATUS_FWP_LAYER_NOT_FOUND
	case f.Sublayer == nil:
		return nil, ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND
	case s.dynamic != 0 && d.Flags&FWPM_FILTER_FLAG_PERSISTENT != 0:
		return nil, ntstatus.STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS
	}
	if st := setAction(k, f, p, d); st != ok {
		return nil, st
	}
	if outlives(f.Owner, f.Sublayer.Owner) || f.Callout != nil && outlives(f.Owner, f.Callout.Owner) {
		return nil, refused(k, verify.WFP_035, f.Key.String(),
			"FwpmFilterAdd0 with a filter that outlives what it refers to",
			ntstatus.STATUS_FWP_LIFETIME_MISMATCH)
	}
	st := ok
	if f.Conditions, st = conditions(k, f.Layer, d); st != ok {
		return nil, st
	}
	f.Weight, st = weight(&d.Weight, f.Conditions)
	return f, st
}

// outlives reports whether an object may be there when the one it refers to has vanished with its session.
func outlives(owner, target uint64) bool { return target != 0 && target != owner }

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
