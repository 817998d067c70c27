package wsk

import (
	"fmt"
	"net/netip"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

var (
	siteBind   = operation("WskBind")
	siteListen = operation("WskListen")
	siteLocal  = operation("WskGetLocalAddress")
	siteRemote = operation("WskGetRemoteAddress")
)

// inputAddress judges a SOCKADDR argument. Rule: WSK-139.
func inputAddress(k *irql.K, name string, family ws2def.ADDRESS_FAMILY, a ws2def.SOCKADDR) (netip.AddrPort,
	bool) {
	if a == nil || a.Family() != family {
		has := ws2def.AF_UNSPEC
		if a != nil {
			has = a.Family()
		}
		ke.Report(k, verify.Finding{Rule: verify.WSK_139, Obj: name,
			Headline: fmt.Sprintf("%s: the address is of family %d, the socket of family %d", name, has,
				family)})
		return netip.AddrPort{}, false
	}
	return ws2def.AddrPort(a), true
}

// outputAddress prepares a SOCKADDR that is filled when the request completes. Rules: WSK-136, WSK-137,
// WSK-138.
func (r *request) outputAddress(k *irql.K, a ws2def.SOCKADDR, family ws2def.ADDRESS_FAMILY) bool {
	if a == nil {
		return true
	}
	if !ws2def.Fits(a, family) {
		ke.Report(k, verify.Finding{Rule: verify.WSK_137, Obj: r.name,
			Headline: fmt.Sprintf("%s: %d bytes are too few for an address of family %d", r.name, a.Size(),
				family),
			Fix: "use a SOCKADDR_STORAGE."})
		return false
	}
	v := pool.Containing(ke.Of(k), addressOf(a))
	if v == nil {
		return true
	}
	if pool.KindOf(v) == pool.Paged {
		ke.Report(k, verify.Finding{Rule: verify.WSK_138, Obj: v.ID().String(),
			Headline: r.name + ": the address buffer is paged memory, and is filled at DISPATCH_LEVEL"})
	}
	r.lend(k, v, verify.WSK_136, "the address buffer", true)
	return true
}

func addressOf(a ws2def.SOCKADDR) unsafe.Pointer {
	switch p := a.(type) {
	case *ws2def.SOCKADDR_IN:
		return unsafe.Pointer(p)
	case *ws2def.SOCKADDR_IN6:
		return unsafe.Pointer(p)
	case *ws2def.SOCKADDR_STORAGE:
		return unsafe.Pointer(p)
	}
	return nil
}

// reserved judges a Flags argument that must be 0. Rule: WSK-042.
func reserved(k *irql.K, name string, flags uint32) bool {
	if flags == 0 {
		return true
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_042, Obj: name,
		Headline: fmt.Sprintf("%s: Flags is reserved and must be 0, not 0x%x", name, flags)})
	return false
}

