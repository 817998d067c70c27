package fwps_test

import (
	"net/netip"

	"calloutsim/wsk/ws2def"
)

func addrPort(a *ws2def.SOCKADDR_STORAGE) netip.AddrPort { return ws2def.AddrPort(a) }

func storage(a netip.AddrPort) ws2def.SOCKADDR_STORAGE { return ws2def.Storage(a) }
