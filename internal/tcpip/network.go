package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
)

// network is the wire between the stacks of one world: the machine's and one for each declared host.
type network struct {
	machine *Stack
	hosts   []*Host
	tap     func(event string, p *packet.Packet) // sees what arrives and what is lost; for tests
	lose    bool                                 // nothing arrives now

	// Invariant: when nothing is under way, what was sent has arrived or got lost.
	sent, arrived, mislaid int
}

// route finds the stack that packets of s for an address go to; nil when nobody has it. A host sends
// everything to the machine, which is all it knows.
func (s *Stack) route(a netip.Addr) *Stack {
	switch {
	case s.host != nil:
		return s.net.machine
	case s.isLocal(a):
		return s
	}
	for i := len(s.net.hosts) - 1; i >= 0; i-- {
		if s.net.hosts[i].Addr == a {
			return s.net.hosts[i].stack
		}
	}
	return nil
}

// latency is how long a packet of this stack is under way to a host, or from it.
func (s *Stack) latency() int64 {
	if s.host == nil {
		return 0
	}
	return s.host.Latency
}

// wire puts a packet on the wire. Packets of one channel arrive in order. What goes to a group or to
// everybody arrives at all stacks, at this machine also when it is the sender.
func (s *Stack) wire(k *ke.K, f sender, p *packet.Packet) {
	if isMulti(p.Dst.Addr()) {
		s.ledger.delivered++
		s.wireTo(s.net.machine, f, p)
		for _, h := range s.net.hosts {
			if h != s.host {
				s.wireTo(h.stack, f, p)
			}
		}
		return
	}
	to := s.route(p.Dst.Addr())
	if to == nil {
		s.ledger.dropped++
		s.net.lost(p)
		return
	}
	s.ledger.delivered++
	s.wireTo(to, f, p)
}

func (s *Stack) wireTo(to *Stack, f sender, p *packet.Packet) {
	if h := s.host; h != nil && h.PieceSize > 0 && p.Proto != TCP && p.Frag.Whole() {
		h.cut++
		if pieces := p.Cut(h.PieceSize, h.cut); len(pieces) > 1 {
			for _, piece := range pieces {
				s.wireTo(to, f, piece)
			}
			return
		}
	}
	s.net.sent++
	d := ke.Delivery{Text: kindOf(p), Obj: f.from, Touches: wireOf(f.from),
		Run: func(k *ke.K) { to.arrive(k, p) }}
	if to.host == nil {
		d.IRQL = &siteIRQL
	}
	if delay := s.latency() + to.latency(); delay > 0 {
		s.w.after(delay, f.ch, d)
		return
	}
	s.w.post(f.ch, d)
}

// wireOf stands for what an endpoint has put on the wire.
func wireOf(id trace.ID) trace.ID { return ke.Content.Of(id) }

// lost is told of every packet that never arrives: only then the ends of its connection run their timers.
// A conversation that loses nothing arms none, so that no clock of the transport interferes with those of
// drivers.
func (n *network) lost(p *packet.Packet) {
	n.sees("lost", p)
	here, there := Tuple{p.Proto, p.Src, p.Dst}, Tuple{p.Proto, p.Dst, p.Src}
	n.machine.misses(here)
	n.machine.misses(there)
	for _, h := range n.hosts {
		h.stack.misses(here)
		h.stack.misses(there)
	}
}

func (s *Stack) misses(t Tuple) {
	if x := s.stream(t); x != nil {
		s.w.use(x.id, ke.W)
		x.lossy = true
		x.arm()
	}
}

func (n *network) sees(event string, p *packet.Packet) {
	if n.tap != nil {
		n.tap(event, p)
	}
}

// kindOf is the text of a packet's arrival.
func kindOf(p *packet.Packet) string {
	switch {
	case p.Proto == UDP:
		return "datagram"
	case p.HasICMP():
		return "ICMP error"
	}
	f := p.TCP.Flags
	switch {
	case f.Has(packet.RST):
		return "RST"
	case f.Has(packet.SYN | packet.ACK):
		return "SYN-ACK"
	case f.Has(packet.SYN):
		return "SYN"
	case f.Has(packet.FIN):
		return "FIN"
	case len(p.Payload) > 0:
		return "data"
	}
	return "ACK"
}
