// Package fwpm is the management side of the filter engine as a driver uses it: sessions, transactions,
// sublayers, callout objects and filters.
//
// Modelled: one policy per machine; implicit and explicit transactions that exclude each other and can be
// aborted; dynamic sessions; providers, provider contexts, sublayers, callouts and filters with the
// references between them and their lifetimes; conditions on the values of the kernel's layers; automatic,
// ranged and exact weights; enumeration, and subscriptions to changes; notifications to callouts; the state
// of the service behind it all. Not modelled: that the service stops, access control, options, events.
// Persistent objects last as long as the machine, which is started once; boot-time filters are kept and are
// in force in no run, because a run begins when the service does.
//
// The deciding code is in internal/wfp, the calls of callouts in fwps.
package fwpm

import "calloutsim/fwps"

// Flags of FWPM_SESSION0.
const FWPM_SESSION_FLAG_DYNAMIC uint32 = 0x1

// FWPM_TXN_READ_ONLY makes a transaction that cannot change anything.
const FWPM_TXN_READ_ONLY uint32 = 0x1

// Authentication services FwpmEngineOpen0 accepts.
const (
	RPC_C_AUTHN_WINNT   uint32 = 10
	RPC_C_AUTHN_DEFAULT uint32 = 0xFFFFFFFF
)

// Flags of FWPM_FILTER0.
const (
	FWPM_FILTER_FLAG_PERSISTENT                     uint32 = 0x1
	FWPM_FILTER_FLAG_BOOTTIME                       uint32 = 0x2
	FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT           uint32 = 0x4
	FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT             uint32 = 0x8
	FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED uint32 = 0x10
	FWPM_FILTER_FLAG_DISABLED                       uint32 = 0x20
	FWPM_FILTER_FLAG_INDEXED                        uint32 = 0x40
	FWPM_FILTER_FLAG_SILENT_MODE                    uint32 = 0x400
)

// Flags of FWPM_CALLOUT0.
const (
	FWPM_CALLOUT_FLAG_PERSISTENT            uint32 = 0x10000
	FWPM_CALLOUT_FLAG_USES_PROVIDER_CONTEXT uint32 = 0x20000
	FWPM_CALLOUT_FLAG_REGISTERED            uint32 = 0x40000
)

// FWPM_SUBLAYER_FLAG_PERSISTENT is the flag of FWPM_SUBLAYER0.
const FWPM_SUBLAYER_FLAG_PERSISTENT uint32 = 0x1

// FWP_MATCH_TYPE is how a condition compares.
type FWP_MATCH_TYPE uint32

// The comparisons.
const (
	FWP_MATCH_EQUAL                  FWP_MATCH_TYPE = 0
	FWP_MATCH_GREATER                FWP_MATCH_TYPE = 1
	FWP_MATCH_LESS                   FWP_MATCH_TYPE = 2
	FWP_MATCH_GREATER_OR_EQUAL       FWP_MATCH_TYPE = 3
	FWP_MATCH_LESS_OR_EQUAL          FWP_MATCH_TYPE = 4
	FWP_MATCH_RANGE                  FWP_MATCH_TYPE = 5
	FWP_MATCH_FLAGS_ALL_SET          FWP_MATCH_TYPE = 6
	FWP_MATCH_FLAGS_ANY_SET          FWP_MATCH_TYPE = 7
	FWP_MATCH_FLAGS_NONE_SET         FWP_MATCH_TYPE = 8
	FWP_MATCH_EQUAL_CASE_INSENSITIVE FWP_MATCH_TYPE = 9
	FWP_MATCH_NOT_EQUAL              FWP_MATCH_TYPE = 10
	FWP_MATCH_PREFIX                 FWP_MATCH_TYPE = 11
	FWP_MATCH_NOT_PREFIX             FWP_MATCH_TYPE = 12
)

// FWPM_SUBLAYER_UNIVERSAL is the sublayer of filters that name none.
var FWPM_SUBLAYER_UNIVERSAL = fwps.GUID{Data1: 0xeebecc03, Data2: 0xced4, Data3: 0x4380,
	Data4: [8]byte{0x81, 0x9a, 0x27, 0x34, 0x39, 0x7b, 0x2b, 0x74}}

