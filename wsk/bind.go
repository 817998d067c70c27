package wsk

import (
	"fmt"
	"net/netip"
	"unsafe"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// inputAddress judges a SOCKADDR argument. Rule: WSK-139.
func inputAddress(k *irql.K, name string, family ws2def.ADDRESS_FAMILY,
	a ws2def.SOCKADDR) (netip.AddrPort, bool) {
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

// wskBind is PFN_WSK_BIND.
func wskBind(k *irql.K, ws *WSK_SOCKET, localAddress ws2def.SOCKADDR, flags uint32,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opBind.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	addr, good := inputAddress(k, opBind.name, o.ep.Family(), localAddress)
	good = reserved(k, opBind.name, flags) && good
	return o.sub.submit(k, opBind.call(o, p, good, func(k *irql.K, r *request) {
		if o.udp && o.category != WSK_FLAG_DATAGRAM_SOCKET {
			r.finish(k, ntstatus.STATUS_NOT_IMPLEMENTED, 0, nil)
			return
		}
		o.bind(k, r, addr)
	}))
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

// wskListen is PFN_WSK_LISTEN.
func wskListen(k *irql.K, ws *WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opListen.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	return o.sub.submit(k, opListen.call(o, p, true, func(k *irql.K, r *request) {
		o.ep.Listen(k, 0, ke.ThreadOf(k), func(k *irql.K, s ntstatus.NTSTATUS) { r.finish(k, s, 0, nil) })
	}))
}

// wskGetLocalAddress is PFN_WSK_GET_LOCAL_ADDRESS.
func wskGetLocalAddress(k *irql.K, ws *WSK_SOCKET, localAddress ws2def.SOCKADDR,
	p *irp.IRP) ntstatus.NTSTATUS {
	return getAddress(k, opLocal, ws, localAddress, p, (*tcpip.Endpoint).Local)
}

// wskGetRemoteAddress is PFN_WSK_GET_REMOTE_ADDRESS.
func wskGetRemoteAddress(k *irql.K, ws *WSK_SOCKET, remoteAddress ws2def.SOCKADDR,
	p *irp.IRP) ntstatus.NTSTATUS {
	return getAddress(k, opRemote, ws, remoteAddress, p, (*tcpip.Endpoint).Peer)
}

func getAddress(k *irql.K, op *operation, ws *WSK_SOCKET, out ws2def.SOCKADDR, p *irp.IRP,
	get func(*tcpip.Endpoint) netip.AddrPort) ntstatus.NTSTATUS {
	o, ok := op.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if out == nil {
		ke.Null(k, op.id, "NULL where an address is to be stored")
	}
	return o.sub.submit(k, op.call(o, p, true, func(k *irql.K, r *request) {
		a := get(o.ep)
		if !r.outputAddress(k, out, o.ep.Family()) {
			r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
			return
		}
		r.fill = func(*irql.K) { ws2def.Put(out, a) }
		r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
	}))
}
