// Package tcpip is the simulated transport: endpoints, connections, the wire between stacks, and the places
// where the filter engine is asked.
//
// It knows neither IRPs nor WSK nor WFP names. Sockets of processes (sim) and of WSK clients (wsk) are
// endpoints of this package; the filter engine (fwps) is installed as an Engine. It finishes operations
// through callbacks. What it needs of a machine is one interface, world, so that two stacks can exchange
// packets without a machine (testdata/transcripts). A packet is a value that never changes; the two ends of a
// connection, also when both are in one machine, share nothing but packets and what became of the connection
// at CONNECT_REDIRECT. What one end of a TCP connection does is decided by internal/tcp.
//
// The network is reliable and ordered, a packet is as large as the window, and transmission takes no time
// unless a host has a latency. A driver that passes has not been shown what a NIC cuts or merges. Packets get
// lost only where a callout or a host that does not answer drops them; then, and only then, the ends of the
// connection run their retransmission timers.
//
// Datagrams are authorised once for each peer of an endpoint (udp.go); a port nobody has is told to the
// sender.
//
// Not modelled: two ends that open to each other at once, a time limit for FIN_WAIT_2 once the owner
// has gone; broadcast addresses of a subnet.
package tcpip

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// Layer is a place where the engine is asked.
type Layer uint8

// The layers the transport calls, in the order a connection meets them (wfp.md 7).
const (
	BindRedirect Layer = iota + 1
	ResourceAssignment
	AuthListen
	ConnectRedirect
	AuthConnect
	AuthRecvAccept
	FlowEstablished
	EndpointClosure
	ResourceRelease

	// Those of packets, network.md 2.
	TransportOut
	TransportIn
	IPOut
	IPIn
	IPForward
	DatagramOut
	DatagramIn
	StreamPacketOut
	StreamPacketIn
	IcmpErrorOut
	IcmpErrorIn
	StreamOut
	StreamIn

	Layers // one more than there are
)

// Discarded marks, with a station, the place that sees what was dropped at it: the discard twin of its layer.
const Discarded Layer = 32

// Flag describes a classification (FWP_CONDITION_FLAG_*, translated by the engine).
type Flag uint32

// The flags the transport knows about.
const (
	Loopback Flag = 1 << iota
	WildcardBind
	ImplicitBind
	ConnectionRedirected // the application's connection has been redirected
	ProxyConnection      // the socket carries redirect records
	HonoringPolicy       // extra AUTH_CONNECT with the original destination; the effective one follows
	RequiresALE          // the packet is to be authorised behind this station
	Fragment             // a piece of a packet
	Reassembled          // put together from pieces
)

// Records is the redirect record chain of one connection, made and understood by the engine only.
type Records interface {
	ID() trace.ID
	// Len is the number of records in the chain; 0 means the connection was never redirected.
	Len() int
}

// Context is what a callout attached to a redirected connection: memory the engine owns until the flow is
// gone.
type Context interface {
	Size() int
	CopyTo(dst []byte) int
}

// Target is where a connection goes: as the program asked, or as the last callout left it.
type Target struct {
	Local, Remote netip.AddrPort
	TargetPID     uint32 // process that will serve a connection redirected to this machine
	Redirected    bool   // the engine accepted a change of Remote
	Modified      bool   // any field was changed by a callout
}

// Question is one classification: everything the engine needs to fill fields and metadata.
type Question struct {
	At       Layer
	V6       bool
	Tuple              // what the layer is shown as protocol, local and remote address
	Endpoint *Endpoint // without id and process, where a packet belongs to nobody here
	Flow     *Flow     // of the endpoint's connection, nil before there is one
	Inbound  bool      // direction of what is classified; Flow.Inbound is that of the connection
	Matter   Matter    // what the layer is about besides, nil where it is nothing
	Flags    Flag
	Again    Again      // why it is authorised again, 0 where it is not
	Filter   uint64     // at a discard station, the filter that blocked; 0 where none did
	Thread   *ke.Thread // who asks, nil when the network does

	// Done is called exactly once with the decision: before Classify returns, or later when a callout
	// pended and completed. An answer that holds the operation is followed by another.
	Done func(k *ke.K, a Answer)
}

// Again says why something is authorised that has been authorised before. The numbers are those of
// FWP_CONDITION_REAUTHORIZE_REASON_* (wfp.md 1.4).
type Again uint32

// The reasons the transport knows about.
const (
	PolicyChange          Again = 0x1
	NewArrivalInterface   Again = 0x2
	NewNexthopInterface   Again = 0x4
	ProfileCrossing       Again = 0x8
	SocketPropertyChanged Again = 0x80
	ManyReceivers         Again = 0x100 // NEW_INBOUND_MCAST_BCAST_PACKET
)

// Matter is what only some layers are about: *ConnectRequest, *Carried.
type Matter interface{ matter() }

// ConnectRequest is the matter of CONNECT_REDIRECT: the chain of records, the inherited part first.
type ConnectRequest struct{ Records Records }

func (*ConnectRequest) matter() {}

// Carried is the matter of the stations that a packet passes, and of those that are asked because one came.
type Carried struct {
	Packet *packet.Packet
	Reason Reason // of a discard station: why the packet went no further
}

func (*Carried) matter() {}

// Answer is the engine's decision: permit, block, or hold until there is another answer.
type Answer struct {
	Permit bool
	Hold   bool              // a callout holds the operation: what was carried is gone, and Done comes again
	Filter uint64            // that blocked, 0 is none
	Packet *packet.Packet    // what a callout has made of the packet; nil when none changed it
	Absorb bool              // with a block: the packet vanishes without a word, no discard station sees it
	Target Target            // at redirect layers: where to go now
	Status ntstatus.NTSTATUS // reason of a block, for the program: usually STATUS_ACCESS_DENIED
}

// Engine is what the filter engine offers to the transport. Without one everything is permitted and nothing
// redirected.
type Engine interface {
	// Classify asks about q. It raises the IRQL itself where a layer is called above the caller's level.
	Classify(k *ke.K, q *Question)
	// FlowGone tells that an end of a connection is over: contexts on the flow are deleted. r is the
	// connection's chain, whose own contexts are freed now; it is nil while the other end, in this machine
	// too, still lives.
	FlowGone(k *ke.K, f *Flow, r Records)
}

// Watcher is what an engine offers besides that keeps something about packets on their way.
type Watcher interface {
	// PacketGone tells that a packet leaves the stack: on the wire, taken by a transport, dropped, absorbed.
	PacketGone(k *ke.K, p *packet.Packet)
}

// Redirector is what an engine offers besides that keeps the records of redirected connections. The transport
// carries them and knows nothing of what is in them.
type Redirector interface {
	// NewRecords makes the chain of a new connection; inherited is what the socket carries, or nil.
	NewRecords(k *ke.K, inherited Records) Records
	// FormatRecords serialises a chain to the opaque bytes of SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS.
	FormatRecords(r Records) []byte
	// ParseRecords finds the chain serialised bytes stand for; false when they are no record of this machine.
	ParseRecords(b []byte) (Records, bool)
	// ContextOf returns the context SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT gives to process p: that of
	// the newest record whose redirector gave one. A status other than STATUS_SUCCESS says why there is
	// none.
	ContextOf(r Records) (Context, ntstatus.NTSTATUS)
	// RedirectTarget returns the newest record's PID, for the access check of the queries.
	RedirectTarget(r Records) uint32
}
