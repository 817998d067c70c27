package tcp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"calloutsim/internal/packet"
)

// whats gives the kinds of what was told.
func whats(r Result) (list []What) {
	for _, n := range r.Told {
		list = append(list, n.What)
	}
	return list
}

// flags gives the flags of what is sent.
func flags(r Result) (list []string) {
	for _, o := range r.Send {
		list = append(list, o.Flags.String())
	}
	return list
}

func TestOpen_SaysWhatAnEndSays(t *testing.T) {
	_, r := Open(plain)
	assert.Equal(t, []Out{{packet.Segment{Seq: 1000, Flags: packet.SYN, Window: 65535, MSS: 1460,
		Scale: 2}, nil}}, r.Send)
	assert.Equal(t, plain.RTO, r.Timer)
	_, r = Accept(peerSyn, plain)
	assert.Equal(t, []Out{{packet.Segment{Seq: 1000, Ack: 501, Flags: packet.SYN | packet.ACK, Window: 65535,
		MSS: 1460, Scale: 2}, nil}}, r.Send)
}

// Reference: RFC 7323 2.2: both ends send the option, or nobody scales.
func TestScale_OnlyIfBothSayIt(t *testing.T) {
	big := plain
	big.Room = 1 << 20
	for _, c := range []struct {
		scale  uint8
		window uint16
	}{{1, 1 << 20 >> 5}, {0, 65535}} {
		syn := peerSyn
		syn.Scale = c.scale
		e, r := Accept(syn, big)
		assert.Equal(t, c.scale != 0, r.Send[0].Scale != 0)
		e.Arrive(from(packet.ACK, 0, 0), nil)
		assert.Equal(t, c.window, e.Send([]byte("x")).Send[0].Window)
	}
	// the peer's windows are read with the peer's shift, but for the one in its SYN
	syn := peerSyn
	syn.Scale, syn.Window = 4, 10
	e, _ := Accept(syn, plain)
	assert.Len(t, e.Arrive(packet.Segment{Seq: 501, Ack: 1001, Flags: packet.ACK, Window: 2}, nil).Send, 0)
	assert.Len(t, e.Send(make([]byte, 100)).Send[0].Data, 16)
}

func TestTimer_ThreeSixTwelveSeconds(t *testing.T) {
	begin := map[string]func() (*Conn, Result){
		"SYN":     func() (*Conn, Result) { return Open(plain) },
		"SYN+ACK": func() (*Conn, Result) { return Accept(peerSyn, plain) },
		"data":    func() (*Conn, Result) { c := opened(t); return c, c.Send([]byte("abc")) },
		"FIN":     func() (*Conn, Result) { c := opened(t); return c, c.Fin() },
	}
	for name, start := range begin {
		c, first := start()
		assert.Equal(t, 3*int64(second), first.Timer, name)
		for _, delay := range []int64{6, 12} {
			r := c.Timer()
			assert.Equal(t, first.Send, r.Send, "%s is sent again", name)
			assert.Equal(t, delay*second, r.Timer, name)
			assert.Empty(t, r.Told, name)
		}
		r := c.Timer()
		assert.Equal(t, []What{TimedOut}, whats(r), name)
		assert.Empty(t, r.Send, name)
		assert.Equal(t, Closed, c.State(), name)
	}
}

func TestTimer_AnAnswerResetsTheCount(t *testing.T) {
	c := opened(t)
	c.Send([]byte("abc"))
	c.Send([]byte("def"))
	c.Timer()
	c.Timer()
	r := c.Arrive(from(packet.ACK, 0, 3), nil)
	assert.Equal(t, []Told{{Acked, 3, nil}}, r.Told)
	assert.Equal(t, plain.RTO, r.Timer, "the next one has its own three tries")
	r = c.Timer()
	assert.Equal(t, "def", string(r.Send[0].Data))
	r = c.Arrive(from(packet.ACK, 0, 6), nil)
	assert.Equal(t, StopTimer, r.Timer)
	assert.Equal(t, LeaveTimer, c.Arrive(from(packet.ACK, 0, 6), nil).Timer)
}

