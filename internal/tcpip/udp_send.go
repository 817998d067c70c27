package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Outgoing is a datagram that an owner sends.
type Outgoing struct {
	To      netip.AddrPort // the zero AddrPort: to the endpoint's fixed peer or destination
	Data    []byte         // must not change any more
	Source  netip.Addr     // the zero Addr: what routing picks
	TTL     uint8          // 0: the usual one
	TOS     uint8
	Records Records // of the redirected flow it is sent for, instead of those the socket carries
}

// The most bytes a datagram can have.
const (
	maxDatagram4 = 65535 - 20 - 8
	maxDatagram6 = 65535 - 8
)

// SendOp is a datagram whose sending has not ended: a filter of the engine takes its time.
type SendOp struct {
	e        *Endpoint
	m        Outgoing
	implicit bool
	thread   *ke.Thread
	done     func(k *ke.K, n int, s ntstatus.NTSTATUS)
	src      netip.AddrPort
	over     bool
}

// give ends the sending once.
func (op *SendOp) give(k *ke.K, n int, s ntstatus.NTSTATUS) {
	if op.over {
		return
	}
	op.over = true
	u := op.e.udp
	for i, o := range u.sends {
		if o == op {
			u.sends = list.Cut(u.sends, i)
			break
		}
	}
	op.done(k, n, s)
}

// Cancel ends the sending with STATUS_CANCELLED; the datagram is not sent. False when it has ended already.
func (op *SendOp) Cancel(k *ke.K) bool {
	defer op.e.leave(k, op.e.enters(k))
	if op.over {
		return false
	}
	op.give(k, 0, ntstatus.STATUS_CANCELLED)
	return true
}

// SendTo sends a datagram. The first one to a peer is asked about at CONNECT_REDIRECT, AUTH_CONNECT and
// FLOW_ESTABLISHED. done is called when it is on the wire: nobody says whether it arrives. With implicit the
// endpoint may be unbound and gets the wildcard address first. The operation is nil when it ended before
// SendTo returned.
func (e *Endpoint) SendTo(k *ke.K, m Outgoing, implicit bool, t *ke.Thread,
	done func(k *ke.K, n int, s ntstatus.NTSTATUS)) *SendOp {
	defer e.leave(k, e.enters(k))
	op := &SendOp{e: e, m: m, implicit: implicit, thread: t, done: done}
	e.udp.sends = append(e.udp.sends, op)
	switch {
	case e.st == Bound:
		op.begin(k)
	case implicit && e.st == Created:
		e.bindFor(k, op)
	default:
		op.give(k, 0, ntstatus.STATUS_INVALID_DEVICE_STATE)
	}
	if op.over {
		return nil
	}
	return op
}

// bindFor binds the endpoint for a send. Others that come meanwhile wait for the same bind.
func (e *Endpoint) bindFor(k *ke.K, op *SendOp) {
	u := e.udp
	u.unbound = append(u.unbound, op)
	if e.busy {
		return
	}
	e.bind(k, netip.AddrPortFrom(ws2def.Any(e.Family()), 0), ImplicitBind, op.thread,
		func(k *ke.K, s ntstatus.NTSTATUS) { u.bound(k, s) })
}

// bound goes on with the sends that waited for a bind.
func (u *datagrams) bound(k *ke.K, s ntstatus.NTSTATUS) {
	waiting := u.unbound
	u.unbound = nil
	for _, op := range waiting {
		switch {
		case op.over:
		case s != ntstatus.STATUS_SUCCESS:
			op.give(k, 0, s)
		default:
			op.begin(k)
		}
	}
}

