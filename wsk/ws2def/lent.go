package ws2def

import "net/netip"

// lent is an address that the system lends to a callback: each use is told to whoever lent it.
type lent struct {
	SOCKADDR_STORAGE
	used func()
}

// Lend makes an address that calls used at each use. It is for the simulator's own packages, which lend
// addresses to callbacks; Copy makes a driver's own of it.
func Lend(ap netip.AddrPort, used func()) SOCKADDR {
	return &lent{SOCKADDR_STORAGE: Storage(ap), used: used}
}

// Family returns the address family, as sa_family does.
func (a *lent) Family() ADDRESS_FAMILY {
	a.used()
	return a.SOCKADDR_STORAGE.Family()
}

func (a *lent) get() netip.AddrPort {
	a.used()
	return a.SOCKADDR_STORAGE.get()
}

func (a *lent) set(ap netip.AddrPort) {
	a.used()
	a.SOCKADDR_STORAGE.set(ap)
}

// Copy gives what a points to, as *(SOCKADDR_STORAGE*)a does in C where a has the room; the zero structure
// for NULL.
func Copy(a SOCKADDR) SOCKADDR_STORAGE { return Storage(AddrPort(a)) }
