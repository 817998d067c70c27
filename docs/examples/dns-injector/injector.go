// Package dnsinjector has two drivers that inject packets. dns.sys answers questions for names on a list
// by itself: it absorbs the query and injects an answer that looks like the server's. vpn.sys, its rival,
// takes every packet in either direction, as a driver does that carries them through a tunnel, and puts them
// back.
//
//	program            dns.sys                                vpn.sys                  server
//	query      ->  DATAGRAM_DATA: on the list?
//	               yes: block, absorb; a worker builds
//	 <- answer     an answer, injects it
//	               no: permit                        ->  OUTBOUND_IPPACKET: clone,
//	                                                     absorb, inject          ->  query
//	 <- answer                                           INBOUND_IPPACKET: the same <- answer
package dnsinjector

import (
	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/fwps/ndis"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

var (
	tagQuery = irp.Tag("DnsQ")
	tagPool  = irp.Tag("DnsP")
)

// Injector is dns.sys.
type Injector struct {
	Defect Defect
	Names  []string // that it answers
	Answer [4]byte  // with this address

	management
	device   *irp.DEVICE_OBJECT
	callout  uint32
	handle   irql.HANDLE // of injections
	object   ndis.NDIS_HANDLE
	lists    ndis.NDIS_HANDLE
	rundown  irql.EX_RUNDOWN_REF // held by every query that is being answered
	Answered int32
}

// query is a question that is being answered: what classifyFn knows of it, and then the packet.
type query struct {
	item        *irp.IO_WORKITEM
	text        *irp.Buffer // the question, without the UDP header
	size        uint32
	local       uint32 // host order
	remote      uint32
	port        uint16
	compartment uint32

	packet *irp.Buffer
	mdl    *irp.MDL
}

// DriverEntry creates what lasts as long as the driver.
func (d *Injector) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	irql.ExInitializeRundownProtection(k, &d.rundown)
	s := irp.IoCreateDevice(k, drv, 0, `\Device\DnsInjector`, irp.FILE_DEVICE_NETWORK, 0, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = d.prepare(k, drv); !ntstatus.NT_SUCCESS(s) {
		d.release(k)
		return s
	}
	c := fwps.FWPS_CALLOUT1{CalloutKey: key(dnsKeys, 1), ClassifyFn: d.classifyFn1, NotifyFn: notifyFn1}
	if s = fwps.FwpsCalloutRegister1(k, d.device, &c, &d.callout); !ntstatus.NT_SUCCESS(s) {
		d.release(k)
		return s
	}
	s = d.open(k, "dns", dnsKeys, 0x8000, layer{guid: fwpm.FWPM_LAYER_DATAGRAM_DATA_V4, callout: 1,
		conditions: []fwpm.FWPM_FILTER_CONDITION0{
			equal8(fwpm.FWPM_CONDITION_IP_PROTOCOL, uint8(ws2def.IPPROTO_UDP)),
			equal16(fwpm.FWPM_CONDITION_IP_REMOTE_PORT, 53),
			equal32(fwpm.FWPM_CONDITION_DIRECTION, uint32(fwps.FWP_DIRECTION_OUTBOUND))}})
	if !ntstatus.NT_SUCCESS(s) {
		unregister(k, d.callout)
		d.release(k)
	}
	return s
}

// prepare makes what injecting needs; what it has made release takes away.
func (d *Injector) prepare(k *irql.K, drv *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
	d.handle, d.object, d.lists = 0, 0, 0
	types := fwps.FWPS_INJECTION_TYPE_TRANSPORT
	if d.Defect == HandleMisfit {
		types = fwps.FWPS_INJECTION_TYPE_NETWORK
	}
	s := fwps.FwpsInjectionHandleCreate0(k, ws2def.AF_INET, types, &d.handle)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if d.object = ndis.NdisAllocateGenericObject(k, drv, tagPool, 0); d.object == 0 {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	d.lists = ndis.NdisAllocateNetBufferListPool(k, d.object, &ndis.NET_BUFFER_LIST_POOL_PARAMETERS{
		Header: ndis.NDIS_OBJECT_HEADER{Type: ndis.NDIS_OBJECT_TYPE_DEFAULT,
			Revision: ndis.NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
			Size:     ndis.NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1},
		FAllocateNetBuffer: true, PoolTag: tagPool})
	if d.lists == 0 {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	return ntstatus.STATUS_SUCCESS
}

// release is the end of it. FwpsInjectionHandleDestroy0 waits for the answers that are under way.
func (d *Injector) release(k *irql.K) {
	if d.handle != 0 && d.Defect != HandleLeft {
		fwps.FwpsInjectionHandleDestroy0(k, d.handle)
	}
	if d.lists != 0 {
		ndis.NdisFreeNetBufferListPool(k, d.lists)
	}
	if d.object != 0 {
		ndis.NdisFreeGenericObject(k, d.object)
	}
	irp.IoDeleteDevice(k, d.device)
}

// unload takes the filter away, then the callout, waits for the queries that are being answered, and only
// then destroys what they use.
func (d *Injector) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	d.close(k)
	unregister(k, d.callout)
	irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
	d.release(k)
}

// classifyFn1 absorbs a query it can answer. It runs at DISPATCH_LEVEL, so a work item builds the answer.
func (d *Injector) classifyFn1(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0,
	meta *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData, _ any, _ *fwps.FWPS_FILTER1, _ uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return // somebody heavier has decided
	}
	out.ActionType = fwps.FWP_ACTION_PERMIT
	nbl, ok := layerData.(*ndis.NET_BUFFER_LIST)
	if !ok || own(k, d.handle, nbl) || !irql.ExAcquireRundownProtection(k, &d.rundown) {
		return
	}
	t := irp.New[query](k, irp.POOL_FLAG_NON_PAGED, tagQuery)
	if t == nil {
		irql.ExReleaseRundownProtection(k, &d.rundown)
		return
	}
	q := t.Get()
	if !d.read(k, q, nbl, meta.TransportHeaderSize()) {
		d.forget(k, t)
		return
	}
	q.local = in.IncomingValue(fwps.FWPS_FIELD_DATAGRAM_DATA_V4_IP_LOCAL_ADDRESS).Value().Uint32()
	q.remote = in.IncomingValue(fwps.FWPS_FIELD_DATAGRAM_DATA_V4_IP_REMOTE_ADDRESS).Value().Uint32()
	q.port = in.IncomingValue(fwps.FWPS_FIELD_DATAGRAM_DATA_V4_IP_LOCAL_PORT).Value().Uint16()
	if fwps.FWPS_IS_METADATA_FIELD_PRESENT(meta, fwps.FWPS_METADATA_FIELD_COMPARTMENT_ID) &&
		d.Defect != CompartmentUnspecified {
		q.compartment = meta.CompartmentId()
	}
	absorb(out)
	irp.IoQueueWorkItem(k, q.item, d.answerLater, irp.DelayedWorkQueue, t)
}

// read copies the question out of the list, which begins with the UDP header. False means that it is none for
// this driver, or that there is no memory.
func (d *Injector) read(k *irql.K, q *query, nbl *ndis.NET_BUFFER_LIST, header uint32) bool {
	ndis.NdisAdvanceNetBufferListDataStart(k, nbl, header, false, nil)
	nb := nbl.FirstNetBuffer()
	if q.size = nb.DataLength(); q.size >= headerSize && q.size <= 512 {
		q.text = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(q.size), tagQuery)
	}
	if q.text != nil {
		if b := ndis.NdisGetDataBuffer(k, nb, q.size, q.text, 1, 0); b != nil && b != q.text {
			q.text.CopyFrom(0, b.Bytes())
		}
	}
	if d.Defect != OffsetLeft {
		ndis.NdisRetreatNetBufferListDataStart(k, nbl, header, 0, nil, nil)
	}
	if q.text == nil || !d.listed(nameIn(q.text.Bytes())) {
		return false
	}
	q.item = irp.IoAllocateWorkItem(k, d.device)
	return q.item != nil
}

