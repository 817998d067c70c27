package wsk

import (
	"fmt"
	"math/bits"
	"reflect"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// socketBase is where the simulated addresses of sockets begin; Information shows them.
const socketBase = 0xffff_e000_0000_0000

// socket is one socket object.
type socket struct {
	id       trace.ID
	sub      *subsystem
	cl       *client
	public   *WSK_SOCKET
	category SocketFlags
	udp      bool            // a listening socket of the wrong type: fails at bind (wsk.md 5.1)
	ep       *tcpip.Endpoint // nil for basic sockets
	ch       *ke.Channel
	context  loanedMemory
	table    loanedMemory

	socketContext any // what callbacks are given
	client        any // table of the client's callbacks, nil for none
	ev            callbacks
	expects       uint32          // events that were enabled on the listening socket it came from
	offered       *offer          // while WskAcceptEvent is shown it
	notMine       bool            // the client turned it down
	retained      []*indication   // kept by the client
	inspections   []*inspection   // of a listening socket, oldest first
	serial        uint32          // of the last one
	inspectID     *WSK_INSPECT_ID // of an accepted socket, nil without conditional accept
	changes       []*request      // that wait for a change of the addresses
	v6            bool            // of a basic socket
	silent        bool            // SIO_WSK_SET_TCP_SILENT_MODE
	dead          bool            // it does not work any more
	told          bool            // and the client has been told so
	stalledEnd    *request        // a graceful disconnect that does not end by itself

	readers   tcpip.Readers
	acceptors tcpip.Acceptors
	from      tcpip.FromReaders
	sd        SECURITY_DESCRIPTOR

	pending  []*request
	callers  []*irql.K // whose functions of the socket run, one entry for each
	touched  bool
	joined   bool // made by WskSocketConnect
	afterEnd int  // receives posted after the end of the stream
	closing  bool
	closeReq *request
	epClosed bool
	closeSeq uint64
	madeSeq  uint64
	probed   *queried
}

// loanedMemory is a socket context or dispatch table, if it lies in memory that is tracked.
type loanedMemory struct{ v *irp.Buffer }

// ID of the socket, for reports.
func (s *socket) String() string { return s.id.String() }

// Indicate serves the requests that wait for what has happened.
func (s *socket) Indicate(k *irql.K, e *tcpip.Endpoint, i tcpip.Indication) {
	s.inspects(i)
	if s.raced(k, i) {
		s.ev.first = true
	} else {
		s.readers.Hears(k, e, i)
		s.acceptors.Hears(k, e, i)
		s.from.Hears(k, e, i)
	}
	if i.Kind == tcpip.Readable {
		s.concurrent(k, s.ev.running[evReceiveFrom])
	}
	if i.Kind == tcpip.Reset {
		s.recover(k, e.Reason())
	}
	s.indicate(k)
}

// siteRace: a request that waits goes before the callback, but a callback can be faster (wsk.md 11.2).
var siteRace = ke.Site{Name: "env/WskEvent/race", Alts: []string{"the request", "the callback"},
	Spec: "wsk.md 26"}

// raced reports whether what has arrived goes to a callback although a request waits for it.
func (s *socket) raced(k *irql.K, i tcpip.Indication) bool {
	switch {
	case i.Kind == tcpip.Readable && s.enabled(evReceive) && s.readers.Pending() && !s.ev.refused:
	case i.Kind == tcpip.Readable && s.enabled(evReceiveFrom) && s.from.Pending():
	case i.Kind == tcpip.Incoming && s.enabled(evAccept) && s.acceptors.Pending():
	default:
		return false
	}
	return ke.Choose(k, &siteRace, len(siteRace.Alts)) == 1
}

// newSocket makes the object.
func (s *subsystem) newSocket(c *client, category SocketFlags) *socket {
	o := &socket{id: s.m.NewID(trace.Socket), sub: s, cl: c, category: category}
	o.public = &WSK_SOCKET{s: o}
	switch category {
	case WSK_FLAG_BASIC_SOCKET:
		o.public.Dispatch = &s.tables.basic
	case WSK_FLAG_LISTEN_SOCKET:
		o.public.Dispatch = &s.tables.listen
	case WSK_FLAG_DATAGRAM_SOCKET:
		o.public.Dispatch = &s.tables.datagram
	case WSK_FLAG_CONNECTION_SOCKET:
		o.public.Dispatch = &s.tables.connection
	case WSK_FLAG_STREAM_SOCKET:
		o.public.Dispatch = &s.tables.stream
	}
	o.ch = s.m.NewChannel(o.id.String())
	o.madeSeq = s.m.Log().Len()
	o.ev.always = c.static & o.fitting()
	c.made = true
	s.m.AddsOn(ke.Counts(c.id))
	s.sockets = append(s.sockets, o)
	return o
}

func (o *socket) information() uint64 { return socketBase + o.id.Num()*0x40 }

// keep lends the memory of context and table for the life of the socket. Rules: WSK-035, WSK-036, later
// WSK-243.
func (o *socket) keep(k *irql.K, context, table any) {
	o.socketContext, o.client = context, table
	o.context.v = memoryOf(ke.Of(k), context)
	o.table.v = memoryOf(ke.Of(k), table)
	if v := o.context.v; v != nil && pool.KindOf(v) == pool.Paged {
		ke.Report(k, verify.Finding{Rule: verify.WSK_035, Obj: o.id.String(),
			Headline: fmt.Sprintf("the context of %v is paged memory: callbacks run at DISPATCH_LEVEL", o.id),
			Fix:      "allocate it with POOL_FLAG_NON_PAGED."})
	}
	o.lend(k, verify.WSK_035, verify.WSK_036)
	o.staticRoutines(k)
}

func (o *socket) lend(k *irql.K, context, table verify.RuleID) {
	fix := "release it in the completion routine of WskCloseSocket."
	if v := o.context.v; v != nil {
		pool.LendAs(k, v, pool.Loan{Owner: o.id, Rule: context, What: "the socket context", Writable: true,
			Fix: fix})
	}
	if v := o.table.v; v != nil && (o.context.v == nil || !pool.SameBlock(v, o.context.v)) {
		pool.LendAs(k, v, pool.Loan{Owner: o.id, Rule: table, What: "the client's socket table",
			Writable: true, Fix: fix})
	}
}

func (o *socket) giveBack(k *irql.K) {
	if o.context.v != nil {
		pool.Return(k, o.context.v, o.id)
	}
	if o.table.v != nil {
		pool.Return(k, o.table.v, o.id)
	}
}

// memoryOf finds the tracked memory that a driver's value points to.
func memoryOf(m *ke.Machine, x any) *irp.Buffer {
	switch v := x.(type) {
	case nil:
		return nil
	case *irp.Buffer:
		return v
	case interface{ Handle() *irp.Buffer }:
		return v.Handle()
	}
	if v := reflect.ValueOf(x); v.Kind() == reflect.Pointer && !v.IsNil() {
		return pool.Containing(m, unsafe.Pointer(v.Pointer()))
	}
	return nil
}

// begin notes that a function of the socket runs with a request.
func (o *socket) begin(k *irql.K, r *request) {
	o.callers = append(o.callers, k)
	o.pending = append(o.pending, r)
}

// returned notes that a function which k called returns.
func (o *socket) returned(k *irql.K) {
	for i := len(o.callers) - 1; i >= 0; i-- {
		if o.callers[i] == k {
			o.callers = list.Cut(o.callers, i)
			return
		}
	}
}

// inUse reports whether somebody else than k is in a function of the socket. The pages of WskCloseSocket and
// closing-a-socket speak of calls in other threads, and allow a close to whoever makes all calls in one: so
// the completion routine of a request that ended inline may close, inside the function it belongs to.
func (o *socket) inUse(k *irql.K) bool {
	for _, by := range o.callers {
		if by != k {
			return true
		}
	}
	return false
}

// over forgets a request whose IRP is about to be completed.
func (o *socket) over(r *request) {
	for i, x := range o.pending {
		if x == r {
			o.pending = list.Cut(o.pending, i)
			return
		}
	}
}

// enterClient is the beginning of the two functions that make sockets. Rules: WSK-015, WSK-030, WSK-060. nil
// means that the call returns status at once, the IRP untouched (wsk.md 25.3).
func (op *operation) enterClient(k *irql.K, cl *WSK_CLIENT, p *irp.IRP) (*client, ntstatus.NTSTATUS) {
	c, st := captured(k, op.id, op.name, cl)
	if c != nil && p == nil {
		nullIRP(k, op.name, verify.WSK_060)
		return nil, ntstatus.STATUS_INVALID_PARAMETER
	}
	return c, st
}

// captured is the beginning of every function of the client's table.
func captured(k *irql.K, id ddi.ID, name string, cl *WSK_CLIENT) (*client, ntstatus.NTSTATUS) {
	enter(k, id, name, ke.Dispatch, verify.WSK_090)
	ke.Point(k, ke.Reads(registrations))
	if cl == nil || cl.c == nil {
		ke.Collect(k, verify.Finding{Rule: verify.WSK_030, Obj: name,
			Headline: name + ": Client is not what WskCaptureProviderNPI gave",
			Fix:      "pass WSK_PROVIDER_NPI.Client."})
		return nil, ntstatus.STATUS_INVALID_HANDLE
	}
	c := cl.c
	ke.Adds(k, ke.Counts(c.id)) // looks at captures, which WskReleaseProviderNPI changes
	if c.captures == 0 || c.gone {
		ke.Report(k, verify.Finding{Rule: verify.WSK_015, Obj: c.id.String(),
			Headline: name + " is called after WskReleaseProviderNPI",
			Places:   []verify.Place{{Label: "CAPTURED", Seq: c.captureSeq}},
			Fix:      "capture the NPI again, or release it later."})
		return nil, ntstatus.STATUS_INVALID_HANDLE
	}
	return c, ntstatus.STATUS_SUCCESS
}

// wskSocket is PFN_WSK_SOCKET.
func wskSocket(k *irql.K, cl *WSK_CLIENT, addressFamily ws2def.ADDRESS_FAMILY, socketType uint16,
	protocol uint32,
	flags SocketFlags, socketContext, dispatch any, owningProcess *irql.KPROCESS,
	owningThread *irql.KTHREAD,
	securityDescriptor any, p *irp.IRP) ntstatus.NTSTATUS {
	c, st := opSocket.enterClient(k, cl, p)
	if c == nil {
		return st
	}
	c.making++
	r := &request{op: opSocket, name: opSocket.name, cl: c, p: p}
	r.after = func(k *irql.K) { r.sub.mayLeave(k, c) }
	r.run = func(k *irql.K, r *request) {
		if !goodSocket(k, r, addressFamily, socketType, protocol, flags, socketContext, dispatch,
			securityDescriptor) {
			return
		}
		o := r.sub.newSocket(c, flags)
		o.secures(k, r, securityDescriptor)
		o.v6 = addressFamily == ws2def.AF_INET6
		o.udp = socketType == ws2def.SOCK_DGRAM
		switch flags {
		case WSK_FLAG_BASIC_SOCKET:
		case WSK_FLAG_DATAGRAM_SOCKET:
			o.ep = tcpip.Of(k).NewDatagram(owner(owningProcess), addressFamily == ws2def.AF_INET6)
			o.ep.Owner = o
		default:
			o.ep = tcpip.Of(k).NewEndpoint(owner(owningProcess), addressFamily == ws2def.AF_INET6)
			o.ep.Owner = o
		}
		o.keep(k, socketContext, dispatch)
		r.finish(k, ntstatus.STATUS_SUCCESS, o.information(), o.public)
	}
	return state.Of(k).submit(k, r)
}

// owner is the process a socket belongs to in the eyes of the filter engine: the given one, else System.
// That NULL means the current process (wsk.md 5.1) concerns the security context of the sharing check only,
// which is not modelled.
func owner(process *irql.KPROCESS) *ke.Process {
	if p := irql.Sim.ProcessOf(process); p != nil && p.PID != ke.SystemPID {
		return p
	}
	return nil
}

// goodSocket judges the arguments of WskSocket; when they are bad it answers the request.
func goodSocket(k *irql.K, r *request, family ws2def.ADDRESS_FAMILY, typ uint16, protocol uint32,
	flags SocketFlags,
	context, dispatch, sd any) bool {
	bad := func(rule verify.RuleID, why string) {
		ke.Collect(k, verify.Finding{Rule: rule, Obj: "WskSocket", Headline: "WskSocket: " + why})
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
	}
	switch {
	case bits.OnesCount32(uint32(flags)) > 1 || flags > WSK_FLAG_STREAM_SOCKET:
		bad(verify.WSK_031, fmt.Sprintf("Flags 0x%x names more than one category", uint32(flags)))
		return false
	case flags == WSK_FLAG_BASIC_SOCKET && (context != nil || dispatch != nil):
		bad(verify.WSK_033, "a basic socket has neither context nor dispatch table")
		return false
	case !tableFits(flags, dispatch):
		bad(verify.WSK_032, fmt.Sprintf("Dispatch is a %T, which is no table for category 0x%x", dispatch,
			uint32(flags)))
		return false
	case sd != nil && r.sub.cached(k, sd) == nil:
		bad(verify.WSK_037, "the security descriptor does not come from the cache")
		return false
	case family != ws2def.AF_INET && family != ws2def.AF_INET6,
		flags == WSK_FLAG_DATAGRAM_SOCKET && typ == ws2def.SOCK_RAW: // raw sockets are not modelled
		r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
		return false
	}
	kind, proto, fix := ws2def.SOCK_STREAM, ws2def.IPPROTO_TCP, "use SOCK_STREAM with IPPROTO_TCP."
	if flags == WSK_FLAG_DATAGRAM_SOCKET {
		kind, proto, fix = ws2def.SOCK_DGRAM, ws2def.IPPROTO_UDP, "use SOCK_DGRAM with IPPROTO_UDP."
	}
	if flags == WSK_FLAG_BASIC_SOCKET || typ == kind && protocol == proto {
		return true
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_034, Obj: "WskSocket",
		Headline: fmt.Sprintf("WskSocket: type %d with protocol %d is not for category 0x%x", typ, protocol,
			uint32(flags)),
		Fix: fix})
	if flags != WSK_FLAG_LISTEN_SOCKET { // a listening one is made and fails at bind (wsk.md 5.1)
		r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
		return false
	}
	return true
}

