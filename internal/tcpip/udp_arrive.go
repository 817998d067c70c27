package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
)

// datagramArrives brings a datagram to who takes it. Nobody having the port is told to the sender, unless it
// was sent to many.
func (s *Stack) datagramArrives(k *ke.K, p *packet.Packet) {
	if s.host != nil {
		s.host.datagram(k, p)
		return
	}
	s.shares(p.Dst.Port(), ke.R)
	if isMulti(p.Dst.Addr()) {
		for _, e := range list.Add(nil, s.eps) {
			if e.takesOfMany(p) {
				e.hears(k, p)
			}
		}
		return
	}
	e, taken := s.receiver(p.Dst, p.Src)
	switch {
	case e != nil:
		e.hears(k, p)
	case taken:
		s.net.lost(p) // wsk.md 7.15: with a fixed peer the datagrams of others are discarded
	default:
		s.net.lost(p)
		s.unreachable(k, p)
	}
}

// receiver finds who takes a datagram: an endpoint with that peer before one with none, the specific address
// before the wildcard, the family of the datagram before both, the older endpoint first. taken says that the
// port is somebody's all the same.
func (s *Stack) receiver(dst, src netip.AddrPort) (best *Endpoint, taken bool) {
	rank := -1
	for _, e := range s.eps {
		r := e.takes(dst)
		if r < 0 {
			continue
		}
		taken = true
		switch {
		case e.hasPeer(dst, src):
			r += 4
		case e.udp.fixed.IsValid():
			continue
		}
		if r > rank {
			best, rank = e, r
		}
	}
	return best, taken
}

// takes reports how well the endpoint's address fits a datagram's: -1 not at all, 0 as one of both families,
// 1 by its wildcard, 2 exactly.
func (e *Endpoint) takes(dst netip.AddrPort) int {
	if e.udp == nil || e.st != Bound || e.local.Port() != dst.Port() {
		return -1
	}
	a := e.local.Addr().Unmap()
	switch {
	case a == dst.Addr():
		return 2
	case !a.IsUnspecified():
		return -1
	case a.Is4() == dst.Addr().Is4():
		return 1
	case !a.Is4() && !e.V6Only:
		return 0
	}
	return -1
}

// hasPeer reports whether the endpoint's only peer has sent a datagram: it, or where the engine has
// redirected the datagrams that are sent to it.
func (e *Endpoint) hasPeer(dst, src netip.AddrPort) bool {
	if !e.udp.fixed.IsValid() {
		return false
	}
	if e.udp.fixed == src {
		return true
	}
	e.looked()
	for _, f := range e.udp.flows {
		if f.to == e.udp.fixed && f.Local == dst && f.Remote == src {
			return true
		}
	}
	return false
}

// takesOfMany reports whether the endpoint takes a datagram to a group or to everybody.
func (e *Endpoint) takesOfMany(p *packet.Packet) bool {
	if e.udp == nil || e.st != Bound || e.local.Port() != p.Dst.Port() ||
		e.udp.fixed.IsValid() && e.udp.fixed != p.Src {
		return false
	}
	a := p.Dst.Addr()
	if isBroadcast(a) {
		return !e.V6 || !e.V6Only
	}
	for _, g := range e.udp.groups {
		if g == a {
			return true
		}
	}
	return false
}

// demuxDatagram finds out whose a datagram is, for the stations on its way; who takes it is looked up again
// behind them.
func (s *Stack) demuxDatagram(k *ke.K, t *Travel) {
	p := t.packet
	if p.Proto != UDP || isMulti(p.Dst.Addr()) {
		return
	}
	e, taken := s.receiver(p.Dst, p.Src)
	switch {
	case e != nil:
		s.w.use(e.ID, ke.R)
		t.e = e
		for _, f := range e.udp.flows {
			if f.Permitted && f.Local == p.Dst && f.Remote == p.Src {
				t.flow = f
			}
		}
	case !taken:
		t.unclaimed(k)
	}
}

