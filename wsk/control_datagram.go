package wsk

import (
	"net/netip"

	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// The control codes that fix the address of a datagram socket.
const (
	SIO_WSK_SET_REMOTE_ADDRESS uint32 = 0x8F000001
	SIO_WSK_SET_SENDTO_ADDRESS uint32 = 0x8F000006
)

// ancillaryOption is the option that asks for ancillary data; nil where there is none with that number.
func ancillaryOption(level, code uint32) *option {
	what, v6, ok := tcpip.AncillaryOption(level, code)
	if !ok {
		return nil
	}
	return &option{level: level, code: code, flag: true, where: WSK_FLAG_DATAGRAM_SOCKET, v6: v6,
		set: func(k *irql.K, e *tcpip.Endpoint, v uint32) { e.SetAncillary(k, what, v6, v != 0) },
		get: func(e *tcpip.Endpoint) uint32 { return word(e.HasAncillary(what, v6)) }}
}

func isFixedAddress(code uint32) bool {
	return code == SIO_WSK_SET_REMOTE_ADDRESS || code == SIO_WSK_SET_SENDTO_ADDRESS
}

// fixAddress is the two codes that fix an address, or lift that. Rules: WSK-139, WSK-202, WSK-208.
func (o *socket) fixAddress(k *irql.K, r *request, c *control) {
	r.name = "SIO_WSK_SET_REMOTE_ADDRESS"
	if c.code == SIO_WSK_SET_SENDTO_ADDRESS {
		r.name = "SIO_WSK_SET_SENDTO_ADDRESS"
	}
	switch {
	case o.category != WSK_FLAG_DATAGRAM_SOCKET:
		argument(k, verify.WSK_208, o, "%s on %v, which is no datagram socket", r.name, o.id)
		r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
		return
	case o.ep.State() != tcpip.Bound:
		r.wrongState(k, verify.WSK_208, "is not bound: the address comes behind bind")
		return
	}
	addr, ok := o.fixed(k, r, c)
	if !ok {
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	r.lendControl(k, c, verify.WSK_207)
	if c.code == SIO_WSK_SET_REMOTE_ADDRESS {
		o.ep.FixPeer(k, addr)
	} else {
		o.ep.FixDestination(k, addr)
	}
	r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
}

// fixed reads the address; the zero AddrPort where none is given.
func (o *socket) fixed(k *irql.K, r *request, c *control) (addr netip.AddrPort, ok bool) {
	if c.inSize == 0 && c.in == nil && c.outSize == 0 && c.out == nil {
		return addr, true
	}
	need := ws2def.SizeofSockaddrIn
	if o.ep.V6 {
		need = ws2def.SizeofSockaddrIn6
	}
	if c.in == nil || c.inSize < uint64(need) || uint64(c.in.Len()) < c.inSize || c.outSize != 0 ||
		c.out != nil {
		argument(k, verify.WSK_202, o, "%s takes a SOCKADDR of %d bytes or nothing, not %d bytes", r.name,
			need, c.inSize)
		return addr, false
	}
	a := ws2def.StorageFromBytes(pool.Raw(k, c.in)[:c.inSize])
	return inputAddress(k, r.name, o.ep.Family(), &a)
}
