package ws2def

import (
	"net/netip"
	"strconv"
	"strings"

	"calloutsim/ntstatus"
)

// RtlIpv4StringToAddressA reads an address at the start of a text; terminator becomes what lies behind it.
// With strict there must be four parts in decimal notation; without, one to four in decimal, octal (a leading
// 0) or hexadecimal notation (0x), the last of which fills what is left.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv4StringToAddressA(s string, strict bool, terminator *string, addr *IN_ADDR) ntstatus.NTSTATUS {
	a, rest, ok := read4(s, strict)
	*terminator = rest
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	*addr = a
	return ntstatus.STATUS_SUCCESS
}

// RtlIpv4StringToAddressW is RtlIpv4StringToAddressA: text is a Go string in both.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv4StringToAddressW(s string, strict bool, terminator *string, addr *IN_ADDR) ntstatus.NTSTATUS {
	return RtlIpv4StringToAddressA(s, strict, terminator, addr)
}

// RtlIpv4StringToAddressExA reads a text that is an address, with or without a colon and a port, which
// becomes network byte order; 0 stands for no port.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv4StringToAddressExA(addressString string, strict bool, address *IN_ADDR,
	port *uint16) ntstatus.NTSTATUS {
	a, rest, ok := read4(addressString, strict)
	n, end := readPort(rest)
	if !ok || !end {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	*address, *port = a, n
	return ntstatus.STATUS_SUCCESS
}

// RtlIpv4StringToAddressExW is RtlIpv4StringToAddressExA.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv4StringToAddressExW(addressString string, strict bool, address *IN_ADDR,
	port *uint16) ntstatus.NTSTATUS {
	return RtlIpv4StringToAddressExA(addressString, strict, address, port)
}

// RtlIpv6StringToAddressA reads an address at the start of a text; terminator becomes what lies behind it.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv6StringToAddressA(s string, terminator *string, addr *IN6_ADDR) ntstatus.NTSTATUS {
	a, rest, ok := read6(s)
	*terminator = rest
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	*addr = a
	return ntstatus.STATUS_SUCCESS
}

// RtlIpv6StringToAddressW is RtlIpv6StringToAddressA.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv6StringToAddressW(s string, terminator *string, addr *IN6_ADDR) ntstatus.NTSTATUS {
	return RtlIpv6StringToAddressA(s, terminator, addr)
}

// RtlIpv6StringToAddressExA reads a text that is an address, with or without a scope id behind a percent
// sign, and in brackets with or without a port, which becomes network byte order.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv6StringToAddressExA(addressString string, address *IN6_ADDR, scopeId *uint32,
	port *uint16) ntstatus.NTSTATUS {
	s, brackets := strings.CutPrefix(addressString, "[")
	a, rest, ok := read6(s)
	scope := uint64(0)
	if digits, has := strings.CutPrefix(rest, "%"); ok && has {
		rest = strings.TrimLeft(digits, "0123456789")
		var err error
		scope, err = strconv.ParseUint(digits[:len(digits)-len(rest)], 10, 32)
		ok = err == nil
	}
	n := uint16(0)
	if brackets && ok {
		rest, ok = strings.CutPrefix(rest, "]")
		var end bool
		n, end = readPort(rest)
		ok = ok && end
	} else if rest != "" {
		ok = false
	}
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	*address, *scopeId, *port = a, uint32(scope), n
	return ntstatus.STATUS_SUCCESS
}

// RtlIpv6StringToAddressExW is RtlIpv6StringToAddressExA.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no address.
// Reference: declared in ip2string.h
func RtlIpv6StringToAddressExW(addressString string, address *IN6_ADDR, scopeId *uint32,
	port *uint16) ntstatus.NTSTATUS {
	return RtlIpv6StringToAddressExA(addressString, address, scopeId, port)
}

// read4 reads an IPv4 address; rest is what lies behind it, or where it stops being one.
func read4(s string, strict bool) (a IN_ADDR, rest string, ok bool) {
	var parts []uint64
	for rest = s; ; {
		n, after, number := readPart(rest, strict)
		if !number {
			return a, rest, false
		}
		rest = after
		parts = append(parts, n)
		if len(parts) == 4 || !strings.HasPrefix(rest, ".") {
			break
		}
		rest = rest[1:]
	}
	last := parts[len(parts)-1]
	left := 5 - len(parts) // bytes that the last part fills
	if strict && len(parts) != 4 || last >= 1<<(8*left) {
		return a, rest, false
	}
	for i, n := range parts[:len(parts)-1] {
		if n > 0xFF {
			return a, rest, false
		}
		a[i] = byte(n)
	}
	for i := range left {
		a[3-i] = byte(last >> (8 * i))
	}
	return a, rest, true
}

// readPart reads one number of an IPv4 address.
func readPart(s string, strict bool) (n uint64, rest string, ok bool) {
	base, digits, body := 10, "0123456789", s
	switch {
	case strict:
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		base, digits, body = 16, "0123456789abcdefABCDEF", s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, "01234567"
	}
	rest = strings.TrimLeft(body, digits)
	n, err := strconv.ParseUint(body[:len(body)-len(rest)], base, 33)
	if strict && len(body)-len(rest) > 1 && body[0] == '0' {
		return n, rest, false // it would be octal
	}
	return n, rest, err == nil
}

// read6 reads the longest IPv6 address at the start of s.
func read6(s string) (a IN6_ADDR, rest string, ok bool) {
	rest = strings.TrimLeft(s, "0123456789abcdefABCDEF:.")
	for end := len(s) - len(rest); end > 0; end-- {
		if addr, err := netip.ParseAddr(s[:end]); err == nil && addr.Is6() {
			return addr.As16(), s[end:], true
		}
	}
	return a, s, false
}

// readPort reads nothing, or a colon and a port in decimal, octal or hexadecimal notation.
func readPort(s string) (port uint16, ok bool) {
	if s == "" {
		return 0, true
	}
	digits, colon := strings.CutPrefix(s, ":")
	n, rest, number := readPart(digits, false)
	if !colon || !number || rest != "" || n > 0xFFFF {
		return 0, false
	}
	return Htons(uint16(n)), true
}
