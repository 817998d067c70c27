package wsk

import (
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// SO_WSK_EVENT_CALLBACK enables and disables event callbacks (WskSetOption, SOL_SOCKET).
const SO_WSK_EVENT_CALLBACK uint32 = 0x4002

// Events, for WSK_EVENT_CALLBACK_CONTROL.EventMask. WSK_EVENT_DISABLE beside one of them turns it off.
const (
	WSK_EVENT_SEND_BACKLOG uint32 = 0x10
	WSK_EVENT_RECEIVE      uint32 = 0x40
	WSK_EVENT_DISCONNECT   uint32 = 0x80
	WSK_EVENT_RECEIVE_FROM uint32 = 0x100
	WSK_EVENT_ACCEPT       uint32 = 0x200
	WSK_EVENT_DISABLE      uint32 = 0x80000000
)

// EventFlags are what an event callback is told besides.
type EventFlags uint32

// Flags of event callbacks. WskDisconnectEvent has EventFlags(WSK_FLAG_ABORTIVE) as well.
const (
	WSK_FLAG_RELEASE_ASAP      EventFlags = 2 // do not retain the list if that can be avoided
	WSK_FLAG_ENTIRE_MESSAGE    EventFlags = 4 // the list ends a message
	WSK_FLAG_AT_DISPATCH_LEVEL EventFlags = 8 // for certain; if clear the level may be that all the same
)

// NPIID names a network programming interface.
type NPIID [16]byte

// NPI_WSK_INTERFACE_ID is the interface of Winsock Kernel: {2227E803-8D8B-11D4-ABAD-009027719E09}.
var NPI_WSK_INTERFACE_ID = NPIID{0x03, 0xE8, 0x27, 0x22, 0x8B, 0x8D, 0xD4, 0x11, 0xAB, 0xAD, 0x00, 0x90, 0x27,
	0x71, 0x9E, 0x09}

// WSK_EVENT_CALLBACK_CONTROL is the input of SO_WSK_EVENT_CALLBACK and WSK_SET_STATIC_EVENT_CALLBACKS. Its
// memory is irp.StackVar or irp.New, handed over with Handle.
type WSK_EVENT_CALLBACK_CONTROL struct {
	NpiId     *NPIID
	EventMask uint32
}

// SizeofEventCallbackControl is sizeof(WSK_EVENT_CALLBACK_CONTROL).
const SizeofEventCallbackControl uint64 = 16

// WSK_CLIENT_LISTEN_DISPATCH has the event callbacks of a listening socket. A member may be NULL where its
// event is never enabled.
type WSK_CLIENT_LISTEN_DISPATCH struct {
	WskAcceptEvent  PFN_WSK_ACCEPT_EVENT
	WskInspectEvent PFN_WSK_INSPECT_EVENT
	WskAbortEvent   PFN_WSK_ABORT_EVENT
}

// WSK_CLIENT_CONNECTION_DISPATCH has the event callbacks of a connection-oriented socket.
type WSK_CLIENT_CONNECTION_DISPATCH struct {
	WskReceiveEvent     PFN_WSK_RECEIVE_EVENT
	WskDisconnectEvent  PFN_WSK_DISCONNECT_EVENT
	WskSendBacklogEvent PFN_WSK_SEND_BACKLOG_EVENT
}

// WSK_CLIENT_STREAM_DISPATCH has the tables of a stream socket for both of its roles.
type WSK_CLIENT_STREAM_DISPATCH struct {
	Listen  *WSK_CLIENT_LISTEN_DISPATCH
	Connect *WSK_CLIENT_CONNECTION_DISPATCH
}

// Event callbacks, and the function that gives back what one of them kept.
type (
	// PFN_WSK_ACCEPT_EVENT takes a connection of a listening socket. With STATUS_SUCCESS the accepted socket
	// is the client's, who has stored its context and its table; with STATUS_REQUEST_NOT_ACCEPTED the
	// subsystem closes it. A NULL acceptSocket says that the listening socket does not work any more.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Ownership: the addresses are gone when the callback returns.
	// Returns: STATUS_SUCCESS; STATUS_REQUEST_NOT_ACCEPTED, for a NULL acceptSocket always.
	// Rules: WSK-079, WSK-096, WSK-170, WSK-180 to WSK-183.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_accept_event.
	PFN_WSK_ACCEPT_EVENT func(k *irql.K, socketContext any, flags EventFlags, localAddress,
		remoteAddress ws2def.SOCKADDR, acceptSocket *WSK_SOCKET, acceptSocketContext *any,
		acceptSocketDispatch **WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS

	// PFN_WSK_RECEIVE_EVENT is shown what has arrived on a connection, one call of a socket after the other.
	// *bytesAccepted is bytesIndicated at first; a smaller number leaves the rest, and no further call comes
	// until a WskReceive has completed. A NULL dataIndication says that the socket does not work any more.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Ownership: the list is gone when the callback returns, unless it returns STATUS_PENDING: then it stays
	// until WskRelease.
	// Returns: STATUS_SUCCESS; STATUS_PENDING; STATUS_DATA_NOT_ACCEPTED, which leaves everything.
	// Rules: WSK-079, WSK-096, WSK-170 to WSK-177, WSK-179, WSK-181.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_receive_event.
	PFN_WSK_RECEIVE_EVENT func(k *irql.K, socketContext any, flags EventFlags,
		dataIndication *WSK_DATA_INDICATION, bytesIndicated uint64,
		bytesAccepted *uint64) ntstatus.NTSTATUS

	// PFN_WSK_DISCONNECT_EVENT is told that the peer has finished sending, or with
	// EventFlags(WSK_FLAG_ABORTIVE) that the connection is lost.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Ownership: none.
	// Returns: STATUS_SUCCESS.
	// Rules: WSK-079, WSK-096, WSK-170.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_disconnect_event.
	PFN_WSK_DISCONNECT_EVENT func(k *irql.K, socketContext any, flags EventFlags) ntstatus.NTSTATUS

	// PFN_WSK_SEND_BACKLOG_EVENT is told how many bytes of sends are best kept outstanding from now on.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Ownership: none.
	// Returns: STATUS_SUCCESS.
	// Rules: WSK-079, WSK-170.
	// Not modelled: what the number depends on: it changes where the choice site says so.
	// Reference: wsk/nc-wsk-pfn_wsk_send_backlog_event.
	PFN_WSK_SEND_BACKLOG_EVENT func(k *irql.K, socketContext any,
		idealBacklogSize uint64) ntstatus.NTSTATUS

	// PFN_WSK_RELEASE_DATA_INDICATION_LIST is the function WskRelease of connection and stream sockets. It
	// gives back a list for which WskReceiveEvent returned STATUS_PENDING.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the list is gone. Every list is to be released before WskCloseSocket.
	// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a list that is not retained on this socket.
	// Rules: WSK-090, WSK-172 to WSK-175, WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_release_data_indication_list.
	PFN_WSK_RELEASE_DATA_INDICATION_LIST func(k *irql.K, socket *WSK_SOCKET,
		dataIndication *WSK_DATA_INDICATION) ntstatus.NTSTATUS
)
