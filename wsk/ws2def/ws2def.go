// Package ws2def holds socket addresses and the address constants of ws2def.h, ws2ipdef.h and mstcpip.h.
//
// Modelled: SOCKADDR_IN, SOCKADDR_IN6 and SOCKADDR_STORAGE in the layout Windows uses in memory, the
// INETADDR_* helpers, families, socket types, protocols, the options and control codes the simulator knows,
// and Winsock error numbers. Not modelled: other address families, scatter lists, name resolution. It is a
// leaf: wsk, fwps and internal/tcpip share it.
//
// A parameter that is a PSOCKADDR in C is the interface SOCKADDR here: a pointer to one of the three
// structures. Ports are in network byte order inside the structures, as on Windows; Htons and Ntohs
// convert.
package ws2def

import (
	"encoding/binary"
	"net/netip"
)

// ADDRESS_FAMILY is the type of the family member of every address.
type ADDRESS_FAMILY uint16

// Address families.
const (
	AF_UNSPEC ADDRESS_FAMILY = 0
	AF_INET   ADDRESS_FAMILY = 2
	AF_INET6  ADDRESS_FAMILY = 23
)

// Socket types.
const (
	SOCK_STREAM uint16 = 1
	SOCK_DGRAM  uint16 = 2
	SOCK_RAW    uint16 = 3
)

// Protocols and option levels.
const (
	IPPROTO_IP   uint32 = 0
	IPPROTO_ICMP uint32 = 1
	IPPROTO_TCP  uint32 = 6
	IPPROTO_UDP  uint32 = 17
	IPPROTO_IPV6 uint32 = 41
	IPPROTO_RAW  uint32 = 255
	SOL_SOCKET   uint32 = 0xFFFF
)

// Socket options.
const (
	SO_REUSEADDR          uint32 = 0x0004
	SO_KEEPALIVE          uint32 = 0x0008
	SO_BROADCAST          uint32 = 0x0020
	SO_RCVBUF             uint32 = 0x1002
	SO_CONDITIONAL_ACCEPT uint32 = 0x3002
	SO_EXCLUSIVEADDRUSE   uint32 = 0xFFFFFFFB
	IPV6_V6ONLY           uint32 = 27
	TCP_NODELAY           uint32 = 1
)

// How a user-mode shutdown closes a connection.
const (
	SD_RECEIVE = 0
	SD_SEND    = 1
	SD_BOTH    = 2
)

// IN_ADDR is an IPv4 address in network byte order. It compares with ==; the zero value is INADDR_ANY.
type IN_ADDR [4]byte

// IN6_ADDR is an IPv6 address in network byte order. It compares with ==; the zero value is in6addr_any.
type IN6_ADDR [16]byte

// Sizes of the structures in memory.
const (
	SizeofSockaddrIn      = 16
	SizeofSockaddrIn6     = 28
	SizeofSockaddrStorage = 128
)

// SOCKADDR is what a PSOCKADDR points to: one of *SOCKADDR_IN, *SOCKADDR_IN6, *SOCKADDR_STORAGE. A nil
// SOCKADDR is NULL.
type SOCKADDR interface {
	// Family returns the address family stored in the structure.
	Family() ADDRESS_FAMILY
	// Size returns the size of the structure in memory, which limits what can be stored in it.
	Size() int

	get() netip.AddrPort
	set(netip.AddrPort)
}

// SOCKADDR_IN is an IPv4 address with port. Values compare with ==.
type SOCKADDR_IN struct {
	Sin_family ADDRESS_FAMILY
	Sin_port   uint16 // network byte order
	Sin_addr   IN_ADDR
	Sin_zero   [8]byte
}

// SOCKADDR_IN6 is an IPv6 address with port. Values compare with ==.
type SOCKADDR_IN6 struct {
	Sin6_family   ADDRESS_FAMILY
	Sin6_port     uint16 // network byte order
	Sin6_flowinfo uint32
	Sin6_addr     IN6_ADDR
	Sin6_scope_id uint32
}

// SOCKADDR_STORAGE has room for any address. Behind the family the bytes lie as SOCKADDR_IN or SOCKADDR_IN6
// has them. The zero value is of family AF_UNSPEC; values compare with ==.
type SOCKADDR_STORAGE struct {
	Ss_family ADDRESS_FAMILY
	data      [SizeofSockaddrStorage - 2]byte
}

// Family returns sin_family.
func (a *SOCKADDR_IN) Family() ADDRESS_FAMILY { return a.Sin_family }

// Size returns sizeof(SOCKADDR_IN).
func (a *SOCKADDR_IN) Size() int { return SizeofSockaddrIn }

func (a *SOCKADDR_IN) get() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a.Sin_addr), Ntohs(a.Sin_port))
}

