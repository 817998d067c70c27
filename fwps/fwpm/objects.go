package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// refused reports a reference between objects that cannot be; Windows answers it with s.
func refused(k *ke.K, rule verify.RuleID, obj, headline string, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	ke.Collect(k, verify.Finding{Rule: rule, Obj: obj, Headline: headline})
	return s
}

// FwpmSubLayerAdd0 adds a sublayer.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the structure stays the caller's.
// Returns: STATUS_SUCCESS; STATUS_FWP_ALREADY_EXISTS; STATUS_FWP_NULL_DISPLAY_NAME; STATUS_FWP_NULL_POINTER;
// STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS for a persistent one in a dynamic session;
// STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads; STATUS_INVALID_HANDLE for what is no engine
// handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-036.
// Not modelled: sd.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayeradd0.
func FwpmSubLayerAdd0(k *irql.K, engineHandle irql.HANDLE, subLayer *FWPM_SUBLAYER0,
	sd any) ntstatus.NTSTATUS {
	const name = "FwpmSubLayerAdd0"
	enter(k, name)
	_ = sd
	s := sessionOf(k, engineHandle)
	switch {
	case s == nil:
		return done(k, name, 0, ntstatus.STATUS_INVALID_HANDLE)
	case subLayer == nil:
		return done(k, name, s.id, ntstatus.STATUS_FWP_NULL_POINTER)
	case subLayer.DisplayData.Name == "":
		return done(k, name, s.id, ntstatus.STATUS_FWP_NULL_DISPLAY_NAME)
	case s.dynamic != 0 && subLayer.Flags&FWPM_SUBLAYER_FLAG_PERSISTENT != 0:
		return done(k, name, s.id, ntstatus.STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS)
	}
	return done(k, name, s.id, s.add(k, &siteSubLayerAdd, func(t *transaction) ntstatus.NTSTATUS {
		key := subLayer.SubLayerKey
		if key == (fwps.GUID{}) {
			key = state.Of(k).newKey()
		}
		if t.draft.Sublayer(key) != nil {
			return ntstatus.STATUS_FWP_ALREADY_EXISTS
		}
		t.draft.AddSublayer(&wfp.Sublayer{Key: key, Name: subLayer.DisplayData.Name, Weight: subLayer.Weight,
			Owner: s.dynamic})
		return ntstatus.STATUS_SUCCESS
	}))
}

// FwpmSubLayerDeleteByKey0 deletes a sublayer that no filter is in.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_SUBLAYER_NOT_FOUND; STATUS_FWP_IN_USE while filters are in it;
// STATUS_FWP_BUILTIN_OBJECT; STATUS_FWP_NULL_POINTER; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only
// reads; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-035, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayerdeletebykey0.
func FwpmSubLayerDeleteByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID) ntstatus.NTSTATUS {
	const name = "FwpmSubLayerDeleteByKey0"
	enter(k, name)
	s := sessionOf(k, engineHandle)
	switch {
	case s == nil:
		return ntstatus.STATUS_INVALID_HANDLE
	case key == nil:
		return ntstatus.STATUS_FWP_NULL_POINTER
	case *key == FWPM_SUBLAYER_UNIVERSAL:
		return done(k, name, s.id, ntstatus.STATUS_FWP_BUILTIN_OBJECT)
	}
	return done(k, name, s.id, s.change(k, func(t *transaction) ntstatus.NTSTATUS {
		sub := t.draft.Sublayer(*key)
		if sub == nil {
			return ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND
		}
		for _, f := range t.draft.Filters() {
			if f.Sublayer == sub {
				return refused(k, verify.WFP_035, key.String(), name+" on a sublayer that has filters",
					ntstatus.STATUS_FWP_IN_USE)
			}
		}
		t.draft.RemoveSublayers(func(o *wfp.Sublayer) bool { return o == sub })
		return ntstatus.STATUS_SUCCESS
	}))
}

