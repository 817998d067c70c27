package irp

import (
	"fmt"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// This file holds work items in memory of the driver's own: those of IoInitializeWorkItem, which hold the
// driver as those of IoAllocateWorkItem do, and those of ExInitializeWorkItem, which do not.

// IO_WORKITEM_ROUTINE_EX is the routine of IoQueueWorkItemEx; ioObject is the device or driver object the
// item was made for. It may free the item or queue it again.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-007.
// Reference: wdm/nc-wdm-io_workitem_routine_ex.
type IO_WORKITEM_ROUTINE_EX func(k *irql.K, ioObject, context any, w *IO_WORKITEM)

// WORKER_THREAD_ROUTINE is the routine of an ExQueueWorkItem item. It may free the item or queue it again.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-007, UNLOAD-012.
// Reference: wdm/nc-wdm-worker_thread_routine.
type WORKER_THREAD_ROUTINE func(k *irql.K, parameter any)

// IoInitializeWorkItem makes a work item of memory of the driver's own, for a device or driver object.
//
// IRQL: any.
// Ownership: IoUninitializeWorkItem before the memory goes.
// Rules: IRQL-018, OBJ-009.
// Reference: wdm/nf-wdm-ioinitializeworkitem.
func IoInitializeWorkItem(k *irql.K, ioObject any, w *IO_WORKITEM) {
	const d = ddi.IoInitializeWorkItem
	ke.Enter(k, d)
	w.there(k, w.name())
	io := state.Of(k)
	if w.run.Of(k) {
		ke.Adds(k, ke.Use{Obj: w.id, How: ke.W})
	}
	if w.run.Of(k) && !w.freed {
		w.wrong(k, "is initialised again while it is in use", "IoUninitializeWorkItem first.")
	}
	*w = IO_WORKITEM{id: io.m.NewID(trace.WorkItem), run: ke.StampOf(k)}
	switch o := ioObject.(type) {
	case *DEVICE_OBJECT:
		if o != nil {
			o.exists(k, d)
			w.dev, w.drv = o, o.DriverObject
		}
	case *DRIVER_OBJECT:
		o.exists(k, d)
		w.drv = o
	case nil: // found below
	default:
		panic(ke.Misuse(fmt.Sprintf("%v: a %T is neither *DEVICE_OBJECT nor *DRIVER_OBJECT", d, ioObject)))
	}
	if w.drv == nil {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_009, BugCheck: 0xE4, Obj: w.id.String(),
			Headline: "IoInitializeWorkItem with a NULL device object",
			Args:     [4]verify.Arg{{Value: "0x3", Meaning: "an I/O work item without a device object"}}})
		return
	}
	itemPageable(k, d, unsafe.Pointer(w), w.id)
	w.seq = ke.Call(k, d, w.id)
	io.items = append(io.items, w)
}

// itemPageable reports IRQL-018 for a work item in memory that may be paged out.
func itemPageable(k *irql.K, d ddi.ID, at unsafe.Pointer, id trace.ID) {
	if pageable := ke.Of(k).Pageable; pageable == nil || !pageable(at) {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.IRQL_018, Obj: id.String(), BugCheck: 0xC4,
		AllowedIRQL: verify.AnyIRQL,
		Headline:    fmt.Sprintf("%v on %v, which lies in pageable memory", d, id),
		Args:        [4]verify.Arg{arg("0x131", "work item in pageable memory"), arg(id, "the work item")},
		Fix:         "allocate its memory with POOL_FLAG_NON_PAGED, or put it into the device extension."})
}

// IoUninitializeWorkItem ends the life of an item of IoInitializeWorkItem that is not queued.
//
// IRQL: any.
// Ownership: the memory may go.
// Rules: OBJ-009.
// Reference: wdm/nf-wdm-iouninitializeworkitem.
func IoUninitializeWorkItem(k *irql.K, w *IO_WORKITEM) {
	ke.Enter(k, ddi.IoUninitializeWorkItem)
	if w == nil || !w.made() || w.freed {
		workItemMisused(k, ddi.IoUninitializeWorkItem, w, false)
		return
	}
	ke.Point(k, ke.Use{Obj: w.id, How: ke.Free})
	if w.freed { // meanwhile
		workItemMisused(k, ddi.IoUninitializeWorkItem, w, false)
		return
	}
	if !w.own() {
		w.wrong(k, "was made by IoAllocateWorkItem and is not to be uninitialised", "call IoFreeWorkItem.")
		return
	}
	w.end(k, ddi.IoUninitializeWorkItem)
}

// name is how reports call the item.
func (w *IO_WORKITEM) name() string {
	if w.id == 0 {
		return "a work item"
	}
	return w.id.String()
}

// Busy says why the memory of a work item must not go, "" when it may.
func (w *IO_WORKITEM) Busy() string {
	if w.own() && w.made() && !w.freed && w.queued {
		return "is a queued work item"
	}
	return ""
}

// Gone tells the item that its memory is no more.
func (w *IO_WORKITEM) Gone(rule verify.RuleID, seq uint64) {
	w.dies(rule, seq)
	if w.own() && w.made() && !w.freed {
		w.freed, w.freeSeq = true, seq
		w.drv.io.dropItem(w)
	}
}

// ID returns the id reports use for the item.
func (w *IO_WORKITEM) ID() trace.ID { return w.id }

// IoQueueWorkItemEx is IoQueueWorkItem for a routine that is given the item, and for items of driver objects.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the item is the system's while it is queued.
// Rules: IRQL-001, OBJ-009.
// Reference: wdm/nf-wdm-ioqueueworkitemex.
func IoQueueWorkItemEx(k *irql.K, w *IO_WORKITEM, routine IO_WORKITEM_ROUTINE_EX, queueType WORK_QUEUE_TYPE,
	context any) {
	_ = queueType
	ke.Enter(k, ddi.IoQueueWorkItemEx)
	var object any
	if w != nil && w.dev != nil {
		object = w.dev
	} else if w != nil {
		object = w.drv
	}
	queueItem(k, ddi.IoQueueWorkItemEx, w, context, codeOf(routine),
		func(k *irql.K) { routine(k, object, context, w) })
}

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
		ke.Adds(k, ke.Use{Obj: item.id, How: ke.W})
	}
	if item.run.Of(k) && item.queued {
		item.misused(k, "0x1", "is initialised again while it is queued")
	}
	*item = WORK_QUEUE_ITEM{WorkerRoutine: routine, Parameter: context, id: ke.Of(k).NewID(trace.WorkItem),
		run: ke.StampOf(k), image: ke.Acting(k)}
	itemPageable(k, d, unsafe.Pointer(item), item.id)
	ke.Call(k, d, item.id)
}

func (w *WORK_QUEUE_ITEM) misused(k *irql.K, sub, what string) {
	obj := "work"
	if w.id != 0 {
		obj = w.id.String()
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_009, BugCheck: 0xE4, Obj: obj, Headline: obj + " " + what,
		Args: [4]verify.Arg{arg(sub, "kind of misuse"), arg(obj, "the work item")},
		Fix:  "ExInitializeWorkItem once, and queue it again only after its routine was called."})
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
		ke.Point(k, ke.Use{Obj: item.id, How: ke.A})
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
		ke.Adds(k, ke.Use{Obj: item.id, How: ke.W})
		item.queued = false
		ke.Push(k, ke.Frame{Kind: ke.FrameWorkItem, Image: item.image, Object: item, Obj: item.id,
			Fn: codeOf(routine)})
		routine(k, parameter)
		ke.Pop(k)
	})
}
