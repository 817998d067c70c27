package fwps

import (
	"bytes"
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
)

// carried is the subject of the layers that packets pass: callouts get a NET_BUFFER_LIST, which is made when
// the first one is called and belongs to the stack. What is written into its memory changes the packet.
type carried struct {
	c         *classification
	packet    *packet.Packet
	nbl       *ndis.NET_BUFFER_LIST
	bytes     []byte  // of the packet, from the IP header on
	built     bool    // the IP header is there
	transport int     // where the transport header begins, counted from the IP header
	data      int     // where what lies behind it begins
	offset    uint32  // where the list begins
	asked     []image // who has asked whether it injected the packet
}

// newCarried makes the subject of a question about a packet.
func newCarried(c *classification, m *tcpip.Carried) *carried {
	return &carried{c: c, packet: m.Packet}
}

// measure works out the bytes of the packet and where in them the list begins.
func (s *carried) measure() {
	if s.bytes != nil {
		return
	}
	s.bytes, s.transport, s.data = s.packet.Marshal()
	info := s.c.info
	if info.discard {
		info = layerOf(layersAt[s.c.q.At&^tcpip.Discarded][family(s.c.q.V6)])
	}
	at := info.offsetOut
	if s.c.q.Inbound {
		at = info.offsetIn
	}
	s.built = s.c.q.Inbound || at == atIP
	switch {
	case s.c.info.discard && (s.c.q.At == tcpip.IPIn|tcpip.Discarded): // unknown where (wfp.md 16.2)
	case at == atTransport, at == atICMP:
		s.offset = uint32(s.transport)
	case at == atData, at == atInnerIP:
		s.offset = uint32(s.data)
	}
	if !s.built { // what lies in front of the transport header is room for it
		clear(s.bytes[:s.transport])
	}
}

func (s *carried) lend(cl *call) any {
	k := s.c.e.m.Current()
	if s.nbl == nil {
		s.measure()
		s.nbl = ndis.Sim.Indicate(k, s.bytes, int(s.offset), s)
	}
	return s.nbl
}

func (s *carried) back(k *ke.K, cl *call) {
	offset, length := ndis.Sim.Offset(s.nbl)
	if want := uint32(len(s.bytes)) - s.offset; offset != s.offset || length != want {
		cl.found(k, verify.WFP_058, fmt.Sprintf("classifyFn leaves the data of %v beginning at %d with %d "+
			"bytes; it was %d with %d", s.nbl.ID(), offset, length, s.offset, want),
			"advance by what was retreated, on every path.")
		ndis.Sim.Restore(s.nbl, s.offset, want)
	}
	if cl.modifies && cl.exit.Rights&write != 0 && cl.op == nil {
		cl.found(k, verify.WFP_174, fmt.Sprintf("%v is referenced with intendToModify and "+
			"FWPS_RIGHT_ACTION_WRITE is left set", s.nbl.ID()), "")
	}
	s.checkRequired(k, cl)
}

// checkRequired: what is to be authorised must get there (wfp.md 3.6).
func (s *carried) checkRequired(k *ke.K, cl *call) {
	if s.c.q.At == tcpip.TransportIn && s.c.q.Flags&tcpip.RequiresALE != 0 &&
		cl.exit.ActionType == FWP_ACTION_BLOCK && cl.exit.Flags&FWPS_CLASSIFY_OUT_FLAG_ABSORB != 0 {
		cl.found(k, verify.WFP_051, "a packet that is to be authorised is absorbed at "+s.c.info.name, "")
	}
}

func (s *carried) answer(k *ke.K, d wfp.Decision) tcpip.Answer {
	a := answer(d.Action == wfp.Permit, tcpip.Target{Local: s.c.q.Local, Remote: s.c.q.Remote})
	a.Absorb = d.Absorb && !a.Permit
	a.Packet = s.rewritten(k)
	s.over(k)
	return a
}

// over says that the stack needs the list no more.
func (s *carried) over(k *ke.K) {
	if s.nbl != nil {
		ndis.Sim.Done(k, s.nbl)
	}
}

// rewritten is the packet that callouts have made by writing into the memory of the list; nil when none has,
// or when what they left is no packet any more.
func (s *carried) rewritten(k *ke.K) *packet.Packet {
	if s.nbl == nil {
		return nil
	}
	b := ndis.Sim.Memory(k, s.nbl)
	if bytes.Equal(b, s.bytes) {
		return nil
	}
	var p *packet.Packet
	if s.built {
		p, _ = packet.Parse(b)
	} else {
		p, _ = packet.Under(s.packet.Proto, s.packet.Src.Addr(), s.packet.Dst.Addr(), s.packet.TTL,
			b[s.transport:])
	}
	if p == nil {
		return nil
	}
	for _, t := range s.c.e.tags.on { // it is the same packet to those who have tagged it
		if t.packet == s.packet {
			t.packet = p
		}
	}
	p.Of, p.Marks, p.Link = s.packet.ID, s.packet.Marks, s.packet.Link
	return p
}

func (s *carried) uses() trace.ID          { return 0 }
func (s *carried) newest() uint64          { return 0 }
func (s *carried) changes(uint64) []string { return nil }

// queried notes that a driver has asked for the packet's injection state.
func (s *carried) queried(by image) { s.asked = append(s.asked, by) }

func (s *carried) hasAsked(by image) bool {
	for _, i := range s.asked {
		if i == by {
			return true
		}
	}
	return false
}

// headers gives the metadata about a packet.
func (s *carried) headers(m *FWPS_INCOMING_METADATA_VALUES0) (known uint32) {
	s.measure()
	m.ipHeader, m.transport = uint32(s.transport), uint32(s.data-s.transport)
	m.fragment = FWPS_INBOUND_FRAGMENT_METADATA0{s.packet.Frag.ID, uint16(s.packet.Frag.Off),
		uint32(len(s.packet.Payload))}
	known = FWPS_METADATA_FIELD_TRANSPORT_HEADER_SIZE
	if s.built {
		known |= FWPS_METADATA_FIELD_IP_HEADER_SIZE
	}
	m.interfaceOf = tcpip.InterfaceOf(s.c.q.Remote.Addr())
	if s.c.q.Flags&tcpip.Loopback != 0 {
		m.interfaceOf = tcpip.LoopbackInterface
	}
	if s.c.q.Inbound {
		known |= FWPS_METADATA_FIELD_SOURCE_INTERFACE_INDEX
	}
	if !s.c.q.Inbound || s.c.q.At&^tcpip.Discarded == tcpip.IPForward {
		known |= FWPS_METADATA_FIELD_DESTINATION_INTERFACE_INDEX
	}
	if s.packet.HasICMP() && !s.packet.ICMPError() {
		m.icmp = uint32(s.packet.ICMP.ID)<<16 | uint32(s.packet.ICMP.Seq) // which half is which: INFERRED
		known |= FWPS_METADATA_FIELD_ICMP_ID_AND_SEQUENCE
	}
	if s.c.q.V6 {
		known |= FWPS_METADATA_FIELD_REMOTE_SCOPE_ID
	}
	if s.c.q.Flags&tcpip.RequiresALE != 0 {
		known |= FWPS_METADATA_FIELD_ALE_CLASSIFY_REQUIRED
	}
	if !s.packet.Frag.Whole() {
		known |= FWPS_METADATA_FIELD_FRAGMENT_DATA
	}
	return known
}
