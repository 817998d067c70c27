package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// aboutClosure shows ENDPOINT_CLOSURE the flow of the connection, which is still there.
func aboutClosure(t *Travel, q *Question) { q.Flow = t.flow }

// Abort ends a flow because the engine wants it: a connection is reset, and its owner hears that it was lost.
// It happens in a delivery, since it may be asked for in the middle of anything.
func (f *Flow) Abort(_ *ke.K) {
	f.Endpoint.post("flow aborted", func(k *ke.K) { f.abort(k) })
}

// abort is Abort at once.
func (f *Flow) abort(k *ke.K) {
	e := f.Endpoint
	if f.Gone {
		return
	}
	switch x := e.stack.stream(f.Tuple); {
	case e.udp != nil:
		e.forget(k, f)
	case e.op != nil && e.op.flow == f:
		e.op.give(k, ntstatus.STATUS_CONNECTION_ABORTED)
	case e.halfOf != nil:
		e.stack.stillborn(k, e)
	case x != nil && x.flow == f:
		x.lose(k)
	}
}

// lose resets the connection without its owner having asked for it.
func (x *stream) lose(k *ke.K) {
	if e := x.e; e != nil {
		e.step(ResetArrived)
		e.reason = ntstatus.STATUS_CONNECTION_ABORTED
	}
	x.abort(k)
	x.fail(k, ntstatus.STATUS_CONNECTION_ABORTED)
	x.tell(k, Reset)
	x.end(k)
}

// Watch makes a flow of datagrams end when it has been idle for its time, and not only when the next datagram
// comes: a callout that has a context on it wants to know. Other flows end by themselves.
func (f *Flow) Watch(k *ke.K) {
	if f.Endpoint.udp == nil || f.alarm != nil || f.Gone || f.out == nil {
		return
	}
	s := f.Endpoint.stack
	s.w.use(clockID, ke.R)
	d := ke.Delivery{Text: "flow is idle", Obj: f.ID, Touches: f.Endpoint.ID, IRQL: &siteIRQL,
		Run: func(k *ke.K) {
			defer f.Endpoint.leave(k, f.Endpoint.enters(k))
			f.alarm = nil
			f.idles(k)
		}}
	f.alarm = s.w.after(max(f.used+f.limit()-s.w.now(), 1), f.out, d)
}

// idles ends the flow if it is idle, and looks again later if it is not.
func (f *Flow) idles(k *ke.K) {
	e := f.Endpoint
	if f.Gone {
		return
	}
	if e.stack.w.now()-f.used < f.limit() {
		f.Watch(k)
		return
	}
	for i, o := range e.udp.flows {
		if o == f {
			e.udp.flows = list.Cut(e.udp.flows, i)
			break
		}
	}
	e.stack.datagramsEnd(k, f)
}

// unwatch ends what Watch began.
func (f *Flow) unwatch() {
	if f.alarm != nil {
		f.alarm()
		f.alarm = nil
	}
}

// limit is how long the flow lives without a datagram.
func (f *Flow) limit() int64 {
	if isMulti(f.Remote.Addr()) {
		return idleGroup
	}
	return idle
}
