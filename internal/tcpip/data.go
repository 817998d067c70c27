package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// Send queues data, which must not change any more. done is called with the number of bytes when the peer's
// transport has all of them: there is no buffer in between that would end the operation earlier.
func (e *Endpoint) Send(k *ke.K, data []byte, done func(k *ke.K, n int, s ntstatus.NTSTATUS)) {
	defer ke.Leave(k, e.enters(k))
	switch {
	case e.st == Aborted:
		done(k, 0, e.reason)
	case !e.st.MaySend():
		done(k, 0, ntstatus.STATUS_INVALID_DEVICE_STATE)
	case len(data) == 0:
		done(k, 0, ntstatus.STATUS_SUCCESS) // wsk.md 25.35
	default:
		e.side.queue(k, &sendOp{data: data, done: done})
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
	sd   *side
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
	defer ke.Leave(k, op.sd.c.enters(k))
	if op.over {
		return false
	}
	for i, o := range op.sd.recvs {
		if o == op {
			op.sd.recvs = list.Cut(op.sd.recvs, i)
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
	defer ke.Leave(k, e.enters(k))
	switch {
	case e.st == Aborted:
		r.Done(k, nil, e.reason)
		return nil
	case !e.st.HasPeer():
		r.Done(k, nil, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return nil
	}
	op := &RecvOp{Receive: r, sd: e.side}
	e.side.recvs = append(e.side.recvs, op)
	e.side.serve(k)
	if op.over {
		return nil
	}
	return op
}

// Available returns the number of bytes that can be received now.
func (e *Endpoint) Available() int {
	e.looked()
	if e.side == nil {
		return 0
	}
	return len(e.side.rx)
}

// serve gives received bytes to those who wait for them.
func (sd *side) serve(k *ke.K) {
	for len(sd.recvs) > 0 && !sd.dead {
		op := sd.recvs[0]
		if !sd.feed(k, op) {
			return
		}
		sd.recvs = sd.recvs[1:]
		op.finish(k, ntstatus.STATUS_SUCCESS)
	}
}

// feed gives op what there is and reports whether op ends with it.
func (sd *side) feed(k *ke.K, op *RecvOp) bool {
	if op.Drain {
		sd.take(len(sd.rx))
		return sd.rxFin
	}
	n := min(op.Max-len(op.got), len(sd.rx))
	if !op.All && n > 1 {
		switch ke.Choose(k, &siteLength, len(siteLength.Alts)) {
		case 1:
			n /= 2
		case 2:
			n = 1
		}
	}
	op.got = append(op.got, sd.rx[:n]...)
	sd.take(n)
	switch {
	case sd.rxFin && len(sd.rx) == 0, len(op.got) == op.Max:
		return true
	case op.All:
		return false
	}
	return len(op.got) > 0
}

// take removes n received bytes; a sender that waits for room hears of it.
func (sd *side) take(n int) {
	sd.rx = sd.rx[n:]
	if n > 0 && sd.peer().unsent() != nil {
		sd.send("window", func(k *ke.K) { sd.peer().pump(k) })
	}
}

// Disconnect ends the sending direction behind what is queued and an optional last piece, or with abort the
// whole connection at once. A graceful one is done when the peer's transport has acknowledged the end.
func (e *Endpoint) Disconnect(k *ke.K, last []byte, abort bool, done Status) {
	defer ke.Leave(k, e.enters(k))
	in := CallFin
	if abort {
		in = CallAbort
	}
	if s := e.step(in); s != ntstatus.STATUS_SUCCESS {
		done(k, s)
		return
	}
	sd := e.side
	if abort {
		e.reason = ntstatus.STATUS_CONNECTION_ABORTED
		sd.reset(k)
		sd.fail(k, ntstatus.STATUS_CONNECTION_ABORTED)
		sd.c.end(k, sd.n)
		done(k, ntstatus.STATUS_SUCCESS)
		return
	}
	if len(last) > 0 {
		sd.tx = append(sd.tx, &sendOp{data: last, done: nothing})
		sd.queued += len(last)
	}
	sd.finWant, sd.finDone = true, done
	sd.pump(k)
}

func nothing(*ke.K, int, ntstatus.NTSTATUS) {}
