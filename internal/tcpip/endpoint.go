package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Endpoint is one end of the transport that a program or driver owns: what a socket stands on.
//
// Every operation takes a callback that is called exactly once, either before the operation returns or
// later from a delivery. Calls are refused with STATUS_INVALID_DEVICE_STATE where Next says so.
type Endpoint struct {
	ID          trace.ID
	Protocol    uint8
	V6          bool
	Process     *ke.Process // nil is the System process
	Share       Sharing
	V6Only      bool
	Window      int  // bytes taken before the owner reads
	Broadcast   bool // datagrams may be sent to everybody
	Conditional bool // of a listener: its owner inspects who wants to connect
	KeepAlive   bool // kept for its owner to read back; connections here do not go stale
	Owner       Owner
	Parent      trace.ID // the listening endpoint of an accepted one

	stack     *Stack
	ch        *ke.Channel // what completes without the network; made when it is needed
	st        State
	busy      bool // a bind or listen waits for the engine
	reason    ntstatus.NTSTATUS
	local     netip.AddrPort
	remote    netip.AddrPort
	asked     netip.AddrPort // remote address as the owner asked
	records   Records        // carried by the socket: set before connect
	stream    *stream        // from the SYN on
	flow      *Flow          // from connect, or the arrival of a SYN, on
	op        *ConnectOp
	backlog   int
	ready     []*Endpoint // established and not yet accepted
	half      int         // connections on their way into ready
	inspected *inspection // while its listener's owner has something to say or to hear
	halfOf    *Endpoint   // listening endpoint, while the handshake is not over
	assigned  int         // RESOURCE_ASSIGNMENTs permitted
	wildcard  bool
	closing   bool       // Close is on its way to ENDPOINT_CLOSURE
	late      []*Flow    // those that have ended meanwhile
	udp       *datagrams // nil unless the endpoint sends and receives datagrams
}

// NewEndpoint makes an endpoint of TCP; NewDatagram one of UDP.
func (s *Stack) NewEndpoint(p *ke.Process, v6 bool) *Endpoint {
	e := &Endpoint{ID: s.w.newID(trace.Endpoint), Protocol: TCP, V6: v6, V6Only: true, Process: p,
		Window: Window, stack: s, backlog: defaultBacklog}
	s.eps = append(s.eps, e)
	return e
}

// State returns where the endpoint stands.
func (e *Endpoint) State() State {
	e.looked()
	return e.st
}

// Family returns the address family of the endpoint.
func (e *Endpoint) Family() ws2def.ADDRESS_FAMILY {
	if e.V6 {
		return ws2def.AF_INET6
	}
	return ws2def.AF_INET
}

// Local returns the local address; the zero AddrPort before bind. A TCP endpoint bound to the wildcard
// address has its port from bind on and its address from connect on (wsk.md 7.7).
func (e *Endpoint) Local() netip.AddrPort {
	e.looked()
	return e.local
}

// Remote returns the address of the peer the endpoint is really connected to.
func (e *Endpoint) Remote() netip.AddrPort {
	e.looked()
	return e.remote
}

// Peer returns the remote address as the owner knows it: where it asked to go, also when the connection was
// redirected. INFERRED: the socket layer above the transport keeps what it was given.
func (e *Endpoint) Peer() netip.AddrPort {
	e.looked()
	if e.asked.IsValid() {
		return e.asked
	}
	return e.remote
}

// Reason returns why an aborted endpoint is aborted.
func (e *Endpoint) Reason() ntstatus.NTSTATUS {
	e.looked()
	return e.reason
}

// Unsent returns the number of bytes queued and not yet acknowledged.
func (e *Endpoint) Unsent() int {
	e.looked()
	if e.stream == nil {
		return 0
	}
	return e.stream.unacked
}

// enters says that what k does now is about the endpoint.
func (e *Endpoint) enters(k *ke.K) (mark int) { return e.stack.w.enter(k, e.ID) }

func (e *Endpoint) leave(k *ke.K, mark int) { e.stack.w.leave(k, mark) }

// Enters is for the owner, who does something that is about the endpoint; ke.Leave ends it.
func (e *Endpoint) Enters(k *ke.K) (mark int) { return e.enters(k) }

// looked notes that the step under way has looked at the endpoint.
func (e *Endpoint) looked() { e.stack.w.use(e.ID, ke.R) }

// step moves the endpoint by one input.
func (e *Endpoint) step(in Input) ntstatus.NTSTATUS {
	n, s := Next(e.st, in)
	e.st = n
	return s
}

// channel is the endpoint's own.
func (e *Endpoint) channel() *ke.Channel {
	if e.ch == nil {
		e.ch = e.stack.w.channel(e.ID.String())
	}
	return e.ch
}

// post makes fn run from a delivery of the endpoint's own channel.
func (e *Endpoint) post(text string, fn func(k *ke.K)) {
	e.stack.w.post(e.channel(), ke.Delivery{Text: text, Obj: e.ID, Touches: e.ID, IRQL: &siteIRQL,
		Run: func(k *ke.K) {
			mark := e.enters(k)
			fn(k)
			e.leave(k, mark)
		}})
}

// drop takes the endpoint out of the list of live ones: its local address is free again.
func (e *Endpoint) drop() {
	e.stack.shares(e.local.Port(), ke.W)
	for i, o := range e.stack.eps {
		if o == e {
			e.stack.eps = list.Cut(e.stack.eps, i)
			return
		}
	}
}

// Close ends the endpoint, after the owner has ended what it waits for. A connection attempt, sends and a
// disconnect are completed first, with STATUS_CANCELLED; an open connection is reset, unless both sides have
// finished, or unless graceful asks for a FIN behind what is queued (closesocket, not WskCloseSocket). done
// runs after the filter engine has heard of the end.
func (e *Endpoint) Close(k *ke.K, graceful bool, done func(k *ke.K)) {
	defer e.leave(k, e.enters(k))
	was := e.st
	e.st = Closed
	e.drop()
	e.turnAway(k)
	e.closing = true
	t := &Travel{e: e, local: e.local, remote: e.remote, flow: e.flow, was: was,
		done: func(k *ke.K, _ ntstatus.NTSTATUS) { done(k) }}
	if e.op != nil {
		e.op.give(k, ntstatus.STATUS_CANCELLED)
	}
	if e.stream != nil {
		e.stream.close(k, was, graceful)
	}
	if e.udp != nil {
		e.udp.close(k, e.stack)
	}
	t.start(k, &e.stack.paths.close)
}

// flowsEnd: flows end behind ENDPOINT_CLOSURE and before RESOURCE_RELEASE (wfp.md 14, INFERRED). A closure
// that is pended holds back the rest of its path, not the flows.
func flowsEnd(k *ke.K, t *Travel) {
	e := t.e
	e.closing = false
	late := e.late
	e.late = nil
	for _, f := range late {
		f.ends(k, e.stack)
	}
}

// wasAuthorised: there is one ALE_ENDPOINT_CLOSURE for a listening socket, for each authorised connection and
// for a bound socket of datagrams, and one ALE_RESOURCE_RELEASE for each ALE_RESOURCE_ASSIGNMENT (wfp.md 7).
func wasAuthorised(_ *ke.K, t *Travel) bool {
	return t.was == Listening || t.was == Bound && t.e.udp != nil || t.was >= Connecting && t.was <= Aborted
}

func wasAssigned(_ *ke.K, t *Travel) bool {
	if t.e.assigned == 0 {
		return false
	}
	t.e.assigned--
	return true
}

func closeDone(k *ke.K, t *Travel) { t.finish(k, ntstatus.STATUS_SUCCESS) }
