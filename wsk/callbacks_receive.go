package wsk

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// connectTable gives the client's callbacks for a connection, nil if it has none.
func (o *socket) connectTable() *WSK_CLIENT_CONNECTION_DISPATCH {
	switch d := o.client.(type) {
	case *WSK_CLIENT_CONNECTION_DISPATCH:
		return d
	case *WSK_CLIENT_STREAM_DISPATCH:
		if d != nil {
			return d.Connect
		}
	}
	return nil
}

// routine gives the code of the callback for a kind in a client's table, 0 where there is none.
func routine(table any, n eventKind) uintptr {
	o := &socket{client: table}
	if l := o.listenTable(); n >= evAccept {
		switch {
		case l == nil:
			return 0
		case n == evInspect:
			return ke.CodeOf(l.WskInspectEvent)
		case n == evAbort:
			return ke.CodeOf(l.WskAbortEvent)
		}
		return ke.CodeOf(l.WskAcceptEvent)
	}
	if n == evReceiveFrom {
		if d := o.datagramTable(); d != nil {
			return ke.CodeOf(d.WskReceiveFromEvent)
		}
		return 0
	}
	d := o.connectTable()
	switch {
	case d == nil:
		return 0
	case n == evReceive:
		return ke.CodeOf(d.WskReceiveEvent)
	case n == evDisconnect:
		return ke.CodeOf(d.WskDisconnectEvent)
	}
	return ke.CodeOf(d.WskSendBacklogEvent)
}

// siteReceiveFlags: what WskReceiveEvent is told of the data besides.
var siteReceiveFlags = ke.Site{Name: "env/WskReceiveEvent/flags", Alts: []string{"none",
	"WSK_FLAG_RELEASE_ASAP", "WSK_FLAG_ENTIRE_MESSAGE"}, Spec: "wsk.md 10.3"}

// receiveEvent shows the client what has arrived (wsk.md 10.2).
func (o *socket) receiveEvent(k *irql.K) {
	o.ev.first = false
	b := o.ep.Take(o.ep.Available())
	o.readers.Hold()
	more := [...]EventFlags{0, WSK_FLAG_RELEASE_ASAP, WSK_FLAG_ENTIRE_MESSAGE}[ke.Choose(k,
		&siteReceiveFlags, 3)]
	in, head := o.newIndication(k, b)
	if in == nil { // no memory: the bytes wait
		o.ep.PutBack(b)
		o.serve(k)
		return
	}
	in.asap = more == WSK_FLAG_RELEASE_ASAP
	n := uint64(len(b))
	taken, early := n, false
	c := &eventCall{kind: evReceive}
	fn := o.connectTable().WskReceiveEvent
	st := o.invoke(k, c, ke.CodeOf(fn), func(flags EventFlags) ntstatus.NTSTATUS {
		st := fn(k, o.socketContext, flags|more, head, n, &taken)
		taken = o.took(k, c, st, n, taken)
		early = in.over
		in.returned(k, st)
		return st
	})
	switch {
	case st != ntstatus.STATUS_PENDING:
		o.ep.PutBack(b[taken:])
		o.ep.Release(k, int(taken))
		o.ev.refused = taken < n
	case early:
		o.ep.Release(k, len(b))
	}
	o.serve(k)
}

// took gives how many bytes a callback has accepted. Rule: WSK-176.
func (o *socket) took(k *irql.K, c *eventCall, st ntstatus.NTSTATUS, n, taken uint64) uint64 {
	switch {
	case st == ntstatus.STATUS_SUCCESS && taken > n:
		c.found(k, verify.WSK_176, fmt.Sprintf("WskReceiveEvent accepts %d of %d bytes", taken, n),
			"set *BytesAccepted to at most BytesIndicated.")
		return n
	case st == ntstatus.STATUS_SUCCESS:
		return taken
	case taken != n:
		c.found(k, verify.WSK_176, fmt.Sprintf("WskReceiveEvent sets *BytesAccepted and returns %v, with "+
			"which "+
			"it means nothing", st), "set *BytesAccepted where STATUS_SUCCESS is returned, and only there.")
	}
	return 0 // INFERRED for other statuses: as STATUS_DATA_NOT_ACCEPTED (wsk.md 25.31)
}

// received is told that a WskReceive has completed: what was refused may be indicated again (wsk.md 25.6).
func (o *socket) received(k *irql.K) {
	if o.ev.refused {
		o.ev.refused = false
		o.indicate(k)
	}
}

// disconnectEvent tells the client that the peer has ended the connection.
func (o *socket) disconnectEvent(k *irql.K) {
	o.ev.told = true
	flag := EventFlags(0)
	if o.ep.State() == tcpip.Aborted {
		flag = EventFlags(WSK_FLAG_ABORTIVE)
	}
	fn := o.connectTable().WskDisconnectEvent
	o.invoke(k, &eventCall{kind: evDisconnect}, ke.CodeOf(fn), func(flags EventFlags) ntstatus.NTSTATUS {
		return fn(k, o.socketContext, flags|flag)
	})
}

// siteBacklog: whether the ideal send backlog is another one now (wsk.md 11).
var siteBacklog = ke.Site{Name: "env/WskSendBacklogEvent/ideal", Alts: []string{"the same", "changes"},
	Spec: "wsk.md 11.1"}

// idealBacklog is what is best kept outstanding at first.
const idealBacklog = 64 * 1024

// sent is told that a WskSend has completed.
func (o *socket) sent(k *irql.K) {
	if !o.enabled(evBacklog) || ke.Choose(k, &siteBacklog, len(siteBacklog.Alts)) == 0 {
		return
	}
	o.ev.ideal, o.ev.changed = 2*idealBacklog-o.ev.ideal, true
	o.indicate(k)
}

// backlogEvent tells the client of another ideal send backlog.
func (o *socket) backlogEvent(k *irql.K) {
	o.ev.changed = false
	fn := o.connectTable().WskSendBacklogEvent
	o.invoke(k, &eventCall{kind: evBacklog}, ke.CodeOf(fn), func(EventFlags) ntstatus.NTSTATUS {
		return fn(k, o.socketContext, o.ideal())
	})
}

func (o *socket) ideal() uint64 { return idealBacklog + o.ev.ideal }
