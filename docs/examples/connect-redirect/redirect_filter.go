package connectredirect

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Keys of this driver's objects.
var (
	providerKey = fwps.GUID{Data1: 0x5b0c1d9e, Data2: 0x7a34, Data3: 0x4c5f,
		Data4: [8]byte{0x8d, 0x11, 0x2e, 0x90, 0x3f, 0x6a, 0x44, 0x01}}
	sublayerKey = fwps.GUID{Data1: 0x5b0c1d9e, Data2: 0x7a34, Data3: 0x4c5f,
		Data4: [8]byte{0x8d, 0x11, 0x2e, 0x90, 0x3f, 0x6a, 0x44, 0x02}}
	calloutKey = fwps.GUID{Data1: 0x5b0c1d9e, Data2: 0x7a34, Data3: 0x4c5f,
		Data4: [8]byte{0x8d, 0x11, 0x2e, 0x90, 0x3f, 0x6a, 0x44, 0x03}}
	watchKey = fwps.GUID{Data1: 0x5b0c1d9e, Data2: 0x7a34, Data3: 0x4c5f,
		Data4: [8]byte{0x8d, 0x11, 0x2e, 0x90, 0x3f, 0x6a, 0x44, 0x04}}
)

// addFilter sends connections to d.Port through the callout. The session is dynamic: what it adds goes when
// it is closed.
func (d *Redirector) addFilter(k *irql.K) ntstatus.NTSTATUS {
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "redirect session"}}
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

func (d *Redirector) addObjects(k *irql.K) ntstatus.NTSTATUS {
	sublayer := fwpm.FWPM_SUBLAYER0{SubLayerKey: sublayerKey, Weight: 0x8000,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "redirect sublayer"}}
	if s := fwpm.FwpmSubLayerAdd0(k, d.engine, &sublayer, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	s := d.addOne(k, "redirect", fwpm.FWPM_LAYER_ALE_CONNECT_REDIRECT_V4, calloutKey,
		fwps.FWP_ACTION_CALLOUT_TERMINATING, d.Port)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	return d.addOne(k, "watch", fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4, watchKey,
		fwps.FWP_ACTION_CALLOUT_INSPECTION, ProxyPort)
}

// addOne adds a callout object and the filter that calls it for connections to a remote port.
func (d *Redirector) addOne(k *irql.K, name string, layer, key fwps.GUID, action fwps.FWP_ACTION_TYPE,
	port uint16) ntstatus.NTSTATUS {
	callout := fwpm.FWPM_CALLOUT0{CalloutKey: key, ApplicableLayer: layer,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " callout"}}
	if s := fwpm.FwpmCalloutAdd0(k, d.engine, &callout, nil, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	filter := fwpm.FWPM_FILTER0{
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " filter"},
		LayerKey:    layer,
		SubLayerKey: sublayerKey,
		Action:      fwpm.FWPM_ACTION0{Type: action, CalloutKey: key},
		FilterCondition: []fwpm.FWPM_FILTER_CONDITION0{
			{FieldKey: fwpm.FWPM_CONDITION_IP_PROTOCOL, MatchType: fwpm.FWP_MATCH_EQUAL,
				ConditionValue: fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT8,
					Uint8: uint8(ws2def.IPPROTO_TCP)}},
			{FieldKey: fwpm.FWPM_CONDITION_IP_REMOTE_PORT, MatchType: fwpm.FWP_MATCH_EQUAL,
				ConditionValue: fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT16, Uint16: port}},
		},
	}
	filter.NumFilterConditions = uint32(len(filter.FilterCondition))
	return fwpm.FwpmFilterAdd0(k, d.engine, &filter, nil, nil)
}

// removeFilter closes the session, which takes filter, callout object and sublayer away.
func (d *Redirector) removeFilter(k *irql.K) { fwpm.FwpmEngineClose0(k, d.engine) }
