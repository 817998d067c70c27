package fwps_test

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// tolerantEntry is a DriverEntry of which every step may fail.
func (d *driver) tolerantEntry(weight uint16) irp.DRIVER_INITIALIZE {
	return func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		d.obj = drv
		drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { d.tolerantStop(k) }
		if irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_NETWORK, 0, false, &d.dev) != ok {
			return ok
		}
		if fwps.FwpsRedirectHandleCreate0(k, &fwps.GUID{Data1: uint32(weight)}, 0, &d.handle) != ok {
			return ok
		}
		if fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, &fwpm.FWPM_SESSION0{Flags: 1},
			&d.engine) != ok {
			return ok
		}
		d.tolerantHook(k, atRedirect.weighing(weight), d.tolerantClassify)
		d.tolerantHook(k, atAuth.weighing(weight), permits)
		return ok
	}
}

func (d *driver) tolerantHook(k *irql.K, w where, fn func(a *args)) {
	h := &hook{fn: fn, key: fwps.GUID{Data1: uint32(w.weight), Data2: uint16(len(d.hooks))}}
	if fwps.FwpsCalloutRegister1(k, d.dev, d.describe(h), &h.id) != ok {
		return
	}
	d.hooks = append(d.hooks, h)
	if d.addCallout(k, w, h) == ok {
		if s := d.addSublayer(k, w); s == ok || s == ntstatus.STATUS_FWP_ALREADY_EXISTS {
			d.addFilter(k, w, h, &h.filter)
		}
	}
}

func (d *driver) addCallout(k *irql.K, w where, h *hook) ntstatus.NTSTATUS {
	return fwpm.FwpmCalloutAdd0(k, d.engine, &fwpm.FWPM_CALLOUT0{CalloutKey: h.key, ApplicableLayer: w.layer,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: d.name}}, nil, nil)
}

func (d *driver) addSublayer(k *irql.K, w where) ntstatus.NTSTATUS {
	return fwpm.FwpmSubLayerAdd0(k, d.engine, &fwpm.FWPM_SUBLAYER0{SubLayerKey: sublayerKey(w.weight),
		Weight:      w.weight,
		DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: d.name}}, nil)
}

func (d *driver) tolerantStop(k *irql.K) {
	for _, h := range d.hooks {
		for fwps.FwpsCalloutUnregisterById0(k, h.id) == ntstatus.STATUS_DEVICE_BUSY {
			delay(k, 1)
		}
	}
	if d.dev != nil {
		irp.IoDeleteDevice(k, d.dev)
	}
	if d.handle != 0 {
		fwps.FwpsRedirectHandleDestroy0(k, d.handle)
	}
	if d.engine != 0 {
		fwpm.FwpmEngineClose0(k, d.engine)
	}
}

func (d *driver) tolerantClassify(a *args) {
	if a.out.Rights&write == 0 {
		return
	}
	a.permit()
	if a.state() != fwps.FWPS_CONNECTION_NOT_REDIRECTED {
		return
	}
	p := &pended{d: d, filter: a.filter.FilterId}
	item := irp.IoAllocateWorkItem(a.k, d.dev)
	if item == nil {
		return
	}
	if fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &p.handle) != ok {
		irp.IoFreeWorkItem(a.k, item)
		return
	}
	p.out = *a.out // before the pend: the work item may overtake
	if fwps.FwpsPendClassify0(a.k, p.handle, p.filter, 0, a.out) != ok {
		fwps.FwpsReleaseClassifyHandle0(a.k, p.handle)
		irp.IoFreeWorkItem(a.k, item)
		return
	}
	irp.IoQueueWorkItem(a.k, item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		irp.IoFreeWorkItem(k, item)
		d.tolerantChange(k, p)
		p.done(k)
	}, irp.DelayedWorkQueue, nil)
	a.block()
}

func (d *driver) tolerantChange(k *irql.K, p *pended) {
	ctx := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, tag)
	if ctx == nil {
		return
	}
	var data any
	out := p.out
	if fwps.FwpsAcquireWritableLayerDataPointer0(k, p.handle, p.filter, 0, &data, &out) != ok {
		irp.ExFreePoolWithTag(k, ctx, tag)
		return
	}
	r := data.(*fwps.FWPS_CONNECT_REQUEST0)
	r.RemoteAddressAndPort = storage(proxy)
	r.LocalRedirectTargetPID, r.LocalRedirectHandle = 1234, d.handle
	r.LocalRedirectContext, r.LocalRedirectContextSize = ctx, 16
	fwps.FwpsApplyModifiedLayerData0(k, p.handle, data, 0)
}
