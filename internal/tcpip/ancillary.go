package tcpip

import (
	"encoding/binary"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Ancillary is what an owner wants to be told with each datagram.
type Ancillary uint8

// What there is to be told, by the options that ask for it (wsk.md 7.18).
const (
	PacketInfo Ancillary = 1 << iota
	TrafficClass
	Congestion
	HopLimit
	RedirectRecords
	RedirectContext
)

// ancillary has, for each of them, the option and the object, of IP and of IPv6. The two numbers are mostly
// the same.
var ancillary = [...]struct {
	what           Ancillary
	option, object [2]uint32
}{
	{PacketInfo, [2]uint32{ws2def.IP_PKTINFO, ws2def.IPV6_PKTINFO},
		[2]uint32{ws2def.IP_PKTINFO, ws2def.IPV6_PKTINFO}},
	{TrafficClass, [2]uint32{ws2def.IP_RECVTOS, ws2def.IPV6_RECVTCLASS},
		[2]uint32{ws2def.IP_TOS, ws2def.IPV6_TCLASS}},
	{Congestion, [2]uint32{ws2def.IP_ECN, ws2def.IPV6_ECN}, [2]uint32{ws2def.IP_ECN, ws2def.IPV6_ECN}},
	{HopLimit, [2]uint32{ws2def.IP_HOPLIMIT, ws2def.IPV6_HOPLIMIT},
		[2]uint32{ws2def.IP_TTL, ws2def.IPV6_HOPLIMIT}},
	{RedirectRecords, [2]uint32{ws2def.IP_WFP_REDIRECT_RECORDS, ws2def.IPV6_WFP_REDIRECT_RECORDS},
		[2]uint32{ws2def.IP_WFP_REDIRECT_RECORDS, ws2def.IPV6_WFP_REDIRECT_RECORDS}},
	{RedirectContext, [2]uint32{ws2def.IP_WFP_REDIRECT_CONTEXT, ws2def.IPV6_WFP_REDIRECT_CONTEXT},
		[2]uint32{ws2def.IP_WFP_REDIRECT_CONTEXT, ws2def.IPV6_WFP_REDIRECT_CONTEXT}},
}

var ancillaryLevel = [2]uint32{ws2def.IPPROTO_IP, ws2def.IPPROTO_IPV6}

// AncillaryOption finds what an option asks for; false where it is no such option.
func AncillaryOption(level, option uint32) (what Ancillary, v6, ok bool) {
	for _, a := range ancillary {
		for f, l := range ancillaryLevel {
			if l == level && a.option[f] == option {
				return a.what, f == 1, true
			}
		}
	}
	return 0, false, false
}

// SetAncillary says whether the owner wants to be told of something with datagrams of a family. One with IPv4
// sockets only has nothing of IPv6: STATUS_NOT_SUPPORTED (INFERRED).
func (e *Endpoint) SetAncillary(k *ke.K, what Ancillary, v6, on bool) ntstatus.NTSTATUS {
	if v6 && !e.V6 {
		return ntstatus.STATUS_NOT_SUPPORTED
	}
	defer e.leave(k, e.enters(k))
	w := &e.udp.wants[family(v6)]
	*w &^= what
	if on {
		*w |= what
	}
	return ntstatus.STATUS_SUCCESS
}

// HasAncillary reports what SetAncillary said last.
func (e *Endpoint) HasAncillary(what Ancillary, v6 bool) bool {
	e.looked()
	return e.udp.wants[family(v6)]&what != 0
}

// ControlOf gives the ancillary data of a datagram: an object for each thing the owner wants to be told of,
// nil when there is none.
func (e *Endpoint) ControlOf(k *ke.K, d *Datagram) []byte {
	e.looked()
	f := family(!d.From.Addr().Unmap().Is4())
	var b []byte
	for _, a := range ancillary {
		if e.udp.wants[f]&a.what == 0 {
			continue
		}
		if data := e.object(k, d, a.what); data != nil {
			b = ws2def.AppendCMSG(b, ancillaryLevel[f], a.object[f], data)
		}
	}
	return b
}

// object gives the data of one object; nil where the datagram has no such thing.
func (e *Endpoint) object(k *ke.K, d *Datagram, what Ancillary) []byte {
	number := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	switch what {
	case PacketInfo:
		return append(d.To.Addr().Unmap().AsSlice(), number(d.Interface())...)
	case TrafficClass:
		return number(uint32(d.TOS))
	case Congestion:
		return number(uint32(d.TOS & 3))
	case HopLimit:
		return number(uint32(d.TTL))
	case RedirectRecords:
		b, _ := e.RecordsOf(k, d)
		return b
	}
	b, _ := e.ContextOf(k, d)
	return b
}

// Control puts what ancillary data say into a datagram that is sent. Objects that are unknown or malformed
// are refused with STATUS_INVALID_PARAMETER (INFERRED), an empty one is read over (OBSERVED, wsk.md 7.18).
func (e *Endpoint) Control(m *Outgoing, b []byte) ntstatus.NTSTATUS {
	list, ok := ws2def.CMSGs(b)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	for _, o := range list {
		s := e.control(m, uint32(o.Cmsg_level), uint32(o.Cmsg_type), o.Data)
		if s != ntstatus.STATUS_SUCCESS {
			return s
		}
	}
	return ntstatus.STATUS_SUCCESS
}

func (e *Endpoint) control(m *Outgoing, level, kind uint32, data []byte) ntstatus.NTSTATUS {
	const bad = ntstatus.STATUS_INVALID_PARAMETER
	f := 0
	switch {
	case level == ancillaryLevel[1] && e.V6:
		f = 1
	case level != ancillaryLevel[0]:
		return bad
	}
	if len(data) == 0 && kind == [2]uint32{ws2def.IP_OPTIONS, ws2def.IPV6_RTHDR}[f] {
		return ntstatus.STATUS_SUCCESS
	}
	for _, a := range ancillary {
		if a.object[f] == kind {
			return e.put(m, a.what, f == 1, data)
		}
	}
	return bad
}

// put takes one object.
func (e *Endpoint) put(m *Outgoing, what Ancillary, v6 bool, data []byte) ntstatus.NTSTATUS {
	const bad = ntstatus.STATUS_INVALID_PARAMETER
	switch what {
	case PacketInfo:
		n := 4
		if v6 {
			n = 16
		}
		if len(data) < n+4 {
			return bad
		}
		m.Source, _ = netip.AddrFromSlice(data[:n])
		return ntstatus.STATUS_SUCCESS
	case RedirectRecords:
		return e.putRecords(m, data)
	case RedirectContext: // it is the engine's to give
		return bad
	}
	if len(data) < 4 || binary.LittleEndian.Uint32(data) > 255 {
		return bad
	}
	n := data[0]
	switch what {
	case TrafficClass:
		m.TOS = n&^3 | m.TOS&3
	case Congestion:
		if n > 3 {
			return bad
		}
		m.TOS = m.TOS&^3 | n
	default:
		m.TTL = n
	}
	return ntstatus.STATUS_SUCCESS
}

// putRecords makes the datagram one of a proxy, as SetRecords does with a socket.
func (e *Endpoint) putRecords(m *Outgoing, b []byte) ntstatus.NTSTATUS {
	switch {
	case e.Process != nil && !e.Process.Admin:
		return ntstatus.STATUS_ACCESS_DENIED
	case e.stack.redirector == nil:
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	r, ok := e.stack.redirector.ParseRecords(b)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	m.Records = r
	return ntstatus.STATUS_SUCCESS
}
