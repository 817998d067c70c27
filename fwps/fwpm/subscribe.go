package fwpm

import (
	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// siteChange is whether a change is told: notifications are not reliable.
var siteChange = ke.Site{Name: "env/FwpmChanges/delivery", Alts: []string{"told", "lost"}, Spec: "wfp.md 1.6"}

// subscription is who wants to hear of changes to the objects of one kind.
//
//	wanted --Unsubscribe or Close--> ended, when no callback of it runs any more
type subscription struct {
	id      trace.ID
	of      *session
	owner   *ke.Image
	kind    kind
	flags   uint32
	wants   func(object any) bool
	call    func(k *irql.K, c *change)
	at      uintptr // the callback, for frames
	channel *ke.Channel
	running bool
	idle    ke.Object // signalled while the callback does not run
	ended   bool
}

// hears reports whether a change is told.
func (u *subscription) hears(c *change) bool {
	flag := FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_ADD
	if c.typ == FWPM_CHANGE_DELETE {
		flag = FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_DELETE
	}
	return u.kind == c.kind && u.flags&flag != 0 && u.wants(c.object)
}

// tell posts what was committed to those who want to hear of it: never to the session that made the change,
// and not before the call that made it may have returned (wfp.md 1.6).
func tell(k *ke.K, by *session, changes []change) {
	g := state.Of(k)
	for i := range changes {
		for _, u := range g.subs {
			if c := &changes[i]; u.of != by && u.hears(c) {
				ke.Of(k).Post(u.channel, ke.Delivery{Text: "change of policy", Obj: u.id, Touches: u.id,
					Passive: true, Run: func(k *ke.K) { u.deliver(k, c) }})
			}
		}
	}
}

// deliver calls the callback in its driver's name. That it comes at PASSIVE_LEVEL is INFERRED (wfp.md 1.6).
func (u *subscription) deliver(k *ke.K, c *change) {
	ke.Adds(k, ke.Writes(u.id))
	if u.ended {
		return
	}
	if ke.Choose(k, &siteChange, 2) == 1 {
		ke.Note(k, "a notification is lost (STATUS_FWP_NOTIFICATION_DROPPED)", u.id)
		return
	}
	u.running, u.idle.Signal = true, 0
	ke.Push(k, ke.Frame{Kind: ke.FrameCallback, Image: u.owner, Object: u, Obj: u.id, Fn: u.at})
	u.call(k, c)
	ke.Pop(k)
	ke.Adds(k, ke.Writes(u.id))
	u.running = false
	ke.SetSignal(k, &u.idle, 1)
}

// end takes a subscription away, once its callback does not run: a callback that does it itself waits for
// ever.
func (u *subscription) end(k *ke.K) {
	g := state.Of(k)
	ke.Adds(k, ke.Writes(u.id))
	u.ended = true
	for i, o := range g.subs {
		if o == u {
			g.subs = list.Cut(g.subs, i)
			break
		}
	}
	if u.running {
		ke.Wait(k, []*ke.Object{&u.idle}, true, nil, "a callback about changes to return")
	}
}

// endSubscriptions is end for all subscriptions of a session.
func (s *session) endSubscriptions(k *ke.K) {
	for _, u := range list.Add(nil, state.Of(k).subs) {
		if u.of == s {
			u.end(k)
		}
	}
}

// wish is what a subscription asks for.
type wish struct {
	name  string
	site  *ke.Site
	kind  kind
	flags uint32
	wants func(object any) bool
	call  func(k *irql.K, c *change) // nil when the driver gave no callback
	fn    any
	there bool // the subscription is
}

// subscribe makes a subscription.
func subscribe(k *irql.K, w *wish, engineHandle irql.HANDLE, changeHandle *irql.HANDLE) ntstatus.NTSTATUS {
	s, st := called(k, w.name, engineHandle, w.there && w.call != nil && changeHandle != nil)
	if s == nil {
		return st
	}
	const known = FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_ADD | FWPM_SUBSCRIPTION_FLAG_NOTIFY_ON_DELETE
	switch {
	case s.txn != nil:
		return done(k, w.name, s.id, ntstatus.STATUS_FWP_TXN_IN_PROGRESS)
	case w.flags&^known != 0:
		return done(k, w.name, s.id, ntstatus.STATUS_FWP_INVALID_FLAGS)
	case w.flags == 0: // INFERRED from the status' text: a subscription that can never match
		return done(k, w.name, s.id, ntstatus.STATUS_FWP_NEVER_MATCH)
	case ke.Fails(k, w.site):
		return done(k, w.name, s.id, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	}
	m := ke.Of(k)
	u := &subscription{id: handleID(k), of: s, owner: ke.Acting(k), kind: w.kind, flags: w.flags,
		wants: w.wants, call: w.call, at: ke.CodeOf(w.fn)}
	u.idle = ke.Object{Kind: ke.NotificationEvent, ID: u.id, Signal: 1}
	u.channel = m.NewChannel("changes for " + u.id.String())
	ke.Point(k, ke.Writes(fwps.Sim.PolicyID(k)))
	g := state.Of(k)
	g.subs = append(g.subs, u)
	*changeHandle = fwps.Sim.NewHandle(k, u)
	return done(k, w.name, s.id, ok)
}

// unsubscribe ends the subscription of a handle.
func unsubscribe(k *irql.K, name string, kd kind, engineHandle, changeHandle irql.HANDLE) ntstatus.NTSTATUS {
	s, st := called(k, name, engineHandle, true)
	if s == nil {
		return st
	}
	u, _ := fwps.Sim.FindHandle(k, changeHandle).(*subscription)
	if u != nil {
		ke.Adds(k, ke.Writes(u.id))
	}
	switch {
	case s.txn != nil:
		return done(k, name, s.id, ntstatus.STATUS_FWP_TXN_IN_PROGRESS)
	case u == nil || u.ended || u.kind != kd:
		return done(k, name, s.id, ntstatus.STATUS_INVALID_HANDLE)
	case u.of != s:
		return done(k, name, s.id, ntstatus.STATUS_FWP_WRONG_SESSION)
	}
	ke.Point(k, ke.Writes(fwps.Sim.PolicyID(k)))
	u.end(k)
	return done(k, name, s.id, ok)
}
