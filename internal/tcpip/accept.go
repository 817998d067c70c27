package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// AcceptOp waits for a connection on a listening endpoint.
type AcceptOp struct {
	l    *Endpoint
	done func(k *ke.K, e *Endpoint, s ntstatus.NTSTATUS)
	over bool
}

func (op *AcceptOp) finish(k *ke.K, e *Endpoint, s ntstatus.NTSTATUS) {
	op.over = true
	op.done(k, e, s)
}

// Cancel takes the operation back with STATUS_CANCELLED. It returns false when it has ended already.
func (op *AcceptOp) Cancel(k *ke.K) bool {
	defer ke.Leave(k, op.l.enters(k))
	if op.over {
		return false
	}
	for i, o := range op.l.accepts {
		if o == op {
			op.l.accepts = list.Cut(op.l.accepts, i)
			break
		}
	}
	op.finish(k, nil, ntstatus.STATUS_CANCELLED)
	return true
}

// Accept waits for a connection. Several operations are served in the order they came. The operation is nil
// when a connection was waiting already or the call was refused.
func (e *Endpoint) Accept(k *ke.K, done func(k *ke.K, a *Endpoint, s ntstatus.NTSTATUS)) *AcceptOp {
	defer ke.Leave(k, e.enters(k))
	if e.st != Listening {
		done(k, nil, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return nil
	}
	if len(e.ready) > 0 {
		a := e.ready[0]
		e.ready = e.ready[1:]
		done(k, a, ntstatus.STATUS_SUCCESS)
		return nil
	}
	op := &AcceptOp{l: e, done: done}
	e.accepts = append(e.accepts, op)
	return op
}

// listener finds who listens at addr: the specific address before the wildcard, the older socket first.
func (s *Stack) listener(addr netip.AddrPort) *Endpoint {
	s.ports(ke.R)
	var wild *Endpoint
	for _, e := range s.eps {
		if e.st != Listening || e.local.Port() != addr.Port() {
			continue
		}
		a := e.local.Addr()
		switch {
		case a == addr.Addr():
			return e
		case !a.IsUnspecified() || wild != nil:
		case a.Is4() == addr.Addr().Is4(), !a.Is4() && !e.V6Only:
			wild = e
		}
	}
	return wild
}

// syn arrives at this machine.
func (s *Stack) syn(k *ke.K, op *ConnectOp, addr netip.AddrPort) {
	if op.over {
		return
	}
	l := s.listener(addr)
	if l != nil {
		defer ke.Leave(k, l.enters(k))
	}
	if l == nil || len(l.ready)+l.half >= l.backlog {
		op.refused()
		return
	}
	c := op.conn
	a := s.NewEndpoint(l.Process, l.V6)
	a.parent, a.V6Only, a.Window, a.KeepAlive = l.ID, l.V6Only, l.Window, l.KeepAlive
	a.st, a.local, a.remote, a.halfOf = Connecting, addr, op.e.local, l
	l.half++
	q := s.inbound(a, c, AuthRecvAccept)
	s.ask(k, c, c.side[1].ch, q, func(k *ke.K, ans Answer) {
		defer ke.Leave(k, l.enters(k))
		a.enters(k)
		switch {
		case op.over || a.st == Closed:
			s.stillborn(l, a)
		case !ans.Permit:
			// The SYN is dropped without a word (INFERRED): the opener runs into its time-out.
			s.stillborn(l, a)
			op.unanswered()
		default:
			a.side, c.side[1].ep = c.side[1], a
			c.side[1].send("SYN-ACK", func(k *ke.K) {
				op.established(k, func(k *ke.K) { s.ack(k, l, a, c) })
			})
		}
	})
}

// inbound is a question about the accepting side of c.
func (s *Stack) inbound(a *Endpoint, c *conn, l Layer) *Question {
	q := a.question(l, nil)
	q.Flags |= Inbound | Loopback
	q.V6 = a.local.Addr().Is6() && !a.local.Addr().Is4In6()
	return q
}

// stillborn forgets an endpoint whose connection never came to be.
func (s *Stack) stillborn(l, a *Endpoint) {
	if a.halfOf == nil {
		return
	}
	l.half--
	a.st, a.halfOf = Closed, nil
	a.drop()
}

// ack completes the handshake on the accepting side.
func (s *Stack) ack(k *ke.K, l, a *Endpoint, c *conn) {
	defer ke.Leave(k, l.enters(k))
	if a.st != Connecting {
		return
	}
	c.flow[1] = s.m.NewID(trace.Flow)
	q := s.inbound(a, c, FlowEstablished)
	q.Flow = c.flow[1]
	s.ask(k, c, c.side[1].ch, q, func(k *ke.K, _ Answer) {
		defer ke.Leave(k, l.enters(k))
		if a.st != Connecting {
			return
		}
		l.half--
		a.halfOf = nil
		if l.st == Closed {
			a.Close(k, false, func(*ke.K) {})
			return
		}
		a.step(Established)
		if a.side.rxFin {
			a.step(FinArrived)
		}
		if l.V6 && a.local.Addr().Is4() {
			a.local, a.remote = mapped(a.local), mapped(a.remote)
		}
		ke.Note(k, "accepted", a.ID)
		if len(l.accepts) > 0 {
			op := l.accepts[0]
			l.accepts = l.accepts[1:]
			op.finish(k, a, ntstatus.STATUS_SUCCESS)
			return
		}
		l.ready = append(l.ready, a)
	})
}

func mapped(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(ap.Addr().As16()), ap.Port())
}
