package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteSubLayerAdd = fails("FwpmSubLayerAdd0")
	siteSubLayerGet = fails("FwpmSubLayerGetByKey0")
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
// STATUS_FWP_PROVIDER_NOT_FOUND; STATUS_FWP_INVALID_FLAGS; STATUS_FWP_LIFETIME_MISMATCH;
// STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS for a persistent one in a dynamic session;
// STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads; STATUS_INVALID_HANDLE for what is no engine
// handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-036.
// Not modelled: sd.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayeradd0.
func FwpmSubLayerAdd0(k *irql.K, engineHandle irql.HANDLE, subLayer *FWPM_SUBLAYER0,
	sd any) ntstatus.NTSTATUS {
	const name = "FwpmSubLayerAdd0"
	_ = sd
	s, st := called(k, name, engineHandle, subLayer != nil)
	if s == nil {
		return st
	}
	return done(k, name, s.id, s.add(k, &siteSubLayerAdd, func(t *transaction) ntstatus.NTSTATUS {
		return s.addSublayer(k, t, subLayer)
	}))
}

func (s *session) addSublayer(k *ke.K, t *transaction, in *FWPM_SUBLAYER0) ntstatus.NTSTATUS {
	origin, st := s.origin(&t.draft.Objects, in.Flags&FWPM_SUBLAYER_FLAG_PERSISTENT != 0, in.ProviderKey)
	switch {
	case in.DisplayData.Name == "":
		return ntstatus.STATUS_FWP_NULL_DISPLAY_NAME
	case in.Flags&^FWPM_SUBLAYER_FLAG_PERSISTENT != 0:
		return ntstatus.STATUS_FWP_INVALID_FLAGS
	case st != ok:
		return st
	case t.draft.Sublayer(in.SubLayerKey) != nil:
		return ntstatus.STATUS_FWP_ALREADY_EXISTS
	}
	d := *in
	d.SubLayerKey = keyOf(k, in.SubLayerKey)
	d.ProviderKey, d.ProviderData = copyKey(in.ProviderKey), copyBlob(in.ProviderData)
	sub := &wfp.Sublayer{Key: d.SubLayerKey, Name: d.DisplayData.Name, Weight: d.Weight, Origin: origin,
		Data: &d}
	t.draft.AddSublayer(sub)
	t.note(change{aSublayer, FWPM_CHANGE_ADD, sub.Key, 0, sub})
	return ok
}

// FwpmSubLayerDeleteByKey0 deletes a sublayer that no filter is in.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_SUBLAYER_NOT_FOUND; STATUS_FWP_IN_USE while filters are in it;
// STATUS_FWP_BUILTIN_OBJECT; STATUS_FWP_WRONG_SESSION for one of another dynamic session;
// STATUS_FWP_NULL_POINTER; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only
// reads; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-035, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayerdeletebykey0.
func FwpmSubLayerDeleteByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID) ntstatus.NTSTATUS {
	const name = "FwpmSubLayerDeleteByKey0"
	return taken(k, name, engineHandle, key != nil, func(s *session, t *transaction) ntstatus.NTSTATUS {
		sub := t.draft.Sublayer(*key)
		if sub == nil {
			return ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND
		}
		if st := s.mayDelete(sub.Origin); st != ok {
			return st
		}
		for _, f := range t.draft.Filters() {
			if f.Sublayer == sub {
				return refused(k, verify.WFP_035, key.String(), name+" on a sublayer that has filters",
					ntstatus.STATUS_FWP_IN_USE)
			}
		}
		t.dropSublayers(func(o *wfp.Sublayer) bool { return o == sub })
		return ok
	})
}

// dropSublayers deletes the sublayers that is names.
func (t *transaction) dropSublayers(is func(l *wfp.Sublayer) bool) {
	for _, l := range selected(t.draft.Sublayers(), is) {
		t.note(change{aSublayer, FWPM_CHANGE_DELETE, l.Key, 0, l})
	}
	t.draft.RemoveSublayers(is)
}

// FwpmSubLayerGetByKey0 describes a sublayer.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_SUBLAYER_NOT_FOUND; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a
// transaction of others lasts; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayergetbykey0.
func FwpmSubLayerGetByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID,
	subLayer **FWPM_SUBLAYER0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmSubLayerGetByKey0", &siteSubLayerGet,
		ntstatus.STATUS_FWP_SUBLAYER_NOT_FOUND, key != nil}, engineHandle, subLayer,
		func(o *wfp.Objects) *wfp.Sublayer { return o.Sublayer(*key) }, describeSublayer)
}

// describeSublayer makes a description with memory of its own. That of the system's own sublayer is short.
func describeSublayer(l *wfp.Sublayer) *FWPM_SUBLAYER0 {
	in, added := l.Data.(*FWPM_SUBLAYER0)
	if !added {
		return &FWPM_SUBLAYER0{SubLayerKey: l.Key, DisplayData: FWPM_DISPLAY_DATA0{Name: l.Name},
			Flags: FWPM_SUBLAYER_FLAG_PERSISTENT, Weight: l.Weight}
	}
	d := *in
	d.ProviderKey, d.ProviderData = copyKey(d.ProviderKey), copyBlob(d.ProviderData)
	return &d
}

// selects reports whether a template selects a sublayer.
func (t *FWPM_SUBLAYER_ENUM_TEMPLATE0) selects(l *wfp.Sublayer) bool {
	return t == nil || belongs(l.Origin, t.ProviderKey)
}
