package wsk

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// WSK_INSPECT_ACTION is what WskInspectEvent returns and WskInspectComplete is given.
type WSK_INSPECT_ACTION uint32

// The actions.
const (
	WskInspectReject WSK_INSPECT_ACTION = iota
	WskInspectAccept
	WskInspectPend
	WskInspectMax
)

// WSK_INSPECT_ID names a connection that is inspected, by what is in it and not by where it lies.
type WSK_INSPECT_ID struct {
	Key          uint64
	SerialNumber uint32
}

type (
	// PFN_WSK_INSPECT_EVENT decides about a connection that somebody asks for, before its handshake. A NULL
	// inspectID says that the listening socket does not work any more.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Ownership: the addresses and inspectID are gone when the callback returns; what is in inspectID may be
	// copied.
	// Returns: WskInspectAccept; WskInspectReject; WskInspectPend, after which WskInspectComplete decides.
	// Rules: WSK-079, WSK-170, WSK-180, WSK-181, WSK-192, WSK-193.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_inspect_event.
	PFN_WSK_INSPECT_EVENT func(k *irql.K, socketContext any, localAddress, remoteAddress ws2def.SOCKADDR,
		inspectID *WSK_INSPECT_ID) WSK_INSPECT_ACTION

	// PFN_WSK_ABORT_EVENT is told that a connection will not come for which WskInspectEvent returned
	// WskInspectAccept or WskInspectPend.
	//
	// IRQL: called at <= DISPATCH_LEVEL.
	// Ownership: inspectID is gone when the callback returns.
	// Returns: STATUS_SUCCESS.
	// Rules: WSK-079, WSK-170, WSK-193.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_abort_event.
	PFN_WSK_ABORT_EVENT func(k *irql.K, socketContext any, inspectID *WSK_INSPECT_ID) ntstatus.NTSTATUS

	// PFN_WSK_INSPECT_COMPLETE decides about a connection that WskInspectEvent left pending.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Ownership: inspectID may go when the call returns.
	// Returns: STATUS_PENDING where the IRP is completed later, else what it was completed with:
	// STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for an action that is none or an id that is not pending, as
	// of a connection that has gone; STATUS_INVALID_DEVICE_STATE without conditional accept;
	// STATUS_INSUFFICIENT_RESOURCES when memory is short. STATUS_INVALID_PARAMETER, and nothing is completed,
	// for a NULL IRP.
	// Rules: WSK-060 to WSK-069, WSK-077, WSK-090, WSK-193 to WSK-196, WSK-241.
	// Not modelled: none.
	// Reference: wsk/nc-wsk-pfn_wsk_inspect_complete.
	PFN_WSK_INSPECT_COMPLETE func(k *irql.K, listenSocket *WSK_SOCKET, inspectID *WSK_INSPECT_ID,
		action WSK_INSPECT_ACTION, p *irp.IRP) ntstatus.NTSTATUS
)

// inspectState is where an inspection stands.
type inspectState uint8

const (
	inspectNew inspectState = iota
	inspectShown
	inspectPended
	inspectAccepted
	inspectRejected
	inspectGone // the client is to be told
	inspectTold
)

// inspection is one connection of a listening socket with conditional accept (wsk.md 12).
//
// Invariant: every id ends once, as accepted, rejected or told.
type inspection struct {
	id       WSK_INSPECT_ID
	ep       *tcpip.Endpoint
	state    inspectState
	lent     *WSK_INSPECT_ID // where callbacks were shown it
	waited   bool            // it was pended, and WskInspectComplete has not been called for it
	accepted bool            // it has gone although it was accepted
}

// inspectionsKept is how many that have ended are remembered.
const inspectionsKept = 64

// poisonID is what a callback's WSK_INSPECT_ID holds when the callback has returned.
var poisonID = WSK_INSPECT_ID{Key: 0xDEDE_DEDE_DEDE_DEDE, SerialNumber: 0xDEDE_DEDE}

