package wsk

import (
	"fmt"
	"net/netip"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// WSK_DATAGRAM_INDICATION is a datagram that WskReceiveFromEvent is shown, one of a list.
type WSK_DATAGRAM_INDICATION struct {
	part
	next *WSK_DATAGRAM_INDICATION
	from ws2def.SOCKADDR
}

// Next is the C field of that name. Rule: WSK-171.
func (d *WSK_DATAGRAM_INDICATION) Next() *WSK_DATAGRAM_INDICATION {
	d.in.touch("Next")
	return d.next
}

// Buffer is the C field of that name; its MDL is the transport's. Rule: WSK-171.
func (d *WSK_DATAGRAM_INDICATION) Buffer() *WSK_BUF {
	d.in.touch("Buffer")
	return &d.buffer
}

// ControlInfo is the C field of that name: ancillary data, nil where there are none. Rule: WSK-171.
func (d *WSK_DATAGRAM_INDICATION) ControlInfo() *irp.Buffer {
	d.in.touch("ControlInfo")
	return d.control
}

// ControlInfoLength is the C field of that name. Rule: WSK-171.
func (d *WSK_DATAGRAM_INDICATION) ControlInfoLength() uint32 {
	d.in.touch("ControlInfoLength")
	return uint32(lengthOf(d.control))
}

// RemoteAddress is the C field of that name. Rule: WSK-171.
func (d *WSK_DATAGRAM_INDICATION) RemoteAddress() ws2def.SOCKADDR {
	d.in.touch("RemoteAddress")
	return d.from
}

var (
	// siteSerial: nothing says that calls of WskReceiveFromEvent come one after the other (wsk.md 11.2).
	siteSerial = ke.Site{Name: "env/WskReceiveFromEvent/serial",
		Alts: []string{"one at a time", "two at once"}, Spec: "wsk.md 26"}
	// siteDatagrams: how many of the datagrams that wait a list has (wsk.md 10.1).
	siteDatagrams = ke.Site{Name: "env/WskReceiveFromEvent/list", Alts: []string{"one", "two"},
		Spec: "wsk.md 10.1"}
)

// datagramTable gives the client's callbacks for datagrams, nil if it has none.
func (o *socket) datagramTable() *WSK_CLIENT_DATAGRAM_DISPATCH {
	d, _ := o.client.(*WSK_CLIENT_DATAGRAM_DISPATCH)
	return d
}

// concurrent posts a call of WskReceiveFromEvent beside the one that runs, where running are.
func (o *socket) concurrent(k *irql.K, running int) {
	if running != 1 || o.ev.beside || !o.due(evReceiveFrom) ||
		ke.Choose(k, &siteSerial, len(siteSerial.Alts)) == 0 {
		return
	}
	if o.ev.second == nil {
		o.ev.second = o.sub.m.NewChannel(o.id.String() + " events beside")
	}
	o.ev.beside = true
	o.sub.m.Post(o.ev.second, ke.Delivery{Text: events[evReceiveFrom].post, Obj: o.id, Touches: o.id,
		IRQL: &siteEventIRQL, Run: func(k *irql.K) {
			o.ep.Enters(k)
			o.ev.beside = false
			o.make(k, evReceiveFrom)
		}})
}

// receiveFromEvent shows the client datagrams that have arrived (wsk.md 10.2).
func (o *socket) receiveFromEvent(k *irql.K) {
	o.ev.first = false
	list := o.takeList(k)
	in, head := o.newDatagrams(k, list)
	if in == nil { // no memory: they wait
		o.ep.PutBackFrom(k, list)
		o.serve(k)
		return
	}
	c := &eventCall{kind: evReceiveFrom}
	fn := o.datagramTable().WskReceiveFromEvent
	more := EventFlags(list[0].Flags())
	o.concurrent(k, o.ev.running[evReceiveFrom]+1)
	st := o.invoke(k, c, ke.CodeOf(fn), func(flags EventFlags) ntstatus.NTSTATUS {
		st := fn(k, o.socketContext, flags|more, head)
		in.returned(k, st)
		return st
	})
	if st == ntstatus.STATUS_DATA_NOT_ACCEPTED { // INFERRED for others: the list is dropped (wsk.md 25.31)
		o.notAccepted(k, list)
	}
	o.serve(k)
}

// takeList takes what a list is to have: datagrams of which the same is told.
func (o *socket) takeList(k *irql.K) []*tcpip.Datagram {
	list := []*tcpip.Datagram{o.ep.TakeFrom(k)}
	if o.ep.Queued() == 0 || ke.Choose(k, &siteDatagrams, len(siteDatagrams.Alts)) == 0 {
		return list
	}
	d := o.ep.TakeFrom(k)
	if d.Flags() != list[0].Flags() {
		o.ep.PutBackFrom(k, []*tcpip.Datagram{d})
		return list
	}
	return append(list, d)
}

// notAccepted: the callback is disabled until it is enabled again, and the datagrams wait. A static one goes
// on with new datagrams; that those it was shown are lost is INFERRED (wsk.md 10.2).
func (o *socket) notAccepted(k *irql.K, list []*tcpip.Datagram) {
	if o.closing || o.dead || o.ev.always&WSK_EVENT_RECEIVE_FROM != 0 {
		return
	}
	o.ep.PutBackFrom(k, list)
	if o.ev.on&WSK_EVENT_RECEIVE_FROM != 0 { // else the client has disabled it meanwhile, or another call
		o.ev.on &^= WSK_EVENT_RECEIVE_FROM
		o.ev.off = true
	}
}

// newDatagrams makes the list for datagrams; nil when there is no memory.
func (o *socket) newDatagrams(k *irql.K, list []*tcpip.Datagram) (*indication, *WSK_DATAGRAM_INDICATION) {
	in := &indication{id: o.sub.m.NewID(trace.Indication), sock: o, kind: evReceiveFrom}
	var head, last *WSK_DATAGRAM_INDICATION
	for _, d := range list {
		n := &WSK_DATAGRAM_INDICATION{from: in.lend(d.From)}
		if !in.add(k, &n.part, headers, d.Data) || !in.addControl(k, &n.part, o.ep.ControlOf(k, d)) {
			in.end(k)
			return nil, nil
		}
		if last == nil {
			head = n
		} else {
			last.next = n
		}
		last = n
	}
	in.show(k)
	return in, head
}

// addControl gives an element of the list ancillary data; false when there is no memory.
func (in *indication) addControl(k *irql.K, p *part, b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if p.control = in.memory(k, b); p.control == nil {
		return false
	}
	pool.LendAs(k, p.control, in.loan())
	return true
}

// lend makes the address of an element, which is gone with the list.
func (in *indication) lend(a netip.AddrPort) ws2def.SOCKADDR {
	return ws2def.Lend(a, func() { in.touch("RemoteAddress") })
}

// wskReleaseDatagram is PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST.
func wskReleaseDatagram(k *irql.K, ws *WSK_SOCKET, d *WSK_DATAGRAM_INDICATION) ntstatus.NTSTATUS {
	var p *part
	if d != nil {
		p = &d.part
	}
	return givesBack(k, ddi.PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST, ws.s, p)
}

// stalledFrom: datagrams wait for a callback that is disabled because it did not accept some. Rule: WSK-178.
func (o *socket) stalledFrom(m *ke.Machine) {
	if !o.ev.off || o.closing || o.dead || o.from.Pending() || o.ep.Queued() == 0 {
		return
	}
	m.ReportEnd(verify.Finding{Rule: verify.WSK_178, Obj: o.id.String(), Driver: o.cl.image.Name,
		Headline: fmt.Sprintf("%d datagrams wait on %v: WskReceiveFromEvent has returned "+
			"STATUS_DATA_NOT_ACCEPTED and was not enabled since", o.ep.Queued(), o.id)})
}
