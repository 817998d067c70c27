package sim

import (
	"net/netip"
	"runtime"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/ntstatus"
)

// Process is a program on the machine: a process id, an image, and threads at PASSIVE_LEVEL.
type Process struct {
	m       *Machine
	p       *ke.Process
	told    bool              // drivers know of it, or none wants to
	refused ntstatus.NTSTATUS // why a driver's notify routine forbade it
	threads []*ke.Thread      // that have not ended
	sockets []*tcpip.Socket
	killed  bool
}

// ProcessOptions say what sort of process it is.
type ProcessOptions struct {
	Admin bool // an administrator
}

// Process makes a process. Process ids are multiples of 4 in order of creation; 4 is System.
func (m *Machine) Process(image string, opts ...ProcessOptions) *Process {
	m.tb.Helper()
	if len(opts) > 1 {
		fatalf(m.tb, "sim: Process takes one ProcessOptions, or none")
	}
	admin := len(opts) == 1 && opts[0].Admin
	m.ke.Acts()
	return &Process{m: m, p: m.ke.NewProcess(image, admin)}
}

// PID gives the process id.
func (p *Process) PID() uint32 { return p.p.PID }

// Image gives the image's name.
func (p *Process) Image() string { return p.p.Image }

// User is a thread of a process, seen from inside: what the program can do. It is valid only in the
// function that received it.
type User struct {
	k *ke.K
	p *Process
}

// here stops the test when a User is used by another thread than its own. Deferred calls of a run that has
// ended do nothing, like those of drivers.
func (u *User) here(call string) {
	switch m := u.p.m.ke; {
	case ke.Unwinds(u.k):
		runtime.Goexit()
	case m.Current() == u.k:
	case m.Current() == nil:
		panic(ke.Misuse(call + " called outside of the run: a User is valid only in its own function"))
	default:
		panic(ke.Misuse(call + " called with the User of another thread: every thread uses the one it got"))
	}
}

// Process gives the process the thread belongs to.
func (u *User) Process() *Process { return u.p }

// The world beyond the machine: declared hosts and what answers there.
type (
	// Handler is what runs on a declared host.
	Handler = tcpip.Handler
	// Peer is the far end of one connection to a declared host.
	Peer = tcpip.Peer
	// Port is a Handler made of functions.
	Port = tcpip.Port
	// Host is a declared host.
	Host = tcpip.Host
	// DatagramHandler is a Handler that takes datagrams, too.
	DatagramHandler = tcpip.DatagramHandler
	// Verdict is what a host does with a connection attempt, or a datagram.
	Verdict = tcpip.Verdict
)

// The verdicts: a host takes it, says that the port is closed, or says nothing.
const (
	Accepts = tcpip.Accepts
	Refuses = tcpip.Refuses
	Ignores = tcpip.Ignores
)

// Echo is a host that sends back what it receives, on every port.
func Echo() Handler { return tcpip.Echo() }

// Shut is a host on which every port is closed.
func Shut() Handler { return tcpip.Shut() }

// Silent is a host that never answers.
func Silent() Handler { return tcpip.Silent() }

// Host declares a host. Addresses that are neither declared nor the machine's own are unreachable, but for
// those that Dial is asked for, which it declares.
func (m *Machine) Host(addr netip.Addr, h Handler) *Host {
	m.ke.Acts()
	m.hosts = append(m.hosts, addr)
	return tcpip.On(m.ke).AddHost(addr, h)
}

// LocalAddrs sets the addresses the machine has beside loopback. Without it they are 192.0.2.10 and
// 2001:db8::10.
func (m *Machine) LocalAddrs(addrs ...netip.Addr) {
	m.ke.Acts()
	m.local = append(m.local, addrs...)
	tcpip.On(m.ke).SetLocal(addrs...)
}

// Name declares a name with its addresses, for name resolution of programs (User.Lookup) and of drivers
// (WskGetAddressInfo). "localhost" and addresses in text need no declaration.
func (m *Machine) Name(name string, addrs ...netip.Addr) {
	m.ke.Acts()
	tcpip.On(m.ke).SetName(name, addrs...)
}

// Forward makes the machine pass on what one host sends another, as a router does.
func (m *Machine) Forward() {
	m.ke.Acts()
	tcpip.On(m.ke).Forwards = true
}

// reachable declares the host behind addr, unless somebody has done so or it is this machine.
func (m *Machine) reachable(addr netip.Addr) {
	local := m.local
	if len(local) == 0 {
		local = []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")}
	}
	for _, a := range append(local, m.hosts...) {
		if a == addr {
			return
		}
	}
	if !addr.IsLoopback() && !addr.IsUnspecified() && !addr.IsMulticast() {
		m.Host(addr, Echo())
	}
}
