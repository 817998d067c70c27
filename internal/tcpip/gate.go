package tcpip

import "calloutsim/internal/ke"

// Gate is where the bytes of one direction of a connection pass the filter engine, between its owner and the
// transport (network.md 5). The engine keeps what it wants to see more of; what goes on comes back through
// Emit, what is taken out through Swallow.
type Gate struct {
	x        *stream
	Out      bool // from the owner to the peer
	Attached any  // the engine's
	used     bool // something has passed the engine, which may keep some of it
	extra    int  // bytes that were added in the gate and have not gone for good
}

// StreamData is the matter of StreamIn and StreamOut: what comes to a gate.
type StreamData struct {
	Gate *Gate
	Data []byte
	Fin  bool // the last there is
}

func (*StreamData) matter() {}

// station is where the gate asks.
func (g *Gate) station() Layer {
	if g.Out {
		return StreamOut
	}
	return StreamIn
}

// takes gives bytes, or the end of the direction, to the engine; false: nobody wants them.
func (g *Gate) takes(k *ke.K, b []byte, fin bool) bool {
	x := g.x
	if x.s.engine == nil || x.flow == nil || x.flow.Gone {
		return false
	}
	_, v6 := x.flow.station()
	l := g.station()
	if !x.s.Wants(l, v6) && !g.used {
		return false
	}
	g.used = true
	q := x.flow.Endpoint.question(l, nil)
	q.V6, q.Tuple, q.Flow = v6, x.flow.Tuple, x.flow
	q.Inbound = x.flow.Inbound // of the connection, at this layer (wfp.md 7)
	if x.s.isLocal(x.flow.Remote.Addr()) {
		q.Flags |= Loopback
	}
	q.Matter = &StreamData{Gate: g, Data: b, Fin: fin}
	q.Done = func(*ke.K, Answer) {}
	x.s.engine.Classify(k, q)
	return true
}

// Emit lets bytes go on, and behind them the end of the direction.
func (g *Gate) Emit(k *ke.K, b []byte, fin bool) {
	x := g.x
	if x.over {
		return
	}
	switch {
	case g.Out:
		if len(b) > 0 && x.conn.State().MaySend() {
			x.carry(k, x.conn.Send(b))
		}
		if fin && !x.over && x.conn.State().MaySend() {
			x.carry(k, x.conn.Fin())
		}
	default:
		if len(b) > 0 {
			x.arrived(k, b)
		}
		if fin && !x.over {
			x.finished(k)
		}
	}
}

// Adds says that n bytes go on that nobody has put in.
func (g *Gate) Adds(n int) { g.extra += n }

// Swallow says that n bytes are gone for good: for whoever sent them they are sent.
func (g *Gate) Swallow(k *ke.K, n int) {
	m := min(n, g.extra)
	g.extra -= m
	if n -= m; n == 0 || g.x.over {
		return
	}
	if g.Out {
		g.x.credit(k, n)
	} else {
		g.x.carry(k, g.x.conn.Release(n))
	}
}

// Drop resets the connection.
func (g *Gate) Drop(k *ke.K) { g.x.flow.Abort(k) }

// Post goes on with the gate in a delivery of its connection.
func (g *Gate) Post(text string, run func(k *ke.K)) { g.x.flow.Endpoint.post(text, run) }

// Enter says that what k does until ke.Leave is about the connection.
func (g *Gate) Enter(k *ke.K) (mark int) { return g.x.s.w.enter(k, g.x.id) }

// Over reports whether nothing passes any more.
func (g *Gate) Over() bool { return g.x.over || g.x.flow.Gone }

// Gates are the two gates of a flow, that of what comes in first; nil for a flow without a connection.
func (f *Flow) Gates() (in, out *Gate) {
	if x := f.Endpoint.stack.stream(f.Tuple); x != nil && x.flow == f {
		return &x.in, &x.outward
	}
	return nil, nil
}
