package tcpip

import (
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Errno gives the error a program sees for a status of the transport; 0 for success.
func Errno(s ntstatus.NTSTATUS) uint32 {
	switch s {
	case ntstatus.STATUS_SUCCESS, ntstatus.STATUS_PENDING:
		return 0
	case ntstatus.STATUS_ACCESS_DENIED:
		return ws2def.WSAEACCES
	case ntstatus.STATUS_ADDRESS_ALREADY_EXISTS:
		return ws2def.WSAEADDRINUSE
	case ntstatus.STATUS_INVALID_ADDRESS_COMPONENT:
		return ws2def.WSAEADDRNOTAVAIL
	case ntstatus.STATUS_NETWORK_UNREACHABLE:
		return ws2def.WSAENETUNREACH
	case ntstatus.STATUS_HOST_UNREACHABLE:
		return ws2def.WSAEHOSTUNREACH
	case ntstatus.STATUS_CONNECTION_ABORTED, ntstatus.STATUS_CANCELLED:
		return ws2def.WSAECONNABORTED
	case ntstatus.STATUS_CONNECTION_RESET, ntstatus.STATUS_PORT_UNREACHABLE:
		return ws2def.WSAECONNRESET
	case ntstatus.STATUS_CONNECTION_REFUSED:
		return ws2def.WSAECONNREFUSED
	case ntstatus.STATUS_CONNECTION_ACTIVE:
		return ws2def.WSAEISCONN
	case ntstatus.STATUS_INVALID_CONNECTION:
		return ws2def.WSAENOTCONN
	case ntstatus.STATUS_GRACEFUL_DISCONNECT:
		return ws2def.WSAESHUTDOWN
	case ntstatus.STATUS_IO_TIMEOUT:
		return ws2def.WSAETIMEDOUT
	case ntstatus.STATUS_INSUFFICIENT_RESOURCES:
		return ws2def.WSAENOBUFS
	case ntstatus.STATUS_NOT_SUPPORTED, ntstatus.STATUS_NOT_IMPLEMENTED:
		return ws2def.WSAEOPNOTSUPP
	case ntstatus.STATUS_BUFFER_OVERFLOW, ntstatus.STATUS_INVALID_BUFFER_SIZE:
		return ws2def.WSAEMSGSIZE
	case ntstatus.STATUS_BUFFER_TOO_SMALL:
		return ws2def.ERROR_INSUFFICIENT_BUFFER
	case ntstatus.STATUS_NOT_FOUND:
		return ws2def.ERROR_NOT_FOUND
	case ntstatus.STATUS_INVALID_HANDLE:
		return ws2def.WSAENOTSOCK
	case ntstatus.STATUS_ACCESS_VIOLATION:
		return ws2def.WSAEFAULT
	}
	return ws2def.WSAEINVAL
}
