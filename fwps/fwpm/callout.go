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

var (
	siteCalloutAdd   = fails("FwpmCalloutAdd0")
	siteCalloutGetID = fails("FwpmCalloutGetById0")
	siteCalloutGet   = fails("FwpmCalloutGetByKey0")
)

// FwpmCalloutAdd0 adds the object by which filters name a callout. The code may be registered before or
// after.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the structure stays the caller's.
// Returns: STATUS_SUCCESS; STATUS_FWP_ALREADY_EXISTS; STATUS_FWP_LAYER_NOT_FOUND;
// STATUS_FWP_NULL_DISPLAY_NAME; STATUS_FWP_NULL_POINTER; STATUS_FWP_INVALID_FLAGS;
// STATUS_FWP_PROVIDER_NOT_FOUND; STATUS_FWP_LIFETIME_MISMATCH; STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS for a
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

func (s *session) addCallout(k *ke.K, t *transaction, in *FWPM_CALLOUT0, id *uint32) ntstatus.NTSTATUS {
	layer, found := fwps.Sim.LayerByKey(in.ApplicableLayer)
	origin, st := s.origin(&t.draft.Objects, in.Flags&FWPM_CALLOUT_FLAG_PERSISTENT != 0, in.ProviderKey)
	switch {
	case in.DisplayData.Name == "":
		return ntstatus.STATUS_FWP_NULL_DISPLAY_NAME
	case !found:
		return ntstatus.STATUS_FWP_LAYER_NOT_FOUND
	case in.Flags&^(FWPM_CALLOUT_FLAG_PERSISTENT|FWPM_CALLOUT_FLAG_USES_PROVIDER_CONTEXT) != 0:
		return ntstatus.STATUS_FWP_INVALID_FLAGS // REGISTERED is the engine's (INFERRED, wfp.md 1.2)
	case st != ok:
		return st
	case t.draft.Callout(in.CalloutKey) != nil:
		return ntstatus.STATUS_FWP_ALREADY_EXISTS
	}
	d := *in
	d.CalloutKey = keyOf(k, in.CalloutKey)
	d.ProviderKey, d.ProviderData = copyKey(in.ProviderKey), copyBlob(in.ProviderData)
	d.CalloutId = fwps.Sim.NextCalloutID(k, d.CalloutKey)
	o := &wfp.Callout{Key: d.CalloutKey, Name: d.DisplayData.Name, ID: d.CalloutId, Layer: layer,
		Flags: d.Flags, Origin: origin, Data: &d}
	t.draft.AddCallout(o)
	t.note(change{aCallout, FWPM_CHANGE_ADD, o.Key, uint64(o.ID), o})
	if id != nil {
		*id = o.ID
	}
	return ok
}

// FwpmCalloutDeleteById0 deletes a callout object that no filter names.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_CALLOUT_NOT_FOUND; STATUS_FWP_IN_USE while filters call it;
// STATUS_FWP_WRONG_SESSION for one of another dynamic session;
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
// STATUS_FWP_WRONG_SESSION for one of another dynamic session;
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
		c := t.draft.FindCallout(is)
		if c == nil {
			return ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND
		}
		if st := s.mayDelete(c.Origin); st != ok {
			return st
		}
		for _, f := range t.draft.Filters() {
			if f.Callout == c {
				return refused(k, verify.WFP_035, c.Key.String(),
					d.String()+" on a callout that filters name", ntstatus.STATUS_FWP_IN_USE)
			}
		}
		t.dropCallouts(func(o *wfp.Callout) bool { return o == c })
		return ntstatus.STATUS_SUCCESS
	})
	ke.CallStatus(k, d, s.id, uint32(st))
	return st
}

// dropCallouts deletes the callouts that is names.
func (t *transaction) dropCallouts(is func(c *wfp.Callout) bool) {
	for _, c := range selected(t.draft.Callouts(), is) {
		t.note(change{aCallout, FWPM_CHANGE_DELETE, c.Key, uint64(c.ID), c})
	}
	t.draft.RemoveCallouts(is)
}

// FwpmCalloutGetById0 describes a callout object; FWPM_CALLOUT_FLAG_REGISTERED tells whether its code is
// there.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_CALLOUT_NOT_FOUND; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a
// transaction of others lasts; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmcalloutgetbyid0.
func FwpmCalloutGetById0(k *irql.K, engineHandle irql.HANDLE, id uint32,
	callout **FWPM_CALLOUT0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmCalloutGetById0", &siteCalloutGetID, ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND,
		true}, engineHandle, callout, func(o *wfp.Objects) *wfp.Callout {
		return o.FindCallout(func(c *wfp.Callout) bool { return c.ID == id })
	}, registeredCallout(k))
}

// FwpmCalloutGetByKey0 is FwpmCalloutGetById0 for those who remember the key.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: as FwpmCalloutGetById0.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmcalloutgetbykey0.
func FwpmCalloutGetByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID,
	callout **FWPM_CALLOUT0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmCalloutGetByKey0", &siteCalloutGet, ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND,
		key != nil}, engineHandle, callout,
		func(o *wfp.Objects) *wfp.Callout { return o.Callout(*key) }, registeredCallout(k))
}

// registeredCallout makes descriptions with memory of their own, with what is registered now.
func registeredCallout(k *ke.K) func(c *wfp.Callout) *FWPM_CALLOUT0 {
	return func(c *wfp.Callout) *FWPM_CALLOUT0 {
		d := *c.Data.(*FWPM_CALLOUT0)
		d.ProviderKey, d.ProviderData = copyKey(d.ProviderKey), copyBlob(d.ProviderData)
		if fwps.Sim.Registered(k, c.Key) {
			d.Flags |= FWPM_CALLOUT_FLAG_REGISTERED
		}
		return &d
	}
}

// selects reports whether a template selects a callout.
func (t *FWPM_CALLOUT_ENUM_TEMPLATE0) selects(c *wfp.Callout) bool {
	if t == nil {
		return true
	}
	layer, found := fwps.Sim.LayerByKey(t.LayerKey)
	return belongs(c.Origin, t.ProviderKey) && (t.LayerKey == fwps.GUID{} || found && c.Layer == layer)
}
