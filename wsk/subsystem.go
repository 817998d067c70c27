package wsk

import (
	"cmp"
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// inlineBudget is how many completion routines may be nested by inline completions before it counts as
// unbounded.
const inlineBudget = 16

var siteIRQL = ke.Site{Name: "env/Wsk/completion/irql", Alts: []string{"dispatch", "passive"},
	Spec: "wsk.md 26"}

var state = ke.NewSlot(newSubsystem)

// subsystem is the WSK provider of one machine.
type subsystem struct {
	m        *ke.Machine
	dev      *irp.DEVICE_OBJECT // whose driver is the subsystem; made at the first registration
	clients  []*client          // in order of registration
	inline   []trace.ID         // what requests that ended inside their calls would have signalled
	ended    []endedMemory      // of indication lists, the last ones
	sockets  []*socket          // not yet closed, in order of creation
	used     []bool             // IRPs that were given to a WSK function before, by number
	lists    []addressList      // of addresses, that clients have not given back
	cache    []*descriptor      // security descriptors that clients have not released
	unfilled []unfilled
	given    [][]byte // redirect records that queries have returned
	tables   tables

	watching     bool         // the transport tells of changes of its addresses
	eventWaiters []*ke.Thread // were answered STATUS_EVENT_PENDING
}

func newSubsystem(m *ke.Machine) *subsystem {
	s := &subsystem{m: m}
	m.AtUnload(s.checkUnload)
	m.AtEnd(s.checkEnd)
	m.CouldAct(func(*ke.Machine) bool { return len(s.sockets) > 0 }) // the network could
	m.Refine = append(m.Refine, s.refine)
	m.Waits = s.waits
	return s
}

// device makes the subsystem's driver and device when they are needed first.
func (s *subsystem) device(k *irql.K) *irp.DEVICE_OBJECT {
	if s.dev == nil {
		s.dev = irp.Sim.SystemDriver(k, "afd.sys", s.dispatch, &irpRules)
		s.tables = filled
	}
	return s.dev
}

func (s *subsystem) image() *ke.Image { return s.dev.DriverObject.Image() }

// irpRules replaces the general rules about IRPs while WSK has one (rules.md 12).
var irpRules = irp.SubsystemRules{
	NoRoutine:      verify.WSK_061,
	MissingFlag:    verify.WSK_062,
	PastTop:        verify.WSK_063,
	NoLocation:     verify.WSK_064,
	Reinitialised:  verify.WSK_066,
	SentTwice:      verify.WSK_067,
	Completed:      verify.WSK_084,
	WrongReuse:     verify.WSK_070,
	WrongFree:      verify.WSK_065,
	NotPropagated:  verify.WSK_071,
	NeverResumed:   verify.WSK_072,
	Leaked:         verify.WSK_081,
	ReadPending:    verify.WSK_074,
	TouchedFreed:   verify.WSK_073,
	FreedCancelled: verify.WSK_246,
	CancelStranger: verify.WSK_247,
	CancelFreed:    verify.WSK_252,
}

// request is one call that has an IRP.
type request struct {
	sub  *subsystem
	op   *operation
	name string // the operation's, or the control code's
	row  row
	sock *socket // nil while a socket is being made
	cl   *client
	p    *irp.IRP
	sd   *descriptor
	bad  bool // an argument is wrong
	run  func(k *irql.K, r *request)

	cancel func(k *irql.K) bool // of the transport's operation; nil when it cannot be cancelled
	fill   func(k *irql.K)      // stores results in the client's memory, just before the IRP is completed
	after  func(k *irql.K)      // when the IRP has been completed

	context    any // of the completion routine
	status     ntstatus.NTSTATUS
	info       uint64
	pointer    any
	arrived    bool // at the subsystem's dispatch routine
	started    bool // the IRP is marked and visible to others
	done       bool // the result is there
	refused    bool // ... without the operation having begun: answered inline
	cancelable bool
	completed  bool
	loans      []*irp.Buffer // memory of the client that the request uses
	mdls       []*irp.MDL
}

// enter is the beginning of every function: context, level, and whether the caller is a completion routine.
// Rules: WSK-090, WSK-077, WSK-078, LOCK-013.
func enter(k *irql.K, d ddi.ID, name string, limit uint8, rule verify.RuleID) {
	ke.EnterAnyLevel(k, d)
	if ke.IRQL(k) > limit {
		f := verify.Finding{Rule: rule, Also: []verify.RuleID{verify.IRQL_001}, Obj: name, AllowedIRQL: limit,
			Headline: fmt.Sprintf("%s called at %s, allowed is at most %s", name, ke.LevelName(ke.IRQL(k)),
				ke.LevelName(limit))}
		if limit == ke.Passive {
			f.Fix = "move the call to a work item (IoQueueWorkItem): its routine runs at PASSIVE_LEVEL."
		}
		ke.Report(k, f)
	}
	ke.LeavesDriver(k, name)
	n := 0
	for _, f := range ke.Frames(k) {
		if f.Kind == ke.FrameCompletion {
			n++
		}
	}
	switch {
	case n >= inlineBudget:
		ke.Report(k, verify.Finding{Rule: verify.WSK_078, Obj: name,
			Headline: fmt.Sprintf("%s is called inside %d nested completion routines: the kernel stack ends",
				name, n),
			Fix: "continue in a work item or thread instead of the completion routine."})
	case n > 0:
		ke.Report(k, verify.Finding{Rule: verify.WSK_077, Obj: name,
			Headline: name + " is called inside a completion routine",
			Fix:      "let the routine queue the next step to a work item or thread."})
	}
}

// enter is enter for functions of a socket. false means that the call returns status at once. Rules:
// WSK-060 or the one given for a missing IRP, WSK-241, WSK-242.
func (op *operation) enter(k *irql.K, ws *WSK_SOCKET, p *irp.IRP, noIRP verify.RuleID) (*socket, bool) {
	enter(k, op.id, op.name, ke.Dispatch, verify.WSK_090)
	s := ws.s
	if !s.open(k, op.name, op == opClose) {
		return s, false
	}
	if p == nil && noIRP != verify.NoRule {
		nullIRP(k, op.name, noIRP)
		return s, false
	}
	return s, true
}

// open reports whether a function may be called on the socket at all. Rules: WSK-182, WSK-241, WSK-242.
func (s *socket) open(k *irql.K, name string, close bool) bool {
	ke.Point(k, ke.Writes(s.id))
	f := verify.Finding{Rule: verify.WSK_241, Obj: s.id.String(),
		Headline: name + " is called on " + s.id.String() + " after WskCloseSocket",
		Places:   []verify.Place{{Label: "CLOSED", Seq: s.closeSeq}}}
	switch {
	case s.notMine:
		f = verify.Finding{Rule: verify.WSK_182, Obj: s.id.String(), Headline: name + " is called on " +
			s.id.String() + ", which WskAcceptEvent has turned down"}
	case s.closing && close:
		f.Rule, f.Headline = verify.WSK_242, s.id.String()+" is closed a second time"
	case !s.closing:
		ke.Adds(k, ke.Writes(s.id))
		s.touched = true
		return true
	}
	ke.Report(k, f)
	return false
}

// nullIRP collects a missing IRP, which Windows answers with STATUS_INVALID_PARAMETER.
func nullIRP(k *irql.K, name string, rule verify.RuleID) {
	ke.Collect(k, verify.Finding{Rule: rule, Obj: name, Headline: name + " needs an IRP and was given NULL",
		Fix: "allocate one with IoAllocateIrp and set a completion routine."})
}

// argument reports an argument that the documentation forbids; when the run goes on, the request fails with
// STATUS_INVALID_PARAMETER.
func argument(k *irql.K, rule verify.RuleID, obj fmt.Stringer, format string, args ...any) {
	ke.Report(k, verify.Finding{Rule: rule, Obj: obj.String(), Headline: fmt.Sprintf(format, args...)})
}

// wrongState collects a call that the socket's state does not allow; it is answered with
// STATUS_INVALID_DEVICE_STATE.
func (r *request) wrongState(k *irql.K, rule verify.RuleID, why string) {
	ke.Collect(k, verify.Finding{Rule: rule, Obj: r.sock.id.String(),
		Headline: fmt.Sprintf("%s on %v, which %s", r.name, r.sock.id, why)})
	r.refuse(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
}

// submit gives the IRP to the subsystem as IoCallDriver does. Rules: WSK-064, WSK-067, WSK-068, WSK-069 and
// those in irpRules.
func (s *subsystem) submit(k *irql.K, r *request) ntstatus.NTSTATUS {
	r.sub = s
	if ev := eventOf(k); ev != nil {
		ev.asked = append(ev.asked, r)
	}
	dev := s.device(k)
	if irp.Sim.Holder(r.p) == ke.Acting(k) && s.prepare(k, r) {
		l := irp.IoGetNextIrpStackLocation(k, r.p)
		l.SetMajorFunction(irp.IRP_MJ_INTERNAL_DEVICE_CONTROL)
		l.Parameters().Others.Argument1 = r
		r.context = l.Context()
		s.noteIRP(r.p.ID())
	}
	if r.sock != nil {
		ke.Adds(k, ke.Writes(r.sock.id))
		r.sock.begin(k, r)
	}
	st := irp.IoCallDriver(k, dev, r.p)
	if r.sock != nil {
		ke.Adds(k, ke.Writes(r.sock.id))
		r.sock.returned(k)
		if !r.arrived {
			r.sock.over(r) // the IRP was not the client's to send (reported)
		}
	}
	ke.CallStatus(k, r.op.id, r.obj(), uint32(st))
	return st
}

// enters says that what k does now is about the request, and the socket it is made on.
func (r *request) enters(k *irql.K) (mark int) {
	mark = ke.Within(k, ke.Writes(r.p.ID()))
	if o := r.sock; o != nil {
		ke.Within(k, ke.Writes(o.id))
		if o.ep != nil {
			o.ep.Enters(k)
		}
	}
	return mark
}

// touch names the sockets that are being made for a client.
func (c *client) touch() trace.ID {
	if c == nil {
		return 0
	}
	return ke.Beside.Of(c.id)
}

func (r *request) obj() trace.ID {
	if r.sock != nil {
		return r.sock.id
	}
	return 0
}

// prepare judges the IRP. It returns false when IoCallDriver will find the fault itself.
func (s *subsystem) prepare(k *irql.K, r *request) bool {
	p := r.p
	if p.CurrentLocation() <= 1 {
		ke.Report(k, verify.Finding{Rule: verify.WSK_064, Also: []verify.RuleID{verify.IRP_004},
			BugCheck: 0x35,
			Obj:      p.ID().String(), Headline: fmt.Sprintf("%s: %v has no stack location "+
				"left", r.name, p.ID()),
			Fix: "allocate it with at least one location: IoAllocateIrp(k, 1, false)."})
		return false
	}
	if !irp.Sim.Own(p) {
		return true
	}
	before := s.hadIRP(p.ID())
	if !irp.Sim.Fresh(p) {
		ke.Report(k, verify.Finding{Rule: verify.WSK_068, Obj: p.ID().String(),
			Headline: fmt.Sprintf("%s: %v has been completed and was not made new with IoReuseIrp", r.name,
				p.ID()),
			Fix: "call IoReuseIrp and IoSetCompletionRoutine before every further use."})
	}
	if before && irp.IoGetNextIrpStackLocation(k, p).Control()&0xE0 == 0 {
		ke.Report(k, verify.Finding{Rule: verify.WSK_069, Also: []verify.RuleID{verify.WSK_061},
			Obj: p.ID().String(),
			Headline: fmt.Sprintf("%s: the completion routine of %v was not set again after IoReuseIrp",
				r.name, p.ID()),
			Fix: "call IoSetCompletionRoutine after IoReuseIrp, which clears it."})
	}
	return true
}

// dispatch is the subsystem's dispatch routine: it starts the operation and answers STATUS_PENDING, unless
// the request was refused or the site says that an operation which is over already is answered inline.
func (s *subsystem) dispatch(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	r, ok := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().Others.Argument1.(*request)
	if !ok || r.p != p || r.arrived {
		// Sent by other means than a function of the subsystem: as every request that a driver does not know.
		p.IoStatus().Status = ntstatus.STATUS_INVALID_DEVICE_REQUEST
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		return ntstatus.STATUS_INVALID_DEVICE_REQUEST
	}
	r.arrived = true
	defer ke.Leave(k, r.enters(k))
	r.forced(k)
	if r.op.fault.Name != "" && ke.Fails(k, &r.op.fault) {
		r.refuse(k, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	} else {
		r.begin(k)
	}
	if r.done && (r.refused || ke.Choose(k, &r.op.answer, len(r.op.answer.Alts)) == 1) {
		st := r.status
		s.wasInline(r)
		r.complete(k)
		return st
	}
	irp.IoMarkIrpPending(k, p)
	if r.cancel != nil && !r.done {
		r.cancelable = true
		irp.IoSetCancelRoutine(k, p, s.cancelRoutine)
		if p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil {
			r.cancelable = false
			r.cancel(k)
		}
	}
	r.started = true
	if r.done {
		r.post()
	}
	return ntstatus.STATUS_PENDING
}

// refuse answers a request without starting anything.
func (r *request) refuse(k *irql.K, st ntstatus.NTSTATUS) {
	r.refused = true
	r.finish(k, st, 0, nil)
}

// finish keeps the result of a request. The IRP is completed at once when the transport delivers the
// result, else from a delivery of the socket: never inside a call of the client.
func (r *request) finish(k *irql.K, st ntstatus.NTSTATUS, info uint64, pointer any) {
	if r.done {
		return
	}
	if o := r.sock; o != nil && o.dead && !o.closing && st == ntstatus.STATUS_CANCELLED {
		st, o.told = ntstatus.STATUS_FILE_FORCED_CLOSED, true
	}
	r.done, r.status, r.info, r.pointer = true, st, info, pointer
	switch {
	case !r.started:
	case ke.Top(k) == nil:
		r.deliver(k)
	default:
		r.post()
	}
}

// post lets the completion come later.
func (r *request) post() {
	r.sub.m.Post(r.channel(), ke.Delivery{Text: "WSK completes a request", Obj: r.obj(),
		Touches: cmp.Or(r.obj(), r.cl.touch()), IRQL: &siteIRQL, Run: r.deliver})
}

func (r *request) channel() *ke.Channel {
	if r.sock != nil {
		return r.sock.ch
	}
	return r.cl.ch
}

// deliver completes the IRP from the subsystem's own context.
func (r *request) deliver(k *irql.K) {
	s := r.sub
	defer ke.Leave(k, r.enters(k))
	ke.Push(k, ke.Frame{Kind: ke.FrameSystem, Image: s.image(), Obj: r.obj()})
	if r.cancelable && irp.IoSetCancelRoutine(k, r.p, nil) == nil {
		r.cancelable = false // IoCancelIrp has taken the routine, which will complete the request
		ke.Pop(k)
		return
	}
	r.cancelable = false
	r.complete(k)
	ke.Pop(k)
}

// complete gives the result to the IRP and the memory back to the client.
func (r *request) complete(k *irql.K) {
	if r.fill != nil {
		r.fill(k)
	}
	for _, v := range r.loans {
		pool.Return(k, v, r.p.ID())
	}
	for _, m := range r.mdls {
		irp.Sim.ReturnMdl(k, m, r.p.ID())
	}
	r.returnSD(k)
	*r.p.IoStatus() = irp.IO_STATUS_BLOCK{Status: r.status, Information: r.info, Pointer: r.pointer}
	r.completed = true
	if r.sock != nil {
		r.sock.over(r)
	} else {
		ke.Adds(k, ke.Counts(r.cl.id))
		r.cl.making--
	}
	irp.IoCompleteRequest(k, r.p, irp.IO_NETWORK_INCREMENT)
	if r.after != nil {
		r.after(k)
	}
	switch {
	case r.op == opReceive && !r.refused:
		r.sock.received(k)
	case r.op == opSend && r.status == ntstatus.STATUS_SUCCESS:
		r.sock.sent(k)
	}
	if r.sock != nil {
		r.sock.tryClose(k)
	}
}

// cancelRoutine is the subsystem's cancel routine for requests that wait for the network.
func (s *subsystem) cancelRoutine(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	r := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().Others.Argument1.(*request)
	defer ke.Leave(k, r.enters(k))
	if r.done {
		r.cancelable = false
		r.post() // the result was there first
		return
	}
	r.cancelable = false
	r.cancel(k)
}

// lend marks memory of the client as in use until the IRP is completed.
func (r *request) lend(k *irql.K, v *irp.Buffer, rule verify.RuleID, what string, writable bool) {
	pool.LendAs(k, v, pool.Loan{Owner: r.p.ID(), Rule: rule, What: what + " of " + r.name, Writable: writable,
		Fix: "release it in the completion routine, not before."})
	r.loans = append(r.loans, v)
}
