package bindredirector

import (
	"encoding/binary"
	"unicode/utf16"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Keys of this driver's objects.
var (
	sublayerKey = fwps.GUID{Data1: 0x6f2d7a10, Data2: 0x3b51, Data3: 0x4e0c,
		Data4: [8]byte{0x9a, 0x27, 0x44, 0x1d, 0x0b, 0x5e, 0x72, 0x01}}
	calloutKey = fwps.GUID{Data1: 0x6f2d7a10, Data2: 0x3b51, Data3: 0x4e0c,
		Data4: [8]byte{0x9a, 0x27, 0x44, 0x1d, 0x0b, 0x5e, 0x72, 0x02}}
)

// addFilter sends the binds of the program through the callout. The session is dynamic: what it adds goes
// when it is closed.
func (d *Redirector) addFilter(k *irql.K) ntstatus.NTSTATUS {
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "bind session"}}
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
	sublayer := fwpm.FWPM_SUBLAYER0{SubLayerKey: sublayerKey, Weight: 0x4000,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "bind sublayer"}}
	if s := fwpm.FwpmSubLayerAdd0(k, d.engine, &sublayer, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	callout := fwpm.FWPM_CALLOUT0{CalloutKey: calloutKey,
		ApplicableLayer: fwpm.FWPM_LAYER_ALE_BIND_REDIRECT_V4,
		DisplayData:     fwpm.FWPM_DISPLAY_DATA0{Name: "bind callout"}}
	if s := fwpm.FwpmCalloutAdd0(k, d.engine, &callout, nil, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	path := pathEnd(d.Image)
	filter := fwpm.FWPM_FILTER0{DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "bind filter"},
		LayerKey: callout.ApplicableLayer, SubLayerKey: sublayerKey, NumFilterConditions: 1,
		Action: fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_UNKNOWN, CalloutKey: calloutKey},
		FilterCondition: []fwpm.FWPM_FILTER_CONDITION0{{FieldKey: fwpm.FWPM_CONDITION_ALE_APP_ID,
			MatchType: fwpm.FWP_MATCH_PREFIX, // in spite of its name it looks at the end
			ConditionValue: fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_BYTE_BLOB_TYPE,
				ByteBlob: &fwps.FWP_BYTE_BLOB{Size: uint32(len(path)), Data: path}}}}}
	return fwpm.FwpmFilterAdd0(k, d.engine, &filter, nil, nil)
}

// pathEnd is the end of an ALE_APP_ID: a name behind a backslash, in UTF-16 with terminator.
func pathEnd(image string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(`\`+image)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// removeFilter closes the session, which takes filter, callout object and sublayer away.
func (d *Redirector) removeFilter(k *irql.K) { fwpm.FwpmEngineClose0(k, d.engine) }
