package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcp"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// stream is one end of a TCP connection: it carries out what package tcp decides. It shares nothing with the
// other end but packets. It may outlive its endpoint: a graceful close leaves the rest to it.
type stream struct {
	s     *Stack
	id    trace.ID  // of its endpoint, also when that has gone
	e     *Endpoint // nil once the owner has gone
	tuple Tuple
	flow  *Flow
	conn  *tcp.Conn
	out   *ke.Channel

	// Invariant: results of one end are carried out one behind the other; what an owner or a callout causes
	// meanwhile waits in waiting.
	busy    bool
	waiting []tcp.Result

	sends    []sendOp
	unacked  int // bytes the peer's transport has not acknowledged
	finDone  Status
	finAcked bool
	rx       []byte // received and not taken
	rxFin    bool
	silent   bool // nothing goes out any more, and what comes is not looked at
	over     bool // reset from either side or given up: nothing is sent or taken any more

	in      Gate // of what the peer sends
	outward Gate // of what the owner sends

	due   int64  // when the timer fires, 0 never
	alarm func() // takes it back; nil while it is not armed
	lossy bool   // a packet of the connection has been lost: the timer has a meaning
}

type sendOp struct {
	left int
	n    int
	done func(k *ke.K, n int, s ntstatus.NTSTATUS)
}

const ttl = 128

// newStream gives e an end of a connection, which conn is to decide about.
func (s *Stack) newStream(e *Endpoint, t Tuple) *stream {
	x := &stream{s: s, id: e.ID, e: e, tuple: t, flow: e.flow, out: s.w.channel(e.ID.String() + " out")}
	s.shares(t.Local.Port(), ke.W)
	x.in.x, x.outward = x, Gate{x: x, Out: true}
	e.stream = x
	s.streams = append(s.streams, x)
	return x
}

// config is what tcp must know of the end.
func (x *stream) config() tcp.Config {
	return tcp.Config{ISS: x.tuple.iss(), Room: x.e.Window, MSS: mss, RTO: rto}
}

// opening reports whether the end has sent a SYN that is not answered yet.
func (x *stream) opening() bool { return x.e != nil && x.e.st == Connecting && x.e.op != nil }

// carry carries out what the end decided.
func (x *stream) carry(k *ke.K, r tcp.Result) {
	if x.busy {
		x.waiting = append(x.waiting, r)
		return
	}
	x.busy = true
	x.one(k, r)
	for len(x.waiting) > 0 {
		r := x.waiting[0]
		x.waiting = x.waiting[1:]
		x.one(k, r)
	}
	x.busy = false
}

// one carries out one result: the filter engine hears of an established flow before the packet leaves that
// completes the handshake, the owner of everything else behind the packets.
func (x *stream) one(k *ke.K, r tcp.Result) {
	opened := len(r.Told) > 0 && r.Told[0].What == tcp.Opened
	if opened && !x.established(k) {
		x.closedByEngine(k)
		return
	}
	for _, o := range r.Send {
		if !x.transmit(k, o) {
			return
		}
	}
	x.setTimer(r.Timer)
	for _, t := range r.Told {
		if !x.over {
			x.told(k, t)
		}
	}
}

func (x *stream) told(k *ke.K, t tcp.Told) {
	if x.silent {
		x.unheard(k, t)
		return
	}
	switch t.What {
	case tcp.Opened:
		x.opened(k)
	case tcp.Data:
		x.data(k, t.Data)
	case tcp.Acked:
		x.acked(k, t.N)
	case tcp.PeerFin:
		if !x.in.takes(k, nil, true) {
			x.finished(k)
		}
	case tcp.FinDone:
		x.finAcked = true
		if done := x.finDone; done != nil {
			x.finDone = nil
			done(k, ntstatus.STATUS_SUCCESS)
		}
		x.settle(k)
	case tcp.Reset:
		x.dies(k, ntstatus.STATUS_CONNECTION_RESET)
	case tcp.TimedOut:
		x.dies(k, ntstatus.STATUS_IO_TIMEOUT)
	}
}

// transmit puts a segment on the wire. False: the flow may not go on, and has ended.
func (x *stream) transmit(k *ke.K, o tcp.Out) bool {
	if x.silent {
		return true
	}
	f := sender{flow: x.flow, ch: x.out, from: x.id}
	if x.flow != nil { // a host has none
		f.e = x.flow.Endpoint
	}
	p := &packet.Packet{Proto: TCP, TTL: ttl, Src: x.tuple.Local, Dst: x.tuple.Remote, TCP: o.Segment,
		Payload: o.Data}
	if !x.flow.stands(k, x.s, p, false) {
		x.flow.abort(k)
		return false
	}
	x.s.send(k, f, p)
	return true
}

