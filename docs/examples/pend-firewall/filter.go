package pendfirewall

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Keys of this driver's objects.
var (
	sublayerKey = fwps.GUID{Data1: 0x77a0c3e2, Data2: 0x1b5d, Data3: 0x4d19,
		Data4: [8]byte{0xa4, 0x08, 0x61, 0x2c, 0x9b, 0xd7, 0x30, 0x01}}
	calloutKey = fwps.GUID{Data1: 0x77a0c3e2, Data2: 0x1b5d, Data3: 0x4d19,
		Data4: [8]byte{0xa4, 0x08, 0x61, 0x2c, 0x9b, 0xd7, 0x30, 0x02}}
)

// addFilter sends every outbound connection through the callout. The session is dynamic: what it adds goes
// with it.
func (d *Firewall) addFilter(k *irql.K) ntstatus.NTSTATUS {
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "firewall session"}}
	s := fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, &session, &d.engine)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = d.addObjects(k); !ntstatus.NT_SUCCESS(s) {
		fwpm.FwpmEngineClose0(k, d.engine)
	}
	return s
}

func (d *Firewall) addObjects(k *irql.K) ntstatus.NTSTATUS {
	sublayer := fwpm.FWPM_SUBLAYER0{SubLayerKey: sublayerKey, Weight: 0x6000,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "firewall sublayer"}}
	if s := fwpm.FwpmSubLayerAdd0(k, d.engine, &sublayer, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	callout := fwpm.FWPM_CALLOUT0{CalloutKey: calloutKey,
		ApplicableLayer: fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4,
		DisplayData:     fwpm.FWPM_DISPLAY_DATA0{Name: "firewall callout"}}
	if s := fwpm.FwpmCalloutAdd0(k, d.engine, &callout, nil, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	filter := fwpm.FWPM_FILTER0{DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "firewall filter"},
		LayerKey: fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4, SubLayerKey: sublayerKey,
		Action: fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_TERMINATING, CalloutKey: calloutKey}}
	return fwpm.FwpmFilterAdd0(k, d.engine, &filter, nil, nil)
}

// removeFilter closes the session, which takes filter, callout object and sublayer away.
func (d *Firewall) removeFilter(k *irql.K) { fwpm.FwpmEngineClose0(k, d.engine) }
