package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
)

// What "nobody has the port" is in the two families (RFC 792, RFC 4443 3.1).
var portUnreachable = [2]packet.Message{{Type: 3, Code: 3}, {Type: 1, Code: 4}}

// unreachable tells the sender of a datagram that nobody has the port. The answer has no flow whose order it
// would have to keep.
func (s *Stack) unreachable(k *ke.K, p *packet.Packet) {
	proto := packet.ProtoICMP
	if p.V6() {
		proto = packet.ProtoICMPv6
	}
	answer := &packet.Packet{Of: p.ID, Proto: proto, TTL: ttl, ICMP: portUnreachable[family(p.V6())],
		Payload: p.Quote()}
	answer.Src, answer.Dst = withoutPort(p.Dst), withoutPort(p.Src)
	s.send(k, sender{ch: s.w.channel("no flow"), from: portID(p.Dst.Port())}, answer)
}

// hearsUnreachable tells the owner who sent what an error quotes. Others than "port unreachable" are
// nobody's.
func (s *Stack) hearsUnreachable(k *ke.K, p *packet.Packet) {
	if s.host != nil || p.ICMP.Type != portUnreachable[family(p.V6())].Type ||
		p.ICMP.Code != portUnreachable[family(p.V6())].Code {
		return
	}
	about, ok := packet.Quoted(p.Payload)
	if !ok || about.Proto != UDP {
		return
	}
	s.shares(about.Src.Port(), ke.R)
	if e, _ := s.receiver(about.Src, about.Dst); e != nil {
		mark := e.enters(k)
		e.indicate(k, Unreachable)
		s.w.leave(k, mark)
	}
}

func withoutPort(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 0) }
