package tcpip

import (
	"net/netip"

	"calloutsim/ntstatus"
)

// The dynamic ports.
const (
	firstDynamic = 49152
	lastDynamic  = 65535
)

// Sharing is how a socket wants to share its address with others (SO_REUSEADDR, SO_EXCLUSIVEADDRUSE).
type Sharing uint8

// The three ways of sharing. When both options are set, exclusive use counts: INFERRED, Winsock refuses the
// combination.
const (
	ShareNone Sharing = iota
	ShareReuse
	ShareExclusive
)

// verdict is one cell of the sharing matrix.
type verdict uint8

const (
	okay   verdict = iota
	inUse          // STATUS_ADDRESS_ALREADY_EXISTS
	denied         // STATUS_ACCESS_DENIED
)

// matrix answers whether a second socket can have an address a first one has: rows are the second socket,
// columns the first, each as (none, reuse, exclusive) with wildcard before specific (wsk.md 19). Where the
// table asks for an access check, the default descriptor of the first socket denies: security descriptors
// are not modelled.
var matrix = [3][2][3][2]verdict{
	ShareNone: {
		{{inUse, okay}, {inUse, okay}, {inUse, okay}},
		{{denied, inUse}, {denied, denied}, {denied, inUse}},
	},
	ShareReuse: {
		{{denied, okay}, {okay, okay}, {denied, okay}},
		{{denied, denied}, {okay, okay}, {denied, denied}},
	},
	ShareExclusive: {
		{{inUse, inUse}, {inUse, inUse}, {inUse, inUse}},
		{{denied, inUse}, {denied, inUse}, {denied, inUse}},
	},
}

// binding is a local address that a socket has.
type binding struct {
	addr  netip.AddrPort
	share Sharing
}

// conflict says whether second can be bound while first exists. Two different specific addresses never
// conflict, nor do different ports or families.
func conflict(second, first binding) ntstatus.NTSTATUS {
	a, b := second.addr, first.addr
	if a.Port() != b.Port() || a.Addr().Is4() != b.Addr().Is4() {
		return ntstatus.STATUS_SUCCESS
	}
	sa, sb := specific(a.Addr()), specific(b.Addr())
	if sa == 1 && sb == 1 && a.Addr() != b.Addr() {
		return ntstatus.STATUS_SUCCESS
	}
	switch matrix[second.share][sa][first.share][sb] {
	case inUse:
		return ntstatus.STATUS_ADDRESS_ALREADY_EXISTS
	case denied:
		return ntstatus.STATUS_ACCESS_DENIED
	}
	return ntstatus.STATUS_SUCCESS
}

func specific(a netip.Addr) int {
	if a.IsUnspecified() {
		return 0
	}
	return 1
}

// pickPort finds the first free dynamic port from start on, going round once. It returns 0 when all are
// taken.
func pickPort(start uint16, taken func(uint16) bool) uint16 {
	if start < firstDynamic {
		start = firstDynamic
	}
	p := int(start)
	for range lastDynamic - firstDynamic + 1 {
		if !taken(uint16(p)) {
			return uint16(p)
		}
		if p++; p > lastDynamic {
			p = firstDynamic
		}
	}
	return 0
}
