package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteFilterAdd   = fails("FwpmFilterAdd0")
	siteFilterGetID = fails("FwpmFilterGetById0")
	siteFilterGet   = fails("FwpmFilterGetByKey0")
)

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
// STATUS_FWP_LIFETIME_MISMATCH; STATUS_FWP_PROVIDER_NOT_FOUND, STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND;
// STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS for a persistent one in a dynamic session;
// STATUS_FWP_CALLOUT_NOTIFICATION_FAILED where notifyFn refused;
// STATUS_FWP_NULL_POINTER; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that only reads;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004, WFP-012, WFP-030, WFP-031, WFP-032, WFP-035, WFP-036.
// Not modelled: sd; filters of a disabled provider; that a boot-time filter is ever in force.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilteradd0.
func FwpmFilterAdd0(k *irql.K, engineHandle irql.HANDLE, filter *FWPM_FILTER0, sd any,
	id *uint64) ntstatus.NTSTATUS {
	const name = "FwpmFilterAdd0"
	_ = sd
	s, st := called(k, name, engineHandle, filter != nil)
	if s == nil {
		return st
	}
	obj := s.id
	st = s.add(k, &siteFilterAdd, func(t *transaction) ntstatus.NTSTATUS {
		f, st := s.makeFilter(k, t.draft, filter)
		if st != ok {
			return st
		}
		f.ID = fwps.Sim.NextFilterID(k)
		// A boot-time filter comes into force when nobody runs who could be told (INFERRED).
		if !f.Boottime && !ntstatus.NT_SUCCESS(fwps.Sim.NotifyAdded(k, f)) {
			return ntstatus.STATUS_FWP_CALLOUT_NOTIFICATION_FAILED
		}
		f.Data = copyFilter(filter, f)
		t.draft.AddFilter(f)
		if !f.Boottime {
			t.added = append(t.added, f)
		}
		t.note(change{aFilter, FWPM_CHANGE_ADD, f.Key, f.ID, f})
		obj = trace.MakeID(trace.Filter, f.ID)
		if id != nil {
			*id = f.ID
		}
		return ok
	})
	return done(k, name, obj, st)
}

// FwpmFilterDeleteById0 deletes a filter.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_FILTER_NOT_FOUND; STATUS_FWP_WRONG_SESSION for one of another dynamic
// session; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that
// only reads; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-036, WFP-081.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilterdeletebyid0.
func FwpmFilterDeleteById0(k *irql.K, engineHandle irql.HANDLE, id uint64) ntstatus.NTSTATUS {
	return deleteFilter(k, "FwpmFilterDeleteById0", engineHandle, true,
		func(p *wfp.Draft) *wfp.Filter { return p.Filter(id) })
}

// FwpmFilterDeleteByKey0 deletes a filter.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_FWP_FILTER_NOT_FOUND; STATUS_FWP_WRONG_SESSION for one of another dynamic
// session; STATUS_FWP_INCOMPATIBLE_TXN in a transaction that
// only reads; STATUS_INVALID_HANDLE for what is no engine handle.
// Rules: WFP-004, WFP-036, WFP-081.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilterdeletebykey0.
func FwpmFilterDeleteByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID) ntstatus.NTSTATUS {
	return deleteFilter(k, "FwpmFilterDeleteByKey0", engineHandle, key != nil,
		func(p *wfp.Draft) *wfp.Filter { return p.FilterByKey(*key) })
}

func deleteFilter(k *irql.K, name string, engineHandle irql.HANDLE, there bool,
	find func(*wfp.Draft) *wfp.Filter) ntstatus.NTSTATUS {
	return taken(k, name, engineHandle, there, func(s *session, t *transaction) ntstatus.NTSTATUS {
		f := find(t.draft)
		if f == nil {
			return ntstatus.STATUS_FWP_FILTER_NOT_FOUND
		}
		if st := s.mayDelete(f.Origin); st != ok {
			return st
		}
		t.remove(f)
		return ok
	})
}

// FwpmFilterGetById0 describes a filter.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_FILTER_NOT_FOUND; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a
// transaction of others lasts; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfiltergetbyid0.
func FwpmFilterGetById0(k *irql.K, engineHandle irql.HANDLE, id uint64,
	filter **FWPM_FILTER0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmFilterGetById0", &siteFilterGetID, ntstatus.STATUS_FWP_FILTER_NOT_FOUND,
		true}, engineHandle, filter, func(o *wfp.Objects) *wfp.Filter { return o.Filter(id) }, describeFilter)
}

// FwpmFilterGetByKey0 is FwpmFilterGetById0 for those who remember the key.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the description is the caller's; FwpmFreeMemory0 frees it.
// Returns: as FwpmFilterGetById0.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfiltergetbykey0.
func FwpmFilterGetByKey0(k *irql.K, engineHandle irql.HANDLE, key *fwps.GUID,
	filter **FWPM_FILTER0) ntstatus.NTSTATUS {
	return give(k, question{"FwpmFilterGetByKey0", &siteFilterGet, ntstatus.STATUS_FWP_FILTER_NOT_FOUND,
		key != nil}, engineHandle, filter,
		func(o *wfp.Objects) *wfp.Filter { return o.FilterByKey(*key) }, describeFilter)
}