// inspects notes a connection to inspect, or that one has gone.
func (o *socket) inspects(i tcpip.Indication) {
	switch i.Kind {
	case tcpip.Inspect:
		o.serial++
		if len(o.inspections) >= inspectionsKept && o.inspections[0].state >= inspectAccepted {
			o.inspections = list.Cut(o.inspections, 0)
		}
		o.inspections = append(o.inspections, &inspection{ep: i.New,
			id: WSK_INSPECT_ID{Key: socketBase + i.New.ID.Num()*0x40, SerialNumber: o.serial}})
	case tcpip.InspectGone:
		in := o.inspectionOf(i.New)
		if in == nil {
			return
		}
		in.accepted = in.state == inspectAccepted
		if in.state == inspectNew { // nobody knows of it
			in.state = inspectTold
			return
		}
		in.state = inspectGone
	}
}

func (o *socket) inspectionOf(e *tcpip.Endpoint) *inspection {
	for _, in := range o.inspections {
		if in.ep == e {
			return in
		}
	}
	return nil
}

// inState finds the oldest inspection in a state.
func (o *socket) inState(s inspectState) *inspection {
	for _, in := range o.inspections {
		if in.state == s {
			return in
		}
	}
	return nil
}

// show lends the id to a callback.
func (in *inspection) show() *WSK_INSPECT_ID {
	id := in.id
	in.lent = &id
	return in.lent
}

// inspectEvent asks the client about a connection.
func (o *socket) inspectEvent(k *irql.K) {
	in := o.inState(inspectNew)
	in.state = inspectShown
	l := &lentAddresses{o: o, what: events[evInspect].name}
	fn := o.listenTable().WskInspectEvent
	action := WskInspectReject
	c := &eventCall{kind: evInspect}
	o.invoke(k, c, ke.CodeOf(fn), func(EventFlags) ntstatus.NTSTATUS {
		action = fn(k, o.socketContext, l.lend(in.ep.Local()), l.lend(in.ep.Remote()), in.show())
		l.over, *in.lent = true, poisonID
		if action >= WskInspectMax {
			c.found(k, verify.WSK_170, fmt.Sprintf("WskInspectEvent returns %d", action),
				"return WskInspectReject, WskInspectAccept or WskInspectPend.")
			action = WskInspectReject
		}
		if in.state == inspectShown && action == WskInspectPend { // WskInspectComplete may come at once
			in.state, in.waited = inspectPended, true
		}
		return ntstatus.STATUS_SUCCESS
	})
	if action != WskInspectPend && in.state == inspectShown {
		o.decide(k, in, action)
	}
}

// decide ends an inspection. False where the connection has gone.
func (o *socket) decide(k *irql.K, in *inspection, action WSK_INSPECT_ACTION) bool {
	accept := action == WskInspectAccept
	if !o.ep.Decide(k, in.ep, accept) {
		return false
	}
	if in.state = inspectRejected; accept {
		in.state = inspectAccepted
	}
	return true
}

// abortEvent tells the client that a connection will not come.
func (o *socket) abortEvent(k *irql.K) {
	in := o.inState(inspectGone)
	in.state = inspectTold
	fn := o.listenTable().WskAbortEvent
	o.invoke(k, &eventCall{kind: evAbort}, ke.CodeOf(fn), func(EventFlags) ntstatus.NTSTATUS {
		st := fn(k, o.socketContext, in.show())
		*in.lent = poisonID
		return st
	})
}

// wskInspectComplete is PFN_WSK_INSPECT_COMPLETE.
func wskInspectComplete(k *irql.K, ws *WSK_SOCKET, inspectID *WSK_INSPECT_ID, action WSK_INSPECT_ACTION,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opInspect.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if inspectID == nil {
		ke.Null(k, opInspect.id, "NULL where a WSK_INSPECT_ID is expected")
	}
	o.keptID(k, inspectID)
	id := *inspectID
	return o.sub.submit(k, opInspect.call(o, p, true, func(k *irql.K, r *request) {
		o.completeInspection(k, r, id, action)
	}))
}

