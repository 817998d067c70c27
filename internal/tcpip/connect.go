package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcp"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// ConnectOp is a connection attempt that has not ended yet.
type ConnectOp struct {
	e      *Endpoint
	thread *ke.Thread
	done   Status
	flow   *Flow
	over   bool
}

// give ends the attempt once.
func (op *ConnectOp) give(k *ke.K, s ntstatus.NTSTATUS) {
	if op.over {
		return
	}
	op.over, op.e.op = true, nil
	if s != ntstatus.STATUS_SUCCESS {
		op.e.step(ConnectFailed)
		op.undo(k)
	}
	op.done(k, s)
}

// undo forgets the connection of a failed attempt.
func (op *ConnectOp) undo(k *ke.K) {
	e := op.e
	e.stack.shares(e.local.Port(), ke.W)
	if x := e.stream; x != nil {
		x.abort(k)
		x.end(k)
		x.e = nil
	}
	e.stream, e.flow, e.remote, e.asked = nil, nil, netip.AddrPort{}, netip.AddrPort{}
	if e.wildcard && e.st == Bound {
		e.local = netip.AddrPortFrom(ws2def.Any(e.Family()), e.local.Port())
	}
	op.flow.ends(k, e.stack)
}

// Cancel ends the attempt with STATUS_CANCELLED. It returns false when it has ended already.
func (op *ConnectOp) Cancel(k *ke.K) bool {
	defer op.e.leave(k, op.e.enters(k))
	if op.over {
		return false
	}
	op.give(k, ntstatus.STATUS_CANCELLED)
	return true
}