// hears takes a datagram past the stations. The first one of a peer is authorised, and each one to many.
func (e *Endpoint) hears(k *ke.K, p *packet.Packet) {
	defer e.leave(k, e.enters(k))
	s := e.stack
	t := &Travel{e: e, s: s, packet: p, inbound: true, local: p.Dst, remote: p.Src}
	if !isMulti(p.Dst.Addr()) {
		t.flow = e.flowOf(k, func(f *Flow) bool {
			return f.Permitted && f.Local == p.Dst && f.Remote == p.Src
		})
		if t.flow == nil {
			t.flow = e.asksMany()
		}
	}
	if t.flow == nil {
		t.flow = s.flowFrom(e, Tuple{UDP, p.Dst, p.Src})
	}
	if !t.flow.stands(k, s, p, true) {
		e.forget(k, t.flow)
		s.net.lost(p)
		return
	}
	t.start(k, &s.paths.receive)
}

// asksMany gives the flow of what the endpoint has sent to many lately: anybody may answer it, which does not
// make it live longer (wfp.md 7).
func (e *Endpoint) asksMany() *Flow {
	for _, f := range e.udp.flows {
		if f.Established && isMulti(f.Remote.Addr()) {
			e.stack.w.use(clockID, ke.R)
			if e.stack.w.now()-f.used < idleGroup {
				return f
			}
		}
	}
	return nil
}

// flowFrom is the flow of the first datagram of a peer. With a sender of this machine whose datagrams are
// redirected it shares what became of them.
func (s *Stack) flowFrom(e *Endpoint, t Tuple) *Flow {
	f := &Flow{ID: s.w.newID(trace.Flow), Tuple: t, Inbound: true, Endpoint: e, from: t.Local, to: t.Remote,
		used: s.w.now()}
	f.out = s.w.channel(f.ID.String())
	s.w.use(awayID, ke.R)
	for _, o := range s.redirected {
		if o.Local == t.Remote && o.Remote == t.Local {
			f.Redirect = o.Redirect
			if f.Redirect.Records != nil {
				s.w.use(sharedBy(f.Redirect), ke.W)
			}
			f.Redirect.ends++
			break
		}
	}
	return f
}

// aboutArrival shows a station a datagram that has come.
func aboutArrival(t *Travel, q *Question) {
	q.Inbound, q.Flow, q.V6 = true, t.flow, !t.local.Addr().Is4()
	q.Matter = &Carried{Packet: t.packet}
	if u := t.e.udp; q.At == AuthRecvAccept && isMulti(t.local.Addr()) {
		if u.many { // network.md 2: all of them are one flow to the filter engine
			q.Again = ManyReceivers
		}
		u.many = true
	}
	aboutPlace(t, q)
}

// hearsOver drops a datagram whose receiver was closed while the engine was asked.
func hearsOver(k *ke.K, t *Travel) bool {
	if t.e.st != Closed {
		return false
	}
	t.flow.ends(k, t.e.stack)
	return true
}

// hearsBlocked drops a datagram without a word. At DatagramIn only it goes, not its flow.
func hearsBlocked(k *ke.K, t *Travel, _ Answer) {
	if t.at != DatagramIn || !t.e.keeps(t.flow) {
		t.e.forget(k, t.flow)
	}
	t.s.net.lost(t.packet)
}

// joinPeer remembers the peer of a permitted datagram. What is sent to many is authorised each time.
func joinPeer(k *ke.K, t *Travel) {
	if isMulti(t.local.Addr()) {
		t.flow.permit(t.e.stack)
		return
	}
	joinFlows(k, t)
}

// enqueue gives the datagram to the endpoint, where it waits for its owner. What does not fit is lost.
func enqueue(k *ke.K, t *Travel) {
	e, p := t.e, t.packet
	if isMulti(p.Dst.Addr()) {
		t.flow.ends(k, e.stack)
	}
	u := e.udp
	if len(u.queue) > 0 && u.held+len(p.Payload) > e.Window {
		t.discard(k, DatagramIn, NoRoom)
		e.stack.net.lost(p)
		return
	}
	u.held += len(p.Payload)
	u.queue = append(u.queue, &Datagram{From: e.shown(p.Src), To: e.shown(p.Dst), Data: p.Payload,
		TTL: p.TTL, TOS: p.TOS, flow: t.flow})
	e.indicate(k, Readable)
}
