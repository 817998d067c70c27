package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// conn is one TCP connection, from the attempt on. Side 0 opened it, side 1 accepts it: an endpoint of this
// machine or a declared host.
type conn struct {
	id         trace.ID
	s          *Stack
	side       [2]*side
	flow       [2]trace.ID
	gone       [2]bool
	latency    int64
	records    Records        // chain of this connection; nil without engine
	original   netip.AddrPort // where the opener asked to go
	target     uint32         // process that serves the redirected connection
	redirected bool
}

// side is one half of a connection: what it sends, and what it has received.
type side struct {
	c    *conn
	n    int
	ch   *ke.Channel
	ep   *Endpoint // nil before the handshake is over, and for a host
	host *Peer

	tx       []*sendOp
	queued   int // bytes in tx not acknowledged yet
	inflight int
	finWant  bool
	finSent  bool
	finAcked bool
	finDone  Status

	rx     []byte
	rxFin  bool
	recvs  []*RecvOp
	dead   bool // reset: nothing is sent or taken any more
	closed bool // the owner has gone, what is queued is still sent
}

type sendOp struct {
	data   []byte
	posted int
	acked  int
	done   func(k *ke.K, n int, s ntstatus.NTSTATUS)
}

func (s *Stack) newConn(e *Endpoint, remote netip.AddrPort) *conn {
	c := &conn{id: s.m.NewID(trace.Connection), s: s, original: remote}
	for n, name := range [2]string{" out", " in"} {
		c.side[n] = &side{c: c, n: n, ch: s.m.NewChannel(c.id.String() + name)}
	}
	s.conns = append(s.conns, c)
	return c
}

// noteApp remembers whose connection has been redirected.
func (s *Stack) noteApp(e *Endpoint, c *conn) {
	if c.records == nil {
		return
	}
	app := s.originalApp(e)
	if app == "" {
		app = imageOf(e.Process)
	}
	s.ports(ke.W)
	s.apps = append(s.apps, appOf{c.records.ID(), app})
}

func (sd *side) peer() *side { return sd.c.side[1-sd.n] }

func (sd *side) obj() trace.ID {
	if sd.ep != nil {
		return sd.ep.ID
	}
	return sd.c.id
}

func (sd *side) window() int {
	if sd.ep != nil {
		return sd.ep.Window
	}
	return Window
}

// enters says that what k does now is about the connection and the endpoints at its ends.
func (c *conn) enters(k *ke.K) (mark int) {
	mark = ke.Within(k, ke.Use{Obj: c.id, How: ke.W})
	for _, sd := range c.side {
		if sd.ep != nil {
			ke.Within(k, ke.Use{Obj: sd.ep.ID, How: ke.W})
		}
	}
	return mark
}

// send puts a segment on the wire; run is its arrival.
func (sd *side) send(text string, run func(k *ke.K)) {
	c := sd.c
	d := ke.Delivery{Text: text, Obj: sd.obj(), Touches: c.id, IRQL: &siteIRQL, Run: func(k *ke.K) {
		mark := c.enters(k)
		run(k)
		ke.Leave(k, mark)
	}}
	if sd.c.latency > 0 {
		sd.c.s.m.PostAfter(sd.ch, sd.c.latency, d)
		return
	}
	sd.c.s.m.Post(sd.ch, d)
}

// queue adds data to what is to be sent.
func (sd *side) queue(k *ke.K, op *sendOp) {
	sd.tx = append(sd.tx, op)
	sd.queued += len(op.data)
	sd.pump(k)
}

// pump sends as much as the receiver has room for, and the FIN behind the last byte.
func (sd *side) pump(k *ke.K) {
	for !sd.dead {
		op := sd.unsent()
		if op == nil {
			if sd.finWant && !sd.finSent {
				sd.finSent = true
				sd.send("FIN", func(k *ke.K) { sd.peer().finArrives(k) })
			}
			return
		}
		n := min(sd.peer().window()-len(sd.peer().rx)-sd.inflight, len(op.data)-op.posted)
		if n <= 0 {
			return
		}
		seg := op.data[op.posted : op.posted+n]
		op.posted += n
		sd.inflight += n
		sd.send("data", func(k *ke.K) {
			sd.inflight -= n
			sd.peer().dataArrives(k, seg)
		})
	}
}

func (sd *side) unsent() *sendOp {
	for _, op := range sd.tx {
		if op.posted < len(op.data) {
			return op
		}
	}
	return nil
}

func (sd *side) dataArrives(k *ke.K, seg []byte) {
	switch {
	case sd.dead:
		return
	case sd.closed: // nobody is left to read it
		sd.reset(k)
		sd.fail(k, ntstatus.STATUS_CONNECTION_ABORTED)
		sd.c.end(k, sd.n)
		return
	}
	sd.send("ACK", func(k *ke.K) { sd.peer().ackArrives(k, len(seg)) })
	if sd.host != nil {
		sd.host.data(k, seg)
		return
	}
	sd.rx = append(sd.rx, seg...)
	sd.serve(k)
}

