package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteContextAdd   = fails("FwpmProviderContextAdd0")
	siteContextGetID = fails("FwpmProviderContextGetById0")
	siteContextGet   = fails("FwpmProviderContextGetByKey0")
)

// lastContextType is the last of the kinds of FWPM_PROVIDER_CONTEXT_TYPE.
const lastContextType FWPM_PROVIDER_CONTEXT_TYPE = 13

// FwpmProviderContextAdd0 adds what filters can hand to their callouts.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the structure stays the caller's.
// Returns: STATUS_SUCCESS; STATUS_FWP_ALREADY_EXISTS; STATUS_FWP_PROVIDER_NOT_FOUND;
// STATUS_FWP_NULL_DISPLAY_NAME; STATUS_FWP_NULL_POINTER; STATUS_FWP_INVALID_FLAGS;
// STATUS_FWP_INVALID_ENUMERATOR for a type that is none; STATUS_FWP_LIFETIME_MISMATCH;
// STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS for a persistent one in a dynamic session;
// STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads; STATUS_INVALID_HANDLE for what is no engine
// handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-036.
// Not modelled: sd; other types than FWPM_GENERAL_CONTEXT, which are refused.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextadd0.
func FwpmProviderContextAdd0(k *irql.K, engineHandle irql.HANDLE, providerContext *FWPM_PROVIDER_CONTEXT0,
	sd any, id *uint64) ntstatus.NTSTATUS {
	const name = "FwpmProviderContextAdd0"
	_ = sd
	s, st := called(k, name, engineHandle, providerContext != nil)
	if s == nil {
		return st
	}
	return done(k, name, s.id, s.add(k, &siteContextAdd, func(t *transaction) ntstatus.NTSTATUS {
		return s.addContext(k, t, providerContext, id)
	}))
}

func (s *session) addContext(k *ke.K, t *transaction, in *FWPM_PROVIDER_CONTEXT0,
	id *uint64) ntstatus.NTSTATUS {
	origin, st := s.origin(&t.draft.Objects, in.Flags&FWPM_PROVIDER_CONTEXT_FLAG_PERSISTENT != 0,
		in.ProviderKey)
	switch {
	case in.DisplayData.Name == "":
		return ntstatus.STATUS_FWP_NULL_DISPLAY_NAME
	case in.Flags&^FWPM_PROVIDER_CONTEXT_FLAG_PERSISTENT != 0:
		return ntstatus.STATUS_FWP_INVALID_FLAGS
	case st != ok:
		return st
	case in.Type > lastContextType:
		return ntstatus.STATUS_FWP_INVALID_ENUMERATOR
	case in.Type != FWPM_GENERAL_CONTEXT:
		ke.Collect(k, verify.Finding{Kind: irp.NotModelled, Obj: "FwpmProviderContextAdd0",
			Headline: "a provider context of a type that is not modelled",
			Text:     "Only FWPM_GENERAL_CONTEXT, whose content is the callout's own, is."})
		return ntstatus.STATUS_NOT_SUPPORTED
	case in.DataBuffer == nil:
		return ntstatus.STATUS_FWP_NULL_POINTER
	case t.draft.ProviderContext(contextKey(in.ProviderContextKey)) != nil:
		return ntstatus.STATUS_FWP_ALREADY_EXISTS
	}
	d := copyContext(in)
	d.ProviderContextKey = keyOf(k, in.ProviderContextKey)
	d.ProviderContextId = state.Of(k).nextContext()
	c := &wfp.ProviderContext{Key: d.ProviderContextKey, ID: d.ProviderContextId, Origin: origin, Data: d}
	t.draft.AddProviderContext(c)
	t.note(change{aProviderContext, FWPM_CHANGE_ADD, c.Key, c.ID, c})
	if id != nil {
		*id = c.ID
	}
	return ok
}

// nextContext gives a provider context its number.
func (g *manager) nextContext() uint64 {
	g.contexts++
	return g.contexts
}

func contextKey(key fwps.GUID) func(c *wfp.ProviderContext) bool {
	return func(c *wfp.ProviderContext) bool { return c.Key == key }
}

func contextID(id uint64) func(c *wfp.ProviderContext) bool {
	return func(c *wfp.ProviderContext) bool { return c.ID == id }
}

