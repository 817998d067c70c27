package irp

import (
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// This file holds the work items of ExInitializeWorkItem, which lie in memory of the driver's own and do not
// hold the driver.

// WORKER_THREAD_ROUTINE is the routine of an ExQueueWorkItem item. It may free the item or queue it again.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-007, UNLOAD-012.
// Reference: wdm/nc-wdm-worker_thread_routine.
type WORKER_THREAD_ROUTINE func(k *irql.K, parameter any)

// WORK_QUEUE_ITEM is a work item that holds nothing: its driver must see to it that the routine has run
// before the driver goes. WorkerRoutine and Parameter are set by ExInitializeWorkItem.
type WORK_QUEUE_ITEM struct {
	WorkerRoutine WORKER_THREAD_ROUTINE
	Parameter     any

	id     trace.ID
	run    ke.Stamp
	image  *ke.Image
	queued bool

	mortal
}

// ID returns the id reports use for the item.
func (w *WORK_QUEUE_ITEM) ID() trace.ID { return w.id }

// Busy says why the memory of the item must not go, "" when it may.
func (w *WORK_QUEUE_ITEM) Busy() string {
	if w.run.Live() && w.queued {
		return "is a queued work item"
	}
	return ""
}

// Gone tells the item that its memory is no more: it has to be initialised again.
func (w *WORK_QUEUE_ITEM) Gone(rule verify.RuleID, seq uint64) {
	*w = WORK_QUEUE_ITEM{id: w.id, run: w.run}
	w.dies(rule, seq)
}

// name is how reports call the item.
func (w *WORK_QUEUE_ITEM) name() string {
	if w.id == 0 {
		return "a work item"
	}
	return w.id.String()
}

// ExInitializeWorkItem prepares a work item that no device or driver object goes with.
//
// IRQL: any.
// Ownership: nonpaged memory of the caller, which stays until the routine is called.
// Rules: IRQL-018, OBJ-009.
// Reference: wdm/nf-wdm-exinitializeworkitem.
func ExInitializeWorkItem(k *irql.K, item *WORK_QUEUE_ITEM, routine WORKER_THREAD_ROUTINE, context any) {
	const d = ddi.ExInitializeWorkItem
	ke.Enter(k, d)
	item.there(k, item.name())
	if item.run.Of(k) {
		ke.Adds(k, ke.Writes(item.id))
	}
	if item.run.Of(k) && item.queued {
		item.misused(k, "0x1", "is initialised again while it is queued")
	}
	*item = WORK_QUEUE_ITEM{WorkerRoutine: routine, Parameter: context, id: ke.Of(k).NewID(trace.WorkItem),
		run: ke.StampOf(k), image: ke.Acting(k)}
	itemPageable(k, d, unsafe.Pointer(item), item.id)
	ke.Gives(k, "WORKER_THREAD_ROUTINE", ke.CodeOf(routine))
	ke.Call(k, d, item.id)
}

func (w *WORK_QUEUE_ITEM) misused(k *irql.K, sub, what string) {
	obj := "work"
	if w.id != 0 {
		obj = w.id.String()
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_009, Case: "WORK_QUEUE_ITEM", Obj: obj,
		Headline: obj + " " + what, Args: verify.Params(sub, obj)})
}

// ExQueueWorkItem has the routine of the item called in a system worker thread at PASSIVE_LEVEL. Neither a
// device nor the driver is held until then: what IoQueueWorkItem does in addition.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the item is the system's until its routine is called.
// Rules: IRQL-001, OBJ-009, UNLOAD-012.
// Reference: wdm/nf-wdm-exqueueworkitem.
func ExQueueWorkItem(k *irql.K, item *WORK_QUEUE_ITEM, queueType WORK_QUEUE_TYPE) {
	_ = queueType
	const d = ddi.ExQueueWorkItem
	ke.Enter(k, d)
	item.there(k, item.name())
	if item.run.Of(k) {
		ke.Point(k, ke.Swaps(item.id))
	}
	switch {
	case !item.run.Of(k):
		item.misused(k, "0x0", "is queued and was never initialised")
		return
	case item.queued:
		item.misused(k, "0x1", "is queued while it is queued already")
		return
	case item.WorkerRoutine == nil:
		item.misused(k, "0x7", "has no routine")
		return
	}
	item.queued = true
	ke.Call(k, d, item.id)
	ke.Of(k).QueueWork("work item "+item.id.String(), func(k *ke.K) {
		routine, parameter := item.WorkerRoutine, item.Parameter
		ke.Adds(k, ke.Writes(item.id))
		item.queued = false
		ke.Push(k, ke.Frame{Kind: ke.FrameWorkItem, Image: item.image, Object: item, Obj: item.id,
			Fn: ke.CodeOf(routine)})
		routine(k, parameter)
		ke.Pop(k)
	})
}
