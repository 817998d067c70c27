package packet

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"calloutsim/internal/trace"
)

// same compares packets but for what has no bytes.
var same = cmp.Options{cmpopts.IgnoreFields(Packet{}, "ID", "Of", "Link", "Marks"),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })}

// drawAddr draws an address of one family, the well-known ones often.
func drawAddr(t *rapid.T, v6 bool, label string) netip.Addr {
	if v6 {
		a := netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label)))
		if a.Is4In6() {
			return netip.IPv6Loopback()
		}
		return a
	}
	return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label)))
}

// protocols are those with fields of their own and some without.
var protocols = []uint8{ProtoTCP, ProtoUDP, ProtoICMP, ProtoICMPv6, 2, 50, 255}

// drawPacket draws a packet that keeps the invariants of the type.
func drawPacket(t *rapid.T) *Packet {
	v6 := rapid.Bool().Draw(t, "v6")
	p := &Packet{TTL: rapid.Byte().Draw(t, "ttl"), TOS: rapid.Byte().Draw(t, "tos"),
		Proto: rapid.SampledFrom(protocols).Draw(t, "proto")}
	p.Src = netip.AddrPortFrom(drawAddr(t, v6, "src"), 0)
	p.Dst = netip.AddrPortFrom(drawAddr(t, v6, "dst"), 0)
	if rapid.IntRange(0, 3).Draw(t, "frag") == 0 {
		p.Frag = Frag{ID: uint32(rapid.Uint16().Draw(t, "id")), More: rapid.Bool().Draw(t, "more"),
			Off: 8 * rapid.IntRange(0, 8191).Draw(t, "off")}
		if p.Frag.Whole() {
			p.Frag = Frag{}
		}
	}
	if n := rapid.IntRange(0, 1500).Draw(t, "length"); n > 0 {
		p.Payload = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "payload")
	}
	drawTransport(t, p)
	return p
}

func drawTransport(t *rapid.T, p *Packet) {
	if p.HasPorts() {
		p.Src = netip.AddrPortFrom(p.Src.Addr(), rapid.Uint16().Draw(t, "sport"))
		p.Dst = netip.AddrPortFrom(p.Dst.Addr(), rapid.Uint16().Draw(t, "dport"))
	}
	if p.HasTCP() {
		p.TCP = Segment{Seq: rapid.Uint32().Draw(t, "seq"), Ack: rapid.Uint32().Draw(t, "ack"),
			Flags: Flags(rapid.Byte().Draw(t, "flags")), Window: rapid.Uint16().Draw(t, "window")}
		if p.TCP.Flags.Has(SYN) {
			p.TCP.MSS = rapid.Uint16().Draw(t, "mss")
			p.TCP.Scale = rapid.Uint8Range(0, maxShift+1).Draw(t, "scale")
		}
	}
	if p.HasICMP() {
		p.ICMP = Message{Type: rapid.Byte().Draw(t, "type"), Code: rapid.Byte().Draw(t, "code"),
			ID: rapid.Uint16().Draw(t, "icmp id"), Seq: rapid.Uint16().Draw(t, "icmp seq")}
	}
	if !p.Frag.Whole() && (p.HasPorts() || p.HasICMP()) {
		p.Frag.Sum = rapid.Uint16().Draw(t, "sum")
		if p.Proto == ProtoUDP {
			p.Frag.Len = rapid.Uint16().Draw(t, "stated")
		}
	}
}

func TestParse_GivesBackWhatWasMarshalled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPacket(t)
		b, transport, data := p.Marshal()
		q, err := Parse(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, q, same))
		require.Equal(t, len(b), data+len(p.Payload))
		require.LessOrEqual(t, transport, data)
		again, _, _ := q.Marshal()
		require.Equal(t, b, again)
	})
}

// An error in one bit of what a checksum covers is always found, or changes what the bytes are.
func TestParse_FindsAFlippedBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPacket(t)
		b, transport, _ := p.Marshal()
		n := len(b)
		if !p.HasPorts() && !p.HasICMP() || !p.Frag.Whole() {
			n = transport
		}
		if p.V6() {
			n -= transport // an IPv6 header has no checksum of its own
		}
		if n == 0 {
			t.Skip()
		}
		bit := rapid.IntRange(0, 8*n-1).Draw(t, "bit")
		if p.V6() {
			bit += 8 * transport
		}
		if bit/8 == 0 {
			t.Skip() // the version: read as something else
		}
		b[bit/8] ^= 1 << (bit % 8)
		if at := transport + 6; p.Proto == ProtoUDP && !p.V6() && p.Frag.Whole() && be.Uint16(b[at:]) == 0 {
			t.Skip() // no checksum
		}
		_, err := Parse(b)
		require.Error(t, err)
	})
}

