// Package irql is where a driver is in the kernel: the IRQL and what depends on it. It holds K and the
// routines of Ke, Ps and Ex that raise and lower, lock, wait, signal, queue DPCs, set timers, start threads
// and tell the time.
//
// Modelled: IRQLs with DPCs and kernel APCs let in when the level drops; spin locks, plain, queued and for
// readers and writers, that keep a processor busy; events, mutexes, semaphores, timers, threads and processes
// as dispatcher objects; waits in both modes, alertable or not; fast and guarded mutexes, resources, push
// locks, critical and guarded regions, rundown protection; system-allocated timers; virtual time. Not
// modelled: priorities and boosts, interrupts, processor groups.
//
// Objects lie in driver memory as plain values and are initialised by their routine, as in C. One that was
// never initialised in this run, or whose memory is gone, is reported at its first use.
package irql

import (
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// K is where the caller is in the kernel: which thread or DPC, on which processor, at which IRQL. Windows
// finds it through the gs register; here every callback receives its own and hands it on. A K is valid only
// inside its callback.
type K = ke.K

// KPROCESSOR_MODE says for whom something is done.
type KPROCESSOR_MODE int8

// The processor modes.
const (
	KernelMode KPROCESSOR_MODE = 0
	UserMode   KPROCESSOR_MODE = 1
)

// KPRIORITY is a priority or an increment of one. Priorities are not modelled, so increments have no
// effect.
type KPRIORITY int32

// machine is what this package keeps per machine.
type machine struct {
	handles   HandleTable
	timers    []*KTIMER
	dpcs      []*KDPC
	threads   []*KTHREAD
	resources []*ERESOURCE
	exTimers  []*EX_TIMER
	order     []nesting
	gates     []trace.ID // scratch of noteOrder
	watch     watchers
	system    *KPROCESS
	deferred  deferred

	check func(m *ke.Machine, img *ke.Image)
}

var state = ke.NewReusedSlot(newMachine, renewMachine)

// resident is what every object in driver memory has: which run it was initialised in, and what became of
// its memory. Invariant: an object whose run is not the current one counts as never initialised.
type resident struct {
	id       trace.ID
	run      ke.Stamp
	initSeq  uint64
	goneSeq  uint64
	goneRule verify.RuleID
	onStack  bool
}

// ID returns the object's id; the zero ID when it was never initialised.
func (r *resident) ID() trace.ID { return r.id }

// fresh reports whether the object can be used: initialised in this run, memory there.
func (r *resident) fresh(k *K) bool {
	if !r.run.Of(k) {
		return false
	}
	ke.Alive(k, r.id)
	ke.CheckFunctions(k)
	return r.goneRule == verify.NoRule
}

// born makes r an object of this run.
func (r *resident) born(k *K, d ddi.ID, kind trace.Kind) {
	if r.goneRule != verify.NoRule && r.run.Of(k) {
		r.reportGone(k, d)
	}
	r.adopt(k, kind)
	ke.Of(k).Ends(r.id)
	r.initSeq = ke.Call(k, d, r.id)
	r.checkPageable(k, d, kind)
}

// adopt gives r an id of this run.
func (r *resident) adopt(k *K, kind trace.Kind) {
	m := ke.Of(k)
	if r.run.Of(k) { // what it was before
		ke.Adds(k, ke.Frees(r.id))
		m.Ends(r.id)
	}
	r.id = m.NewID(kind)
	r.run, r.goneRule = ke.StampOf(k), verify.NoRule
}

func (r *resident) checkPageable(k *K, d ddi.ID, kind trace.Kind) {
	if pageable := ke.Of(k).Pageable; pageable != nil && pageable(unsafe.Pointer(r)) {
		r.reportPageable(k, d, kind)
	}
}

// reportPageable is IRQL-018, for a resource LOCK-018. Push locks and rundown protection may be paged out.
func (r *resident) reportPageable(k *K, d ddi.ID, kind trace.Kind) {
	f := verify.Finding{Rule: verify.IRQL_018, Obj: r.id.String(), AllowedIRQL: verify.AnyIRQL,
		Headline: d.String() + " on " + r.id.String() + ", which lies in pageable memory",
		Args:     verify.Params(nil, r.id)}
	switch kind {
	case trace.PushLock, trace.Rundown:
		return
	case trace.Resource:
		f.Rule, f.Case, f.Also = verify.LOCK_018, "in pageable memory", []verify.RuleID{verify.IRQL_018}
	}
	ke.Report(k, f)
}

// usable checks r at the entry of a routine; unborn is the rule for an object that was never initialised.
func (r *resident) usable(k *K, d ddi.ID, unborn verify.RuleID) {
	if !r.fresh(k) {
		r.reportUnusable(k, d, unborn)
	}
}

// point is the scheduling point of a routine that has looked at r: the memory can be gone when the routine
// goes on.
func (r *resident) point(k *K, d ddi.ID, u ke.Use) {
	ke.Point(k, u)
	r.still(k, d)
}

// still looks once more whether r is there.
func (r *resident) still(k *K, d ddi.ID) {
	ke.Alive(k, r.id)
	if r.goneRule != verify.NoRule {
		r.reportGone(k, d)
	}
}

func (r *resident) reportUnusable(k *K, d ddi.ID, unborn verify.RuleID) {
	if r.run.Of(k) {
		r.reportGone(k, d)
		return
	}
	ke.Report(k, verify.Finding{Rule: unborn, Case: "never initialised", Obj: d.String(),
		Headline: d.String() + " on an object that was never initialised"})
}

func (r *resident) reportGone(k *K, d ddi.ID) {
	f := verify.Finding{Rule: r.goneRule, Obj: r.id.String(),
		Headline: d.String() + " on " + r.id.String() + ", whose memory is gone",
		Places: []verify.Place{{Label: "INITIALISED", Seq: r.initSeq},
			{Label: "MEMORY_GONE", Seq: r.goneSeq}}}
	switch r.goneRule {
	case verify.OBJ_002:
		f.Headline = d.String() + " on " + r.id.String() +
			", a local variable of a function that has returned"
		f.Also, f.Case = []verify.RuleID{verify.POOL_026}, "used after the function has returned"
	case verify.OBJ_003:
		f.Case = "memory gone"
	case verify.POOL_013:
		f.Case, f.Args = "an object of the kernel", verify.Params(r.id)
	case verify.POOL_026:
		f.Case = "an object of the kernel"
	}
	ke.Report(k, f)
}

// Gone tells the object that its memory is no more; later uses are findings of rule. Pool and stack call
// it.
func (r *resident) Gone(rule verify.RuleID, seq uint64) {
	if rule == verify.POOL_026 && r.dispatcher() && r.run.FunctionEnds() {
		// The routine goes on, and its next functions have their variables where the list of waiters was:
		// 0x139 rather than 0xDC.
		rule = verify.OBJ_002
	}
	r.goneRule, r.goneSeq = rule, seq
}

// dispatcher reports whether the object has a list of waiters.
func (r *resident) dispatcher() bool {
	switch r.id.Kind() {
	case trace.KEvent, trace.Mutex, trace.Semaphore, trace.Timer:
		return true
	}
	return false
}

// stackGone is Gone for an object in the frame of a routine that returns.
func (r *resident) stackGone(k *K) {
	if r.run.Of(k) {
		ke.Adds(k, ke.Frees(r.id))
		ke.Of(k).Ends(r.id)
		r.Gone(verify.POOL_026, ke.FrameEnds(k, "stack frame ends", r.id))
	}
}

// OnStack makes an object that lies, as far as the simulator is concerned, on the kernel stack of the
// function that calls OnStack: it dies when that returns, be it a callback or a helper. In C it is a local
// variable, and a helper that initialises one for its caller is given its address. Drivers have one way to
// make such a variable, irp.StackVar.
//
//go:norace
//go:noinline
func OnStack[T any, P interface {
	*T
	ke.Dier
	setOnStack()
}](k *K) *T {
	p := new(T)
	P(p).setOnStack()
	ke.OnFunction(k, P(p), 0)
	return p
}

func (r *resident) setOnStack() { r.onStack = true }
