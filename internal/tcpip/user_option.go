package tcpip

import (
	"encoding/binary"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// UDPConnReset is SIO_UDP_CONNRESET: whether a datagram socket is told that nobody took what it sent.
const UDPConnReset uint32 = 0x9800000C

// SetOption is setsockopt() with a number; membership options take the bytes of an IP_MREQ or IPV6_MREQ.
// STATUS_NOT_SUPPORTED for what is not modelled.
func (s *Socket) SetOption(k *ke.K, level, code uint32, v []byte) ntstatus.NTSTATUS {
	if st := s.enter(k, "setsockopt"); st != ntstatus.STATUS_SUCCESS {
		return st
	}
	if s.e.Datagrams() && isMembership(level, code) {
		return s.membership(k, level, code, v)
	}
	if len(v) < 4 {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	n := binary.LittleEndian.Uint32(v)
	early := s.e.State() == Created
	switch [2]uint32{level, code} {
	case [2]uint32{ws2def.SOL_SOCKET, ws2def.SO_REUSEADDR}:
		return s.shares(early, n != 0, ShareReuse)
	case [2]uint32{ws2def.SOL_SOCKET, ws2def.SO_EXCLUSIVEADDRUSE}:
		return s.shares(early, n != 0, ShareExclusive)
	case [2]uint32{ws2def.SOL_SOCKET, ws2def.SO_KEEPALIVE}:
		s.e.KeepAlive = n != 0
	case [2]uint32{ws2def.SOL_SOCKET, ws2def.SO_RCVBUF}:
		s.e.SetWindow(k, int(n))
	case [2]uint32{ws2def.SOL_SOCKET, ws2def.SO_BROADCAST}:
		s.e.Broadcast = n != 0
	case [2]uint32{ws2def.IPPROTO_IPV6, ws2def.IPV6_V6ONLY}:
		if !early || !s.e.V6 {
			return ntstatus.STATUS_INVALID_PARAMETER
		}
		s.e.V6Only = n != 0
	default:
		what, v6, ok := AncillaryOption(level, code)
		if !ok || !s.e.Datagrams() {
			return ntstatus.STATUS_NOT_SUPPORTED
		}
		return s.e.SetAncillary(k, what, v6, n != 0)
	}
	return ntstatus.STATUS_SUCCESS
}

// shares: how an address is shared is said before bind.
func (s *Socket) shares(early, on bool, how Sharing) ntstatus.NTSTATUS {
	if !early {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	s.e.Share = share(on, how)
	return ntstatus.STATUS_SUCCESS
}

func isMembership(level, code uint32) bool {
	return (level == ws2def.IPPROTO_IP || level == ws2def.IPPROTO_IPV6) &&
		(code == ws2def.IP_ADD_MEMBERSHIP || code == ws2def.IP_DROP_MEMBERSHIP)
}

// membership joins or leaves the group that begins a membership structure; its interface is not looked at.
func (s *Socket) membership(k *ke.K, level, code uint32, v []byte) ntstatus.NTSTATUS {
	n := 4
	if level == ws2def.IPPROTO_IPV6 {
		n = 16
	}
	if len(v) < n {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	group, _ := netip.AddrFromSlice(v[:n])
	if code == ws2def.IP_ADD_MEMBERSHIP {
		return s.e.Join(k, group)
	}
	return s.e.Leave(k, group)
}
