package packet

import (
	"bytes"
	"slices"
)

// Cut gives the pieces of a whole packet, none with more than size bytes behind its IP header, under the
// given identification; each has Of set to the packet's id and none has an id yet. A packet that fits is its
// only piece, and itself.
func (p *Packet) Cut(size int, id uint32) []*Packet {
	b, transport, data := p.Marshal()
	b = b[transport:]
	size &^= 7 // every piece but the last is a multiple of 8 bytes (RFC 791 3.1)
	switch {
	case len(b) <= size || !p.Frag.Whole():
		return []*Packet{p}
	case size < data-transport || size == 0:
		panic("internal error: a piece must hold the transport header")
	case len(b) > maxLength:
		panic("internal error: a large send is cut by TCP, not by IP")
	}
	if !p.V6() {
		id &= 0xFFFF
	}
	var pieces []*Packet
	for off := 0; off < len(b); off += size {
		q := *p
		q.ID, q.Of = 0, p.ID
		q.Frag = Frag{ID: id, Off: off, More: off+size < len(b)}
		from := off
		if off == 0 {
			from = data - transport
			q.Frag.Len, q.Frag.Sum = p.stated(b)
		} else {
			q.strip()
		}
		q.Payload = slices.Clone(b[from:min(off+size, len(b))])
		pieces = append(pieces, &q)
	}
	return pieces
}

// stated gives what the transport header in b says about the whole: UDP's length and the checksum.
func (p *Packet) stated(b []byte) (length, sum uint16) {
	switch {
	case p.HasTCP():
		return 0, be.Uint16(b[16:])
	case p.HasPorts():
		return be.Uint16(b[4:]), be.Uint16(b[6:])
	case p.HasICMP():
		return 0, be.Uint16(b[2:])
	}
	return 0, 0
}

// strip takes away what the transport header said.
func (p *Packet) strip() {
	p.Src, p.Dst = noPort(p.Src), noPort(p.Dst)
	p.TCP, p.ICMP = Segment{}, Message{}
}

// SameWhole reports whether two fragments belong to one packet (RFC 791 3.2, RFC 8200 4.5).
func (p *Packet) SameWhole(q *Packet) bool {
	return p.Frag.ID == q.Frag.ID && p.Src.Addr() == q.Src.Addr() && p.Dst.Addr() == q.Dst.Addr() &&
		(p.V6() || p.Proto == q.Proto)
}

// Join puts pieces of one packet together, given in any order. It gives nil while some are missing, and for
// good when pieces overlap, as RFC 8200 4.5 (RFC 5722) has it for IPv6; the same for IPv4 is INFERRED, so
// that what a filter has seen is what arrives. A copy of a piece does no harm. ErrChecksum says that the
// whole is not what the first piece's header states; the packet comes with it.
func Join(pieces []*Packet) (*Packet, error) {
	first := at(pieces, 0)
	if first == nil {
		return nil, nil
	}
	whole := *first
	whole.ID, whole.Of, whole.Frag, whole.Payload = 0, first.ID, Frag{}, nil
	used := 0
	for off, more := 0, true; more; {
		p := at(pieces, off)
		if p == nil {
			return nil, nil
		}
		whole.Payload = append(whole.Payload, p.Payload...)
		off += p.transportSize() + len(p.Payload)
		more = p.Frag.More
		used += p.copies(pieces)
		if off > maxLength || more && off%8 != 0 || off == p.Frag.Off {
			return nil, nil
		}
	}
	if used != len(pieces) {
		return nil, nil
	}
	return whole.judged(&first.Frag)
}

// at gives the first of the pieces with an offset.
func at(pieces []*Packet, off int) *Packet {
	for _, p := range pieces {
		if p.Frag.Off == off {
			return p
		}
	}
	return nil
}

// copies counts how often a piece is there.
func (p *Packet) copies(pieces []*Packet) int {
	n := 0
	for _, q := range pieces {
		if p.Frag == q.Frag && bytes.Equal(p.Payload, q.Payload) {
			n++
		}
	}
	return n
}

// judged gives a whole with what is to be said about it when its first piece has stated f.
func (p *Packet) judged(f *Frag) (*Packet, error) {
	b, transport, _ := p.Marshal()
	length, sum := p.stated(b[transport:])
	none := f.Sum == 0 && p.Proto == ProtoUDP && !p.V6() // RFC 768
	if length != f.Len || sum != f.Sum && !none {
		return p, ErrChecksum
	}
	return p, nil
}
