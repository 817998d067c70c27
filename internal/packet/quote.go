package packet

import "net/netip"

// quote6 is the most of a packet that an ICMPv6 error quotes: what leaves it within the smallest MTU
// (RFC 4443 2.4).
const quote6 = 1280 - ipv6Size - icmpSize

// Quote gives what an ICMP error says about the packet: with IPv4 its header and eight bytes more (RFC 792),
// with IPv6 as much as fits.
func (p *Packet) Quote() []byte {
	b, transport, _ := p.Marshal()
	if p.V6() {
		return b[:min(len(b), quote6)]
	}
	return b[:min(len(b), transport+8)]
}

// Quotation is the packet that an ICMP error is about.
type Quotation struct {
	Proto    uint8
	Src, Dst netip.AddrPort // ports of 0 where the protocol has none
}

// Quoted reads the payload of an ICMP error. false means that it quotes nothing that can be read: no IP
// header, a fragment, too few bytes.
func Quoted(b []byte) (q Quotation, ok bool) {
	var src, dst netip.Addr
	header := 0
	switch {
	case len(b) >= ipv4Size && b[0]>>4 == 4:
		header = int(b[0]&15) * 4
		q.Proto = b[9]
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	case len(b) >= ipv6Size && b[0]>>4 == 6 && b[6] != protoFragment:
		header = ipv6Size
		q.Proto = b[6]
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	default:
		return Quotation{}, false
	}
	var from, to uint16
	if q.Proto == ProtoTCP || q.Proto == ProtoUDP {
		if len(b) < header+4 {
			return Quotation{}, false
		}
		from, to = be.Uint16(b[header:]), be.Uint16(b[header+2:])
	}
	q.Src, q.Dst = netip.AddrPortFrom(src, from), netip.AddrPortFrom(dst, to)
	return q, true
}
