package packet

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// frames are packets whose checksums somebody else worked out: the first is the SYN of a public capture
// (http.cap of Wireshark's samples), the others come from a program that shares nothing with this one.
var frames = map[string]struct {
	hex  string
	want Packet
	line string
}{
	"TCP over IPv4, a SYN with options that are not modelled": {
		"4500 0030 0f41 4000 8006 91eb 91fe a0ed 41d0 e4df" +
			"0d2c 0050 38af fe13 0000 0000 7002 2238 c30c 0000 0204 05b4 0101 0402",
		Packet{Proto: ProtoTCP, TTL: 128, TCP: Segment{Seq: 0x38affe13, Flags: SYN, Window: 8760, MSS: 1460}},
		"145.254.160.237:3372 > 65.208.228.223:80 S seq 951057939 win 8760"},
	"ICMP echo": {
		"4500 0024 0000 4000 4001 b66b c000 020a c000 0263 0800 5435 1234 0001 6162 6364 6566 6768",
		Packet{Proto: ProtoICMP, TTL: 64, ICMP: Message{Type: 8, ID: 0x1234, Seq: 1}, Payload: []byte("abcdefgh")},
		"192.0.2.10 > 192.0.2.99 icmp type 8 code 0 len 8"},
	"ICMPv6 echo of an odd length": {
		"6000 0000 000b 3a40 2001 0db8 0000 0000 0000 0000 0000 0010 2001 0db8 0000 0000 0000 0000 0000 0099" +
			"8000 4d07 1234 0001 6162 63",
		Packet{Proto: ProtoICMPv6, TTL: 64, ICMP: Message{Type: 128, ID: 0x1234, Seq: 1}, Payload: []byte("abc")},
		"2001:db8::10 > 2001:db8::99 icmp type 128 code 0 len 3"},
	"UDP over IPv6": {
		"6000 0000 000d 1140 2001 0db8 0000 0000 0000 0000 0000 0010 2001 0db8 0000 0000 0000 0000 0000 0099" +
			"14e9 0035 000d 4ac9 6865 6c6c 6f",
		Packet{Proto: ProtoUDP, TTL: 64, Payload: []byte("hello")},
		"[2001:db8::10]:5353 > [2001:db8::99]:53 udp len 5"},
	"UDP over IPv4": {
		"4500 0021 0000 4000 4011 b65e c000 020a c000 0263 14e9 0035 000d 2276 6865 6c6c 6f",
		Packet{Proto: ProtoUDP, TTL: 64, Payload: []byte("hello")},
		"192.0.2.10:5353 > 192.0.2.99:53 udp len 5"},
	"UDP whose checksum would be 0": {
		"4500 001e 0000 4000 4011 b661 c000 020a c000 0263 14e9 0035 000a ffff 664e",
		Packet{Proto: ProtoUDP, TTL: 64, Payload: []byte{0x66, 0x4e}},
		"192.0.2.10:5353 > 192.0.2.99:53 udp len 2"},
}

func TestParse_KnownFrames(t *testing.T) {
	for name, f := range frames {
		b := unhex(t, f.hex)
		p, err := Parse(b)
		require.NoError(t, err, name)
		assert.Equal(t, f.line, p.String(), name)
		f.want.Src, f.want.Dst = p.Src, p.Dst
		assert.Empty(t, cmp.Diff(&f.want, p, same), name)
		if name[:3] != "TCP" { // Marshal writes no SACK option, and no identification
			again, _, _ := p.Marshal()
			assert.Equal(t, b, again, name)
		}
	}
}

func TestParse_KeepsNothingOfTheBytes(t *testing.T) {
	b := unhex(t, frames["UDP over IPv4"].hex)
	p, err := Parse(b)
	require.NoError(t, err)
	clear(b)
	assert.Equal(t, "hello", string(p.Payload))
}

func TestParse_CutsPadding(t *testing.T) {
	long := make([]byte, 70_000)
	empty := unhex(t, frames["UDP over IPv6"].hex)[:40]
	empty[5], empty[6] = 0, 59 // no next header
	p, err := Parse(append(empty, 1, 2, 3))
	require.NoError(t, err)
	assert.Nil(t, p.Payload)
	p, err = Parse(append(unhex(t, frames["UDP over IPv4"].hex), long...))
	require.NoError(t, err)
	assert.Equal(t, "hello", string(p.Payload))
	for _, name := range []string{"UDP over IPv4", "UDP over IPv6", "ICMP echo"} {
		b := unhex(t, frames[name].hex)
		p, err := Parse(append(b, 1, 2, 3))
		require.NoError(t, err, name)
		assert.Equal(t, frames[name].want.Payload, p.Payload, name)
	}
}

func TestParse_WrongChecksumComesWithThePacket(t *testing.T) {
	for name, c := range map[string]struct {
		frame string
		at    int
		want  string
	}{
		"IP":  {"UDP over IPv4", 10, "wrong checksum in the IPv4 header"},
		"UDP": {"UDP over IPv4", 26, "wrong checksum in the UDP header"},
		"v6":  {"UDP over IPv6", 46, "wrong checksum in the UDP header"},
		"TCP": {"TCP over IPv4, a SYN with options that are not modelled", 36, "wrong checksum in the TCP header"},
		"v4":  {"ICMP echo", 22, "wrong checksum in the ICMP header"},
		"i6":  {"ICMPv6 echo of an odd length", 42, "wrong checksum in the ICMP header"},
	} {
		b := unhex(t, frames[c.frame].hex)
		b[c.at]++
		p, err := Parse(b)
		require.ErrorIs(t, err, ErrChecksum, name)
		assert.EqualError(t, err, c.want)
		assert.Equal(t, frames[c.frame].want.Payload, p.Payload, name)
	}
}

