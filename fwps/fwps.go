// Package fwps is the filter engine as a callout driver sees it: callout registration, classification with
// arbitration over sublayers and weights, pended classifications, writable layer data, redirect handles and
// redirect records.
//
// Modelled: the ALE layers the transport asks at; the three callout actions, rights and vetoes; classify
// handles with their references; FwpsPendClassify0 and both forms of completion, resumed inline or later;
// versions of a connect or bind request; the chain of redirect records of a connection, its opaque form, and
// the contexts the engine owns. Not modelled: packets, streams, injection, flow contexts, pend-operation,
// tokens, vSwitch. Package fwpm holds the management functions.
//
// Layers: internal/wfp decides, this package calls and checks, internal/tcpip asks. What the engine lends to
// classifyFn has methods that notice when they are used too late; what is plain data there is overwritten
// when classifyFn returns.
package fwps

//go:generate go run gen.go

import "calloutsim/internal/wfp"

// GUID is the key of a callout, a layer, a sublayer or a provider. Values compare with ==.
type GUID = wfp.GUID

// FWP_DATA_TYPE says what a value is.
type FWP_DATA_TYPE uint32

// The data types.
const (
	FWP_EMPTY                         FWP_DATA_TYPE = 0
	FWP_UINT8                         FWP_DATA_TYPE = 1
	FWP_UINT16                        FWP_DATA_TYPE = 2
	FWP_UINT32                        FWP_DATA_TYPE = 3
	FWP_UINT64                        FWP_DATA_TYPE = 4
	FWP_BYTE_ARRAY16_TYPE             FWP_DATA_TYPE = 11
	FWP_BYTE_BLOB_TYPE                FWP_DATA_TYPE = 12
	FWP_SID                           FWP_DATA_TYPE = 13
	FWP_SECURITY_DESCRIPTOR_TYPE      FWP_DATA_TYPE = 14
	FWP_TOKEN_ACCESS_INFORMATION_TYPE FWP_DATA_TYPE = 16
	FWP_BYTE_ARRAY6_TYPE              FWP_DATA_TYPE = 18
	FWP_V4_ADDR_MASK                  FWP_DATA_TYPE = 0x100
	FWP_V6_ADDR_MASK                  FWP_DATA_TYPE = 0x101
	FWP_RANGE_TYPE                    FWP_DATA_TYPE = 0x102
)

// FWP_ACTION_TYPE is what a filter does or a callout answers.
type FWP_ACTION_TYPE uint32

// Parts of an action.
const (
	FWP_ACTION_FLAG_TERMINATING     FWP_ACTION_TYPE = 0x1000
	FWP_ACTION_FLAG_NON_TERMINATING FWP_ACTION_TYPE = 0x2000
	FWP_ACTION_FLAG_CALLOUT         FWP_ACTION_TYPE = 0x4000
)

// The actions.
const (
	FWP_ACTION_BLOCK               FWP_ACTION_TYPE = 0x1001
	FWP_ACTION_PERMIT              FWP_ACTION_TYPE = 0x1002
	FWP_ACTION_CALLOUT_TERMINATING FWP_ACTION_TYPE = 0x5003
	FWP_ACTION_CALLOUT_INSPECTION  FWP_ACTION_TYPE = 0x6004
	FWP_ACTION_CALLOUT_UNKNOWN     FWP_ACTION_TYPE = 0x4005
	FWP_ACTION_CONTINUE            FWP_ACTION_TYPE = 0x2006
	FWP_ACTION_NONE                FWP_ACTION_TYPE = 0x0007
	FWP_ACTION_NONE_NO_MATCH       FWP_ACTION_TYPE = 0x0008
)

// String gives the name without prefix.
func (a FWP_ACTION_TYPE) String() string { return wfp.Action(a).String() }

// FWPS_RIGHT_ACTION_WRITE in Rights says that the action may be changed.
const FWPS_RIGHT_ACTION_WRITE uint32 = 0x1

// Flags of FWPS_CLASSIFY_OUT0.
const (
	FWPS_CLASSIFY_OUT_FLAG_ABSORB                  uint32 = 0x1
	FWPS_CLASSIFY_OUT_FLAG_BUFFER_LIMIT_REACHED    uint32 = 0x2
	FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA            uint32 = 0x4
	FWPS_CLASSIFY_OUT_FLAG_ALE_FAST_CACHE_CHECK    uint32 = 0x8
	FWPS_CLASSIFY_OUT_FLAG_ALE_FAST_CACHE_POSSIBLE uint32 = 0x10
)

