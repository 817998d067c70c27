// Package tcp is one end of a TCP connection, pure: segments and calls go in, segments and news come out. It
// knows no scheduler, clock, address or choice.
//
// Modelled: the handshake of an end that opens and one that accepts, MSS and window scale, windows and their
// updates, segments that overtake, overlap and come twice, half-close, RST by sequence number, retransmission
// and probes of a shut window by one timer, the tombstone of TIME_WAIT. Not modelled: simultaneous open, data
// in a SYN, congestion control, SACK, timestamps, urgent data, delayed ACKs, keep-alive, path MTU; a segment
// is as long as the window and one Send allow.
//
// An owner may count on this: the bytes it is told are those that were sent, in order, each once; and while
// nothing is lost the timer never has to fire, in whatever order segments arrive (network.md 3.1, 7).
package tcp

import "calloutsim/internal/packet"

// Config is what an end is made with.
type Config struct {
	ISS  uint32 // the number of our SYN; the stack makes it of the addresses, so that no schedule changes it
	Room int    // bytes the owner may have been told of and not released
	MSS  uint16 // what we say in our SYN; a window that opens by less than this and half of Room is not news
	RTO  int64  // how long the first try waits for an answer; at least four latencies of the network
}

// What says what an owner is told.
type What uint8

// What there is to tell.
const (
	Opened   What = iota // the handshake is over
	Data                 // the next bytes of the peer; until Release they take room
	Acked                // the peer has N more bytes of ours
	PeerFin              // the peer will send no more, and all it sent has been told
	FinDone              // the peer knows that we will send no more
	Reset                // the peer has broken the connection, or refused it
	TimedOut             // the peer does not answer
)

// Told is one piece of news for the owner.
type Told struct {
	What What
	N    int    // of Data and Acked: how many bytes
	Data []byte // nobody writes to it
}

// Out is a segment to send.
type Out struct {
	packet.Segment
	Data []byte // nobody writes to it
}

// What a Result says about the timer besides a delay.
const (
	LeaveTimer int64 = 0
	StopTimer  int64 = -1
)

// Result is what follows from a segment or a call. Opened comes first where it is told, then Send, then the
// other Told: before the ACK that ends a handshake leaves, who may refuse the connection is asked.
type Result struct {
	Send  []Out
	Told  []Told
	Timer int64 // LeaveTimer, StopTimer, or a delay after which Timer is to be called
}

// Conn is one end.
type Conn struct {
	config Config
	state  State

	// What we send. una <= next <= end, and end+1 once there is a FIN; numbers wrap around.
	una, next uint32  // the oldest byte without answer; the next one to leave
	end       uint32  // behind the last byte the owner has given
	edge      uint32  // the peer has room up to here; Invariant: it never moves back
	queue     []chunk // bytes from una to end
	finSent   bool
	peerShift uint8 // of the windows the peer states
	scaled    bool  // both ends scale

	// What we receive. received <= limit.
	received uint32 // the next byte to tell
	limit    uint32 // we have room up to here; Invariant: it never moves back
	told     uint32 // the peer has been told of room up to here
	unread   int    // bytes told and not released
	excess   int    // room the peer has been told of and the owner does not give any more
	fin      uint32 // number of the peer's FIN
	finKnown bool
	held     []piece // out of order; Invariant: sorted, apart, all behind received
	shift    uint8   // of the windows we state

	armed  bool
	tries  uint8 // how often the timer has fired since the peer took something or made room
	silent uint8 // how often since the peer was heard of

	ackDue   bool
	progress bool
	outs     []Out  // rooms that Results are cut from
	news     []Told // likewise
	outFrom  int
	newsFrom int
}

// Open begins a connection: its SYN is to be sent.
func Open(c Config) (*Conn, Result) {
	e := newConn(c, SynSent)
	e.begin()
	e.sendSyn(0)
	return e, e.finish()
}

// Accept answers the SYN of a peer.
func Accept(syn packet.Segment, c Config) (*Conn, Result) {
	e := newConn(c, SynRcvd)
	e.begin()
	e.meet(syn)
	e.sendSyn(packet.ACK)
	return e, e.finish()
}

