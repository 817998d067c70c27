package packet

// sum adds bytes to a sum of 16-bit words (RFC 1071); an odd last byte is the high half of a word.
func sum(s uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(be.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold makes a checksum of a sum.
func fold(s uint64) uint16 {
	for s > 0xFFFF {
		s = s>>16 + s&0xFFFF
	}
	return ^uint16(s)
}

// pseudo is the sum of what stands in for the IP header: addresses, protocol, length (RFC 9293 3.1,
// RFC 8200 8.1). ICMP of IPv4 has none.
func (p *Packet) pseudo(length int) uint64 {
	if p.Proto == ProtoICMP && !p.V6() {
		return 0
	}
	src, dst := p.Src.Addr().As16(), p.Dst.Addr().As16()
	if !p.V6() {
		return sum(sum(uint64(p.Proto), src[12:]), dst[12:]) + words(length)
	}
	return sum(sum(uint64(p.Proto), src[:]), dst[:]) + words(length)
}

// words is the sum of the two halves of a length of 32 bits.
func words(n int) uint64 { return uint64(n>>16&0xFFFF) + uint64(n&0xFFFF) }

// checksum gives the checksum of transport header and data, whose checksum field must be 0. UDP has 0 stand
// for "none", so a sum of 0 is sent as its other form (RFC 768).
func (p *Packet) checksum(b []byte) uint16 {
	s := fold(sum(p.pseudo(len(b)), b))
	if s == 0 && p.Proto == ProtoUDP {
		return 0xFFFF
	}
	return s
}
