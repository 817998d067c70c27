package packet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ErrChecksum is the error of Parse about bytes that are a packet but for a checksum: a receiver drops such a
// packet, a sender may still have to fill the field in. The packet comes with it.
var ErrChecksum = errors.New("wrong checksum")

// Parse reads a packet from its IP header on; bytes behind the length the header states are padding. The
// packet keeps nothing of b. Of packets that are no fragments the IPv4 identification is not kept.
//
// Invariant: Parse(Marshal(p)) equals p but for ID, Of, Link, Marks.
func Parse(b []byte) (*Packet, error) {
	r := reader{p: new(Packet)}
	b = r.ip(b)
	if r.err == nil && r.p.Frag.Off == 0 {
		b = r.transport(b)
	}
	if r.err != nil {
		return nil, r.err
	}
	if len(b) > 0 {
		r.p.Payload = slices.Clone(b)
	}
	return r.p, r.sums
}

// Under reads a packet whose IP header is not there yet: b begins with the transport header. A checksum that
// is wrong is filled in by Marshal.
func Under(proto uint8, src, dst netip.Addr, ttl uint8, b []byte) (*Packet, error) {
	r := reader{p: &Packet{Proto: proto, TTL: ttl, Src: netip.AddrPortFrom(src, 0),
		Dst: netip.AddrPortFrom(dst, 0)}}
	if b = r.transport(b); r.err != nil {
		return nil, r.err
	}
	if len(b) > 0 {
		r.p.Payload = slices.Clone(b)
	}
	return r.p, nil
}

// reader fills in a packet. Once err is set nothing that was read counts.
type reader struct {
	p    *Packet
	err  error
	sums error // the first checksum that is wrong
}

func (r *reader) bad(format string, args ...any) []byte {
	r.err = fmt.Errorf(format, args...)
	return nil
}

func (r *reader) badSum(of string) {
	if r.sums == nil {
		r.sums = fmt.Errorf("%w in the %s header", ErrChecksum, of)
	}
}

// ip reads the IP header and gives what lies behind it.
func (r *reader) ip(b []byte) []byte {
	switch {
	case len(b) == 0:
		return r.bad("no bytes, where an IP header should be")
	case b[0]>>4 == 4:
		return r.ipv4(b)
	case b[0]>>4 == 6:
		return r.ipv6(b)
	}
	return r.bad("IP version %d", b[0]>>4)
}

// cut gives the first n bytes of b, n being what a length field says; 0 stands for all when b is too long for
// the field.
func (r *reader) cut(b []byte, n, header int, what string) []byte {
	if n == 0 && len(b)-header > maxLength {
		return b
	}
	if n += header; n > len(b) {
		return r.bad("%s of %d bytes, of which %d are there", what, n, len(b))
	}
	return b[:n]
}

func (r *reader) ipv4(b []byte) []byte {
	if len(b) < ipv4Size {
		return r.bad("IPv4 header of %d bytes", len(b))
	}
	header := int(b[0]&15) * 4
	total := int(be.Uint16(b[2:]))
	if header < ipv4Size || header > len(b) || total != 0 && total < header {
		return r.bad("IPv4 header of %d bytes in a packet of %d", header, total)
	}
	p := r.p
	p.TOS, p.TTL, p.Proto = b[1], b[8], b[9]
	p.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), 0)
	p.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), 0)
	if fold(sum(0, b[:header])) != 0 {
		r.badSum("IPv4")
	}
	field := be.Uint16(b[6:])
	r.frag(Frag{Off: int(field&0x1FFF) * 8, More: field&0x2000 != 0, ID: uint32(be.Uint16(b[4:]))})
	if total == 0 && len(b) <= maxLength {
		return r.bad("IPv4 packet that states a length of 0")
	}
	if b = r.cut(b, total, 0, "IPv4 packet"); r.err != nil {
		return nil
	}
	return b[header:]
}

