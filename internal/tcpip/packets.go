package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
)

// sender is whose a packet is and how it goes on the wire.
type sender struct {
	e    *Endpoint   // nil: nobody's here
	flow *Flow       // nil where there is none
	ch   *ke.Channel // keeps the order on the wire
	from trace.ID    // whose wire it is, in footprints
}

// The stations, and discard stations, that a packet can meet on its way.
var (
	outward = stations(StreamPacketOut, DatagramOut, IcmpErrorOut, TransportOut, IPOut)
	inward  = stations(IPIn, TransportIn, IcmpErrorIn, DatagramIn, StreamPacketIn, IPForward,
		TransportIn|Discarded, IPIn|Discarded)
)

func stations(all ...Layer) []Layer { return all }

// wantsAny reports whether the engine is to be asked at any of the stations. Only then a packet needs a
// Travel.
func (s *Stack) wantsAny(of []Layer, v6 bool) bool {
	if s.engine == nil {
		return false
	}
	any := false
	for _, l := range of {
		any = s.Wants(l, v6) || any
	}
	return any
}

// send brings a packet down, past the stations that are wanted, to the wire.
func (s *Stack) send(k *ke.K, f sender, p *packet.Packet) {
	s.ledger.born++
	if !s.wantsAny(outward, p.V6()) {
		s.wire(k, f, p)
		return
	}
	t := &Travel{s: s, e: f.e, flow: f.flow, way: f, packet: p}
	t.start(k, &s.paths.out)
}

// wire is the end of the way out.
func wire(k *ke.K, t *Travel) {
	t.ended = true
	t.s.gone(k, t.packet)
	t.s.wire(k, t.way, t.packet)
}

// gone tells who keeps something about a packet that it leaves the stack.
func (s *Stack) gone(k *ke.K, p *packet.Packet) {
	if s.watcher != nil {
		s.watcher.PacketGone(k, p)
	}
}

// receive brings a packet up, past the stations that are wanted, to the transport. Who injects one begins
// here, too.
func (s *Stack) receive(k *ke.K, p *packet.Packet) {
	s.ledger.born++
	switch {
	case s.host == nil && !s.isLocal(p.Dst.Addr()) && !isMulti(p.Dst.Addr()):
		t := &Travel{s: s, packet: p, inbound: true}
		if !s.Forwards {
			t.drop(k, IPIn, NotForUs)
			return
		}
		t.start(k, &s.paths.forward)
	case s.wantsAny(inward, p.V6()), !p.Frag.Whole():
		t := &Travel{s: s, packet: p, inbound: true}
		t.start(k, &s.paths.in)
	default:
		s.ledger.delivered++
		s.accepts(k, p)
		s.gone(k, p)
	}
}

// demux finds out whose a packet is.
func demux(k *ke.K, t *Travel) {
	if !t.packet.Frag.Whole() {
		t.reassemble(k)
		return
	}
	s, tuple := t.s, Tuple{t.packet.Proto, t.packet.Dst, t.packet.Src}
	s.shares(tuple.Local.Port(), ke.R)
	if tuple.Proto != TCP {
		s.demuxDatagram(k, t)
		return
	}
	x := s.stream(tuple)
	switch {
	case x != nil && !(opens(t.packet) && x.opening()):
		s.w.use(x.id, ke.R)
		t.e, t.flow = x.flow.Endpoint, x.flow
	case opens(t.packet):
		t.e = s.listener(tuple.Local)
	case s.buried(tuple): // it answers by itself and is nobody's any more
		deliver(k, t)
		return
	}
	if t.e == nil {
		t.unclaimed(k)
	}
}

// unclaimed is the end of a packet that nobody waits for: the sender hears of it, unless the discard station
// has something against it (wfp.md 7), which is that of TransportIn for a connection and that of IPIn for a
// datagram. TransportIn is not asked (SDK:tcp-packet-flows.md).
func (t *Travel) unclaimed(k *ke.K) {
	at := TransportIn
	if t.packet.Proto == UDP {
		at = IPIn
	}
	if t.discard(k, at, NoEndpoint) {
		deliver(k, t)
		return
	}
	t.ended = true
	t.s.ledger.dropped++
	t.s.gone(k, t.packet)
	t.s.net.lost(t.packet)
}

