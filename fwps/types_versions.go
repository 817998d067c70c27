package fwps

import (
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// FWPS_FILTER0 is FWPS_FILTER1 as callouts of version 0 get it; the versions differ in the type of the
// provider context.
type FWPS_FILTER0 FWPS_FILTER1

// FWPS_FILTER2 is FWPS_FILTER1 as callouts of version 2 get it.
type FWPS_FILTER2 FWPS_FILTER1

// FWPS_FILTER3 is FWPS_FILTER1 as callouts of version 3 get it.
type FWPS_FILTER3 FWPS_FILTER1

// FWPS_CALLOUT_CLASSIFY_FN0 is classifyFn of version 0.
//
// IRQL: <= DISPATCH_LEVEL; what is delivered differs between layers and events.
// Ownership: every argument is the engine's and dies when the routine returns, classifyOut too.
// Rules: those of FWPS_CALLOUT_CLASSIFY_FN1.
// Reference: fwpsk/nc-fwpsk-fwps_callout_classify_fn0.
type FWPS_CALLOUT_CLASSIFY_FN0 func(k *irql.K, inFixedValues *FWPS_INCOMING_VALUES0,
	inMetaValues *FWPS_INCOMING_METADATA_VALUES0, layerData any, filter *FWPS_FILTER0, flowContext uint64,
	classifyOut *FWPS_CLASSIFY_OUT0)

// FWPS_CALLOUT_CLASSIFY_FN2 is classifyFn of version 2.
//
// IRQL: <= DISPATCH_LEVEL; what is delivered differs between layers and events.
// Ownership: every argument is the engine's and dies when the routine returns, classifyOut too.
// Rules: those of FWPS_CALLOUT_CLASSIFY_FN1.
// Reference: fwpsk/nc-fwpsk-fwps_callout_classify_fn2.
type FWPS_CALLOUT_CLASSIFY_FN2 func(k *irql.K, inFixedValues *FWPS_INCOMING_VALUES0,
	inMetaValues *FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *FWPS_FILTER2,
	flowContext uint64, classifyOut *FWPS_CLASSIFY_OUT0)

// FWPS_CALLOUT_CLASSIFY_FN3 is classifyFn of version 3.
//
// IRQL: <= DISPATCH_LEVEL; what is delivered differs between layers and events.
// Ownership: every argument is the engine's and dies when the routine returns, classifyOut too.
// Rules: those of FWPS_CALLOUT_CLASSIFY_FN1.
// Reference: fwpsk/nc-fwpsk-fwps_callout_classify_fn3.
type FWPS_CALLOUT_CLASSIFY_FN3 func(k *irql.K, inFixedValues *FWPS_INCOMING_VALUES0,
	inMetaValues *FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *FWPS_FILTER3,
	flowContext uint64, classifyOut *FWPS_CLASSIFY_OUT0)

// FWPS_CALLOUT_NOTIFY_FN0 is notifyFn of version 0.
//
// IRQL: <= DISPATCH_LEVEL, in practice PASSIVE_LEVEL.
// Ownership: filter is the engine's.
// Rules: WFP-006, WFP-025.
// Reference: fwpsk/nc-fwpsk-fwps_callout_notify_fn0.
type FWPS_CALLOUT_NOTIFY_FN0 func(k *irql.K, notifyType FWPS_CALLOUT_NOTIFY_TYPE, filterKey *GUID,
	filter *FWPS_FILTER0) ntstatus.NTSTATUS

// FWPS_CALLOUT_NOTIFY_FN2 is notifyFn of version 2.
//
// IRQL: <= DISPATCH_LEVEL, in practice PASSIVE_LEVEL.
// Ownership: filter is the engine's.
// Rules: WFP-006, WFP-025.
// Reference: fwpsk/nc-fwpsk-fwps_callout_notify_fn2.
type FWPS_CALLOUT_NOTIFY_FN2 func(k *irql.K, notifyType FWPS_CALLOUT_NOTIFY_TYPE, filterKey *GUID,
	filter *FWPS_FILTER2) ntstatus.NTSTATUS

// FWPS_CALLOUT_NOTIFY_FN3 is notifyFn of version 3.
//
// IRQL: <= DISPATCH_LEVEL, in practice PASSIVE_LEVEL.
// Ownership: filter is the engine's.
// Rules: WFP-006, WFP-025.
// Reference: fwpsk/nc-fwpsk-fwps_callout_notify_fn3.
type FWPS_CALLOUT_NOTIFY_FN3 func(k *irql.K, notifyType FWPS_CALLOUT_NOTIFY_TYPE, filterKey *GUID,
	filter *FWPS_FILTER3) ntstatus.NTSTATUS

// FWPS_CALLOUT0 describes a callout to FwpsCalloutRegister0.
type FWPS_CALLOUT0 struct {
	CalloutKey   GUID
	Flags        uint32
	ClassifyFn   FWPS_CALLOUT_CLASSIFY_FN0
	NotifyFn     FWPS_CALLOUT_NOTIFY_FN0
	FlowDeleteFn FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
}

// FWPS_CALLOUT2 describes a callout to FwpsCalloutRegister2.
type FWPS_CALLOUT2 struct {
	CalloutKey   GUID
	Flags        uint32
	ClassifyFn   FWPS_CALLOUT_CLASSIFY_FN2
	NotifyFn     FWPS_CALLOUT_NOTIFY_FN2
	FlowDeleteFn FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
}

// FWPS_CALLOUT3 describes a callout to FwpsCalloutRegister3.
type FWPS_CALLOUT3 struct {
	CalloutKey   GUID
	Flags        uint32
	ClassifyFn   FWPS_CALLOUT_CLASSIFY_FN3
	NotifyFn     FWPS_CALLOUT_NOTIFY_FN3
	FlowDeleteFn FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
}
