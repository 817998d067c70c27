package connectionmonitor

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Keys of this driver's objects.
var (
	sublayerKey = fwps.GUID{Data1: 0x2f6d80a1, Data2: 0x31c4, Data3: 0x4e0b,
		Data4: [8]byte{0x92, 0x5d, 0x14, 0xc0, 0x7e, 0x33, 0x58, 0x01}}
	flowKey = fwps.GUID{Data1: 0x2f6d80a1, Data2: 0x31c4, Data3: 0x4e0b,
		Data4: [8]byte{0x92, 0x5d, 0x14, 0xc0, 0x7e, 0x33, 0x58, 0x02}}
	closureKey = fwps.GUID{Data1: 0x2f6d80a1, Data2: 0x31c4, Data3: 0x4e0b,
		Data4: [8]byte{0x92, 0x5d, 0x14, 0xc0, 0x7e, 0x33, 0x58, 0x03}}
)

// addFilters lets both callouts look at everything. The session is dynamic: what it adds goes with it.
func (d *Monitor) addFilters(k *irql.K) ntstatus.NTSTATUS {
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "monitor session"}}
	s := fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, &session, &d.engine)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	sublayer := fwpm.FWPM_SUBLAYER0{SubLayerKey: sublayerKey, Weight: 0x4000,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "monitor sublayer"}}
	if s = fwpm.FwpmSubLayerAdd0(k, d.engine, &sublayer, nil); ntstatus.NT_SUCCESS(s) {
		s = d.addOne(k, "flows", fwpm.FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, flowKey)
	}
	if ntstatus.NT_SUCCESS(s) {
		s = d.addOne(k, "closure", fwpm.FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4, closureKey)
	}
	if !ntstatus.NT_SUCCESS(s) {
		fwpm.FwpmEngineClose0(k, d.engine)
		irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
	}
	return s
}

// addOne adds a callout object and the filter that calls it.
func (d *Monitor) addOne(k *irql.K, name string, layer, key fwps.GUID) ntstatus.NTSTATUS {
	callout := fwpm.FWPM_CALLOUT0{CalloutKey: key, ApplicableLayer: layer,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " callout"}}
	if s := fwpm.FwpmCalloutAdd0(k, d.engine, &callout, nil, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	filter := fwpm.FWPM_FILTER0{DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " filter"}, LayerKey: layer,
		SubLayerKey: sublayerKey,
		Action:      fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_INSPECTION, CalloutKey: key}}
	return fwpm.FwpmFilterAdd0(k, d.engine, &filter, nil, nil)
}

// removeFilters closes the session, which takes filters, callout objects and sublayer away.
func (d *Monitor) removeFilters(k *irql.K) { fwpm.FwpmEngineClose0(k, d.engine) }