// begin judges the datagram and starts it on its way.
func (op *SendOp) begin(k *ke.K) {
	e := op.e
	to := unmapped(op.m.To)
	if !op.m.To.IsValid() {
		to = e.udp.to
	}
	if s := e.maySend(to, len(op.m.Data)); s != ntstatus.STATUS_SUCCESS {
		op.give(k, 0, s)
		return
	}
	src, s := e.sourceFor(to.Addr(), op.m.Source.Unmap())
	if s != ntstatus.STATUS_SUCCESS {
		op.give(k, 0, s)
		return
	}
	op.m.To, op.src = to, src
	t := &Travel{e: e, s: e.stack, thread: op.thread, send: op}
	t.flow = e.flowOf(k, func(f *Flow) bool { return f.from == src && f.to == to })
	if t.flow != nil {
		t.local, t.remote = t.flow.Local, t.flow.Remote
	} else {
		t.flow = e.newFlow(k, op)
		t.local, t.remote = e.shownFirst(k, src), to
	}
	t.start(k, &e.stack.paths.sendTo)
}

// maySend judges where a datagram goes and how long it is (the statuses are INFERRED from what sendto says).
func (e *Endpoint) maySend(to netip.AddrPort, n int) ntstatus.NTSTATUS {
	a := to.Addr()
	limit := maxDatagram4
	if !a.Is4() {
		limit = maxDatagram6
	}
	switch {
	case !to.IsValid():
		return ntstatus.STATUS_INVALID_PARAMETER
	case a.Is4() && e.V6 && e.V6Only, !a.Is4() && !e.V6:
		return ntstatus.STATUS_INVALID_PARAMETER
	case to.Port() == 0, a.IsUnspecified():
		return ntstatus.STATUS_INVALID_ADDRESS_COMPONENT
	case isBroadcast(a) && !e.Broadcast:
		return ntstatus.STATUS_ACCESS_DENIED
	case n > limit:
		return ntstatus.STATUS_INVALID_BUFFER_SIZE
	}
	return ntstatus.STATUS_SUCCESS
}

// sourceFor is the address that a datagram to an address comes from: the one asked for, the one bound, or
// what routing picks.
func (e *Endpoint) sourceFor(to, asked netip.Addr) (netip.AddrPort, ntstatus.NTSTATUS) {
	s := e.stack
	a := e.local.Addr().Unmap()
	switch {
	case asked.IsValid() && !asked.IsUnspecified():
		if !s.isLocal(asked) || asked.Is4() != to.Is4() {
			return netip.AddrPort{}, ntstatus.STATUS_INVALID_PARAMETER
		}
		a = asked
	case e.wildcard:
		a = s.source(to)
	case a.Is4() != to.Is4():
		return netip.AddrPort{}, ntstatus.STATUS_INVALID_PARAMETER
	}
	if !a.IsValid() {
		return netip.AddrPort{}, ntstatus.STATUS_NETWORK_UNREACHABLE
	}
	return netip.AddrPortFrom(a, e.local.Port()), ntstatus.STATUS_SUCCESS
}

// newFlow is the flow of the first datagram to a peer. It is the endpoint's when it is permitted.
func (e *Endpoint) newFlow(k *ke.K, op *SendOp) *Flow {
	f := &Flow{Endpoint: e, from: op.src, to: op.m.To, Redirect: &Redirection{Original: op.m.To, ends: 1},
		Tuple: Tuple{UDP, op.src, op.m.To}}
	if r := e.stack.redirector; r != nil {
		inherited := e.records
		if op.m.Records != nil {
			inherited = op.m.Records
		}
		f.Redirect.Records = r.NewRecords(k, inherited)
	}
	return f
}

// sendOver ends the travel of a datagram whose sending was cancelled meanwhile, or whose socket was closed.
func sendOver(k *ke.K, t *Travel) bool {
	if t.taken { // the send is over, its flow may yet be permitted
		if t.e.st == Closed {
			t.e.forget(k, t.flow)
		}
		return t.e.st == Closed
	}
	if t.send.over && !t.e.keeps(t.flow) {
		t.e.forget(k, t.flow)
	}
	return t.send.over
}

// sendHeld loses a datagram that a callout holds at AUTH_CONNECT. For its sender it is sent; the permit makes
// the flow, and the driver sends its clone (wfp.md 13.2).
func sendHeld(k *ke.K, t *Travel) {
	t.taken = true
	t.send.give(k, len(t.send.m.Data), ntstatus.STATUS_SUCCESS)
}

// sendBlocked: what a station blocks is not sent, and nothing is remembered of it.
func sendBlocked(k *ke.K, t *Travel, a Answer) {
	t.e.forget(k, t.flow)
	t.send.give(k, 0, blocked(a))
}