func TestMarshal_EveryCheckSumIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPacket(t)
		b, transport, _ := p.Marshal()
		if !p.V6() {
			require.Zero(t, fold(sum(0, b[:transport])))
		}
		if p.Frag.Whole() && (p.HasPorts() || p.HasICMP()) {
			require.Zero(t, fold(sum(p.pseudo(len(b)-transport), b[transport:])))
		}
	})
}

func TestCut_JoinGivesBackTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPacket(t)
		p.Frag = Frag{}
		p.ID = trace.MakeID(trace.NetBuffer, 1)
		p.Src, p.Dst, p.TCP, p.ICMP = noPort(p.Src), noPort(p.Dst), Segment{}, Message{}
		drawTransport(t, p)
		pieces := p.Cut(rapid.IntRange(32, 600).Draw(t, "size"), 77)
		if len(pieces) == 1 {
			require.Same(t, p, pieces[0])
			return
		}
		for i, q := range pieces {
			b, _, _ := q.Marshal()
			back, err := Parse(b)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(q, back, same))
			require.True(t, q.SameWhole(pieces[0]))
			pieces[i] = back
		}
		pieces = rapid.Permutation(pieces).Draw(t, "order")
		missing, err := Join(pieces[1:])
		require.NoError(t, err)
		require.Nil(t, missing)
		whole, err := Join(append(slices.Clone(pieces), pieces[0]))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, whole, same))
		require.Zero(t, whole.ID, "nobody has named it yet")
	})
}

func TestSameWhole_ComparesWhatTheReceiverDoes(t *testing.T) {
	p := &Packet{Proto: ProtoUDP, Src: netip.MustParseAddrPort("192.0.2.1:1"),
		Dst: netip.MustParseAddrPort("192.0.2.2:2"), Frag: Frag{ID: 7, More: true}}
	for name, change := range map[string]func(*Packet){
		"id":       func(q *Packet) { q.Frag.ID = 8 },
		"src":      func(q *Packet) { q.Src = q.Dst },
		"dst":      func(q *Packet) { q.Dst = q.Src },
		"protocol": func(q *Packet) { q.Proto = ProtoTCP },
	} {
		q := *p
		change(&q)
		assert.False(t, p.SameWhole(&q), name)
	}
	q := *p
	q.Src, q.Frag.Off = netip.MustParseAddrPort("192.0.2.1:0"), 8
	assert.True(t, p.SameWhole(&q), "ports and offsets differ")
	six := netip.MustParseAddrPort("[2001:db8::1]:1")
	p, q = &Packet{Proto: ProtoUDP, Src: six, Dst: six, Frag: Frag{ID: 7}}, Packet{Src: six, Dst: six,
		Frag: Frag{ID: 7}}
	assert.True(t, p.SameWhole(&q), "RFC 8200 4.5 leaves the protocol out")
}

func udpPacket(payload string) *Packet {
	return &Packet{Proto: ProtoUDP, TTL: 64, Src: netip.MustParseAddrPort("192.0.2.1:1000"),
		Dst: netip.MustParseAddrPort("192.0.2.2:2000"), Payload: []byte(payload)}
}

