package dnsinjector

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Keys of the drivers' objects: the last byte says which.
var (
	dnsKeys = fwps.GUID{Data1: 0x9a1b77c2, Data2: 0x3d10, Data3: 0x4be6,
		Data4: [8]byte{0xa1, 0x5e, 0x0c, 0x66, 0x2b, 0x91, 0x70}}
	vpnKeys = fwps.GUID{Data1: 0xe4c50d38, Data2: 0x6f02, Data3: 0x4c11,
		Data4: [8]byte{0x92, 0x0a, 0x58, 0x3e, 0x7d, 0x24, 0x10}}
)

func key(of fwps.GUID, which byte) fwps.GUID {
	of.Data4[7] = which
	return of
}

// management is a dynamic session: what it adds goes when it is closed.
type management struct{ engine irql.HANDLE }

// layer is where a callout is called, and under which conditions.
type layer struct {
	guid       fwps.GUID
	callout    byte
	conditions []fwpm.FWPM_FILTER_CONDITION0
}

// open adds a sublayer, and the callout object and the filter of each layer; all of it or nothing.
func (m *management) open(k *irql.K, name string, keys fwps.GUID, weight uint16,
	layers ...layer) ntstatus.NTSTATUS {
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " session"}}
	s := fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, &session, &m.engine)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = fwpm.FwpmTransactionBegin0(k, m.engine, 0); ntstatus.NT_SUCCESS(s) {
		sublayer := fwpm.FWPM_SUBLAYER0{SubLayerKey: key(keys, 0xFF), Weight: weight,
			DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " sublayer"}}
		s = fwpm.FwpmSubLayerAdd0(k, m.engine, &sublayer, nil)
		for i := 0; i < len(layers) && ntstatus.NT_SUCCESS(s); i++ {
			s = m.add(k, name, keys, &layers[i])
		}
		if ntstatus.NT_SUCCESS(s) {
			s = fwpm.FwpmTransactionCommit0(k, m.engine)
		} else {
			fwpm.FwpmTransactionAbort0(k, m.engine)
		}
	}
	if !ntstatus.NT_SUCCESS(s) {
		fwpm.FwpmEngineClose0(k, m.engine)
	}
	return s
}

func (m *management) add(k *irql.K, name string, keys fwps.GUID, l *layer) ntstatus.NTSTATUS {
	callout := fwpm.FWPM_CALLOUT0{CalloutKey: key(keys, l.callout), ApplicableLayer: l.guid,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " callout"}}
	if s := fwpm.FwpmCalloutAdd0(k, m.engine, &callout, nil, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	filter := fwpm.FWPM_FILTER0{DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: name + " filter"},
		LayerKey: l.guid, SubLayerKey: key(keys, 0xFF),
		Action: fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_TERMINATING,
			CalloutKey: callout.CalloutKey},
		NumFilterConditions: uint32(len(l.conditions)), FilterCondition: l.conditions}
	return fwpm.FwpmFilterAdd0(k, m.engine, &filter, nil, nil)
}

func (m *management) close(k *irql.K) { fwpm.FwpmEngineClose0(k, m.engine) }

func equal(field fwps.GUID, v fwpm.FWP_CONDITION_VALUE0) fwpm.FWPM_FILTER_CONDITION0 {
	return fwpm.FWPM_FILTER_CONDITION0{FieldKey: field, MatchType: fwpm.FWP_MATCH_EQUAL, ConditionValue: v}
}

func equal8(field fwps.GUID, v uint8) fwpm.FWPM_FILTER_CONDITION0 {
	return equal(field, fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT8, Uint8: v})
}

func equal16(field fwps.GUID, v uint16) fwpm.FWPM_FILTER_CONDITION0 {
	return equal(field, fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT16, Uint16: v})
}

func equal32(field fwps.GUID, v uint32) fwpm.FWPM_FILTER_CONDITION0 {
	return equal(field, fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT32, Uint32: v})
}

// unregister ends a callout; it waits while one is busy.
func unregister(k *irql.K, id uint32) {
	for fwps.FwpsCalloutUnregisterById0(k, id) == ntstatus.STATUS_DEVICE_BUSY {
		pause := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}

func notifyFn1(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID, *fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
	return ntstatus.STATUS_SUCCESS
}
