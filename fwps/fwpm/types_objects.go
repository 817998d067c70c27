package fwpm

import "calloutsim/fwps"

// Flags of the other objects.
const (
	FWPM_PROVIDER_FLAG_PERSISTENT         uint32 = 0x1
	FWPM_PROVIDER_FLAG_DISABLED           uint32 = 0x10
	FWPM_PROVIDER_CONTEXT_FLAG_PERSISTENT uint32 = 0x1
)

// FWPM_PROVIDER0 describes who objects belong to. A null key is replaced by a new one.
type FWPM_PROVIDER0 struct {
	ProviderKey  fwps.GUID
	DisplayData  FWPM_DISPLAY_DATA0
	Flags        uint32
	ProviderData fwps.FWP_BYTE_BLOB
	ServiceName  string
}

// FWPM_PROVIDER_CONTEXT_TYPE says what a provider context holds.
type FWPM_PROVIDER_CONTEXT_TYPE uint32

// The kinds of provider contexts. All but the last two are for IPsec.
const (
	FWPM_IPSEC_KEYING_CONTEXT              FWPM_PROVIDER_CONTEXT_TYPE = 0
	FWPM_IPSEC_IKE_QM_TRANSPORT_CONTEXT    FWPM_PROVIDER_CONTEXT_TYPE = 1
	FWPM_IPSEC_IKE_QM_TUNNEL_CONTEXT       FWPM_PROVIDER_CONTEXT_TYPE = 2
	FWPM_IPSEC_AUTHIP_QM_TRANSPORT_CONTEXT FWPM_PROVIDER_CONTEXT_TYPE = 3
	FWPM_IPSEC_AUTHIP_QM_TUNNEL_CONTEXT    FWPM_PROVIDER_CONTEXT_TYPE = 4
	FWPM_IPSEC_IKE_MM_CONTEXT              FWPM_PROVIDER_CONTEXT_TYPE = 5
	FWPM_IPSEC_AUTHIP_MM_CONTEXT           FWPM_PROVIDER_CONTEXT_TYPE = 6
	FWPM_IPSEC_IKEV2_QM_TUNNEL_CONTEXT     FWPM_PROVIDER_CONTEXT_TYPE = 9
	FWPM_IPSEC_IKEV2_MM_CONTEXT            FWPM_PROVIDER_CONTEXT_TYPE = 10
	FWPM_IPSEC_DOSP_CONTEXT                FWPM_PROVIDER_CONTEXT_TYPE = 11
	FWPM_CLASSIFY_OPTIONS_CONTEXT          FWPM_PROVIDER_CONTEXT_TYPE = 7
	FWPM_GENERAL_CONTEXT                   FWPM_PROVIDER_CONTEXT_TYPE = 8
)

// FWPM_PROVIDER_CONTEXT0 is what filters hand to their callouts. DataBuffer is the member of the union that
// FWPM_GENERAL_CONTEXT names; those of IPsec are not modelled, so that versions 1 to 3, which differ in them,
// would be the same.
type FWPM_PROVIDER_CONTEXT0 struct {
	ProviderContextKey fwps.GUID
	DisplayData        FWPM_DISPLAY_DATA0
	Flags              uint32
	ProviderKey        *fwps.GUID
	ProviderData       fwps.FWP_BYTE_BLOB
	Type               FWPM_PROVIDER_CONTEXT_TYPE
	DataBuffer         *fwps.FWP_BYTE_BLOB
	ProviderContextId  uint64
}

// FWPM_CHANGE_TYPE says what happened to an object.
type FWPM_CHANGE_TYPE uint32

// What can happen.
const (
	FWPM_CHANGE_ADD    FWPM_CHANGE_TYPE = 1
	FWPM_CHANGE_DELETE FWPM_CHANGE_TYPE = 2
)

// Flags of subscriptions: what is told.
const (
	FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_ADD    uint32 = 0x1
	FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_DELETE uint32 = 0x2
)

// FWP_FILTER_ENUM_TYPE is how the conditions of a template select filters.
type FWP_FILTER_ENUM_TYPE uint32

// The ways.
const (
	FWP_FILTER_ENUM_FULLY_CONTAINED FWP_FILTER_ENUM_TYPE = 0
	FWP_FILTER_ENUM_OVERLAPPING     FWP_FILTER_ENUM_TYPE = 1
)

