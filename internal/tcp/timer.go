package tcp

import "calloutsim/internal/packet"

// maxTries is how often something is sent that nobody answers. The waits are RTO, twice and four times RTO:
// 21 s with an RTO of 3 s, as Windows has it for a SYN; the same for data is INFERRED (network.md 3.1).
const maxTries = 3

// maxProbes is how often a window that stays shut is probed in a row. RFC 9293 3.8.6.1 has probes go on for
// as long as they are answered; here a run must come to rest though a program does not read, and what goes
// unnoticed after three minutes is the loss of the one segment that opens the window.
const maxProbes = 6

// setTimer gives a Result's word about the timer.
func (c *Conn) setTimer() int64 {
	waits := !c.state.Over() && (c.una != c.next || c.unsent() && c.tries < maxProbes)
	switch {
	case waits && (!c.armed || c.progress):
		c.armed = true
		return c.config.RTO << c.tries
	case !waits && c.armed:
		c.armed = false
		return StopTimer
	}
	return LeaveTimer
}

// Timer says that the time is over which the last Result with a delay stated.
func (c *Conn) Timer() Result {
	c.begin()
	c.armed = false
	if c.state.Over() {
		return c.finish()
	}
	c.tries++
	c.silent++
	inFlight := c.una != c.next
	switch {
	case inFlight && c.tries >= maxTries || c.silent >= maxTries:
		c.breakOff()
		c.tell(TimedOut, 0, nil)
	case inFlight:
		c.again()
	case c.unsent():
		// a number that has been confirmed is out of the window, which the peer answers with what it is now
		c.send(packet.Segment{Seq: c.una - 1}, nil)
	}
	return c.finish()
}

// unsent reports whether bytes wait for room.
func (c *Conn) unsent() bool { return ahead(c.end, c.next) > 0 }

// again sends the oldest thing without answer once more.
func (c *Conn) again() {
	switch {
	case c.state == SynSent:
		c.sendSyn(0)
	case c.state == SynRcvd:
		c.sendSyn(packet.ACK)
	case len(c.queue) == 0:
		c.send(packet.Segment{Seq: c.end, Flags: packet.FIN}, nil)
	default:
		ch := &c.queue[0]
		off := ahead(c.una, ch.seq)
		c.sendPart(ch, off, min(len(ch.b)-off, ahead(c.next, c.una)))
	}
}