func TestJoin_RefusesWhatIsNoPacket(t *testing.T) {
	pieces := udpPacket(strings.Repeat("x", 100)).Cut(40, 7)
	require.Len(t, pieces, 3)
	change := func(i int, f func(*Packet)) []*Packet {
		out := slices.Clone(pieces)
		q := *out[i]
		f(&q)
		out[i] = &q
		return out
	}
	for name, in := range map[string][]*Packet{
		"no pieces":        nil,
		"no last":          pieces[:2],
		"no first":         pieces[1:],
		"overlap":          append(slices.Clone(pieces), change(1, func(q *Packet) { q.Frag.Off = 48 })[1]),
		"not all the same": append(slices.Clone(pieces), change(1, func(q *Packet) { q.Payload = q.Payload[:8] })[1]),
		"empty piece":      change(1, func(q *Packet) { q.Payload = nil }),
		"odd size":         change(1, func(q *Packet) { q.Payload = q.Payload[:39] }),
	} {
		got, err := Join(in)
		assert.Nil(t, got, name)
		assert.NoError(t, err, name)
	}
	whole, err := Join(change(2, func(q *Packet) { q.Payload = slices.Clone(q.Payload); q.Payload[0] = 'y' }))
	assert.ErrorIs(t, err, ErrChecksum)
	assert.Equal(t, 100, len(whole.Payload))
	whole, err = Join(change(0, func(q *Packet) { q.Frag.Sum = 0 }))
	assert.NoError(t, err, "no checksum is none that is wrong")
	assert.Equal(t, 100, len(whole.Payload))
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	require.NoError(t, err)
	return b
}

func TestMarshal_LargeSendHasNoLength(t *testing.T) {
	for _, c := range []struct {
		src   string
		field int // where the length lies
		most  int // data that can be stated
	}{{"192.0.2.1:1", 2, 65535 - 40}, {"[2001:db8::1]:1", 4, 65535 - 20}} {
		a := netip.MustParseAddrPort(c.src)
		for n, want := range map[int]uint16{c.most: 65535, c.most + 1: 0, 70_000: 0} {
			p := &Packet{Proto: ProtoTCP, Src: a, Dst: a, Payload: make([]byte, n)}
			b, _, _ := p.Marshal()
			assert.Equal(t, want, be.Uint16(b[c.field:]), n)
			q, err := Parse(b)
			require.NoError(t, err)
			assert.Empty(t, cmp.Diff(p, q, same))
		}
	}
	a := netip.MustParseAddrPort("192.0.2.1:1")
	p := &Packet{Proto: ProtoUDP, Src: a, Dst: a, Payload: make([]byte, 65535-8)}
	for range 2 {
		b, _, _ := p.Marshal()
		q, err := Parse(b)
		require.NoError(t, err)
		assert.Empty(t, cmp.Diff(p, q, same))
		p.Payload = append(p.Payload, 0)
	}
}

func TestPacket_ICMPErrorsAreThoseOfTheFamily(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("[2001:db8::1]:0")
	for _, c := range []struct {
		src   netip.AddrPort
		proto uint8
		kind  uint8
		off   int
		want  bool
	}{
		{v4, ProtoICMP, 3, 0, true}, {v4, ProtoICMP, 11, 0, true}, {v4, ProtoICMP, 8, 0, false},
		{v4, ProtoICMP, 0, 0, false}, {v4, ProtoICMPv6, 3, 0, false}, {v4, ProtoICMP, 3, 8, false},
		{v6, ProtoICMPv6, 1, 0, true}, {v6, ProtoICMPv6, 127, 0, true}, {v6, ProtoICMPv6, 128, 0, false},
		{v6, ProtoICMP, 3, 0, false},
	} {
		p := &Packet{Proto: c.proto, Src: c.src, Dst: c.src, ICMP: Message{Type: c.kind},
			Frag: Frag{Off: c.off}}
		assert.Equal(t, c.want, p.ICMPError(), "%+v", c)
	}
}

func TestString_IsOneLine(t *testing.T) {
	p := udpPacket("abc")
	assert.Equal(t, "192.0.2.1:1000 > 192.0.2.2:2000 udp len 3", p.String())
	p.Proto, p.TCP = ProtoTCP, Segment{Seq: 4294967295, Ack: 2, Flags: SYN | ACK, Window: 65535}
	assert.Equal(t, "192.0.2.1:1000 > 192.0.2.2:2000 S. seq 4294967295 ack 2 win 65535 len 3", p.String())
	p.Proto, p.ICMP = ProtoICMP, Message{Type: 3, Code: 1}
	assert.Equal(t, "192.0.2.1 > 192.0.2.2 icmp type 3 code 1 len 3", p.String())
	p.Proto, p.Frag = 99, Frag{ID: 7, Off: 8, More: true}
	assert.Equal(t, "192.0.2.1 > 192.0.2.2 proto 99 len 3 frag 7 at 8+", p.String())
}
