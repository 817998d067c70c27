package fwps

import (
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// FwpsInjectTransportReceiveAsync0 lets a packet that begins with its IP header come in from the bottom. It
// passes every inbound layer. A packet that is to be authorised goes in from ALE_AUTH_RECV_ACCEPT only,
// behind FwpsCompleteOperation0.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: on STATUS_SUCCESS the list is the stack's until completionFn, else the driver's.
// Returns: STATUS_SUCCESS; STATUS_FWP_TCPIP_NOT_READY; STATUS_FWP_INJECT_HANDLE_CLOSING;
// STATUS_FWP_INVALID_FLAGS; STATUS_INVALID_PARAMETER, also for a handle of another type.
// Rules: WFP-001, WFP-073, WFP-163, WFP-164, WFP-166, WFP-168, WFP-169, WFP-178, WFP-180, WFP-181.
// Not modelled: which interface it comes over, IPsec.
// Reference: fwpsk/nf-fwpsk-fwpsinjecttransportreceiveasync0.
func FwpsInjectTransportReceiveAsync0(k *irql.K, injectionHandle, injectionContext irql.HANDLE, reserved any,
	flags uint32, addressFamily ws2def.ADDRESS_FAMILY, compartmentId, interfaceIndex,
	subInterfaceIndex uint32, netBufferList *ndis.NET_BUFFER_LIST, completionFn FWPS_INJECT_COMPLETE0,
	completionContext any) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectTransportReceiveAsync0
	ke.Enter(k, d)
	in := &injecting{d: d, handle: injectionHandle, context: injectionContext, flags: flags,
		family: addressFamily, compartment: compartmentId, nbl: netBufferList, fn: completionFn,
		fnContext: completionContext, types: FWPS_INJECTION_TYPE_TRANSPORT,
		misfit: ntstatus.STATUS_INVALID_PARAMETER, receive: true, read: packet.Parse, enter: receives}
	return in.inject(k)
}

// FwpsInjectTransportSendAsync0 sends a packet that begins with its transport header, as one of an endpoint.
// It passes every outbound layer. Without sendArgs it begins with its IP header.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: on STATUS_SUCCESS the list, and what sendArgs points to, are the stack's until completionFn.
// Returns: as FwpsInjectTransportReceiveAsync0.
// Rules: as FwpsInjectTransportReceiveAsync0, and WFP-177.
// Not modelled: control data and scopes. An endpoint that is gone gives STATUS_INVALID_PARAMETER in the
// list's Status (INFERRED from what a forwarded packet gets).
// Reference: fwpsk/nf-fwpsk-fwpsinjecttransportsendasync0.
func FwpsInjectTransportSendAsync0(k *irql.K, injectionHandle, injectionContext irql.HANDLE,
	endpointHandle uint64, flags uint32, sendArgs *FWPS_TRANSPORT_SEND_PARAMS0,
	addressFamily ws2def.ADDRESS_FAMILY, compartmentId uint32, netBufferList *ndis.NET_BUFFER_LIST,
	completionFn FWPS_INJECT_COMPLETE0, completionContext any) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectTransportSendAsync0
	ke.Enter(k, d)
	in := &injecting{d: d, handle: injectionHandle, context: injectionContext, flags: flags,
		family: addressFamily, compartment: compartmentId, nbl: netBufferList, fn: completionFn,
		fnContext: completionContext}
	if sendArgs == nil {
		in.fromTransport(k, endpointHandle, nil)
	} else {
		in.fromTransport(k, endpointHandle, &FWPS_TRANSPORT_SEND_PARAMS1{
			RemoteAddress: sendArgs.RemoteAddress, ControlData: sendArgs.ControlData})
	}
	return in.inject(k)
}

// FwpsInjectTransportSendAsync1 is FwpsInjectTransportSendAsync0 with the header that a raw socket has given:
// the packet begins behind it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: as FwpsInjectTransportSendAsync0.
// Returns: as FwpsInjectTransportReceiveAsync0.
// Rules: as FwpsInjectTransportSendAsync0.
// Not modelled: as FwpsInjectTransportSendAsync0, and the header of a raw socket.
// Reference: fwpsk/nf-fwpsk-fwpsinjecttransportsendasync1.
func FwpsInjectTransportSendAsync1(k *irql.K, injectionHandle, injectionContext irql.HANDLE,
	endpointHandle uint64, flags uint32, sendArgs *FWPS_TRANSPORT_SEND_PARAMS1,
	addressFamily ws2def.ADDRESS_FAMILY, compartmentId uint32, netBufferList *ndis.NET_BUFFER_LIST,
	completionFn FWPS_INJECT_COMPLETE0, completionContext any) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectTransportSendAsync1
	ke.Enter(k, d)
	in := &injecting{d: d, handle: injectionHandle, context: injectionContext, flags: flags,
		family: addressFamily, compartment: compartmentId, nbl: netBufferList, fn: completionFn,
		fnContext: completionContext}
	in.fromTransport(k, endpointHandle, sendArgs)
	return in.inject(k)
}

// fromTransport says how the bytes of an outbound list become packets.
func (in *injecting) fromTransport(k *ke.K, endpoint uint64, args *FWPS_TRANSPORT_SEND_PARAMS1) {
	in.types, in.misfit = FWPS_INJECTION_TYPE_TRANSPORT, ntstatus.STATUS_INVALID_PARAMETER
	in.enter = sends
	if args == nil {
		in.read = packet.Parse
		return
	}
	dst, ok := addressIn(args.RemoteAddress, in.family)
	if !ok {
		return // read is nil: STATUS_INVALID_PARAMETER
	}
	for _, b := range [...]*irp.Buffer{args.RemoteAddress, args.ControlData} {
		if b != nil {
			in.lent = append(in.lent, b)
		}
	}
	e := tcpip.Of(k).EndpointOf(trace.ID(endpoint))
	if e == nil {
		in.read = func([]byte) (*packet.Packet, error) { return nil, nil }
		in.gone = true
		return
	}
	in.read = func(b []byte) (*packet.Packet, error) {
		return packet.Under(e.Protocol, e.SourceOf(dst), dst, usualTTL, b)
	}
}
