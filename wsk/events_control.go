package wsk

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// setsEvents reports whether a control request is SO_WSK_EVENT_CALLBACK.
func (c *control) setsEvents() bool {
	return c.what == WskSetOption && c.code == SO_WSK_EVENT_CALLBACK
}

// eventControl is SO_WSK_EVENT_CALLBACK (wsk.md 11.3). Where calls of the event to be disabled run, the
// answer is STATUS_EVENT_PENDING, and the kind says which. Rules: WSK-160 to WSK-166, WSK-169, WSK-202,
// WSK-206.
func (o *socket) eventControl(k *irql.K, c *control) (st ntstatus.NTSTATUS, n eventKind) {
	bad := func(rule verify.RuleID, st ntstatus.NTSTATUS, why string) (ntstatus.NTSTATUS, eventKind) {
		ke.Collect(k, verify.Finding{Rule: rule, Obj: o.id.String(),
			Headline: fmt.Sprintf("SO_WSK_EVENT_CALLBACK on %v %s", o.id, why)})
		return st, 0
	}
	const invalid = ntstatus.STATUS_INVALID_PARAMETER
	if c.level != ws2def.SOL_SOCKET {
		return bad(verify.WSK_206, invalid, fmt.Sprintf("belongs to SOL_SOCKET, not to level %d", c.level))
	}
	in, rule, why := eventMask(c)
	if rule != verify.NoRule {
		return bad(rule, invalid, why)
	}
	mask := in &^ WSK_EVENT_DISABLE
	switch fits := o.mayEnable(); {
	case fits == 0 && o.category == WSK_FLAG_BASIC_SOCKET:
		return bad(verify.WSK_161, ntstatus.STATUS_NOT_SUPPORTED, "is a basic socket, which has no "+
			"callbacks without an extension")
	case mask&^o.fitting() != 0:
		return bad(verify.WSK_161, invalid, fmt.Sprintf("names 0x%x, which its category does not have",
			mask&^o.fitting()))
	case mask&o.ev.always != 0:
		return bad(verify.WSK_163, invalid, fmt.Sprintf("names 0x%x, which is enabled for good by "+
			"WSK_SET_STATIC_EVENT_CALLBACKS", mask&o.ev.always))
	case in&WSK_EVENT_DISABLE != 0:
		return o.disable(mask, bad)
	case fits == 0:
		return bad(verify.WSK_160, ntstatus.STATUS_INVALID_DEVICE_STATE, "comes too early: it is "+
			o.state().String())
	case mask == 0: // INFERRED, wsk.md 11.3
		return invalid, 0
	}
	return o.enable(k, mask, c.p != nil, bad)
}

type badEvent func(verify.RuleID, ntstatus.NTSTATUS, string) (ntstatus.NTSTATUS, eventKind)

// eventMask takes the input apart.
func eventMask(c *control) (mask uint32, rule verify.RuleID, why string) {
	if c.inSize != SizeofEventCallbackControl || c.in == nil || c.outSize != 0 || c.out != nil {
		return 0, verify.WSK_202, fmt.Sprintf("takes a WSK_EVENT_CALLBACK_CONTROL, not %d bytes", c.inSize)
	}
	in := pool.Holds[WSK_EVENT_CALLBACK_CONTROL](c.in)
	switch {
	case in == nil:
		return 0, verify.WSK_202, "is given memory that holds no WSK_EVENT_CALLBACK_CONTROL"
	case in.NpiId == nil || *in.NpiId != NPI_WSK_INTERFACE_ID:
		return 0, verify.WSK_169, "has an NpiId that is not NPI_WSK_INTERFACE_ID"
	}
	return in.EventMask, verify.NoRule, ""
}

// fitting gives the events that sockets of the category have.
func (o *socket) fitting() uint32 {
	switch o.category {
	case WSK_FLAG_LISTEN_SOCKET:
		return WSK_EVENT_ACCEPT | connectionEvents
	case WSK_FLAG_CONNECTION_SOCKET:
		return connectionEvents
	case WSK_FLAG_DATAGRAM_SOCKET:
		return WSK_EVENT_RECEIVE_FROM
	case WSK_FLAG_STREAM_SOCKET: // INFERRED: as the role it has (wsk.md 25.43)
		if o.state().HasPeer() {
			return connectionEvents
		}
		return WSK_EVENT_ACCEPT | connectionEvents
	}
	return 0
}

// mayEnable gives the events that can be enabled now, 0 where it is too early: a listening socket listens, a
// datagram socket is bound, a connection is connected.
func (o *socket) mayEnable() uint32 {
	st := o.state()
	if st == tcpip.Listening || st.HasPeer() || o.category == WSK_FLAG_DATAGRAM_SOCKET && st == tcpip.Bound {
		return o.fitting()
	}
	return 0
}

