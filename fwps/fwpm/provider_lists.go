package fwpm

import (
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteProviderCreateEnum = fails("FwpmProviderCreateEnumHandle0")
	siteProviderEnum       = fails("FwpmProviderEnum0")
	siteProviderSubscribe  = fails("FwpmProviderSubscribeChanges0")
)

// FwpmProviderCreateEnumHandle0 begins an enumeration of the providers there are now; NULL for the template
// means all of them.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the caller ends it with FwpmProviderDestroyEnumHandle0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a transaction of others lasts;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercreateenumhandle0.
func FwpmProviderCreateEnumHandle0(k *irql.K, engineHandle irql.HANDLE,
	enumTemplate *FWPM_PROVIDER_ENUM_TEMPLATE0, enumHandle *irql.HANDLE) ntstatus.NTSTATUS {
	return begin(k, "FwpmProviderCreateEnumHandle0", &siteProviderCreateEnum, engineHandle, enumHandle,
		func(o *wfp.Objects) ([]*wfp.Provider, ntstatus.NTSTATUS) {
			return selected(o.Providers(), enumTemplate.selects), ok
		})
}

// FwpmProviderEnum0 gives the next providers of an enumeration; fewer than were asked for are the last.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the array is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_INVALID_HANDLE for handles that are none;
// STATUS_FWP_WRONG_SESSION for an enumeration of another session; STATUS_INSUFFICIENT_RESOURCES when memory
// is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmproviderenum0.
func FwpmProviderEnum0(k *irql.K, engineHandle, enumHandle irql.HANDLE, numEntriesRequested uint32,
	entries *[]*FWPM_PROVIDER0, numEntriesReturned *uint32) ntstatus.NTSTATUS {
	return next(k, page{"FwpmProviderEnum0", &siteProviderEnum}, engineHandle, enumHandle,
		numEntriesRequested, entries, numEntriesReturned, describeProvider)
}

// FwpmProviderDestroyEnumHandle0 ends an enumeration.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for an
// enumeration of another session.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmproviderdestroyenumhandle0.
func FwpmProviderDestroyEnumHandle0(k *irql.K, engineHandle, enumHandle irql.HANDLE) ntstatus.NTSTATUS {
	return finish[*wfp.Provider](k, "FwpmProviderDestroyEnumHandle0", engineHandle, enumHandle)
}

// FWPM_PROVIDER_CHANGE_CALLBACK0 is called when a provider was added or deleted; change is the engine's.
//
// IRQL: PASSIVE_LEVEL.
// Reference: win32 fwpmu/nc-fwpmu-fwpm_provider_change_callback0.
type FWPM_PROVIDER_CHANGE_CALLBACK0 func(k *irql.K, context any, change *FWPM_PROVIDER_CHANGE0)

// FwpmProviderSubscribeChanges0 asks to hear of providers that other sessions add and delete. What is told
// comes later, and now and then not at all.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the subscription lasts until FwpmProviderUnsubscribeChanges0 or FwpmEngineClose0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_INVALID_FLAGS; STATUS_FWP_NEVER_MATCH without
// any flag; STATUS_FWP_TXN_IN_PROGRESS in a transaction; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Not modelled: sessionKey.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidersubscribechanges0.
func FwpmProviderSubscribeChanges0(k *irql.K, engineHandle irql.HANDLE,
	subscription *FWPM_PROVIDER_SUBSCRIPTION0, callback FWPM_PROVIDER_CHANGE_CALLBACK0, context any,
	changeHandle *irql.HANDLE) ntstatus.NTSTATUS {
	w := &wish{name: "FwpmProviderSubscribeChanges0", site: &siteProviderSubscribe,
		kind: aProvider, fn: callback,
		there: subscription != nil}
	if w.there {
		w.flags = subscription.Flags
		w.wants = func(object any) bool {
			x, _ := object.(*wfp.Provider)
			return subscription.EnumTemplate.selects(x)
		}
	}
	if callback != nil {
		w.call = func(k *irql.K, c *change) {
			callback(k, context, &FWPM_PROVIDER_CHANGE0{c.typ, c.key})
		}
	}
	return subscribe(k, w, engineHandle, changeHandle)
}

// FwpmProviderUnsubscribeChanges0 ends a subscription. It waits until no callback of it runs, so that a
// callback that calls it waits for ever, as does who holds what the callback waits for.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for a
// subscription of another session; STATUS_FWP_TXN_IN_PROGRESS in a transaction.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmproviderunsubscribechanges0.
func FwpmProviderUnsubscribeChanges0(k *irql.K, engineHandle, changeHandle irql.HANDLE) ntstatus.NTSTATUS {
	return unsubscribe(k, "FwpmProviderUnsubscribeChanges0", aProvider, engineHandle, changeHandle)
}
