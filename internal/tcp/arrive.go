package tcp

import "calloutsim/internal/packet"

// Arrive takes a segment of this connection.
func (c *Conn) Arrive(s packet.Segment, data []byte) Result {
	c.begin()
	switch {
	case c.state.Over():
	case c.state == SynSent:
		c.answered(s)
	default:
		c.arrived(s, data)
	}
	return c.finish()
}

// answered takes what comes for our SYN (RFC 9293 3.10.7.3). Data in a SYN+ACK is not confirmed, and so comes
// again.
func (c *Conn) answered(s packet.Segment) {
	fits := s.Flags.Has(packet.ACK) && s.Ack == c.next
	switch {
	case s.Flags.Has(packet.RST):
		if fits {
			c.reset()
		}
	case s.Flags.Has(packet.ACK) && !fits:
		c.refuse(s.Ack)
	case s.Flags.Has(packet.SYN | packet.ACK):
		c.meet(s)
		c.una = s.Ack
		c.heard()
		c.open(synAckCame)
		c.ackDue = true
	}
}

// meet takes the peer's SYN.
func (c *Conn) meet(syn packet.Segment) {
	c.received = syn.Seq + 1
	c.limit = c.received + uint32(c.config.Room)
	c.told = c.received + uint32(min(c.config.Room, maxWindow)) // by our SYN, which has gone or goes now
	c.edge = c.next + uint32(syn.Window)
	if c.scaled = syn.Scale != 0; c.scaled {
		c.peerShift = syn.Scale - 1
	} else {
		c.shift = 0 // both scale or neither does (RFC 7323 2.2)
	}
}

// open ends the handshake.
func (c *Conn) open(by input) {
	c.step(by)
	c.progress, c.tries = true, 0
	c.tell(Opened, 0, nil)
}

// arrived takes a segment once the peer's SYN is known (RFC 9293 3.10.7.4).
func (c *Conn) arrived(s packet.Segment, data []byte) {
	last := s.Seq + uint32(len(data)) // behind the data
	switch {
	case s.Flags.Has(packet.RST):
		// with a shut window, the next number counts as lying in it
		if at := ahead(s.Seq, c.received); at == 0 || at > 0 && ahead(c.limit, s.Seq) > 0 {
			c.reset()
		}
		return
	case s.Flags.Has(packet.SYN):
		c.lateSyn(s)
		return
	case !s.Flags.Has(packet.ACK):
		return
	case c.state == SynRcvd && s.Ack != c.next:
		c.refuse(s.Ack)
		return
	case !c.plausible(s):
		// RFC 9293 has an ACK for an empty segment too; two ends that disagree would go on for ever
		c.ackDue = len(data) > 0 || s.Flags.Has(packet.FIN)
		return
	}
	c.heard()
	if c.state == SynRcvd {
		c.una = s.Ack
		c.open(ackOfSyn)
	}
	if ahead(s.Ack, c.una) > 0 {
		c.confirmed(s.Ack)
	}
	c.makeRoom(s.Ack + uint32(s.Window)<<c.peerShift)
	switch {
	case len(data) > 0 || s.Flags.Has(packet.FIN):
		c.ackDue = true
		c.take(s.Seq, data)
		if s.Flags.Has(packet.FIN) {
			c.noteFin(last)
		}
		c.takeFin()
	case s.Seq == c.received-1:
		c.ackDue = true // a probe
	}
	if !c.state.Over() {
		c.pump()
	}
}

// plausible reports whether a segment confirms what was sent, lately, and comes from within the window. A FIN
// at the window's end has the last number that may be, and the peer's words behind it one more.
func (c *Conn) plausible(s packet.Segment) bool {
	return ahead(s.Ack, c.next) <= 0 && ahead(s.Ack, c.una) >= -maxRoom && ahead(s.Seq, c.limit) <= 1
}

// lateSyn answers a SYN that comes when the peer's SYN is known: ours may have been lost, or its own is late.
func (c *Conn) lateSyn(s packet.Segment) {
	if c.state == SynRcvd && s.Seq == c.received-1 {
		c.sendSyn(packet.ACK)
		return
	}
	c.ackDue = true // what it belongs to is over, the ACK says (RFC 5961 4)
}

// heard notes that the peer lives.
func (c *Conn) heard() { c.silent = 0 }

// reset takes a RST that counts.
func (c *Conn) reset() {
	c.breakOff()
	c.tell(Reset, 0, nil)
}

// refuse answers a segment that confirms what this end never sent: it belongs to another connection.
func (c *Conn) refuse(ack uint32) {
	c.outs = append(c.outs, Out{packet.Segment{Seq: ack, Flags: packet.RST}, nil})
}
