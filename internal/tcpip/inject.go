package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
)

// This file is for the filter engine, which puts packets of drivers into the stack. Every station is asked
// about them, that of who injected one too: network.md 2.

// Local reports whether an address is one of this machine's.
func (s *Stack) Local(a netip.Addr) bool { return s.isLocal(a) }

// InjectReceive lets a packet come from the bottom.
func (s *Stack) InjectReceive(k *ke.K, p *packet.Packet) { s.receive(k, p) }

// InjectSend lets a packet go down from the top: as one of the endpoint that has its addresses, if one does.
// ch keeps the order of what one handle injects; by stands for it in footprints.
//
// Not modelled: authorisation of a datagram to a peer that the endpoint has no flow to.
func (s *Stack) InjectSend(k *ke.K, p *packet.Packet, ch *ke.Channel, by trace.ID) {
	f := sender{ch: ch, from: by}
	t := Tuple{p.Proto, p.Src, p.Dst}
	s.shares(t.Local.Port(), ke.R)
	if x := s.stream(t); t.Proto == TCP && x != nil {
		f.e, f.flow = x.flow.Endpoint, x.flow
	}
	for _, e := range s.eps {
		if e.udp == nil || t.Proto != UDP || e.takes(p.Src) < 0 {
			continue
		}
		e.looked()
		if f.e == nil {
			f.e = e
		}
		for _, o := range e.udp.flows {
			if o.Permitted && o.Local == t.Local && o.Remote == t.Remote {
				f.e, f.flow = e, o
			}
		}
	}
	s.send(k, f, p)
}

// InjectForward puts a packet for another machine on the wire, past no station (wfp.md 21 #47).
func (s *Stack) InjectForward(k *ke.K, p *packet.Packet, ch *ke.Channel, by trace.ID) {
	s.ledger.born++
	s.wire(k, sender{ch: ch, from: by}, p)
}

// EndpointOf finds the endpoint that a handle in the metadata of a callout names; nil when it is gone.
func (s *Stack) EndpointOf(id trace.ID) *Endpoint {
	s.w.use(id, ke.R)
	for _, e := range s.eps {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// SourceOf is the address that a packet of the endpoint to remote comes from.
func (e *Endpoint) SourceOf(remote netip.Addr) netip.Addr {
	if a := e.local.Addr().Unmap(); !a.IsUnspecified() && a.Is4() == remote.Is4() {
		return a
	}
	return e.stack.source(remote)
}