// FwpmCalloutAdd0 adds the object by which filters name a callout. The code may be registered before or
// after.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the structure stays the caller's.
// Returns: STATUS_SUCCESS; STATUS_FWP_ALREADY_EXISTS; STATUS_FWP_LAYER_NOT_FOUND;
// STATUS_FWP_NULL_DISPLAY_NAME; STATUS_FWP_NULL_POINTER; STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS for a
// persistent one in a dynamic session; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-036.
// Not modelled: sd.
// Reference: fwpmk/nf-fwpmk-fwpmcalloutadd0.
func FwpmCalloutAdd0(k *irql.K, engineHandle irql.HANDLE, callout *FWPM_CALLOUT0, sd any,
	id *uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpmCalloutAdd0)
	_ = sd
	s := sessionOf(k, engineHandle)
	st, obj := ntstatus.STATUS_SUCCESS, trace.ID(0)
	switch {
	case s == nil:
		st = ntstatus.STATUS_INVALID_HANDLE
	case callout == nil:
		st, obj = ntstatus.STATUS_FWP_NULL_POINTER, s.id
	}
	if st != ntstatus.STATUS_SUCCESS {
		ke.CallStatus(k, ddi.FwpmCalloutAdd0, obj, uint32(st))
		return st
	}
	st = s.add(k, &siteCalloutAdd, func(t *transaction) ntstatus.NTSTATUS {
		return s.addCallout(k, t, callout, id)
	})
	ke.CallStatus(k, ddi.FwpmCalloutAdd0, s.id, uint32(st))
	return st
}

func (s *session) addCallout(k *ke.K, t *transaction, c *FWPM_CALLOUT0, id *uint32) ntstatus.NTSTATUS {
	layer, found := fwps.Sim.LayerByKey(c.ApplicableLayer)
	key := c.CalloutKey
	switch {
	case c.DisplayData.Name == "":
		return ntstatus.STATUS_FWP_NULL_DISPLAY_NAME
	case !found:
		return ntstatus.STATUS_FWP_LAYER_NOT_FOUND
	case s.dynamic != 0 && c.Flags&FWPM_CALLOUT_FLAG_PERSISTENT != 0:
		return ntstatus.STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS
	case key == fwps.GUID{}:
		key = state.Of(k).newKey()
	case t.draft.Callout(key) != nil:
		return ntstatus.STATUS_FWP_ALREADY_EXISTS
	}
	o := &wfp.Callout{Key: key, Name: c.DisplayData.Name, ID: fwps.Sim.NextCalloutID(k, key), Layer: layer,
		Flags: c.Flags, Owner: s.dynamic}
	t.draft.AddCallout(o)
	if id != nil {
		*id = o.ID
	}
	return ntstatus.STATUS_SUCCESS
}

// FwpmCalloutDeleteById0 deletes a callout object that no filter names.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_CALLOUT_NOT_FOUND; STATUS_FWP_IN_USE while filters call it;
// STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads; STATUS_INVALID_HANDLE for what is no engine
// handle.
// Rules: WFP-004, WFP-035, WFP-036.
// Reference: fwpmk/nf-fwpmk-fwpmcalloutdeletebyid0.
func FwpmCalloutDeleteById0(k *irql.K, engineHandle irql.HANDLE, id uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpmCalloutDeleteById0)
	return deleteCallout(k, ddi.FwpmCalloutDeleteById0, engineHandle,
		func(c *wfp.Callout) bool { return c.ID == id })
}

// FwpmCalloutDeleteByKey0 deletes a callout object that no filter names.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_CALLOUT_NOT_FOUND; STATUS_FWP_IN_USE while filters call it;
// STATUS_FWP_NULL_POINTER; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads;
// STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-035, WFP-036.
// Reference: fwpmk/nf-fwpmk-fwpmcalloutdeletebykey0.
func FwpmCalloutDeleteByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpmCalloutDeleteByKey0)
	if key == nil {
		return ntstatus.STATUS_FWP_NULL_POINTER
	}
	return deleteCallout(k, ddi.FwpmCalloutDeleteByKey0, engineHandle,
		func(c *wfp.Callout) bool { return c.Key == *key })
}

func deleteCallout(k *irql.K, d ddi.ID, engineHandle irql.HANDLE,
	is func(*wfp.Callout) bool) ntstatus.NTSTATUS {
	s := sessionOf(k, engineHandle)
	if s == nil {
		return ntstatus.STATUS_INVALID_HANDLE
	}
	st := s.change(k, func(t *transaction) ntstatus.NTSTATUS {
		if !t.draft.HasCallout(is) {
			return ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND
		}
		for _, f := range t.draft.Filters() {
			if f.Callout != nil && is(f.Callout) {
				return refused(k, verify.WFP_035, f.Callout.Key.String(),
					d.String()+" on a callout that filters name", ntstatus.STATUS_FWP_IN_USE)
			}
		}
		t.draft.RemoveCallouts(is)
		return ntstatus.STATUS_SUCCESS
	})
	ke.CallStatus(k, d, s.id, uint32(st))
	return st
}