// Flags of FWPM_FILTER_ENUM_TEMPLATE0.
const (
	FWP_FILTER_ENUM_FLAG_BEST_TERMINATING_MATCH uint32 = 0x1
	FWP_FILTER_ENUM_FLAG_SORTED                 uint32 = 0x2
	FWP_FILTER_ENUM_FLAG_BOOTTIME_ONLY          uint32 = 0x4
	FWP_FILTER_ENUM_FLAG_INCLUDE_BOOTTIME       uint32 = 0x8
	FWP_FILTER_ENUM_FLAG_INCLUDE_DISABLED       uint32 = 0x10
)

// FWPM_PROVIDER_ENUM_TEMPLATE0 selects providers: all of them.
type FWPM_PROVIDER_ENUM_TEMPLATE0 struct{ Reserved uint64 }

// FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0 selects provider contexts.
type FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0 struct {
	ProviderKey         *fwps.GUID // nil is any
	ProviderContextType FWPM_PROVIDER_CONTEXT_TYPE
}

// FWPM_SUBLAYER_ENUM_TEMPLATE0 selects sublayers.
type FWPM_SUBLAYER_ENUM_TEMPLATE0 struct{ ProviderKey *fwps.GUID }

// FWPM_CALLOUT_ENUM_TEMPLATE0 selects callouts of one layer.
type FWPM_CALLOUT_ENUM_TEMPLATE0 struct {
	ProviderKey *fwps.GUID // nil is any
	LayerKey    fwps.GUID
}

// FWPM_FILTER_ENUM_TEMPLATE0 selects filters of one layer.
type FWPM_FILTER_ENUM_TEMPLATE0 struct {
	ProviderKey             *fwps.GUID // nil is any
	LayerKey                fwps.GUID
	EnumType                FWP_FILTER_ENUM_TYPE
	Flags                   uint32
	ProviderContextTemplate *FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0
	NumFilterConditions     uint32
	FilterCondition         []FWPM_FILTER_CONDITION0
	ActionMask              uint32 // 0xFFFFFFFF is any
	CalloutKey              *fwps.GUID
}

// FWPM_PROVIDER_SUBSCRIPTION0 says which changes are told.
type FWPM_PROVIDER_SUBSCRIPTION0 struct {
	EnumTemplate *FWPM_PROVIDER_ENUM_TEMPLATE0
	Flags        uint32
	SessionKey   fwps.GUID
}

// FWPM_PROVIDER_CONTEXT_SUBSCRIPTION0 says which changes are told.
type FWPM_PROVIDER_CONTEXT_SUBSCRIPTION0 struct {
	EnumTemplate *FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0
	Flags        uint32
	SessionKey   fwps.GUID
}

// FWPM_SUBLAYER_SUBSCRIPTION0 says which changes are told.
type FWPM_SUBLAYER_SUBSCRIPTION0 struct {
	EnumTemplate *FWPM_SUBLAYER_ENUM_TEMPLATE0
	Flags        uint32
	SessionKey   fwps.GUID
}

// FWPM_CALLOUT_SUBSCRIPTION0 says which changes are told.
type FWPM_CALLOUT_SUBSCRIPTION0 struct {
	EnumTemplate *FWPM_CALLOUT_ENUM_TEMPLATE0
	Flags        uint32
	SessionKey   fwps.GUID
}

// FWPM_FILTER_SUBSCRIPTION0 says which changes are told.
type FWPM_FILTER_SUBSCRIPTION0 struct {
	EnumTemplate *FWPM_FILTER_ENUM_TEMPLATE0
	Flags        uint32
	SessionKey   fwps.GUID
}

// FWPM_PROVIDER_CHANGE0 is a change.
type FWPM_PROVIDER_CHANGE0 struct {
	ChangeType  FWPM_CHANGE_TYPE
	ProviderKey fwps.GUID
}

// FWPM_PROVIDER_CONTEXT_CHANGE0 is a change.
type FWPM_PROVIDER_CONTEXT_CHANGE0 struct {
	ChangeType         FWPM_CHANGE_TYPE
	ProviderContextKey fwps.GUID
	ProviderContextId  uint64
}

// FWPM_SUBLAYER_CHANGE0 is a change.
type FWPM_SUBLAYER_CHANGE0 struct {
	ChangeType  FWPM_CHANGE_TYPE
	SubLayerKey fwps.GUID
}

// FWPM_CALLOUT_CHANGE0 is a change.
type FWPM_CALLOUT_CHANGE0 struct {
	ChangeType FWPM_CHANGE_TYPE
	CalloutKey fwps.GUID
	CalloutId  uint32
}

// FWPM_FILTER_CHANGE0 is a change.
type FWPM_FILTER_CHANGE0 struct {
	ChangeType FWPM_CHANGE_TYPE
	FilterKey  fwps.GUID
	FilterId   uint64
}
