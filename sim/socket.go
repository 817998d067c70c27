package sim

import (
	"fmt"
	"net/netip"

	"calloutsim/internal/tcpip"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Socket is a socket of a process, Winsock-shaped. Its calls block the thread that makes them; what it sends,
// the connections it makes and accepts are classified like everybody's. Not modelled: overlapped calls.
type Socket struct {
	u *User
	s *tcpip.Socket
}

// SocketError is what a program sees when a call fails, and the status below it.
type SocketError struct {
	Call   string // "connect"
	Errno  uint32 // 10061
	Status ntstatus.NTSTATUS
}

// Error prints the call, the Winsock error and the status.
func (e *SocketError) Error() string {
	return fmt.Sprintf("%s: %s (%d), %v", e.Call, errnoName(e.Errno), e.Errno, e.Status)
}

func failed(call string, s ntstatus.NTSTATUS) error {
	if errno := tcpip.Errno(s); errno != 0 {
		return &SocketError{Call: call, Errno: errno, Status: s}
	}
	return nil
}

// errnoName gives the name of a Winsock error.
func errnoName(n uint32) string {
	switch n {
	case ws2def.WSAEACCES:
		return "WSAEACCES"
	case ws2def.WSAEFAULT:
		return "WSAEFAULT"
	case ws2def.WSAENOTSOCK:
		return "WSAENOTSOCK"
	case ws2def.WSAEMSGSIZE:
		return "WSAEMSGSIZE"
	case ws2def.WSAEOPNOTSUPP:
		return "WSAEOPNOTSUPP"
	case ws2def.WSAEADDRINUSE:
		return "WSAEADDRINUSE"
	case ws2def.WSAEADDRNOTAVAIL:
		return "WSAEADDRNOTAVAIL"
	case ws2def.WSAENETUNREACH:
		return "WSAENETUNREACH"
	case ws2def.WSAECONNABORTED:
		return "WSAECONNABORTED"
	case ws2def.WSAECONNRESET:
		return "WSAECONNRESET"
	case ws2def.WSAENOBUFS:
		return "WSAENOBUFS"
	case ws2def.WSAEISCONN:
		return "WSAEISCONN"
	case ws2def.WSAENOTCONN:
		return "WSAENOTCONN"
	case ws2def.WSAESHUTDOWN:
		return "WSAESHUTDOWN"
	case ws2def.WSAETIMEDOUT:
		return "WSAETIMEDOUT"
	case ws2def.WSAECONNREFUSED:
		return "WSAECONNREFUSED"
	case ws2def.WSAEHOSTUNREACH:
		return "WSAEHOSTUNREACH"
	case ws2def.WSAHOST_NOT_FOUND:
		return "WSAHOST_NOT_FOUND"
	case ws2def.ERROR_INSUFFICIENT_BUFFER:
		return "ERROR_INSUFFICIENT_BUFFER"
	case ws2def.ERROR_NOT_FOUND:
		return "ERROR_NOT_FOUND"
	}
	return "WSAEINVAL"
}

// Socket is socket() for a stream; af is AF_INET or AF_INET6.
func (u *User) Socket(af ws2def.ADDRESS_FAMILY) (*Socket, error) {
	u.here("socket")
	s, st := tcpip.NewSocket(u.k, u.p.p, af, ws2def.SOCK_STREAM)
	u.leave()
	if s == nil {
		return nil, failed("socket", st)
	}
	u.p.sockets = append(u.p.sockets, s)
	return &Socket{u, s}, nil
}

// Dial is socket() and connect().
func (u *User) Dial(addr netip.AddrPort) (*Socket, error) {
	s, err := u.Socket(ws2def.FamilyOf(addr.Addr()))
	if err != nil {
		return nil, err
	}
	return s, s.Connect(addr)
}

// Listen is socket(), bind() and listen().
func (u *User) Listen(addr netip.AddrPort) (*Socket, error) {
	s, err := u.Socket(ws2def.FamilyOf(addr.Addr()))
	if err != nil {
		return nil, err
	}
	if err := s.Bind(addr); err != nil {
		return s, err
	}
	return s, s.Listen(0)
}

// For gives the socket to another thread of the process.
func (s *Socket) For(u *User) *Socket { return &Socket{u, s.s} }

// Reuse is setsockopt(SO_REUSEADDR), before Bind.
func (s *Socket) Reuse(on bool) { s.s.Reuse(on) }

// Exclusive is setsockopt(SO_EXCLUSIVEADDRUSE), before Bind.
func (s *Socket) Exclusive(on bool) { s.s.Exclusive(on) }

// Bind is bind().
func (s *Socket) Bind(addr netip.AddrPort) error {
	s.u.here("bind")
	return leaving(s.u, failed("bind", s.s.Bind(s.u.k, addr)))
}

// Listen is listen(); a backlog of 0 means the usual one.
func (s *Socket) Listen(backlog int) error {
	s.u.here("listen")
	return leaving(s.u, failed("listen", s.s.Listen(s.u.k, backlog)))
}

// Accept is accept().
func (s *Socket) Accept() (*Socket, error) {
	s.u.here("accept")
	a, st := s.s.Accept(s.u.k)
	if a != nil {
		s.u.p.sockets = append(s.u.p.sockets, a)
	}
	s.u.leave()
	if a == nil {
		return nil, failed("accept", st)
	}
	return &Socket{s.u, a}, nil
}

// Connect is connect(). A socket that is not bound is bound first.
func (s *Socket) Connect(addr netip.AddrPort) error {
	s.u.here("connect")
	return leaving(s.u, failed("connect", s.s.Connect(s.u.k, addr)))
}

// Send is send(): it returns when all of b is buffered.
func (s *Socket) Send(b []byte) (int, error) {
	s.u.here("send")
	n, st := s.s.Send(s.u.k, b)
	return n, leaving(s.u, failed("send", st))
}

// Recv is recv(): it blocks until there is data. No bytes and no error mean that the peer has finished
// sending.
func (s *Socket) Recv(b []byte) (int, error) {
	s.u.here("recv")
	n, st := s.s.Recv(s.u.k, b)
	return n, leaving(s.u, failed("recv", st))
}

// RecvAll is recv() with MSG_WAITALL.
func (s *Socket) RecvAll(b []byte) (int, error) {
	s.u.here("recv")
	n, st := s.s.RecvAll(s.u.k, b)
	return n, leaving(s.u, failed("recv", st))
}

// Shutdown is shutdown() with one of ws2def's SD_ values.
func (s *Socket) Shutdown(how int) error {
	s.u.here("shutdown")
	return leaving(s.u, failed("shutdown", s.s.Shutdown(s.u.k, how)))
}

// Close is closesocket().
func (s *Socket) Close() error {
	s.u.here("closesocket")
	st := s.s.Close(s.u.k)
	s.u.p.disown(s.s)
	return leaving(s.u, failed("closesocket", st))
}

// Abort closes with a reset, as SO_LINGER with a time-out of zero does.
func (s *Socket) Abort() error {
	s.u.here("closesocket")
	st := s.s.Abort(s.u.k)
	s.u.p.disown(s.s)
	return leaving(s.u, failed("closesocket", st))
}

// Ioctl is WSAIoctl with one of the SIO_*_WFP_CONNECTION_REDIRECT_* codes. It returns the bytes written to
// out or needed.
func (s *Socket) Ioctl(code uint32, in, out []byte) (int, error) {
	s.u.here("WSAIoctl")
	n, st := s.s.Ioctl(s.u.k, code, in, out)
	return n, leaving(s.u, failed("WSAIoctl", st))
}

// LocalAddr is getsockname().
func (s *Socket) LocalAddr() netip.AddrPort { return s.s.LocalAddr() }

// PeerAddr is getpeername(): the address the program asked for, whatever became of the connection.
func (s *Socket) PeerAddr() netip.AddrPort { return s.s.PeerAddr() }

// Dial starts a thread that connects to addr. A remote address that nobody has declared is declared as a
// host that accepts and echoes.
func (p *Process) Dial(addr netip.AddrPort) *Connection {
	p.m.reachable(addr.Addr())
	c := &Connection{status: ntstatus.STATUS_PENDING}
	p.Go("connect", func(u *User) {
		c.socket, c.err = u.Dial(addr)
		c.status = statusOf(c.err)
	})
	return c
}

// Connection is what Dial makes; ask after the machine has run.
type Connection struct {
	socket *Socket
	err    error
	status ntstatus.NTSTATUS
}

// Status gives what the stack ended the connect with; STATUS_PENDING while it has not ended.
func (c *Connection) Status() ntstatus.NTSTATUS { return c.status }

// Err gives what the program saw.
func (c *Connection) Err() error { return c.err }

// Socket gives the connected socket, for other threads of the process (Socket.For); nil before the end.
func (c *Connection) Socket() *Socket { return c.socket }

func statusOf(err error) ntstatus.NTSTATUS {
	if e, ok := err.(*SocketError); ok {
		return e.Status
	}
	return ntstatus.STATUS_SUCCESS
}

// Serve starts a thread that listens on addr and a thread for each connection it accepts, which runs
// handle; without one, what arrives is sent back until the peer has finished.
func (p *Process) Serve(addr netip.AddrPort, handle ...func(u *User, s *Socket)) *Server {
	srv := &Server{status: ntstatus.STATUS_PENDING}
	serve := echo
	if len(handle) > 0 {
		serve = handle[0]
	}
	p.Go("serve", func(u *User) {
		l, err := u.Listen(addr)
		srv.err, srv.status = err, statusOf(err)
		for err == nil {
			var s *Socket
			if s, err = l.Accept(); err == nil {
				srv.accepted++
				p.Go("connection", func(u *User) { serve(u, s.For(u)) })
			}
		}
	})
	return srv
}

// Server is what Serve makes; ask after the machine has run.
type Server struct {
	accepted int
	err      error
	status   ntstatus.NTSTATUS
}

// Status gives what listening ended with; STATUS_PENDING before that.
func (s *Server) Status() ntstatus.NTSTATUS { return s.status }

// Err gives why the server does not listen.
func (s *Server) Err() error { return s.err }

// Accepted gives the number of connections accepted so far.
func (s *Server) Accepted() int { return s.accepted }

func echo(_ *User, s *Socket) {
	b := make([]byte, 4096)
	for {
		n, err := s.Recv(b)
		if n == 0 || err != nil {
			break
		}
		if _, err := s.Send(b[:n]); err != nil {
			break
		}
	}
	_ = s.Close() // the peer may have gone already
}
