package tcpip

import (
	"net/netip"
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// Datagram is what has arrived at an endpoint, for its owner.
type Datagram struct {
	From, To netip.AddrPort // mapped where the owner uses both families
	Data     []byte
	TTL, TOS uint8
	flow     *Flow
}

// Broadcast reports whether the datagram was sent to everybody.
func (d *Datagram) Broadcast() bool { return isBroadcast(d.To.Addr().Unmap()) }

// Multicast reports whether the datagram was sent to a group.
func (d *Datagram) Multicast() bool { return d.To.Addr().Unmap().IsMulticast() }

// Interface is the number of the interface the datagram came over.
func (d *Datagram) Interface() uint32 { return InterfaceOf(d.From.Addr()) }

// LoopbackInterface is the number of the loopback interface. There is one other (INFERRED: only this number
// is the same everywhere).
const LoopbackInterface uint32 = 1

// InterfaceOf gives the number of the interface to an address.
func InterfaceOf(a netip.Addr) uint32 {
	if a.Unmap().IsLoopback() {
		return LoopbackInterface
	}
	return LoopbackInterface + 1
}

// datagrams is what makes an endpoint one that sends and receives datagrams.
type datagrams struct {
	queue   []*Datagram    // arrived and not taken, oldest first
	held    int            // bytes in queue
	flows   []*Flow        // one for each peer, in the order they came to be
	fixed   netip.AddrPort // the only peer; zero: anybody
	to      netip.AddrPort // where a send goes that names nobody
	many    bool           // something that was sent to many has been authorised
	groups  []netip.Addr   // multicast groups it has joined
	sends   []*SendOp      // not over
	unbound []*SendOp      // those that wait for the implicit bind
	wants   [2]Ancillary   // what the owner is told with datagrams of IPv4 and of IPv6
}

// NewDatagram makes an endpoint of UDP.
func (s *Stack) NewDatagram(p *ke.Process, v6 bool) *Endpoint {
	e := s.NewEndpoint(p, v6)
	e.Protocol, e.udp = UDP, &datagrams{}
	return e
}

// Datagrams reports whether the endpoint sends and receives datagrams.
func (e *Endpoint) Datagrams() bool { return e.udp != nil }

// FixPeer makes remote the only peer: what others send is not taken, and a send that names nobody goes there.
// The zero AddrPort lifts that. FixDestination only says where a send goes that names nobody. Either replaces
// the other (wsk.md 13.6).
func (e *Endpoint) FixPeer(k *ke.K, remote netip.AddrPort) {
	defer e.leave(k, e.enters(k))
	e.stack.shares(e.local.Port(), ke.W)
	e.udp.fixed, e.udp.to = unmapped(remote), unmapped(remote)
}

// FixDestination says where a send goes that names nobody.
func (e *Endpoint) FixDestination(k *ke.K, remote netip.AddrPort) {
	defer e.leave(k, e.enters(k))
	e.udp.to = unmapped(remote)
}

// Destination is where a send goes that names nobody; invalid where there is no such place.
func (e *Endpoint) Destination() netip.AddrPort {
	e.looked()
	return e.udp.to
}

// Join makes the endpoint take what is sent to a multicast group, Leave ends that.
func (e *Endpoint) Join(k *ke.K, group netip.Addr) ntstatus.NTSTATUS {
	defer e.leave(k, e.enters(k))
	if group = group.Unmap(); !group.IsMulticast() || group.Is4() == (e.V6 && e.V6Only) {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	e.stack.shares(e.local.Port(), ke.W)
	e.udp.groups = append(e.udp.groups, group)
	return ntstatus.STATUS_SUCCESS
}

// Leave ends the membership in a group; STATUS_INVALID_PARAMETER where there is none.
func (e *Endpoint) Leave(k *ke.K, group netip.Addr) ntstatus.NTSTATUS {
	defer e.leave(k, e.enters(k))
	for i, g := range e.udp.groups {
		if g == group.Unmap() {
			e.stack.shares(e.local.Port(), ke.W)
			e.udp.groups = list.Cut(e.udp.groups, i)
			return ntstatus.STATUS_SUCCESS
		}
	}
	return ntstatus.STATUS_INVALID_PARAMETER
}

// TakeFrom gives the datagram that has waited longest, nil when there is none.
func (e *Endpoint) TakeFrom(k *ke.K) *Datagram {
	defer e.leave(k, e.enters(k))
	u := e.udp
	if len(u.queue) == 0 {
		return nil
	}
	d := u.queue[0]
	u.queue = u.queue[1:]
	u.held -= len(d.Data)
	return d
}

// PutBackFrom makes datagrams that were taken the first again.
func (e *Endpoint) PutBackFrom(k *ke.K, d []*Datagram) {
	defer e.leave(k, e.enters(k))
	u := e.udp
	for _, x := range d {
		u.held += len(x.Data)
	}
	u.queue = slices.Concat(d, u.queue)
}

// Queued is the number of datagrams that wait to be taken.
func (e *Endpoint) Queued() int {
	e.looked()
	return len(e.udp.queue)
}

// close forgets what waits, ends the sends that are not over and the flows.
func (u *datagrams) close(k *ke.K, s *Stack) {
	u.queue, u.held = nil, 0
	for _, op := range list.Add(nil, u.sends) {
		op.give(k, 0, ntstatus.STATUS_CANCELLED)
	}
	for _, f := range u.flows {
		s.datagramsEnd(k, f)
	}
	u.flows = nil
}

// idle is how long a flow of datagrams lives without any (wfp.md 7); one to a group or to everybody lives
// shorter.
const (
	idle      = 60 * ke.Second
	idleGroup = 4 * ke.Second
)

// clockID stands, in footprints, for the time.
var clockID = ke.Table(trace.NoKind, 0)

// flow finds the flow that is, and ends those that have been idle for too long.
func (e *Endpoint) flowOf(k *ke.K, is func(f *Flow) bool) *Flow {
	u, s := e.udp, e.stack
	for i, f := range u.flows {
		if !is(f) {
			continue
		}
		s.w.use(clockID, ke.R)
		now := s.w.now()
		if now-f.used < f.limit() {
			f.used = now
			return f
		}
		u.flows = list.Cut(u.flows, i)
		s.datagramsEnd(k, f)
		return nil
	}
	return nil
}

// datagramsEnd ends a flow of datagrams.
func (s *Stack) datagramsEnd(k *ke.K, f *Flow) {
	f.ends(k, s)
	if f.Inbound || !f.Redirect.done {
		return
	}
	s.w.use(awayID, ke.W)
	for i, o := range s.redirected {
		if o == f {
			s.redirected = list.Cut(s.redirected, i)
			return
		}
	}
}

func isBroadcast(a netip.Addr) bool { return a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

// isMulti reports whether what is sent there may arrive at several places.
func isMulti(a netip.Addr) bool { return a.IsMulticast() || isBroadcast(a) }

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// shown gives an address as the owner sees it: one of both families sees only those of IPv6.
func (e *Endpoint) shown(a netip.AddrPort) netip.AddrPort {
	if e.V6 && a.Addr().Is4() {
		return mapped(a)
	}
	return a
}
