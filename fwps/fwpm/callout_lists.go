package fwpm

import (
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteCalloutCreateEnum = fails("FwpmCalloutCreateEnumHandle0")
	siteCalloutEnum       = fails("FwpmCalloutEnum0")
	siteCalloutSubscribe  = fails("FwpmCalloutSubscribeChanges0")
)

// FwpmCalloutCreateEnumHandle0 begins an enumeration of the callouts there are now; NULL for the template
// means all of them.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the caller ends it with FwpmCalloutDestroyEnumHandle0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a transaction of others lasts;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmcalloutcreateenumhandle0.
func FwpmCalloutCreateEnumHandle0(k *irql.K, engineHandle irql.HANDLE,
	enumTemplate *FWPM_CALLOUT_ENUM_TEMPLATE0, enumHandle *irql.HANDLE) ntstatus.NTSTATUS {
	return begin(k, "FwpmCalloutCreateEnumHandle0", &siteCalloutCreateEnum, engineHandle, enumHandle,
		func(o *wfp.Objects) ([]*wfp.Callout, ntstatus.NTSTATUS) {
			return selected(o.Callouts(), enumTemplate.selects), ok
		})
}

// FwpmCalloutEnum0 gives the next callouts of an enumeration; fewer than were asked for are the last.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the array is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_INVALID_HANDLE for handles that are none;
// STATUS_FWP_WRONG_SESSION for an enumeration of another session; STATUS_INSUFFICIENT_RESOURCES when memory
// is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmcalloutenum0.
func FwpmCalloutEnum0(k *irql.K, engineHandle, enumHandle irql.HANDLE, numEntriesRequested uint32,
	entries *[]*FWPM_CALLOUT0, numEntriesReturned *uint32) ntstatus.NTSTATUS {
	return next(k, page{"FwpmCalloutEnum0", &siteCalloutEnum}, engineHandle, enumHandle,
		numEntriesRequested, entries, numEntriesReturned, registeredCallout(k))
}

// FwpmCalloutDestroyEnumHandle0 ends an enumeration.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for an
// enumeration of another session.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmcalloutdestroyenumhandle0.
func FwpmCalloutDestroyEnumHandle0(k *irql.K, engineHandle, enumHandle irql.HANDLE) ntstatus.NTSTATUS {
	return finish[*wfp.Callout](k, "FwpmCalloutDestroyEnumHandle0", engineHandle, enumHandle)
}

// FWPM_CALLOUT_CHANGE_CALLBACK0 is called when a callout was added or deleted; change is the engine's.
//
// IRQL: PASSIVE_LEVEL.
// Reference: win32 fwpmu/nc-fwpmu-fwpm_callout_change_callback0.
type FWPM_CALLOUT_CHANGE_CALLBACK0 func(k *irql.K, context any, change *FWPM_CALLOUT_CHANGE0)

// FwpmCalloutSubscribeChanges0 asks to hear of callouts that other sessions add and delete. What is told
// comes later, and now and then not at all.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the subscription lasts until FwpmCalloutUnsubscribeChanges0 or FwpmEngineClose0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_INVALID_FLAGS; STATUS_FWP_NEVER_MATCH without
// any flag; STATUS_FWP_TXN_IN_PROGRESS in a transaction; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Not modelled: sessionKey.
// Reference: win32 fwpmu/nf-fwpmu-fwpmcalloutsubscribechanges0.
func FwpmCalloutSubscribeChanges0(k *irql.K, engineHandle irql.HANDLE,
	subscription *FWPM_CALLOUT_SUBSCRIPTION0, callback FWPM_CALLOUT_CHANGE_CALLBACK0, context any,
	changeHandle *irql.HANDLE) ntstatus.NTSTATUS {
	w := &wish{name: "FwpmCalloutSubscribeChanges0", site: &siteCalloutSubscribe,
		kind: aCallout, fn: callback,
		there: subscription != nil}
	if w.there {
		w.flags = subscription.Flags
		w.wants = func(object any) bool {
			x, _ := object.(*wfp.Callout)
			return subscription.EnumTemplate.selects(x)
		}
	}
	if callback != nil {
		w.call = func(k *irql.K, c *change) {
			callback(k, context, &FWPM_CALLOUT_CHANGE0{c.typ, c.key, uint32(c.id)})
		}
	}
	return subscribe(k, w, engineHandle, changeHandle)
}

// FwpmCalloutUnsubscribeChanges0 ends a subscription. It waits until no callback of it runs, so that a
// callback that calls it waits for ever, as does who holds what the callback waits for.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for a
// subscription of another session; STATUS_FWP_TXN_IN_PROGRESS in a transaction.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmcalloutunsubscribechanges0.
func FwpmCalloutUnsubscribeChanges0(k *irql.K, engineHandle, changeHandle irql.HANDLE) ntstatus.NTSTATUS {
	return unsubscribe(k, "FwpmCalloutUnsubscribeChanges0", aCallout, engineHandle, changeHandle)
}
