package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// Reader is one receive of an owner: WskReceive, recv. No bytes and STATUS_SUCCESS mean that the peer has
// finished sending, unless Max is zero.
type Reader struct {
	Max   int  // at most so many bytes
	All   bool // not before there are Max, unless the stream ends (WSK_FLAG_WAITALL, MSG_WAITALL)
	Drain bool // discard everything until the stream ends (WSK_FLAG_DRAIN)
	Done  func(k *ke.K, b []byte, s ntstatus.NTSTATUS)
	got   []byte
}

// feed takes what there is and reports whether the receive ends with it.
func (r *Reader) feed(k *ke.K, e *Endpoint) bool {
	if r.Drain {
		e.Release(k, len(e.Take(e.Available())))
		return e.stream.rxFin
	}
	n := min(r.Max-len(r.got), e.Available())
	if !r.All && n > 1 {
		switch e.stack.w.choose(k, &siteLength, len(siteLength.Alts)) {
		case 1:
			n /= 2
		case 2:
			n = 1
		}
	}
	r.got = append(r.got, e.Take(n)...)
	e.Release(k, n)
	switch {
	case e.stream.rxFin && e.Available() == 0, len(r.got) == r.Max:
		return true
	case r.All:
		return false
	}
	return len(r.got) > 0
}

// Readers are the receives an owner has pending on one endpoint, served in the order they came. The owner
// passes on what it hears.
type Readers struct {
	queue []*Reader
	held  bool // what has arrived is being shown to somebody else
}

// Pending reports whether receives wait.
func (q *Readers) Pending() bool { return len(q.queue) > 0 }

// Hold keeps what has arrived from the receives until Go: the owner is shown it in another way.
func (q *Readers) Hold() { q.held = true }

// Go serves the receives again.
func (q *Readers) Go(k *ke.K, e *Endpoint) {
	q.held = false
	if e.stream != nil {
		q.serve(k, e)
	}
}

// Add begins a receive. It may be over, in which case Done has been called, when Add returns.
func (q *Readers) Add(k *ke.K, e *Endpoint, r *Reader) {
	defer e.leave(k, e.enters(k))
	switch {
	case e.st == Aborted:
		r.Done(k, nil, e.reason)
	case !e.st.HasPeer():
		r.Done(k, nil, ntstatus.STATUS_INVALID_DEVICE_STATE)
	default:
		q.queue = append(q.queue, r)
		q.serve(k, e)
	}
}

// Hears serves the receives after an indication.
func (q *Readers) Hears(k *ke.K, e *Endpoint, i Indication) {
	switch i.Kind {
	case Readable, Finished:
		q.serve(k, e)
	case Reset:
		q.Fail(k, e.reason)
	}
}

func (q *Readers) serve(k *ke.K, e *Endpoint) {
	for len(q.queue) > 0 && !q.held && !e.stream.over {
		r := q.queue[0]
		if !r.feed(k, e) {
			return
		}
		q.queue = q.queue[1:]
		r.Done(k, r.got, ntstatus.STATUS_SUCCESS)
	}
}

// Cancel ends a receive with STATUS_CANCELLED; what a WAITALL receive has collected is given along. False
// when it has ended already.
func (q *Readers) Cancel(k *ke.K, e *Endpoint, r *Reader) bool {
	defer e.leave(k, e.enters(k))
	for i, o := range q.queue {
		if o == r {
			q.queue = list.Cut(q.queue, i)
			r.Done(k, r.got, ntstatus.STATUS_CANCELLED)
			return true
		}
	}
	return false
}

// Fail ends all receives.
func (q *Readers) Fail(k *ke.K, s ntstatus.NTSTATUS) {
	queue := q.queue
	q.queue = nil
	for _, r := range queue {
		r.Done(k, r.got, s)
	}
}
