package ws2def

import (
	"net/netip"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"

	"calloutsim/ntstatus"
)

func v6(s string) *IN6_ADDR { a := IN6_ADDR(netip.MustParseAddr(s).As16()); return &a }

func TestRtlIpv4AddressToString_AllForms(t *testing.T) {
	a := &IN_ADDR{192, 0, 2, 1}
	var w [INET_ADDRSTRLEN]uint16
	end := RtlIpv4AddressToStringW(a, w[:])
	assert.Equal(t, "192.0.2.1", string(utf16.Decode(w[:len(w)-len(end)])))
	assert.Zero(t, end[0])
	var b [INET_ADDRSTRLEN]uint8
	assert.Equal(t, "192.0.2.1", string(b[:len(b)-len(RtlIpv4AddressToStringA(a, b[:]))]))
	n := uint32(len(w))
	assert.Equal(t, ntstatus.STATUS_SUCCESS, RtlIpv4AddressToStringExW(a, Htons(443), w[:], &n))
	assert.Equal(t, "192.0.2.1:443", string(utf16.Decode(w[:n-1])))
	n = 3
	assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, RtlIpv4AddressToStringExA(a, 0, b[:], &n))
	assert.Equal(t, uint32(10), n, "what is needed")
}

func TestRtlIpv6AddressToString_AllForms(t *testing.T) {
	for in, want := range map[string]string{
		"::": "::", "::1": "::1", "2001:db8::1": "2001:db8::1", "2001:db8:0:1:0:0:0:1": "2001:db8:0:1::1",
		"fe80::":                   "fe80::",
		"1:2:3:4:5:6:7:8":          "1:2:3:4:5:6:7:8",
		"1:0:0:2:0:0:0:3":          "1:0:0:2::3",
		"::ffff:192.0.2.1":         "::ffff:192.0.2.1",
		"::192.0.2.1":              "::192.0.2.1",
		"fe80::5efe:c000:201":      "fe80::5efe:192.0.2.1",
		"::ffff:0:c000:201":        "::ffff:0:192.0.2.1",
		"2001:db8:1:2:3:4:0:0":     "2001:db8:1:2:3:4::",
		"2001:0:3:4:5:6:7:8":       "2001:0:3:4:5:6:7:8",
		"2001:db8:a:b:0:5efe:1:20": "2001:db8:a:b:0:5efe:0.1.0.32",
	} {
		var s [INET6_ADDRSTRLEN]uint8
		end := RtlIpv6AddressToStringA(v6(in), s[:])
		assert.Equal(t, want, string(s[:len(s)-len(end)]), in)
	}
	var w [INET6_ADDRSTRLEN]uint16
	n := uint32(len(w))
	assert.Equal(t, ntstatus.STATUS_SUCCESS, RtlIpv6AddressToStringExW(v6("fe80::1"), 3, Htons(80), w[:], &n))
	assert.Equal(t, "[fe80::1%3]:80", string(utf16.Decode(w[:n-1])))
}

func TestRtlIpv4StringToAddress_StrictOrNot(t *testing.T) {
	for _, c := range []struct {
		in     string
		strict bool
		want   IN_ADDR
		rest   string
		ok     bool
	}{
		{"192.0.2.1 x", true, IN_ADDR{192, 0, 2, 1}, " x", true},
		{"10.1", false, IN_ADDR{10, 0, 0, 1}, "", true},
		{"0x7f.0.0.01", false, IN_ADDR{127, 0, 0, 1}, "", true},
		{"4294967295", false, IN_ADDR{255, 255, 255, 255}, "", true},
		{"10.1", true, IN_ADDR{}, "", false},
		{"10.0.0.01", true, IN_ADDR{}, "01", false},
		{"10.0.0.256", true, IN_ADDR{}, "", false},
		{"a", false, IN_ADDR{}, "a", false},
		{"1.2.3.4.5", true, IN_ADDR{1, 2, 3, 4}, ".5", true},
	} {
		var a IN_ADDR
		var rest string
		s := RtlIpv4StringToAddressW(c.in, c.strict, &rest, &a)
		assert.Equal(t, c.ok, s == ntstatus.STATUS_SUCCESS, c.in)
		assert.Equal(t, c.want, a, c.in)
		assert.Equal(t, c.rest, rest, c.in)
	}
	var a IN_ADDR
	var port uint16
	assert.Equal(t, ntstatus.STATUS_SUCCESS, RtlIpv4StringToAddressExW("192.0.2.1:443", true, &a, &port))
	assert.Equal(t, Htons(443), port)
	for _, bad := range []string{"192.0.2.1:", "192.0.2.1:65536", "192.0.2.1x", "192.0.2.1:1x"} {
		s := RtlIpv4StringToAddressExA(bad, true, &a, &port)
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, s, bad)
	}
}

