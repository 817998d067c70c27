package sim

import (
	"net/netip"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Message is what RecvMsg gives: a datagram with its sender, flags (MSG_TRUNC and its like) and ancillary
// data, a sequence of CMSGHDR objects.
type Message = tcpip.Message

// Datagrams is socket() for datagrams; af is AF_INET or AF_INET6. Bind, Connect, Send, Recv, Shutdown and
// Close do with it what they do in Winsock.
func (u *User) Datagrams(af ws2def.ADDRESS_FAMILY) (*Socket, error) {
	u.here("socket")
	s, st := tcpip.NewSocket(u.k, u.p.p, af, ws2def.SOCK_DGRAM)
	u.leave()
	if s == nil {
		return nil, failed("socket", st)
	}
	u.p.sockets = append(u.p.sockets, s)
	return &Socket{u, s}, nil
}

// SendTo is sendto(). A socket that is not bound is bound first.
func (s *Socket) SendTo(b []byte, to netip.AddrPort) (int, error) {
	s.u.here("sendto")
	n, st := s.s.SendTo(s.u.k, b, to)
	return n, leaving(s.u, failed("sendto", st))
}

// RecvFrom is recvfrom(): it blocks until there is a datagram. WSAEMSGSIZE says that it was longer than b;
// WSAECONNRESET, once, that nobody took what was sent before.
func (s *Socket) RecvFrom(b []byte) (int, netip.AddrPort, error) {
	s.u.here("recvfrom")
	m, st := s.s.RecvMsg(s.u.k, len(b), 0)
	return copy(b, m.Data), m.From, leaving(s.u, failed("recvfrom", st))
}

// SendMsg is WSASendMsg(): SendTo with ancillary data, which ws2def.AppendCMSG makes.
func (s *Socket) SendMsg(b []byte, to netip.AddrPort, control []byte) (int, error) {
	s.u.here("WSASendMsg")
	n, st := s.s.SendMsg(s.u.k, b, to, control)
	return n, leaving(s.u, failed("WSASendMsg", st))
}

// RecvMsg is WSARecvMsg(): RecvFrom with flags and with the ancillary data that options ask for. At most max
// bytes of the datagram are received, and what fits into room bytes of control data.
func (s *Socket) RecvMsg(max, room int) (Message, error) {
	s.u.here("WSARecvMsg")
	m, st := s.s.RecvMsg(s.u.k, max, room)
	return m, leaving(s.u, failed("WSARecvMsg", st))
}

// SetOption is setsockopt() with a number as the option's value; of options to join and leave a multicast
// group it is the address of the group (SetOptionBytes).
func (s *Socket) SetOption(level, option, value uint32) error {
	return s.SetOptionBytes(level, option, []byte{byte(value), byte(value >> 8), byte(value >> 16),
		byte(value >> 24)})
}

// SetOptionBytes is setsockopt() with the bytes of the option's value.
func (s *Socket) SetOptionBytes(level, option uint32, value []byte) error {
	s.u.here("setsockopt")
	return leaving(s.u, failed("setsockopt", s.s.SetOption(s.u.k, level, option, value)))
}

// Lookup is getaddrinfo() for a name: its addresses in the order of their declaration.
func (u *User) Lookup(name string) ([]netip.Addr, error) {
	u.here("getaddrinfo")
	addrs := tcpip.Lookup(u.k, name)
	u.leave()
	if len(addrs) == 0 {
		return nil, &SocketError{Call: "getaddrinfo", Errno: ws2def.WSAHOST_NOT_FOUND,
			Status: ntstatus.STATUS_NOT_FOUND}
	}
	return addrs, nil
}

// PollEvents are the bits of WSAPOLLFD; PollIn and PollOut may be asked for.
type PollEvents = tcpip.PollEvents

// What Poll asks for and tells: POLLRDNORM, POLLWRNORM, POLLERR, POLLHUP, POLLNVAL.
const (
	PollIn   = tcpip.PollIn
	PollOut  = tcpip.PollOut
	PollErr  = tcpip.PollErr
	PollHup  = tcpip.PollHup
	PollNval = tcpip.PollNval
)

// PollFD is a socket with what is asked about it, and what is so.
type PollFD struct {
	Socket          *Socket
	Events, Returns PollEvents
}

// Poll is WSAPoll(), which does what select() does: it blocks until something that is asked for is so, or the
// time has passed; a negative one never passes. It returns for how many sockets there is something.
func (u *User) Poll(fds []PollFD, timeout time.Duration) (int, error) {
	u.here("WSAPoll")
	list := make([]tcpip.Poll, len(fds))
	for i, f := range fds {
		list[i] = tcpip.Poll{Socket: f.Socket.s, Events: f.Events}
	}
	var due *int64
	if timeout >= 0 {
		ticks := timeout.Nanoseconds() * ke.Second / int64(time.Second)
		due = &ticks
	}
	n, st := tcpip.PollAll(u.k, list, due)
	for i := range fds {
		fds[i].Returns = list[i].Returns
	}
	return n, leaving(u, failed("WSAPoll", st))
}
