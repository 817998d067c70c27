package tcpip

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcp"
	"calloutsim/ntstatus"
)

// speaker is the owner of one end in a random schedule: it has something to say, reads at times, and
// finishes.
type speaker struct {
	e        *Endpoint
	say      []byte // what it says in all
	said     int
	heard    []byte
	finished bool // the other has said all
	shut     bool // this one has
	lost     bool
}

func (p *speaker) Indicate(_ *ke.K, e *Endpoint, i Indication) {
	p.lost = p.lost || i.Kind == Reset
	p.finished = p.finished || i.Kind == Finished
}

// act does one thing of those that can be done.
func (p *speaker) act(r *ke.Random) {
	if p.e == nil || p.lost || !p.e.State().HasPeer() {
		return
	}
	switch n := dice(r, 4); {
	case n == 0 && p.said < len(p.say):
		b := p.say[p.said:min(len(p.say), p.said+1+dice(r, 400))]
		p.said += len(b)
		p.e.Send(nil, b, nothing)
	case n == 1 && p.said == len(p.say) && !p.shut:
		p.shut = true
		p.e.Disconnect(nil, nil, false, func(*ke.K, ntstatus.NTSTATUS) {})
	case n > 1:
		b := p.e.Take(1 + dice(r, 300))
		p.heard = append(p.heard, b...)
		p.e.Release(nil, len(b))
	}
}

// converse plays one random schedule between two ends in a machine; one packet in loss is lost.
func converse(t *testing.T, run uint64, loss int) (open bool, w *dry, speakers [2]*speaker, s *Stack) {
	r := ke.NewRandom(77, run)
	w = &dry{log: func(string, ...any) {}}
	s = stackIn(w)
	text := func() []byte {
		b := make([]byte, dice(r, 3000))
		for i := range b {
			b[i] = byte(r.Next())
		}
		return b
	}
	a, b := &speaker{say: text()}, &speaker{say: text()}
	at := netip.MustParseAddrPort("127.0.0.1:80")
	l := s.NewEndpoint(nil, false)
	l.Window = 200 + dice(r, 2000)
	l.Bind(nil, at, nil, func(*ke.K, ntstatus.NTSTATUS) {})
	l.Listen(nil, 0, nil, func(*ke.K, ntstatus.NTSTATUS) {})
	a.e = s.NewEndpoint(nil, false)
	a.e.Owner, a.e.Window = a, 200+dice(r, 2000)
	a.e.Connect(nil, at, true, nil, func(_ *ke.K, st ntstatus.NTSTATUS) { open = ntstatus.NT_SUCCESS(st) })
	for idle := 0; idle < 200; idle++ {
		if b.e == nil {
			if b.e = l.Accept(nil); b.e != nil {
				b.e.Owner = b
			}
		}
		a.act(r)
		b.act(r)
		switch {
		case len(w.due) > 0:
			s.net.lose = loss > 0 && dice(r, loss) == 0
			w.deliver(dice(r, len(w.due)))
			s.net.lose = false
			idle = 0
		case loss > 0 && dice(r, 4) == 0 && w.tick():
			idle = 0
		}
	}
	return open, w, [2]*speaker{a, b}, s
}

// TestStacks_BytesArriveInOrderUnderRandomSchedules: without loss everything arrives, both ends finish, and
// no timer is ever armed; with loss nothing wrong arrives, and what nobody gave up arrives whole.
//
// Reference: network.md 7.
func TestStacks_BytesArriveInOrderUnderRandomSchedules(t *testing.T) {
	whole := 0
	for run := range uint64(600) {
		loss := []int{0, 0, 8}[run%3]
		name := fmt.Sprintf("run %d, loss 1/%d", run, loss)
		open, w, p, s := converse(t, run, loss)
		for i, me := range p {
			say := p[1-i].say
			require.True(t, bytes.HasPrefix(say, me.heard), "%s: other bytes than were sent", name)
			if loss == 0 || open && !p[0].lost && !p[1].lost {
				require.Equal(t, len(say), len(me.heard), name)
				require.True(t, me.finished, "%s: the end was not told", name)
				whole++
			}
			if me.e != nil {
				me.e.Close(nil, true, func(*ke.K) {})
			}
		}
		if loss == 0 {
			assert.Empty(t, w.later, name)
			assert.Zero(t, w.clock, name)
		}
		for len(w.due) > 0 || w.tick() {
			if len(w.due) > 0 {
				w.deliver(0)
			}
		}
		for _, x := range s.streams { // a peer that gave up says nothing, and FIN_WAIT_2 has no clock
			assert.True(t, x.conn.State() == tcp.FinWait2 && (p[0].lost || p[1].lost), "%s: %v is left in %v",
				name, x.tuple, x.conn.State())
		}
	}
	require.Greater(t, whole, 800, "too few conversations came through")
}

// TestNetwork_EveryPacketArrivesOrIsLost counts what was sent.
func TestNetwork_EveryPacketArrivesOrIsLost(t *testing.T) {
	for run := range uint64(30) {
		w := &dry{log: func(string, ...any) {}}
		s := stackIn(w)
		s.AddHost(netip.MustParseAddr("192.0.2.99"), Echo())
		came, posted := 0, 0
		s.net.tap = func(event string, _ *packet.Packet) {
			if event == "arrives" {
				came++
			}
		}
		e := s.NewEndpoint(nil, false)
		e.Connect(nil, netip.MustParseAddrPort("192.0.2.99:80"), true, nil, func(*ke.K, ntstatus.NTSTATUS) {})
		r := ke.NewRandom(78, run)
		for range 40 {
			if len(w.due) > 0 {
				posted++
				w.deliver(dice(r, len(w.due)))
			}
			if e.State().MaySend() && dice(r, 3) == 0 {
				e.Send(nil, []byte("x"), nothing)
			}
		}
		assert.Equal(t, posted, came)
	}
}

func dice(r *ke.Random, n int) int { return int(r.Next() % uint64(n)) }
