package ws2def

import "net/netip"

// INETADDR_PORT returns the port of an address in network byte order.
//
// IRQL: any level.
// Reference: mstcpip.h
func INETADDR_PORT(a SOCKADDR) uint16 { return Htons(a.get().Port()) }

// INETADDR_SET_PORT changes the port, given in network byte order, and nothing else.
//
// IRQL: any level.
// Reference: mstcpip.h
func INETADDR_SET_PORT(a SOCKADDR, port uint16) {
	switch s := a.(type) {
	case *SOCKADDR_IN:
		s.Sin_port = port
	case *SOCKADDR_IN6:
		s.Sin6_port = port
	case *SOCKADDR_STORAGE:
		s.data[0], s.data[1] = byte(port), byte(port>>8)
	}
}

// INETADDR_ISLOOPBACK reports whether the address is a loopback address.
//
// IRQL: any level.
// Reference: mstcpip.h
func INETADDR_ISLOOPBACK(a SOCKADDR) bool { return a.get().Addr().Unmap().IsLoopback() }

// INETADDR_ISANY reports whether the address is the unspecified one.
//
// IRQL: any level.
// Reference: mstcpip.h
func INETADDR_ISANY(a SOCKADDR) bool { return a.get().Addr().IsUnspecified() }

// INETADDR_SETLOOPBACK stores the loopback address of the structure's family and keeps the port.
//
// IRQL: any level.
// Reference: mstcpip.h
func INETADDR_SETLOOPBACK(a SOCKADDR) { setAddr(a, Loopback(a.Family())) }

// INETADDR_SETANY stores the unspecified address of the structure's family and keeps the port.
//
// IRQL: any level.
// Reference: mstcpip.h
func INETADDR_SETANY(a SOCKADDR) { setAddr(a, Any(a.Family())) }

func setAddr(a SOCKADDR, addr netip.Addr) { a.set(netip.AddrPortFrom(addr, a.get().Port())) }
