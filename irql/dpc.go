package irql

import (
	"fmt"
	"reflect"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// KDEFERRED_ROUTINE is the routine of a DPC. It runs on whatever thread was interrupted.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: the DPC is out of its queue and may be queued again.
// Rules: IRQL-006, IRQL-007, IRQL-011, LOCK-008.
// Not modelled: the watchdog.
// Reference: wdm/nc-wdm-kdeferred_routine.
type KDEFERRED_ROUTINE func(k *K, dpc *KDPC, deferredContext, systemArgument1, systemArgument2 any)

// KDPC_IMPORTANCE says where in its queue a DPC is put, and whether queueing starts the queue.
type KDPC_IMPORTANCE int32

// The importances.
const (
	LowImportance KDPC_IMPORTANCE = iota
	MediumImportance
	HighImportance
	MediumHighImportance
)

// KDPC is a deferred procedure call. It lies in driver memory and is initialised once.
//
// Invariant: it is out of its queue before its routine runs, so that the routine may queue it again.
type KDPC struct {
	resident
	d          ke.DPC
	routine    KDEFERRED_ROUTINE
	fn         uintptr
	context    any
	arg1, arg2 any
	image      *ke.Image
	timer      *KTIMER // set with it last
	queuedSeq  uint64
	threaded   bool // its routine runs in a thread, where threaded DPCs are enabled
	waiting    *threadedRun
	inThreads  int // runs in progress
}

// Busy says what keeps the DPC's memory in use, "" when nothing does.
func (p *KDPC) Busy() string {
	switch {
	case p.queued():
		return "is queued"
	case p.d.Active > 0 || p.inThreads > 0:
		return "is running"
	}
	return ""
}

// StackGone is called when the routine whose local variable the DPC is returns.
func (p *KDPC) StackGone(k *K) {
	ke.Adds(k, ke.Writes(ke.RunsOf(p.id)))
	if busy := p.Busy(); busy != "" && p.fresh(k) {
		p.misuse(k, fmt.Sprintf("%v %s when the routine it is a local variable of returns", p.id, busy),
			"memory goes")
	}
	p.stackGone(k)
}

func (p *KDPC) misuse(k *K, headline, cause string) {
	id := p.id.String()
	if p.id == 0 {
		id = "KDPC"
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_008, Case: cause, Obj: id, Headline: headline,
		Args: verify.Params(nil, id), Places: []verify.Place{{Label: "INITIALISED", Seq: p.initSeq}}})
}

// KeInitializeDpc sets the routine of a DPC and the context handed to it. A nil routine is accepted here
// and fatal when the DPC is queued.
//
// IRQL: any.
// Ownership: the DPC is the driver's; its memory must be nonpaged and outlive every run of the routine.
// Rules: OBJ-008, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keinitializedpc.
func KeInitializeDpc(k *K, dpc *KDPC, deferredRoutine KDEFERRED_ROUTINE, deferredContext any) {
	dpc.initialise(k, ddi.KeInitializeDpc, deferredRoutine, deferredContext)
}

func (p *KDPC) initialise(k *K, d ddi.ID, deferredRoutine KDEFERRED_ROUTINE, deferredContext any) {
	ke.Enter(k, d)
	dpc := p
	if dpc.fresh(k) && dpc.queued() {
		dpc.misuse(k, fmt.Sprintf("%v on %v, which is queued", d, dpc.id), "initialised while queued")
		ke.RemoveDPC(k, &dpc.d)
	}
	first := !dpc.run.Of(k)
	on := dpc.onStack
	*dpc = KDPC{resident: dpc.resident, routine: deferredRoutine, context: deferredContext,
		image: ke.Acting(k)}
	dpc.onStack = on
	dpc.born(k, d, trace.DPC)
	if deferredRoutine != nil {
		dpc.fn = ke.CodeOf(deferredRoutine)
		ke.Gives(k, "KDEFERRED_ROUTINE", dpc.fn)
	}
	dpc.d = ke.DPC{ID: dpc.id, Run: dpc.start, Importance: ke.MediumImportance, Target: -1}
	if first {
		s := state.Of(k)
		s.dpcs = append(s.dpcs, dpc)
	}
}

// start runs the routine in a frame of the driver that initialised the DPC.
func (p *KDPC) start(k *K) {
	kind := ke.FrameDPC
	if p.timer != nil {
		kind = ke.FrameTimer
	}
	routine, context, arg1, arg2 := p.routine, p.context, p.arg1, p.arg2
	if p.goneRule != verify.NoRule {
		p.reportGone(k, ddi.KDEFERRED_ROUTINE)
		return
	}
	if p.threaded && threadedEnabled(k) {
		p.toThread(k)
		return
	}
	ke.MarkHigh(k)
	ke.Push(k, ke.Frame{Kind: kind, Image: p.image, Object: p, Obj: p.id, Fn: p.fn})
	ke.Point(k, ke.Here(k))
	routine(k, p, context, arg1, arg2)
	checkHighTime(k, "the DPC routine")
	ke.Pop(k)
}

