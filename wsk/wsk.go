// Package wsk is Winsock Kernel as a driver sees it: registration, the provider's function tables,
// listening, datagram, connection and stream sockets over the simulated transport, control requests and the
// three codes of WFP connection redirection.
//
// Event callbacks come from deliveries of their own, one after the other for each socket.
//
// Modelled: every function takes the client's IRP as IoCallDriver would, with the subsystem as the lowest
// driver, and completes it exactly once, by default later and at DISPATCH_LEVEL; buffers, addresses,
// contexts and tables are on loan until the end the documentation names. Not modelled, and therefore absent
// from the tables: raw sockets, event callbacks of datagram sockets, extension
// interfaces, attachment through the NMR. Asking for one of them at run time is refused with
// STATUS_NOT_SUPPORTED.
//
// Order of things inside: the functions are operations (operation.go), of which tables, choice sites and the
// answers by state are made. A call makes a request, submit sends its IRP to the subsystem's device, dispatch
// asks stateCalls and starts the transport's work, finish keeps its result, complete gives it to the IRP from
// a delivery.
package wsk

import (
	"calloutsim/internal/trace"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// MAKE_WSK_VERSION puts a version number together.
//
// IRQL: any level.
// Reference: wsk.h
func MAKE_WSK_VERSION(major, minor uint8) uint16 { return uint16(major)<<8 | uint16(minor) }

// WSK_MAJOR_VERSION gives the high byte of a version.
//
// IRQL: any level.
// Reference: wsk.h
func WSK_MAJOR_VERSION(version uint16) uint8 { return uint8(version >> 8) }

// WSK_MINOR_VERSION gives the low byte of a version.
//
// IRQL: any level.
// Reference: wsk.h
func WSK_MINOR_VERSION(version uint16) uint8 { return uint8(version) }

// Waiting times of WskCaptureProviderNPI; anything else is a number of milliseconds.
const (
	WSK_NO_WAIT       uint32 = 0
	WSK_INFINITE_WAIT uint32 = 0xFFFFFFFF
)

// SocketFlags, SendFlags, ReceiveFlags and DisconnectFlags are distinct types, because their bits collide:
// on Windows the wrong constant compiles and changes what is done (WSK-142).
type (
	SocketFlags     uint32
	SendFlags       uint32
	ReceiveFlags    uint32
	DisconnectFlags uint32
)

// Categories of sockets, for WskSocket.
const (
	WSK_FLAG_BASIC_SOCKET      SocketFlags = 0
	WSK_FLAG_LISTEN_SOCKET     SocketFlags = 1
	WSK_FLAG_CONNECTION_SOCKET SocketFlags = 2
	WSK_FLAG_DATAGRAM_SOCKET   SocketFlags = 4
	WSK_FLAG_STREAM_SOCKET     SocketFlags = 8
)

// Flags of WskSend, WskReceive and WskDisconnect.
const (
	WSK_FLAG_NODELAY  SendFlags       = 2
	WSK_FLAG_WAITALL  ReceiveFlags    = 2
	WSK_FLAG_DRAIN    ReceiveFlags    = 4
	WSK_FLAG_ABORTIVE DisconnectFlags = 1
)

// WSK_CONTROL_SOCKET_TYPE says what WskControlSocket is to do.
type WSK_CONTROL_SOCKET_TYPE uint32

// The kinds of control requests.
const (
	WskSetOption WSK_CONTROL_SOCKET_TYPE = iota
	WskGetOption
	WskIoctl
	WskControlMax
)

// WSK_CLIENT is the client's side of a captured NPI; it is only handed back.
type WSK_CLIENT struct{ c *client }

// WSK_CLIENT_DISPATCH is the client's part of a registration. Its memory stays until WskDeregister.
type WSK_CLIENT_DISPATCH struct {
	Version        uint16
	Reserved       uint16 // must be 0
	WskClientEvent PFN_WSK_CLIENT_EVENT
}

// WSK_CLIENT_NPI is what WskRegister takes. It may be gone when WskRegister returns.
type WSK_CLIENT_NPI struct {
	ClientContext any
	Dispatch      *WSK_CLIENT_DISPATCH
}

// WSK_REGISTRATION is the block of one registration. The client gives the memory and never touches what is
// in it.
type WSK_REGISTRATION struct {
	ReservedRegistrationState   uint64
	ReservedRegistrationContext any
	ReservedRegistrationLock    uint64
}

// WSK_PROVIDER_NPI is what WskCaptureProviderNPI fills.
type WSK_PROVIDER_NPI struct {
	Client   *WSK_CLIENT
	Dispatch *WSK_PROVIDER_DISPATCH
}

// WSK_PROVIDER_CHARACTERISTICS is the range of versions the provider supports.
type WSK_PROVIDER_CHARACTERISTICS struct {
	HighestVersion uint16
	LowestVersion  uint16
}

// WSK_SOCKET is a socket object. Dispatch points to the table of the socket's category; a Go type assertion
// to the wrong table fails at once, where the C cast calls the wrong function. The memory is the
// subsystem's and goes with the socket.
type WSK_SOCKET struct {
	Dispatch any
	s        *socket
}

// ID names the socket in traces and reports.
func (s *WSK_SOCKET) ID() trace.ID { return s.s.id }

// WSK_BUF describes data for sending or room for receiving. The descriptor itself may be gone when the call
// returns, what it describes must stay until the IRP is completed.
type WSK_BUF struct {
	Mdl    *irp.MDL
	Offset uint32 // into the first MDL of the chain
	Length uint64
}

// WSK_PROVIDER_DISPATCH is the client-level table. It may be used between a capture and its release.
type WSK_PROVIDER_DISPATCH struct {
	Version          uint16
	Reserved         uint16
	WskSocket        PFN_WSK_SOCKET
	WskSocketConnect PFN_WSK_SOCKET_CONNECT
	WskControlClient PFN_WSK_CONTROL_CLIENT

	WskGetAddressInfo  PFN_WSK_GET_ADDRESS_INFO
	WskFreeAddressInfo PFN_WSK_FREE_ADDRESS_INFO
	WskGetNameInfo     PFN_WSK_GET_NAME_INFO
}

// WSK_PROVIDER_BASIC_DISPATCH is the part every socket has.
type WSK_PROVIDER_BASIC_DISPATCH struct {
	WskControlSocket PFN_WSK_CONTROL_SOCKET
	WskCloseSocket   PFN_WSK_CLOSE_SOCKET
}

// WSK_PROVIDER_LISTEN_DISPATCH is the table of listening sockets.
type WSK_PROVIDER_LISTEN_DISPATCH struct {
	WSK_PROVIDER_BASIC_DISPATCH
	WskBind            PFN_WSK_BIND
	WskAccept          PFN_WSK_ACCEPT
	WskInspectComplete PFN_WSK_INSPECT_COMPLETE
	WskGetLocalAddress PFN_WSK_GET_LOCAL_ADDRESS
}

// WSK_PROVIDER_CONNECTION_DISPATCH is the table of connection-oriented sockets, accepted ones included.
type WSK_PROVIDER_CONNECTION_DISPATCH struct {
	WSK_PROVIDER_BASIC_DISPATCH
	WskBind             PFN_WSK_BIND
	WskConnect          PFN_WSK_CONNECT
	WskGetLocalAddress  PFN_WSK_GET_LOCAL_ADDRESS
	WskGetRemoteAddress PFN_WSK_GET_REMOTE_ADDRESS
	WskSend             PFN_WSK_SEND
	WskReceive          PFN_WSK_RECEIVE
	WskDisconnect       PFN_WSK_DISCONNECT
	WskRelease          PFN_WSK_RELEASE_DATA_INDICATION_LIST
	WskConnectEx        PFN_WSK_CONNECT_EX
}

// WSK_PROVIDER_STREAM_DISPATCH is the table of stream sockets, which become listening or connection sockets
// by what is called first.
type WSK_PROVIDER_STREAM_DISPATCH struct {
	WSK_PROVIDER_BASIC_DISPATCH
	WskBind             PFN_WSK_BIND
	WskAccept           PFN_WSK_ACCEPT
	WskConnect          PFN_WSK_CONNECT
	WskListen           PFN_WSK_LISTEN
	WskSend             PFN_WSK_SEND
	WskReceive          PFN_WSK_RECEIVE
	WskDisconnect       PFN_WSK_DISCONNECT
	WskRelease          PFN_WSK_RELEASE_DATA_INDICATION_LIST
	WskGetLocalAddress  PFN_WSK_GET_LOCAL_ADDRESS
	WskGetRemoteAddress PFN_WSK_GET_REMOTE_ADDRESS
	WskConnectEx        PFN_WSK_CONNECT_EX
}

// Functions behind pointers. Each comment stands for the function of that type in the tables.
type (
	// PFN_WSK_CLIENT_EVENT is the client's callback for events that concern it as a whole. None is defined;
	// one that no client knows comes where a test asks for it.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Not modelled: events.
	// Reference: wsk/nc-wsk-pfn_wsk_client_event.
	PFN_WSK_CLIENT_EVENT func(k *irql.K, clientContext any, eventType uint32, information any,
		informationLength uint64) ntstatus.NTSTATUS

	// PFN_WSK_SOCKET makes a socket of one category. Where the IRP is completed with STATUS_SUCCESS,
	// IoStatus.Information is the WSK_SOCKET (IoStatus.Pointer).
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the IRP is the subsystem's until it completes; context and dispatch stay with the socket
	// until it is closed.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for a category, type or protocol that does not fit;
	// STATUS_NOT_SUPPORTED for what is not modelled; STATUS_INSUFFICIENT_RESOURCES when memory is short.
	// STATUS_INVALID_PARAMETER, and nothing is completed, for a NULL IRP; STATUS_INVALID_HANDLE for a client
	// that has no provider.
	// Rules: WSK-015, WSK-030 to WSK-037, WSK-060 to WSK-069, WSK-077, WSK-090.
	// Not modelled: raw sockets (STATUS_NOT_SUPPORTED), security descriptors, the security context of the
	// owner.
	// Reference: wsk/nc-wsk-pfn_wsk_socket.
	PFN_WSK_SOCKET func(k *irql.K, client *WSK_CLIENT, addressFamily ws2def.ADDRESS_FAMILY, socketType uint16,
		protocol uint32, flags SocketFlags, socketContext, dispatch any, owningProcess *irql.KPROCESS,
		owningThread *irql.KTHREAD, securityDescriptor any, p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_SOCKET_CONNECT makes a connection socket, binds and connects it. When a step fails there is
	// no socket. Where the IRP is completed with STATUS_SUCCESS, IoStatus.Pointer is the WSK_SOCKET.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: as PFN_WSK_SOCKET.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or those of PFN_WSK_SOCKET, PFN_WSK_BIND and PFN_WSK_CONNECT;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP; STATUS_INVALID_HANDLE for a client that has no provider.
	// Rules: as PFN_WSK_SOCKET and PFN_WSK_CONNECT; later WSK-043.
	// Not modelled: as PFN_WSK_SOCKET.
	// Reference: wsk/nc-wsk-pfn_wsk_socket_connect.
	PFN_WSK_SOCKET_CONNECT func(k *irql.K, client *WSK_CLIENT, socketType uint16, protocol uint32,
		localAddress, remoteAddress ws2def.SOCKADDR, flags uint32, socketContext any,
		dispatch *WSK_CLIENT_CONNECTION_DISPATCH, owningProcess *irql.KPROCESS, owningThread *irql.KTHREAD,
		securityDescriptor any, p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_CONTROL_SOCKET sets or reads an option of a socket, or issues a control code.
	// IoStatus.Information is the number of bytes stored; where a redirect query says
	// STATUS_BUFFER_TOO_SMALL, the number needed.
	//
	// IRQL: <= DISPATCH_LEVEL; PASSIVE_LEVEL for the redirect codes.
	// Ownership: the input and output buffers and outputSizeReturned are the subsystem's until the IRP is
	// completed.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for buffers that do not fit; STATUS_BUFFER_TOO_SMALL and
	// STATUS_NOT_FOUND from redirect queries; STATUS_ACCESS_DENIED where the owner may not set redirect
	// records; STATUS_NOT_SUPPORTED for an option or code that is not modelled;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-077, WSK-090, WSK-093, WSK-139, WSK-200, WSK-202 to WSK-208, WSK-220 to
	// WSK-223, WSK-226, WSK-229, WSK-231, WSK-232, WSK-234 to WSK-236, WSK-241.
	// Not modelled: options other than SO_REUSEADDR, SO_EXCLUSIVEADDRUSE, SO_KEEPALIVE, SO_RCVBUF,
	// SO_BROADCAST, IPV6_V6ONLY and those for ancillary data; control codes other than the three for
	// redirection and the two that fix an address. They are answered with STATUS_NOT_SUPPORTED.
	// Reference: wsk/nc-wsk-pfn_wsk_control_socket.
	PFN_WSK_CONTROL_SOCKET func(k *irql.K, socket *WSK_SOCKET, requestType WSK_CONTROL_SOCKET_TYPE,
		controlCode, level uint32, inputSize uint64, inputBuffer *irp.Buffer, outputSize uint64,
		outputBuffer *irp.Buffer, outputSizeReturned *uint64, p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_CLOSE_SOCKET closes a socket: everything pending on it is cancelled and completed, then the
	// IRP is. A connection that is not finished in both directions is reset.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: after the call nothing of the socket may be used; context and table are the client's again
	// when the IRP is completed.
	// Returns: STATUS_PENDING where the IRP is completed later, else STATUS_SUCCESS, with which it was
	// completed: a close does not fail. STATUS_INVALID_PARAMETER, and nothing is completed, for a NULL IRP.
	// Rules: WSK-077, WSK-090, WSK-115, WSK-240, WSK-242, WSK-243, WSK-245.
	// Not modelled: a close that never completes.
	// Reference: wsk/nc-wsk-pfn_wsk_close_socket.
	PFN_WSK_CLOSE_SOCKET func(k *irql.K, socket *WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_BIND gives a socket its local address. A listening socket listens from then on.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the address may go when the call returns.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for an address of another family; what the transport says,
	// such as STATUS_ADDRESS_ALREADY_EXISTS, STATUS_ACCESS_DENIED where a filter blocks;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP.
	// Rules: WSK-042, WSK-060 to WSK-069, WSK-077, WSK-090, WSK-101, WSK-139, WSK-241.
	// Not modelled: security descriptors in the sharing check.
	// Reference: wsk/nc-wsk-pfn_wsk_bind.
	PFN_WSK_BIND func(k *irql.K, socket *WSK_SOCKET, localAddress ws2def.SOCKADDR, flags uint32,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_LISTEN makes a bound stream socket a listening one.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: none.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_DEVICE_STATE for a socket that is not bound, or is connected;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-077, WSK-090, WSK-107, WSK-108, WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_listen.
	PFN_WSK_LISTEN func(k *irql.K, socket *WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_ACCEPT waits for a connection. Where the IRP is completed with STATUS_SUCCESS,
	// IoStatus.Pointer is the WSK_SOCKET, a connection socket with the given context.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the address buffers are nonpaged and the subsystem's until the IRP is completed; context
	// and table stay with the accepted socket.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_CANCELLED when the IRP is cancelled or the listening socket is closed;
	// STATUS_INVALID_DEVICE_STATE for a socket that does not listen; STATUS_INSUFFICIENT_RESOURCES when
	// memory is short. STATUS_INVALID_PARAMETER, and nothing is completed, for a NULL IRP.
	// Rules: WSK-042, WSK-060 to WSK-069, WSK-077, WSK-090, WSK-103, WSK-107, WSK-117, WSK-136 to WSK-138,
	// WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_accept.
	PFN_WSK_ACCEPT func(k *irql.K, listenSocket *WSK_SOCKET, flags uint32, acceptSocketContext any,
		acceptSocketDispatch *WSK_CLIENT_CONNECTION_DISPATCH, localAddress, remoteAddress ws2def.SOCKADDR,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_CONNECT connects a bound socket.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the address may go when the call returns.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_DEVICE_STATE for a socket that is not bound, or is connected; what
	// the transport says, such as STATUS_CONNECTION_REFUSED, STATUS_IO_TIMEOUT, STATUS_ACCESS_DENIED where a
	// filter blocks; STATUS_CANCELLED; STATUS_INSUFFICIENT_RESOURCES when memory is short.
	// STATUS_INVALID_PARAMETER, and nothing is completed, for a NULL IRP.
	// Rules: WSK-042, WSK-060 to WSK-069, WSK-075, WSK-077, WSK-090, WSK-102, WSK-107, WSK-139, WSK-230,
	// WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_connect.
	PFN_WSK_CONNECT func(k *irql.K, socket *WSK_SOCKET, remoteAddress ws2def.SOCKADDR, flags uint32,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_GET_LOCAL_ADDRESS stores the local address of a socket.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: localAddress is nonpaged and the subsystem's until the IRP is completed.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_DEVICE_STATE for a socket that is not bound;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-090, WSK-106, WSK-136, WSK-137, WSK-138, WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_get_local_address.
	PFN_WSK_GET_LOCAL_ADDRESS func(k *irql.K, socket *WSK_SOCKET, localAddress ws2def.SOCKADDR,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_GET_REMOTE_ADDRESS stores the address of the peer of a socket.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: remoteAddress is nonpaged and the subsystem's until the IRP is completed.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_DEVICE_STATE for a socket that is not connected;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-090, WSK-106, WSK-107, WSK-136, WSK-137, WSK-138, WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_get_remote_address.
	PFN_WSK_GET_REMOTE_ADDRESS func(k *irql.K, socket *WSK_SOCKET, remoteAddress ws2def.SOCKADDR,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_SEND sends data. Nothing is buffered: the IRP is completed when the transport of the peer has
	// the data. IoStatus.Information is the number of bytes.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the MDL chain and its memory are the subsystem's until the IRP is completed, and must not
	// change; the WSK_BUF may go when the call returns.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for a buffer that does not fit into its MDL chain;
	// STATUS_INVALID_DEVICE_STATE for a socket that is not connected; STATUS_CONNECTION_RESET,
	// STATUS_CONNECTION_ABORTED and the like when the connection is lost; STATUS_CANCELLED;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-075, WSK-077, WSK-090, WSK-104, WSK-107, WSK-109, WSK-110, WSK-130 to
	// WSK-134, WSK-241.
	// Not modelled: WSK_FLAG_OOB (STATUS_NOT_SUPPORTED).
	// Reference: wsk/nc-wsk-pfn_wsk_send.
	PFN_WSK_SEND func(k *irql.K, socket *WSK_SOCKET, buffer *WSK_BUF, flags SendFlags,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_RECEIVE receives data. Without flags it is completed as soon as there is any;
	// WSK_FLAG_WAITALL waits until the buffer is full. IoStatus.Information is the number of bytes; success
	// with none means that the peer has finished.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: as PFN_WSK_SEND; the contents are undefined until the IRP is completed.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for a buffer that does not fit into its MDL chain;
	// STATUS_INVALID_DEVICE_STATE for a socket that is not connected; STATUS_CONNECTION_RESET,
	// STATUS_CONNECTION_ABORTED and the like when the connection is lost; STATUS_CANCELLED;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is
	// completed, for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-075, WSK-077, WSK-090, WSK-104, WSK-107, WSK-110, WSK-116, WSK-130 to
	// WSK-135, WSK-140, WSK-141, WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_receive.
	PFN_WSK_RECEIVE func(k *irql.K, socket *WSK_SOCKET, buffer *WSK_BUF, flags ReceiveFlags,
		p *irp.IRP) ntstatus.NTSTATUS

	// PFN_WSK_DISCONNECT ends sending, behind everything queued and an optional last buffer, or with
	// WSK_FLAG_ABORTIVE the connection at once.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: the buffer's MDL chain and memory are the subsystem's until the IRP is completed.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for a buffer with WSK_FLAG_ABORTIVE;
	// STATUS_INVALID_DEVICE_STATE for a socket that is not connected; STATUS_CONNECTION_RESET and the like
	// when the connection is lost meanwhile; STATUS_CANCELLED; STATUS_INSUFFICIENT_RESOURCES when memory is
	// short. STATUS_INVALID_PARAMETER, and nothing is completed, for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-077, WSK-090, WSK-104, WSK-107, WSK-130 to WSK-134, WSK-143, WSK-241.
	// Not modelled: a peer that never acknowledges (WSK-119).
	// Reference: wsk/nc-wsk-pfn_wsk_disconnect.
	PFN_WSK_DISCONNECT func(k *irql.K, socket *WSK_SOCKET, buffer *WSK_BUF, flags DisconnectFlags,
		p *irp.IRP) ntstatus.NTSTATUS
)
