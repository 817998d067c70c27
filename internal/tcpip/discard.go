package tcpip

import (
	"fmt"

	"calloutsim/internal/ke"
)

// Reason is why a packet went no further.
type Reason uint8

// The reasons.
const (
	NotDropped  Reason = iota
	Filtered           // a filter or a callout blocked it
	NoEndpoint         // nobody has the connection, or listens
	NotForUs           // its address is nobody's here, and packets are not forwarded
	BadChecksum        // a checksum is wrong
	NoRoom             // who receives it has too much that is not taken yet
)

var reasonNames = [...]string{NotDropped: "not dropped", Filtered: "filtered", NoEndpoint: "no endpoint",
	NotForUs: "not for us", BadChecksum: "wrong checksum", NoRoom: "no room"}

// String names the reason.
func (r Reason) String() string { return reasonNames[r] }

// discard shows a dropped packet to the discard station that belongs to at; what the station answers counts
// in few cases, for the rest there is nothing left to decide.
func (t *Travel) discard(k *ke.K, at Layer, why Reason) (permit bool) {
	if t.s.engine == nil || !t.s.Wants(at|Discarded, t.packet.V6()) {
		return true
	}
	q := t.aboutPacket(at | Discarded)
	q.Matter.(*Carried).Reason, q.Filter = why, t.filter
	q.Done = func(_ *ke.K, a Answer) { permit = a.Permit }
	t.s.engine.Classify(k, q)
	return permit
}

// discards shows the discard station what was blocked at another, of an operation that is authorised. The
// answer counts for nothing.
func (q *Question) discards(k *ke.K, a Answer) {
	s := q.Endpoint.stack
	if !s.Wants(q.At|Discarded, q.V6) {
		return
	}
	d := *q
	d.At, d.Filter, d.Done = q.At|Discarded, a.Filter, func(*ke.K, Answer) {}
	if c, ok := q.Matter.(*Carried); ok {
		d.Matter = &Carried{Packet: c.Packet, Reason: Filtered}
	}
	s.engine.Classify(k, &d)
}

// drop ends a packet: the discard station sees it, and the ends of its connection will miss it.
func (t *Travel) drop(k *ke.K, at Layer, why Reason) {
	t.ended = true
	t.discard(k, at, why)
	t.s.ledger.dropped++
	t.s.gone(k, t.packet)
	t.s.net.lost(t.packet)
}

// ledger counts what becomes of the packets of a stack.
//
// Invariant: every packet ends once, as delivered to the wire or to a transport, dropped, absorbed or queued.
type ledger struct{ born, delivered, dropped, absorbed, queued int }

func (l *ledger) ended() int { return l.delivered + l.dropped + l.absorbed + l.queued }

// balances checks that nothing has vanished; quiet says that nothing is under way.
func (n *network) balances(quiet bool) {
	if !quiet {
		return
	}
	check := func(s *Stack) {
		if l := &s.ledger; l.born != l.ended() {
			panic(fmt.Sprintf("internal error: every packet ends once: %+v", *l))
		}
	}
	check(n.machine)
	for _, h := range n.hosts {
		check(h.stack)
	}
	if n.sent != n.arrived+n.mislaid {
		panic(fmt.Sprintf("internal error: what was sent has arrived or got lost: %d sent, %d here, %d lost",
			n.sent, n.arrived, n.mislaid))
	}
}
