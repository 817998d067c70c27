package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// sendBuffer is how much a program can send ahead of its peer before send blocks.
const sendBuffer = 64 * 1024

// Socket is a socket of a process, Winsock-shaped: no IRPs, no WSK, but binds and connects are classified
// like everybody's. Its calls block the calling thread, which runs at PASSIVE_LEVEL; each is a scheduling
// point. They return a status; Errno says what the program sees.
type Socket struct {
	e      *Endpoint
	closed bool
	room   ke.Object // signalled when queued data was taken
	shutRd bool
	shutWr bool // of a datagram socket

	readers   Readers
	acceptors Acceptors
	froms     FromReaders

	unreachable bool         // nobody took a datagram, and the program does not know yet
	quiet       bool         // and does not want to (SIO_UDP_CONNRESET)
	polls       []*ke.Object // of those who wait in PollAll, once for each element
}

// NewSocket is socket(). Types other than SOCK_STREAM and SOCK_DGRAM are refused with STATUS_NOT_SUPPORTED.
func NewSocket(k *ke.K, p *ke.Process, af ws2def.ADDRESS_FAMILY, typ uint16) (*Socket, ntstatus.NTSTATUS) {
	if af != ws2def.AF_INET && af != ws2def.AF_INET6 ||
		typ != ws2def.SOCK_STREAM && typ != ws2def.SOCK_DGRAM {
		return nil, ntstatus.STATUS_NOT_SUPPORTED
	}
	s := Of(k)
	ke.Point(k, ke.Reads(ke.Table(trace.Socket, 0)))
	if typ == ws2def.SOCK_DGRAM {
		return wrap(s.NewDatagram(p, af == ws2def.AF_INET6)), ntstatus.STATUS_SUCCESS
	}
	return wrap(s.NewEndpoint(p, af == ws2def.AF_INET6)), ntstatus.STATUS_SUCCESS
}

func wrap(e *Endpoint) *Socket {
	s := &Socket{e: e, room: ke.Object{Kind: ke.SynchronizationEvent, ID: e.ID}}
	e.Owner = s
	return s
}

// Indicate serves the threads that wait.
func (s *Socket) Indicate(k *ke.K, e *Endpoint, i Indication) {
	s.readers.Hears(k, e, i)
	s.acceptors.Hears(k, e, i)
	s.froms.Hears(k, e, i)
	if i.Kind == Unreachable {
		s.closedPort(k)
	}
	s.wakes(k)
}

// Endpoint returns what the socket stands on.
func (s *Socket) Endpoint() *Endpoint { return s.e }

// enter is the beginning of every call.
func (s *Socket) enter(k *ke.K, what string) ntstatus.NTSTATUS {
	ke.Point(k, ke.Writes(s.e.ID))
	ke.Note(k, what, s.e.ID)
	if s.closed {
		return ntstatus.STATUS_INVALID_HANDLE
	}
	return ntstatus.STATUS_SUCCESS
}

// wait lets start begin an operation and blocks until it has ended. A thread that is to end gives it up:
// STATUS_CANCELLED.
func (s *Socket) wait(k *ke.K, why string, start func(done Status)) ntstatus.NTSTATUS {
	return s.waitAs(k, ke.WaitUser, why, start)
}

func (s *Socket) waitAs(k *ke.K, how ke.WaitHow, why string, start func(done Status)) ntstatus.NTSTATUS {
	o := &ke.Object{Kind: ke.NotificationEvent, ID: s.e.ID}
	got := ntstatus.STATUS_CANCELLED
	start(func(k *ke.K, st ntstatus.NTSTATUS) {
		got = st
		ke.SetSignal(k, o, 1)
	})
	if o.Signal == 0 {
		ke.WaitAs(k, how, []*ke.Object{o}, false, nil, why)
	}
	return got
}

// Reuse is setsockopt(SO_REUSEADDR), Exclusive setsockopt(SO_EXCLUSIVEADDRUSE), before bind.
func (s *Socket) Reuse(on bool) { s.e.Share = share(on, ShareReuse) }

// Exclusive is setsockopt(SO_EXCLUSIVEADDRUSE), before bind.
func (s *Socket) Exclusive(on bool) { s.e.Share = share(on, ShareExclusive) }

func share(on bool, how Sharing) Sharing {
	if on {
		return how
	}
	return ShareNone
}

// Bind is bind().
func (s *Socket) Bind(k *ke.K, addr netip.AddrPort) ntstatus.NTSTATUS {
	if st := s.enter(k, "bind"); st != ntstatus.STATUS_SUCCESS {
		return st
	}
	return s.wait(k, "bind", func(done Status) { s.e.Bind(k, addr, ke.ThreadOf(k), done) })
}