// forget ends a flow that was blocked.
func (e *Endpoint) forget(k *ke.K, f *Flow) {
	for i, o := range e.udp.flows {
		if o == f {
			e.udp.flows = list.Cut(e.udp.flows, i)
			break
		}
	}
	if !f.Gone {
		e.stack.datagramsEnd(k, f)
	}
}

// isUnresolved: CONNECT_REDIRECT is asked once for each flow, by connect or by the first datagram.
func isUnresolved(_ *ke.K, t *Travel) bool { return t.flow.ID == 0 }

func isUnpermitted(_ *ke.K, t *Travel) bool { return !t.flow.Permitted }

func isUnestablished(_ *ke.K, t *Travel) bool { return !t.flow.Established }

// aboutFirst shows CONNECT_REDIRECT the datagram as it is asked for, or the connect.
func aboutFirst(t *Travel, q *Question) {
	q.Flow, q.Matter = t.flow, &ConnectRequest{t.flow.Redirect.Records}
	aboutPlace(t, q)
}

// shownFirst is the local address at CONNECT_REDIRECT.
func (e *Endpoint) shownFirst(k *ke.K, src netip.AddrPort) netip.AddrPort {
	s := e.stack
	if e.wildcard && s.Wants(ConnectRedirect, e.V6) && s.w.choose(k, &siteLocal, 2) == 0 {
		return netip.AddrPortFrom(ws2def.Any(e.Family()), src.Port())
	}
	return src
}

// aboutDatagram shows a station the flow, and whether it wanted to go elsewhere before.
func aboutDatagram(t *Travel, q *Question) {
	q.Flow, q.V6 = t.flow, !t.local.Addr().Is4()
	q.Matter = &Carried{Packet: t.send.packet(t.flow)}
	aboutPlace(t, q)
	if r := t.flow.Redirect; r.done {
		q.Flags |= ConnectionRedirected
	}
}

// resolveFlow takes what CONNECT_REDIRECT has made of the addresses. Of datagrams a changed local address
// does not count (wfp.md 21 #12).
func resolveFlow(_ *ke.K, t *Travel) {
	f, to, s := t.flow, t.target, t.e.stack
	t.local = f.from
	if r := f.Redirect; to.Modified && to.Remote.IsValid() && to.Remote != t.remote {
		r.done, r.TargetPID = true, to.TargetPID
		t.remote = to.Remote
		if a := s.source(to.Remote.Addr()); t.e.wildcard && a.IsValid() {
			t.local = netip.AddrPortFrom(a, t.local.Port())
		}
		s.noteApp(t.e, r.Records)
	}
	f.ID = s.w.newID(trace.Flow)
	f.Tuple = Tuple{UDP, t.local, t.remote}
	f.out = s.w.channel(f.ID.String())
	f.used = s.w.now()
	if f.Redirect.done {
		s.w.use(awayID, ke.W)
		s.redirected = append(s.redirected, f)
	}
}

// joinFlows makes a permitted flow the endpoint's. Another datagram to the same peer may have been faster.
func joinFlows(k *ke.K, t *Travel) {
	f := t.flow
	if f.Permitted {
		return
	}
	for _, o := range t.e.udp.flows {
		if o != f && o.Permitted && o.Tuple == f.Tuple && o.to == f.to {
			t.e.forget(k, f)
			t.flow = o
			return
		}
	}
	f.permit(t.e.stack)
	t.e.keepFlow(f)
}

// keepFlow remembers a flow.
func (e *Endpoint) keepFlow(f *Flow) {
	if !e.keeps(f) {
		e.udp.flows = append(e.udp.flows, f)
	}
}

func (e *Endpoint) keeps(f *Flow) bool {
	for _, o := range e.udp.flows {
		if o == f {
			return true
		}
	}
	return false
}

func flowStands(_ *ke.K, t *Travel) { t.flow.Established = true }