func (sd *side) ackArrives(k *ke.K, n int) {
	if sd.dead {
		return
	}
	sd.queued -= n
	for n > 0 {
		op := sd.tx[0]
		m := min(n, len(op.data)-op.acked)
		op.acked += m
		n -= m
		if op.acked == len(op.data) {
			sd.tx = sd.tx[1:]
			op.done(k, len(op.data), ntstatus.STATUS_SUCCESS)
		}
	}
	sd.pump(k)
}

func (sd *side) finArrives(k *ke.K) {
	if sd.dead {
		return
	}
	sd.rxFin = true
	if sd.ep != nil {
		sd.ep.step(FinArrived)
	}
	sd.send("ACK", func(k *ke.K) { sd.peer().finAckArrives(k) })
	if sd.host != nil {
		sd.host.fin(k)
	}
	sd.serve(k)
	sd.settle(k)
}

func (sd *side) finAckArrives(k *ke.K) {
	if sd.dead {
		return
	}
	sd.finAcked = true
	if done := sd.finDone; done != nil {
		sd.finDone = nil
		done(k, ntstatus.STATUS_SUCCESS)
	}
	sd.settle(k)
}

// settle ends a side whose owner has gone once both directions are finished.
func (sd *side) settle(k *ke.K) {
	if (sd.closed || sd.host != nil) && sd.finAcked && sd.rxFin {
		sd.c.end(k, sd.n)
	}
}

// reset ends the connection from this side at once: what is queued is lost and the peer hears a RST.
func (sd *side) reset(k *ke.K) {
	if sd.dead {
		return
	}
	sd.dead, sd.rx = true, nil
	sd.send("RST", func(k *ke.K) { sd.peer().resetArrives(k) })
}

func (sd *side) resetArrives(k *ke.K) {
	if sd.dead {
		return
	}
	sd.dead, sd.rx = true, nil
	if e := sd.ep; e != nil {
		if e.op != nil {
			e.op.give(k, ntstatus.STATUS_CONNECTION_RESET)
			return
		}
		if l := e.halfOf; l != nil {
			ke.Within(k, ke.Use{Obj: l.ID, How: ke.W})
			e.stack.stillborn(l, e)
			sd.c.end(k, sd.n)
			return
		}
		e.step(ResetArrived)
		e.reason = ntstatus.STATUS_CONNECTION_RESET
	}
	if sd.host != nil {
		sd.host.reset(k)
	}
	sd.fail(k, ntstatus.STATUS_CONNECTION_RESET)
	sd.c.end(k, sd.n)
}

// fail completes everything that waits on this side.
func (sd *side) fail(k *ke.K, s ntstatus.NTSTATUS) {
	sends, recvs, fin := sd.tx, sd.recvs, sd.finDone
	sd.tx, sd.recvs, sd.finDone, sd.queued = nil, nil, nil, 0
	for _, op := range sends {
		op.done(k, 0, s)
	}
	for _, op := range recvs {
		op.finish(k, s)
	}
	if fin != nil {
		fin(k, s)
	}
}

// close is what Endpoint.Close does to the connection.
func (sd *side) close(k *ke.K, was State, graceful bool) {
	if sd.dead {
		sd.fail(k, ntstatus.STATUS_CANCELLED)
		return
	}
	sd.ep = nil
	switch {
	case was == BothFin && sd.finAcked:
		sd.fail(k, ntstatus.STATUS_CANCELLED)
		sd.c.end(k, sd.n)
	case graceful && was != Connecting && len(sd.rx) == 0:
		recvs := sd.recvs
		sd.recvs, sd.closed, sd.finWant = nil, true, true
		for _, op := range recvs {
			op.finish(k, ntstatus.STATUS_CANCELLED)
		}
		sd.pump(k)
		sd.settle(k)
	default:
		sd.reset(k)
		sd.fail(k, ntstatus.STATUS_CANCELLED)
		sd.c.end(k, sd.n)
	}
}

// end notes that a side has no connection any more. The engine frees what belongs to the flow of that side,
// and what belongs to the chain when the other side has ended too.
func (c *conn) end(k *ke.K, n int) {
	if c.gone[n] {
		return
	}
	c.gone[n] = true
	o := c.side[1-n]
	last := c.gone[1-n] || o.ep == nil && !o.closed
	r := c.records
	if !last {
		r = nil
	}
	if c.s.engine != nil && (r != nil || c.flow[n] != 0) {
		c.s.engine.ConnectionGone(k, r, c.flow[n])
	}
	if !last {
		return
	}
	c.gone[1-n] = true
	for i, x := range c.s.conns {
		if x == c {
			c.s.conns = list.Cut(c.s.conns, i)
			return
		}
	}
}