// Listen is listen().
func (s *Socket) Listen(k *ke.K, backlog int) ntstatus.NTSTATUS {
	if st := s.enter(k, "listen"); st != ntstatus.STATUS_SUCCESS {
		return st
	}
	if s.e.Datagrams() {
		return ntstatus.STATUS_NOT_SUPPORTED
	}
	return s.wait(k, "listen", func(done Status) { s.e.Listen(k, backlog, ke.ThreadOf(k), done) })
}

// Accept is accept().
func (s *Socket) Accept(k *ke.K) (*Socket, ntstatus.NTSTATUS) {
	if st := s.enter(k, "accept"); st != ntstatus.STATUS_SUCCESS {
		return nil, st
	}
	var got *Endpoint
	var a *Acceptor
	st := s.wait(k, "accept", func(done Status) {
		a = &Acceptor{Done: func(k *ke.K, e *Endpoint, st ntstatus.NTSTATUS) {
			got = e
			done(k, st)
		}}
		s.acceptors.Add(k, s.e, a)
	})
	if got == nil {
		s.acceptors.Cancel(k, s.e, a) // the thread is to end
		return nil, st
	}
	return wrap(got), st
}

// Connect is connect(). An unbound socket is bound to the wildcard address first. One for datagrams has addr
// as its only peer from then on; the zero address lifts that.
func (s *Socket) Connect(k *ke.K, addr netip.AddrPort) ntstatus.NTSTATUS {
	if st := s.enter(k, "connect"); st != ntstatus.STATUS_SUCCESS {
		return st
	}
	if s.e.Datagrams() {
		return s.wait(k, "connect", func(done Status) { s.e.ConnectTo(k, addr, ke.ThreadOf(k), done) })
	}
	defer s.wakes(k)
	return s.wait(k, "connect", func(done Status) { s.e.Connect(k, addr, true, ke.ThreadOf(k), done) })
}

// Send is send(): it blocks while the send buffer is full and returns when all of b is buffered. Of a
// datagram socket it is a datagram to the connected peer.
func (s *Socket) Send(k *ke.K, b []byte) (int, ntstatus.NTSTATUS) {
	if s.e.Datagrams() {
		return s.SendTo(k, b, netip.AddrPort{})
	}
	if st := s.enter(k, "send"); st != ntstatus.STATUS_SUCCESS {
		return 0, st
	}
	n := 0
	for n < len(b) {
		if st := s.sendable(); st != ntstatus.STATUS_SUCCESS {
			return n, st
		}
		m := min(len(b)-n, sendBuffer-s.e.Unsent())
		if m <= 0 {
			if ke.WaitAs(k, ke.WaitUser, []*ke.Object{&s.room}, false, nil,
				"send: the peer takes no more") != ntstatus.STATUS_SUCCESS {
				return n, ntstatus.STATUS_CANCELLED
			}
			continue
		}
		s.e.Send(k, append([]byte(nil), b[n:n+m]...), func(k *ke.K, _ int, _ ntstatus.NTSTATUS) {
			ke.SetSignal(k, &s.room, 1)
			s.wakes(k)
		})
		n += m
	}
	return n, s.sendable()
}

func (s *Socket) sendable() ntstatus.NTSTATUS {
	s.e.looked()
	switch st := s.e.st; {
	case st == Aborted:
		return s.e.reason
	case st == LocalFin || st == BothFin:
		return ntstatus.STATUS_GRACEFUL_DISCONNECT
	case st == Closed:
		return ntstatus.STATUS_CANCELLED
	case !st.MaySend():
		return ntstatus.STATUS_INVALID_CONNECTION
	}
	return ntstatus.STATUS_SUCCESS
}

// Recv is recv(): it blocks until there is data, and returns no bytes when the peer has finished sending.
func (s *Socket) Recv(k *ke.K, b []byte) (int, ntstatus.NTSTATUS) { return s.recv(k, b, false) }

// RecvAll is recv() with MSG_WAITALL.
func (s *Socket) RecvAll(k *ke.K, b []byte) (int, ntstatus.NTSTATUS) { return s.recv(k, b, true) }

func (s *Socket) recv(k *ke.K, b []byte, all bool) (int, ntstatus.NTSTATUS) {
	if s.e.Datagrams() {
		m, st := s.RecvMsg(k, len(b), 0)
		return copy(b, m.Data), st
	}
	if st := s.enter(k, "recv"); st != ntstatus.STATUS_SUCCESS {
		return 0, st
	}
	if !s.e.st.HasPeer() {
		return 0, ntstatus.STATUS_INVALID_CONNECTION
	}
	if s.shutRd {
		return 0, ntstatus.STATUS_GRACEFUL_DISCONNECT
	}
	n := 0
	var r *Reader
	st := s.wait(k, "recv", func(done Status) {
		r = &Reader{Max: len(b), All: all, Done: func(k *ke.K, got []byte, st ntstatus.NTSTATUS) {
			n = copy(b, got)
			done(k, st)
		}}
		s.readers.Add(k, s.e, r)
	})
	if st == ntstatus.STATUS_CANCELLED {
		s.readers.Cancel(k, s.e, r) // the thread is to end
	}
	return n, st
}

