package wsk

import (
	"fmt"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// wskConnect is PFN_WSK_CONNECT.
func wskConnect(k *irql.K, ws *WSK_SOCKET, remoteAddress ws2def.SOCKADDR, flags uint32,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opConnect.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	addr, good := inputAddress(k, opConnect.name, o.ep.Family(), remoteAddress)
	good = reserved(k, opConnect.name, flags) && good
	return o.sub.submit(k, opConnect.call(o, p, good, func(k *irql.K, r *request) {
		o.connect(k, r, addr, nil)
	}))
}

// PFN_WSK_CONNECT_EX is WskConnect with data that is sent as soon as the connection stands.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the address may go when the call returns; the buffer's MDL chain and memory are the subsystem's
// until the IRP is completed.
// Returns: as PFN_WSK_CONNECT; STATUS_BUFFER_OVERFLOW for a buffer of more than 65,535 bytes;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: as PFN_WSK_CONNECT; WSK-130 to WSK-134, WSK-144.
// Not modelled: TCP_FASTOPEN.
// Reference: wsk/nc-wsk-pfn_wsk_connect_ex.
type PFN_WSK_CONNECT_EX func(k *irql.K, socket *WSK_SOCKET, remoteAddress ws2def.SOCKADDR, buffer *WSK_BUF,
	flags uint32, p *irp.IRP) ntstatus.NTSTATUS

// mostWithConnect is how much data can go with a connect.
const mostWithConnect = 65535

// wskConnectEx is PFN_WSK_CONNECT_EX. Rule: WSK-144.
func wskConnectEx(k *irql.K, ws *WSK_SOCKET, remoteAddress ws2def.SOCKADDR, buffer *WSK_BUF, flags uint32,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opConnectEx.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	addr, good := inputAddress(k, opConnectEx.name, o.ep.Family(), remoteAddress)
	good = reserved(k, opConnectEx.name, flags) && good
	return o.sub.submit(k, opConnectEx.call(o, p, good, func(k *irql.K, r *request) {
		var data []byte
		if buffer != nil {
			if buffer.Length > mostWithConnect {
				argument(k, verify.WSK_144, o, "WskConnectEx: %d bytes are more than %d", buffer.Length,
					mostWithConnect)
				r.refuse(k, ntstatus.STATUS_BUFFER_OVERFLOW)
				return
			}
			if data, ok = r.outgoing(k, buffer); !ok {
				return
			}
		}
		o.connect(k, r, addr, data)
	}))
}

// waitsFor reports whether a request of the function is pending on the socket.
func (o *socket) waitsFor(name string) bool {
	for _, r := range o.pending {
		if r.name == name && !r.completed {
			return true
		}
	}
	return false
}

func (o *socket) connect(k *irql.K, r *request, addr netip.AddrPort, data []byte) {
	if o.ep.WantsRecords(addr) {
		ke.Report(k, verify.Finding{Rule: verify.WSK_230, Also: []verify.RuleID{verify.WFP_120},
			Obj: o.id.String(),
			Headline: fmt.Sprintf("%v connects to %v for a redirected connection without its redirect "+
				"records", o.id, addr),
			Fix: "query the records on the accepted socket and set them with " +
				"SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS " +
				"before WskConnect; otherwise the callout redirects this connection as well."})
	}
	op := o.ep.Connect(k, addr, false, ke.ThreadOf(k), func(k *irql.K,
		s ntstatus.NTSTATUS) {
		if s != ntstatus.STATUS_SUCCESS || len(data) == 0 {
			r.finish(k, s, 0, nil)
			return
		}
		r.cancel = func(*irql.K) bool { return false } // a send ends by itself
		o.ep.Send(k, data, func(k *irql.K, _ int, s ntstatus.NTSTATUS) { r.finish(k, s, 0, nil) })
	})
	if op != nil {
		r.cancel = op.Cancel
	}
}

// wskSocketConnect is PFN_WSK_SOCKET_CONNECT.
func wskSocketConnect(k *irql.K, cl *WSK_CLIENT, socketType uint16, protocol uint32,
	localAddress, remoteAddress ws2def.SOCKADDR, flags uint32, socketContext any,
	dispatch *WSK_CLIENT_CONNECTION_DISPATCH, owningProcess *irql.KPROCESS,
	owningThread *irql.KTHREAD,
	securityDescriptor any, p *irp.IRP) ntstatus.NTSTATUS {
	c, st := opSocketConnect.enterClient(k, cl, p)
	if c == nil {
		return st
	}
	family := ws2def.AF_UNSPEC
	if localAddress != nil {
		family = localAddress.Family()
	}
	remote, good := inputAddress(k, opSocketConnect.name, family, remoteAddress)
	good = reserved(k, opSocketConnect.name, flags) && good
	local := ws2def.AddrPort(localAddress)
	table := tableOf(dispatch)
	c.making++
	r := &request{op: opSocketConnect, name: opSocketConnect.name, cl: c, p: p, bad: !good}
	r.after = func(k *irql.K) { r.sub.mayLeave(k, c) }
	r.run = func(k *irql.K, r *request) {
		if !goodSocket(k, r, family, socketType, protocol, WSK_FLAG_CONNECTION_SOCKET, socketContext, table,
			securityDescriptor) {
			return
		}
		if d := r.sub.cached(k, securityDescriptor); d != nil {
			r.useSD(k, d)
		}
		o := &joiner{r: r, c: c, context: socketContext, table: table, thread: ke.ThreadOf(k)}
		o.ep = tcpip.Of(k).NewEndpoint(owner(owningProcess), family == ws2def.AF_INET6)
		r.cancel = o.cancel
		o.ep.Bind(k, local, o.thread, func(k *irql.K, s ntstatus.NTSTATUS) { o.bound(k, s, remote) })
	}
	return state.Of(k).submit(k, r)
}

// joiner is a WskSocketConnect under way.
type joiner struct {
	r              *request
	c              *client
	ep             *tcpip.Endpoint
	context, table any
	thread         *ke.Thread
	op             *tcpip.ConnectOp
	cancelled      bool
}

func (j *joiner) bound(k *irql.K, s ntstatus.NTSTATUS, remote netip.AddrPort) {
	if s != ntstatus.STATUS_SUCCESS || j.cancelled {
		j.fail(k, s)
		return
	}
	j.op = j.ep.Connect(k, remote, false, j.thread, func(k *irql.K, s ntstatus.NTSTATUS) {
		if s != ntstatus.STATUS_SUCCESS {
			j.fail(k, s)
			return
		}
		o := j.r.sub.newSocket(j.c, WSK_FLAG_CONNECTION_SOCKET)
		o.ep, o.joined = j.ep, true
		if j.r.sd != nil {
			o.sd = *j.r.sd.sd
		}
		o.ep.Owner = o
		o.keep(k, j.context, j.table)
		j.r.finish(k, s, o.information(), o.public)
	})
}

// fail closes the endpoint, which the client never sees.
func (j *joiner) fail(k *irql.K, s ntstatus.NTSTATUS) {
	if j.cancelled {
		s = ntstatus.STATUS_CANCELLED
	}
	j.ep.Close(k, false, func(k *irql.K) { j.r.finish(k, s, 0, nil) })
}

func (j *joiner) cancel(k *irql.K) bool {
	j.cancelled = true
	return j.op != nil && j.op.Cancel(k)
}

// wskAccept is PFN_WSK_ACCEPT.
func wskAccept(k *irql.K, ws *WSK_SOCKET, flags uint32, acceptSocketContext any,
	acceptSocketDispatch *WSK_CLIENT_CONNECTION_DISPATCH, localAddress, remoteAddress ws2def.SOCKADDR,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opAccept.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	good := reserved(k, opAccept.name, flags)
	return o.sub.submit(k, opAccept.call(o, p, good, func(k *irql.K, r *request) {
		if !r.outputAddress(k, localAddress, o.ep.Family()) ||
			!r.outputAddress(k, remoteAddress, o.ep.Family()) {
			r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
			return
		}
		o.accept(k, r, acceptSocketContext, acceptSocketDispatch, localAddress, remoteAddress)
	}))
}

func (o *socket) accept(k *irql.K, r *request, context any, dispatch *WSK_CLIENT_CONNECTION_DISPATCH,
	local, remote ws2def.SOCKADDR) {
	for _, x := range o.pending {
		if x != r && x.name == r.name {
			ke.Report(k, verify.Finding{Rule: verify.WSK_117, Obj: o.id.String(),
				Headline: fmt.Sprintf("a second WskAccept is pending on %v: one system was seen to hang",
					o.id)})
			break
		}
	}
	waits := &tcpip.Acceptor{Done: func(k *irql.K, e *tcpip.Endpoint, s ntstatus.NTSTATUS) {
		if e == nil {
			r.finish(k, s, 0, nil)
			return
		}
		a := o.accepted(e)
		a.expects = o.ev.pass
		a.keep(k, context, tableOf(dispatch))
		r.fill = func(*irql.K) {
			if local != nil {
				ws2def.Put(local, e.Local())
			}
			if remote != nil {
				ws2def.Put(remote, e.Remote())
			}
		}
		r.finish(k, s, a.information(), a.public)
	}}
	r.cancel = func(k *irql.K) bool { return o.acceptors.Cancel(k, o.ep, waits) }
	o.acceptors.Add(k, o.ep, waits)
}

// wskDisconnect is PFN_WSK_DISCONNECT.
func wskDisconnect(k *irql.K, ws *WSK_SOCKET, buffer *WSK_BUF, flags DisconnectFlags,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opDisconnect.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	abort := flags&WSK_FLAG_ABORTIVE != 0
	good := true
	if abort && buffer != nil {
		ke.Report(k, verify.Finding{Rule: verify.WSK_143, Obj: o.id.String(),
			Headline: "WskDisconnect: an abortive disconnect sends no last buffer"})
		good = false
	}
	r := opDisconnect.call(o, p, good, func(k *irql.K, r *request) {
		var last []byte
		if buffer != nil {
			if last, good = r.outgoing(k, buffer); !good {
				return
			}
		}
		if abort {
			o.recover(k, ntstatus.STATUS_CONNECTION_ABORTED)
		}
		o.ep.Disconnect(k, last, abort, func(k *irql.K, s ntstatus.NTSTATUS) {
			o.disconnected(k, r, s,
				abort)
		})
	})
	if abort {
		r.row = rowDisconnectAbortive
	}
	return o.sub.submit(k, r)
}

// siteStall: the transport of the peer may never let a graceful disconnect end (wsk.md 7.11). Nearly every
// client waits for its end without a limit, so this is for those who ask for it: it is asked only where it is
// pinned.
var siteStall = ke.Site{Name: "env/WskDisconnect/end", Alts: []string{"ends", "never ends"},
	Spec: "wsk.md 26"}

// disconnected ends a disconnect, or keeps a graceful one until the client recovers.
func (o *socket) disconnected(k *irql.K, r *request, s ntstatus.NTSTATUS, abort bool) {
	if !abort && s == ntstatus.STATUS_SUCCESS && !o.closing &&
		ke.IsPinned(k, &siteStall) && ke.Choose(k, &siteStall, len(siteStall.Alts)) == 1 {
		o.stalledEnd = r
		return
	}
	r.finish(k, s, 0, nil)
}

// recover completes a graceful disconnect that does not end by itself.
func (o *socket) recover(k *irql.K, s ntstatus.NTSTATUS) {
	if r := o.stalledEnd; r != nil {
		o.stalledEnd = nil
		r.finish(k, s, 0, nil)
	}
}
