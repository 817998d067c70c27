package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// waiters are those who wait for something whole on one endpoint, served in the order they came. The owner
// passes on what it hears.
type waiters[T any] struct{ queue []*waiter[T] }

// waiter is one of them.
type waiter[T any] struct {
	Done func(k *ke.K, got *T, s ntstatus.NTSTATUS) // got is nil unless s is STATUS_SUCCESS
}

// Acceptors wait for a connection on a listening endpoint: accept, WskAccept.
type Acceptors struct{ waiters[Endpoint] }

// Acceptor is one of them.
type Acceptor = waiter[Endpoint]

// FromReaders wait for a datagram: recvfrom, WskReceiveFrom.
type FromReaders struct{ waiters[Datagram] }

// FromReader is one of them.
type FromReader = waiter[Datagram]

// Pending reports whether anybody waits.
//
//go:norace
func (q *waiters[T]) Pending() bool { return len(q.queue) > 0 }

// Add begins to wait. It may be over, in which case Done has been called, when Add returns.
func (q *Acceptors) Add(k *ke.K, e *Endpoint, a *Acceptor) {
	q.add(k, e, Listening, a, e.Accept)
}

// Add begins to wait. It may be over, in which case Done has been called, when Add returns.
func (q *FromReaders) Add(k *ke.K, e *Endpoint, r *FromReader) {
	q.add(k, e, Bound, r, e.TakeFrom)
}

//go:norace
func (q *waiters[T]) add(k *ke.K, e *Endpoint, st State, w *waiter[T], take func(k *ke.K) *T) {
	defer e.leave(k, e.enters(k))
	if e.st != st {
		w.Done(k, nil, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return
	}
	q.queue = append(q.queue, w)
	q.serve(k, take)
}

// Hears gives to those who wait what an indication says is there.
func (q *Acceptors) Hears(k *ke.K, e *Endpoint, i Indication) {
	if i.Kind == Incoming {
		q.serve(k, e.Accept)
	}
}

// Hears gives to those who wait what an indication says is there.
func (q *FromReaders) Hears(k *ke.K, e *Endpoint, i Indication) {
	if i.Kind == Readable {
		q.serve(k, e.TakeFrom)
	}
}

// Go serves those who wait, after the owner has kept a connection from them.
func (q *Acceptors) Go(k *ke.K, e *Endpoint) { q.serve(k, e.Accept) }

// Go serves those who wait.
func (q *FromReaders) Go(k *ke.K, e *Endpoint) {
	if e.udp != nil {
		q.serve(k, e.TakeFrom)
	}
}

//go:norace
func (q *waiters[T]) serve(k *ke.K, take func(k *ke.K) *T) {
	for len(q.queue) > 0 {
		got := take(k)
		if got == nil {
			return
		}
		w := q.queue[0]
		q.queue = q.queue[1:]
		w.Done(k, got, ntstatus.STATUS_SUCCESS)
	}
}

// Cancel ends a wait with STATUS_CANCELLED. False when it has ended already.
//
//go:norace
func (q *waiters[T]) Cancel(k *ke.K, e *Endpoint, w *waiter[T]) bool {
	defer e.leave(k, e.enters(k))
	for i, o := range q.queue {
		if o == w {
			q.queue = list.Cut(q.queue, i)
			w.Done(k, nil, ntstatus.STATUS_CANCELLED)
			return true
		}
	}
	return false
}

// Fail ends all waits.
//
//go:norace
func (q *waiters[T]) Fail(k *ke.K, s ntstatus.NTSTATUS) {
	queue := q.queue
	q.queue = nil
	for _, w := range queue {
		w.Done(k, nil, s)
	}
}