// maxRoom is the most a window can say (RFC 7323 2.3); more room is not used.
const maxRoom = maxWindow << 14

func newConn(c Config, s State) *Conn {
	c.Room = min(c.Room, maxRoom)
	e := &Conn{config: c, state: s, una: c.ISS, next: c.ISS + 1, end: c.ISS + 1}
	for c.Room>>e.shift > maxWindow {
		e.shift++
	}
	return e
}

// State says where the end stands.
func (c *Conn) State() State { return c.state }

// Unacked is how many bytes the owner has given that the peer has not confirmed.
func (c *Conn) Unacked() int { return int(c.end - c.una) }

// Unread is how many bytes the owner has been told of and not released.
func (c *Conn) Unread() int { return c.unread }

// Send queues bytes, which it keeps: nobody may change them any more. It is an internal error unless
// State().MaySend().
func (c *Conn) Send(b []byte) Result {
	if !c.state.MaySend() {
		panic("internal error: Send on an end in " + c.state.String())
	}
	c.begin()
	if len(b) > 0 {
		c.queue = append(c.queue, chunk{c.end, b})
		c.end += uint32(len(b))
		c.pump()
	}
	return c.finish()
}

// Fin says that the owner has given its last byte. It goes behind the queue; receiving goes on. It is an
// internal error unless State().MaySend().
func (c *Conn) Fin() Result {
	c.begin()
	c.step(callFin)
	c.pump()
	return c.finish()
}

// Abort breaks the connection off: what is queued is lost, and the peer hears a RST. In SYN_SENT nothing is
// sent: an answer that still comes meets no connection, and is told so then.
func (c *Conn) Abort() Result {
	c.begin()
	if c.state.Over() {
		return c.finish()
	}
	if c.state != SynSent {
		c.send(packet.Segment{Seq: c.next, Flags: packet.RST}, nil)
	}
	c.breakOff()
	return c.finish()
}

// Release says that the owner is done with n of the bytes it was told of.
func (c *Conn) Release(n int) Result {
	if n < 0 || n > c.unread {
		panic("internal error: more bytes released than were told")
	}
	c.begin()
	c.unread -= n
	c.grow(n)
	return c.finish()
}

// SetRoom changes Config.Room. What the peer has been told of stays promised: a smaller room comes about as
// bytes are released.
func (c *Conn) SetRoom(n int) Result {
	c.begin()
	n = min(n, maxRoom)
	more := n - c.config.Room
	c.config.Room = n
	if c.state != SynSent { // there nothing is promised yet
		c.grow(more)
	}
	return c.finish()
}

// grow gives n bytes more of room, or fewer.
func (c *Conn) grow(n int) {
	c.excess -= n
	if c.excess < 0 {
		c.limit += uint32(-c.excess)
		c.excess = 0
	}
	c.ackDue = c.opens()
}

// breakOff forgets everything that was to be sent.
func (c *Conn) breakOff() {
	c.step(broken)
	c.queue, c.held, c.ackDue = nil, nil, false
}

// begin starts a Result.
func (c *Conn) begin() {
	if cap(c.outs)-len(c.outs) < 2 {
		c.outs = make([]Out, 0, 16)
	}
	if cap(c.news)-len(c.news) < 2 {
		c.news = make([]Told, 0, 16)
	}
	c.outFrom, c.newsFrom = len(c.outs), len(c.news)
	c.progress = false
}

// finish ends a Result: what was received is confirmed at once, by what is sent anyway or by itself.
func (c *Conn) finish() Result {
	if c.ackDue {
		c.send(packet.Segment{Seq: c.next}, nil)
	}
	o, n := len(c.outs), len(c.news)
	return Result{c.outs[c.outFrom:o:o], c.news[c.newsFrom:n:n], c.setTimer()}
}

// tell adds a piece of news.
func (c *Conn) tell(w What, n int, b []byte) { c.news = append(c.news, Told{w, n, b}) }