func TestTimer_ProbesAShutWindow(t *testing.T) {
	c := opened(t)
	shut := from(packet.ACK, 0, 0)
	shut.Window = 0
	c.edge = c.next // as if the peer had never had room
	r := c.Send([]byte("abc"))
	assert.Empty(t, r.Send)
	delay := int64(3 * second)
	for i := range maxProbes {
		assert.Equal(t, delay, r.Timer, "probe %d", i)
		r = c.Timer()
		require.Len(t, r.Send, 1)
		assert.Equal(t, uint32(1000), r.Send[0].Seq, "a number that has been confirmed")
		assert.Empty(t, r.Send[0].Data)
		delay *= 2
		assert.Empty(t, c.Arrive(shut, nil).Told)
	}
	assert.Equal(t, LeaveTimer, r.Timer, "answered and still shut: the peer will say so when it opens")
	r = c.Arrive(from(packet.ACK, 0, 0), nil)
	assert.Equal(t, "abc", string(r.Send[0].Data))
	assert.Equal(t, plain.RTO, r.Timer)

	c = opened(t)
	c.edge = c.next
	c.Send([]byte("abc"))
	c.Timer()
	c.Timer()
	assert.Equal(t, []What{TimedOut}, whats(c.Timer()), "nobody answers the probes")
}

func TestArrive_AnswersAProbeAndNoOtherEmptySegment(t *testing.T) {
	c := opened(t)
	assert.Equal(t, []string{"."}, flags(c.Arrive(from(packet.ACK, -1, 0), nil)))
	for _, s := range []packet.Segment{from(packet.ACK, 0, 0), from(packet.ACK, -2, 0),
		from(packet.ACK, 7, 0), from(packet.ACK, 0, 5), from(packet.ACK, 1<<20, 0), from(0, 0, 0)} {
		r := c.Arrive(s, nil)
		assert.Empty(t, r.Send, "%+v", s)
		assert.Empty(t, r.Told, "%+v", s)
	}
	// two ends that disagree do not answer each other's answers for ever
	assert.Equal(t, []string{"."}, flags(c.Arrive(from(packet.ACK, 0, 5), []byte("x"))))
	assert.Equal(t, []string{"."}, flags(c.Arrive(from(packet.ACK, 1<<20, 0), []byte("x"))))
	assert.Equal(t, []string{"."}, flags(c.Arrive(from(packet.ACK|packet.FIN, 1<<20, 0), nil)))
	assert.Equal(t, []string{"."}, flags(c.Arrive(from(packet.ACK, 0, -1<<30), []byte("x"))))
	assert.Zero(t, c.Unread())
}

func TestArrive_KeepsWhatOvertakesAndCutsOverlaps(t *testing.T) {
	text := "abcdefghij"
	part := func(c *Conn, a, b int) Result { return c.Arrive(from(packet.ACK, a, 0), []byte(text[a:b])) }
	c := opened(t)
	for _, p := range [][2]int{{4, 6}, {8, 9}, {3, 5}, {2, 10}, {5, 7}} {
		r := part(c, p[0], p[1])
		assert.Empty(t, r.Told, p)
		require.Len(t, r.Send, 1, p)
		assert.Equal(t, uint32(501), r.Send[0].Ack, "what is missing is asked for at once")
	}
	got := ""
	r := part(c, 0, 3)
	for _, n := range r.Told {
		require.Equal(t, Data, n.What)
		got += string(n.Data)
	}
	assert.Equal(t, text, got)
	assert.Equal(t, uint32(511), r.Send[0].Ack)
	assert.Equal(t, 10, c.Unread())
	assert.Empty(t, part(c, 0, 10).Told, "all of it once")
}

func TestArrive_CutsWhatHasNoRoom(t *testing.T) {
	small := plain
	small.Room = 4
	c, _ := Accept(peerSyn, small)
	r := c.Arrive(from(packet.ACK|packet.FIN, 0, 0), []byte("abcdef"))
	assert.Equal(t, []What{Opened, Data}, whats(r), "the FIN lies behind what was cut")
	assert.Equal(t, "abcd", string(r.Told[1].Data))
	assert.Equal(t, uint16(0), r.Send[0].Window)
	assert.Empty(t, c.Arrive(from(packet.ACK, 4, 0), []byte("e")).Told)
	assert.Equal(t, []What{PeerFin}, whats(c.Arrive(from(packet.ACK|packet.FIN, 4, 0), nil)),
		"a FIN needs no room")
}

