package wsk

import (
	"cmp"
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// What can only be seen when nothing can run any more, or when somebody is about to wait.

// eventsIn gives the objects that can be waited for in the context of a completion routine: the event that it
// is, or those in the structure that it points to.
func eventsIn(context any) (ids []trace.ID) {
	type waitable interface{ Header() *ke.Object }
	if w, ok := context.(waitable); ok {
		return []trace.ID{w.Header().ID}
	}
	pool.Inside(context, func(obj any) {
		if w, ok := obj.(waitable); ok {
			ids = append(ids, w.Header().ID)
		}
	})
	return ids
}

// awaiting finds the pending request whose completion signals the object.
func (s *subsystem) awaiting(id trace.ID) *request {
	for _, o := range s.sockets {
		for _, r := range o.pending {
			if !r.completed && list.Has(eventsIn(r.context), id) {
				return r
			}
		}
	}
	return nil
}

// inlineKept is how many requests that ended at once are remembered.
const inlineKept = 64

// wasInline remembers what a request would have signalled that has ended inside its call (WSK-076).
func (s *subsystem) wasInline(r *request) {
	for _, id := range eventsIn(r.context) {
		if len(s.inline) == inlineKept {
			s.inline = list.Cut(s.inline, 0)
		}
		s.inline = append(s.inline, id)
	}
}

// awaits finds a request made in the callback whose completion signals the object.
func (c *eventCall) awaits(id trace.ID) *request {
	for _, r := range c.asked {
		if list.Has(eventsIn(r.context), id) {
			return r
		}
	}
	return nil
}

// waits looks at a wait that begins. Rules: WSK-079, WSK-244.
func (s *subsystem) waits(k *irql.K, objs []*ke.Object) {
	ev := eventOf(k)
	if ke.IRQL(k) >= ke.Dispatch || ev == nil && !s.inCompletion(k) {
		return
	}
	for _, o := range objs {
		r := s.awaiting(o.ID)
		if ev != nil {
			r = cmp.Or(ev.awaits(o.ID), r)
		}
		if r == nil {
			continue
		}
		f := verify.Finding{Rule: verify.WSK_079, Obj: r.obj().String(),
			Headline: fmt.Sprintf("a callback of WSK waits for %s", r.name)}
		if r.op == opClose && ev != nil && ev.sock == r.sock {
			f.Rule, f.Also = verify.WSK_244, []verify.RuleID{verify.WSK_079}
			f.Headline = fmt.Sprintf("%s of %v waits for WskCloseSocket, which waits for that very callback",
				events[ev.kind].name, r.sock.id)
		}
		ke.Report(k, f)
		return
	}
}

// leftWaiting finds threads that wait for ever because of how they use WSK. Rules: WSK-076, WSK-119, WSK-168,
// WSK-197.
func (s *subsystem) leftWaiting(m *ke.Machine) {
	for _, t := range m.Threads() {
		why, on, _, ok := t.Waits()
		if !ok || len(on) == 0 || t.Timed() {
			continue
		}
		f := verify.Finding{Obj: on[0].ID.String(), Driver: imageOf(t)}
		switch r := s.awaiting(on[0].ID); {
		case r != nil && r.op == opDisconnect && r.row == rowDisconnect:
			f.Rule, f.Headline = verify.WSK_119, fmt.Sprintf("%s waits for ever for the graceful "+
				"WskDisconnect of "+
				"%v, which the peer does not let complete", t.Name(), r.sock.id)
		case r != nil && list.Has(r.changesOf(), r):
			f.Rule, f.Headline = verify.WSK_210, fmt.Sprintf("%s waits for ever for "+
				"SIO_ADDRESS_LIST_CHANGE on %v, "+
				"and nothing changes the addresses", t.Name(), r.sock.id)
		case r != nil && r.op == opAccept && r.sock.lostAccepted():
			f.Rule, f.Headline = verify.WSK_197, fmt.Sprintf("%s waits for ever for a connection of %v "+
				"that it "+
				"accepted in WskInspectEvent, and that has gone", t.Name(), r.sock.id)
		case r != nil:
			continue
		case list.Has(s.inline, on[0].ID):
			f.Rule, f.Headline = verify.WSK_076, fmt.Sprintf("%s waits for ever for %v: the request had "+
				"ended "+
				"when its call returned, and the completion routine has not signalled it", t.Name(), on[0].ID)
		case list.Has(s.eventWaiters, t):
			f.Rule, f.Headline = verify.WSK_168, fmt.Sprintf("%s waits for ever (%s) after "+
				"STATUS_EVENT_PENDING, behind which no notification comes", t.Name(), why)
		default:
			continue
		}
		f.Also = append(f.Also, verify.LOCK_026)
		t.Explain()
		m.ReportEnd(f)
	}
}

func imageOf(t *ke.Thread) string {
	for _, f := range t.Frames() {
		if f.Image != nil && !f.Image.System {
			return f.Image.Name
		}
	}
	return ""
}

// stalled finds sockets whose callbacks wait for the client. Rules: WSK-177 to WSK-179, WSK-186.
func (s *subsystem) stalled(m *ke.Machine) {
	for _, o := range s.sockets {
		o.uninspected(m)
		o.unburied(m)
		for _, in := range o.retained {
			if f, late := in.late(); late {
				m.ReportEnd(f)
			}
		}
		o.stalledFrom(m)
		if o.closing || o.ep == nil || o.ep.Available() == 0 || o.readers.Pending() {
			continue
		}
		f := verify.Finding{Obj: o.id.String(), Driver: o.cl.image.Name}
		switch {
		case o.ev.refused:
			f.Rule, f.Headline = verify.WSK_177, fmt.Sprintf("%d bytes that WskReceiveEvent did not "+
				"accept wait on "+
				"%v, and no WskReceive was posted since", o.ep.Available(), o.id)
		case o.expects&WSK_EVENT_RECEIVE != 0:
			f.Rule, f.Headline = verify.WSK_186, fmt.Sprintf("%d bytes wait on %v: it came by WskAccept, so "+
				"the events enabled on its listening socket are not enabled on it", o.ep.Available(), o.id)
		default:
			continue
		}
		m.ReportEnd(f)
	}
}

// changesOf gives what waits on the request's socket for a change of the addresses.
func (r *request) changesOf() []*request {
	if r.sock == nil {
		return nil
	}
	return r.sock.changes
}
