package wsk

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The states that an endpoint does not have (wsk.md 8).
const (
	stateSilent = tcpip.Closed + iota
	stateDead
	numStates
)

var (
	// siteDead: a listening or a datagram socket or a connection may stop working, which its callback is told
	// with NULL.
	siteDead = ke.Site{Name: "fault/WskEvent/dead", Alts: []string{"works", "does not work any more"},
		Spec: "wsk.md 11.2"}
	// siteForced: or the next call on it says so. It is asked only where it is pinned: any call could.
	siteForced = ke.Site{Name: "env/Wsk/forced", Alts: []string{"works", "STATUS_FILE_FORCED_CLOSED"},
		Spec: "wsk.md 26"}
)

// forced lets the socket of a request stop working, where a test asks for it.
func (r *request) forced(k *irql.K) {
	o := r.sock
	if o == nil || r.op == opClose || o.dead || o.closing || !ke.IsPinned(k, &siteForced) {
		return
	}
	if ke.Choose(k, &siteForced, len(siteForced.Alts)) == 1 {
		o.die(k)
	}
}

// die makes the socket one that does not work any more: what is pending on it fails, and so does what comes.
func (o *socket) die(k *irql.K) {
	o.dead = true
	if o.ep == nil {
		return
	}
	const st = ntstatus.STATUS_FILE_FORCED_CLOSED
	o.acceptors.Fail(k, st)
	o.readers.Fail(k, st)
	o.from.Fail(k, st)
	o.recover(k, st)
	o.ep.Close(k, false, func(k *irql.K) {
		o.epClosed = true
		o.tryClose(k)
	})
}

// deadAnswer answers a call without an IRP on a socket that does not work any more, or is silent. Rules:
// WSK-111, WSK-113.
func (o *socket) deadAnswer(k *irql.K) (a answered, dead bool) {
	switch {
	case o.dead:
		o.afterDeath(k, "WskControlSocket")
		return answered{st: ntstatus.STATUS_FILE_FORCED_CLOSED}, true
	case o.silent:
		o.afterSilence(k, "WskControlSocket")
		return answered{st: ntstatus.STATUS_INVALID_DEVICE_STATE}, true
	}
	return answered{}, false
}

// afterDeath looks at a call on a socket that does not work any more. Rule: WSK-111.
func (o *socket) afterDeath(k *irql.K, name string) {
	if o.told {
		ke.Collect(k, verify.Finding{Rule: verify.WSK_111, Obj: o.id.String(),
			Headline: fmt.Sprintf("%s on %v, which the client was told does not work any more", name, o.id)})
	}
	o.told = true
}

// afterSilence collects a call on a silent socket. Rule: WSK-113.
func (o *socket) afterSilence(k *irql.K, name string) {
	ke.Collect(k, verify.Finding{Rule: verify.WSK_113, Obj: o.id.String(),
		Headline: fmt.Sprintf("%s on %v, which is silent: it can only be closed", name, o.id)})
}

// deadEvent tells a callback with NULL that its socket does not work any more. Rule: WSK-170.
func (o *socket) deadEvent(k *irql.K, n eventKind) {
	o.die(k)
	c := &eventCall{kind: n, null: true}
	var call func(flags EventFlags) ntstatus.NTSTATUS
	fn := routine(o.client, n)
	switch n {
	case evAccept:
		call = func(flags EventFlags) ntstatus.NTSTATUS {
			off := &offer{}
			st := o.listenTable().WskAcceptEvent(k, o.socketContext, flags, nil, nil, nil, &off.context,
				&off.dispatch)
			if st == ntstatus.STATUS_SUCCESS {
				c.found(k, verify.WSK_170, "WskAcceptEvent returns STATUS_SUCCESS for a NULL AcceptSocket",
					"return STATUS_REQUEST_NOT_ACCEPTED where AcceptSocket is NULL.")
			}
			return st
		}
	case evReceive:
		call = func(flags EventFlags) ntstatus.NTSTATUS {
			none := uint64(0)
			return o.connectTable().WskReceiveEvent(k, o.socketContext, flags, nil, 0, &none)
		}
	case evReceiveFrom:
		call = func(flags EventFlags) ntstatus.NTSTATUS {
			return o.datagramTable().WskReceiveFromEvent(k, o.socketContext, flags, nil)
		}
	case evInspect:
		call = func(EventFlags) ntstatus.NTSTATUS {
			o.listenTable().WskInspectEvent(k, o.socketContext, nil, nil, nil)
			return ntstatus.STATUS_SUCCESS
		}
	}
	o.told = true
	o.invoke(k, c, fn, call)
}

// mayDie reports whether a callback of the kind can be told with NULL.
func (n eventKind) mayDie() bool {
	return n == evAccept || n == evReceive || n == evReceiveFrom || n == evInspect
}

// unburied finds sockets that do not work any more and that nobody closes. Rule: WSK-112.
func (o *socket) unburied(m *ke.Machine) {
	if o.dead && o.told && !o.closing {
		m.ReportEnd(verify.Finding{Rule: verify.WSK_112, Obj: o.id.String(), Driver: o.cl.image.Name,
			Headline: fmt.Sprintf("%v does not work any more, the client was told so and has not closed it",
				o.id)})
	}
}
