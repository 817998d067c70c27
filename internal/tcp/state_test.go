package tcp

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/packet"
)

var plain = Config{ISS: 1000, Room: 65536, MSS: 1460, RTO: 3 * second}

// peerISS is the number of the peer's SYN in tests of one end.
const peerISS = 500

// from gives a segment of the peer: numbers count from behind the two SYNs.
func from(f packet.Flags, seq, ack int) packet.Segment {
	return packet.Segment{Seq: peerISS + 1 + uint32(seq), Ack: 1001 + uint32(ack), Flags: f, Window: 65535}
}

var peerSyn = packet.Segment{Seq: peerISS, Flags: packet.SYN, Window: 65535, MSS: 1460, Scale: 1}

// opened gives an end that has opened a connection.
func opened(t *testing.T) *Conn {
	c, _ := Open(plain)
	syn := peerSyn
	syn.Flags, syn.Ack = packet.SYN|packet.ACK, 1001
	r := c.Arrive(syn, nil)
	require.Equal(t, Told{What: Opened}, r.Told[0])
	return c
}

// in gives an end in a state, reached by segments; nothing is in flight but our FIN.
func in(t *testing.T, s State) *Conn {
	fin, ack := packet.FIN|packet.ACK, packet.ACK
	var c *Conn
	switch s {
	case SynSent:
		c, _ = Open(plain)
	case SynRcvd:
		c, _ = Accept(peerSyn, plain)
	default:
		c = opened(t)
	}
	steps := map[State][]func(){
		FinWait1:  {func() { c.Fin() }},
		FinWait2:  {func() { c.Fin() }, func() { c.Arrive(from(ack, 0, 1), nil) }},
		CloseWait: {func() { c.Arrive(from(fin, 0, 0), nil) }},
		Closing:   {func() { c.Fin() }, func() { c.Arrive(from(fin, 0, 0), nil) }},
		LastAck:   {func() { c.Arrive(from(fin, 0, 0), nil) }, func() { c.Fin() }},
		TimeWait:  {func() { c.Fin() }, func() { c.Arrive(from(fin, 0, 1), nil) }},
		Closed:    {func() { c.Abort() }},
	}
	for _, step := range steps[s] {
		step()
	}
	require.Equal(t, s, c.State())
	return c
}

// inputs are the columns of the table as segments and calls; what packets bring and what breaks off come in
// more than one form.
var inputs = []struct {
	in   input
	name string
	call bool
	do   func(c *Conn) Result
}{
	{synAckCame, "SYN+ACK", false, func(c *Conn) Result {
		return c.Arrive(packet.Segment{Seq: peerISS, Ack: 1001, Flags: packet.SYN | packet.ACK}, nil)
	}},
	{ackOfSyn, "ACK", false, func(c *Conn) Result { return c.Arrive(from(packet.ACK, 0, 0), nil) }},
	{callFin, "Fin", true, func(c *Conn) Result { return c.Fin() }},
	{finCame, "FIN", false, func(c *Conn) Result { return c.Arrive(from(packet.FIN|packet.ACK, 0, 0), nil) }},
	{ackOfFin, "ACK of FIN", false, func(c *Conn) Result { return c.Arrive(from(packet.ACK, 0, 1), nil) }},
	{broken, "Abort", false, func(c *Conn) Result { return c.Abort() }},
	{broken, "RST", false, func(c *Conn) Result {
		return c.Arrive(packet.Segment{Seq: c.received, Ack: c.next, Flags: packet.RST | packet.ACK}, nil)
	}},
	{broken, "three tries", false, func(c *Conn) Result {
		if !c.armed {
			c.breakOff() // nothing waits, so no timer can say it
			return Result{}
		}
		c.Timer()
		c.Timer()
		return c.Timer()
	}},
}

// next is the table of network.md 3.1 once more, in words.
var next = map[State]map[string]State{
	SynSent:     {"SYN+ACK": Established},
	SynRcvd:     {"ACK": Established, "FIN": CloseWait}, // a FIN with the ACK of the SYN is both
	Established: {"Fin": FinWait1, "FIN": CloseWait},
	FinWait1:    {"FIN": Closing, "ACK of FIN": FinWait2},
	FinWait2:    {"FIN": TimeWait},
	CloseWait:   {"Fin": LastAck},
	Closing:     {"ACK of FIN": TimeWait},
	LastAck:     {"ACK of FIN": TimeWait},
}

func TestState_EveryCell(t *testing.T) {
	for s := SynSent; s < numStates; s++ {
		for _, in1 := range inputs {
			name := fmt.Sprintf("%v, %s", s, in1.name)
			want, known := next[s][in1.name]
			switch {
			case in1.in == broken && !s.Over():
				want = Closed
			case in1.in == broken && in1.name == "three tries":
				continue // no timer is armed in what is over
			case !known:
				want = s
			}
			c := in(t, s)
			if in1.call && !known {
				assert.PanicsWithValue(t, "internal error: an end in "+s.String()+
					" was given what that state does not know", func() { in1.do(c) }, name)
				continue
			}
			in1.do(c)
			assert.Equal(t, want, c.State(), name)
		}
	}
}

// What Send and Fin are allowed in is one row.
func TestState_MaySend(t *testing.T) {
	for s := SynSent; s < numStates; s++ {
		assert.Equal(t, s == Established || s == CloseWait, s.MaySend(), s)
		c := in(t, s)
		if s.MaySend() {
			c.Send([]byte("x"))
			continue
		}
		assert.PanicsWithValue(t, "internal error: Send on an end in "+s.String(),
			func() { c.Send([]byte("x")) })
	}
}

func TestState_Names(t *testing.T) {
	assert.Equal(t, "SYN_SENT", SynSent.String())
	assert.Equal(t, "CLOSED", Closed.String())
}