func (d *Injector) listed(name string) bool {
	for _, n := range d.Names {
		if n == name {
			return true
		}
	}
	return false
}

// forget frees what a query has.
func (d *Injector) forget(k *irql.K, t *irp.Typed[query]) {
	q := t.Get()
	if q.mdl != nil {
		irp.IoFreeMdl(k, q.mdl)
	}
	for _, b := range []*irp.Buffer{q.packet, q.text} {
		if b != nil {
			irp.ExFreePoolWithTag(k, b, tagQuery)
		}
	}
	irp.Free(k, t, tagQuery)
	irql.ExReleaseRundownProtection(k, &d.rundown)
}

// answerLater builds the answer and injects it. Without memory the query is lost, as a network may do.
func (d *Injector) answerLater(k *irql.K, _ *irp.DEVICE_OBJECT, context any) {
	t := context.(*irp.Typed[query])
	q := t.Get()
	irp.IoFreeWorkItem(k, q.item)
	nbl := d.build(k, q)
	if nbl == nil {
		d.forget(k, t)
		return
	}
	s := fwps.FwpsInjectTransportReceiveAsync0(k, d.handle, 0, nil, 0, ws2def.AF_INET, q.compartment, 0, 0,
		nbl, d.completionFn, t)
	if !ntstatus.NT_SUCCESS(s) {
		fwps.FwpsFreeNetBufferList0(k, nbl)
		d.forget(k, t)
	}
}

// completionFn frees the answer: list, MDL and memory.
func (d *Injector) completionFn(k *irql.K, context any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
	if d.Defect != ListNotFreed {
		fwps.FwpsFreeNetBufferList0(k, nbl)
	}
	irql.InterlockedIncrement(k, &d.Answered)
	d.forget(k, context.(*irp.Typed[query]))
}

// own reports whether a packet was injected with a handle.
func own(k *irql.K, handle irql.HANDLE, nbl *ndis.NET_BUFFER_LIST) bool {
	switch fwps.FwpsQueryPacketInjectionState0(k, handle, nbl, nil) {
	case fwps.FWPS_PACKET_INJECTED_BY_SELF, fwps.FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF:
		return true
	}
	return false
}

// absorb is the answer of a classifyFn that has taken the packet.
func absorb(out *fwps.FWPS_CLASSIFY_OUT0) {
	out.ActionType = fwps.FWP_ACTION_BLOCK
	out.Flags |= fwps.FWPS_CLASSIFY_OUT_FLAG_ABSORB
	out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
}
