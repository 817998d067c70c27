package ws2def

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf16"

	"calloutsim/ntstatus"
)

// Room that the strings of addresses need, in characters, with the zero at the end.
const (
	INET_ADDRSTRLEN  = 22
	INET6_ADDRSTRLEN = 65
)

// character is a CHAR or a WCHAR.
type character interface{ uint8 | uint16 }

// put writes text with a zero behind it, and gives what C returns: the address of that zero.
//
//go:norace
func put[C character](s []C, text string) []C {
	for i, c := range utf16.Encode([]rune(text)) {
		s[i] = C(c)
	}
	s[len(text)] = 0
	return s[len(text):]
}

// putEx is put for a buffer of length characters; length becomes what was written or is needed, with the
// zero. The page gives STATUS_INVALID_PARAMETER for too little room.
//
//go:norace
func putEx[C character](s []C, length *uint32, text string) ntstatus.NTSTATUS {
	if s == nil || length == nil {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	need := uint32(len(text) + 1)
	room := *length
	*length = need
	if room < need {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	put(s, text)
	return ntstatus.STATUS_SUCCESS
}

// RtlIpv4AddressToStringA writes an address in dotted decimal notation into 16 characters and gives the
// address of the zero behind it.
//
// IRQL: any.
// Reference: declared in ip2string.h
func RtlIpv4AddressToStringA(addr *IN_ADDR, s []uint8) []uint8 { return put(s, text4(addr)) }

// RtlIpv4AddressToStringW is RtlIpv4AddressToStringA for WCHARs.
//
// IRQL: any.
// Reference: declared in ip2string.h
func RtlIpv4AddressToStringW(addr *IN_ADDR, s []uint16) []uint16 { return put(s, text4(addr)) }

// RtlIpv4AddressToStringExA writes an address and, if port is not zero, a colon and the port, which is in
// network byte order.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER where the text does not fit, with the length it needs.
// Reference: declared in ip2string.h
func RtlIpv4AddressToStringExA(address *IN_ADDR, port uint16, addressString []uint8,
	addressStringLength *uint32) ntstatus.NTSTATUS {
	return putEx(addressString, addressStringLength, text4(address)+portText(port))
}

// RtlIpv4AddressToStringExW is RtlIpv4AddressToStringExA for WCHARs.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER where the text does not fit, with the length it needs.
// Reference: declared in ip2string.h
func RtlIpv4AddressToStringExW(address *IN_ADDR, port uint16, addressString []uint16,
	addressStringLength *uint32) ntstatus.NTSTATUS {
	return putEx(addressString, addressStringLength, text4(address)+portText(port))
}

// RtlIpv6AddressToStringA writes an address in Internet standard format into 46 characters and gives the
// address of the zero behind it.
//
// IRQL: any.
// Reference: declared in ip2string.h
func RtlIpv6AddressToStringA(addr *IN6_ADDR, s []uint8) []uint8 { return put(s, text6(addr)) }

// RtlIpv6AddressToStringW is RtlIpv6AddressToStringA for WCHARs.
//
// IRQL: any.
// Reference: declared in ip2string.h
func RtlIpv6AddressToStringW(addr *IN6_ADDR, s []uint16) []uint16 { return put(s, text6(addr)) }

// RtlIpv6AddressToStringExA writes an address, a scope id behind a percent sign and, in brackets, a port,
// each of which is left out when it is zero.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER where the text does not fit, with the length it needs.
// Reference: declared in ip2string.h
func RtlIpv6AddressToStringExA(address *IN6_ADDR, scopeId uint32, port uint16, addressString []uint8,
	addressStringLength *uint32) ntstatus.NTSTATUS {
	return putEx(addressString, addressStringLength, text6Ex(address, scopeId, port))
}

// RtlIpv6AddressToStringExW is RtlIpv6AddressToStringExA for WCHARs.
//
// IRQL: any.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER where the text does not fit, with the length it needs.
// Reference: declared in ip2string.h
func RtlIpv6AddressToStringExW(address *IN6_ADDR, scopeId uint32, port uint16, addressString []uint16,
	addressStringLength *uint32) ntstatus.NTSTATUS {
	return putEx(addressString, addressStringLength, text6Ex(address, scopeId, port))
}

func text4(a *IN_ADDR) string { return netip.AddrFrom4(*a).String() }

func portText(port uint16) string {
	if port == 0 {
		return ""
	}
	return ":" + strconv.Itoa(int(Ntohs(port)))
}

// text6 is the address with the longest run of zero groups left out. The last 32 bits are in dotted decimal
// notation where they are an IPv4 address: mapped, compatible, translated or ISATAP (INFERRED from two
// independent implementations).
func text6(a *IN6_ADDR) string {
	tail := ""
	groups := 8
	if holdsV4(a) {
		groups, tail = 6, netip.AddrFrom4([4]byte(a[12:])).String()
	}
	at, n := longestZeros(a, groups)
	var b strings.Builder
	for i := 0; i < groups; i++ {
		if i == at {
			b.WriteString("::")
			i += n - 1
			continue
		}
		if i > 0 && i != at+n {
			b.WriteByte(':')
		}
		b.WriteString(strconv.FormatUint(uint64(a.group(i)), 16))
	}
	if tail != "" && at+n != groups {
		b.WriteByte(':')
	}
	return b.String() + tail
}

func (a *IN6_ADDR) group(i int) uint16 { return uint16(a[2*i])<<8 | uint16(a[2*i+1]) }

// longestZeros finds the first of the longest runs of two and more zero groups; n is 0 where there is none.
func longestZeros(a *IN6_ADDR, groups int) (at, n int) {
	at = -1
	for i := 0; i < groups; i++ {
		run := 0
		for i+run < groups && a.group(i+run) == 0 {
			run++
		}
		if run > max(n, 1) {
			at, n = i, run
		}
		i += run
	}
	if at < 0 {
		return math.MinInt32, 0
	}
	return at, n
}

func holdsV4(a *IN6_ADDR) bool {
	g := a.group
	if g(4)&^0x0200 == 0 && g(5) == 0x5EFE {
		return true // ISATAP
	}
	if g(0)|g(1)|g(2)|g(3) != 0 || g(6) == 0 {
		return false
	}
	return g(4) == 0 && (g(5) == 0 || g(5) == 0xFFFF) || g(4) == 0xFFFF && g(5) == 0
}

func text6Ex(a *IN6_ADDR, scope uint32, port uint16) string {
	s := text6(a)
	if scope != 0 {
		s += "%" + strconv.FormatUint(uint64(scope), 10)
	}
	if port != 0 {
		s = "[" + s + "]" + portText(port)
	}
	return s
}
