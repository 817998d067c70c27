package ws2def

import "net/netip"

// What the headers know of IPv4 addresses. The parameters are addresses, not structures with a port.

// IN4_ADDR_EQUAL reports whether two addresses are the same.
func IN4_ADDR_EQUAL(a, b *IN_ADDR) bool { return *a == *b }

// IN4_IS_ADDR_UNSPECIFIED reports whether an address is 0.0.0.0.
func IN4_IS_ADDR_UNSPECIFIED(a *IN_ADDR) bool { return *a == IN_ADDR{} }

// IN4_IS_ADDR_ANY is IN4_IS_ADDR_UNSPECIFIED.
func IN4_IS_ADDR_ANY(a *IN_ADDR) bool { return *a == IN_ADDR{} }

// IN4_IS_ADDR_LOOPBACK reports whether an address is one of 127.0.0.0/8.
func IN4_IS_ADDR_LOOPBACK(a *IN_ADDR) bool { return a[0] == 127 }

// IN4_IS_ADDR_BROADCAST reports whether an address is 255.255.255.255.
func IN4_IS_ADDR_BROADCAST(a *IN_ADDR) bool { return *a == IN_ADDR{255, 255, 255, 255} }

// IN4_IS_ADDR_MULTICAST reports whether an address is one of 224.0.0.0/4.
func IN4_IS_ADDR_MULTICAST(a *IN_ADDR) bool { return a[0]&0xF0 == 224 }

// IN4_IS_ADDR_LINKLOCAL reports whether an address is one of 169.254.0.0/16.
func IN4_IS_ADDR_LINKLOCAL(a *IN_ADDR) bool { return a[0] == 169 && a[1] == 254 }

// IN4_IS_ADDR_RFC1918 reports whether an address is a private one.
func IN4_IS_ADDR_RFC1918(a *IN_ADDR) bool { return netip.AddrFrom4(*a).IsPrivate() }

// What the headers know of IPv6 addresses.

// IN6_ADDR_EQUAL reports whether two addresses are the same.
func IN6_ADDR_EQUAL(a, b *IN6_ADDR) bool { return *a == *b }

// IN6_IS_ADDR_UNSPECIFIED reports whether an address is ::.
func IN6_IS_ADDR_UNSPECIFIED(a *IN6_ADDR) bool { return *a == IN6_ADDR{} }

// IN6_IS_ADDR_ANY is IN6_IS_ADDR_UNSPECIFIED.
func IN6_IS_ADDR_ANY(a *IN6_ADDR) bool { return *a == IN6_ADDR{} }

// IN6_IS_ADDR_LOOPBACK reports whether an address is ::1.
func IN6_IS_ADDR_LOOPBACK(a *IN6_ADDR) bool { return *a == IN6_ADDR{15: 1} }

// IN6_IS_ADDR_MULTICAST reports whether an address is one of ff00::/8.
func IN6_IS_ADDR_MULTICAST(a *IN6_ADDR) bool { return a[0] == 0xFF }

// IN6_IS_ADDR_LINKLOCAL reports whether an address is one of fe80::/10.
func IN6_IS_ADDR_LINKLOCAL(a *IN6_ADDR) bool { return a[0] == 0xFE && a[1]&0xC0 == 0x80 }

// IN6_IS_ADDR_SITELOCAL reports whether an address is one of fec0::/10.
func IN6_IS_ADDR_SITELOCAL(a *IN6_ADDR) bool { return a[0] == 0xFE && a[1]&0xC0 == 0xC0 }

// IN6_IS_ADDR_GLOBAL reports whether an address is neither unspecified nor loopback, multicast, link-local or
// site-local: the high three bits of its first byte are neither all 0 nor all 1, as the header has it.
func IN6_IS_ADDR_GLOBAL(a *IN6_ADDR) bool { return a[0]&0xE0 != 0 && a[0]&0xE0 != 0xE0 }

// IN6_IS_ADDR_V4MAPPED reports whether an address is one of ::ffff:0:0/96.
func IN6_IS_ADDR_V4MAPPED(a *IN6_ADDR) bool {
	return *a == IN6_ADDR{10: 0xFF, 11: 0xFF, 12: a[12], 13: a[13], 14: a[14], 15: a[15]}
}

// IN6_IS_ADDR_V4COMPAT reports whether an address is one of ::/96 and neither :: nor ::1.
func IN6_IS_ADDR_V4COMPAT(a *IN6_ADDR) bool {
	low := IN6_ADDR{12: a[12], 13: a[13], 14: a[14], 15: a[15]}
	return *a == low && !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a)
}

// IN6_IS_ADDR_V4TRANSLATED reports whether an address is one of ::ffff:0:0:0/96.
func IN6_IS_ADDR_V4TRANSLATED(a *IN6_ADDR) bool {
	return *a == IN6_ADDR{8: 0xFF, 9: 0xFF, 12: a[12], 13: a[13], 14: a[14], 15: a[15]}
}

// IN6_SET_ADDR_V4MAPPED makes the mapped form of an IPv4 address.
func IN6_SET_ADDR_V4MAPPED(a6 *IN6_ADDR, a4 *IN_ADDR) {
	*a6 = IN6_ADDR{10: 0xFF, 11: 0xFF, 12: a4[0], 13: a4[1], 14: a4[2], 15: a4[3]}
}

// IN6_GET_ADDR_V4MAPPED gives the IPv4 address of a mapped one.
func IN6_GET_ADDR_V4MAPPED(a6 *IN6_ADDR) *IN_ADDR {
	a4 := IN_ADDR(a6[12:])
	return &a4
}

// INETADDR_ISEQUAL reports whether two addresses have the same family and address; ports do not count.
func INETADDR_ISEQUAL(a, b SOCKADDR) bool {
	return a.Family() == b.Family() && a.get().Addr() == b.get().Addr()
}

// INETADDR_ISUNSPECIFIED is INETADDR_ISANY.
func INETADDR_ISUNSPECIFIED(a SOCKADDR) bool { return INETADDR_ISANY(a) }

// INETADDR_ISV4MAPPED reports whether an address is an IPv6 address that stands for an IPv4 one.
func INETADDR_ISV4MAPPED(a SOCKADDR) bool { return a.Family() == AF_INET6 && a.get().Addr().Is4In6() }

// INETADDR_ADDRESS gives the bytes of the address, 4 or 16. In C it points into the structure; this is a
// copy.
func INETADDR_ADDRESS(a SOCKADDR) []byte { return a.get().Addr().AsSlice() }

// INETADDR_SET_ADDRESS stores an address of the structure's family and keeps the port.
func INETADDR_SET_ADDRESS(a SOCKADDR, addr []byte) {
	size := 4
	if a.Family() == AF_INET6 {
		size = 16
	}
	if x, ok := netip.AddrFromSlice(addr[:size]); ok {
		setAddr(a, x)
	}
}
