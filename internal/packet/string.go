package packet

import (
	"net/netip"
	"strconv"
	"strings"
)

// noPort gives an address without its port.
func noPort(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 0) }

// String gives the flags as tcpdump does: "S", "S.", "F.", ".".
func (f Flags) String() string {
	text := ""
	for i, letter := range "FSRP.UEC" {
		if f&(1<<i) != 0 && letter != '.' {
			text += string(letter)
		}
	}
	if f.Has(ACK) {
		text += "."
	}
	return text
}

// String gives the packet in a line: "192.0.2.10:49152 > 192.0.2.99:80 S seq 1 win 65535".
func (p *Packet) String() string {
	var b strings.Builder
	address := func(a netip.AddrPort) {
		if p.HasPorts() {
			b.WriteString(a.String())
			return
		}
		b.WriteString(a.Addr().String())
	}
	number := func(name string, n int) {
		b.WriteString(name)
		b.WriteString(strconv.Itoa(n))
	}
	address(p.Src)
	b.WriteString(" > ")
	address(p.Dst)
	switch {
	case p.HasTCP():
		b.WriteString(" " + p.TCP.Flags.String())
		number(" seq ", int(p.TCP.Seq))
		if p.TCP.Flags.Has(ACK) {
			number(" ack ", int(p.TCP.Ack))
		}
		number(" win ", int(p.TCP.Window))
	case p.HasPorts():
		b.WriteString(" udp")
	case p.HasICMP():
		number(" icmp type ", int(p.ICMP.Type))
		number(" code ", int(p.ICMP.Code))
	default:
		number(" proto ", int(p.Proto))
	}
	if len(p.Payload) > 0 {
		number(" len ", len(p.Payload))
	}
	if !p.Frag.Whole() {
		number(" frag ", int(p.Frag.ID))
		number(" at ", p.Frag.Off)
		if p.Frag.More {
			b.WriteByte('+')
		}
	}
	return b.String()
}