// FWPM_DISPLAY_DATA0 is what people read. The name is required.
type FWPM_DISPLAY_DATA0 struct{ Name, Description string }

// FWPM_SESSION0 describes a session to FwpmEngineOpen0.
type FWPM_SESSION0 struct {
	SessionKey           fwps.GUID
	DisplayData          FWPM_DISPLAY_DATA0
	Flags                uint32
	TxnWaitTimeoutInMSec uint32 // 0 is the default, 15 s; 0xFFFFFFFF waits for ever
}

// FWPM_SUBLAYER0 describes a sublayer. A null key is replaced by a new one.
type FWPM_SUBLAYER0 struct {
	SubLayerKey  fwps.GUID
	DisplayData  FWPM_DISPLAY_DATA0
	Flags        uint32
	ProviderKey  *fwps.GUID
	ProviderData fwps.FWP_BYTE_BLOB
	Weight       uint16
}

// FWPM_CALLOUT0 describes a callout object. The code behind it is registered with FwpsCalloutRegister1 under
// the same key.
type FWPM_CALLOUT0 struct {
	CalloutKey      fwps.GUID
	DisplayData     FWPM_DISPLAY_DATA0
	Flags           uint32
	ProviderKey     *fwps.GUID
	ProviderData    fwps.FWP_BYTE_BLOB
	ApplicableLayer fwps.GUID
	CalloutId       uint32
}

// FWPM_ACTION0 is the action of a filter.
type FWPM_ACTION0 struct {
	Type       fwps.FWP_ACTION_TYPE
	FilterType fwps.GUID
	CalloutKey fwps.GUID // of the three callout actions; a union with FilterType in C
}

// FWP_RANGE0 is a span of values, both ends included.
type FWP_RANGE0 struct{ ValueLow, ValueHigh fwps.FWP_VALUE0 }

// FWP_CONDITION_VALUE0 is what a condition compares with. The member that Type names means something, none
// for FWP_EMPTY; V4AddrMask, V6AddrMask and RangeValue are those that FWP_VALUE0 does not have.
type FWP_CONDITION_VALUE0 struct {
	Type        fwps.FWP_DATA_TYPE
	Uint8       uint8
	Uint16      uint16
	Uint32      uint32
	Uint64      *uint64
	ByteArray16 *fwps.FWP_BYTE_ARRAY16
	ByteArray6  *fwps.FWP_BYTE_ARRAY6
	ByteBlob    *fwps.FWP_BYTE_BLOB
	Sid         []byte              // in the form it has in memory
	Sd          *fwps.FWP_BYTE_BLOB // a self-relative security descriptor
	V4AddrMask  *fwps.FWP_V4_ADDR_AND_MASK
	V6AddrMask  *fwps.FWP_V6_ADDR_AND_MASK
	RangeValue  *FWP_RANGE0
}

// FWPM_FILTER_CONDITION0 is one condition of a filter.
type FWPM_FILTER_CONDITION0 struct {
	FieldKey       fwps.GUID
	MatchType      FWP_MATCH_TYPE
	ConditionValue FWP_CONDITION_VALUE0
}

// FWPM_FILTER0 describes a filter. A null FilterKey is replaced by a new one, a null SubLayerKey means
// FWPM_SUBLAYER_UNIVERSAL; an empty Weight is chosen by the engine. RawContext and ProviderContextKey are a
// union in C: with FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT it is the key. FilterId and EffectiveWeight are the
// engine's.
type FWPM_FILTER0 struct {
	FilterKey           fwps.GUID
	DisplayData         FWPM_DISPLAY_DATA0
	Flags               uint32
	ProviderKey         *fwps.GUID
	ProviderData        fwps.FWP_BYTE_BLOB
	LayerKey            fwps.GUID
	SubLayerKey         fwps.GUID
	Weight              fwps.FWP_VALUE0
	NumFilterConditions uint32
	FilterCondition     []FWPM_FILTER_CONDITION0
	Action              FWPM_ACTION0
	RawContext          uint64
	ProviderContextKey  fwps.GUID
	FilterId            uint64
	EffectiveWeight     fwps.FWP_VALUE0
}
