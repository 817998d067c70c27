package packet

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Reference: RFC 792, RFC 4443 2.4
func TestQuote_SaysWhoSentWhatToWhom(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		size     int
	}{
		{"192.0.2.10:5000", "192.0.2.99:53", 28},
		{"[2001:db8::10]:5000", "[2001:db8::99]:53", quote6},
	} {
		p := &Packet{Proto: ProtoUDP, TTL: 64, Src: netip.MustParseAddrPort(c.src),
			Dst: netip.MustParseAddrPort(c.dst), Payload: make([]byte, 1500)}
		b := p.Quote()
		assert.Len(t, b, c.size)
		q, ok := Quoted(b)
		require.True(t, ok)
		assert.Equal(t, Quotation{ProtoUDP, p.Src, p.Dst}, q)
		for n := range len(b) - c.size + 20 {
			_, ok := Quoted(b[:n])
			assert.False(t, ok, "%d bytes", n)
		}
	}
	_, ok := Quoted([]byte{0x60: 0})
	assert.False(t, ok)
}
