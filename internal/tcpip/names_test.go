package tcpip

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNames(t *testing.T) {
	s := stackIn(&dry{})
	a4, a6 := netip.MustParseAddr("192.0.2.99"), netip.MustParseAddr("2001:db8::99")
	s.SetName("Host.Example", a4, a6)
	assert.Equal(t, []netip.Addr{a4, a6}, s.Resolve("host.example."))
	assert.Equal(t, []netip.Addr{a6}, s.Resolve("2001:db8::99"))
	assert.Nil(t, s.Resolve("other.example"))
	assert.Len(t, s.Resolve("LOCALHOST"), 2)
	assert.Equal(t, "host.example", s.NameOf(a6))
	assert.Equal(t, "localhost", s.NameOf(netip.IPv6Loopback()))
	assert.Empty(t, s.NameOf(netip.MustParseAddr("192.0.2.1")))
	for name, port := range map[string]uint16{"80": 80, "HTTPS": 443} {
		p, ok := Service(name, false)
		assert.True(t, ok)
		assert.Equal(t, port, p)
	}
	_, ok := Service("http", true)
	assert.False(t, ok)
	_, ok = Service("70000", false)
	assert.False(t, ok)
	assert.Equal(t, "domain", ServiceOf(53))
	assert.Equal(t, "5353", ServiceOf(5353))
}