// Connect connects a bound endpoint: CONNECT_REDIRECT, AUTH_CONNECT, handshake, FLOW_ESTABLISHED. With
// implicit the endpoint may be unbound and gets the wildcard address first, as connect of a program does.
// The operation is nil when it ended before Connect returned.
func (e *Endpoint) Connect(k *ke.K, remote netip.AddrPort, implicit bool, t *ke.Thread,
	done Status) *ConnectOp {
	defer e.leave(k, e.enters(k))
	if implicit && e.st == Created && !e.busy {
		op := &ConnectOp{e: e, thread: t, done: done}
		any := netip.AddrPortFrom(ws2def.Any(e.Family()), 0)
		e.bind(k, any, ImplicitBind, t, func(k *ke.K, s ntstatus.NTSTATUS) {
			if s != ntstatus.STATUS_SUCCESS {
				op.over = true
				done(k, s)
				return
			}
			op.begin(k, remote)
		})
		return op.pending()
	}
	if e.busy {
		done(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return nil
	}
	op := &ConnectOp{e: e, thread: t, done: done}
	op.begin(k, remote)
	return op.pending()
}

func (op *ConnectOp) pending() *ConnectOp {
	if op.over {
		return nil
	}
	return op
}

func (op *ConnectOp) begin(k *ke.K, remote netip.AddrPort) {
	e := op.e
	if _, s := Next(e.st, CallConnect); s != ntstatus.STATUS_SUCCESS {
		op.over = true
		op.done(k, s)
		return
	}
	if remote.Addr().Is4() == e.V6 || remote.Port() == 0 || remote.Addr().IsUnspecified() {
		op.over = true
		op.done(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	e.step(CallConnect)
	e.op, e.asked = op, remote
	e.flow = &Flow{Endpoint: e, Redirect: &Redirection{Original: remote, ends: 1}}
	op.flow = e.flow
	way := &Travel{e: e, thread: op.thread, op: op, local: op.shown(k, remote), remote: remote}
	if s := e.stack; s.redirector != nil {
		op.flow.Redirect.Records = s.redirector.NewRecords(k, e.records)
	}
	way.start(k, &e.stack.paths.connect)
}

// siteLocal: what CONNECT_REDIRECT shows as local address of a socket that is bound to the wildcard. The
// advice for loopback targets (wfp.md 9.2) speaks of both.
var siteLocal = ke.Site{Name: "doc/AleConnectRedirect/local", Alts: []string{"unspecified", "routed"},
	Spec: "wfp.md 9.2"}

// shown is the local address at CONNECT_REDIRECT.
func (op *ConnectOp) shown(k *ke.K, remote netip.AddrPort) netip.AddrPort {
	e, s := op.e, op.e.stack
	local := op.source(remote)
	if e.wildcard && s.Wants(ConnectRedirect, e.V6) && s.w.choose(k, &siteLocal, 2) == 0 {
		return netip.AddrPortFrom(ws2def.Any(e.Family()), local.Port())
	}
	return local
}

func connectOver(_ *ke.K, t *Travel) bool { return t.op.over }

func connectBlocked(k *ke.K, t *Travel, a Answer) { t.op.give(k, blocked(a)) }

// aboutRecords shows a station the chain of records besides.
func aboutRecords(t *Travel, q *Question) {
	q.Matter = &ConnectRequest{t.op.flow.Redirect.Records}
	aboutPlace(t, q)
}

// aboutPlace shows a station whether the connection stays in this machine.
func aboutPlace(t *Travel, q *Question) {
	if t.e.stack.isLocal(q.Remote.Addr()) {
		q.Flags |= Loopback
	}
}

// aboutRedirection shows a station whether the connection wanted to go elsewhere before.
func aboutRedirection(t *Travel, q *Question) {
	aboutPlace(t, q)
	if t.op.flow.Redirect.done {
		q.Flags |= ConnectionRedirected
	}
}

// aboutOriginal shows a station the connection as it was asked for.
func aboutOriginal(t *Travel, q *Question) {
	r := t.op.flow.Redirect
	q.Local, q.Remote = t.op.source(r.Original), r.Original
	aboutPlace(t, q)
	q.Flags |= HonoringPolicy
}

// honoursPolicy reports whether AUTH_CONNECT is asked about the connection as it was asked for, too.
func honoursPolicy(k *ke.K, t *Travel) bool {
	s := t.e.stack
	return t.op.flow.Redirect.done && !s.isLocal(t.remote.Addr()) &&
		s.w.choose(k, &siteAuth, len(siteAuth.Alts)) == 0
}

// resolve takes what CONNECT_REDIRECT has made of the addresses; the wire's are known from here on.
func resolve(_ *ke.K, t *Travel) {
	op, to, r := t.op, t.target, t.op.flow.Redirect
	t.local = op.source(t.remote)
	if to.Modified && to.Remote.IsValid() && to.Remote != t.remote {
		r.Original, r.done, r.TargetPID = t.remote, true, to.TargetPID
		t.remote = to.Remote
		t.local = op.source(to.Remote)
		t.e.stack.noteApp(t.e, r.Records)
	}
	// wfp.md 21 #12: a changed local address counts for TCP.
	a := to.Local.Addr()
	if to.Modified && a.IsValid() && !a.IsUnspecified() && a != op.source(r.Original).Addr() {
		t.local = netip.AddrPortFrom(a, t.local.Port())
	}
	op.flow.ID = t.e.stack.w.newID(trace.Flow)
	op.flow.Tuple = Tuple{TCP, t.local, t.remote}
}

// source is the local address the connection has if it goes to remote: what the owner bound, or what
// routing picks.
func (op *ConnectOp) source(remote netip.AddrPort) netip.AddrPort {
	e := op.e
	if !e.wildcard {
		return e.local
	}
	a := e.stack.source(remote.Addr())
	if !a.IsValid() {
		a = ws2def.Any(e.Family())
	}
	return netip.AddrPortFrom(a, e.local.Port())
}

// open starts the handshake.
func open(k *ke.K, t *Travel) {
	op, e, s := t.op, t.e, t.e.stack
	tuple := Tuple{TCP, t.local, t.remote}
	switch {
	case s.route(t.remote.Addr()) == nil:
		op.later("no host", ntstatus.STATUS_HOST_UNREACHABLE)
		return
	case s.stream(tuple) != nil: // two addresses name one connection (INFERRED: connect says WSAEADDRINUSE)
		op.later("connected already", ntstatus.STATUS_ADDRESS_ALREADY_EXISTS)
		return
	}
	s.dig(tuple)
	e.flow.permit(s)
	e.local, e.remote = t.local, t.remote
	x := s.newStream(e, tuple)
	c, r := tcp.Open(x.config())
	x.conn = c
	s.w.note(k, "SYN", e.ID)
	x.carry(k, r)
}

// later ends the attempt from a delivery.
func (op *ConnectOp) later(text string, st ntstatus.NTSTATUS) {
	op.e.post(text, func(k *ke.K) { op.give(k, st) })
}

// established asks the engine at FLOW_ESTABLISHED; false means that the connection is to be closed.
func (x *stream) established(k *ke.K) bool {
	e := x.e
	if e == nil || x.s.engine == nil {
		return e != nil
	}
	t := &Travel{e: e, op: e.op, local: e.local, remote: e.remote}
	t.start(k, &x.s.paths.establish)
	if t.asked {
		panic("internal error: FLOW_ESTABLISHED was pended")
	}
	x.flow.Established = !t.ended
	return !t.ended
}

// aboutFlow shows FLOW_ESTABLISHED the end that is open.
func aboutFlow(t *Travel, q *Question) {
	if t.op != nil {
		aboutPlace(t, q)
	} else {
		aboutInbound(t, q)
	}
}

// closeFlow ends a travel that FLOW_ESTABLISHED blocks: there is more to close than it knows.
func closeFlow(_ *ke.K, t *Travel, _ Answer) { t.ended = true }

// closedByEngine ends a connection that FLOW_ESTABLISHED blocks (wfp.md 3.6).
func (x *stream) closedByEngine(k *ke.K) {
	switch e := x.e; {
	case e == nil:
		x.abort(k)
	case e.op != nil:
		e.op.give(k, ntstatus.STATUS_CONNECTION_ABORTED)
	default:
		x.s.stillborn(k, e)
	}
}

// opened tells the owner that the handshake is over.
func (x *stream) opened(k *ke.K) {
	switch e := x.e; {
	case e == nil:
	case e.op != nil:
		e.step(Established)
		e.op.give(k, ntstatus.STATUS_SUCCESS)
	case e.halfOf != nil:
		e.comes(k)
	default:
		e.step(Established)
		x.tell(k, Opened)
	}
}
