package tcp

import (
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
)

// chunk is what one Send gave. Segments are parts of one chunk each, so bytes are never copied.
type chunk struct {
	seq uint32
	b   []byte
}

// maxWindow is the most the field of a header says.
const maxWindow = 0xFFFF

// ahead is how far number a lies ahead of b: numbers wrap around, and what is more than half way round lies
// behind (RFC 9293 3.4).
func ahead(a, b uint32) int { return int(int32(a - b)) }

// send adds a segment. All but our first SYN confirm what has come, and say how much more may (a RST too, so
// that it counts in whatever state the peer is).
func (c *Conn) send(s packet.Segment, b []byte) {
	if c.state != SynSent {
		s.Flags |= packet.ACK
		s.Ack = c.received
	}
	if s.Flags.Has(packet.SYN) {
		s.Window = uint16(min(c.config.Room, maxWindow)) // never scaled (RFC 7323 2.2)
	} else {
		s.Window = c.window()
		c.told = c.received + uint32(s.Window)<<c.shift
	}
	c.ackDue = false
	c.outs = append(c.outs, Out{s, b})
}

// sendSyn adds our SYN, with what else a SYN says.
func (c *Conn) sendSyn(and packet.Flags) {
	s := packet.Segment{Seq: c.config.ISS, Flags: packet.SYN | and, MSS: c.config.MSS}
	if c.state == SynSent || c.scaled {
		s.Scale = c.shift + 1
	}
	c.send(s, nil)
}

// pump sends what the peer has room for, and the FIN behind the last byte. The FIN needs no room.
func (c *Conn) pump() {
	for i := range c.queue {
		ch := &c.queue[i]
		for off := ahead(c.next, ch.seq); off >= 0 && off < len(ch.b); off = ahead(c.next, ch.seq) {
			n := min(ahead(c.edge, c.next), len(ch.b)-off)
			if n <= 0 {
				return
			}
			c.next += uint32(n)
			c.sendPart(ch, off, n)
		}
	}
	if c.finWanted() && !c.finSent && c.next == c.end {
		c.finSent = true
		c.next++
		c.send(packet.Segment{Seq: c.end, Flags: packet.FIN}, nil)
	}
}

// sendPart sends n bytes of a chunk. The last byte of a Send is pushed.
func (c *Conn) sendPart(ch *chunk, off, n int) {
	s := packet.Segment{Seq: ch.seq + uint32(off)}
	if off+n == len(ch.b) {
		s.Flags = packet.PSH
	}
	c.send(s, ch.b[off:off+n:off+n])
}

// finWanted reports whether the owner has called Fin.
func (c *Conn) finWanted() bool {
	switch c.state {
	case FinWait1, FinWait2, Closing, LastAck, TimeWait:
		return true
	}
	return false
}

// confirmed takes the peer's word that it has everything before ack, which lies in (una, next].
func (c *Conn) confirmed(ack uint32) {
	fin := c.finSent && ack == c.end+1
	n := ahead(ack, c.una)
	if fin {
		n--
	}
	c.una = ack
	c.progress, c.tries = true, 0
	c.drop(ack)
	if n > 0 {
		c.tell(Acked, n, nil)
	}
	if fin {
		c.step(ackOfFin)
		c.tell(FinDone, 0, nil)
	}
}

// drop forgets the chunks that are behind ack.
func (c *Conn) drop(ack uint32) {
	done := 0
	for done < len(c.queue) && ahead(ack, c.queue[done].seq) >= len(c.queue[done].b) {
		done++
	}
	if done > 0 {
		n := list.Copy(c.queue, c.queue[done:])
		clear(c.queue[n:])
		c.queue = c.queue[:n]
	}
}

// makeRoom takes the peer's word that it has room up to edge. An older word that arrives later says nothing.
func (c *Conn) makeRoom(edge uint32) {
	if ahead(edge, c.edge) > 0 {
		c.edge = edge
		c.progress, c.tries = true, 0
	}
}
