package fwpm

import (
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteFilterCreateEnum = fails("FwpmFilterCreateEnumHandle0")
	siteFilterEnum       = fails("FwpmFilterEnum0")
	siteFilterSubscribe  = fails("FwpmFilterSubscribeChanges0")
)

// FwpmFilterCreateEnumHandle0 begins an enumeration of the filters there are now; NULL for the template means
// all of them.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the caller ends it with FwpmFilterDestroyEnumHandle0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a transaction of others lasts;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfiltercreateenumhandle0.
func FwpmFilterCreateEnumHandle0(k *irql.K, engineHandle irql.HANDLE,
	enumTemplate *FWPM_FILTER_ENUM_TEMPLATE0, enumHandle *irql.HANDLE) ntstatus.NTSTATUS {
	return begin(k, "FwpmFilterCreateEnumHandle0", &siteFilterCreateEnum, engineHandle, enumHandle,
		enumTemplate.list)
}

// FwpmFilterEnum0 gives the next filters of an enumeration; fewer than were asked for are the last.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the array is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_INVALID_HANDLE for handles that are none;
// STATUS_FWP_WRONG_SESSION for an enumeration of another session; STATUS_INSUFFICIENT_RESOURCES when memory
// is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilterenum0.
func FwpmFilterEnum0(k *irql.K, engineHandle, enumHandle irql.HANDLE, numEntriesRequested uint32,
	entries *[]*FWPM_FILTER0, numEntriesReturned *uint32) ntstatus.NTSTATUS {
	return next(k, page{"FwpmFilterEnum0", &siteFilterEnum}, engineHandle, enumHandle,
		numEntriesRequested, entries, numEntriesReturned, describeFilter)
}

// FwpmFilterDestroyEnumHandle0 ends an enumeration.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for an
// enumeration of another session.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilterdestroyenumhandle0.
func FwpmFilterDestroyEnumHandle0(k *irql.K, engineHandle, enumHandle irql.HANDLE) ntstatus.NTSTATUS {
	return finish[*wfp.Filter](k, "FwpmFilterDestroyEnumHandle0", engineHandle, enumHandle)
}

// FWPM_FILTER_CHANGE_CALLBACK0 is called when a filter was added or deleted; change is the engine's.
//
// IRQL: PASSIVE_LEVEL.
// Reference: win32 fwpmu/nc-fwpmu-fwpm_filter_change_callback0.
type FWPM_FILTER_CHANGE_CALLBACK0 func(k *irql.K, context any, change *FWPM_FILTER_CHANGE0)

// FwpmFilterSubscribeChanges0 asks to hear of filters that other sessions add and delete. What is told comes
// later, and now and then not at all.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the subscription lasts until FwpmFilterUnsubscribeChanges0 or FwpmEngineClose0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_INVALID_FLAGS; STATUS_FWP_NEVER_MATCH without
// any flag; STATUS_FWP_TXN_IN_PROGRESS in a transaction; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Not modelled: sessionKey.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfiltersubscribechanges0.
func FwpmFilterSubscribeChanges0(k *irql.K, engineHandle irql.HANDLE,
	subscription *FWPM_FILTER_SUBSCRIPTION0, callback FWPM_FILTER_CHANGE_CALLBACK0, context any,
	changeHandle *irql.HANDLE) ntstatus.NTSTATUS {
	w := &wish{name: "FwpmFilterSubscribeChanges0", site: &siteFilterSubscribe,
		kind: aFilter, fn: callback,
		there: subscription != nil}
	if w.there {
		w.flags = subscription.Flags
		w.wants = func(object any) bool {
			x, _ := object.(*wfp.Filter)
			return subscription.EnumTemplate.selects(x)
		}
	}
	if callback != nil {
		w.call = func(k *irql.K, c *change) {
			callback(k, context, &FWPM_FILTER_CHANGE0{c.typ, c.key, c.id})
		}
	}
	return subscribe(k, w, engineHandle, changeHandle)
}

// FwpmFilterUnsubscribeChanges0 ends a subscription. It waits until no callback of it runs, so that a
// callback that calls it waits for ever, as does who holds what the callback waits for.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for a
// subscription of another session; STATUS_FWP_TXN_IN_PROGRESS in a transaction.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmfilterunsubscribechanges0.
func FwpmFilterUnsubscribeChanges0(k *irql.K, engineHandle, changeHandle irql.HANDLE) ntstatus.NTSTATUS {
	return unsubscribe(k, "FwpmFilterUnsubscribeChanges0", aFilter, engineHandle, changeHandle)
}
