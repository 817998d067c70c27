package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
	"calloutsim/wsk/ws2def"
)

// The protocols endpoints know.
const (
	TCP uint8 = 6
	UDP uint8 = 17
)

// Window is how many bytes a receiver takes before its owner has read any, unless SO_RCVBUF says otherwise.
const Window = 64 * 1024

// defaultBacklog is the number of connections that may wait on a listening socket that states no number of
// its own.
const defaultBacklog = 200

var (
	siteIRQL = ke.Site{Name: "env/tcpip/delivery/irql", Alts: []string{"dispatch", "passive"},
		Spec: "wsk.md 26"}

	siteLength = ke.Site{Name: "env/WskReceive/length", Alts: []string{"longest", "half", "one byte"},
		Spec: "scheduling.md 7.6"}

	siteAuth = ke.Site{Name: "doc/AleAuthConnect/redirected", Alts: []string{"twice", "once"},
		Spec: "wfp.md 21 #42"}
)

var state = ke.NewSlot(newStack)

// Stack is the transport of one machine.
type Stack struct {
	w          world
	net        *network
	host       *Host // whose stack it is; nil for the machine's
	engine     Engine
	wants      Wants
	policies   policies
	redirector Redirector // the engine, if it keeps redirect records
	watcher    Watcher    // the engine, if it keeps something about packets
	paths      *paths
	local      []netip.Addr // addresses of this machine beside loopback
	watchers   []func()     // of these addresses
	eps        []*Endpoint  // live ones, in order of creation
	streams    []*stream    // ends of connections, in order of creation
	redirected []*Flow      // of datagrams, that go elsewhere than their senders asked; both ends look here
	tombs      []tomb       // finished ends
	apps       []appOf
	names      []hostName
	nobody     *Endpoint        // of packets that belong to no endpoint
	pieces     []*packet.Packet // fragments that wait for the rest
	Forwards   bool             // packets for others go on to them
	forwarding *ke.Channel
	ledger     ledger
	port       uint16 // where looking for a dynamic port starts
}

// appOf remembers whose connection a record chain belongs to.
type appOf struct {
	records trace.ID
	image   string
}

func newStack(m *ke.Machine) *Stack {
	s := stackIn(machine{m})
	m.AtEnd(func(m *ke.Machine) { s.net.balances(m.Quiet(nil)) })
	return s
}

// stackIn is the machine's stack in a world without hosts.
func stackIn(w world) *Stack {
	s := &Stack{w: w, net: &network{}, paths: newPaths(), port: firstDynamic, local: []netip.Addr{
		netip.AddrFrom4([4]byte{192, 0, 2, 10}), netip.MustParseAddr("2001:db8::10")}}
	s.net.machine = s
	s.nobody = &Endpoint{stack: s}
	return s
}

// Of returns the transport of k's machine.
func Of(k *ke.K) *Stack { return state.Of(k) }

// On returns the transport of a machine.
func On(m *ke.Machine) *Stack { return state.On(m) }

// SetEngine installs the filter engine; nil permits everything. It is asked about what endpoints do, and not
// about packets, until it calls SetWants.
func (s *Stack) SetEngine(e Engine) {
	s.engine, s.wants = e, operations
	s.redirector, _ = e.(Redirector)
	s.watcher, _ = e.(Watcher)
}

// Engine returns the filter engine, nil when there is none.
func (s *Stack) Engine() Engine { return s.engine }

// SetLocal sets the addresses of this machine beside loopback. Without it they are 192.0.2.10 and
// 2001:db8::10.
func (s *Stack) SetLocal(addrs ...netip.Addr) {
	s.local = list.Add(nil, addrs)
	for _, changed := range s.watchers {
		changed()
	}
}

// OnAddresses lets changed be called whenever the addresses of this machine change.
func (s *Stack) OnAddresses(changed func()) { s.watchers = append(s.watchers, changed) }

// Addresses lists the addresses of this machine beside loopback, of one family.
func (s *Stack) Addresses(v6 bool) (all []netip.Addr) {
	for _, a := range s.local {
		if a.Is4() != v6 {
			all = append(all, a)
		}
	}
	return all
}

// Endpoints lists the live endpoints in order of creation, for dumps.
func (s *Stack) Endpoints() []*Endpoint { return s.eps }

// isLocal reports whether an address is one of this machine's.
func (s *Stack) isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, l := range s.local {
		if l == a {
			return true
		}
	}
	return false
}

// source is the address that routing picks for traffic to remote, the zero Addr when there is no route.
func (s *Stack) source(remote netip.Addr) netip.Addr {
	if remote.IsLoopback() {
		return ws2def.Loopback(ws2def.FamilyOf(remote))
	}
	for _, l := range s.local {
		if l.Is4() == remote.Is4() {
			return l
		}
	}
	return netip.Addr{}
}

// What endpoints share, for footprints: who has a port, which is next, whose connection is whose, and which
// flows of datagrams go elsewhere.
var (
	nextPort = trace.MakeID(trace.Port, 1<<32)
	appsID   = trace.MakeID(trace.Port, 1<<33)
	awayID   = trace.MakeID(trace.Port, 1<<36)

	// Packets that are passed on, and pieces of packets that wait for the rest.
	forwardID = trace.MakeID(trace.Port, 1<<34)
	piecesID  = trace.MakeID(trace.Port, 1<<35)
)

// portID stands for all that have a port.
func portID(port uint16) trace.ID { return trace.MakeID(trace.Port, uint64(port)) }

// shares says that the step under way looks at who has a port, or changes it. What a host has is the host's.
func (s *Stack) shares(port uint16, how ke.Access) {
	if s.host != nil {
		s.w.use(s.host.id, how)
		return
	}
	s.w.use(portID(port), how)
}

// question starts a question about e.
func (e *Endpoint) question(l Layer, t *ke.Thread) *Question {
	q := &Question{At: l, V6: e.V6, Tuple: Tuple{e.Protocol, e.local, e.remote}, Endpoint: e, Flow: e.flow,
		Thread: t}
	if e.records != nil && l != BindRedirect && l != ResourceAssignment {
		q.Flags |= ProxyConnection
	}
	return q
}

// OriginalApp names the image whose connection was redirected, if e carries records.
func (e *Endpoint) OriginalApp() string { return e.stack.originalApp(e) }

// originalApp names the image whose connection was redirected, if e carries records.
func (s *Stack) originalApp(e *Endpoint) string {
	if e.records == nil {
		return ""
	}
	s.w.use(appsID, ke.R)
	for i := range s.apps {
		if s.apps[i].records == e.records.ID() {
			return s.apps[i].image
		}
	}
	return ""
}

// noteApp remembers whose connection has been redirected.
func (s *Stack) noteApp(e *Endpoint, r Records) {
	if r == nil {
		return
	}
	app := s.originalApp(e)
	if app == "" {
		app = imageOf(e.Process)
	}
	s.w.use(appsID, ke.W)
	s.apps = append(s.apps, appOf{r.ID(), app})
}

func imageOf(p *ke.Process) string {
	if p == nil {
		return "System"
	}
	return p.Image
}