// KeInsertQueueDpc queues a DPC with two arguments for its routine. FALSE means that it was queued already,
// and that the arguments are lost.
//
// IRQL: any.
// Ownership: the DPC must stay until the routine has run.
// Rules: OBJ-007, OBJ-008, POOL-026.
// Not modelled: interrupt requests to other processors; when they drain their queue is a choice.
// Reference: wdm/nf-wdm-keinsertqueuedpc.
func KeInsertQueueDpc(k *K, dpc *KDPC, systemArgument1, systemArgument2 any) bool {
	ke.Enter(k, ddi.KeInsertQueueDpc)
	dpc.usable(k, ddi.KeInsertQueueDpc, verify.OBJ_008)
	dpc.checkQueue(k, ddi.KeInsertQueueDpc)
	if !dpc.runs() {
		return false
	}
	ke.Adds(k, ke.Reads(dpc.id))
	if dpc.timer != nil {
		ke.Adds(k, ke.Reads(dpc.timer.id))
	}
	if dpc.timer != nil && dpc.timer.t.Armed() {
		dpc.timer.misuse(k, fmt.Sprintf("KeInsertQueueDpc on %v, the DPC of %v, which is set", dpc.id,
			dpc.timer.id), "its DPC is queued")
	}
	dpc.point(k, ddi.KeInsertQueueDpc, ke.Enqueues(dpc.id))
	if dpc.queued() {
		ke.Released(k, &dpc.d) // the run to come sees what the caller did
		ke.CallBool(k, ddi.KeInsertQueueDpc, dpc.id, false)
		dpc.checkLost(k, systemArgument1, systemArgument2)
		return false
	}
	dpc.timer = nil
	dpc.arg1, dpc.arg2 = systemArgument1, systemArgument2
	dpc.queuedSeq = ke.CallBool(k, ddi.KeInsertQueueDpc, dpc.id, true)
	return ke.QueueDPC(k, &dpc.d)
}

// checkLost is OBJ-008 for arguments that nobody will see: the DPC is queued already, with others. A driver
// that looks at FALSE and keeps the arguments elsewhere, or frees them, does right, and that cannot be seen;
// so it is advice (rules.md 1: a note), once for a place.
func (p *KDPC) checkLost(k *K, arg1, arg2 any) {
	if same(p.arg1, arg1) && same(p.arg2, arg2) {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_008, Case: "arguments lost", Obj: p.id.String(),
		Note: true, PerPlace: true,
		Headline: fmt.Sprintf("KeInsertQueueDpc can return FALSE here: %v may be queued already, and its "+
			"routine then never sees these arguments", p.id),
		Places: []verify.Place{{Label: "QUEUED", Seq: p.queuedSeq}}})
}

// same compares arguments of a DPC; what Go cannot compare is not the same.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

// checkQueue reports DPCs that Windows 8 and later refuse with bug check 0xC7: without routine, or on a
// kernel stack.
func (p *KDPC) checkQueue(k *K, d ddi.ID) {
	switch {
	case p.routine == nil:
		p.misuse(k, fmt.Sprintf("%v with %v, which has no routine", d, p.id), "")
	case p.onStack:
		p.misuse(k, fmt.Sprintf("%v with %v, which is a local variable", d, p.id), "local variable")
	}
}

// runs reports whether there is anything to run: a run that continues after checkQueue has complained queues
// nothing else.
func (p *KDPC) runs() bool { return p.d.Run != nil && p.routine != nil }

// KeRemoveQueueDpc takes a DPC out of its queue. FALSE means that it was in none: it may be running.
//
// IRQL: any.
// Ownership: none.
// Rules: OBJ-008, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keremovequeuedpc.
func KeRemoveQueueDpc(k *K, dpc *KDPC) bool {
	ke.Enter(k, ddi.KeRemoveQueueDpc)
	dpc.usable(k, ddi.KeRemoveQueueDpc, verify.OBJ_008)
	dpc.point(k, ddi.KeRemoveQueueDpc, ke.Dequeues(dpc.id))
	ke.Call(k, ddi.KeRemoveQueueDpc, dpc.id)
	return ke.RemoveDPC(k, &dpc.d) || dpc.outOfThread()
}

// KeSetImportanceDpc sets how eagerly a DPC is run when it is queued next.
//
// IRQL: any.
// Ownership: none.
// Rules: OBJ-008, POOL-026.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-kesetimportancedpc.
func KeSetImportanceDpc(k *K, dpc *KDPC, importance KDPC_IMPORTANCE) {
	ke.Enter(k, ddi.KeSetImportanceDpc)
	dpc.usable(k, ddi.KeSetImportanceDpc, verify.OBJ_008)
	ke.Adds(k, ke.Writes(dpc.id))
	dpc.d.Importance = uint8(importance)
}

// KeSetTargetProcessorDpc says in whose queue a DPC is put when it is queued next.
//
// IRQL: any.
// Ownership: none.
// Rules: OBJ-008, POOL-026.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-kesettargetprocessordpc.
func KeSetTargetProcessorDpc(k *K, dpc *KDPC, number int8) {
	ke.Enter(k, ddi.KeSetTargetProcessorDpc)
	dpc.usable(k, ddi.KeSetTargetProcessorDpc, verify.OBJ_008)
	ke.Adds(k, ke.Writes(dpc.id))
	dpc.d.Target = number
}

// KeFlushQueuedDpcs returns after every DPC that is queued on any processor has run.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: wdm/nf-wdm-keflushqueueddpcs.
func KeFlushQueuedDpcs(k *K) {
	ke.Enter(k, ddi.KeFlushQueuedDpcs)
	if ke.IRQL(k) >= ke.Dispatch || ke.IsDPC(k) {
		return // a run that goes on: a DPC would wait for itself
	}
	ke.Point(k, ke.Writes(ke.AllDPCs))
	ke.FlushDPCs(k)
	flushThreads(k)
	ke.Call(k, ddi.KeFlushQueuedDpcs, 0)
}
