package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
)

// DatagramHandler is a Handler that takes datagrams; a host with another handler has no port of UDP open.
type DatagramHandler interface {
	Handler
	// Datagram is what arrived. It may answer through Host.SendTo.
	Datagram(k *ke.K, h *Host, from, to netip.AddrPort, b []byte) Verdict
}

// hostFlow is the channel of what a host sends from one address to another.
type hostFlow struct {
	from, to netip.AddrPort
	out      *ke.Channel
}

// datagram arrives at the host.
func (h *Host) datagram(k *ke.K, p *packet.Packet) {
	s := h.stack
	s.w.use(h.id, ke.W)
	verdict := Refuses
	if x, ok := h.Handler.(DatagramHandler); ok {
		verdict = x.Datagram(k, h, p.Src, p.Dst, p.Payload)
	}
	switch {
	case verdict == Accepts:
	case verdict == Refuses && !isMulti(p.Dst.Addr()):
		s.net.lost(p)
		s.unreachable(k, p)
	default:
		s.net.lost(p)
	}
}

// SendTo sends a datagram from the host, whose address and port from is. Those between two addresses arrive
// in order.
func (h *Host) SendTo(k *ke.K, from, to netip.AddrPort, b []byte) {
	s := h.stack
	s.w.use(h.id, ke.W)
	var out *ke.Channel
	for _, f := range h.flows {
		if f.from == from && f.to == to {
			out = f.out
		}
	}
	if out == nil {
		out = s.w.channel(h.Addr.String() + " datagrams")
		h.flows = append(h.flows, hostFlow{from, to, out})
	}
	s.send(k, sender{ch: out, from: h.id}, &packet.Packet{Proto: UDP, TTL: ttl, Src: from, Dst: to,
		Payload: append([]byte(nil), b...)})
}

// Datagram sends back what Answer makes of b. What was sent to many is answered from the host's address.
func (h Port) Datagram(k *ke.K, host *Host, from, to netip.AddrPort, b []byte) Verdict {
	if h.Verdict != nil {
		if v := h.Verdict(&Peer{Local: to, Remote: from, host: host}); v != Accepts {
			return v
		}
	}
	if h.Answer != nil {
		host.SendTo(k, netip.AddrPortFrom(host.Addr, to.Port()), from, h.Answer(b))
	}
	return Accepts
}
