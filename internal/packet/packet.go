// Package packet holds what travels through the simulated network: packets as values, and their bytes.
//
// Modelled: IPv4 and IPv6 with TCP, UDP, ICMP and ICMPv6, fragments, every checksum; a packet of another
// protocol is a payload. Not modelled: options of IPv4, extension headers of IPv6 but the fragment header,
// flow labels, path MTU (each whole IPv4 packet says "don't fragment"), options of TCP but MSS and window
// scale, urgent data: Parse reads over them or refuses, and Marshal writes none.
//
// Fields are the truth until somebody touches bytes (network.md 1). Nothing here knows a machine: the package
// imports netip and trace.
package packet

import (
	"net/netip"

	"calloutsim/internal/trace"
)

// The protocols with fields of their own, by their number in the IP header.
const (
	ProtoICMP   uint8 = 1
	ProtoTCP    uint8 = 6
	ProtoUDP    uint8 = 17
	ProtoICMPv6 uint8 = 58
)

// protoFragment is the number of IPv6's fragment header.
const protoFragment uint8 = 44

// Packet is one packet, or one fragment of one.
//
// Invariant: never written after it is made. Whoever changes one makes another, with Of set.
//
// Invariant: Src and Dst are of one family, without zone and never v4-mapped; their ports are 0 where the
// protocol has none and in a fragment but the first, which alone has the transport header.
type Packet struct {
	ID, Of          trace.ID // Of: cloned from, fragment of, put together from, answer to
	Proto, TTL, TOS uint8
	Src, Dst        netip.AddrPort
	Frag            Frag
	TCP             Segment // means something when Proto is TCP and Frag.Off is 0
	ICMP            Message // the same for the ICMP of the packet's family
	Payload         []byte  // behind the transport header; nil when empty
	Link            *Link   // only where a MAC or vSwitch station is wanted
	Marks           []Mark  // who injected it, oldest first; clones keep them
}

// Frag says which piece of a packet this is. The zero value is a whole packet.
type Frag struct {
	ID   uint32 // of the whole, 16 bits with IPv4
	Off  int    // of the first byte, counted from the transport header; a multiple of 8
	More bool   // there are pieces behind it
	// Len and Sum are what the transport header states about the whole; only the first piece has it, and
	// cannot work them out from its own bytes. Len is UDP's alone.
	Len, Sum uint16
}

// Whole reports whether this is no fragment.
func (f Frag) Whole() bool { return f.Off == 0 && !f.More }

// Segment is a TCP header. Window is the field as it travels; what it means in bytes depends on the Scale
// that the two ends told each other. The two options belong into a SYN.
type Segment struct {
	Seq, Ack uint32
	Flags    Flags
	Window   uint16
	MSS      uint16 // 0: the option is absent
	Scale    uint8  // the shift count plus one; 0: the option is absent (RFC 7323 2.2)
}

// Flags are the control bits of a TCP header.
type Flags uint8

// The control bits, as they lie in the header.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has reports whether all bits of mask are set.
func (f Flags) Has(mask Flags) bool { return f&mask == mask }

// Message is an ICMP header. What an error quotes is the Payload of its packet; ID and Seq are then the four
// bytes behind the checksum, which hold an MTU or nothing.
type Message struct {
	Type, Code uint8
	ID, Seq    uint16
}

// Link is a MAC header.
type Link struct {
	Src, Dst [6]byte
	Type     uint16
}

// Mark is one injection behind a packet: the handle it was injected with and the context given then.
type Mark struct {
	By      trace.ID
	Context any
}

// V6 reports whether the packet is of IPv6.
func (p *Packet) V6() bool { return p.Src.Addr().Is6() }

// HasPorts reports whether the packet has a transport header with ports.
func (p *Packet) HasPorts() bool {
	return p.Frag.Off == 0 && (p.Proto == ProtoTCP || p.Proto == ProtoUDP)
}

// HasTCP reports whether the TCP fields mean something.
func (p *Packet) HasTCP() bool { return p.Frag.Off == 0 && p.Proto == ProtoTCP }

// HasICMP reports whether the ICMP fields mean something.
func (p *Packet) HasICMP() bool { return p.Frag.Off == 0 && p.isICMP() }

// isICMP reports whether the protocol is the ICMP of the packet's family.
func (p *Packet) isICMP() bool {
	if p.V6() {
		return p.Proto == ProtoICMPv6
	}
	return p.Proto == ProtoICMP
}

// ICMPError reports whether the packet is an ICMP error: ICMPv6 has them below 128 (RFC 4443 2.1), ICMP has
// destination unreachable, source quench, redirect, time exceeded and parameter problem (RFC 1122 3.2.2).
func (p *Packet) ICMPError() bool {
	if !p.HasICMP() {
		return false
	}
	if p.V6() {
		return p.ICMP.Type < 128
	}
	switch p.ICMP.Type {
	case 3, 4, 5, 11, 12:
		return true
	}
	return false
}