// keptID: the id is where a callback was shown it, and not a copy. Rule: WSK-193.
func (o *socket) keptID(k *irql.K, id *WSK_INSPECT_ID) {
	kept := *id == poisonID
	for _, in := range o.inspections {
		kept = kept || in.lent == id
	}
	if kept {
		ke.Report(k, verify.Finding{Rule: verify.WSK_193, Also: []verify.RuleID{verify.WSK_180},
			Obj: o.id.String(), Headline: fmt.Sprintf("WskInspectComplete on %v is given a "+
				"WSK_INSPECT_ID that a callback was lent: its contents are gone", o.id)})
	}
}

// completeInspection decides about a pending connection. Rules: WSK-194 to WSK-196.
func (o *socket) completeInspection(k *irql.K, r *request, id WSK_INSPECT_ID, action WSK_INSPECT_ACTION) {
	if !o.ep.Conditional {
		r.wrongState(k, verify.WSK_196, "has no conditional accept")
		return
	}
	if action != WskInspectAccept && action != WskInspectReject {
		argument(k, verify.WSK_195, o, "WskInspectComplete: action %d is neither accept nor reject", action)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	for _, in := range o.inspections {
		if in.id != id {
			continue
		}
		in.waited = false
		switch {
		case in.state == inspectPended && o.decide(k, in, action):
			r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
			return
		case in.state == inspectPended || in.state == inspectGone || in.state == inspectTold:
			r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER) // no mistake: it has gone meanwhile
			return
		}
	}
	ke.Collect(k, verify.Finding{Rule: verify.WSK_194, Obj: o.id.String(),
		Headline: fmt.Sprintf("WskInspectComplete on %v: no inspection with this WSK_INSPECT_ID is "+
			"pending", o.id)})
	r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
}

// conditional is SO_CONDITIONAL_ACCEPT. Rules: WSK-190, WSK-191. false: the request is answered.
func (o *socket) conditional(k *irql.K, r *request, c *control) bool {
	f := verify.Finding{Obj: o.id.String()}
	st := ntstatus.STATUS_INVALID_PARAMETER
	table := o.listenTable()
	switch {
	case o.category != WSK_FLAG_LISTEN_SOCKET:
		f.Rule, f.Headline = verify.WSK_190, fmt.Sprintf("SO_CONDITIONAL_ACCEPT is not for %v, which is no "+
			"listening socket", o.id)
		st = ntstatus.STATUS_NOT_SUPPORTED // INFERRED, wsk.md 25.25
	case c.what == WskSetOption && o.state() != tcpip.Created:
		f.Rule, f.Also = verify.WSK_190, []verify.RuleID{verify.WSK_204}
		f.Headline = fmt.Sprintf("SO_CONDITIONAL_ACCEPT on %v, which is bound already", o.id)
		st = ntstatus.STATUS_INVALID_DEVICE_STATE
	case c.what == WskSetOption && c.in != nil && c.in.Len() >= 4 && pool.Raw(k, c.in)[0] != 0 &&
		(table == nil || table.WskInspectEvent == nil || table.WskAbortEvent == nil):
		f.Rule, f.Headline = verify.WSK_191, fmt.Sprintf("SO_CONDITIONAL_ACCEPT on %v, whose table lacks "+
			"WskInspectEvent or WskAbortEvent", o.id)
	default:
		return true
	}
	ke.Collect(k, f)
	r.refuse(k, st)
	return false
}

// setConditional turns conditional accept on or off.
func (o *socket) setConditional(on bool) {
	o.ev.always &^= events[evInspect].mask | events[evAbort].mask
	if on {
		o.ev.always |= events[evInspect].mask | events[evAbort].mask
	}
}

// uninspected finds connections whose openers have given up waiting. Rule: WSK-192.
func (o *socket) uninspected(m *ke.Machine) {
	for _, in := range o.inspections {
		if in.waited && !o.closing {
			m.ReportEnd(verify.Finding{Rule: verify.WSK_192, Obj: o.id.String(), Driver: o.cl.image.Name,
				Headline: fmt.Sprintf("WskInspectEvent of %v left a connection pending, and "+
					"WskInspectComplete was never called for it", o.id)})
		}
	}
}

// lostAccepted reports whether a connection has gone that the client accepted.
func (o *socket) lostAccepted() bool {
	for _, in := range o.inspections {
		if in.accepted {
			return true
		}
	}
	return false
}