// Flags of FWPS_FILTER1.
const (
	FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT             uint16 = 0x1
	FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED uint16 = 0x2
	FWPS_FILTER_FLAG_OR_CONDITIONS                  uint16 = 0x4
)

// Flags of FWPS_CALLOUT1.
const (
	FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW         uint32 = 0x1
	FWP_CALLOUT_FLAG_ALLOW_OFFLOAD               uint32 = 0x2
	FWP_CALLOUT_FLAG_ENABLE_COMMIT_ADD_NOTIFY    uint32 = 0x4
	FWP_CALLOUT_FLAG_ALLOW_MID_STREAM_INSPECTION uint32 = 0x8
	FWP_CALLOUT_FLAG_ALLOW_RECLASSIFY            uint32 = 0x10
	FWP_CALLOUT_FLAG_RESERVED1                   uint32 = 0x20
	FWP_CALLOUT_FLAG_ALLOW_RSC                   uint32 = 0x40
	FWP_CALLOUT_FLAG_ALLOW_L2_BATCH_CLASSIFY     uint32 = 0x80
	FWP_CALLOUT_FLAG_ALLOW_USO                   uint32 = 0x100
	FWP_CALLOUT_FLAG_ALLOW_URO                   uint32 = 0x200
)

// Bits of the FLAGS value.
const (
	FWP_CONDITION_FLAG_IS_LOOPBACK                  uint32 = 0x1
	FWP_CONDITION_FLAG_IS_IPSEC_SECURED             uint32 = 0x2
	FWP_CONDITION_FLAG_IS_REAUTHORIZE               uint32 = 0x4
	FWP_CONDITION_FLAG_IS_WILDCARD_BIND             uint32 = 0x8
	FWP_CONDITION_FLAG_IS_RAW_ENDPOINT              uint32 = 0x10
	FWP_CONDITION_FLAG_IS_FRAGMENT                  uint32 = 0x20
	FWP_CONDITION_FLAG_IS_FRAGMENT_GROUP            uint32 = 0x40
	FWP_CONDITION_FLAG_IS_IPSEC_NATT_RECLASSIFY     uint32 = 0x80
	FWP_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY        uint32 = 0x100
	FWP_CONDITION_FLAG_IS_IMPLICIT_BIND             uint32 = 0x200
	FWP_CONDITION_FLAG_IS_REASSEMBLED               uint32 = 0x400
	FWP_CONDITION_FLAG_IS_NAME_APP_SPECIFIED        uint32 = 0x4000
	FWP_CONDITION_FLAG_IS_PROMISCUOUS               uint32 = 0x8000
	FWP_CONDITION_FLAG_IS_AUTH_FW                   uint32 = 0x10000
	FWP_CONDITION_FLAG_IS_RECLASSIFY                uint32 = 0x20000
	FWP_CONDITION_FLAG_IS_OUTBOUND_PASS_THRU        uint32 = 0x40000
	FWP_CONDITION_FLAG_IS_INBOUND_PASS_THRU         uint32 = 0x80000
	FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED     uint32 = 0x100000
	FWP_CONDITION_FLAG_IS_PROXY_CONNECTION          uint32 = 0x200000
	FWP_CONDITION_FLAG_IS_APPCONTAINER_LOOPBACK     uint32 = 0x400000
	FWP_CONDITION_FLAG_IS_HONORING_POLICY_AUTHORIZE uint32 = 0x2000000
)

// Bits of the REAUTHORIZE_REASON value.
const (
	FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE                  uint32 = 0x1
	FWP_CONDITION_REAUTHORIZE_REASON_NEW_ARRIVAL_INTERFACE          uint32 = 0x2
	FWP_CONDITION_REAUTHORIZE_REASON_NEW_NEXTHOP_INTERFACE          uint32 = 0x4
	FWP_CONDITION_REAUTHORIZE_REASON_PROFILE_CROSSING               uint32 = 0x8
	FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION            uint32 = 0x10
	FWP_CONDITION_REAUTHORIZE_REASON_IPSEC_PROPERTIES_CHANGED       uint32 = 0x20
	FWP_CONDITION_REAUTHORIZE_REASON_MID_STREAM_INSPECTION          uint32 = 0x40
	FWP_CONDITION_REAUTHORIZE_REASON_SOCKET_PROPERTY_CHANGED        uint32 = 0x80
	FWP_CONDITION_REAUTHORIZE_REASON_NEW_INBOUND_MCAST_BCAST_PACKET uint32 = 0x100
	FWP_CONDITION_REAUTHORIZE_REASON_EDP_POLICY_CHANGED             uint32 = 0x200
	FWP_CONDITION_REAUTHORIZE_REASON_PROXY_HANDLE_CHANGED           uint32 = 0x4000
)

// FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS is the one flag of FwpsApplyModifiedLayerData0. Its
// number is not public; 1 is INFERRED from its being the only one.
const FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS uint32 = 0x1

// What dropped something, and why (wfp.md 1.3).
const (
	FWPS_DISCARD_MODULE_NETWORK   uint32 = 0
	FWPS_DISCARD_MODULE_TRANSPORT uint32 = 1
	FWPS_DISCARD_MODULE_GENERAL   uint32 = 2

	FWPS_DISCARD_FIREWALL_POLICY uint32 = 0 // the first of its enumeration (INFERRED)
)

// What an injection handle is for; they may be combined, and 0 is stream, transport and forward.
const (
	FWPS_INJECTION_TYPE_STREAM    uint32 = 0x1
	FWPS_INJECTION_TYPE_TRANSPORT uint32 = 0x2
	FWPS_INJECTION_TYPE_NETWORK   uint32 = 0x4
	FWPS_INJECTION_TYPE_FORWARD   uint32 = 0x8
	FWPS_INJECTION_TYPE_L2        uint32 = 0x10
)

// UNSPECIFIED_COMPARTMENT_ID stands for a compartment that the metadata do not name.
const UNSPECIFIED_COMPARTMENT_ID uint32 = 0

// FWPS_PACKET_INJECTION_STATE says who has injected a packet.
type FWPS_PACKET_INJECTION_STATE uint32

// The states.
const (
	FWPS_PACKET_NOT_INJECTED                FWPS_PACKET_INJECTION_STATE = 0
	FWPS_PACKET_INJECTED_BY_SELF            FWPS_PACKET_INJECTION_STATE = 1
	FWPS_PACKET_INJECTED_BY_OTHER           FWPS_PACKET_INJECTION_STATE = 2
	FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF FWPS_PACKET_INJECTION_STATE = 3
)

// FWP_DIRECTION is the direction of a connection.
type FWP_DIRECTION uint32

// The directions.
const (
	FWP_DIRECTION_OUTBOUND FWP_DIRECTION = 0
	FWP_DIRECTION_INBOUND  FWP_DIRECTION = 1
)

// FWPS_CALLOUT_NOTIFY_TYPE says why notifyFn is called.
type FWPS_CALLOUT_NOTIFY_TYPE uint32

// The reasons.
const (
	FWPS_CALLOUT_NOTIFY_ADD_FILTER             FWPS_CALLOUT_NOTIFY_TYPE = 0
	FWPS_CALLOUT_NOTIFY_DELETE_FILTER          FWPS_CALLOUT_NOTIFY_TYPE = 1
	FWPS_CALLOUT_NOTIFY_ADD_FILTER_POST_COMMIT FWPS_CALLOUT_NOTIFY_TYPE = 2
)

// FWPS_CONNECTION_REDIRECT_STATE is how a connection relates to a redirect handle. It is no NTSTATUS.
type FWPS_CONNECTION_REDIRECT_STATE uint32

// The states.
const (
	FWPS_CONNECTION_NOT_REDIRECTED                FWPS_CONNECTION_REDIRECT_STATE = 0
	FWPS_CONNECTION_REDIRECTED_BY_SELF            FWPS_CONNECTION_REDIRECT_STATE = 1
	FWPS_CONNECTION_REDIRECTED_BY_OTHER           FWPS_CONNECTION_REDIRECT_STATE = 2
	FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF FWPS_CONNECTION_REDIRECT_STATE = 3
)

// String gives the name without prefix.
func (s FWPS_CONNECTION_REDIRECT_STATE) String() string {
	names := [...]string{"NOT_REDIRECTED", "REDIRECTED_BY_SELF", "REDIRECTED_BY_OTHER",
		"PREVIOUSLY_REDIRECTED_BY_SELF"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}