// deliver is the end of the way in.
func deliver(k *ke.K, t *Travel) {
	t.ended = true
	t.s.ledger.delivered++
	t.s.accepts(k, t.packet)
	t.s.gone(k, t.packet)
}

// reassemble keeps a piece until the others are there; the whole then comes from the bottom as one packet
// more.
func (t *Travel) reassemble(k *ke.K) {
	s, p := t.s, t.packet
	t.ended = true
	s.ledger.queued++
	s.gone(k, p)
	s.w.use(piecesID, ke.W)
	s.pieces = append(s.pieces, p)
	var same, rest []*packet.Packet
	for _, o := range s.pieces {
		if o.SameWhole(p) {
			same = append(same, o)
		} else {
			rest = append(rest, o)
		}
	}
	whole, err := packet.Join(same)
	if whole == nil {
		return
	}
	s.pieces = rest
	u := &Travel{s: s, packet: whole, inbound: true, flags: Reassembled}
	s.ledger.born++
	if err != nil {
		u.drop(k, IPIn, BadChecksum)
		return
	}
	u.start(k, &s.paths.in)
}

// passOn sends a packet for another machine there.
func passOn(k *ke.K, t *Travel) {
	p := *t.packet
	p.ID, p.Of = 0, t.packet.ID
	p.TTL--
	t.ended = true
	if t.s.forwarding == nil {
		t.s.forwarding = t.s.w.channel("forwarded packets")
	}
	t.s.wire(k, sender{ch: t.s.forwarding, from: forwardID}, &p)
}

// The conditions of steps.
func ofConnection(_ *ke.K, t *Travel) bool { return t.packet.HasTCP() && t.flow != nil }

func icmpError(_ *ke.K, t *Travel) bool { return t.packet.ICMPError() }

func datagram(_ *ke.K, t *Travel) bool { return t.packet.Proto != TCP && !t.packet.ICMPError() }

// rawDatagram: what UDP carries meets DatagramIn behind its authorisation, once for each endpoint.
func rawDatagram(k *ke.K, t *Travel) bool { return datagram(k, t) && t.packet.Proto != UDP }

func isPiece(_ *ke.K, t *Travel) bool { return !t.packet.Frag.Whole() }

// aboutPacket starts the question of a station that a packet passes.
func (t *Travel) aboutPacket(at Layer) *Question {
	p := t.packet
	q := &Question{At: at, V6: p.V6(), Tuple: Tuple{p.Proto, p.Src, p.Dst}, Endpoint: t.e, Flow: t.flow,
		Inbound: t.inbound, Matter: &Carried{Packet: p}, Flags: t.flags}
	if t.inbound && at&^Discarded != IPForward {
		q.Local, q.Remote = p.Dst, p.Src
	}
	if q.Endpoint == nil {
		q.Endpoint = t.s.nobody
	}
	if t.s.isLocal(p.Src.Addr()) && t.s.isLocal(p.Dst.Addr()) {
		q.Flags |= Loopback
	}
	return q
}

// aboutPiece shows the IP layer that what it sees a second time is a piece of a packet.
func aboutPiece(_ *Travel, q *Question) { q.Flags |= Fragment }

// aboutALE shows a station whether authorisation follows.
func aboutALE(t *Travel, q *Question) {
	if t.flow == nil && t.e != nil {
		q.Flags |= RequiresALE
	}
}

// dropped ends a packet that a station blocks.
func dropped(k *ke.K, t *Travel, a Answer) {
	if a.Absorb {
		t.s.ledger.absorbed++
		t.s.gone(k, t.packet)
		t.s.net.lost(t.packet)
		return
	}
	t.filter = a.Filter
	t.drop(k, t.at, Filtered)
}

// buried reports whether a connection is over but still answers.
func (s *Stack) buried(t Tuple) bool {
	for i := range s.tombs {
		if s.tombs[i].tuple == t {
			return true
		}
	}
	return false
}