func (a *SOCKADDR_IN) set(ap netip.AddrPort) {
	*a = SOCKADDR_IN{Sin_family: AF_INET, Sin_port: Htons(ap.Port()), Sin_addr: ap.Addr().As4()}
}

// Family returns sin6_family.
func (a *SOCKADDR_IN6) Family() ADDRESS_FAMILY { return a.Sin6_family }

// Size returns sizeof(SOCKADDR_IN6).
func (a *SOCKADDR_IN6) Size() int { return SizeofSockaddrIn6 }

func (a *SOCKADDR_IN6) get() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Sin6_addr), Ntohs(a.Sin6_port))
}

func (a *SOCKADDR_IN6) set(ap netip.AddrPort) {
	*a = SOCKADDR_IN6{Sin6_family: AF_INET6, Sin6_port: Htons(ap.Port()), Sin6_addr: ap.Addr().As16()}
}

// Family returns ss_family.
func (a *SOCKADDR_STORAGE) Family() ADDRESS_FAMILY { return a.Ss_family }

// Size returns sizeof(SOCKADDR_STORAGE).
func (a *SOCKADDR_STORAGE) Size() int { return SizeofSockaddrStorage }

func (a *SOCKADDR_STORAGE) get() netip.AddrPort {
	port := binary.BigEndian.Uint16(a.data[0:])
	if a.Ss_family == AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.data[2:6])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a.data[6:22])), port)
}

func (a *SOCKADDR_STORAGE) set(ap netip.AddrPort) {
	*a = SOCKADDR_STORAGE{Ss_family: FamilyOf(ap.Addr())}
	binary.BigEndian.PutUint16(a.data[0:], ap.Port())
	if a.Ss_family == AF_INET {
		b := ap.Addr().As4()
		copy(a.data[2:], b[:])
		return
	}
	b := ap.Addr().As16()
	copy(a.data[6:], b[:])
}

// Bytes returns the 128 bytes as they lie in memory, for copying into a redirect context or another buffer.
func (a *SOCKADDR_STORAGE) Bytes() []byte {
	b := make([]byte, SizeofSockaddrStorage)
	binary.LittleEndian.PutUint16(b, uint16(a.Ss_family))
	copy(b[2:], a.data[:])
	return b
}

// StorageFromBytes is the inverse of Bytes. Missing bytes read as zero.
func StorageFromBytes(b []byte) SOCKADDR_STORAGE {
	var raw [SizeofSockaddrStorage]byte
	copy(raw[:], b)
	a := SOCKADDR_STORAGE{Ss_family: ADDRESS_FAMILY(binary.LittleEndian.Uint16(raw[:]))}
	copy(a.data[:], raw[2:])
	return a
}

// Storage makes the SOCKADDR_STORAGE of a Go address; an invalid one gives the zero structure.
func Storage(ap netip.AddrPort) SOCKADDR_STORAGE {
	var a SOCKADDR_STORAGE
	if ap.Addr().IsValid() {
		a.set(ap)
	}
	return a
}

// AddrPort returns a as Go address. The zero AddrPort stands for NULL and for families other than IPv4 and
// IPv6.
func AddrPort(a SOCKADDR) netip.AddrPort {
	if a == nil || a.Family() != AF_INET && a.Family() != AF_INET6 {
		return netip.AddrPort{}
	}
	return a.get()
}

// Put stores ap into the structure a points to. It returns false, and stores nothing, when the structure is
// too small for the family of ap.
func Put(a SOCKADDR, ap netip.AddrPort) bool {
	if !Fits(a, FamilyOf(ap.Addr())) {
		return false
	}
	a.set(ap)
	return true
}

// Fits reports whether the structure has room for an address of the family.
func Fits(a SOCKADDR, f ADDRESS_FAMILY) bool {
	switch a.(type) {
	case *SOCKADDR_IN:
		return f == AF_INET
	case *SOCKADDR_IN6:
		return f == AF_INET6
	}
	return f == AF_INET || f == AF_INET6
}

// FamilyOf returns the family an address belongs to; AF_UNSPEC for an invalid one.
func FamilyOf(a netip.Addr) ADDRESS_FAMILY {
	switch {
	case !a.IsValid():
		return AF_UNSPEC
	case a.Is4():
		return AF_INET
	}
	return AF_INET6
}

// Any returns the unspecified address of a family.
func Any(f ADDRESS_FAMILY) netip.Addr {
	if f == AF_INET6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// Loopback returns the loopback address of a family.
func Loopback(f ADDRESS_FAMILY) netip.Addr {
	if f == AF_INET6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// Htons turns a number into network byte order on the simulated little-endian machine.
func Htons(v uint16) uint16 { return v<<8 | v>>8 }

// Ntohs turns network byte order into a number.
func Ntohs(v uint16) uint16 { return v<<8 | v>>8 }