// FwpmFilterAdd0 adds a filter. The callout it names is asked through notifyFn, if its code is registered.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the structure stays the caller's.
// Returns: STATUS_SUCCESS; STATUS_FWP_LAYER_NOT_FOUND, STATUS_FWP_SUBLAYER_NOT_FOUND,
// STATUS_FWP_CALLOUT_NOT_FOUND, STATUS_FWP_CONDITION_NOT_FOUND for what the filter names and is not there;
// STATUS_FWP_NULL_DISPLAY_NAME; STATUS_FWP_ALREADY_EXISTS; STATUS_FWP_TYPE_MISMATCH,
// STATUS_FWP_MATCH_TYPE_MISMATCH, STATUS_FWP_INVALID_RANGE, STATUS_FWP_INVALID_NET_MASK,
// STATUS_FWP_DUPLICATE_CONDITION for its conditions; STATUS_FWP_INVALID_WEIGHT,
// STATUS_FWP_INVALID_ACTION_TYPE, STATUS_FWP_INVALID_FLAGS, STATUS_FWP_INCOMPATIBLE_LAYER,
// STATUS_FWP_LIFETIME_MISMATCH; STATUS_FWP_CALLOUT_NOTIFICATION_FAILED where notifyFn refused;
// STATUS_FWP_NULL_POINTER; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-030, WFP-032, WFP-035, WFP-036.
// Not modelled: sd, provider contexts, disabled filters.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilteradd0.
func FwpmFilterAdd0(k *irql.K, engineHandle irql.HANDLE, filter *FWPM_FILTER0, sd any,
	id *uint64) ntstatus.NTSTATUS {
	const name = "FwpmFilterAdd0"
	enter(k, name)
	_ = sd
	s := sessionOf(k, engineHandle)
	if s == nil {
		return done(k, name, 0, ntstatus.STATUS_INVALID_HANDLE)
	}
	if filter == nil {
		return done(k, name, s.id, ntstatus.STATUS_FWP_NULL_POINTER)
	}
	obj := s.id
	st := s.add(k, &siteFilterAdd, func(t *transaction) ntstatus.NTSTATUS {
		f, st := s.makeFilter(k, t.draft, filter)
		if st != ntstatus.STATUS_SUCCESS {
			return st
		}
		f.ID = fwps.Sim.NextFilterID(k)
		if !ntstatus.NT_SUCCESS(fwps.Sim.NotifyAdded(k, f)) {
			return ntstatus.STATUS_FWP_CALLOUT_NOTIFICATION_FAILED
		}
		t.draft.AddFilter(f)
		t.added = append(t.added, f)
		obj = trace.MakeID(trace.Filter, f.ID)
		if id != nil {
			*id = f.ID
		}
		return ntstatus.STATUS_SUCCESS
	})
	return done(k, name, obj, st)
}

// FwpmFilterDeleteById0 deletes a filter.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_FILTER_NOT_FOUND; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that
// only reads; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-036, WFP-081.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilterdeletebyid0.
func FwpmFilterDeleteById0(k *irql.K, engineHandle irql.HANDLE, id uint64) ntstatus.NTSTATUS {
	return deleteFilter(k, "FwpmFilterDeleteById0", engineHandle,
		func(p *wfp.Draft) *wfp.Filter { return p.Filter(id) })
}

// FwpmFilterDeleteByKey0 deletes a filter.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_FILTER_NOT_FOUND; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that
// only reads; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-036, WFP-081.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilterdeletebykey0.
func FwpmFilterDeleteByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID) ntstatus.NTSTATUS {
	return deleteFilter(k, "FwpmFilterDeleteByKey0", engineHandle, func(p *wfp.Draft) *wfp.Filter {
		if key == nil {
			return nil
		}
		return p.FilterByKey(*key)
	})
}

func deleteFilter(k *irql.K, name string, engineHandle irql.HANDLE,
	find func(*wfp.Draft) *wfp.Filter) ntstatus.NTSTATUS {
	enter(k, name)
	s := sessionOf(k, engineHandle)
	if s == nil {
		return ntstatus.STATUS_INVALID_HANDLE
	}
	return done(k, name, s.id, s.change(k, func(t *transaction) ntstatus.NTSTATUS {
		f := find(t.draft)
		if f == nil {
			return ntstatus.STATUS_FWP_FILTER_NOT_FOUND
		}
		t.remove(f)
		return ntstatus.STATUS_SUCCESS
	}))
}