func TestArrive_AFinWaitsForTheGap(t *testing.T) {
	c := opened(t)
	assert.Empty(t, c.Arrive(from(packet.ACK|packet.FIN, 3, 0), []byte("def")).Told)
	assert.Empty(t, c.Arrive(from(packet.ACK, 6, 0), []byte("behind the FIN")).Told)
	assert.Equal(t, Established, c.State())
	assert.Equal(t, []What{Data, Data, PeerFin}, whats(c.Arrive(from(packet.ACK, 0, 0), []byte("abc"))))
	assert.Equal(t, CloseWait, c.State())
	assert.Equal(t, []string{"."}, flags(c.Arrive(from(packet.ACK|packet.FIN, 6, 0), nil)),
		"sent again, confirmed again")
}

func TestFin_GoesBehindTheQueueAndReceivingGoesOn(t *testing.T) {
	c := opened(t)
	c.edge = c.next + 2
	c.Send([]byte("abc"))
	assert.Empty(t, c.Fin().Send, "a byte waits for room")
	r := c.Arrive(from(packet.ACK, 0, 2), []byte("x"))
	assert.Equal(t, []What{Acked, Data}, whats(r))
	assert.Equal(t, []string{"P.", "F."}, flags(r))
	r = c.Arrive(from(packet.ACK, 1, 4), nil)
	assert.Equal(t, []Told{{Acked, 1, nil}, {What: FinDone}}, r.Told)
	assert.Equal(t, []What{Data}, whats(c.Arrive(from(packet.ACK, 1, 4), []byte("y"))))
	assert.Equal(t, FinWait2, c.State())
}

func TestRelease_OpensTheWindowWhenItIsWorthASegment(t *testing.T) {
	c := opened(t)
	c.Arrive(from(packet.ACK, 0, 0), make([]byte, 4000))
	assert.Empty(t, c.Release(1400).Send, "less than MSS")
	r := c.Release(100)
	require.Len(t, r.Send, 1)
	assert.Equal(t, uint16((65536-2500)/2), r.Send[0].Window)
	assert.Panics(t, func() { c.Release(2501) })
	assert.Panics(t, func() { c.Release(-1) })
	assert.Empty(t, c.Release(0).Send)

	small := plain
	small.Room = 10
	c, _ = Accept(peerSyn, small)
	c.Arrive(from(packet.ACK, 0, 0), make([]byte, 10))
	assert.Empty(t, c.Release(4).Send, "less than half")
	assert.Len(t, c.Release(1).Send, 1)
	c.Arrive(from(packet.ACK|packet.FIN, 10, 0), nil)
	assert.Empty(t, c.Release(5).Send, "nothing more will come")
}

func TestSetRoom_KeepsWhatWasPromised(t *testing.T) {
	c := opened(t)
	assert.Equal(t, uint16(50_000), c.SetRoom(100_000).Send[0].Window)
	assert.Empty(t, c.SetRoom(10_000).Send)
	told := 0
	for _, n := range []int{60_000, 40_000} {
		assert.Len(t, c.Arrive(from(packet.ACK, told, 0), noise[:n]).Told, 1, "promised")
		told += n
	}
	assert.Empty(t, c.Release(90_000).Send, "that much is over now")
	assert.Equal(t, uint16(5000), c.Release(10_000).Send[0].Window)

	c, _ = Open(Config{Room: 1<<32 - 1, MSS: 1460, RTO: 1})
	assert.Equal(t, uint8(14), c.shift)
	c = opened(t)
	assert.Equal(t, uint16(65535), c.SetRoom(1<<32 - 1).Send[0].Window)

	c, _ = Open(plain)
	assert.Empty(t, c.SetRoom(10).Send)
	syn := peerSyn
	syn.Flags, syn.Ack = packet.SYN|packet.ACK, 1001
	assert.Equal(t, uint16(5), c.Arrive(syn, nil).Send[0].Window, "the SYN has said two bytes to a unit")
}

