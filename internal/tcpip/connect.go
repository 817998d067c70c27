package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// ConnectOp is a connection attempt that has not ended yet.
type ConnectOp struct {
	e      *Endpoint
	thread *ke.Thread
	done   Status
	conn   *conn
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

// undo forgets the connection of a failed attempt; the peer hears a reset if it has heard of us at all.
func (op *ConnectOp) undo(k *ke.K) {
	e := op.e
	e.stack.ports(ke.W)
	if c := op.conn; c != nil {
		c.side[0].reset(k)
		c.end(k, 0)
	}
	e.side, e.remote, e.asked = nil, netip.AddrPort{}, netip.AddrPort{}
	if e.wildcard && e.st == Bound {
		e.local = netip.AddrPortFrom(ws2def.Any(e.Family()), e.local.Port())
	}
}

// Cancel ends the attempt with STATUS_CANCELLED. It returns false when it has ended already.
func (op *ConnectOp) Cancel(k *ke.K) bool {
	defer ke.Leave(k, op.e.enters(k))
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
	defer ke.Leave(k, e.enters(k))
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
	op.conn = e.stack.newConn(e, remote)
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
	if e.wildcard && s.Wants(ConnectRedirect, e.V6) && ke.Choose(k, &siteLocal, 2) == 0 {
		local = netip.AddrPortFrom(ws2def.Any(e.Family()), local.Port())
	}
	q := op.question(ConnectRedirect, local, remote)
	if s.engine != nil {
		op.conn.records = s.engine.NewRecords(k, e.records)
		q.Records = op.conn.records
	}
	s.ask(k, e, e.ch, q, func(k *ke.K, a Answer) {
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
	s, c := op.e.stack, op.conn
	local := op.source(remote)
	if t.Modified && t.Remote.IsValid() && t.Remote != remote {
		c.original, c.redirected, c.target = remote, true, t.TargetPID
		remote = t.Remote
		local = op.source(remote)
		s.noteApp(op.e, c)
	}
	// wfp.md 21 #12: a changed local address counts for TCP.
	a := t.Local.Addr()
	if t.Modified && a.IsValid() && !a.IsUnspecified() && a != op.source(c.original).Addr() {
		local = netip.AddrPortFrom(a, local.Port())
	}
	final := func(k *ke.K) { op.auth(k, local, remote, 0, func(k *ke.K) { op.send(k, local, remote) }) }
	if c.redirected && !s.isLocal(remote.Addr()) && ke.Choose(k, &siteAuth, len(siteAuth.Alts)) == 0 {
		op.auth(k, op.source(c.original), c.original, HonoringPolicy, final)
		return
	}
	final(k)
}

// auth is one AUTH_CONNECT classification.
func (op *ConnectOp) auth(k *ke.K, local, remote netip.AddrPort, flags Flag, then func(k *ke.K)) {
	q, c := op.question(AuthConnect, local, remote), op.conn
	q.Flags |= flags
	q.Records = c.records
	if c.redirected && flags&HonoringPolicy == 0 {
		q.Flags |= ConnectionRedirected
		q.OriginalRemote, q.TargetPID = c.original, c.target
	}
	op.e.stack.ask(k, op.e, op.e.ch, q, func(k *ke.K, a Answer) {
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

// send starts the handshake.
func (op *ConnectOp) send(k *ke.K, local, remote netip.AddrPort) {
	e, s, c := op.e, op.e.stack, op.conn
	h := s.host(remote.Addr())
	if !s.isLocal(remote.Addr()) && h == nil {
		op.later("no host", ntstatus.STATUS_HOST_UNREACHABLE)
		return
	}
	s.ports(ke.W)
	e.local, e.remote, e.side = local, remote, c.side[0]
	c.side[0].ep = e
	ke.Note(k, "SYN", e.ID)
	if h != nil {
		c.latency = h.Latency
		c.side[0].send("SYN", func(k *ke.K) { h.syn(k, op) })
		return
	}
	c.side[0].send("SYN", func(k *ke.K) { s.syn(k, op, remote) })
}

// later ends the attempt from a delivery.
func (op *ConnectOp) later(text string, st ntstatus.NTSTATUS) {
	op.e.post(text, func(k *ke.K) { op.give(k, st) })
}

// unanswered lets the attempt run into its time-out.
func (op *ConnectOp) unanswered() {
	op.e.stack.m.PostAfter(op.e.ch, connectTimeout, ke.Delivery{Text: "connect timed out", Obj: op.e.ID,
		Touches: op.e.ID, IRQL: &siteIRQL,
		Run: op.e.within(func(k *ke.K) { op.give(k, ntstatus.STATUS_IO_TIMEOUT) })})
}

// refused brings the answer to an unwanted SYN back to the opener.
func (op *ConnectOp) refused() {
	op.conn.side[1].send("RST", func(k *ke.K) { op.give(k, ntstatus.STATUS_CONNECTION_REFUSED) })
}

// established runs when the answer to the SYN has arrived: FLOW_ESTABLISHED, then the owner hears of it and
// the peer gets its ACK, which is ack.
func (op *ConnectOp) established(k *ke.K, ack func(k *ke.K)) {
	if op.over {
		return
	}
	e, c := op.e, op.conn
	c.flow[0] = e.stack.m.NewID(trace.Flow)
	q := op.question(FlowEstablished, e.local, e.remote)
	q.Thread, q.Flow, q.Records = nil, c.flow[0], c.records
	e.stack.ask(k, e, e.ch, q, func(k *ke.K, _ Answer) {
		if op.over {
			return
		}
		e.step(Established)
		c.side[0].send("ACK", ack)
		op.give(k, ntstatus.STATUS_SUCCESS)
	})
}
