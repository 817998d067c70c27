package fwpm

import (
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteSubLayerCreateEnum = fails("FwpmSubLayerCreateEnumHandle0")
	siteSubLayerEnum       = fails("FwpmSubLayerEnum0")
	siteSubLayerSubscribe  = fails("FwpmSubLayerSubscribeChanges0")
)

// FwpmSubLayerCreateEnumHandle0 begins an enumeration of the sublayers there are now; NULL for the template
// means all of them.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the caller ends it with FwpmSubLayerDestroyEnumHandle0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_TIMEOUT where a transaction of others lasts;
// STATUS_INVALID_HANDLE for what is no engine handle; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayercreateenumhandle0.
func FwpmSubLayerCreateEnumHandle0(k *irql.K, engineHandle irql.HANDLE,
	enumTemplate *FWPM_SUBLAYER_ENUM_TEMPLATE0, enumHandle *irql.HANDLE) ntstatus.NTSTATUS {
	return begin(k, "FwpmSubLayerCreateEnumHandle0", &siteSubLayerCreateEnum, engineHandle, enumHandle,
		func(o *wfp.Objects) ([]*wfp.Sublayer, ntstatus.NTSTATUS) {
			return selected(o.Sublayers(), enumTemplate.selects), ok
		})
}

// FwpmSubLayerEnum0 gives the next sublayers of an enumeration; fewer than were asked for are the last.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the array is the caller's; FwpmFreeMemory0 frees it.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_INVALID_HANDLE for handles that are none;
// STATUS_FWP_WRONG_SESSION for an enumeration of another session; STATUS_INSUFFICIENT_RESOURCES when memory
// is short.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayerenum0.
func FwpmSubLayerEnum0(k *irql.K, engineHandle, enumHandle irql.HANDLE, numEntriesRequested uint32,
	entries *[]*FWPM_SUBLAYER0, numEntriesReturned *uint32) ntstatus.NTSTATUS {
	return next(k, page{"FwpmSubLayerEnum0", &siteSubLayerEnum}, engineHandle, enumHandle,
		numEntriesRequested, entries, numEntriesReturned, describeSublayer)
}

// FwpmSubLayerDestroyEnumHandle0 ends an enumeration.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for an
// enumeration of another session.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayerdestroyenumhandle0.
func FwpmSubLayerDestroyEnumHandle0(k *irql.K, engineHandle, enumHandle irql.HANDLE) ntstatus.NTSTATUS {
	return finish[*wfp.Sublayer](k, "FwpmSubLayerDestroyEnumHandle0", engineHandle, enumHandle)
}

// FWPM_SUBLAYER_CHANGE_CALLBACK0 is called when a sublayer was added or deleted; change is the engine's.
//
// IRQL: PASSIVE_LEVEL.
// Reference: win32 fwpmu/nc-fwpmu-fwpm_sublayer_change_callback0.
type FWPM_SUBLAYER_CHANGE_CALLBACK0 func(k *irql.K, context any, change *FWPM_SUBLAYER_CHANGE0)

// FwpmSubLayerSubscribeChanges0 asks to hear of sublayers that other sessions add and delete. What is told
// comes later, and now and then not at all.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the subscription lasts until FwpmSubLayerUnsubscribeChanges0 or FwpmEngineClose0.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_FWP_INVALID_FLAGS; STATUS_FWP_NEVER_MATCH without
// any flag; STATUS_FWP_TXN_IN_PROGRESS in a transaction; STATUS_INVALID_HANDLE for what is no engine handle;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-004.
// Not modelled: sessionKey.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayersubscribechanges0.
func FwpmSubLayerSubscribeChanges0(k *irql.K, engineHandle irql.HANDLE,
	subscription *FWPM_SUBLAYER_SUBSCRIPTION0, callback FWPM_SUBLAYER_CHANGE_CALLBACK0, context any,
	changeHandle *irql.HANDLE) ntstatus.NTSTATUS {
	w := &wish{name: "FwpmSubLayerSubscribeChanges0", site: &siteSubLayerSubscribe,
		kind: aSublayer, fn: callback,
		there: subscription != nil}
	if w.there {
		w.flags = subscription.Flags
		w.wants = func(object any) bool {
			x, _ := object.(*wfp.Sublayer)
			return subscription.EnumTemplate.selects(x)
		}
	}
	if callback != nil {
		w.call = func(k *irql.K, c *change) {
			callback(k, context, &FWPM_SUBLAYER_CHANGE0{c.typ, c.key})
		}
	}
	return subscribe(k, w, engineHandle, changeHandle)
}

// FwpmSubLayerUnsubscribeChanges0 ends a subscription. It waits until no callback of it runs, so that a
// callback that calls it waits for ever, as does who holds what the callback waits for.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for handles that are none; STATUS_FWP_WRONG_SESSION for a
// subscription of another session; STATUS_FWP_TXN_IN_PROGRESS in a transaction.
// Rules: WFP-004.
// Reference: win32 fwpmu/nf-fwpmu-fwpmsublayerunsubscribechanges0.
func FwpmSubLayerUnsubscribeChanges0(k *irql.K, engineHandle, changeHandle irql.HANDLE) ntstatus.NTSTATUS {
	return unsubscribe(k, "FwpmSubLayerUnsubscribeChanges0", aSublayer, engineHandle, changeHandle)
}
