package wskvec

import (
	"encoding/binary"
	"fmt"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

var categories = map[any]wsk.SocketFlags{"listen": wsk.WSK_FLAG_LISTEN_SOCKET,
	"connection": wsk.WSK_FLAG_CONNECTION_SOCKET}

// call makes an operation that is a call with a request.
func (g *game) call(k *irql.K, name string, a []any) error {
	if g.npi.Dispatch == nil {
		return fmt.Errorf("%s: no provider was captured", name)
	}
	switch name {
	case "socket":
		n := number(a[0])
		p := g.arm(k, n, a[5:])
		g.note(name, "irp", n, "ret", hex(g.npi.Dispatch.WskSocket(k, g.npi.Client,
			ws2def.ADDRESS_FAMILY(number(a[1])), uint16(number(a[2])), uint32(number(a[3])),
			categories[a[4]], nil,
			nil, nil, nil, nil, p)))
		return nil
	case "get_address_info":
		g.addressInfo(k, a)
		return nil
	}
	s := g.sock[number(a[0])]
	if s == nil {
		return fmt.Errorf("%s: the slot has no socket", name)
	}
	n := number(a[1])
	r := &g.reqs[n]
	ret := func(st ntstatus.NTSTATUS) { g.note(name, "irp", n, "ret", hex(st)) }
	switch d := s.Dispatch.(type) {
	case *wsk.WSK_PROVIDER_LISTEN_DISPATCH:
		switch name {
		case "bind":
			ret(d.WskBind(k, s, address(a[2], a[3]), 0, g.arm(k, n, a[4:])))
		case "accept":
			p := g.arm(k, n, a[3:])
			r.local, r.remote = nil, nil
			if a[2] == true {
				r.local, r.remote = new(ws2def.SOCKADDR_STORAGE), new(ws2def.SOCKADDR_STORAGE)
				ret(d.WskAccept(k, s, 0, nil, nil, r.local, r.remote, p))
				return nil
			}
			ret(d.WskAccept(k, s, 0, nil, nil, nil, nil, p))
		case "close":
			ret(d.WskCloseSocket(k, s, g.arm(k, n, nil)))
		default:
			return fmt.Errorf("%s: a listening socket has no such function", name)
		}
	case *wsk.WSK_PROVIDER_CONNECTION_DISPATCH:
		return g.connection(k, d, s, name, a, ret)
	}
	return nil
}

// connection makes a call on a connection socket.
func (g *game) connection(k *irql.K, d *wsk.WSK_PROVIDER_CONNECTION_DISPATCH, s *wsk.WSK_SOCKET, name string,
	a []any, ret func(ntstatus.NTSTATUS)) error {
	n := number(a[1])
	buf := func() *wsk.WSK_BUF {
		return &wsk.WSK_BUF{Mdl: g.mdl[number(a[2])], Offset: uint32(number(a[3])),
			Length: uint64(number(a[4]))}
	}
	switch name {
	case "bind":
		ret(d.WskBind(k, s, address(a[2], a[3]), 0, g.arm(k, n, a[4:])))
	case "connect":
		ret(d.WskConnect(k, s, address(a[2], a[3]), 0, g.arm(k, n, a[4:])))
	case "send":
		ret(d.WskSend(k, s, buf(), 0, g.arm(k, n, nil)))
	case "receive":
		ret(d.WskReceive(k, s, buf(), 0, g.arm(k, n, nil)))
	case "close":
		ret(d.WskCloseSocket(k, s, g.arm(k, n, nil)))
	default:
		return fmt.Errorf("%s: a connection socket has no such function", name)
	}
	return nil
}

// addressInfo asks for a name, waits, and logs the first result.
func (g *game) addressInfo(k *irql.K, a []any) {
	n := number(a[0])
	p := g.arm(k, n, a[3:])
	named := func(v any) *irp.UNICODE_STRING {
		s, ok := v.(string)
		if !ok {
			return nil
		}
		u := new(irp.UNICODE_STRING)
		irp.RtlInitUnicodeString(k, u, s)
		return u
	}
	var list *ws2def.ADDRINFOEXW
	st := g.npi.Dispatch.WskGetAddressInfo(k, g.npi.Client, named(a[1]), named(a[2]), 0, nil, nil, &list, nil,
		nil, p)
	g.note("get_address_info", "irp", n, "ret", hex(st))
	if p == nil {
		return
	}
	irql.KeWaitForSingleObject(k, g.reqs[n].done, irql.Executive, irql.KernelMode, false, nil)
	g.completed(n)
	if p.IoStatus().Status != ntstatus.STATUS_SUCCESS || list == nil {
		return
	}
	ap := ws2def.AddrPort(list.Ai_addr)
	v := ap.Addr().As4()
	g.note("address_info", "family", int(list.Ai_family), "addrlen", int(list.Ai_addrlen), "addr",
		fmt.Sprintf("0x%08x", binary.BigEndian.Uint32(v[:])), "port", int(ap.Port()))
	g.npi.Dispatch.WskFreeAddressInfo(k, g.npi.Client, list)
}