// packet is the datagram as it travels.
func (op *SendOp) packet(f *Flow) *packet.Packet {
	hops := op.m.TTL
	if hops == 0 {
		hops = ttl
	}
	return &packet.Packet{Proto: UDP, TTL: hops, TOS: op.m.TOS, Src: f.Local, Dst: f.Remote,
		Payload: op.m.Data}
}

// sendOut sends the datagram past the stations of packets. That one of them drops it the sender does not
// hear.
func sendOut(k *ke.K, t *Travel) {
	op, f := t.send, t.flow
	if t.taken {
		t.ended = true
		return
	}
	if !f.stands(k, t.s, op.packet(f), false) {
		t.e.forget(k, f)
		op.give(k, 0, ntstatus.STATUS_ACCESS_DENIED)
		t.ended = true
		return
	}
	t.s.send(k, sender{e: t.e, flow: f, ch: f.out, from: f.ID}, op.packet(f))
	op.give(k, len(op.m.Data), ntstatus.STATUS_SUCCESS)
}

// ConnectTo is connect of a datagram socket: remote is the only peer from now on, and CONNECT_REDIRECT is
// asked about it; nothing is sent. An unbound endpoint is bound to the wildcard address first. An invalid
// remote lifts what an earlier connect has fixed.
func (e *Endpoint) ConnectTo(k *ke.K, remote netip.AddrPort, t *ke.Thread, done Status) {
	defer e.leave(k, e.enters(k))
	switch {
	case e.st == Bound && !remote.IsValid():
		e.fix(k, netip.AddrPort{}, netip.AddrPortFrom(ws2def.Any(e.Family()), e.local.Port()))
		done(k, ntstatus.STATUS_SUCCESS)
	case e.st == Bound:
		e.connectTo(k, remote, t, done)
	case e.st == Created && !e.busy:
		e.bind(k, netip.AddrPortFrom(ws2def.Any(e.Family()), 0), ImplicitBind, t,
			func(k *ke.K, s ntstatus.NTSTATUS) {
				if s != ntstatus.STATUS_SUCCESS {
					done(k, s)
					return
				}
				e.connectTo(k, remote, t, done)
			})
	default:
		done(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
	}
}

func (e *Endpoint) connectTo(k *ke.K, remote netip.AddrPort, t *ke.Thread, done Status) {
	to := unmapped(remote)
	s := e.maySend(to, 0)
	var src netip.AddrPort
	if s == ntstatus.STATUS_SUCCESS {
		src, s = e.sourceFor(to.Addr(), netip.Addr{})
	}
	if s != ntstatus.STATUS_SUCCESS {
		done(k, s)
		return
	}
	way := &Travel{e: e, thread: t, done: done}
	way.flow = e.flowOf(k, func(f *Flow) bool { return f.from == src && f.to == to })
	if way.flow != nil {
		way.local, way.remote = way.flow.Local, way.flow.Remote
	} else {
		way.flow = e.newFlow(k, &SendOp{m: Outgoing{To: to}, src: src})
		way.local, way.remote = e.shownFirst(k, src), to
	}
	way.start(k, &e.stack.paths.connectTo)
}

// connectFixes ends the connect of a datagram socket.
func connectFixes(k *ke.K, t *Travel) {
	t.e.fix(k, t.flow.to, netip.AddrPortFrom(t.flow.Local.Addr(), t.e.local.Port()))
	t.e.keepFlow(t.flow)
	t.finish(k, ntstatus.STATUS_SUCCESS)
}

// fix makes remote the only peer. What is bound to the wildcard address has a specific one while there is a
// peer (getsockname says so).
func (e *Endpoint) fix(k *ke.K, remote, local netip.AddrPort) {
	e.stack.shares(e.local.Port(), ke.W)
	e.udp.fixed, e.udp.to, e.remote, e.asked = remote, remote, e.shownOrNone(remote), e.shownOrNone(remote)
	if e.wildcard {
		e.local = e.shown(local)
	}
}

func (e *Endpoint) shownOrNone(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return e.shown(a)
}

// connectToBlocked forgets the flow of a connect that a station blocks.
func connectToBlocked(k *ke.K, t *Travel, a Answer) {
	t.e.forget(k, t.flow)
	t.finish(k, blocked(a))
}
