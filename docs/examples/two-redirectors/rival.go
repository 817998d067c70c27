// Package tworedirectors holds callout drivers that compete at one machine, ready to be loaded beside a
// driver of one's own with one line:
//
//	m.Load("rival.sys", (&tworedirectors.Redirector{Port: 80, Proxy: proxy, PID: pid}).DriverEntry)
//	m.Load("firewall.sys", (&tworedirectors.Firewall{Port: 80}).DriverEntry)
//	m.Load("monitor.sys", new(tworedirectors.Monitor).DriverEntry)
//
// Redirector redirects to a proxy and leaves alone what is its own or another's; Firewall blocks for good;
// Monitor only looks. Two redirectors must not fight:
//
//	who connects   heavy redirector         light redirector
//	browser        redirects to proxy a     sees that in the history, permits
//	proxy a        its own: permits         redirects to proxy b
//	proxy b        had it before: permits   its own: permits; the server accepts
package tworedirectors

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Weights of sublayers; heavier ones are asked first.
const (
	Heavy uint16 = 0x7000
	Light uint16 = 0x1000
)

// rival is what the drivers have in common: a device, a session, one callout with its filter.
type rival struct {
	device  *irp.DEVICE_OBJECT
	engine  irql.HANDLE
	callout uint32
}

// callout is what a driver asks a rival to set up.
type callout struct {
	key      fwps.GUID
	layer    fwps.GUID
	weight   uint16
	action   fwps.FWP_ACTION_TYPE
	port     uint16 // remote; 0 is any
	classify fwps.FWPS_CALLOUT_CLASSIFY_FN1
}

// start sets everything up, or nothing.
func (r *rival) start(k *irql.K, drv *irp.DRIVER_OBJECT, c *callout) ntstatus.NTSTATUS {
	s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_NETWORK, 0, false, &r.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	code := fwps.FWPS_CALLOUT1{CalloutKey: c.key, ClassifyFn: c.classify, NotifyFn: notifyFn1}
	if s = fwps.FwpsCalloutRegister1(k, r.device, &code, &r.callout); ntstatus.NT_SUCCESS(s) {
		if s = r.open(k, c); ntstatus.NT_SUCCESS(s) {
			return s
		}
		r.unregister(k)
	}
	irp.IoDeleteDevice(k, r.device)
	return s
}

// stop takes the filter away, and then the callout.
func (r *rival) stop(k *irql.K) {
	fwpm.FwpmEngineClose0(k, r.engine)
	r.unregister(k)
	irp.IoDeleteDevice(k, r.device)
}

func (r *rival) unregister(k *irql.K) {
	for fwps.FwpsCalloutUnregisterById0(k, r.callout) == ntstatus.STATUS_DEVICE_BUSY {
		pause := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}

// open adds the objects in a dynamic session: they go when it is closed.
func (r *rival) open(k *irql.K, c *callout) ntstatus.NTSTATUS {
	session := fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC}
	s := fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, &session, &r.engine)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = fwpm.FwpmTransactionBegin0(k, r.engine, 0); ntstatus.NT_SUCCESS(s) {
		if s = r.add(k, c); ntstatus.NT_SUCCESS(s) {
			s = fwpm.FwpmTransactionCommit0(k, r.engine)
		} else {
			fwpm.FwpmTransactionAbort0(k, r.engine)
		}
	}
	if !ntstatus.NT_SUCCESS(s) {
		fwpm.FwpmEngineClose0(k, r.engine)
	}
	return s
}

func (r *rival) add(k *irql.K, c *callout) ntstatus.NTSTATUS {
	name := fwpm.FWPM_DISPLAY_DATA0{Name: "rival"}
	sublayer := fwpm.FWPM_SUBLAYER0{SubLayerKey: c.key, Weight: c.weight, DisplayData: name}
	if s := fwpm.FwpmSubLayerAdd0(k, r.engine, &sublayer, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	object := fwpm.FWPM_CALLOUT0{CalloutKey: c.key, ApplicableLayer: c.layer, DisplayData: name}
	if s := fwpm.FwpmCalloutAdd0(k, r.engine, &object, nil, nil); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	filter := fwpm.FWPM_FILTER0{DisplayData: name, LayerKey: c.layer, SubLayerKey: c.key,
		Action: fwpm.FWPM_ACTION0{Type: c.action, CalloutKey: c.key}}
	if c.port != 0 {
		filter.NumFilterConditions = 1
		filter.FilterCondition = []fwpm.FWPM_FILTER_CONDITION0{{FieldKey: fwpm.FWPM_CONDITION_IP_REMOTE_PORT,
			MatchType:      fwpm.FWP_MATCH_EQUAL,
			ConditionValue: fwpm.FWP_CONDITION_VALUE0{Type: fwps.FWP_UINT16, Uint16: c.port}}}
	}
	return fwpm.FwpmFilterAdd0(k, r.engine, &filter, nil, nil)
}

func notifyFn1(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID, *fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
	return ntstatus.STATUS_SUCCESS
}

// keyOf makes the keys of a driver from what tells it apart.
func keyOf(kind uint16, number uint16) fwps.GUID {
	return fwps.GUID{Data1: 0x7c1e55aa, Data2: kind, Data3: number,
		Data4: [8]byte{0xa1, 0x52, 0x43, 0x6b, 9, 7, 3, 1}}
}