func (r *reader) ipv6(b []byte) []byte {
	if len(b) < ipv6Size {
		return r.bad("IPv6 header of %d bytes", len(b))
	}
	p := r.p
	p.TOS, p.Proto, p.TTL = b[0]<<4|b[1]>>4, b[6], b[7]
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if src.Is4In6() || dst.Is4In6() {
		return r.bad("IPv6 packet with a v4-mapped address, which never travels (RFC 4291 2.5.5.2)")
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	b = r.cut(b, int(be.Uint16(b[4:])), ipv6Size, "IPv6 packet")
	if r.err != nil {
		return nil
	}
	b = b[ipv6Size:]
	if p.Proto == protoFragment {
		if len(b) < fragmentSize {
			return r.bad("IPv6 fragment header of %d bytes", len(b))
		}
		p.Proto = b[0]
		field := be.Uint16(b[2:])
		r.frag(Frag{Off: int(field &^ 7), More: field&1 != 0, ID: be.Uint32(b[4:])})
		b = b[fragmentSize:]
	}
	switch p.Proto {
	case 0, 43, 60, protoFragment:
		return r.bad("IPv6 extension header %d, which is not modelled", p.Proto)
	}
	return b
}

// frag notes which piece this is. What is whole has no identification to keep, an atomic fragment of IPv6
// included (RFC 6946).
func (r *reader) frag(f Frag) {
	if !f.Whole() {
		r.p.Frag = f
	}
}

// transport reads the transport header and gives the data behind it.
func (r *reader) transport(b []byte) []byte {
	switch p := r.p; {
	case p.Proto == ProtoTCP:
		return r.tcp(b)
	case p.Proto == ProtoUDP:
		return r.udp(b)
	case p.isICMP():
		return r.icmp(b)
	}
	return b
}

// check compares the checksum of transport header and data. In a first fragment it is kept, since what it is
// about is not all there.
func (r *reader) check(b []byte, stated uint16, of string) {
	switch p := r.p; {
	case !p.Frag.Whole():
		p.Frag.Sum = stated
	case fold(sum(p.pseudo(len(b)), b)) != 0:
		r.badSum(of)
	}
}

func (r *reader) ports(b []byte) {
	p := r.p
	p.Src = netip.AddrPortFrom(p.Src.Addr(), be.Uint16(b))
	p.Dst = netip.AddrPortFrom(p.Dst.Addr(), be.Uint16(b[2:]))
}

func (r *reader) udp(b []byte) []byte {
	if len(b) < udpSize {
		return r.bad("UDP header of %d bytes", len(b))
	}
	r.ports(b)
	length := int(be.Uint16(b[4:]))
	if !r.p.Frag.Whole() {
		r.p.Frag.Len = uint16(length)
	} else if length != 0 || len(b) <= maxLength {
		if length < udpSize || length > len(b) {
			return r.bad("UDP header that states %d bytes, of which %d are there", length, len(b))
		}
		b = b[:length]
	}
	stated := be.Uint16(b[6:])
	if stated != 0 || !r.p.Frag.Whole() || r.p.V6() { // with IPv4, 0 is no checksum (RFC 768; RFC 8200 8.1)
		r.check(b, stated, "UDP")
	}
	return b[udpSize:]
}

func (r *reader) icmp(b []byte) []byte {
	if len(b) < icmpSize {
		return r.bad("ICMP header of %d bytes", len(b))
	}
	r.p.ICMP = Message{Type: b[0], Code: b[1], ID: be.Uint16(b[4:]), Seq: be.Uint16(b[6:])}
	r.check(b, be.Uint16(b[2:]), "ICMP")
	return b[icmpSize:]
}

func (r *reader) tcp(b []byte) []byte {
	if len(b) < tcpSize {
		return r.bad("TCP header of %d bytes", len(b))
	}
	header := int(b[12]>>4) * 4
	if header < tcpSize || header > len(b) {
		return r.bad("TCP header that states %d bytes, of which %d are there", header, len(b))
	}
	r.ports(b)
	s := &r.p.TCP
	s.Seq, s.Ack = be.Uint32(b[4:]), be.Uint32(b[8:])
	s.Flags, s.Window = Flags(b[13]), be.Uint16(b[14:])
	r.options(b[tcpSize:header])
	r.check(b, be.Uint16(b[16:]), "TCP")
	return b[header:]
}

// options reads the options of a TCP header and skips those that are not modelled. Both that are belong into
// a SYN (RFC 9293 3.2, RFC 7323 2.2); elsewhere they say nothing.
func (r *reader) options(o []byte) {
	s := &r.p.TCP
	for len(o) > 0 && o[0] != optionEnd {
		if o[0] == optionNop {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			r.bad("TCP option %d that does not end within its header", o[0])
			return
		}
		switch syn := s.Flags.Has(SYN); {
		case syn && o[0] == optionMSS && o[1] == 4:
			s.MSS = be.Uint16(o[2:])
		case syn && o[0] == optionScale && o[1] == 3:
			s.Scale = min(o[2], maxShift) + 1
		}
		o = o[o[1]:]
	}
}

// maxShift is the greatest shift count of a window; more counts as this (RFC 7323 2.3).
const maxShift = 14
