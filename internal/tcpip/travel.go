package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/ntstatus"
)

// Travel is one operation of an endpoint, or one packet, on its way along a path.
type Travel struct {
	e             *Endpoint  // nil of a packet that belongs to nobody here
	s             *Stack     // whose stations a packet passes
	way           sender     // of a packet on its way out
	flow          *Flow      // of a packet, or of datagrams
	inbound       bool       // of a packet
	thread        *ke.Thread // who asked, nil when the network did
	local, remote netip.AddrPort
	flags         Flag
	packet        *packet.Packet // nil for operations
	at            Layer          // the station that was asked last
	filter        uint64         // that has blocked the packet
	op            *ConnectOp     // of a connect
	send          *SendOp        // of a datagram that is sent
	target        Target         // answer of the last redirect station
	was           State          // of an endpoint that is closed
	path          *path
	i             int
	asked         bool // an answer is to come later
	parked        bool // the owner of a listener is to decide
	held          bool // a callout holds it
	taken         bool // what it carried was dropped when a callout held it
	ended         bool // Invariant: set once
	done          Status
}

// path is what a travel passes, one step behind the other.
type path struct {
	steps []step
	// over ends the travel if its endpoint has gone while it was asked about; it reports whether it did.
	over func(k *ke.K, t *Travel) bool
	// blocked is what a BLOCK of a station comes to; nil where it changes nothing.
	blocked func(k *ke.K, t *Travel, a Answer)
	// held is what happens when a callout holds the travel; nil where nothing does.
	held func(k *ke.K, t *Travel)
	// waits is what happens when an answer is to come later; nil where nothing does.
	waits   func(k *ke.K, t *Travel)
	packets bool // its travels are packets: stations are shown the packet's addresses
}

// step is a station, where the filter engine is asked, or a function.
type step struct {
	at   Layer                         // 0: a function
	when func(k *ke.K, t *Travel) bool // nil: always
	fill func(t *Travel, q *Question)  // what the station is shown beyond endpoint, thread and addresses
	do   func(k *ke.K, t *Travel)      // the function; of a station, what follows when it permits
}

// start sends t along p.
func (t *Travel) start(k *ke.K, p *path) {
	t.path = p
	t.next(k)
}

// next takes the steps that are left, until the travel ends or a station's answer is to come later. It then
// goes on in a delivery, never inside the call of a stranger.
func (t *Travel) next(k *ke.K) {
	for t.i < len(t.path.steps) && !t.ended && !t.parked {
		s := &t.path.steps[t.i]
		t.i++
		switch {
		case s.when != nil && !s.when(k, t):
		case s.at == 0:
			s.do(k, t)
		case !t.ask(k, s):
			t.asked = true
			if t.path.waits != nil {
				t.path.waits(k, t)
			}
			return
		}
	}
}

// ask puts the question of a station to the engine; false when the answer is to come later.
func (t *Travel) ask(k *ke.K, s *step) (answered bool) {
	t.at = s.at
	if t.path.packets && !t.s.Wants(s.at, t.packet.V6()) {
		t.answered(k, s, nil, Answer{Permit: true})
		return true
	}
	q := t.question(s.at)
	if s.fill != nil {
		s.fill(t, q)
	}
	if !q.Endpoint.stack.Wants(q.At, q.V6) {
		t.answered(k, s, q, Answer{Permit: true})
		return true
	}
	inCall, twice := true, false
	q.Done = func(k *ke.K, a Answer) {
		if twice || a.Hold && t.held {
			panic("internal error: the engine answered a classification twice")
		}
		if a.Hold {
			t.hold(k)
			return
		}
		twice = true
		if inCall && !t.held {
			answered = true
			t.answered(k, s, q, a)
			return
		}
		if t.e == nil {
			panic("internal error: the engine answers late about a packet of nobody")
		}
		if t.held && a.Absorb { // that is the end of it, and nothing goes on in the call of a stranger
			mark := t.e.enters(k)
			t.asked, t.held = false, false
			t.answered(k, s, q, a)
			t.e.leave(k, mark)
			return
		}
		t.e.post("classification decided", func(k *ke.K) {
			t.asked, t.held = false, false
			t.answered(k, s, q, a)
			t.next(k)
		})
	}
	q.Endpoint.stack.engine.Classify(k, q)
	inCall = false
	return answered
}

// question starts the question of a station.
func (t *Travel) question(at Layer) *Question {
	if t.path.packets {
		return t.aboutPacket(at)
	}
	q := t.e.question(at, t.thread)
	q.Local, q.Remote = t.local, t.remote
	q.Flags |= t.flags
	return q
}

// hold keeps the travel where it is, until the engine answers again (wfp.md 13.2).
func (t *Travel) hold(k *ke.K) {
	t.held = true
	if t.path.held != nil {
		t.path.held(k, t)
	}
}

// answered takes the answer to q, which is nil where a packet met a station that nobody filters.
func (t *Travel) answered(k *ke.K, s *step, q *Question, a Answer) {
	if a.Packet != nil {
		t.packet = a.Packet
	}
	switch {
	case t.path.over != nil && t.path.over(k, t):
		t.ended = true
	case !a.Permit && t.path.blocked != nil:
		if !t.path.packets && !a.Absorb {
			q.discards(k, a)
		}
		t.path.blocked(k, t, a)
		t.ended = true
	case s.do != nil:
		t.target = a.Target
		s.do(k, t)
	}
}

// finish ends the travel of an operation.
func (t *Travel) finish(k *ke.K, s ntstatus.NTSTATUS) {
	t.ended = true
	t.done(k, s)
}

// blocked is the status of an operation that the engine blocked.
func blocked(a Answer) ntstatus.NTSTATUS {
	if ntstatus.NT_SUCCESS(a.Status) {
		return ntstatus.STATUS_ACCESS_DENIED
	}
	return a.Status
}
