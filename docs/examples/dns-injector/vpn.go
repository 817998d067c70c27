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

var tagTunnel = irp.Tag("VpnT")

// VPN is vpn.sys: it takes the packets to and from one address, as if it carried them through a tunnel, and
// puts them back. Other drivers can be loaded beside it to see whether they get along.
type VPN struct {
	Defect Defect
	Peer   uint32 // host order

	management
	device   *irp.DEVICE_OBJECT
	callouts [2]uint32
	handle   irql.HANDLE
	rundown  irql.EX_RUNDOWN_REF // held by every packet in the tunnel
	Carried  int32
}

// carried is a packet in the tunnel.
type carried struct {
	item        *irp.IO_WORKITEM
	clone       *ndis.NET_BUFFER_LIST
	inbound     bool
	compartment uint32
}

// DriverEntry creates what lasts as long as the driver.
func (d *VPN) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	irql.ExInitializeRundownProtection(k, &d.rundown)
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Tunnel`, irp.FILE_DEVICE_NETWORK, 0, false, &d.device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	s = fwps.FwpsInjectionHandleCreate0(k, ws2def.AF_INET, fwps.FWPS_INJECTION_TYPE_NETWORK, &d.handle)
	if !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.device)
		return s
	}
	n := 0
	for ; n < len(d.callouts) && ntstatus.NT_SUCCESS(s); n++ {
		c := fwps.FWPS_CALLOUT1{CalloutKey: key(vpnKeys, byte(n)), NotifyFn: notifyFn1,
			ClassifyFn: d.outFn1}
		if n == 1 {
			c.ClassifyFn = d.inFn1
		}
		s = fwps.FwpsCalloutRegister1(k, d.device, &c, &d.callouts[n])
		if !ntstatus.NT_SUCCESS(s) {
			break
		}
	}
	if ntstatus.NT_SUCCESS(s) {
		peer := []fwpm.FWPM_FILTER_CONDITION0{equal32(fwpm.FWPM_CONDITION_IP_REMOTE_ADDRESS, d.Peer)}
		s = d.open(k, "vpn", vpnKeys, 0x4000,
			layer{guid: fwpm.FWPM_LAYER_OUTBOUND_IPPACKET_V4, callout: 0, conditions: peer},
			layer{guid: fwpm.FWPM_LAYER_INBOUND_IPPACKET_V4, callout: 1, conditions: peer})
	}
	if !ntstatus.NT_SUCCESS(s) {
		d.release(k, n)
	}
	return s
}

// release ends the first n callouts and what they use.
func (d *VPN) release(k *irql.K, n int) {
	for _, id := range d.callouts[:n] {
		unregister(k, id)
	}
	irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
	fwps.FwpsInjectionHandleDestroy0(k, d.handle)
	irp.IoDeleteDevice(k, d.device)
}

func (d *VPN) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	d.close(k)
	d.release(k, len(d.callouts))
}

// outFn1 gets a list that begins with the IP header.
func (d *VPN) outFn1(k *irql.K, _ *fwps.FWPS_INCOMING_VALUES0, meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
	layerData, _ any, _ *fwps.FWPS_FILTER1, _ uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	d.take(k, meta, layerData, 0, out)
}

// inFn1 gets a list that begins behind it.
func (d *VPN) inFn1(k *irql.K, _ *fwps.FWPS_INCOMING_VALUES0, meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
	layerData, _ any, _ *fwps.FWPS_FILTER1, _ uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	d.take(k, meta, layerData, meta.IpHeaderSize(), out)
}

// take puts a packet into the tunnel, unless it has come out of it.
func (d *VPN) take(k *irql.K, meta *fwps.FWPS_INCOMING_METADATA_VALUES0, layerData any, header uint32,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	if out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE == 0 {
		return // somebody heavier has decided
	}
	out.ActionType = fwps.FWP_ACTION_PERMIT
	nbl, ok := layerData.(*ndis.NET_BUFFER_LIST)
	if !ok || d.Defect != StateNotAsked && own(k, d.handle, nbl) ||
		!irql.ExAcquireRundownProtection(k, &d.rundown) {
		return
	}
	t := irp.New[carried](k, irp.POOL_FLAG_NON_PAGED, tagTunnel)
	if t == nil {
		irql.ExReleaseRundownProtection(k, &d.rundown)
		return
	}
	c := t.Get()
	c.inbound = header != 0
	if fwps.FWPS_IS_METADATA_FIELD_PRESENT(meta, fwps.FWPS_METADATA_FIELD_COMPARTMENT_ID) {
		c.compartment = meta.CompartmentId()
	}
	if c.item = irp.IoAllocateWorkItem(k, d.device); c.item == nil || !c.copy(k, nbl, header) {
		d.forget(k, t)
		return
	}
	absorb(out)
	irp.IoQueueWorkItem(k, c.item, d.carry, irp.DelayedWorkQueue, t)
}

// copy clones the packet from its IP header on.
func (c *carried) copy(k *irql.K, nbl *ndis.NET_BUFFER_LIST, header uint32) bool {
	if header > 0 && ndis.NdisRetreatNetBufferListDataStart(k, nbl, header, 0, nil,
		nil) != ndis.NDIS_STATUS_SUCCESS {
		return false
	}
	s := fwps.FwpsAllocateCloneNetBufferList0(k, nbl, 0, 0, 0, &c.clone)
	if header > 0 {
		ndis.NdisAdvanceNetBufferListDataStart(k, nbl, header, false, nil)
	}
	return ntstatus.NT_SUCCESS(s)
}

// forget frees what a packet has but its clone.
func (d *VPN) forget(k *irql.K, t *irp.Typed[carried]) {
	if c := t.Get(); c.item != nil {
		irp.IoFreeWorkItem(k, c.item)
	}
	irp.Free(k, t, tagTunnel)
	irql.ExReleaseRundownProtection(k, &d.rundown)
}

// carry is the other end of the tunnel.
func (d *VPN) carry(k *irql.K, _ *irp.DEVICE_OBJECT, context any) {
	t := context.(*irp.Typed[carried])
	c := t.Get()
	if d.Defect == CloneLost {
		d.forget(k, t)
		return
	}
	var s ntstatus.NTSTATUS
	if c.inbound {
		s = fwps.FwpsInjectNetworkReceiveAsync0(k, d.handle, 0, 0, c.compartment, 0, 0, c.clone,
			d.completionFn, t)
	} else {
		s = fwps.FwpsInjectNetworkSendAsync0(k, d.handle, 0, 0, c.compartment, c.clone, d.completionFn, t)
	}
	if !ntstatus.NT_SUCCESS(s) {
		fwps.FwpsFreeCloneNetBufferList0(k, c.clone, 0)
		d.forget(k, t)
	}
}

// completionFn frees the clone; the packet that was absorbed goes with it.
func (d *VPN) completionFn(k *irql.K, context any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
	fwps.FwpsFreeCloneNetBufferList0(k, nbl, 0)
	irql.InterlockedIncrement(k, &d.Carried)
	d.forget(k, context.(*irp.Typed[carried]))
}
