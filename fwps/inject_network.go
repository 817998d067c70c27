package fwps

import (
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcpip"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// FwpsInjectNetworkSendAsync0 sends a packet that begins with its IP header. It passes every outbound layer.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: on STATUS_SUCCESS the list is the stack's until completionFn, else the driver's.
// Returns: STATUS_SUCCESS; STATUS_FWP_TCPIP_NOT_READY; STATUS_FWP_INJECT_HANDLE_CLOSING;
// STATUS_FWP_INJECT_HANDLE_STALE for a handle of another type or family; STATUS_FWP_INVALID_FLAGS;
// STATUS_INVALID_PARAMETER.
// Rules: WFP-001, WFP-073, WFP-163, WFP-164, WFP-166, WFP-168, WFP-169, WFP-180, WFP-181.
// Not modelled: a size that the interface cannot send.
// Reference: fwpsk/nf-fwpsk-fwpsinjectnetworksendasync0.
func FwpsInjectNetworkSendAsync0(k *irql.K, injectionHandle, injectionContext irql.HANDLE, flags,
	compartmentId uint32, netBufferList *ndis.NET_BUFFER_LIST, completionFn FWPS_INJECT_COMPLETE0,
	completionContext any) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectNetworkSendAsync0
	ke.Enter(k, d)
	in := &injecting{d: d, handle: injectionHandle, context: injectionContext, flags: flags,
		compartment: compartmentId, nbl: netBufferList, fn: completionFn, fnContext: completionContext,
		types: FWPS_INJECTION_TYPE_NETWORK, misfit: ntstatus.STATUS_FWP_INJECT_HANDLE_STALE,
		read: packet.Parse, enter: sends}
	return in.inject(k)
}

// FwpsInjectNetworkReceiveAsync0 lets a packet that begins with its IP header come in from the bottom. It
// passes every inbound layer.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: on STATUS_SUCCESS the list is the stack's until completionFn, else the driver's.
// Returns: as FwpsInjectNetworkSendAsync0.
// Rules: as FwpsInjectNetworkSendAsync0.
// Not modelled: which interface it comes over.
// Reference: fwpsk/nf-fwpsk-fwpsinjectnetworkreceiveasync0.
func FwpsInjectNetworkReceiveAsync0(k *irql.K, injectionHandle, injectionContext irql.HANDLE, flags,
	compartmentId, interfaceIndex, subInterfaceIndex uint32, netBufferList *ndis.NET_BUFFER_LIST,
	completionFn FWPS_INJECT_COMPLETE0, completionContext any) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectNetworkReceiveAsync0
	ke.Enter(k, d)
	in := &injecting{d: d, handle: injectionHandle, context: injectionContext, flags: flags,
		compartment: compartmentId, nbl: netBufferList, fn: completionFn, fnContext: completionContext,
		types: FWPS_INJECTION_TYPE_NETWORK, misfit: ntstatus.STATUS_FWP_INJECT_HANDLE_STALE,
		receive: true, read: packet.Parse, enter: receives}
	return in.inject(k)
}

// FwpsInjectForwardAsync0 sends a packet on to another machine, past no layer (wfp.md 21 #47). One from or to
// an address of this machine fails with STATUS_INVALID_PARAMETER in the list's Status.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: on STATUS_SUCCESS the list is the stack's until completionFn, else the driver's.
// Returns: STATUS_SUCCESS; STATUS_FWP_TCPIP_NOT_READY; STATUS_FWP_INJECT_HANDLE_CLOSING;
// STATUS_FWP_INVALID_FLAGS; STATUS_INVALID_PARAMETER, also for a handle of another type.
// Rules: as FwpsInjectNetworkSendAsync0.
// Not modelled: groups of fragments, and which interface it leaves by.
// Reference: fwpsk/nf-fwpsk-fwpsinjectforwardasync0.
func FwpsInjectForwardAsync0(k *irql.K, injectionHandle, injectionContext irql.HANDLE, flags uint32,
	addressFamily ws2def.ADDRESS_FAMILY, compartmentId, interfaceIndex uint32,
	netBufferList *ndis.NET_BUFFER_LIST, completionFn FWPS_INJECT_COMPLETE0,
	completionContext any) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectForwardAsync0
	ke.Enter(k, d)
	in := &injecting{d: d, handle: injectionHandle, context: injectionContext, flags: flags,
		family: addressFamily, compartment: compartmentId, nbl: netBufferList, fn: completionFn,
		fnContext: completionContext, types: FWPS_INJECTION_TYPE_FORWARD,
		misfit: ntstatus.STATUS_INVALID_PARAMETER, receive: true, read: packet.Parse, enter: forwards}
	return in.inject(k)
}

// sends, receives and forwards are where an injected packet enters the stack (wfp.md 16.1).
func sends(k *ke.K, h *injection, p *packet.Packet) ntstatus.NTSTATUS {
	tcpip.Of(k).InjectSend(k, p, h.channel, h.id)
	return ntstatus.STATUS_SUCCESS
}

func receives(k *ke.K, _ *injection, p *packet.Packet) ntstatus.NTSTATUS {
	tcpip.Of(k).InjectReceive(k, p)
	return ntstatus.STATUS_SUCCESS
}

func forwards(k *ke.K, h *injection, p *packet.Packet) ntstatus.NTSTATUS {
	s := tcpip.Of(k)
	if s.Local(p.Src.Addr()) || s.Local(p.Dst.Addr()) {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	s.InjectForward(k, p, h.channel, h.id)
	return ntstatus.STATUS_SUCCESS
}
