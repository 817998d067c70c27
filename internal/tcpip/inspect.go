package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/ntstatus"
)

// inspection is a connection that waits for the owner of its listener to decide (wsk.md 12).
type inspection struct {
	t       *Travel
	decided bool
	alarm   func() // takes back the end of the opener's patience
}

// patience is how long an opener repeats its SYN: 3, 6 and 12 s.
const patience = 21 * ke.Second

func isConditional(_ *ke.K, t *Travel) bool { return t.e.halfOf.Conditional }

// inspect asks the owner of the listener. That the filter engine is asked before is INFERRED.
func inspect(k *ke.K, t *Travel) {
	a, l := t.e, t.e.halfOf
	t.parked = true
	in := &inspection{t: t}
	a.inspected = in
	in.alarm = a.stack.w.after(patience, a.channel(), ke.Delivery{Text: "the opener has given up", Obj: a.ID,
		Touches: a.ID, Run: func(k *ke.K) {
			if in.alarm = nil; !in.decided && a.st != Closed {
				a.stack.stillborn(k, a)
				a.stack.openerGivesUp(k, t.packet)
			}
		}})
	l.Owner.Indicate(k, l, Indication{Kind: Inspect, New: a})
}

// Decide lets a connection come that was inspected, or turns it away with a RST (INFERRED from conditional
// accept of Winsock). False where it has gone.
func (e *Endpoint) Decide(k *ke.K, a *Endpoint, accept bool) bool {
	defer e.leave(k, e.enters(k))
	in := a.inspected
	if in == nil || in.decided || a.st == Closed {
		return false
	}
	in.decided = true
	in.cancel()
	t := in.t
	a.post("inspected", func(k *ke.K) {
		switch {
		case a.st == Closed:
			childOver(k, t)
		case accept:
			t.parked = false
			t.next(k)
		default:
			a.inspected = nil // nobody hears of its end
			a.stack.stillborn(k, a)
			a.stack.refuse(k, t.packet)
		}
	})
	return true
}

func (in *inspection) cancel() {
	if in.alarm != nil {
		in.alarm()
		in.alarm = nil
	}
}

// inspectedGone tells the owner of the listener that a connection which it inspected will not come.
func (l *Endpoint) inspectedGone(k *ke.K, a *Endpoint) {
	in := a.inspected
	if in == nil {
		return
	}
	a.inspected = nil
	in.cancel()
	if l.Owner != nil && l.st == Listening {
		l.Owner.Indicate(k, l, Indication{Kind: InspectGone, New: a})
	}
}

// openerGivesUp ends an attempt to connect that has had no answer for its time. Its own timer is not armed,
// since nothing was lost.
func (s *Stack) openerGivesUp(k *ke.K, p *packet.Packet) {
	tuple := Tuple{p.Proto, p.Src, p.Dst}
	for _, at := range s.net.stacks() {
		if x := at.stream(tuple); x != nil && x.opening() {
			mark := s.w.enter(k, x.id)
			x.dies(k, ntstatus.STATUS_IO_TIMEOUT)
			s.w.leave(k, mark)
			return
		}
	}
}

// stacks are those of the machine and of the hosts.
func (n *network) stacks() []*Stack {
	all := []*Stack{n.machine}
	for _, h := range n.hosts {
		all = append(all, h.stack)
	}
	return all
}

// waitsForOwner finds the connection of a tuple that is being inspected.
func (s *Stack) waitsForOwner(t Tuple) *Endpoint {
	for _, e := range s.eps {
		if e.inspected != nil && e.stream == nil && e.local == t.Local && e.remote == t.Remote {
			return e
		}
	}
	return nil
}