func tableFits(flags SocketFlags, dispatch any) bool {
	switch dispatch.(type) {
	case nil:
		return true
	case *WSK_CLIENT_LISTEN_DISPATCH:
		return flags == WSK_FLAG_LISTEN_SOCKET
	case *WSK_CLIENT_DATAGRAM_DISPATCH:
		return flags == WSK_FLAG_DATAGRAM_SOCKET
	case *WSK_CLIENT_CONNECTION_DISPATCH:
		return flags == WSK_FLAG_CONNECTION_SOCKET
	case *WSK_CLIENT_STREAM_DISPATCH:
		return flags == WSK_FLAG_STREAM_SOCKET
	}
	return false
}

// wskCloseSocket is PFN_WSK_CLOSE_SOCKET.
func wskCloseSocket(k *irql.K, ws *WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opClose.enter(k, ws, p, verify.WSK_245)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if o.inUse(k) {
		ke.Report(k, verify.Finding{Rule: verify.WSK_240, Obj: o.id.String(),
			Headline: fmt.Sprintf("%v is closed while a function of it is running elsewhere", o.id),
			Fix: "count the users of the socket, for instance with rundown protection, and close " +
				"behind the last one."})
	}
	if o.ep != nil && o.ep.Unsent() > 0 && o.ep.State() != tcpip.BothFin {
		ke.Report(k, verify.Finding{Rule: verify.WSK_115, Obj: o.id.String(),
			Headline: fmt.Sprintf("%v is closed with %d bytes on their way: the peer sees a reset", o.id,
				o.ep.Unsent()),
			Fix: "call WskDisconnect first and wait for it."})
	}
	o.holdsLists(k)
	o.closing = true
	o.closeSeq = ke.Call(k, opClose.id, o.id)
	o.giveBack(k)
	o.lend(k, verify.WSK_243, verify.WSK_243)
	r := &request{op: opClose, name: opClose.name, row: opClose.row, sock: o, p: p}
	o.closeReq = r
	r.run = func(k *irql.K, r *request) {
		closed := func(k *irql.K) {
			o.epClosed = true
			o.tryClose(k)
		}
		if o.ep == nil {
			o.cancelChanges(k)
			closed(k)
			return
		}
		o.acceptors.Fail(k, ntstatus.STATUS_CANCELLED)
		o.readers.Fail(k, ntstatus.STATUS_CANCELLED)
		o.from.Fail(k, ntstatus.STATUS_CANCELLED)
		o.recover(k, ntstatus.STATUS_CANCELLED)
		o.cancelChanges(k)
		if o.dead {
			o.tryClose(k) // the endpoint has been closed
			return
		}
		o.ep.Close(k, false, closed)
	}
	return o.sub.submit(k, r)
}

// tryClose ends the close when nothing else of the socket is left (wsk.md 3.3).
func (o *socket) tryClose(k *irql.K) {
	r := o.closeReq
	if r == nil || !o.epClosed || r.done || len(o.pending) > 1 || o.busy() {
		return
	}
	r.after = func(k *irql.K) { o.sub.mayLeave(k, o.cl) }
	r.fill = func(k *irql.K) {
		o.giveBack(k)
		ke.Adds(k, ke.Counts(o.cl.id))
		o.forget()
	}
	r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
}
