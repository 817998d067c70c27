package fwpm

import (
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteProviderContextCreateEnum = fails("FwpmProviderContextCreateEnumHandle0")
	siteProviderContextEnum       = fails("FwpmProviderContextEnum0")
	siteProviderContextSubscribe  = fails("FwpmProviderContextSubscribeChanges0")
)

// FwpmProviderContextCreateEnumHandle0 begins an enumeration of the provider contexts there are now; NULL for
// the template means all of them.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the caller ends it with FwpmProviderContextDestroyEnumHandle0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a transaction of others lasts;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextcreateenumhandle0.
func FwpmProviderContextCreateEnumHandle0(k *irql.K, engineHandle irql.HANDLE,
	enumTemplate *FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0, enumHandle *irql.HANDLE) ntstatus.NTSTATUS {
	return begin(k, "FwpmProviderContextCreateEnumHandle0", &siteProviderContextCreateEnum, engineHandle,
		enumHandle, func(o *wfp.Objects) ([]*wfp.ProviderContext, ntstatus.NTSTATUS) {
			return selected(o.ProviderContexts(), enumTemplate.selects), ok
		})
}

// FwpmProviderContextEnum0 gives the next provider contexts of an enumeration; fewer than were asked for are
// the last.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the array is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_INVALID_HANDLE for handles that are none;
// STATUS_FWP_WRONG_SESSION for an enumeration of another session; STATUS_INSUFFICIENT_RESOURCES when memory
// is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextenum0.
func FwpmProviderContextEnum0(k *irql.K, engineHandle, enumHandle irql.HANDLE, numEntriesRequested uint32,
	entries *[]*FWPM_PROVIDER_CONTEXT0, numEntriesReturned *uint32) ntstatus.NTSTATUS {
	return next(k, page{"FwpmProviderContextEnum0", &siteProviderContextEnum}, engineHandle, enumHandle,
		numEntriesRequested, entries, numEntriesReturned, describeContext)
}

// FwpmProviderContextDestroyEnumHandle0 ends an enumeration.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for an
// enumeration of another session.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextdestroyenumhandle0.
func FwpmProviderContextDestroyEnumHandle0(k *irql.K, engineHandle,
	enumHandle irql.HANDLE) ntstatus.NTSTATUS {
	return finish[*wfp.ProviderContext](k, "FwpmProviderContextDestroyEnumHandle0", engineHandle, enumHandle)
}

// FWPM_PROVIDER_CONTEXT_CHANGE_CALLBACK0 is called when a provider context was added or deleted; change is
// the engine's.
//
// IRQL: PASSIVE_LEVEL.
// Reference: win32 fwpmu/nc-fwpmu-fwpm_provider_context_change_callback0.
type FWPM_PROVIDER_CONTEXT_CHANGE_CALLBACK0 func(k *irql.K, context any,
	change *FWPM_PROVIDER_CONTEXT_CHANGE0)

// FwpmProviderContextSubscribeChanges0 asks to hear of provider contexts that other sessions add and delete.
// What is told comes later, and now and then not at all.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the subscription lasts until FwpmProviderContextUnsubscribeChanges0 or FwpmEngineClose0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_INVALID_FLAGS; STATUS_FWP_NEVER_MATCH without
// any flag; STATUS_FWP_TXN_IN_PROGRESS in a transaction; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Not modelled: sessionKey.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextsubscribechanges0.
func FwpmProviderContextSubscribeChanges0(k *irql.K, engineHandle irql.HANDLE,
	subscription *FWPM_PROVIDER_CONTEXT_SUBSCRIPTION0, callback FWPM_PROVIDER_CONTEXT_CHANGE_CALLBACK0,
	context any, changeHandle *irql.HANDLE) ntstatus.NTSTATUS {
	w := &wish{name: "FwpmProviderContextSubscribeChanges0", site: &siteProviderContextSubscribe,
		kind: aProviderContext, fn: callback,
		there: subscription != nil}
	if w.there {
		w.flags = subscription.Flags
		w.wants = func(object any) bool {
			x, _ := object.(*wfp.ProviderContext)
			return subscription.EnumTemplate.selects(x)
		}
	}
	if callback != nil {
		w.call = func(k *irql.K, c *change) {
			callback(k, context, &FWPM_PROVIDER_CONTEXT_CHANGE0{c.typ, c.key, c.id})
		}
	}
	return subscribe(k, w, engineHandle, changeHandle)
}

// FwpmProviderContextUnsubscribeChanges0 ends a subscription. It waits until no callback of it runs, so that
// a callback that calls it waits for ever, as does who holds what the callback waits for.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for a
// subscription of another session; STATUS_FWP_TXN_IN_PROGRESS in a transaction.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmprovidercontextunsubscribechanges0.
func FwpmProviderContextUnsubscribeChanges0(k *irql.K, engineHandle,
	changeHandle irql.HANDLE) ntstatus.NTSTATUS {
	return unsubscribe(k, "FwpmProviderContextUnsubscribeChanges0", aProviderContext, engineHandle,
		changeHandle)
}
