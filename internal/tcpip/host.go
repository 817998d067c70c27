package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
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
}

// AddHost declares a host. Addresses that belong to no host and not to this machine are unreachable.
func (s *Stack) AddHost(addr netip.Addr, h Handler) *Host {
	n := &Host{Addr: addr, Handler: h}
	s.hosts = append(s.hosts, n)
	return n
}

func (s *Stack) host(a netip.Addr) *Host {
	for i := len(s.hosts) - 1; i >= 0; i-- {
		if s.hosts[i].Addr == a {
			return s.hosts[i]
		}
	}
	return nil
}

// Peer is the far end of one connection to a declared host.
type Peer struct {
	Local    netip.AddrPort // of the host
	Remote   netip.AddrPort // of this machine
	Received []byte
	Closed   bool // this machine has finished sending
	WasReset bool

	host *Host
	sd   *side
}

// syn arrives at the host.
func (h *Host) syn(k *ke.K, op *ConnectOp) {
	if op.over {
		return
	}
	h.acts(k)
	sd := op.conn.side[1]
	p := &Peer{Local: op.e.remote, Remote: op.e.local, host: h, sd: sd}
	switch h.Handler.Open(k, p) {
	case Refuses:
		op.refused()
	case Ignores:
		op.unanswered()
	default:
		sd.host = p
		sd.send("SYN-ACK", func(k *ke.K) { op.established(k, func(*ke.K) {}) })
	}
}

func (p *Peer) data(k *ke.K, b []byte) {
	p.host.acts(k)
	p.Received = append(p.Received, b...)
	p.host.Handler.Data(k, p, b)
}

func (p *Peer) fin(k *ke.K) {
	p.host.acts(k)
	p.Closed = true
	p.host.Handler.Fin(k, p)
}

func (p *Peer) reset(k *ke.K) {
	p.host.acts(k)
	p.WasReset = true
	p.host.Handler.Reset(k, p)
}

// Send sends b from the host.
func (p *Peer) Send(k *ke.K, b []byte) {
	if len(b) > 0 && !p.sd.dead && !p.sd.finWant {
		p.sd.queue(k, &sendOp{data: append([]byte(nil), b...), done: nothing})
	}
}

// Fin finishes sending.
func (p *Peer) Fin(k *ke.K) {
	p.sd.finWant = true
	p.sd.pump(k)
}

// Abort resets the connection from the host.
func (p *Peer) Abort(k *ke.K) { p.sd.reset(k) }

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

// acts says that the handler of the host is called, which may keep something for all connections.
func (h *Host) acts(k *ke.K) { ke.Adds(k, ke.Use{Obj: ke.AddrID(k, h), How: ke.W}) }
