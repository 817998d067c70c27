package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// FromReaders are those who wait for a datagram on one endpoint, served in the order they came. The owner
// passes on what it hears.
type FromReaders struct{ queue []*FromReader }

// Pending reports whether anybody waits.
func (q *FromReaders) Pending() bool { return len(q.queue) > 0 }

// FromReader is one of them: recvfrom, WskReceiveFrom.
type FromReader struct {
	Done func(k *ke.K, d *Datagram, s ntstatus.NTSTATUS) // d is nil unless s is STATUS_SUCCESS
}

// Add begins to wait. It may be over, in which case Done has been called, when Add returns.
func (q *FromReaders) Add(k *ke.K, e *Endpoint, r *FromReader) {
	defer e.leave(k, e.enters(k))
	if e.st != Bound {
		r.Done(k, nil, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return
	}
	q.queue = append(q.queue, r)
	q.serve(k, e)
}

// Hears gives to those who wait what an indication says is there.
func (q *FromReaders) Hears(k *ke.K, e *Endpoint, i Indication) {
	if i.Kind == Readable {
		q.serve(k, e)
	}
}

// Go serves those who wait.
func (q *FromReaders) Go(k *ke.K, e *Endpoint) {
	if e.udp != nil {
		q.serve(k, e)
	}
}

func (q *FromReaders) serve(k *ke.K, e *Endpoint) {
	for len(q.queue) > 0 {
		d := e.TakeFrom(k)
		if d == nil {
			return
		}
		r := q.queue[0]
		q.queue = q.queue[1:]
		r.Done(k, d, ntstatus.STATUS_SUCCESS)
	}
}

// Cancel ends a wait with STATUS_CANCELLED. False when it has ended already.
func (q *FromReaders) Cancel(k *ke.K, e *Endpoint, r *FromReader) bool {
	defer e.leave(k, e.enters(k))
	for i, o := range q.queue {
		if o == r {
			q.queue = list.Cut(q.queue, i)
			r.Done(k, nil, ntstatus.STATUS_CANCELLED)
			return true
		}
	}
	return false
}

// Fail ends all waits.
func (q *FromReaders) Fail(k *ke.K, s ntstatus.NTSTATUS) {
	queue := q.queue
	q.queue = nil
	for _, r := range queue {
		r.Done(k, nil, s)
	}
}
