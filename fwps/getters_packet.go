package fwps

import (
	"net/netip"

	"calloutsim/internal/packet"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/wfp"
)

// way says for which direction of an event a value about an interface is there.
type way uint8

const (
	anyWay way = iota
	inWay
	outWay
)

// fact is what a value says of an interface.
type fact func(n uint32) wfp.Value

func index(n uint32) wfp.Value { return wfp.Value{Type: wfp.Uint32, Num: uint64(n)} }

// zero is the number of a sub-interface, and the type of a tunnel where there is none.
func zero(uint32) wfp.Value { return wfp.Value{Type: wfp.Uint32} }

// The types of interfaces, by IANA: IF_TYPE_SOFTWARE_LOOPBACK and IF_TYPE_ETHERNET_CSMACD.
const (
	ifLoopback = 24
	ifEthernet = 6
)

func typeOf(n uint32) uint64 {
	if n == tcpip.LoopbackInterface {
		return ifLoopback
	}
	return ifEthernet
}

func kind(n uint32) wfp.Value { return wfp.Value{Type: wfp.Uint32, Num: typeOf(n)} }

// luid is a NET_LUID: 24 bits reserved, 24 bits of a number, 16 bits of the type. The number is that of the
// interface (INFERRED: it need not be, drivers only compare).
func luid(n uint32) wfp.Value {
	return wfp.Value{Type: wfp.Uint64, Num: typeOf(n)<<48 | uint64(n)<<24}
}

// onWay gives a fact about the interface of an event; FWP_EMPTY where there is none yet, as before an address
// is known, and where the event goes the other way.
func onWay(w way, f fact) getter {
	return func(c *classification) wfp.Value {
		q := c.q
		a := q.Remote.Addr()
		if !a.IsValid() || a.IsUnspecified() {
			a = q.Local.Addr()
		}
		switch {
		case !a.IsValid(), a.IsUnspecified(), w == inWay && !q.Inbound, w == outWay && q.Inbound:
			return wfp.Value{}
		case q.Flags&tcpip.Loopback != 0:
			return f(tcpip.LoopbackInterface)
		}
		return f(tcpip.InterfaceOf(a))
	}
}

// packetOf is the packet a classification is about, nil when it is about none.
func (c *classification) packetOf() *packet.Packet {
	if m, ok := c.q.Matter.(*tcpip.Carried); ok {
		return m.Packet
	}
	return nil
}

// localPort is the local port. For ICMP the place holds the type, and that of the remote port the code
// (INFERRED, fwps_fields.tsv).
func localPort(c *classification) wfp.Value {
	if p := c.packetOf(); p != nil && p.HasICMP() {
		return icmpType(c)
	}
	return port(c.q.Local)
}

func remotePort(c *classification) wfp.Value {
	if p := c.packetOf(); p != nil && p.HasICMP() {
		return icmpCode(c)
	}
	return port(c.q.Remote)
}

func icmpType(c *classification) wfp.Value {
	return ofICMP(c, func(m packet.Message) uint8 { return m.Type })
}

func icmpCode(c *classification) wfp.Value {
	return ofICMP(c, func(m packet.Message) uint8 { return m.Code })
}

func ofICMP(c *classification, get func(m packet.Message) uint8) wfp.Value {
	p := c.packetOf()
	if p == nil || !p.HasICMP() {
		return wfp.Value{}
	}
	return wfp.Value{Type: wfp.Uint16, Num: uint64(get(p.ICMP))}
}

// quoted gives a value about the packet that an ICMP error quotes. What has come in quotes what this machine
// has sent, what goes out what it has got.
func quoted(get func(local, remote netip.AddrPort, proto uint8) wfp.Value) getter {
	return func(c *classification) wfp.Value {
		p := c.packetOf()
		if p == nil || !p.ICMPError() {
			return wfp.Value{}
		}
		q, ok := packet.Quoted(p.Payload)
		switch {
		case !ok:
			return wfp.Value{}
		case c.q.Inbound:
			return get(q.Src, q.Dst, q.Proto)
		}
		return get(q.Dst, q.Src, q.Proto)
	}
}

func quotedProtocol(_, _ netip.AddrPort, proto uint8) wfp.Value {
	return wfp.Value{Type: wfp.Uint8, Num: uint64(proto)}
}

func quotedLocalType(local, _ netip.AddrPort, _ uint8) wfp.Value { return addressType(local) }

func quotedLocalPort(local, _ netip.AddrPort, _ uint8) wfp.Value { return port(local) }

func quotedRemote(_, remote netip.AddrPort, _ uint8) wfp.Value { return address(remote) }

func quotedRemotePort(_, remote netip.AddrPort, _ uint8) wfp.Value { return port(remote) }
