package tworedirectors

import (
	"net/netip"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

var tagContext = irp.Tag("RvlC")

// Redirector is a driver that redirects connections to a proxy on this machine, inline, at
// ALE_CONNECT_REDIRECT_V4. It leaves alone what is its own proxy's, and what another redirector has taken.
type Redirector struct {
	Defect Defect
	Port   uint16         // remote, of the connections that it redirects
	Proxy  netip.AddrPort // of the loopback address; it listens at the others, too
	PID    uint32         // of the proxy
	Weight uint16         // 0 is Light

	rival  rival
	watch  rival
	handle irql.HANDLE

	Redirected int32
	States     [4]int32 // how often each redirect state was the answer
}

// DriverEntry starts the redirector: a callout that redirects, and one that watches ALE_AUTH_CONNECT_V4,
// where a redirecting driver must be as well.
func (d *Redirector) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	if d.Weight == 0 {
		d.Weight = Light
	}
	provider := keyOf(3, d.Proxy.Port())
	s := fwps.FwpsRedirectHandleCreate0(k, &provider, 0, &d.handle)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	s = d.rival.start(k, drv, &callout{key: keyOf(4, d.Proxy.Port()),
		layer: fwpm.FWPM_LAYER_ALE_CONNECT_REDIRECT_V4, weight: d.Weight,
		action: fwps.FWP_ACTION_CALLOUT_UNKNOWN, port: d.Port, classify: d.classifyFn1})
	if ntstatus.NT_SUCCESS(s) {
		s = d.watch.start(k, drv, &callout{key: keyOf(5, d.Proxy.Port()),
			layer: fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4, weight: d.Weight,
			action: fwps.FWP_ACTION_CALLOUT_INSPECTION, classify: watchFn1})
		if ntstatus.NT_SUCCESS(s) {
			return s
		}
		d.rival.stop(k)
	}
	fwps.FwpsRedirectHandleDestroy0(k, d.handle)
	return s
}

func (d *Redirector) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	d.rival.stop(k)
	d.watch.stop(k)
	fwps.FwpsRedirectHandleDestroy0(k, d.handle)
}

func watchFn1(_ *irql.K, _ *fwps.FWPS_INCOMING_VALUES0, _ *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any,
	_ *fwps.FWPS_FILTER1, _ uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE != 0 {
		out.ActionType = fwps.FWP_ACTION_CONTINUE
	}
}

// classifyFn1 redirects what nobody has redirected yet.
func (d *Redirector) classifyFn1(k *irql.K, _ *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *fwps.FWPS_FILTER1,
	_ uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return
	}
	out.ActionType = fwps.FWP_ACTION_PERMIT
	request, _ := layerData.(*fwps.FWPS_CONNECT_REQUEST0)
	if request == nil ||
		!fwps.FWPS_IS_METADATA_FIELD_PRESENT(meta, fwps.FWPS_METADATA_FIELD_REDIRECT_RECORD_HANDLE) {
		return
	}
	state := fwps.FwpsQueryConnectionRedirectState0(k, meta.RedirectRecords(), d.handle, nil)
	irql.InterlockedIncrement(k, &d.States[state])
	switch state {
	case fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF, fwps.FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF:
		if d.Defect != RedirectsItself {
			return // the proxy's own connection
		}
	}
	if d.taken(request) && d.Defect != IgnoresOthers {
		return
	}
	var h uint64
	if s := fwps.FwpsAcquireClassifyHandle0(k, classifyContext, 0, &h); !ntstatus.NT_SUCCESS(s) {
		return
	}
	d.redirect(k, h, filter.FilterId, out)
	fwps.FwpsReleaseClassifyHandle0(k, h)
}

// taken reports whether a heavier redirector has sent the connection to its own proxy: the history says it.
func (d *Redirector) taken(r *fwps.FWPS_CONNECT_REQUEST0) bool {
	for v := r; v != nil; v = v.PreviousVersion {
		if v.LocalRedirectHandle != 0 && v.LocalRedirectHandle != d.handle {
			return true
		}
	}
	return false
}

// target is where the connection is sent: a socket that is bound to an address of the machine cannot reach
// the loopback address, but the proxy at its own.
func (d *Redirector) target(r *fwps.FWPS_CONNECT_REQUEST0) netip.AddrPort {
	if local := ws2def.AddrPort(&r.LocalAddressAndPort).Addr(); local.IsValid() && !local.IsUnspecified() {
		return netip.AddrPortFrom(local, d.Proxy.Port())
	}
	return d.Proxy
}

// redirect changes a copy of the request and applies it. The context tells the proxy where the connection
// wanted to go; the engine owns it from then on.
func (d *Redirector) redirect(k *irql.K, h, filter uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	context := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, ws2def.SizeofSockaddrStorage, tagContext)
	if context == nil {
		return
	}
	var data any
	s := fwps.FwpsAcquireWritableLayerDataPointer0(k, h, filter, 0, &data, out)
	out.ActionType = fwps.FWP_ACTION_PERMIT
	if !ntstatus.NT_SUCCESS(s) {
		irp.ExFreePoolWithTag(k, context, tagContext)
		return
	}
	out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
	r := data.(*fwps.FWPS_CONNECT_REQUEST0)
	copy(context.Bytes(), r.RemoteAddressAndPort.Bytes())
	r.RemoteAddressAndPort = ws2def.Storage(d.target(r))
	r.LocalRedirectContext, r.LocalRedirectContextSize = context, ws2def.SizeofSockaddrStorage
	r.LocalRedirectTargetPID, r.LocalRedirectHandle = d.PID, d.handle
	switch d.Defect {
	case NoHandle:
		r.LocalRedirectHandle = 0
	case NoTarget:
		r.LocalRedirectTargetPID = 0
	}
	fwps.FwpsApplyModifiedLayerData0(k, h, data, 0)
	irql.InterlockedIncrement(k, &d.Redirected)
}