func (o *socket) enable(k *irql.K, mask uint32, hasIRP bool, bad badEvent) (ntstatus.NTSTATUS, eventKind) {
	own := mask
	if o.state() == tcpip.Listening {
		own &^= connectionEvents
	}
	table := o.client
	if o.offered != nil {
		table = tableOf(o.offered.dispatch)
	}
	for n := range numEvents {
		if own&events[n].mask == 0 || routine(table, n) != 0 {
			continue
		}
		if o.offered != nil && table == nil {
			return bad(verify.WSK_183, ntstatus.STATUS_INVALID_PARAMETER, "enables "+events[n].name+
				" before *AcceptSocketDispatch has a routine for it")
		}
		return bad(verify.WSK_165, ntstatus.STATUS_INVALID_PARAMETER, "enables "+events[n].name+
			", for which the client's table has no routine")
	}
	if hasIRP {
		ke.Report(k, verify.Finding{Rule: verify.WSK_166, Obj: o.id.String(),
			Headline: fmt.Sprintf("SO_WSK_EVENT_CALLBACK enables events on %v with an IRP", o.id)})
	}
	o.expects = 0
	o.ev.on |= own
	o.ev.off = false
	o.ev.pass |= mask &^ own
	o.indicate(k)
	return ntstatus.STATUS_SUCCESS, 0
}

func (o *socket) disable(mask uint32, bad badEvent) (ntstatus.NTSTATUS, eventKind) {
	switch {
	case !single(mask):
		return bad(verify.WSK_162, ntstatus.STATUS_INVALID_PARAMETER, fmt.Sprintf("is to disable 0x%x: it "+
			"disables one event at a time", mask))
	case mask&connectionEvents != 0 && o.state() == tcpip.Listening:
		return bad(verify.WSK_164, ntstatus.STATUS_INVALID_PARAMETER, "is to disable an event of "+
			"connections, which a listening socket cannot take back")
	}
	o.ev.on &^= mask
	o.ev.off = false
	n := kindOf(mask)
	if o.ev.running[n] > 0 {
		return ntstatus.STATUS_EVENT_PENDING, n
	}
	return ntstatus.STATUS_SUCCESS, 0
}

// staticRoutines: a socket comes with events that are always on. Rule: WSK-165.
func (o *socket) staticRoutines(k *irql.K) {
	for n := range numEvents {
		if o.ev.always&events[n].mask == 0 || routine(o.client, n) != 0 || !o.has(n) {
			continue
		}
		o.ev.always &^= events[n].mask
		ke.Report(k, verify.Finding{Rule: verify.WSK_165, Obj: o.id.String(),
			Headline: fmt.Sprintf("%s is enabled for good by WSK_SET_STATIC_EVENT_CALLBACKS, and the "+
				"table of %v has no routine for it", events[n].name, o.id)})
	}
}

// has reports whether a socket of this category itself can have the event: those of connections a listening
// socket has for others.
func (o *socket) has(n eventKind) bool {
	return o.category != WSK_FLAG_LISTEN_SOCKET || n >= evAccept
}

// eventsWith is SO_WSK_EVENT_CALLBACK with an IRP, which is completed when the calls have returned.
func (o *socket) eventsWith(k *irql.K, r *request, c *control) {
	switch st, n := o.eventControl(k, c); st {
	case ntstatus.STATUS_EVENT_PENDING:
		o.ev.leaving[n] = append(o.ev.leaving[n], r)
	case ntstatus.STATUS_SUCCESS:
		r.finish(k, st, 0, nil)
	default:
		r.refuse(k, st)
	}
}

// eventsWithout is SO_WSK_EVENT_CALLBACK without an IRP.
func (o *socket) eventsWithout(k *irql.K, c *control) ntstatus.NTSTATUS {
	mark := o.enters(k)
	a, dead := o.deadAnswer(k)
	st, n := a.st, eventKind(0)
	if !dead {
		st, n = o.eventControl(k, c)
	}
	ke.Leave(k, mark)
	if st == ntstatus.STATUS_EVENT_PENDING {
		o.ev.bare |= events[n].mask
		o.sub.eventPending(k)
	}
	ke.CallStatus(k, opControl.id, o.id, uint32(st))
	return st
}

// enters says that what k does now is about the socket.
func (o *socket) enters(k *irql.K) (mark int) {
	mark = ke.Within(k, ke.Writes(o.id))
	if o.ep != nil {
		o.ep.Enters(k)
	}
	return mark
}
