package tcpip

import (
	"net/netip"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// hostName is a name that a test has declared, with its addresses.
type hostName struct {
	name  string
	addrs []netip.Addr
}

// SetName declares a name, for name resolution of programs and drivers alike. The addresses are given in the
// order of the declaration.
func (s *Stack) SetName(name string, addrs ...netip.Addr) {
	s.names = append(s.names, hostName{strings.ToLower(name), list.Add(nil, addrs)})
}

// Resolve gives the addresses behind a name: those declared, of an address in text itself, of "localhost" the
// loopback addresses. Nil when nobody knows it.
func (s *Stack) Resolve(name string) []netip.Addr {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a}
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for i := range s.names {
		if s.names[i].name == name {
			return s.names[i].addrs
		}
	}
	if name == "localhost" {
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return nil
}

// Lookup is getaddrinfo() of a program: Resolve, as a step of the calling thread.
func Lookup(k *ke.K, name string) []netip.Addr {
	ke.Point(k, ke.Reads(ke.Table(trace.Socket, 0)))
	return Of(k).Resolve(name)
}

// NameOf gives the name of an address, "" when nobody has declared one.
func (s *Stack) NameOf(a netip.Addr) string {
	for i := range s.names {
		for _, x := range s.names[i].addrs {
			if x == a {
				return s.names[i].name
			}
		}
	}
	if a.IsLoopback() {
		return "localhost"
	}
	return ""
}

// services are those of the file "services" that tests are likely to name.
var services = [...]struct {
	name string
	port uint16
}{{"ftp", 21}, {"ssh", 22}, {"smtp", 25}, {"domain", 53}, {"http", 80}, {"ntp", 123}, {"https", 443}}

// Service gives the port of a service by number or name.
func Service(name string, numeric bool) (port uint16, ok bool) {
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		return uint16(n), true
	}
	for _, s := range services {
		if !numeric && s.name == strings.ToLower(name) {
			return s.port, true
		}
	}
	return 0, false
}

// ServiceOf gives the name of the service at a port, its number when it has none.
func ServiceOf(port uint16) string {
	for _, s := range services {
		if s.port == port {
			return s.name
		}
	}
	return strconv.Itoa(int(port))
}