func TestSend_SegmentsAreAsLongAsWindowAndSendAllow(t *testing.T) {
	c := opened(t)
	c.edge = c.next + 100
	assert.Len(t, c.Send(make([]byte, 60)).Send[0].Data, 60)
	r := c.Send(make([]byte, 60))
	require.Len(t, r.Send, 1)
	assert.Len(t, r.Send[0].Data, 40)
	assert.Equal(t, ".", r.Send[0].Flags.String(), "only the last byte of a Send is pushed")
	assert.Equal(t, 120, c.Unacked())
	assert.Empty(t, c.Send(nil).Send)
	old := from(packet.ACK, 0, 0)
	old.Window = 10
	assert.Empty(t, c.Arrive(old, nil).Send, "an older window that comes later says nothing")
	assert.Len(t, c.Arrive(from(packet.ACK, 0, 100), nil).Send[0].Data, 20)
}

func TestRST_CountsInTheWindowOnly(t *testing.T) {
	rst := func(seq int) packet.Segment { return from(packet.RST, seq, 0) }
	for seq, counts := range map[int]bool{-1: false, 0: true, 1: true, 65535: true, 65536: false,
		1 << 30: false} {
		c := opened(t)
		r := c.Arrive(rst(seq), nil)
		assert.Equal(t, counts, c.State() == Closed, seq)
		assert.Equal(t, counts, len(r.Told) == 1 && r.Told[0].What == Reset, seq)
		assert.Empty(t, r.Send, "a RST is never answered")
	}
	c := opened(t)
	c.Arrive(from(packet.ACK, 0, 0), make([]byte, 65536))
	c.Arrive(rst(65536), nil)
	assert.Equal(t, Closed, c.State(), "the next number counts in a shut window")

	for ack, counts := range map[uint32]bool{1000: false, 1001: true, 1002: false} {
		c, _ := Open(plain)
		r := c.Arrive(packet.Segment{Ack: ack, Flags: packet.RST | packet.ACK}, nil)
		assert.Equal(t, counts, len(r.Told) == 1, "in SYN_SENT it confirms the SYN: %d", ack)
	}
	c, _ = Open(plain)
	assert.Empty(t, c.Arrive(packet.Segment{Ack: 1001, Flags: packet.RST}, nil).Told)
}

func TestRST_AnswersWhatBelongsToAnotherConnection(t *testing.T) {
	c, _ := Open(plain)
	assert.Equal(t, []Out{{packet.Segment{Seq: 77, Flags: packet.RST}, nil}},
		c.Arrive(packet.Segment{Ack: 77, Flags: packet.ACK | packet.SYN}, nil).Send)
	c, _ = Accept(peerSyn, plain)
	assert.Equal(t, []Out{{packet.Segment{Seq: 77, Flags: packet.RST}, nil}},
		c.Arrive(packet.Segment{Seq: 501, Ack: 77, Flags: packet.ACK}, nil).Send)
	assert.Equal(t, SynRcvd, c.State())
}

func TestAbort_SendsARSTButInSynSent(t *testing.T) {
	c := opened(t)
	c.Send([]byte("abc"))
	r := c.Abort()
	require.Len(t, r.Send, 1)
	assert.Equal(t, "R.", r.Send[0].Flags.String())
	assert.Equal(t, uint32(1004), r.Send[0].Seq)
	assert.Equal(t, StopTimer, r.Timer)
	assert.Empty(t, r.Told)
	assert.Equal(t, Result{Send: []Out{}, Told: []Told{}}, c.Abort())
	assert.Empty(t, c.Timer().Send, "a timer that was on its way finds nothing to do")

	c, _ = Open(plain)
	assert.Empty(t, c.Abort().Send)
}

func TestSYN_ThatIsLateIsAnswered(t *testing.T) {
	c, first := Accept(peerSyn, plain)
	assert.Equal(t, first.Send, c.Arrive(peerSyn, nil).Send, "ours may have been lost")
	c = opened(t)
	assert.Equal(t, []string{"."}, flags(c.Arrive(peerSyn, nil)))
}

