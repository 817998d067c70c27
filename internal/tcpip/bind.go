package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Status is the callback of an operation that has no other result.
type Status func(k *ke.K, s ntstatus.NTSTATUS)

// Bind gives e a local address. The engine is asked at BIND_REDIRECT and RESOURCE_ASSIGNMENT on the calling
// thread.
func (e *Endpoint) Bind(k *ke.K, addr netip.AddrPort, t *ke.Thread, done Status) {
	defer e.leave(k, e.enters(k))
	if _, s := Next(e.st, CallBind); s != ntstatus.STATUS_SUCCESS || e.busy {
		done(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return
	}
	if (ws2def.FamilyOf(addr.Addr()) == ws2def.AF_INET6) != e.V6 {
		done(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	e.bind(k, addr, 0, t, done)
}

// bind does the work for explicit and implicit binds.
func (e *Endpoint) bind(k *ke.K, addr netip.AddrPort, flags Flag, t *ke.Thread, done Status) {
	e.busy = true
	way := &Travel{e: e, thread: t, local: addr, flags: flags, done: func(k *ke.K, s ntstatus.NTSTATUS) {
		e.busy = false
		done(k, s)
	}}
	way.start(k, &e.stack.paths.bind)
}

// aboutAddress shows a station what address is to be bound, or is.
func aboutAddress(t *Travel, q *Question) { q.Flags |= bindFlags(t.local) }

// takeAddress binds to where the engine redirects.
func takeAddress(_ *ke.K, t *Travel) {
	if t.target.Modified && t.target.Local.IsValid() {
		t.local = t.target.Local
	}
}

// reserve takes the address, so that nobody else gets it while RESOURCE_ASSIGNMENT is asked.
func reserve(k *ke.K, t *Travel) {
	if closed(k, t) {
		return
	}
	addr, s := t.e.reserve(t.local)
	if s != ntstatus.STATUS_SUCCESS {
		t.finish(k, s)
		return
	}
	t.local = addr
	t.e.local, t.e.wildcard = addr, addr.Addr().IsUnspecified()
}

// bindBlocked gives back what was reserved.
func bindBlocked(k *ke.K, t *Travel, a Answer) {
	if t.e.local.IsValid() {
		t.e.stack.shares(t.e.local.Port(), ke.W)
		t.e.local = netip.AddrPort{}
	}
	t.finish(k, blocked(a))
}

func commitBind(k *ke.K, t *Travel) {
	e := t.e
	e.assigned++
	e.step(CallBind)
	e.stack.w.note(k, "bound", e.ID)
	t.finish(k, ntstatus.STATUS_SUCCESS)
}

// reserve checks addr against the other sockets and picks a port where none is asked for.
func (e *Endpoint) reserve(addr netip.AddrPort) (netip.AddrPort, ntstatus.NTSTATUS) {
	s := e.stack
	if a := addr.Addr(); !a.IsUnspecified() && !s.isLocal(a) {
		return addr, ntstatus.STATUS_INVALID_ADDRESS_COMPONENT
	}
	if addr.Port() != 0 {
		s.shares(addr.Port(), ke.W)
		return addr, s.check(e, addr)
	}
	s.w.use(nextPort, ke.W)
	p := pickPort(s.port, func(p uint16) bool {
		return s.check(e, netip.AddrPortFrom(addr.Addr(), p)) != ntstatus.STATUS_SUCCESS
	})
	if p == 0 {
		return addr, ntstatus.STATUS_TOO_MANY_ADDRESSES
	}
	s.shares(p, ke.W)
	s.port = p + 1
	return netip.AddrPortFrom(addr.Addr(), p), ntstatus.STATUS_SUCCESS
}

// check tells whether any live endpoint is in the way of addr. Accepted endpoints share their listener's
// address.
func (s *Stack) check(e *Endpoint, addr netip.AddrPort) ntstatus.NTSTATUS {
	s.shares(addr.Port(), ke.R)
	for _, o := range s.eps {
		if o == e || o.Protocol != e.Protocol || !o.local.IsValid() || o.Parent != 0 {
			continue
		}
		had := o.local
		if o.wildcard {
			had = netip.AddrPortFrom(ws2def.Any(o.Family()), had.Port())
		}
		if st := conflict(binding{addr, e.Share}, binding{had, o.Share}); st != ntstatus.STATUS_SUCCESS {
			return st
		}
	}
	return ntstatus.STATUS_SUCCESS
}

func bindFlags(addr netip.AddrPort) Flag {
	switch {
	case addr.Addr().IsUnspecified():
		return WildcardBind
	case addr.Addr().IsLoopback():
		return Loopback
	}
	return 0
}

// Listen makes a bound endpoint accept connections; up to backlog of them wait to be accepted, 0 for the
// default. The engine is asked at AUTH_LISTEN.
func (e *Endpoint) Listen(k *ke.K, backlog int, t *ke.Thread, done Status) {
	defer e.leave(k, e.enters(k))
	if _, s := Next(e.st, CallListen); s != ntstatus.STATUS_SUCCESS || e.busy {
		done(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
		return
	}
	if backlog > 0 {
		e.backlog = backlog
	}
	e.busy = true
	over := func(k *ke.K, s ntstatus.NTSTATUS) {
		e.busy = false
		done(k, s)
	}
	way := &Travel{e: e, thread: t, local: e.local, remote: e.remote, done: over}
	way.start(k, &e.stack.paths.listen)
}

func commitListen(k *ke.K, t *Travel) {
	e := t.e
	e.stack.shares(e.local.Port(), ke.W)
	e.step(CallListen)
	e.stack.w.note(k, "listens", e.ID)
	t.finish(k, ntstatus.STATUS_SUCCESS)
}
