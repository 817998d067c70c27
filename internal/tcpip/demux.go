package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcp"
	"calloutsim/internal/trace"
)

// Tuple names a connection as one stack sees it.
type Tuple struct {
	Proto         uint8
	Local, Remote netip.AddrPort
}

// stream finds the end of a connection. Those who wait for the end of TIME_WAIT are not among them.
func (s *Stack) stream(t Tuple) *stream {
	for _, x := range s.streams {
		if x.tuple == t {
			return x
		}
	}
	return nil
}

// tombstones is how many finished ends are remembered, to answer a FIN that comes again.
const tombstones = 16

// tomb is a finished end.
type tomb struct {
	tuple Tuple
	id    trace.ID
	out   *ke.Channel
	t     tcp.Tombstone
}

// bury keeps what is left of a finished end, and of the newest ones only.
func (s *Stack) bury(x *stream) {
	if len(s.tombs) == tombstones {
		s.tombs = list.Cut(s.tombs, 0)
	}
	s.tombs = append(s.tombs, tomb{x.tuple, x.id, x.out, x.conn.Tombstone()})
}

// dig removes the finished end that a new connection follows, whatever its number: here no SYN is an old one.
func (s *Stack) dig(t Tuple) {
	for i := range s.tombs {
		if s.tombs[i].tuple == t {
			s.tombs = list.Cut(s.tombs, i)
			return
		}
	}
}

// arrive takes a packet off the wire.
func (s *Stack) arrive(k *ke.K, p *packet.Packet) {
	if s.net.lose {
		s.net.mislaid++
		s.net.lost(p)
		return
	}
	s.net.arrived++
	s.net.sees("arrives", p)
	s.receive(k, p)
}

// accepts brings a packet to the end of the connection it belongs to, or to who accepts one, or takes
// datagrams.
func (s *Stack) accepts(k *ke.K, p *packet.Packet) {
	switch {
	case p.Proto == UDP:
		s.datagramArrives(k, p)
		return
	case p.HasICMP():
		s.hearsUnreachable(k, p)
		return
	}
	tuple := Tuple{p.Proto, p.Dst, p.Src}
	x := s.stream(tuple)
	switch {
	case x != nil && !(opens(p) && x.opening()): // two that open at once do not meet: not modelled
		mark := s.w.enter(k, x.id)
		if x.flow.stands(k, s, p, true) {
			x.carry(k, x.conn.Arrive(p.TCP, p.Payload))
		} else {
			x.flow.abort(k)
		}
		s.w.leave(k, mark)
	case opens(p) && s.host != nil:
		s.host.syn(k, p)
	case opens(p):
		s.syn(k, tuple, p)
	default:
		s.stray(k, p, tuple)
	}
}

// opens reports whether a packet asks for a connection.
func opens(p *packet.Packet) bool {
	return p.HasTCP() && p.TCP.Flags&(packet.SYN|packet.ACK|packet.RST) == packet.SYN
}

// stray answers a packet of no connection: a finished one answers for itself, else there is a RST.
func (s *Stack) stray(k *ke.K, p *packet.Packet, tuple Tuple) {
	s.shares(tuple.Local.Port(), ke.R)
	if a := s.waitsForOwner(tuple); a != nil && p.TCP.Flags.Has(packet.RST) {
		s.stillborn(k, a)
		return
	}
	for i := range s.tombs {
		if x := &s.tombs[i]; x.tuple == tuple {
			if o, ok := x.t.Arrive(p.TCP, len(p.Payload)); ok {
				s.send(k, sender{ch: x.out, from: x.id}, answer(p, o))
			}
			return
		}
	}
	s.refuse(k, p)
}

// refuse answers a packet with a RST, unless it is one. The answer has no connection whose order it would
// have to keep.
func (s *Stack) refuse(k *ke.K, p *packet.Packet) {
	if o, ok := tcp.Refuse(p.TCP, len(p.Payload)); ok {
		s.send(k, sender{ch: s.w.channel("no connection"), from: portID(p.Dst.Port())}, answer(p, o))
	}
}

// answer is a packet that goes back to where p came from.
func answer(p *packet.Packet, o tcp.Out) *packet.Packet {
	return &packet.Packet{Of: p.ID, Proto: TCP, TTL: ttl, Src: p.Dst, Dst: p.Src, TCP: o.Segment,
		Payload: o.Data}
}

// listener finds who listens at addr: the specific address before the wildcard, the older socket first.
func (s *Stack) listener(addr netip.AddrPort) *Endpoint {
	var wild *Endpoint
	for _, e := range s.eps {
		if e.st != Listening || e.local.Port() != addr.Port() {
			continue
		}
		a := e.local.Addr()
		switch {
		case a == addr.Addr():
			return e
		case !a.IsUnspecified() || wild != nil:
		case a.Is4() == addr.Addr().Is4(), !a.Is4() && !e.V6Only:
			wild = e
		}
	}
	return wild
}
