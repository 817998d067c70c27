package tcp

import "calloutsim/internal/list"

// piece is data that came out of order.
type piece struct {
	seq uint32
	b   []byte
}

func (p piece) end() uint32 { return p.seq + uint32(len(p.b)) }

// from cuts off what lies before seq.
func (p piece) from(seq uint32) piece {
	if n := ahead(seq, p.seq); n > 0 {
		n = min(n, len(p.b))
		return piece{p.seq + uint32(n), p.b[n:]}
	}
	return p
}

// wanted cuts a piece to what is new, has room and lies before the peer's FIN.
func (c *Conn) wanted(p piece) piece {
	end := c.limit
	if c.finKnown {
		end = c.fin
	}
	p = p.from(c.received)
	if over := ahead(p.end(), end); over > 0 {
		p.b = p.b[:max(0, len(p.b)-over)]
	}
	return p
}

// take tells the owner the data that is next in order, with what was kept behind it, and keeps other data.
func (c *Conn) take(seq uint32, b []byte) {
	p := c.wanted(piece{seq, b})
	switch {
	case len(p.b) == 0:
		return
	case p.seq != c.received:
		c.keep(p)
		return
	}
	c.tellData(p.b)
	done := 0
	for ; done < len(c.held) && ahead(c.held[done].seq, c.received) <= 0; done++ {
		if q := c.wanted(c.held[done]); len(q.b) > 0 {
			c.tellData(q.b)
		}
	}
	if done > 0 {
		n := list.Copy(c.held, c.held[done:])
		clear(c.held[n:])
		c.held = c.held[:n]
	}
}

func (c *Conn) tellData(b []byte) {
	c.received += uint32(len(b))
	c.unread += len(b)
	c.tell(Data, len(b), b)
}

// keep puts a piece among those that wait for what comes before them. Of what overlaps, the bytes that came
// first stay.
func (c *Conn) keep(p piece) {
	for i := 0; i < len(c.held); i++ {
		if n := min(ahead(c.held[i].seq, p.seq), len(p.b)); n > 0 {
			c.insert(i, piece{p.seq, p.b[:n]})
			i++
		}
		p = p.from(c.held[i].end())
	}
	if len(p.b) > 0 {
		c.held = append(c.held, p)
	}
}

func (c *Conn) insert(at int, p piece) {
	c.held = append(c.held, piece{})
	for i := len(c.held) - 1; i > at; i-- {
		c.held[i] = c.held[i-1]
	}
	c.held[at] = p
}

// noteFin notes where the peer's data ends, if that lies in the window.
func (c *Conn) noteFin(at uint32) {
	if !c.finKnown && ahead(at, c.received) >= 0 && ahead(at, c.limit) <= 0 {
		c.fin, c.finKnown = at, true
	}
}

// finTold reports whether the owner knows of the peer's FIN.
func (c *Conn) finTold() bool { return c.finKnown && c.received == c.fin+1 }

// takeFin tells the peer's FIN once nothing before it is missing.
func (c *Conn) takeFin() {
	if c.finKnown && c.received == c.fin {
		c.received++
		c.held = nil
		c.step(finCame)
		c.tell(PeerFin, 0, nil)
	}
}

// window gives what the field of a segment other than a SYN says about our room.
func (c *Conn) window() uint16 {
	return uint16(min(max(0, ahead(c.limit, c.received))>>c.shift, maxWindow))
}

// opens reports whether the window has grown by enough to be worth a segment (RFC 9293 3.8.6.2.2). Behind the
// FIN nothing needs room.
func (c *Conn) opens() bool {
	if c.state == SynRcvd || c.state.Over() || c.finTold() {
		return false
	}
	edge := c.received + uint32(c.window())<<c.shift
	return ahead(edge, c.told) >= max(1, min(int(c.config.MSS), c.config.Room/2))
}