// finished is the end of what the peer sends, past the gate.
func (x *stream) finished(k *ke.K) {
	x.rxFin = true
	if x.e != nil {
		x.e.step(FinArrived)
		x.tell(k, Finished)
	}
	x.settle(k)
}

func (x *stream) data(k *ke.K, b []byte) {
	if x.e == nil || !x.in.takes(k, b, false) {
		x.arrived(k, b)
	}
}

// arrived is what the peer has sent, past the gate.
func (x *stream) arrived(k *ke.K, b []byte) {
	if x.e == nil { // nobody is left to read it
		x.abort(k)
		x.fail(k, ntstatus.STATUS_CONNECTION_ABORTED)
		x.end(k)
		return
	}
	x.rx = append(x.rx, b...)
	x.tell(k, Readable)
}

func (x *stream) acked(k *ke.K, n int) {
	m := min(n, x.outward.extra) // what a callout has added is nobody's send
	x.outward.extra -= m
	x.credit(k, n-m)
}

// credit counts bytes of the owner that have come to their end.
func (x *stream) credit(k *ke.K, n int) {
	x.unacked -= n
	for n > 0 {
		op := &x.sends[0]
		m := min(n, op.left)
		op.left -= m
		n -= m
		if op.left == 0 {
			done, all := op.done, op.n
			x.sends = x.sends[1:]
			done(k, all, ntstatus.STATUS_SUCCESS)
		}
	}
}

// send queues data. Where the connection is over and a result that says so waits its turn, it fails with
// that.
func (x *stream) send(k *ke.K, b []byte, done func(k *ke.K, n int, s ntstatus.NTSTATUS)) {
	x.sends = append(x.sends, sendOp{left: len(b), n: len(b), done: done})
	x.unacked += len(b)
	if x.conn.State().MaySend() && !x.outward.takes(k, b, false) {
		x.carry(k, x.conn.Send(b))
	}
}

// fin finishes sending.
func (x *stream) fin(k *ke.K) {
	if x.conn.State().MaySend() && !x.outward.takes(k, nil, true) {
		x.carry(k, x.conn.Fin())
	}
}

// settle ends the end of an owner who has gone, or of a host, once both directions are finished.
func (x *stream) settle(k *ke.K) {
	if (x.e == nil || x.s.host != nil) && x.finAcked && x.rxFin {
		x.end(k)
	}
}

// abort resets the connection from this end: what is queued is lost, and the peer hears a RST if it has heard
// of us.
func (x *stream) abort(k *ke.K) {
	if !x.over {
		x.over, x.rx = true, nil
		x.carry(k, x.conn.Abort())
	}
}

// dies is the end of the connection by a RST of the peer, or because it does not answer any more.
func (x *stream) dies(k *ke.K, s ntstatus.NTSTATUS) {
	x.over, x.rx = true, nil
	if e := x.e; e != nil {
		switch {
		case e.op != nil && s == ntstatus.STATUS_CONNECTION_RESET:
			e.op.give(k, ntstatus.STATUS_CONNECTION_REFUSED)
			return
		case e.op != nil:
			e.op.give(k, s)
			return
		case e.halfOf != nil:
			x.s.stillborn(k, e)
			return
		}
		e.step(ResetArrived)
		e.reason = s
	}
	x.fail(k, s)
	x.tell(k, Reset)
	x.end(k)
}

// fail completes the owner's sends and its disconnect.
func (x *stream) fail(k *ke.K, s ntstatus.NTSTATUS) {
	sends, fin := x.sends, x.finDone
	x.sends, x.finDone, x.unacked = nil, nil, 0
	for i := range sends {
		sends[i].done(k, 0, s)
	}
	if fin != nil {
		fin(k, s)
	}
}

// close is what Endpoint.Close does to the connection.
func (x *stream) close(k *ke.K, was State, graceful bool) {
	x.e = nil
	switch {
	case x.over:
		x.fail(k, ntstatus.STATUS_CANCELLED)
	case was == BothFin && x.finAcked:
		x.end(k)
	case graceful && was != Connecting && len(x.rx) == 0:
		x.fin(k)
		x.settle(k)
	default:
		x.abort(k)
		x.fail(k, ntstatus.STATUS_CANCELLED)
		x.end(k)
	}
}

// end takes the connection away from this stack. The flow of this end is over.
func (x *stream) end(k *ke.K) {
	for i, o := range x.s.streams {
		if o == x {
			x.s.shares(x.tuple.Local.Port(), ke.W)
			x.s.streams = list.Cut(x.s.streams, i)
			if x.conn.State() == tcp.TimeWait {
				x.s.bury(x)
			}
			x.setTimer(tcp.StopTimer)
			x.flow.ends(k, x.s)
			return
		}
	}
}

// tell says something to the owner.
func (x *stream) tell(k *ke.K, what Kind) {
	if x.e != nil {
		x.e.indicate(k, what)
	}
}
