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
	siteProviderAdd = fails("FwpmProviderAdd0")
	siteProviderGet = fails("FwpmProviderGetByKey0")
)

// FwpmProviderAdd0 adds a provider.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the structure stays the caller's.
// Returns: STATUS_SUCCESS; STATUS_FWP_ALREADY_EXISTS; STATUS_FWP_NULL_DISPLAY_NAME; STATUS_FWP_NULL_POINTER;
// STATUS_FWP_INVALID_FLAGS; STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS for a persistent one in a dynamic session;
// STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads; STATUS_INVALID_HANDLE for what is no engine
// handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-036.
// Not modelled: sd, the service of the provider.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovideradd0.
func FwpmProviderAdd0(k *irql.K, engineHandle irql.HANDLE, provider *FWPM_PROVIDER0,
	sd any) ntstatus.NTSTATUS {
	const name = "FwpmProviderAdd0"
	_ = sd
	s, st := called(k, name, engineHandle, provider != nil)
	if s == nil {
		return st
	}
	return done(k, name, s.id, s.add(k, &siteProviderAdd, func(t *transaction) ntstatus.NTSTATUS {
		return s.addProvider(k, t, provider)
	}))
}

func (s *session) addProvider(k *ke.K, t *transaction, in *FWPM_PROVIDER0) ntstatus.NTSTATUS {
	origin, st := s.origin(&t.draft.Objects, in.Flags&FWPM_PROVIDER_FLAG_PERSISTENT != 0, nil)
	switch {
	case in.DisplayData.Name == "":
		return ntstatus.STATUS_FWP_NULL_DISPLAY_NAME
	case in.Flags&^FWPM_PROVIDER_FLAG_PERSISTENT != 0: // DISABLED is the engine's (INFERRED, wfp.md 1.2)
		return ntstatus.STATUS_FWP_INVALID_FLAGS
	case st != ok:
		return st
	case t.draft.Provider(in.ProviderKey) != nil:
		return ntstatus.STATUS_FWP_ALREADY_EXISTS
	}
	d := *in
	d.ProviderKey, d.ProviderData = keyOf(k, in.ProviderKey), copyBlob(in.ProviderData)
	p := &wfp.Provider{Key: d.ProviderKey, Origin: origin, Data: &d}
	t.draft.AddProvider(p)
	t.note(change{aProvider, FWPM_CHANGE_ADD, p.Key, 0, p})
	return ok
}

// FwpmProviderDeleteByKey0 deletes a provider that no object belongs to.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_PROVIDER_NOT_FOUND; STATUS_FWP_IN_USE while objects belong to it;
// STATUS_FWP_WRONG_SESSION for one of another dynamic session; STATUS_FWP_NULL_POINTER;
// STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads; STATUS_INVALID_HANDLE for what is no engine
// handle.
// Rules: WFP-004, WFP-035, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmproviderdeletebykey0.
func FwpmProviderDeleteByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID) ntstatus.NTSTATUS {
	const name = "FwpmProviderDeleteByKey0"
	return taken(k, name, engineHandle, key != nil, func(s *session, t *transaction) ntstatus.NTSTATUS {
		p := t.draft.Provider(*key)
		if p == nil {
			return ntstatus.STATUS_FWP_PROVIDER_NOT_FOUND
		}
		if st := s.mayDelete(p.Origin); st != ok {
			return st
		}
		if t.draft.Refers(p) {
			return refused(k, verify.WFP_035, key.String(), name+" on a provider that objects belong to",
				ntstatus.STATUS_FWP_IN_USE)
		}
		t.dropProviders(func(o *wfp.Provider) bool { return o == p })
		return ok
	})
}

// dropProviders deletes the providers that is names.
func (t *transaction) dropProviders(is func(p *wfp.Provider) bool) {
	for _, p := range selected(t.draft.Providers(), is) {
		t.note(change{aProvider, FWPM_CHANGE_DELETE, p.Key, 0, p})
	}
	t.draft.RemoveProviders(is)
}

// FwpmProviderGetByKey0 describes a provider.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_PROVIDER_NOT_FOUND; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a
// transaction of others lasts; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidergetbykey0.
func FwpmProviderGetByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID,
	provider **FWPM_PROVIDER0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmProviderGetByKey0", &siteProviderGet,
		ntstatus.STATUS_FWP_PROVIDER_NOT_FOUND, key != nil}, engineHandle, provider,
		func(o *wfp.Objects) *wfp.Provider { return o.Provider(*key) }, describeProvider)
}

// describeProvider makes a description with memory of its own.
func describeProvider(p *wfp.Provider) *FWPM_PROVIDER0 {
	d := *p.Data.(*FWPM_PROVIDER0)
	d.ProviderData = copyBlob(d.ProviderData)
	return &d
}

// selects reports whether a template selects a provider; there is nothing it could leave out.
func (*FWPM_PROVIDER_ENUM_TEMPLATE0) selects(p *wfp.Provider) bool { return p != nil }
