package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/ntstatus"
)

// Poll is an element of WSAPoll(): what is asked about a socket, and what is so.
type Poll struct {
	Socket          *Socket
	Events, Returns PollEvents
}

// PollEvents are the bits of WSAPOLLFD.
type PollEvents uint16

// The events. The first two may be asked for.
const (
	PollIn   PollEvents = 0x0100 // POLLRDNORM: a call to receive or accept would not block
	PollOut  PollEvents = 0x0010 // POLLWRNORM: a send would not block
	PollErr  PollEvents = 0x0001 // POLLERR: the connection is broken
	PollHup  PollEvents = 0x0002 // POLLHUP: the peer has finished, or reset
	PollNval PollEvents = 0x0004 // POLLNVAL: the socket is closed
)

// PollAll is WSAPoll(), and select(): it blocks until something that is asked for is so, or the time-out has
// passed (nil: never, 0: not at all; in 100 ns). It returns for how many sockets there is something.
func PollAll(k *ke.K, fds []Poll, timeout *int64) (int, ntstatus.NTSTATUS) {
	if len(fds) == 0 {
		return 0, ntstatus.STATUS_INVALID_PARAMETER // WSAEINVAL
	}
	ke.Point(k, ke.Writes(fds[0].Socket.e.ID))
	ke.Note(k, "poll", fds[0].Socket.e.ID)
	o := &ke.Object{Kind: ke.SynchronizationEvent, ID: fds[0].Socket.e.ID}
	var until *int64
	if timeout != nil && *timeout != 0 {
		at := Of(k).w.now() + *timeout
		until = &at
	}
	for {
		if n := polled(k, fds); n > 0 || timeout != nil && until == nil {
			return n, ntstatus.STATUS_SUCCESS
		}
		for i := range fds {
			s := fds[i].Socket
			s.polls = append(s.polls, o)
		}
		st := ke.WaitAs(k, ke.WaitUser, []*ke.Object{o}, false, until, "poll")
		for i := range fds {
			fds[i].Socket.unpoll(k, o)
		}
		switch {
		case st == ntstatus.STATUS_TIMEOUT:
			return polled(k, fds), ntstatus.STATUS_SUCCESS
		case st != ntstatus.STATUS_SUCCESS:
			return 0, ntstatus.STATUS_CANCELLED
		}
	}
}

// polled asks all sockets.
func polled(k *ke.K, fds []Poll) (n int) {
	for i := range fds {
		p := &fds[i]
		ke.Adds(k, ke.Writes(p.Socket.e.ID))
		if p.Returns = p.Socket.ready() & (p.Events | PollErr | PollHup | PollNval); p.Returns != 0 {
			n++
		}
	}
	return n
}

func (s *Socket) unpoll(k *ke.K, o *ke.Object) {
	ke.Adds(k, ke.Writes(s.e.ID))
	for i, x := range s.polls {
		if x == o {
			s.polls = list.Cut(s.polls, i)
			return
		}
	}
}

// wakes lets those who poll look again.
func (s *Socket) wakes(k *ke.K) {
	for _, o := range s.polls {
		ke.SetSignal(k, o, 1)
	}
}

// ready says what is so.
func (s *Socket) ready() (is PollEvents) {
	e := s.e
	if s.closed {
		return PollNval
	}
	if e.udp != nil {
		if len(e.udp.queue) > 0 || s.unreachable {
			is |= PollIn
		}
		return is | PollOut
	}
	switch {
	case e.st == Listening:
		if len(e.ready) > 0 {
			is |= PollIn
		}
		return is
	case e.st == Aborted:
		return PollErr | PollHup | PollIn
	case !e.st.HasPeer():
		return 0
	}
	if e.stream.rxFin {
		is |= PollHup
	}
	if len(e.stream.rx) > 0 || e.stream.rxFin {
		is |= PollIn
	}
	if e.st.MaySend() && e.stream.unacked < sendBuffer {
		is |= PollOut
	}
	return is
}
