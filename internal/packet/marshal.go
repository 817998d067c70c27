package packet

import "encoding/binary"

// Sizes of headers, in bytes.
const (
	ipv4Size     = 20
	ipv6Size     = 40
	fragmentSize = 8
	tcpSize      = 20
	udpSize      = 8
	icmpSize     = 8
)

// maxLength is the most a 16-bit length can say.
const maxLength = 0xFFFF

var be = binary.BigEndian

// transportSize gives the size of the transport header.
func (p *Packet) transportSize() int {
	switch {
	case p.HasTCP():
		n := tcpSize
		if p.TCP.MSS != 0 {
			n += 4
		}
		if p.TCP.Scale != 0 {
			n += 4
		}
		return n
	case p.HasPorts():
		return udpSize
	case p.HasICMP():
		return icmpSize
	}
	return 0
}

// ipSize gives the size of the IP header, with the fragment header.
func (p *Packet) ipSize() int {
	switch {
	case !p.V6():
		return ipv4Size
	case p.Frag.Whole():
		return ipv6Size
	}
	return ipv6Size + fragmentSize
}

// Marshal gives the packet's bytes from the IP header on, with right checksums, and where in them the
// transport header and the data begin.
func (p *Packet) Marshal() (b []byte, transport, data int) {
	transport = p.ipSize()
	data = transport + p.transportSize()
	b = make([]byte, data+len(p.Payload))
	copy(b[data:], p.Payload)
	if p.V6() {
		p.putIPv6(b)
	} else {
		p.putIPv4(b)
	}
	if data > transport {
		p.putTransport(b[transport:])
	}
	return b, transport, data
}

// length16 is a length field: 0 when the packet is too long for it, which a large send is. That is how the
// transport hands large sends down (LSOv2, WDD:offloading-the-segmentation-of-large-tcp-packets.md), and how
// IPv6 has jumbograms (RFC 2675 3).
func length16(n int) uint16 {
	if n > maxLength {
		return 0
	}
	return uint16(n)
}

func (p *Packet) putIPv4(b []byte) {
	b[0], b[1] = 0x45, p.TOS
	be.PutUint16(b[2:], length16(len(b)))
	if p.Frag.Whole() {
		b[6] = 0x40 // don't fragment, and so no identification is needed (RFC 6864 4.1)
	} else {
		be.PutUint16(b[4:], uint16(p.Frag.ID))
		be.PutUint16(b[6:], uint16(p.Frag.Off/8))
		if p.Frag.More {
			b[6] |= 0x20
		}
	}
	b[8], b[9] = p.TTL, p.Proto
	src, dst := p.Src.Addr().As4(), p.Dst.Addr().As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	be.PutUint16(b[10:], fold(sum(0, b[:ipv4Size])))
}

func (p *Packet) putIPv6(b []byte) {
	b[0], b[1] = 0x60|p.TOS>>4, p.TOS<<4
	be.PutUint16(b[4:], length16(len(b)-ipv6Size))
	b[6], b[7] = p.Proto, p.TTL
	src, dst := p.Src.Addr().As16(), p.Dst.Addr().As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	if p.Frag.Whole() {
		return
	}
	b[6] = protoFragment
	f := b[ipv6Size:]
	f[0] = p.Proto
	be.PutUint16(f[2:], uint16(p.Frag.Off))
	if p.Frag.More {
		f[3] |= 1
	}
	be.PutUint32(f[4:], p.Frag.ID)
}

// putTransport writes the transport header in front of the data in b.
func (p *Packet) putTransport(b []byte) {
	at := 0 // where the checksum lies
	switch {
	case p.HasTCP():
		p.putTCP(b)
		at = 16
	case p.HasPorts():
		be.PutUint16(b, p.Src.Port())
		be.PutUint16(b[2:], p.Dst.Port())
		be.PutUint16(b[4:], length16(len(b)))
		at = 6
	default:
		b[0], b[1] = p.ICMP.Type, p.ICMP.Code
		be.PutUint16(b[4:], p.ICMP.ID)
		be.PutUint16(b[6:], p.ICMP.Seq)
		at = 2
	}
	if p.Frag.Whole() {
		be.PutUint16(b[at:], p.checksum(b))
		return
	}
	be.PutUint16(b[at:], p.Frag.Sum)
	if p.Proto == ProtoUDP {
		be.PutUint16(b[4:], p.Frag.Len)
	}
}

func (p *Packet) putTCP(b []byte) {
	s := &p.TCP
	be.PutUint16(b, p.Src.Port())
	be.PutUint16(b[2:], p.Dst.Port())
	be.PutUint32(b[4:], s.Seq)
	be.PutUint32(b[8:], s.Ack)
	b[12], b[13] = uint8(p.transportSize()/4)<<4, uint8(s.Flags)
	be.PutUint16(b[14:], s.Window)
	o := b[tcpSize:]
	if s.MSS != 0 {
		o[0], o[1] = optionMSS, 4
		be.PutUint16(o[2:], s.MSS)
		o = o[4:]
	}
	if s.Scale != 0 {
		o[0], o[1], o[2], o[3] = optionNop, optionScale, 3, s.Scale-1
	}
}

// The options of TCP that are modelled, and the two of one byte.
const (
	optionEnd   = 0
	optionNop   = 1
	optionMSS   = 2
	optionScale = 3
)
