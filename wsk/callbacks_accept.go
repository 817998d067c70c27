package wsk

import (
	"fmt"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// offer is an accepted socket while WskAcceptEvent is shown it.
type offer struct {
	call     *eventCall
	context  any
	dispatch *WSK_CLIENT_CONNECTION_DISPATCH
}

// accepted makes the socket of a connection.
func (o *socket) accepted(e *tcpip.Endpoint) *socket {
	a := o.sub.newSocket(o.cl, WSK_FLAG_CONNECTION_SOCKET)
	a.ep = e
	e.Owner = a
	if in := o.inspectionOf(e); in != nil {
		id := in.id
		a.inspectID = &id
	}
	return a
}

// listenTable gives the client's callbacks for what listens, nil if it has none.
func (o *socket) listenTable() *WSK_CLIENT_LISTEN_DISPATCH {
	switch d := o.client.(type) {
	case *WSK_CLIENT_LISTEN_DISPATCH:
		return d
	case *WSK_CLIENT_STREAM_DISPATCH:
		if d != nil {
			return d.Listen
		}
	}
	return nil
}

// acceptEvent shows the client a connection (wsk.md 11.5).
func (o *socket) acceptEvent(k *irql.K) {
	o.ev.first = false
	e := o.ep.Accept(k)
	a := o.accepted(e)
	a.ev.on, a.ev.hushed = o.ev.pass, true
	c := &eventCall{kind: evAccept}
	off := &offer{call: c}
	a.offered = off
	l := &lentAddresses{o: o, what: "WskAcceptEvent"}
	fn := o.listenTable().WskAcceptEvent
	st := o.invoke(k, c, ke.CodeOf(fn), func(flags EventFlags) ntstatus.NTSTATUS {
		st := fn(k, o.socketContext, flags, l.lend(e.Local()), l.lend(e.Remote()), a.public, &off.context,
			&off.dispatch)
		if st == ntstatus.STATUS_SUCCESS {
			ke.Adds(k, ke.Writes(a.id))
			a.complete(k, off)
			if !a.closing { // the client may have used it already, and may be done with it
				a.keep(k, off.context, tableOf(off.dispatch))
			}
		}
		l.over = true
		return st
	})
	ke.Within(k, ke.Writes(a.id))
	a.offered = nil
	if st != ntstatus.STATUS_SUCCESS {
		a.turnedDown(k)
		return
	}
	if a.ev.hushed = false; !a.closing {
		a.indicate(k)
	}
	o.serve(k)
}

// tableOf is a table as the interface that sockets keep; NULL is nil.
func tableOf(d *WSK_CLIENT_CONNECTION_DISPATCH) any {
	if d == nil {
		return nil
	}
	return d
}

// complete judges what the callback has stored. Rule: WSK-183.
func (o *socket) complete(k *irql.K, off *offer) {
	missing := uint32(0)
	for n := range numEvents {
		if (o.ev.on|o.ev.always)&events[n].mask&connectionEvents == 0 || routine(tableOf(off.dispatch),
			n) != 0 {
			continue
		}
		if missing == 0 {
			off.call.found(k, verify.WSK_183, fmt.Sprintf("WskAcceptEvent returns STATUS_SUCCESS, %s is "+
				"enabled "+
				"on %v, and *AcceptSocketDispatch has no routine for it", events[n].name, o.id),
				"store AcceptSocketContext and AcceptSocketDispatch before STATUS_SUCCESS is returned.")
		}
		missing |= events[n].mask
	}
	o.ev.on &^= missing
	o.ev.always &^= missing
}

// turnedDown closes an accepted socket that the client does not want: the peer sees a reset (wsk.md 11.5).
func (o *socket) turnedDown(k *irql.K) {
	o.notMine, o.closing = true, true
	ke.Adds(k, ke.Counts(o.cl.id))
	o.forget()
	o.ep.Close(k, false, func(k *irql.K) { o.sub.mayLeave(k, o.cl) })
}

// forget takes the socket out of the list of those that are open.
func (o *socket) forget() {
	for i, x := range o.sub.sockets {
		if x == o {
			o.sub.sockets = list.Cut(o.sub.sockets, i)
			return
		}
	}
}

// lentAddresses are the addresses that a callback is lent.
type lentAddresses struct {
	o    *socket
	what string
	over bool
}

func (l *lentAddresses) lend(a netip.AddrPort) ws2def.SOCKADDR { return ws2def.Lend(a, l.used) }

// used notices use after the callback. Rule: WSK-180.
func (l *lentAddresses) used() {
	k := l.o.sub.m.Current()
	if k == nil || !l.over {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_180, Obj: l.o.id.String(),
		Headline: fmt.Sprintf("an address that %s was lent is used after the callback has returned", l.what),
		Fix:      "copy the address before the callback returns (ws2def.Copy)."})
}
