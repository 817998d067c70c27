package connectredirect

import (
	"calloutsim/fwps"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// redirectLater is the work item: it collects the redirect records and sends them to the proxy.
func (d *Redirector) redirectLater(k *irql.K, _ *irp.DEVICE_OBJECT, context any) {
	t := context.(*irp.Typed[pended])
	p := t.Get()
	irp.IoFreeWorkItem(k, p.item)
	if d.Defect == NeverCompleted {
		fwps.FwpsReleaseClassifyHandle0(k, p.handle)
		d.forget(k, t)
		return
	}
	if s := d.makeRequest(k, p); !ntstatus.NT_SUCCESS(s) {
		d.complete(k, t, s)
		return
	}
	if !d.askProxy(k, t) {
		d.complete(k, t, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	}
}

// generous is the room of the first strategy: enough for the records of most connections.
const generous = 1024

// makeRequest fills a connect request for the proxy. The size of the records is not known beforehand.
// Connections with odd numbers start with a generous buffer, those with even numbers ask for the size first;
// both go on until it fits.
func (d *Redirector) makeRequest(k *irql.K, p *pended) ntstatus.NTSTATUS {
	size := uint64(generous)
	if p.id%2 == 0 {
		s := fwps.FwpsQueryConnectionSioFormatRedirectRecords0(k, p.records, nil, 0, &size)
		if s != ntstatus.STATUS_BUFFER_TOO_SMALL {
			return ntstatus.STATUS_NOT_FOUND
		}
	}
	for {
		buf := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, offRecords+size, tagRedirect)
		if buf == nil {
			return ntstatus.STATUS_INSUFFICIENT_RESOURCES
		}
		written := uint64(0)
		s := fwps.FwpsQueryConnectionSioFormatRedirectRecords0(k, p.records, buf.Slice(offRecords, int(size)),
			size, &written)
		if ntstatus.NT_SUCCESS(s) {
			buf.Store64(offID, p.id)
			buf.Store32(offAddress, p.addr)
			buf.Store16(offPort, p.port)
			buf.Store32(offLength, uint32(written))
			p.request = buf
			return s
		}
		irp.ExFreePoolWithTag(k, buf, tagRedirect)
		if s != ntstatus.STATUS_BUFFER_TOO_SMALL {
			return s
		}
		size = written
	}
}

// askProxy sends the request with an IRP of this driver. Nobody waits: the classification is completed by the
// completion routine.
func (d *Redirector) askProxy(k *irql.K, t *irp.Typed[pended]) bool {
	p := t.Get()
	req := irp.IoAllocateIrp(k, d.Proxy.StackSize, false)
	if req == nil {
		irp.ExFreePoolWithTag(k, p.request, tagRedirect)
		return false
	}
	next := irp.IoGetNextIrpStackLocation(k, req)
	next.SetMajorFunction(irp.IRP_MJ_INTERNAL_DEVICE_CONTROL)
	next.Parameters().DeviceIoControl.IoControlCode = IOCTL_PROXY_CONNECT
	next.Parameters().DeviceIoControl.InputBufferLength = uint32(p.request.Len())
	req.AssociatedIrp().SystemBuffer = p.request
	s := irp.IoSetCompletionRoutineEx(k, d.device, req, d.proxyAnswered, t, true, true, true)
	if !ntstatus.NT_SUCCESS(s) {
		irp.ExFreePoolWithTag(k, p.request, tagRedirect)
		irp.IoFreeIrp(k, req)
		return false
	}
	irp.IoCallDriver(k, d.Proxy, req)
	return true
}

// proxyAnswered runs wherever the proxy completed the request, up to DISPATCH_LEVEL. Everything it calls may
// be called there.
func (d *Redirector) proxyAnswered(k *irql.K, _ *irp.DEVICE_OBJECT, req *irp.IRP,
	context any) ntstatus.NTSTATUS {
	t := context.(*irp.Typed[pended])
	s := req.IoStatus().Status
	irp.ExFreePoolWithTag(k, t.Get().request, tagRedirect)
	irp.IoFreeIrp(k, req)
	if d.Defect == RoutineContinues {
		d.complete(k, t, s)
		return ntstatus.STATUS_SUCCESS
	}
	d.complete(k, t, s)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}

// complete decides the classification: redirected to the proxy if that reached the destination, else left
// alone.
func (d *Redirector) complete(k *irql.K, t *irp.Typed[pended], s ntstatus.NTSTATUS) {
	p := t.Get()
	if ntstatus.NT_SUCCESS(s) {
		d.apply(k, p)
	}
	p.out.ActionType = fwps.FWP_ACTION_PERMIT
	p.out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE // a soft permit: others may still decide
	fwps.FwpsCompleteClassify0(k, p.handle, 0, &p.out)
	if d.Defect == CompletedTwice {
		fwps.FwpsCompleteClassify0(k, p.handle, 0, &p.out)
	}
	fwps.FwpsReleaseClassifyHandle0(k, p.handle)
	d.forget(k, t)
}

// apply writes the new target into the request. The engine owns the context from FwpsApplyModifiedLayerData0
// on.
func (d *Redirector) apply(k *irql.K, p *pended) {
	size := uint64(64)
	if d.BigContexts && p.id%2 == 0 {
		size = 1500
	}
	ctx := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, size, tagContext)
	if ctx == nil {
		return
	}
	ctx.Store64(offID, p.id)
	ctx.Store32(offAddress, p.addr)
	ctx.Store16(offPort, p.port)
	out := p.out // the engine writes into what it is given here
	var data any
	s := fwps.FwpsAcquireWritableLayerDataPointer0(k, p.handle, p.filter, 0, &data, &out)
	if !ntstatus.NT_SUCCESS(s) {
		irp.ExFreePoolWithTag(k, ctx, tagContext)
		return
	}
	req := data.(*fwps.FWPS_CONNECT_REQUEST0)
	req.RemoteAddressAndPort = proxyFor(&req.LocalAddressAndPort)
	req.LocalRedirectTargetPID = systemPID // the proxy is a kernel client
	if d.Defect != HandleMissing {
		req.LocalRedirectHandle = d.handle
	}
	req.LocalRedirectContext, req.LocalRedirectContextSize = ctx, size
	fwps.FwpsApplyModifiedLayerData0(k, p.handle, data, 0)
	if d.Defect == ContextFreedByUs {
		irp.ExFreePoolWithTag(k, ctx, tagContext)
	}
}

// proxyFor is where the proxy is reached from a local address: at that very address if it is specified, so
// that no zone is crossed, else at the loopback address.
func proxyFor(local *ws2def.SOCKADDR_STORAGE) ws2def.SOCKADDR_STORAGE {
	to := *local
	if ws2def.INETADDR_ISANY(&to) {
		ws2def.INETADDR_SETLOOPBACK(&to)
	}
	ws2def.INETADDR_SET_PORT(&to, ws2def.Htons(ProxyPort))
	return to
}

const systemPID = 4