func TestTombstone_ConfirmsAFinAndGivesWayToASyn(t *testing.T) {
	c := in(t, TimeWait)
	assert.Panics(t, func() { opened(t).Tombstone() })
	stone := c.Tombstone()
	out, ok := stone.Arrive(from(packet.FIN|packet.ACK, 0, 1), 0)
	assert.True(t, ok)
	assert.Equal(t, packet.Segment{Seq: 1002, Ack: 502, Flags: packet.ACK}, out.Segment)
	_, ok = stone.Arrive(from(packet.ACK, 1, 1), 1)
	assert.True(t, ok)
	for _, f := range []packet.Flags{packet.ACK, packet.RST, packet.RST | packet.FIN} {
		_, ok = stone.Arrive(from(f, 1, 1), 0)
		assert.False(t, ok, f)
	}
	assert.True(t, stone.GivesWay(packet.Segment{Seq: 502, Flags: packet.SYN}))
	assert.False(t, stone.GivesWay(packet.Segment{Seq: 500, Flags: packet.SYN}), "the old SYN, late")
	assert.False(t, stone.GivesWay(packet.Segment{Seq: 900, Flags: packet.SYN | packet.ACK}))
}

func TestRefuse_IsRST(t *testing.T) {
	out, ok := Refuse(packet.Segment{Seq: 7, Ack: 9, Flags: packet.ACK}, 5)
	assert.True(t, ok)
	assert.Equal(t, packet.Segment{Seq: 9, Flags: packet.RST}, out.Segment)
	out, _ = Refuse(packet.Segment{Seq: 7, Flags: packet.SYN}, 0)
	assert.Equal(t, packet.Segment{Ack: 8, Flags: packet.RST | packet.ACK}, out.Segment)
	out, _ = Refuse(packet.Segment{Seq: 7, Flags: packet.FIN}, 5)
	assert.Equal(t, uint32(13), out.Ack)
	_, ok = Refuse(packet.Segment{Flags: packet.RST}, 0)
	assert.False(t, ok)
}

// A Result stays what it is while later ones are made: a stack carries them out one behind the other.
func TestResult_OutlivesTheNextCall(t *testing.T) {
	c := opened(t)
	var kept []Result
	for i := range 100 {
		kept = append(kept, c.Arrive(from(packet.ACK, i, 0), []byte{byte(i)}))
	}
	for i, r := range kept {
		require.Equal(t, []byte{byte(i)}, r.Told[0].Data)
		require.Equal(t, uint32(502+i), r.Send[0].Ack)
		require.Len(t, append(r.Send, Out{}), 2)
	}
}

func TestArrive_HardlyAllocates(t *testing.T) {
	c := opened(t)
	b, at := make([]byte, 100), 0
	got := testing.AllocsPerRun(2000, func() {
		c.Arrive(from(packet.ACK, at, at), b)
		c.Release(len(b))
		c.Send(b)
		at += len(b)
	})
	assert.LessOrEqual(t, got, 1.0)
}

// Segments of any kind, as drivers may inject them, break no invariant, and no two of our answers to empty
// segments go on for ever.
func TestArrive_Anything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c *Conn
		if rapid.Bool().Draw(rt, "opens") {
			c, _ = Open(plain)
		} else {
			c, _ = Accept(peerSyn, plain)
		}
		near := rapid.SampledFrom([]int{0, 1, -1, 2, 5, 65535, 65536, 65537, 1 << 30, -1 << 30, 1 << 31})
		s := &seeded{TB: t, pair: &pair{}}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { checkConn(s, c) },
			"segment": func(rt *rapid.T) {
				seg := from(packet.Flags(rapid.Uint8Range(0, 31).Draw(rt, "flags")), 0, 0)
				seg.Seq = c.received + uint32(near.Draw(rt, "seq"))
				seg.Ack = c.next + uint32(near.Draw(rt, "ack"))
				seg.Window = rapid.SampledFrom([]uint16{0, 1, 65535}).Draw(rt, "window")
				if n := rapid.IntRange(-10, 10).Draw(rt, "length"); n > 0 {
					c.Arrive(seg, noise[:n])
				} else {
					c.Arrive(seg, nil)
				}
			},
			"call": func(rt *rapid.T) {
				switch {
				case rapid.IntRange(0, 9).Draw(rt, "timer") == 0:
					c.Timer()
				case c.Unread() > 0:
					c.Release(c.Unread())
				case c.State().MaySend() && rapid.IntRange(0, 9).Draw(rt, "fin") == 0:
					c.Fin()
				case c.State().MaySend():
					c.Send(noise[:5])
				}
			},
		})
	})
}
