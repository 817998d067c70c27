package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcp"
)

// Accept takes the connection that has waited longest, nil when none does.
func (e *Endpoint) Accept(k *ke.K) *Endpoint {
	defer e.leave(k, e.enters(k))
	if len(e.ready) == 0 {
		return nil
	}
	a := e.ready[0]
	e.ready = e.ready[1:]
	return a
}

// Waiting returns the number of connections that can be accepted now.
func (e *Endpoint) Waiting() int {
	e.looked()
	return len(e.ready)
}

// syn arrives at this machine.
func (s *Stack) syn(k *ke.K, tuple Tuple, p *packet.Packet) {
	s.shares(tuple.Local.Port(), ke.R)
	if s.held(tuple) {
		s.net.lost(p) // the one before it waits for the engine
		return
	}
	l := s.listener(tuple.Local)
	if l != nil {
		defer s.w.leave(k, l.enters(k))
	}
	if l == nil || len(l.ready)+l.half >= l.backlog {
		s.refuse(k, p)
		return
	}
	a := s.NewEndpoint(l.Process, l.V6)
	a.Parent, a.V6Only, a.Window, a.KeepAlive = l.ID, l.V6Only, l.Window, l.KeepAlive
	a.st, a.local, a.remote, a.halfOf = Connecting, tuple.Local, tuple.Remote, l
	a.flow = s.inherits(a, tuple)
	l.half++
	t := &Travel{e: a, local: a.local, remote: a.remote, packet: p}
	t.start(k, &s.paths.accept)
}

// childOver refuses a connection whose listener was closed while the engine was asked.
func childOver(k *ke.K, t *Travel) bool {
	if t.e.st != Closed {
		return false
	}
	if t.packet != nil {
		t.e.stack.refuse(k, t.packet)
	}
	return true
}

// loseSyn loses the SYN of a connection that a callout holds at AUTH_RECV_ACCEPT: the stack drops what it
// carries when the pend takes effect (wfp.md 13.2). The opener sends it again, or the driver injects its
// clone.
func loseSyn(_ *ke.K, t *Travel) {
	t.e.stack.net.lost(t.packet)
	t.packet = nil
}

// dropSyn drops the SYN that AUTH_RECV_ACCEPT blocks, without a word (INFERRED).
func dropSyn(k *ke.K, t *Travel, _ Answer) {
	t.e.stack.stillborn(k, t.e)
	if t.packet != nil {
		t.e.stack.net.lost(t.packet)
	}
}

// acceptSyn answers the SYN.
func acceptSyn(k *ke.K, t *Travel) {
	a, s := t.e, t.e.stack
	defer a.leave(k, a.halfOf.enters(k))
	a.enters(k)
	tuple := Tuple{t.packet.Proto, t.packet.Dst, t.packet.Src}
	s.dig(tuple)
	a.flow.permit(s)
	x := s.newStream(a, tuple)
	c, r := tcp.Accept(t.packet.TCP, x.config())
	x.conn = c
	x.carry(k, r)
}

// held reports whether a SYN from there is waiting for the engine already.
func (s *Stack) held(t Tuple) bool {
	for _, e := range s.eps {
		if e.halfOf != nil && e.stream == nil && e.local == t.Local && e.remote == t.Remote {
			return true
		}
	}
	return false
}

// aboutSyn shows a station what asks for a connection.
func aboutSyn(t *Travel, q *Question) {
	q.Matter = &Carried{Packet: t.packet}
	aboutInbound(t, q)
}

// aboutInbound shows a station the accepting end of a connection.
func aboutInbound(t *Travel, q *Question) {
	q.Inbound = true
	aboutPlace(t, q)
	q.V6 = t.local.Addr().Is6() && !t.local.Addr().Is4In6()
}

// stillborn forgets an endpoint whose connection never came to be.
func (s *Stack) stillborn(k *ke.K, a *Endpoint) {
	l := a.halfOf
	if l == nil {
		return
	}
	mark := l.enters(k)
	l.half--
	a.st, a.halfOf = Closed, nil
	a.drop()
	if x := a.stream; x != nil {
		x.e = nil
		x.abort(k)
		x.end(k)
	}
	a.flow.ends(k, s)
	l.inspectedGone(k, a)
	s.w.leave(k, mark)
}

// comes completes the handshake on the accepting side.
func (a *Endpoint) comes(k *ke.K) {
	l := a.halfOf
	defer a.stack.w.leave(k, l.enters(k))
	l.half--
	a.halfOf, a.inspected = nil, nil
	a.step(Established)
	if l.V6 && a.local.Addr().Is4() {
		a.local, a.remote = mapped(a.local), mapped(a.remote)
	}
	a.stack.w.note(k, "accepted", a.ID)
	l.ready = append(l.ready, a)
	l.indicate(k, Incoming)
}

// turnAway resets what waits on a listening endpoint that is closed, and what is on its way there.
func (l *Endpoint) turnAway(k *ke.K) {
	ready := l.ready
	l.ready = nil
	for _, a := range ready {
		a.Close(k, false, func(*ke.K) {})
	}
	if l.half == 0 {
		return
	}
	for _, a := range list.Add(nil, l.stack.eps) {
		if a.halfOf == l {
			mark := a.enters(k)
			l.stack.stillborn(k, a)
			l.stack.w.leave(k, mark)
		}
	}
}

func mapped(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(ap.Addr().As16()), ap.Port())
}