// wskBind is WskBind. A listening socket listens from here on.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the address may go when the call returns.
// Rules: WSK-042, WSK-060 to WSK-069, WSK-077, WSK-090, WSK-101, WSK-139, WSK-241.
// Not modelled: security descriptors in the sharing check.
// Reference: wsk/nc-wsk-pfn_wsk_bind.
func wskBind(k *irql.K, ws *WSK_SOCKET, localAddress ws2def.SOCKADDR, flags uint32,
	p *irp.IRP) ntstatus.NTSTATUS {
	const d, name = ddi.PFN_WSK_BIND, "WskBind"
	o, ok := socketCall(k, d, name, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	addr, good := inputAddress(k, name, o.ep.Family(), localAddress)
	good = reserved(k, name, flags) && good
	r := &request{name: name, fn: d, sock: o, p: p, sites: &siteBind}
	r.run = func(k *irql.K, r *request) {
		switch {
		case !good:
			r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		case o.ep.State() != tcpip.Created:
			r.wrongState(k, verify.WSK_101, "is bound already")
		case o.udp:
			r.finish(k, ntstatus.STATUS_NOT_IMPLEMENTED, 0, nil)
		default:
			o.bind(k, r, addr)
		}
	}
	return o.sub.submit(k, r)
}

func (o *socket) bind(k *irql.K, r *request, addr netip.AddrPort) {
	t := ke.ThreadOf(k)
	o.ep.Bind(k, addr, t, func(k *irql.K, s ntstatus.NTSTATUS) {
		if s != ntstatus.STATUS_SUCCESS || o.category != WSK_FLAG_LISTEN_SOCKET {
			r.finish(k, s, 0, nil)
			return
		}
		o.ep.Listen(k, 0, t, func(k *irql.K, s ntstatus.NTSTATUS) { r.finish(k, s, 0, nil) })
	})
}

// wskListen is WskListen, for stream sockets.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: WSK-060 to WSK-069, WSK-077, WSK-090, WSK-107, WSK-108, WSK-241.
// Not modelled: none.
// Reference: wsk/nc-wsk-pfn_wsk_listen.
func wskListen(k *irql.K, ws *WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
	const d, name = ddi.PFN_WSK_LISTEN, "WskListen"
	o, ok := socketCall(k, d, name, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	r := &request{name: name, fn: d, sock: o, p: p, sites: &siteListen}
	r.run = func(k *irql.K, r *request) {
		switch st := o.ep.State(); {
		case st == tcpip.Created:
			r.wrongState(k, verify.WSK_108, "is not bound")
		case st != tcpip.Bound:
			r.wrongState(k, verify.WSK_107, "is "+st.String()+" already")
		default:
			o.ep.Listen(k, 0, ke.ThreadOf(k), func(k *irql.K, s ntstatus.NTSTATUS) { r.finish(k, s, 0, nil) })
		}
	}
	return o.sub.submit(k, r)
}

// wskGetLocalAddress is WskGetLocalAddress.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: localAddress is nonpaged and the subsystem's until the IRP is completed.
// Rules: WSK-060 to WSK-069, WSK-090, WSK-106, WSK-136, WSK-137, WSK-138, WSK-241.
// Not modelled: none.
// Reference: wsk/nc-wsk-pfn_wsk_get_local_address.
func wskGetLocalAddress(k *irql.K, ws *WSK_SOCKET, localAddress ws2def.SOCKADDR,
	p *irp.IRP) ntstatus.NTSTATUS {
	return getAddress(k, ddi.PFN_WSK_GET_LOCAL_ADDRESS, "WskGetLocalAddress", &siteLocal, ws, localAddress, p,
		func(o *socket) (netip.AddrPort, bool) { return o.ep.Local(), o.ep.State() != tcpip.Created })
}

// wskGetRemoteAddress is WskGetRemoteAddress.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: remoteAddress is nonpaged and the subsystem's until the IRP is completed.
// Rules: WSK-060 to WSK-069, WSK-090, WSK-106, WSK-136, WSK-137, WSK-138, WSK-241.
// Not modelled: none.
// Reference: wsk/nc-wsk-pfn_wsk_get_remote_address.
func wskGetRemoteAddress(k *irql.K, ws *WSK_SOCKET, remoteAddress ws2def.SOCKADDR,
	p *irp.IRP) ntstatus.NTSTATUS {
	return getAddress(k, ddi.PFN_WSK_GET_REMOTE_ADDRESS, "WskGetRemoteAddress", &siteRemote, ws,
		remoteAddress, p,
		func(o *socket) (netip.AddrPort, bool) {
			st := o.ep.State()
			return o.ep.Peer(), st.HasPeer() && st != tcpip.Aborted
		})
}

func getAddress(k *irql.K, d ddi.ID, name string, site *sites, ws *WSK_SOCKET, out ws2def.SOCKADDR,
	p *irp.IRP,
	get func(o *socket) (netip.AddrPort, bool)) ntstatus.NTSTATUS {
	o, ok := socketCall(k, d, name, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	r := &request{name: name, fn: d, sock: o, p: p, sites: site}
	r.run = func(k *irql.K, r *request) {
		a, has := get(o)
		if !has {
			r.wrongState(k, verify.WSK_106, "has no such address yet")
			return
		}
		if !r.outputAddress(k, out, o.ep.Family()) {
			r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
			return
		}
		r.fill = func(*irql.K) { ws2def.Put(out, a) }
		r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
	}
	return o.sub.submit(k, r)
}