// FwpmProviderContextDeleteById0 deletes a provider context that no filter hands out.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND; STATUS_FWP_IN_USE while filters have it;
// STATUS_FWP_WRONG_SESSION for one of another dynamic session; STATUS_FWP_INCOMPATIBLE_TXN in a transaction
// that only reads; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-035, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextdeletebyid0.
func FwpmProviderContextDeleteById0(k *irql.K, engineHandle irql.HANDLE, id uint64) ntstatus.NTSTATUS {
	return deleteContext(k, "FwpmProviderContextDeleteById0", engineHandle, true, contextID(id))
}

// FwpmProviderContextDeleteByKey0 is FwpmProviderContextDeleteById0 for those who remember the key.
//
// IRQL: PASSIVE_LEVEL.
// Returns: as FwpmProviderContextDeleteById0; STATUS_FWP_NULL_POINTER.
// Rules: WFP-004, WFP-035, WFP-036.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextdeletebykey0.
func FwpmProviderContextDeleteByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID) ntstatus.NTSTATUS {
	return deleteContext(k, "FwpmProviderContextDeleteByKey0", engineHandle, key != nil,
		func(c *wfp.ProviderContext) bool { return c.Key == *key })
}

func deleteContext(k *irql.K, name string, engineHandle irql.HANDLE, there bool,
	is func(c *wfp.ProviderContext) bool) ntstatus.NTSTATUS {
	return taken(k, name, engineHandle, there, func(s *session, t *transaction) ntstatus.NTSTATUS {
		c := t.draft.ProviderContext(is)
		if c == nil {
			return ntstatus.STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND
		}
		if st := s.mayDelete(c.Origin); st != ok {
			return st
		}
		for _, f := range t.draft.Filters() {
			if f.Provided == c {
				return refused(k, verify.WFP_035, c.Key.String(), name+" on a context that filters hand out",
					ntstatus.STATUS_FWP_IN_USE)
			}
		}
		t.dropContexts(func(o *wfp.ProviderContext) bool { return o == c })
		return ok
	})
}

// dropContexts deletes the provider contexts that is names.
func (t *transaction) dropContexts(is func(c *wfp.ProviderContext) bool) {
	for _, c := range selected(t.draft.ProviderContexts(), is) {
		t.note(change{aProviderContext, FWPM_CHANGE_DELETE, c.Key, c.ID, c})
	}
	t.draft.RemoveProviderContexts(is)
}

// FwpmProviderContextGetById0 describes a provider context.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND; STATUS_FWP_NULL_POINTER;
// STATUS_FWP_TIMEOUT where a transaction of others lasts; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextgetbyid0.
func FwpmProviderContextGetById0(k *irql.K, engineHandle irql.HANDLE, id uint64,
	providerContext **FWPM_PROVIDER_CONTEXT0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmProviderContextGetById0", &siteContextGetID,
		ntstatus.STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND, true}, engineHandle, providerContext,
		func(o *wfp.Objects) *wfp.ProviderContext { return o.ProviderContext(contextID(id)) },
		describeContext)
}

// FwpmProviderContextGetByKey0 is FwpmProviderContextGetById0 for those who remember the key.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: as FwpmProviderContextGetById0.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextgetbykey0.
func FwpmProviderContextGetByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID,
	providerContext **FWPM_PROVIDER_CONTEXT0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmProviderContextGetByKey0", &siteContextGet,
		ntstatus.STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND, key != nil}, engineHandle, providerContext,
		func(o *wfp.Objects) *wfp.ProviderContext { return o.ProviderContext(contextKey(*key)) },
		describeContext)
}

// copyContext copies a description with all that it points to.
func copyContext(in *FWPM_PROVIDER_CONTEXT0) *FWPM_PROVIDER_CONTEXT0 {
	d := *in
	d.ProviderKey, d.ProviderData = copyKey(d.ProviderKey), copyBlob(d.ProviderData)
	b := copyBlob(*d.DataBuffer)
	d.DataBuffer = &b
	return &d
}

// describeContext makes a description with memory of its own.
func describeContext(c *wfp.ProviderContext) *FWPM_PROVIDER_CONTEXT0 {
	return copyContext(c.Data.(*FWPM_PROVIDER_CONTEXT0))
}

// selects reports whether a template selects a provider context.
func (t *FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0) selects(c *wfp.ProviderContext) bool {
	return t == nil || belongs(c.Origin, t.ProviderKey) &&
		c.Data.(*FWPM_PROVIDER_CONTEXT0).Type == t.ProviderContextType
}
