// Package connectredirect is the redirect story from both sides. redirect.sys is a callout driver: it pends
// connections at ALE_CONNECT_REDIRECT_V4, asks for the redirect records, hands them to proxy.sys, and
// completes the classification towards the proxy once that has reached the original destination. proxy.sys is
// a Winsock Kernel client.
//
//	application            redirect.sys                        proxy.sys                     server
//	connect  -> classifyFn pends
//	                       worker: records  -- IOCTL_PROXY_CONNECT -> sets records, connects ->  accept
//	                       completion routine <- request done -
//	                       applies target, PID, handle, context; completes the classify
//	         -> connects to the proxy                    -> accepts, reads the context, finds its connection
//	bytes   <------------------------------------------------> carries <--------------------------> bytes
package connectredirect

import (
	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// ProxyPort is where proxy.sys listens on the loopback address.
const ProxyPort = 8866

var (
	tagRedirect = irp.Tag("Rdir")
	tagContext  = irp.Tag("RdrC")
)

// Redirector is redirect.sys.
type Redirector struct {
	Defect      Defect
	Proxy       *irp.DEVICE_OBJECT // of proxy.sys; on Windows IoGetDeviceObjectPointer finds it
	Port        uint16             // connections to this remote port are redirected
	BigContexts bool               // every second context does not fit into the proxy's first buffer

	device  *irp.DEVICE_OBJECT
	engine  irql.HANDLE
	handle  irql.HANDLE // one redirect handle for all connections
	callout uint32      // run-time ids
	watch   uint32
	rundown irql.EX_RUNDOWN_REF // held by every classification that is on its way
	nextID  int32

	Redirected int32 // redirected connections that were authorised
}

// pended is one classification that was pended. It is allocated from pool, so that losing it shows as a leak.
type pended struct {
	id      uint64
	handle  uint64 // classify handle
	filter  uint64
	out     fwps.FWPS_CLASSIFY_OUT0 // a copy: the engine's own dies when classifyFn returns
	records irql.HANDLE             // valid until the classification is completed
	addr    uint32
	port    uint16
	item    *irp.IO_WORKITEM
	request *irp.Buffer // to the proxy
}

// DriverEntry creates what lasts as long as the driver: device, redirect handle, callout, filter.
func (d *Redirector) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	irql.ExInitializeRundownProtection(k, &d.rundown)
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Redirect`, irp.FILE_DEVICE_NETWORK, 0, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = fwps.FwpsRedirectHandleCreate0(k, &providerKey, 0, &d.handle); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.device)
		return s
	}
	if s = d.register(k); ntstatus.NT_SUCCESS(s) {
		if s = d.addFilter(k); ntstatus.NT_SUCCESS(s) {
			return s
		}
		d.unregister(k)
	}
	fwps.FwpsRedirectHandleDestroy0(k, d.handle)
	irp.IoDeleteDevice(k, d.device)
	return s
}

// register registers both callouts, or none.
func (d *Redirector) register(k *irql.K) ntstatus.NTSTATUS {
	c := fwps.FWPS_CALLOUT1{CalloutKey: calloutKey, ClassifyFn: d.classifyFn1, NotifyFn: d.notifyFn1}
	s := fwps.FwpsCalloutRegister1(k, d.device, &c, &d.callout)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	c = fwps.FWPS_CALLOUT1{CalloutKey: watchKey, ClassifyFn: d.watchFn1, NotifyFn: d.notifyFn1}
	if s = fwps.FwpsCalloutRegister1(k, d.device, &c, &d.watch); !ntstatus.NT_SUCCESS(s) {
		fwps.FwpsCalloutUnregisterById0(k, d.callout)
	}
	return s
}

// unregister ends both callouts; it waits while one is busy.
func (d *Redirector) unregister(k *irql.K) {
	for _, id := range []uint32{d.callout, d.watch} {
		for fwps.FwpsCalloutUnregisterById0(k, id) == ntstatus.STATUS_DEVICE_BUSY {
			pause := int64(-10_000)
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
		}
	}
}

// unload takes the filters away, waits for the classifications on their way, and only then unregisters.
func (d *Redirector) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	d.removeFilter(k)
	irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
	if d.Defect == UnregisteredTooLate {
		irp.IoDeleteDevice(k, d.device)
		d.unregister(k)
		fwps.FwpsRedirectHandleDestroy0(k, d.handle)
		return
	}
	d.unregister(k)
	fwps.FwpsRedirectHandleDestroy0(k, d.handle)
	irp.IoDeleteDevice(k, d.device)
}

// watchFn1 sees redirected connections at ALE_AUTH_CONNECT_V4, where a redirecting driver must be, too: it
// only counts.
func (d *Redirector) watchFn1(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	_ *fwps.FWPS_INCOMING_METADATA_VALUES0,
	_, _ any, _ *fwps.FWPS_FILTER1, _ uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	flags := in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS).Value().Uint32()
	if flags&fwps.FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED != 0 {
		irql.InterlockedIncrement(k, &d.Redirected)
	}
	out.ActionType = fwps.FWP_ACTION_CONTINUE
}

func (d *Redirector) notifyFn1(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
	*fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
	return ntstatus.STATUS_SUCCESS
}

// classifyFn1 pends every connection that this driver has not redirected before. It may run at
// DISPATCH_LEVEL, so it only prepares; the work is done by a work item.
func (d *Redirector) classifyFn1(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
	layerData, classifyContext any, filter *fwps.FWPS_FILTER1, flowContext uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return // somebody heavier has decided
	}
	out.ActionType = fwps.FWP_ACTION_PERMIT // the answer if there is nothing to redirect, or no memory for it
	if !fwps.FWPS_IS_METADATA_FIELD_PRESENT(meta, fwps.FWPS_METADATA_FIELD_REDIRECT_RECORD_HANDLE) {
		return
	}
	records := meta.RedirectRecords()
	switch fwps.FwpsQueryConnectionRedirectState0(k, records, d.handle, nil) {
	case fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF, fwps.FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF:
		return // the proxy's own connection
	}
	if !irql.ExAcquireRundownProtection(k, &d.rundown) {
		return
	}
	t := irp.New[pended](k, irp.POOL_FLAG_NON_PAGED, tagRedirect)
	if t == nil {
		irql.ExReleaseRundownProtection(k, &d.rundown)
		return
	}
	p := t.Get()
	p.id = uint64(irql.InterlockedIncrement(k, &d.nextID))
	p.filter, p.records = filter.FilterId, records
	p.addr = in.IncomingValue(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_IP_REMOTE_ADDRESS).Value().Uint32()
	p.port = in.IncomingValue(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_IP_REMOTE_PORT).Value().Uint16()
	if !d.pend(k, p, classifyContext, out) {
		d.forget(k, t)
		return
	}
	out.ActionType = fwps.FWP_ACTION_BLOCK // absorbed by the pend; the answer comes with the completion
	out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	p.out = *out
	irp.IoQueueWorkItem(k, p.item, d.redirectLater, irp.DelayedWorkQueue, t)
}

// pend gets what a pended classification needs, all of it or nothing.
func (d *Redirector) pend(k *irql.K, p *pended, classifyContext any, out *fwps.FWPS_CLASSIFY_OUT0) bool {
	if p.item = irp.IoAllocateWorkItem(k, d.device); p.item == nil {
		return false
	}
	if s := fwps.FwpsAcquireClassifyHandle0(k, classifyContext, 0, &p.handle); ntstatus.NT_SUCCESS(s) {
		if s = fwps.FwpsPendClassify0(k, p.handle, p.filter, 0, out); ntstatus.NT_SUCCESS(s) {
			return true
		}
		fwps.FwpsReleaseClassifyHandle0(k, p.handle)
	}
	irp.IoFreeWorkItem(k, p.item)
	return false
}

func (d *Redirector) forget(k *irql.K, t *irp.Typed[pended]) {
	irp.Free(k, t, tagRedirect)
	irql.ExReleaseRundownProtection(k, &d.rundown)
}
