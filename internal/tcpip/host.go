package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/tcp"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// Verdict is what a host does with a connection attempt.
type Verdict uint8

// The verdicts.
const (
	Accepts Verdict = iota
	Refuses         // answers RST: the port is closed
	Ignores         // does not answer: the attempt times out
)

// Handler is the program on a declared host. Its methods run when something arrives there; they belong to
// the world outside the drivers and may answer through the Peer.
type Handler interface {
	Open(k *ke.K, p *Peer) Verdict
	Data(k *ke.K, p *Peer, b []byte)
	Fin(k *ke.K, p *Peer)
	Reset(k *ke.K, p *Peer)
}

// Host is a machine elsewhere that a test has declared.
type Host struct {
	Addr    netip.Addr
	Latency int64 // one way, 100 ns units
	Handler Handler
	// PieceSize makes the host cut what it sends, but for TCP, into fragments of at most so many bytes behind
	// their IP header; 0 is not at all.
	PieceSize int

	stack *Stack
	id    trace.ID    // for footprints
	emits *ke.Channel // of packets of no connection
	cut   uint32      // identification of the last packet that was cut
	flows []hostFlow  // of its datagrams
}

// AddHost declares a host. Addresses that belong to no host and not to this machine are unreachable.
func (s *Stack) AddHost(addr netip.Addr, h Handler) *Host {
	n := &Host{Addr: addr, Handler: h, id: ke.Beside.Of(trace.MakeID(trace.Peer, uint64(len(s.net.hosts))))}
	n.stack = &Stack{w: s.w, net: s.net, paths: s.paths, host: n}
	s.net.hosts = append(s.net.hosts, n)
	return n
}

// Emit puts a packet on the wire that did not come from a connection of the host.
func (h *Host) Emit(k *ke.K, p *packet.Packet) {
	s := h.stack
	if h.emits == nil {
		h.emits = s.w.channel("packets of " + h.Addr.String())
	}
	s.send(k, sender{ch: h.emits, from: h.id}, p)
}

// Peer is the far end of one connection to a declared host.
type Peer struct {
	Local    netip.AddrPort // of the host
	Remote   netip.AddrPort // of this machine
	Received []byte
	Closed   bool // this machine has finished sending
	WasReset bool

	host  *Host
	e     *Endpoint // nil until Open has answered
	early []byte    // what Open has sent already
	fin   bool      // the host has finished sending, or is about to
}

// syn arrives at the host.
func (h *Host) syn(k *ke.K, p *packet.Packet) {
	s := h.stack
	s.w.use(h.id, ke.W)
	peer := &Peer{Local: p.Dst, Remote: p.Src, host: h}
	switch h.Handler.Open(k, peer) {
	case Refuses:
		s.refuse(k, p)
	case Ignores:
		s.net.lost(p)
	default:
		tuple := Tuple{TCP, p.Dst, p.Src}
		s.dig(tuple)
		e := &Endpoint{ID: s.w.newID(trace.Peer), Protocol: TCP, Window: Window, Owner: peer, stack: s,
			st: Connecting, local: p.Dst, remote: p.Src}
		mark := e.enters(k)
		x := s.newStream(e, tuple)
		c, r := tcp.Accept(p.TCP, x.config())
		x.conn, peer.e = c, e
		x.carry(k, r)
		s.w.leave(k, mark)
	}
}

// Indicate gives to the handler what has come.
func (p *Peer) Indicate(k *ke.K, e *Endpoint, i Indication) {
	p.acts()
	switch i.Kind {
	case Opened:
		early := p.early
		p.early = nil
		p.send(k, early)
		if p.fin {
			p.finish(k)
		}
	case Readable:
		b := e.Take(e.Available())
		e.Release(k, len(b))
		p.Received = append(p.Received, b...)
		p.host.Handler.Data(k, p, b)
	case Finished:
		p.Closed = true
		p.host.Handler.Fin(k, p)
	case Reset:
		p.WasReset = true
		p.host.Handler.Reset(k, p)
	}
}

// acts says that the handler of the host is called, which may keep something for all connections.
func (p *Peer) acts() { p.host.stack.w.use(p.host.id, ke.W) }

// Send sends b from the host.
func (p *Peer) Send(k *ke.K, b []byte) {
	if p.fin {
		return
	}
	if p.e == nil || p.e.st == Connecting {
		p.early = append(p.early, b...)
		return
	}
	p.send(k, append([]byte(nil), b...))
}

func (p *Peer) send(k *ke.K, b []byte) {
	if len(b) > 0 && !p.e.stream.over {
		p.e.stream.send(k, b, nothing)
	}
}

// Fin finishes sending.
func (p *Peer) Fin(k *ke.K) {
	if p.fin {
		return
	}
	p.fin = true
	if p.e != nil && p.e.st != Connecting {
		p.finish(k)
	}
}

func (p *Peer) finish(k *ke.K) {
	if x := p.e.stream; !x.over {
		x.fin(k)
	}
}

// Abort resets the connection from the host.
func (p *Peer) Abort(k *ke.K) {
	if p.e == nil {
		return
	}
	x := p.e.stream
	x.abort(k)
	x.fail(k, ntstatus.STATUS_CONNECTION_ABORTED)
	x.end(k)
}

// Port is a handler made of functions. A nil Answer sends nothing back; the host finishes when this machine
// has.
type Port struct {
	Verdict func(p *Peer) Verdict
	Answer  func(b []byte) []byte
}

// Open asks Verdict.
func (h Port) Open(_ *ke.K, p *Peer) Verdict {
	if h.Verdict == nil {
		return Accepts
	}
	return h.Verdict(p)
}

// Data sends back what Answer makes of b.
func (h Port) Data(k *ke.K, p *Peer, b []byte) {
	if h.Answer != nil {
		p.Send(k, h.Answer(b))
	}
}

// Fin finishes too.
func (h Port) Fin(k *ke.K, p *Peer) { p.Fin(k) }

// Reset has nothing to do.
func (h Port) Reset(*ke.K, *Peer) {}

// Echo is a host that sends back what it receives on every port.
func Echo() Handler { return Port{Answer: func(b []byte) []byte { return b }} }

// Shut is a host on which every port is closed.
func Shut() Handler { return Port{Verdict: func(*Peer) Verdict { return Refuses }} }

// Silent is a host that never answers.
func Silent() Handler { return Port{Verdict: func(*Peer) Verdict { return Ignores }} }
