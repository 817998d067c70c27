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
	flow   *flow
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
	op.flow.ends(k, e.stack)
	e.stream, e.flow, e.remote, e.asked = nil, nil, netip.AddrPort{}, netip.AddrPort{}
	if e.wildcard && e.st == Bound {
		e.local = netip.AddrPortFrom(ws2def.Any(e.Family()), e.local.Port())
	}
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
	e.flow = &flow{redirect: &redirection{original: remote, ends: 1}}
	op.flow = e.flow
	op.redirect(k, remote)
}

// siteLocal: what CONNECT_REDIRECT shows as local address of a socket that is bound to the wildcard. The
// advice for loopback targets (wfp.md 9.2) speaks of both.
var siteLocal = ke.Site{Name: "doc/AleConnectRedirect/local", Alts: []string{"unspecified", "routed"},
	Spec: "wfp.md 9.2"}

// redirect asks at CONNECT_REDIRECT where the connection goes.
func (op *ConnectOp) redirect(k *ke.K, remote netip.AddrPort) {
	e, s := op.e, op.e.stack
	local := op.source(remote)
	if e.wildcard && s.Wants(ConnectRedirect, e.V6) && s.w.choose(k, &siteLocal, 2) == 0 {
		local = netip.AddrPortFrom(ws2def.Any(e.Family()), local.Port())
	}
	q := op.question(ConnectRedirect, local, remote)
	if s.engine != nil {
		q.Records = s.engine.NewRecords(k, e.records)
		op.flow.redirect.records = q.Records
	}
	s.ask(k, e, q, func(k *ke.K, a Answer) {
		if op.over {
			return
		}
		if !a.Permit {
			op.give(k, blocked(a))
			return
		}
		op.authorise(k, remote, a.Target)
	})
}

// authorise asks at AUTH_CONNECT, once or twice.
func (op *ConnectOp) authorise(k *ke.K, remote netip.AddrPort, t Target) {
	s, c := op.e.stack, op.flow.redirect
	local := op.source(remote)
	if t.Modified && t.Remote.IsValid() && t.Remote != remote {
		c.original, c.redirected, c.target = remote, true, t.TargetPID
		remote = t.Remote
		local = op.source(remote)
		s.noteApp(op.e, c.records)
	}
	// wfp.md 21 #12: a changed local address counts for TCP.
	a := t.Local.Addr()
	if t.Modified && a.IsValid() && !a.IsUnspecified() && a != op.source(c.original).Addr() {
		local = netip.AddrPortFrom(a, local.Port())
	}
	final := func(k *ke.K) { op.auth(k, local, remote, 0, func(k *ke.K) { op.open(k, local, remote) }) }
	if c.redirected && !s.isLocal(remote.Addr()) && s.w.choose(k, &siteAuth, len(siteAuth.Alts)) == 0 {
		op.auth(k, op.source(c.original), c.original, HonoringPolicy, final)
		return
	}
	final(k)
}

// auth is one AUTH_CONNECT classification.
func (op *ConnectOp) auth(k *ke.K, local, remote netip.AddrPort, flags Flag, then func(k *ke.K)) {
	q, c := op.question(AuthConnect, local, remote), op.flow.redirect
	q.Flags |= flags
	q.Records = c.records
	if c.redirected && flags&HonoringPolicy == 0 {
		q.Flags |= ConnectionRedirected
		q.OriginalRemote, q.TargetPID = c.original, c.target
	}
	op.e.stack.ask(k, op.e, q, func(k *ke.K, a Answer) {
		switch {
		case op.over:
		case !a.Permit:
			op.give(k, blocked(a))
		default:
			then(k)
		}
	})
}

func (op *ConnectOp) question(l Layer, local, remote netip.AddrPort) *Question {
	q := op.e.question(l, op.thread)
	q.Local, q.Remote = local, remote
	if op.e.stack.isLocal(remote.Addr()) {
		q.Flags |= Loopback
	}
	return q
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
func (op *ConnectOp) open(k *ke.K, local, remote netip.AddrPort) {
	e, s := op.e, op.e.stack
	tuple := Tuple{TCP, local, remote}
	switch {
	case s.route(remote.Addr()) == nil:
		op.later("no host", ntstatus.STATUS_HOST_UNREACHABLE)
		return
	case s.stream(tuple) != nil: // two addresses name one connection (INFERRED: connect says WSAEADDRINUSE)
		op.later("connected already", ntstatus.STATUS_ADDRESS_ALREADY_EXISTS)
		return
	}
	s.dig(tuple)
	e.local, e.remote = local, remote
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
	x.flow.id = x.s.w.newID(trace.Flow)
	var q *Question
	if op := e.op; op != nil {
		q = op.question(FlowEstablished, e.local, e.remote)
		q.Thread, q.Records = nil, x.flow.redirect.records
	} else {
		q = e.inbound(FlowEstablished)
	}
	q.Flow = x.flow.id
	permit, answered := false, false
	x.s.ask(k, e, q, func(_ *ke.K, a Answer) { permit, answered = a.Permit, true })
	if !answered {
		panic("internal error: FLOW_ESTABLISHED was pended")
	}
	return permit
}

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
