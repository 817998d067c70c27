package wsk

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// WSK_BUF_LIST is a list of datagrams, each with its own buffer. The nodes stay as they are until the IRP is
// completed.
type WSK_BUF_LIST struct {
	Next   *WSK_BUF_LIST
	Buffer WSK_BUF
}

// WSK_PROVIDER_DATAGRAM_DISPATCH is the table of datagram sockets.
type WSK_PROVIDER_DATAGRAM_DISPATCH struct {
	WSK_PROVIDER_BASIC_DISPATCH
	WskBind            PFN_WSK_BIND
	WskSendTo          PFN_WSK_SEND_TO
	WskReceiveFrom     PFN_WSK_RECEIVE_FROM
	WskRelease         PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST
	WskGetLocalAddress PFN_WSK_GET_LOCAL_ADDRESS
	WskSendMessages    PFN_WSK_SEND_MESSAGES
}

// WSK_CLIENT_DATAGRAM_DISPATCH is the table of a datagram socket's event callbacks. A member may be NULL
// where its event is never enabled.
type WSK_CLIENT_DATAGRAM_DISPATCH struct{ WskReceiveFromEvent PFN_WSK_RECEIVE_FROM_EVENT }

// Event callback of datagram sockets, and the function that gives back what it kept.
type (
	// PFN_WSK_RECEIVE_FROM_EVENT is shown datagrams that have arrived, one in each element of the list. Calls
	// of one socket may run at once on several processors. A NULL dataIndication says that the socket does
	// not work any more. flags has EventFlags(ws2def.MSG_BCAST) or MSG_MCAST for what was sent to many.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Ownership: the list is gone when the callback returns, unless it returns STATUS_PENDING: then it stays
	// until WskRelease.
	// Returns: STATUS_SUCCESS; STATUS_PENDING; STATUS_DATA_NOT_ACCEPTED, which disables the callback until it
	// is enabled again, and leaves the datagrams; where it is enabled statically they are lost.
	// Rules: WSK-079, WSK-096, WSK-170 to WSK-175, WSK-178, WSK-181, WSK-184, WSK-185.
	// Not modelled: datagrams in several MDLs; kept lists take no room of SO_RCVBUF.
	// Reference: wsk/nc-wsk-pfn_wsk_receive_from_event.
	PFN_WSK_RECEIVE_FROM_EVENT func(k *irql.K, socketContext any, flags EventFlags,
		dataIndication *WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS

	// PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST is the function WskRelease of datagram sockets. It gives back
	// a list for which WskReceiveFromEvent returned STATUS_PENDING.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the list is gone. Every list is to be released before WskCloseSocket.
	// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a list that is not retained on this socket.
	// Rules: WSK-090, WSK-172 to WSK-175, WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_release_datagram_indication_list.
	PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST func(k *irql.K, socket *WSK_SOCKET,
		datagramIndication *WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS
)

// Functions of datagram sockets. Each comment stands for the function of that type in the table.
type (
	// PFN_WSK_SEND_TO sends a datagram. It is completed when the datagram is on its way: nobody says whether
	// it arrives. IoStatus.Information is the number of bytes.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the MDL chain, its memory and controlInfo are the subsystem's until the IRP is completed;
	// the WSK_BUF and the address may go when the call returns.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for a buffer that does not fit into its MDL chain, for no
	// address where none is fixed, for control data that mean nothing; STATUS_INVALID_DEVICE_STATE for a
	// socket that is not bound; STATUS_ACCESS_DENIED where a filter blocks, or for a broadcast without
	// SO_BROADCAST; STATUS_INVALID_BUFFER_SIZE for more bytes than a datagram can have;
	// STATUS_NETWORK_UNREACHABLE; STATUS_CANCELLED; STATUS_INSUFFICIENT_RESOURCES when memory is short.
	// STATUS_INVALID_PARAMETER, and nothing is completed, for a NULL IRP.
	// Rules: WSK-042, WSK-060 to WSK-069, WSK-077, WSK-090, WSK-105, WSK-130 to WSK-134, WSK-139, WSK-145,
	// WSK-148, WSK-149, WSK-241.
	// Not modelled: UDP_SEND_MSG_SIZE.
	// Reference: wsk/nc-wsk-pfn_wsk_send_to.
	PFN_WSK_SEND_TO func(k *irql.K, socket *WSK_SOCKET, buffer *WSK_BUF, flags uint32,
		remoteAddress ws2def.SOCKADDR, controlInfoLength uint32, controlInfo *irp.Buffer,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_SEND_MESSAGES sends a list of datagrams to one place. IoStatus.Information is the number of
	// bytes of all. When one cannot be sent the rest is not, and the IRP is completed with what was wrong.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the nodes of the list, their MDL chains and memory, and controlInfo are the subsystem's
	// until the IRP is completed; the address may go when the call returns.
	// Returns: as PFN_WSK_SEND_TO.
	// Rules: as PFN_WSK_SEND_TO; WSK-151.
	// Not modelled: UDP_SEND_MSG_SIZE.
	// Reference: wsk/nc-wsk-pfn_wsk_send_messages.
	PFN_WSK_SEND_MESSAGES func(k *irql.K, socket *WSK_SOCKET, bufferList *WSK_BUF_LIST, flags uint32,
		remoteAddress ws2def.SOCKADDR, controlInfoLength uint32, controlInfo *irp.Buffer,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_RECEIVE_FROM receives a datagram. IoStatus.Information is the number of bytes stored; what does
	// not fit into the buffer is lost, and ControlFlags says so (MSG_TRUNC). It may then end with
	// STATUS_SUCCESS or STATUS_BUFFER_OVERFLOW (wsk.md 25.41).
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the MDL chain, its memory and the four places where results are stored are nonpaged and the
	// subsystem's until the IRP is completed; the WSK_BUF may go when the call returns.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS or STATUS_BUFFER_OVERFLOW, or STATUS_INVALID_PARAMETER for a buffer that does not fit
	// into its MDL chain; STATUS_INVALID_DEVICE_STATE for a socket that is not bound; STATUS_CANCELLED;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is completed,
	// for a NULL IRP.
	// Rules: WSK-042, WSK-060 to WSK-069, WSK-077, WSK-090, WSK-105, WSK-130 to WSK-138, WSK-146, WSK-147,
	// WSK-150, WSK-152, WSK-241.
	// Not modelled: IP_RECVERR, UDP_COALESCED_INFO.
	// Reference: wsk/nc-wsk-pfn_wsk_receive_from.
	PFN_WSK_RECEIVE_FROM func(k *irql.K, socket *WSK_SOCKET, buffer *WSK_BUF, flags uint32,
		remoteAddress ws2def.SOCKADDR, controlLength *uint32, controlInfo *irp.Buffer, controlFlags *uint32,
		p *irp.IRP) ntstatus.NTSTATUS
)