// Reference: RFC 768: "An all zero transmitted checksum value means that the transmitter generated no
// checksum"; RFC 8200 8.1: with IPv6 "the UDP checksum is not optional".
func TestParse_UDPWithoutChecksum(t *testing.T) {
	b := unhex(t, frames["UDP over IPv4"].hex)
	b[26], b[27] = 0, 0
	_, err := Parse(b)
	assert.NoError(t, err)
	b = unhex(t, frames["UDP over IPv6"].hex)
	b[46], b[47] = 0, 0
	_, err = Parse(b)
	assert.ErrorIs(t, err, ErrChecksum)
}

func TestParse_SaysWhatIsWrong(t *testing.T) {
	udp4, udp6 := unhex(t, frames["UDP over IPv4"].hex), unhex(t, frames["UDP over IPv6"].hex)
	tcp := unhex(t, frames["TCP over IPv4, a SYN with options that are not modelled"].hex)
	with := func(b []byte, change ...int) []byte {
		b = append([]byte(nil), b...)
		for i := 0; i < len(change); i += 2 {
			b[change[i]] = byte(change[i+1])
		}
		return b
	}
	for want, b := range map[string][]byte{
		"no bytes, where an IP header should be":                                       nil,
		"IP version 5":                                                                 with(udp4, 0, 0x55),
		"IPv4 header of 19 bytes":                                                      udp4[:19],
		"IPv4 header of 16 bytes in a packet of 33":                                    with(udp4, 0, 0x44),
		"IPv4 header of 20 bytes in a packet of 19":                                    with(udp4, 3, 19),
		"IPv4 packet of 33 bytes, of which 32 are there":                               udp4[:32],
		"IPv4 packet that states a length of 0":                                        with(udp4, 3, 0),
		"UDP header of 4 bytes":                                                        with(udp4, 3, 24),
		"UDP header that states 14 bytes, of which 13 are there":                       with(udp4, 25, 14),
		"UDP header that states 0 bytes, of which 13 are there":                        with(udp4, 25, 0),
		"IPv6 header of 39 bytes":                                                      udp6[:39],
		"IPv6 packet of 53 bytes, of which 52 are there":                               udp6[:52],
		"IPv6 extension header 43, which is not modelled":                              with(udp6, 6, 43),
		"IPv6 fragment header of 7 bytes":                                              with(udp6, 6, 44, 5, 7),
		"TCP header of 12 bytes":                                                       with(tcp, 3, 32),
		"TCP header that states 16 bytes, of which 28 are there":                       with(tcp, 32, 0x40),
		"TCP header that states 32 bytes, of which 28 are there":                       with(tcp, 32, 0x80),
		"TCP option 2 that does not end within its header":                             with(tcp, 41, 9),
		"TCP option 4 that does not end within its header":                             with(tcp, 47, 1),
		"ICMP header of 4 bytes":                                                       with(unhex(t, frames["ICMP echo"].hex), 3, 24),
		"IPv6 packet with a v4-mapped address, which never travels (RFC 4291 2.5.5.2)": append(with(udp6[:24], 8, 0, 9, 0, 10, 0, 11, 0, 18, 255, 19, 255), udp6[24:]...),
	} {
		p, err := Parse(b)
		assert.EqualError(t, err, want)
		assert.Nil(t, p, want)
	}
	_, err := Parse(append(with(udp4, 2, 0, 3, 0), make([]byte, 65535-len(udp4))...))
	assert.EqualError(t, err, "IPv4 packet that states a length of 0", "the field can say 65535")
}

// The options of a SYN, and a window that cannot be shifted further than 14 (RFC 7323 2.3).
func TestParse_Options(t *testing.T) {
	a := netip.MustParseAddrPort("192.0.2.1:1")
	p := &Packet{Proto: ProtoTCP, Src: a, Dst: a, TCP: Segment{Flags: SYN, MSS: 1460, Scale: maxShift + 1}}
	b, _, _ := p.Marshal()
	require.Len(t, b, 48)
	b[47] = 200
	q, err := Parse(b)
	require.ErrorIs(t, err, ErrChecksum)
	assert.Equal(t, p.TCP, q.TCP)
	b[33] = byte(ACK)
	q, err = Parse(b)
	require.ErrorIs(t, err, ErrChecksum)
	assert.Equal(t, Segment{Flags: ACK}, q.TCP, "options count in a SYN only")
	b[33], b[40] = byte(SYN), optionEnd
	q, _ = Parse(b)
	assert.Equal(t, Segment{Flags: SYN}, q.TCP, "nothing counts behind the end of the options")
}

// FuzzParse has Parse read anything. What it understands is what it gives back.
func FuzzParse(f *testing.F) {
	for _, frame := range frames {
		f.Add(unhex(f, frame.hex))
	}
	for _, q := range udpPacket("a text that is longer than a piece").Cut(16, 3) {
		b, _, _ := q.Marshal()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if p == nil {
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrChecksum)
			return
		}
		again, transport, data := p.Marshal()
		require.LessOrEqual(t, data, len(again))
		require.LessOrEqual(t, transport, data)
		q, err := Parse(again)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, q, same))
	})
}