func TestRtlIpv6StringToAddress_ScopeAndPort(t *testing.T) {
	var a IN6_ADDR
	var rest string
	assert.Equal(t, ntstatus.STATUS_SUCCESS, RtlIpv6StringToAddressW("2001:db8::1/64", &rest, &a))
	assert.Equal(t, "/64", rest)
	assert.Equal(t, *v6("2001:db8::1"), a)
	assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, RtlIpv6StringToAddressA("x", &rest, &a))
	var scope uint32
	var port uint16
	assert.Equal(t, ntstatus.STATUS_SUCCESS, RtlIpv6StringToAddressExW("[fe80::1%3]:80", &a, &scope, &port))
	assert.Equal(t, uint32(3), scope)
	assert.Equal(t, Htons(80), port)
	assert.Equal(t, ntstatus.STATUS_SUCCESS, RtlIpv6StringToAddressExA("fe80::1", &a, &scope, &port))
	assert.Zero(t, scope)
	for _, bad := range []string{"[fe80::1", "fe80::1]:80", "fe80::1:80:", "[fe80::1]80", "fe80::1%"} {
		s := RtlIpv6StringToAddressExA(bad, &a, &scope, &port)
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, s, bad)
	}
}

func TestIN6_IS_ADDR_Kinds(t *testing.T) {
	assert.True(t, IN6_IS_ADDR_V4MAPPED(v6("::ffff:192.0.2.1")))
	assert.False(t, IN6_IS_ADDR_V4MAPPED(v6("::192.0.2.1")))
	assert.True(t, IN6_IS_ADDR_V4COMPAT(v6("::192.0.2.1")))
	assert.False(t, IN6_IS_ADDR_V4COMPAT(v6("::1")))
	assert.True(t, IN6_IS_ADDR_V4TRANSLATED(v6("::ffff:0:192.0.2.1")))
	assert.True(t, IN6_IS_ADDR_LOOPBACK(v6("::1")) && IN6_IS_ADDR_ANY(v6("::")))
	assert.True(t, IN6_IS_ADDR_UNSPECIFIED(v6("::")))
	assert.True(t, IN6_IS_ADDR_LINKLOCAL(v6("febf::1")) && !IN6_IS_ADDR_LINKLOCAL(v6("fec0::1")))
	assert.True(t, IN6_IS_ADDR_SITELOCAL(v6("fec0::1")) && IN6_IS_ADDR_MULTICAST(v6("ff02::1")))
	assert.True(t, IN6_IS_ADDR_GLOBAL(v6("2001:db8::1")) && !IN6_IS_ADDR_GLOBAL(v6("fe80::1")))
	var mapped IN6_ADDR
	four := &IN_ADDR{192, 0, 2, 1}
	IN6_SET_ADDR_V4MAPPED(&mapped, four)
	assert.True(t, IN6_ADDR_EQUAL(&mapped, v6("::ffff:192.0.2.1")))
	assert.True(t, IN4_ADDR_EQUAL(four, IN6_GET_ADDR_V4MAPPED(&mapped)))
}

func TestIN4_IS_ADDR_Kinds(t *testing.T) {
	assert.True(t, IN4_IS_ADDR_LOOPBACK(&IN_ADDR{127, 1, 2, 3}) && IN4_IS_ADDR_ANY(&IN_ADDR{}))
	assert.True(t, IN4_IS_ADDR_UNSPECIFIED(&IN_ADDR{}) && !IN4_IS_ADDR_ANY(&IN_ADDR{1}))
	assert.True(t, IN4_IS_ADDR_BROADCAST(&IN_ADDR{255, 255, 255, 255}))
	assert.True(t, IN4_IS_ADDR_MULTICAST(&IN_ADDR{239, 1}) && !IN4_IS_ADDR_MULTICAST(&IN_ADDR{240}))
	assert.True(t, IN4_IS_ADDR_LINKLOCAL(&IN_ADDR{169, 254, 1, 1}) && IN4_IS_ADDR_RFC1918(&IN_ADDR{10}))
}

func TestINETADDR_ISEQUAL_WithoutThePort(t *testing.T) {
	a, b := Storage(netip.MustParseAddrPort("192.0.2.1:1")), Storage(netip.MustParseAddrPort("192.0.2.1:2"))
	assert.True(t, INETADDR_ISEQUAL(&a, &b))
	assert.Equal(t, []byte{192, 0, 2, 1}, INETADDR_ADDRESS(&a))
	INETADDR_SET_ADDRESS(&a, []byte{198, 51, 100, 1})
	assert.Equal(t, netip.MustParseAddrPort("198.51.100.1:1"), AddrPort(&a))
	assert.False(t, INETADDR_ISEQUAL(&a, &b) || INETADDR_ISUNSPECIFIED(&a) || INETADDR_ISV4MAPPED(&a))
	m := Storage(netip.MustParseAddrPort("[::ffff:192.0.2.1]:1"))
	assert.True(t, INETADDR_ISV4MAPPED(&m))
}