// Shutdown is shutdown() with one of ws2def's SD_ values. It does not wait for the peer.
func (s *Socket) Shutdown(k *ke.K, how int) ntstatus.NTSTATUS {
	if st := s.enter(k, "shutdown"); st != ntstatus.STATUS_SUCCESS {
		return st
	}
	if s.e.Datagrams() {
		s.shutRd, s.shutWr = s.shutRd || how != ws2def.SD_SEND, s.shutWr || how != ws2def.SD_RECEIVE
		return ntstatus.STATUS_SUCCESS
	}
	if !s.e.st.HasPeer() {
		return ntstatus.STATUS_INVALID_CONNECTION
	}
	s.shutRd = s.shutRd || how != ws2def.SD_SEND
	if how == ws2def.SD_RECEIVE || s.e.st == LocalFin || s.e.st == BothFin {
		return ntstatus.STATUS_SUCCESS
	}
	if s.e.st == Aborted {
		return s.e.reason
	}
	s.e.Disconnect(k, nil, false, func(*ke.K, ntstatus.NTSTATUS) {})
	return ntstatus.STATUS_SUCCESS
}

// Close is closesocket(): what is queued is still sent and followed by a FIN, unless received data was left
// unread.
func (s *Socket) Close(k *ke.K) ntstatus.NTSTATUS { return s.close(k, true) }

// Abort closes the socket with a reset, as SO_LINGER with a time-out of zero does.
func (s *Socket) Abort(k *ke.K) ntstatus.NTSTATUS { return s.close(k, false) }

func (s *Socket) close(k *ke.K, graceful bool) ntstatus.NTSTATUS {
	if st := s.enter(k, "close"); st != ntstatus.STATUS_SUCCESS {
		return st
	}
	s.closed = true
	s.acceptors.Fail(k, ntstatus.STATUS_CANCELLED)
	s.readers.Fail(k, ntstatus.STATUS_CANCELLED)
	s.froms.Fail(k, ntstatus.STATUS_CANCELLED)
	s.wakes(k)
	st := s.waitAs(k, 0, "closesocket", func(done Status) {
		s.e.Close(k, graceful, func(k *ke.K) { done(k, ntstatus.STATUS_SUCCESS) })
	})
	ke.SetSignal(k, &s.room, 1)
	return st
}

// Ioctl is WSAIoctl with one of the three redirect codes, or UDPConnReset. It returns the number of bytes
// written to out, or that the query needs.
func (s *Socket) Ioctl(k *ke.K, code uint32, in, out []byte) (int, ntstatus.NTSTATUS) {
	if st := s.enter(k, "ioctl"); st != ntstatus.STATUS_SUCCESS {
		return 0, st
	}
	var b []byte
	var st ntstatus.NTSTATUS
	switch code {
	case UDPConnReset:
		if !s.e.Datagrams() || len(in) == 0 {
			return 0, ntstatus.STATUS_INVALID_PARAMETER
		}
		s.quiet = in[0] == 0
		return 0, ntstatus.STATUS_SUCCESS
	case SetRecords:
		return 0, s.e.SetRecords(k, uint64(len(in)), append([]byte(nil), in...))
	case QueryRecords, QueryContext:
		if !s.e.st.HasPeer() {
			return 0, ntstatus.STATUS_INVALID_CONNECTION
		}
		if code == QueryRecords {
			b, st = s.e.QueryRecords(k)
		} else {
			b, st = s.e.QueryContext(k)
		}
	default:
		return 0, ntstatus.STATUS_NOT_SUPPORTED
	}
	if st != ntstatus.STATUS_SUCCESS {
		return 0, st
	}
	transfer, n, st := Sizing(uint64(len(b)), uint64(len(out)))
	if transfer {
		copy(out, b)
	}
	return int(n), st
}

// LocalAddr is getsockname(), PeerAddr getpeername().
func (s *Socket) LocalAddr() netip.AddrPort { return s.e.Local() }

// PeerAddr is getpeername(): the address the program asked for.
func (s *Socket) PeerAddr() netip.AddrPort { return s.e.Peer() }

// ID names the socket in traces.
func (s *Socket) ID() trace.ID { return s.e.ID }
