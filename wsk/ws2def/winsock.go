package ws2def

// Winsock errors, and the one Win32 error the redirect queries give.
const (
	ERROR_INSUFFICIENT_BUFFER uint32 = 122
	ERROR_NOT_FOUND           uint32 = 1168
	WSAEACCES                 uint32 = 10013
	WSAEFAULT                 uint32 = 10014
	WSAEINVAL                 uint32 = 10022
	WSAENOTSOCK               uint32 = 10038
	WSAEMSGSIZE               uint32 = 10040
	WSAEOPNOTSUPP             uint32 = 10045
	WSAEADDRINUSE             uint32 = 10048
	WSAEADDRNOTAVAIL          uint32 = 10049
	WSAENETUNREACH            uint32 = 10051
	WSAECONNABORTED           uint32 = 10053
	WSAECONNRESET             uint32 = 10054
	WSAENOBUFS                uint32 = 10055
	WSAEISCONN                uint32 = 10056
	WSAENOTCONN               uint32 = 10057
	WSAESHUTDOWN              uint32 = 10058
	WSAETIMEDOUT              uint32 = 10060
	WSAECONNREFUSED           uint32 = 10061
	WSAEHOSTUNREACH           uint32 = 10065
	WSAHOST_NOT_FOUND         uint32 = 11001
)
