package tcpip

import (
	"calloutsim/internal/ke"
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

// Available returns the number of bytes that can be received now.
func (e *Endpoint) Available() int {
	e.looked()
	if e.stream == nil {
		return 0
	}
	return len(e.stream.rx)
}

// Take gives up to max received bytes, oldest first. They take up room until Release.
func (e *Endpoint) Take(max int) []byte {
	x := e.stream
	n := min(max, len(x.rx))
	b := x.rx[:n:n]
	x.rx = x.rx[n:]
	return b
}

// PutBack makes bytes that were taken, and not released, the first to be received again.
func (e *Endpoint) PutBack(b []byte) {
	if x := e.stream; x != nil && !x.over {
		x.rx = append(b[:len(b):len(b)], x.rx...)
	}
}

// Release makes room for n bytes that were taken, which the peer may hear of.
func (e *Endpoint) Release(k *ke.K, n int) {
	if n > 0 && !e.stream.over {
		defer e.leave(k, e.enters(k))
		x := e.stream
		m := min(n, x.in.extra) // what a callout has added takes up no room of the peer's
		if x.in.extra -= m; n > m {
			x.carry(k, x.conn.Release(n-m))
		}
	}
}

// SetWindow changes how many bytes are taken before the owner reads. What the peer has been told of stays
// promised.
func (e *Endpoint) SetWindow(k *ke.K, n int) {
	defer e.leave(k, e.enters(k))
	e.Window = n
	if x := e.stream; x != nil && x.conn != nil {
		x.carry(k, x.conn.SetRoom(n))
	}
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
		x.tell(k, Reset)
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
