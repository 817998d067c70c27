package callout

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Keys of the driver's objects. Make your own with uuidgen.
var (
	calloutKey = fwps.GUID{Data1: 0x6f1c7d20, Data2: 0x3b1a, Data3: 0x4e57,
		Data4: [8]byte{0x9a, 0x44, 0x0c, 0x5e, 0x21, 0x7b, 0x88, 0x01}}
	sublayerKey = fwps.GUID{Data1: 0x6f1c7d20, Data2: 0x3b1a, Data3: 0x4e57,
		Data4: [8]byte{0x9a, 0x44, 0x0c, 0x5e, 0x21, 0x7b, 0x88, 0x02}}
)

// addFilter sends TCP connections through the callout. The session is dynamic: what it adds goes when it is
// closed.
func (d *Driver) addFilter(k *irql.K) ntstatus.NTSTATUS {
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "template session"}}
	s := fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, &session, &d.engine)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = fwpm.FwpmTransactionBegin0(k, d.engine, 0); ntstatus.NT_SUCCESS(s) {
		if s = d.addObjects(k); ntstatus.NT_SUCCESS(s) {
			s = fwpm.FwpmTransactionCommit0(k, d.engine)
		} else {
			fwpm.FwpmTransactionAbort0(k, d.engine)
		}
	}
	if !ntstatus.NT_SUCCESS(s) {
		fwpm.FwpmEngineClose0(k, d.engine)
	}
	return s
}

// addObjects adds sublayer, callout object and filter. Each needs a display name.
func (d *Driver) addObjects(k *irql.K) ntstatus.NTSTATUS {
	name := func(what string) fwpm.FWPM_DISPLAY_DATA0 {
		return fwpm.FWPM_DISPLAY_DATA0{Name: "template " + what}
	}
	sublayer := fwpm.FWPM_SUBLAYER0{SubLayerKey: sublayerKey, Weight: 0x8000, DisplayData: name("sublayer")}
	if s := fwpm.FwpmSubLayerAdd0(k, d.engine, &sublayer, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	callout := fwpm.FWPM_CALLOUT0{CalloutKey: calloutKey, DisplayData: name("callout"),
		ApplicableLayer: fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4}
	if s := fwpm.FwpmCalloutAdd0(k, d.engine, &callout, nil, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	filter := fwpm.FWPM_FILTER0{
		DisplayData: name("filter"),
		LayerKey:    fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4,
		SubLayerKey: sublayerKey,
		Action:      fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_UNKNOWN, CalloutKey: calloutKey},
		FilterCondition: []fwpm.FWPM_FILTER_CONDITION0{
			{FieldKey: fwpm.FWPM_CONDITION_IP_PROTOCOL, MatchType: fwpm.FWP_MATCH_EQUAL,
				ConditionValue: fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT8,
					Uint8: uint8(ws2def.IPPROTO_TCP)}},
		},
	}
	filter.NumFilterConditions = uint32(len(filter.FilterCondition))
	return fwpm.FwpmFilterAdd0(k, d.engine, &filter, nil, nil)
}

// removeFilter closes the session, which takes filter, callout object and sublayer away.
func (d *Driver) removeFilter(k *irql.K) { fwpm.FwpmEngineClose0(k, d.engine) }
