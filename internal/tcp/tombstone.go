package tcp

import "calloutsim/internal/packet"

// Tombstone is what is left of an end in TIME_WAIT. It has no clock: it stands until a new SYN takes its
// place (network.md 3.1).
type Tombstone struct{ next, received uint32 }

// Tombstone gives what is to be kept of an end in TIME_WAIT.
func (c *Conn) Tombstone() Tombstone {
	if c.state != TimeWait {
		panic("internal error: a tombstone of an end in " + c.state.String())
	}
	return Tombstone{c.next, c.received}
}

// Arrive answers a segment: one that has numbers of its own, such as a FIN sent again, is confirmed again.
func (t Tombstone) Arrive(s packet.Segment, length int) (Out, bool) {
	if s.Flags.Has(packet.RST) || length == 0 && s.Flags&(packet.FIN|packet.SYN) == 0 {
		return Out{}, false
	}
	return Out{packet.Segment{Seq: t.next, Ack: t.received, Flags: packet.ACK}, nil}, true
}

// GivesWay reports whether a segment opens a new connection between the same addresses: a SYN with a number
// that the old one had not reached (RFC 9293 3.6.1, RFC 6191).
func (t Tombstone) GivesWay(s packet.Segment) bool {
	return s.Flags&(packet.SYN|packet.ACK|packet.RST) == packet.SYN && ahead(s.Seq, t.received) >= 0
}

// Refuse gives the RST for a segment that belongs to no connection; a RST is not answered (RFC 9293
// 3.10.7.1).
func Refuse(s packet.Segment, length int) (Out, bool) {
	switch {
	case s.Flags.Has(packet.RST):
		return Out{}, false
	case s.Flags.Has(packet.ACK):
		return Out{packet.Segment{Seq: s.Ack, Flags: packet.RST}, nil}, true
	}
	for _, f := range []packet.Flags{packet.SYN, packet.FIN} {
		if s.Flags.Has(f) {
			length++
		}
	}
	return Out{packet.Segment{Ack: s.Seq + uint32(length), Flags: packet.RST | packet.ACK}, nil}, true
}
