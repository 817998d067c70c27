package fwps

import (
	"calloutsim/fwps/ndis"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// FWPS_CLASSIFY_OUT0 is where classifyFn leaves its answer. OutContext, FilterId and Reserved are the
// system's. Values compare with ==.
type FWPS_CLASSIFY_OUT0 struct {
	ActionType FWP_ACTION_TYPE
	OutContext uint64
	FilterId   uint64
	Rights     uint32
	Flags      uint32
	Reserved   uint32
}

// FWPS_ACTION0 is the action of a filter at run time.
type FWPS_ACTION0 struct {
	Type      FWP_ACTION_TYPE
	CalloutId uint32
}

// FWPS_FILTER1 is the filter on whose behalf a callout is called. It is overwritten when the callback
// returns; only Context may be changed, and only by notifyFn.
type FWPS_FILTER1 struct {
	FilterId       uint64
	Weight         FWP_VALUE0
	SubLayerWeight uint16
	Flags          uint16
	Action         FWPS_ACTION0
	Context        uint64

	// ProviderContext is a *fwpm.FWPM_PROVIDER_CONTEXT0 of the engine's, nil when the filter has none or the
	// callout object does not say that it uses one.
	ProviderContext any
}

// FWPS_INBOUND_FRAGMENT_METADATA0 says which piece of a packet was indicated. Values compare with ==.
type FWPS_INBOUND_FRAGMENT_METADATA0 struct {
	FragmentIdentification uint32
	FragmentOffset         uint16
	FragmentLength         uint32
}

// FWPS_DISCARD_METADATA0 says why something was dropped. FilterId means something where a filter did it.
// Values compare with ==.
type FWPS_DISCARD_METADATA0 struct {
	DiscardModule uint32
	DiscardReason uint32
	FilterId      uint64
}

// FWPS_CALLOUT_CLASSIFY_FN1 is classifyFn of version 1.
//
// IRQL: <= DISPATCH_LEVEL; what is delivered differs between layers and events.
// Ownership: every argument is the engine's and dies when the routine returns, classifyOut too.
// Rules: WFP-005, WFP-006, WFP-038 to WFP-058, WFP-066, WFP-083, WFP-094.
// Reference: fwpsk/nc-fwpsk-fwps_callout_classify_fn1.
type FWPS_CALLOUT_CLASSIFY_FN1 func(k *irql.K, inFixedValues *FWPS_INCOMING_VALUES0,
	inMetaValues *FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *FWPS_FILTER1,
	flowContext uint64, classifyOut *FWPS_CLASSIFY_OUT0)

// FWPS_CALLOUT_NOTIFY_FN1 is notifyFn of version 1.
//
// IRQL: <= DISPATCH_LEVEL, in practice PASSIVE_LEVEL.
// Ownership: filter is the engine's.
// Rules: WFP-006, WFP-025.
// Reference: fwpsk/nc-fwpsk-fwps_callout_notify_fn1.
type FWPS_CALLOUT_NOTIFY_FN1 func(k *irql.K, notifyType FWPS_CALLOUT_NOTIFY_TYPE, filterKey *GUID,
	filter *FWPS_FILTER1) ntstatus.NTSTATUS

// FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 is flowDeleteFn.
//
// IRQL: <= DISPATCH_LEVEL; that of FwpsFlowRemoveContext0 when it is called from there.
// Ownership: the context is the routine's, which frees it.
// Rules: WFP-006, WFP-139, WFP-144.
// Reference: fwpsk/nc-fwpsk-fwps_callout_flow_delete_notify_fn0.
type FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 func(k *irql.K, layerId uint16, calloutId uint32, flowContext uint64)

// FWPS_INJECT_COMPLETE0 is completionFn: an injected list is the driver's again, who frees it there.
// netBufferList.Status() says what became of it.
//
// IRQL: <= DISPATCH_LEVEL; with dispatchLevel exactly that.
// Rules: WFP-167, WFP-170.
// Reference: fwpsk/nc-fwpsk-fwps_inject_complete0.
type FWPS_INJECT_COMPLETE0 func(k *irql.K, context any, netBufferList *ndis.NET_BUFFER_LIST,
	dispatchLevel bool)

// FWPS_TRANSPORT_SEND_PARAMS0 says where a packet goes whose IP header is not there yet. RemoteAddress has 4
// or 16 bytes, in network order; what it and ControlData point to must stay until completionFn.
type FWPS_TRANSPORT_SEND_PARAMS0 struct {
	RemoteAddress     *irp.Buffer
	RemoteScopeId     uint32
	ControlData       *irp.Buffer
	ControlDataLength uint32
}

// FWPS_TRANSPORT_SEND_PARAMS1 is FWPS_TRANSPORT_SEND_PARAMS0 with the header of a raw socket.
type FWPS_TRANSPORT_SEND_PARAMS1 struct {
	RemoteAddress             *irp.Buffer
	RemoteScopeId             uint32
	ControlData               *irp.Buffer
	ControlDataLength         uint32
	HeaderIncludeHeader       *irp.Buffer
	HeaderIncludeHeaderLength uint32
}

// FWPS_CALLOUT1 describes a callout to FwpsCalloutRegister1.
type FWPS_CALLOUT1 struct {
	CalloutKey   GUID
	Flags        uint32
	ClassifyFn   FWPS_CALLOUT_CLASSIFY_FN1
	NotifyFn     FWPS_CALLOUT_NOTIFY_FN1
	FlowDeleteFn FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
}

// FWPS_CONNECT_REQUEST0 is layerData at ALE_CONNECT_REDIRECT, read-only there;
// FwpsAcquireWritableLayerDataPointer0 gives a copy to change. PreviousVersion and ModifierFilterId are the
// engine's.
type FWPS_CONNECT_REQUEST0 struct {
	LocalAddressAndPort      ws2def.SOCKADDR_STORAGE
	RemoteAddressAndPort     ws2def.SOCKADDR_STORAGE
	PortReservationToken     uint64
	LocalRedirectTargetPID   uint32
	PreviousVersion          *FWPS_CONNECT_REQUEST0
	ModifierFilterId         uint64
	LocalRedirectHandle      irql.HANDLE
	LocalRedirectContext     *irp.Buffer
	LocalRedirectContextSize uint64
}

// FWPS_BIND_REQUEST0 is layerData at ALE_BIND_REDIRECT.
type FWPS_BIND_REQUEST0 struct {
	LocalAddressAndPort  ws2def.SOCKADDR_STORAGE
	PortReservationToken uint64
	PreviousVersion      *FWPS_BIND_REQUEST0
	ModifierFilterId     uint64
}
