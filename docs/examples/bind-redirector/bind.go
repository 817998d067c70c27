// Package bindredirector keeps a program off the network: bind.sys sees every socket that is bound at
// ALE_BIND_REDIRECT_V4, and what the program binds to the wildcard address gets the loopback address instead.
// A split tunnel does the same with the address of its adapter.
//
//	service.exe                      bind.sys                                  everybody else
//	bind 0.0.0.0:8080 -> classifyFn, at PASSIVE_LEVEL
//	                     handle, writable copy, 127.0.0.1, apply, release
//	                  <- permit
//	listens at 127.0.0.1:8080                                                  reach it there only
package bindredirector

import (
	"net/netip"

	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// home is where the program may listen.
var home = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Redirector is bind.sys.
type Redirector struct {
	Defect Defect
	Image  string // the end of the path of the program

	device  *irp.DEVICE_OBJECT
	engine  irql.HANDLE
	callout uint32 // run-time id

	Redirected int32 // sockets that got the other address
}

// DriverEntry creates what lasts as long as the driver: device, callout, filter.
func (d *Redirector) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Bind`, irp.FILE_DEVICE_NETWORK, 0, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	c := fwps.FWPS_CALLOUT1{CalloutKey: calloutKey, ClassifyFn: d.classifyFn1, NotifyFn: d.notifyFn1}
	if s = fwps.FwpsCalloutRegister1(k, d.device, &c, &d.callout); ntstatus.NT_SUCCESS(s) {
		if s = d.addFilter(k); ntstatus.NT_SUCCESS(s) {
			return s
		}
		d.unregister(k)
	}
	irp.IoDeleteDevice(k, d.device)
	return s
}

// unregister ends the callout; it waits while it is busy.
func (d *Redirector) unregister(k *irql.K) {
	for fwps.FwpsCalloutUnregisterById0(k, d.callout) == ntstatus.STATUS_DEVICE_BUSY {
		pause := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}

func (d *Redirector) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	d.removeFilter(k)
	d.unregister(k)
	irp.IoDeleteDevice(k, d.device)
}

func (d *Redirector) notifyFn1(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
	*fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
	return ntstatus.STATUS_SUCCESS
}

// classifyFn1 decides at once: binds are classified at PASSIVE_LEVEL, in the thread that binds.
func (d *Redirector) classifyFn1(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	_ *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData, classifyContext any, filter *fwps.FWPS_FILTER1,
	_ uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return // somebody heavier has decided
	}
	out.ActionType = fwps.FWP_ACTION_PERMIT
	request, _ := layerData.(*fwps.FWPS_BIND_REQUEST0)
	if request == nil || d.seen(request, filter.FilterId) {
		return
	}
	if d.Defect == InPlace {
		request.LocalAddressAndPort = d.moved(request)
		return
	}
	var h uint64
	if s := fwps.FwpsAcquireClassifyHandle0(k, classifyContext, 0, &h); !ntstatus.NT_SUCCESS(s) {
		return
	}
	d.redirect(k, h, filter.FilterId, out)
	if d.Defect != HandleLeaked {
		fwps.FwpsReleaseClassifyHandle0(k, h)
	}
}

// seen reports whether the request is this driver's work already, or asks for one address: then it is left.
func (d *Redirector) seen(r *fwps.FWPS_BIND_REQUEST0, filter uint64) bool {
	for v := r; v != nil; v = v.PreviousVersion {
		if v.ModifierFilterId == filter {
			return true
		}
	}
	return !ws2def.AddrPort(&r.LocalAddressAndPort).Addr().IsUnspecified() && d.Defect != NotApplied
}

// moved is the address that a request gets.
func (d *Redirector) moved(r *fwps.FWPS_BIND_REQUEST0) ws2def.SOCKADDR_STORAGE {
	port := ws2def.AddrPort(&r.LocalAddressAndPort).Port()
	if d.Defect == FamilyChanged {
		return ws2def.Storage(netip.AddrPortFrom(netip.IPv6Loopback(), port))
	}
	return ws2def.Storage(netip.AddrPortFrom(home, port))
}

// redirect changes a copy of the request and applies it.
func (d *Redirector) redirect(k *irql.K, h, filter uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	var data any
	s := fwps.FwpsAcquireWritableLayerDataPointer0(k, h, filter, 0, &data, out)
	if !ntstatus.NT_SUCCESS(s) {
		out.ActionType = fwps.FWP_ACTION_PERMIT
		return
	}
	r := data.(*fwps.FWPS_BIND_REQUEST0)
	if d.Defect != AnswerLeft { // acquiring blocks and takes the right to write; both are put back
		out.ActionType = fwps.FWP_ACTION_PERMIT
		out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
	}
	if d.Defect == NotApplied && !ws2def.AddrPort(&r.LocalAddressAndPort).Addr().IsUnspecified() {
		return // nothing to change
	}
	r.LocalAddressAndPort = d.moved(r)
	fwps.FwpsApplyModifiedLayerData0(k, h, data, 0)
	irql.InterlockedIncrement(k, &d.Redirected)
}
