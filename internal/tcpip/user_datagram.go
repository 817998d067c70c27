package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Message is what recvmsg gives: a datagram, or as much of it as there was room for.
type Message struct {
	From    netip.AddrPort
	Data    []byte
	Control []byte // whole objects (CMSGHDR)
	Flags   uint32 // MSG_TRUNC and its like
}

// SendTo is sendto() of a datagram socket; the zero address is send() to the connected peer. An unbound
// socket is bound to the wildcard address first.
func (s *Socket) SendTo(k *ke.K, b []byte, to netip.AddrPort) (int, ntstatus.NTSTATUS) {
	return s.SendMsg(k, b, to, nil)
}

// SendMsg is WSASendMsg(): SendTo with ancillary data.
func (s *Socket) SendMsg(k *ke.K, b []byte, to netip.AddrPort, control []byte) (int, ntstatus.NTSTATUS) {
	if st := s.enter(k, "sendto"); st != ntstatus.STATUS_SUCCESS {
		return 0, st
	}
	m := Outgoing{To: to, Data: append([]byte(nil), b...)}
	switch {
	case !s.e.Datagrams():
		return 0, ntstatus.STATUS_NOT_SUPPORTED
	case s.shutWr:
		return 0, ntstatus.STATUS_GRACEFUL_DISCONNECT
	case !to.IsValid() && !s.e.Destination().IsValid():
		return 0, ntstatus.STATUS_INVALID_CONNECTION
	}
	if st := s.e.Control(&m, control); st != ntstatus.STATUS_SUCCESS {
		return 0, st
	}
	n := 0
	var op *SendOp
	st := s.wait(k, "sendto", func(done Status) {
		op = s.e.SendTo(k, m, true, ke.ThreadOf(k), func(k *ke.K, sent int, st ntstatus.NTSTATUS) {
			n = sent
			done(k, st)
		})
	})
	if st == ntstatus.STATUS_CANCELLED && op != nil {
		op.Cancel(k) // the thread is to end
	}
	return n, st
}

// RecvMsg is WSARecvMsg(): it blocks until there is a datagram, and gives at most max bytes of it and of its
// control data what fits into room. STATUS_BUFFER_OVERFLOW says that there were more bytes;
// STATUS_PORT_UNREACHABLE, once, that nobody took what was sent before.
func (s *Socket) RecvMsg(k *ke.K, max, room int) (m Message, st ntstatus.NTSTATUS) {
	if st := s.enter(k, "recvfrom"); st != ntstatus.STATUS_SUCCESS {
		return m, st
	}
	switch {
	case !s.e.Datagrams():
		return m, ntstatus.STATUS_NOT_SUPPORTED
	case s.e.State() != Bound:
		return m, ntstatus.STATUS_INVALID_PARAMETER // WSAEINVAL: the socket has not been bound
	case s.shutRd:
		return m, ntstatus.STATUS_GRACEFUL_DISCONNECT
	case s.unreachable:
		s.unreachable = false
		return m, ntstatus.STATUS_PORT_UNREACHABLE
	}
	var got *Datagram
	var r *FromReader
	st = s.wait(k, "recvfrom", func(done Status) {
		r = &FromReader{Done: func(k *ke.K, d *Datagram, st ntstatus.NTSTATUS) {
			got = d
			done(k, st)
		}}
		s.froms.Add(k, s.e, r)
	})
	if got == nil {
		s.froms.Cancel(k, s.e, r) // the thread is to end
		return m, st
	}
	return s.message(k, got, max, room)
}

// message cuts a datagram to the room there is for it.
func (s *Socket) message(k *ke.K, d *Datagram, max, room int) (m Message, st ntstatus.NTSTATUS) {
	m = Message{From: d.From, Data: append([]byte(nil), d.Data[:min(max, len(d.Data))]...), Flags: d.Flags()}
	if len(m.Data) < len(d.Data) {
		m.Flags |= ws2def.MSG_TRUNC
		st = ntstatus.STATUS_BUFFER_OVERFLOW
	}
	all := s.e.ControlOf(k, d)
	if m.Control = WholeObjects(all, room); len(m.Control) < len(all) {
		m.Flags |= ws2def.MSG_CTRUNC
	}
	return m, st
}

// Flags says how a datagram was sent: MSG_BCAST, MSG_MCAST.
func (d *Datagram) Flags() (flags uint32) {
	if d.Broadcast() {
		flags |= ws2def.MSG_BCAST
	}
	if d.Multicast() {
		flags |= ws2def.MSG_MCAST
	}
	return flags
}

// WholeObjects gives as many bytes of control data as there is room for, whole objects only (wsk.md 25.40).
func WholeObjects(control []byte, room int) []byte {
	list, _ := ws2def.CMSGs(control)
	n := 0
	for _, o := range list {
		if n+int(o.Cmsg_len) > room {
			break
		}
		n = min(n+int(ws2def.WSA_CMSG_SPACE(uint64(len(o.Data)))), room)
	}
	return control[:n]
}

// closedPort notes that nobody took what was sent: receives that wait end with it, else the next one does. It
// is told to the program once (SDK:recvfrom, WSAECONNRESET), unless SIO_UDP_CONNRESET has turned it off.
func (s *Socket) closedPort(k *ke.K) {
	switch {
	case s.quiet:
	case s.froms.Pending():
		s.froms.Fail(k, ntstatus.STATUS_PORT_UNREACHABLE)
	default:
		s.unreachable = true
	}
}
