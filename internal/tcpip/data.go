package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// Send queues data, which must not change any more. done is called with the number of bytes when the peer's
// transport has all of them: there is no buffer in between that would end the operation earlier.
func (e *Endpoint) Send(k *ke.K, data []byte, done func(k *ke.K, n int, s ntstatus.NTSTATUS)) {
	defer e.leave(k, e.enters(k))
	switch {
	case e.st == Aborted:
		done(k, 0, e.reason)
	case !e.st.MaySend():
		done(k, 0, ntstatus.STATUS_INVALID_DEVICE_STATE)
	case len(data) == 0:
		done(k, 0, ntstatus.STATUS_SUCCESS) // wsk.md 25.35
	default:
		e.stream.send(k, data, done)
	}
}

// Receive says what a receive operation wants.
type Receive struct {
	Max   int  // at most so many bytes
	All   bool // not before there are Max, unless the stream ends (WSK_FLAG_WAITALL, MSG_WAITALL)
	Drain bool // discard everything until the stream ends (WSK_FLAG_DRAIN)
	Done  func(k *ke.K, b []byte, s ntstatus.NTSTATUS)
}

// RecvOp is a receive that has not ended yet.
type RecvOp struct {
	Receive
	e    *Endpoint
	got  []byte
	over bool
}

func (op *RecvOp) finish(k *ke.K, s ntstatus.NTSTATUS) {
	op.over = true
	op.Done(k, op.got, s)
}

// Cancel ends the operation with STATUS_CANCELLED; what a WAITALL receive has collected is given along. It
// returns false when the operation has ended already.
func (op *RecvOp) Cancel(k *ke.K) bool {
	defer op.e.leave(k, op.e.enters(k))
	if op.over {
		return false
	}
	for i, o := range op.e.recvs {
		if o == op {
			op.e.recvs = list.Cut(op.e.recvs, i)
			break
		}
	}
	op.finish(k, ntstatus.STATUS_CANCELLED)
	return true
}

// Receive waits for data. No bytes and STATUS_SUCCESS mean that the peer has finished sending, unless Max
// is zero. Operations are served in the order they came. The operation is nil when it ended before Receive
// returned.
func (e *Endpoint) Receive(k *ke.K, r Receive) *RecvOp {
	defer e.leave(k, e.enters(k))
	switch {
	case e.st == Aborted:
		r.Done(k, nil, e.reason)
		return nil
	case !e.st.HasPeer():
		r.Done(k, nil, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return nil
	}
	op := &RecvOp{Receive: r, e: e}
	e.recvs = append(e.recvs, op)
	e.serve(k)
	if op.over {
		return nil
	}
	return op
}

// Available returns the number of bytes that can be received now.
func (e *Endpoint) Available() int {
	e.looked()
	if e.stream == nil {
		return 0
	}
	return len(e.stream.rx)
}

// serve gives received bytes to those who wait for them.
func (e *Endpoint) serve(k *ke.K) {
	for len(e.recvs) > 0 && !e.stream.over {
		op := e.recvs[0]
		if !e.feed(k, op) {
			return
		}
		e.recvs = e.recvs[1:]
		op.finish(k, ntstatus.STATUS_SUCCESS)
	}
}

// failReceives ends those who wait for bytes.
func (e *Endpoint) failReceives(k *ke.K, s ntstatus.NTSTATUS) {
	recvs := e.recvs
	e.recvs = nil
	for _, op := range recvs {
		op.finish(k, s)
	}
}

// feed gives op what there is and reports whether op ends with it.
func (e *Endpoint) feed(k *ke.K, op *RecvOp) bool {
	x := e.stream
	if op.Drain {
		x.take(k, len(x.rx))
		return x.rxFin
	}
	n := min(op.Max-len(op.got), len(x.rx))
	if !op.All && n > 1 {
		switch e.stack.w.choose(k, &siteLength, len(siteLength.Alts)) {
		case 1:
			n /= 2
		case 2:
			n = 1
		}
	}
	op.got = append(op.got, x.rx[:n]...)
	x.take(k, n)
	switch {
	case x.rxFin && len(x.rx) == 0, len(op.got) == op.Max:
		return true
	case op.All:
		return false
	}
	return len(op.got) > 0
}

// Disconnect ends the sending direction behind what is queued and an optional last piece, or with abort the
// whole connection at once. A graceful one is done when the peer's transport has acknowledged the end.
func (e *Endpoint) Disconnect(k *ke.K, last []byte, abort bool, done Status) {
	defer e.leave(k, e.enters(k))
	in := CallFin
	if abort {
		in = CallAbort
	}
	if s := e.step(in); s != ntstatus.STATUS_SUCCESS {
		done(k, s)
		return
	}
	x := e.stream
	if abort {
		e.reason = ntstatus.STATUS_CONNECTION_ABORTED
		x.abort(k)
		x.fail(k, ntstatus.STATUS_CONNECTION_ABORTED)
		e.failReceives(k, ntstatus.STATUS_CONNECTION_ABORTED)
		x.end(k)
		done(k, ntstatus.STATUS_SUCCESS)
		return
	}
	if len(last) > 0 {
		x.send(k, last, nothing)
	}
	x.finDone = done
	x.fin(k)
}

func nothing(*ke.K, int, ntstatus.NTSTATUS) {}
