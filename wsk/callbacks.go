package wsk

import (
	"fmt"
	"math/bits"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// eventKind is a kind of event callback.
type eventKind uint8

// The kinds; a bit of a mask in the order of their flags.
const (
	evBacklog eventKind = iota
	evReceive
	evDisconnect
	evReceiveFrom
	evAccept
	evInspect // of conditional accept: no flag enables them
	evAbort
	numEvents
)

// event is what is known of a kind of callback.
type event struct {
	name string
	id   ddi.ID
	mask uint32
	post string // text of its delivery
}

var events = [numEvents]event{
	evBacklog: {"WskSendBacklogEvent", ddi.PFN_WSK_SEND_BACKLOG_EVENT, WSK_EVENT_SEND_BACKLOG,
		"send backlog event"},
	evReceive: {"WskReceiveEvent", ddi.PFN_WSK_RECEIVE_EVENT, WSK_EVENT_RECEIVE, "receive event"},
	evDisconnect: {"WskDisconnectEvent", ddi.PFN_WSK_DISCONNECT_EVENT, WSK_EVENT_DISCONNECT,
		"disconnect event"},
	evReceiveFrom: {"WskReceiveFromEvent", ddi.PFN_WSK_RECEIVE_FROM_EVENT, WSK_EVENT_RECEIVE_FROM,
		"receive from event"},
	evAccept:  {"WskAcceptEvent", ddi.PFN_WSK_ACCEPT_EVENT, WSK_EVENT_ACCEPT, "accept event"},
	evInspect: {"WskInspectEvent", ddi.PFN_WSK_INSPECT_EVENT, 1 << 16, "inspect event"},
	evAbort:   {"WskAbortEvent", ddi.PFN_WSK_ABORT_EVENT, 1 << 17, "abort event"},
}

// connectionEvents are those of a connection; a listening socket has them for the sockets it delivers.
const connectionEvents = WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_SEND_BACKLOG

var (
	siteEventIRQL = ke.Site{Name: "env/WskEvent/irql", Alts: []string{"dispatch", "passive"},
		Spec: "wsk.md 26"}
	// A callback at DISPATCH_LEVEL need not be told that it is (wsk.md 10.3).
	siteEventFlag = ke.Site{Name: "env/WskEvent/flag", Alts: []string{"at dispatch level", "not told"},
		Spec: "wsk.md 10.3"}
)

// callbacks are the event callbacks of a socket (wsk.md 11).
//
// Invariant: what is called is called from deliveries of one channel, so one after the other; a callback that
// is due is posted once. Only of WskReceiveFromEvent a second call may run beside the first (wsk.md 11.2).
type callbacks struct {
	on     uint32 // enabled by the client, or inherited
	always uint32 // static: nothing turns them off
	pass   uint32 // of a listening socket: for the sockets that WskAcceptEvent delivers
	posted uint32 // deliveries on their way
	ch     *ke.Channel
	second *ke.Channel // of calls beside those of ch
	beside bool        // a delivery of second is on its way

	running [numEvents]int
	leaving [numEvents][]*request // disables that wait for the calls that run
	bare    uint32                // disabled with STATUS_EVENT_PENDING: nobody is told of their end

	refused bool   // partial or no acceptance: nothing is indicated before a WskReceive has completed
	first   bool   // the callback has won against a receive that waits
	off     bool   // WskReceiveFromEvent has not accepted what it was shown, and is disabled by that
	told    bool   // of the disconnect
	ideal   uint64 // send backlog, where it has changed
	changed bool
	hushed  bool // the socket is still inside the callback that delivers it
}

// enabled reports whether callbacks of the kind are to be made.
func (o *socket) enabled(n eventKind) bool {
	return !o.closing && !o.dead && !o.ev.hushed && (o.ev.on|o.ev.always)&events[n].mask != 0 && o.has(n)
}

// indicate looks what is to be called, after whatever may have changed that.
func (o *socket) indicate(k *irql.K) {
	if o.ev.on|o.ev.always == 0 {
		return
	}
	for n := range numEvents {
		if o.due(n) && o.ev.posted&events[n].mask == 0 {
			o.ev.posted |= events[n].mask
			o.later(n)
		}
	}
}

// later posts a callback.
func (o *socket) later(n eventKind) {
	if o.ev.ch == nil {
		o.ev.ch = o.sub.m.NewChannel(o.id.String() + " events")
	}
	o.sub.m.Post(o.ev.ch, ke.Delivery{Text: events[n].post, Obj: o.id, Touches: o.id, IRQL: &siteEventIRQL,
		Run: func(k *irql.K) { o.event(k, n) }})
}

// due reports whether something is to be told of.
func (o *socket) due(n eventKind) bool {
	if !o.enabled(n) || o.ep == nil {
		return false
	}
	ev := &o.ev
	switch n {
	case evAccept:
		return o.ep.Waiting() > 0 && (!o.acceptors.Pending() || ev.first)
	case evReceive:
		return o.ep.Available() > 0 && !ev.refused && ev.running[evReceive] == 0 &&
			(!o.readers.Pending() || ev.first)
	case evReceiveFrom:
		return o.ep.Queued() > 0 && (!o.from.Pending() || ev.first)
	case evDisconnect:
		return !ev.told && o.ended() && !(o.enabled(evReceive) && o.ep.Available() > 0 && !ev.refused) &&
			ev.running[evReceive] == 0
	case evInspect:
		return o.inState(inspectNew) != nil
	case evAbort:
		return o.inState(inspectGone) != nil
	default:
		return ev.changed
	}
}

// ended reports whether the peer has ended the connection. What this side does is no news to it
// (wsk.md 11.6).
func (o *socket) ended() bool {
	switch o.ep.State() {
	case tcpip.RemoteFin, tcpip.BothFin:
		return true
	case tcpip.Aborted:
		return o.ep.Reason() != ntstatus.STATUS_CONNECTION_ABORTED
	}
	return false
}

// event makes a callback that was posted.
func (o *socket) event(k *irql.K, n eventKind) {
	if o.ep != nil {
		o.ep.Enters(k)
	}
	o.ev.posted &^= events[n].mask
	o.make(k, n)
}

// make makes a callback if it is still due.
func (o *socket) make(k *irql.K, n eventKind) {
	if o.due(n) && n.mayDie() && ke.Fails(k, &siteDead) {
		o.deadEvent(k, n)
		o.quiet(k, n)
	} else if o.due(n) {
		switch n {
		case evAccept:
			o.acceptEvent(k)
		case evReceive:
			o.receiveEvent(k)
		case evReceiveFrom:
			o.receiveFromEvent(k)
		case evDisconnect:
			o.disconnectEvent(k)
		case evBacklog:
			o.backlogEvent(k)
		case evInspect:
			o.inspectEvent(k)
		case evAbort:
			o.abortEvent(k)
		}
		o.quiet(k, n)
	} else if o.ev.first { // it had won, and is not wanted any more
		o.ev.first = false
		o.serve(k)
	}
	o.indicate(k)
	o.tryClose(k)
}

// serve serves the requests that wait.
func (o *socket) serve(k *irql.K) {
	if !o.closing && !o.dead {
		o.readers.Go(k, o.ep)
		o.acceptors.Go(k, o.ep)
		o.from.Go(k, o.ep)
	}
}

// invoke calls a routine of the client in its name. What the driver does is no part of the subsystem's step.
func (o *socket) invoke(k *irql.K, c *eventCall, fn uintptr,
	call func(flags EventFlags) ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	flags := EventFlags(0)
	if ke.IRQL(k) == ke.Dispatch && c.kind.told() {
		if ke.Choose(k, &siteEventFlag, len(siteEventFlag.Alts)) == 0 {
			flags = WSK_FLAG_AT_DISPATCH_LEVEL
		} else {
			c.untold = true
		}
	}
	c.sock = o
	o.ev.running[c.kind]++
	about := ke.PutAside(k)
	ke.Push(k, ke.Frame{Kind: ke.FrameWskEvent, Image: o.cl.image, Object: c, Obj: o.id, Fn: fn})
	ke.Point(k, ke.Here(k))
	begun, level := o.sub.m.Now(), ke.IRQL(k)
	st := call(flags)
	c.returned(k, st)
	c.tooLong(k, begun, level)
	ke.PopStatus(k, st)
	ke.Point(k, ke.Writes(o.id))
	ke.TakeUp(k, about)
	o.ev.running[c.kind]--
	return st
}

// told reports whether a callback of the kind has flags (wsk.md 11.1).
func (n eventKind) told() bool {
	return n == evReceive || n == evReceiveFrom || n == evDisconnect || n == evAccept
}

// eventCall is one call of a callback.
type eventCall struct {
	sock   *socket
	kind   eventKind
	untold bool       // at DISPATCH_LEVEL without being told
	null   bool       // it is told that the socket does not work any more
	asked  []*request // made in it
}

// mayReturn are the statuses of each kind of callback (wsk.md 11.1).
var mayReturn = [numEvents][]ntstatus.NTSTATUS{
	evBacklog:    {ntstatus.STATUS_SUCCESS},
	evDisconnect: {ntstatus.STATUS_SUCCESS},
	evReceive: {ntstatus.STATUS_SUCCESS, ntstatus.STATUS_PENDING,
		ntstatus.STATUS_DATA_NOT_ACCEPTED},
	evReceiveFrom: {ntstatus.STATUS_SUCCESS, ntstatus.STATUS_PENDING,
		ntstatus.STATUS_DATA_NOT_ACCEPTED},
	evAccept:  {ntstatus.STATUS_SUCCESS, ntstatus.STATUS_REQUEST_NOT_ACCEPTED},
	evInspect: {ntstatus.STATUS_SUCCESS},
	evAbort:   {ntstatus.STATUS_SUCCESS},
}

// returned judges what a callback returns. Rule: WSK-170.
func (c *eventCall) returned(k *irql.K, st ntstatus.NTSTATUS) {
	for _, may := range mayReturn[c.kind] {
		if st == may {
			return
		}
	}
	c.found(k, verify.WSK_170, fmt.Sprintf("%s returns %v", events[c.kind].name, st),
		"return one of the statuses that the page of the callback lists.")
}

// eventBudget is how long a callback may take at DISPATCH_LEVEL. Windows states no number; drivers are
// told to keep a DPC below 100 us.
const eventBudget = ke.Millisecond

// tooLong: a callback that keeps its processor. Rule: WSK-184.
func (c *eventCall) tooLong(k *irql.K, begun int64, level uint8) {
	m := c.sock.sub.m
	if t := m.Now() - begun; t > eventBudget && level >= ke.Dispatch && !m.ClockRaces() {
		c.found(k, verify.WSK_184, fmt.Sprintf("%s kept its processor at DISPATCH_LEVEL for %d us",
			events[c.kind].name, t/ke.Microsecond), "do long work in a work item.")
	}
}

func (c *eventCall) found(k *irql.K, rule verify.RuleID, headline, fix string) {
	ke.Collect(k, verify.Finding{Rule: rule, Obj: c.sock.id.String(), Headline: headline, Fix: fix})
}

// quiet completes the disables that waited for the calls of a kind.
func (o *socket) quiet(k *irql.K, n eventKind) {
	if o.ev.running[n] > 0 {
		return
	}
	waiting := o.ev.leaving[n]
	o.ev.leaving[n] = nil
	for _, r := range waiting {
		r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
	}
}

// busy reports whether a callback of the socket runs.
func (o *socket) busy() bool {
	for _, n := range o.ev.running {
		if n > 0 {
			return true
		}
	}
	return false
}

// kindOf gives the kind of a flag.
func kindOf(mask uint32) eventKind {
	for n := range numEvents {
		if events[n].mask == mask {
			return n
		}
	}
	panic("internal error: no such event")
}

// single reports whether a mask names one event.
func single(mask uint32) bool { return bits.OnesCount32(mask) == 1 }

// eventOf gives the callback of WSK that k is in, nil when it is in none.
func eventOf(k *irql.K) *eventCall {
	if k == nil {
		return nil
	}
	for _, f := range ke.Frames(k) {
		if f.Kind == ke.FrameWskEvent {
			return f.Object.(*eventCall)
		}
	}
	return nil
}

// eventPending notes that the calling thread was told STATUS_EVENT_PENDING: nothing will be signalled.
func (s *subsystem) eventPending(k *irql.K) {
	s.eventWaiters = append(s.eventWaiters, ke.ThreadOf(k))
}
