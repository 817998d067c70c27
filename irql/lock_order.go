package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// nesting says that a lock was acquired while another was held.
type nesting struct {
	held, taken trace.ID
	gates       []trace.ID // what was held besides and lets one thread in at a time
	heldSeq     uint64     // acquisition of held
	seq         uint64     // event before the acquisition of taken
	ctx         string
}

// noteOrder remembers that k, which may hold other locks, is about to take id for as long as it needs, and
// reports LOCK-003 if some other context took them the other way round. It asks before the acquisition, so
// that the cause is reported and not the deadlock that may follow.
//
// Two steps of a circle that are taken under one lock of which there is one holder (a gate) are never under
// way at the same time, and no deadlock comes of them.
func noteOrder(k *K, d ddi.ID, id trace.ID) {
	if t := ke.Top(k); t != nil && t.Kind == ke.FrameClassify && ke.Of(k).Takes != nil {
		ke.Of(k).Takes(k, id)
	}
	held := ke.Locks(k)
	if len(held) == 0 {
		return
	}
	s := state.Of(k)
	for i := range held {
		h := &held[i]
		if h.ID == id {
			continue
		}
		s.gates = gatesOf(s.gates[:0], held, h)
		if s.nested(h.ID, id) {
			continue
		}
		if back := s.path(id, h.ID); back != nil {
			reportCycle(k, d, h, id, back)
		}
		s.order = append(s.order, nesting{h.ID, id, append([]trace.ID(nil), s.gates...), h.Seq,
			ke.Of(k).Log().Len(), ke.ContextName(k)})
	}
}

// gatesOf lists the locks of held, except h, that only one thread can hold.
func gatesOf(gates []trace.ID, held []ke.Held, h *ke.Held) []trace.ID {
	for i := range held {
		switch held[i].Kind {
		case exShared, exSharedAtDpc, pushShared, ownedResource:
			continue
		}
		if held[i].ID != h.ID {
			gates = append(gates, held[i].ID)
		}
	}
	return gates
}

// nested reports whether it is noted already that taken was acquired under held, with no gate besides that
// is missing from s.gates.
func (s *machine) nested(held, taken trace.ID) bool {
	for i := range s.order {
		if n := &s.order[i]; n.held == held && n.taken == taken && n.within(s.gates) {
			return true
		}
	}
	return false
}

func (n *nesting) within(gates []trace.ID) bool {
	for _, g := range n.gates {
		if !contains(gates, g) {
			return false
		}
	}
	return true
}

// shut reports whether the step is kept apart from one that is taken behind gates.
func (n *nesting) shut(gates []trace.ID) bool {
	for _, g := range n.gates {
		if contains(gates, g) {
			return true
		}
	}
	return false
}

// path returns the first step of a way from one lock to another over the notes made so far, without those
// that s.gates keeps apart; nil when there is none.
func (s *machine) path(from, to trace.ID) *nesting {
	first := make([]*nesting, 0, 8) // the first step by which reached[i] was found
	reached := append(make([]trace.ID, 0, 8), from)
	first = append(first, nil)
	for at := 0; at < len(reached); at++ {
		for i := range s.order {
			n := &s.order[i]
			if n.held != reached[at] || contains(reached, n.taken) || n.shut(s.gates) {
				continue
			}
			step := first[at]
			if step == nil {
				step = n
			}
			if n.taken == to {
				return step
			}
			reached, first = append(reached, n.taken), append(first, step)
		}
	}
	return nil
}

func contains(ids []trace.ID, id trace.ID) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}

// watched reports whether Driver Verifier watches the order of such a lock. Its deadlock detection knows spin
// locks, mutexes and fast mutexes; the others are an extension (irp.md 23, 24).
func watched(id trace.ID) bool {
	switch id.Kind() {
	case trace.Resource, trace.PushLock, trace.GuardedMutex:
		return false
	}
	return true
}

func reportCycle(k *K, d ddi.ID, h *ke.Held, id trace.ID, back *nesting) {
	f := verify.Finding{Rule: verify.LOCK_003, Obj: id.String(),
		Headline: fmt.Sprintf("%v takes %v while %v is held; %s took %v while it held %v", d, id, h.ID,
			back.ctx,
			back.taken, back.held),
		Args: verify.Params(nil, id),
		Places: []verify.Place{{Label: "HELD_HERE", Seq: h.Seq}, {Label: "OTHER_ORDER_OUTER_LOCK",
			Seq: back.heldSeq},
			{Label: "OTHER_ORDER_INNER_LOCK", Seq: back.seq}}}
	if !watched(id) || !watched(h.ID) || !watched(back.taken) || !watched(back.held) {
		f.Case = "a lock that Driver Verifier does not watch"
		f.Text = "Two contexts that take two locks in different orders can each end up holding what the " +
			"other one needs. Driver Verifier watches spin locks, mutexes and fast mutexes only: for " +
			"resources, push locks and guarded mutexes this is an extension."
	}
	ke.Report(k, f)
}
