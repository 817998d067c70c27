package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// WORK_QUEUE_TYPE is the queue a work item goes to.
type WORK_QUEUE_TYPE uint32

// The queues. They differ in priority, which is not modelled.
const (
	CriticalWorkQueue WORK_QUEUE_TYPE = iota
	DelayedWorkQueue
	HyperCriticalWorkQueue
	NormalWorkQueue
)

// IO_WORKITEM is a work item of a device or driver. It has no exported fields, as in Windows.
type IO_WORKITEM struct {
	id      trace.ID
	run     ke.Stamp       // of an item in memory of the driver's own
	dev     *DEVICE_OBJECT // nil for one of a driver object
	drv     *DRIVER_OBJECT
	queued  bool
	freed   bool
	seq     uint64
	freeSeq uint64

	mortal
}

var siteAllocateWorkItem = ke.Site{Name: "fault/IoAllocateWorkItem",
	Alts: []string{"succeeds", "returns NULL"}, Spec: "irp.md 18, 19.2"}

// IoAllocateWorkItem makes a work item for a device. NULL when there is no memory.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver frees it with IoFreeWorkItem.
// Rules: IRQL-001, OBJ-009, UNLOAD-001.
// Reference: wdm/nf-wdm-ioallocateworkitem.
func IoAllocateWorkItem(k *irql.K, dev *DEVICE_OBJECT) *IO_WORKITEM {
	ke.Enter(k, ddi.IoAllocateWorkItem)
	if dev == nil {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_009, Case: "no device object", Obj: "work",
			Headline: "IoAllocateWorkItem with a NULL device object"})
		return nil
	}
	dev.exists(k, ddi.IoAllocateWorkItem)
	if ke.Fails(k, &siteAllocateWorkItem) {
		ke.Call(k, ddi.IoAllocateWorkItem, 0)
		return nil
	}
	io := state.Of(k)
	w := &IO_WORKITEM{id: io.m.NewID(trace.WorkItem), dev: dev, drv: dev.DriverObject}
	io.items = append(io.items, w)
	w.seq = ke.Call(k, ddi.IoAllocateWorkItem, w.id)
	return w
}

// IoQueueWorkItem has routine called in a system worker thread at PASSIVE_LEVEL. The item leaves the queue
// before the routine is called, which may therefore free it or queue it again; the device stays referenced
// until it has returned.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the item is the system's while it is queued.
// Rules: IRQL-001, OBJ-009.
// Reference: wdm/nf-wdm-ioqueueworkitem.
func IoQueueWorkItem(k *irql.K, w *IO_WORKITEM, routine IO_WORKITEM_ROUTINE, queueType WORK_QUEUE_TYPE,
	context any) {
	_ = queueType
	ke.Enter(k, ddi.IoQueueWorkItem)
	if w != nil && w.dev == nil && w.drv != nil {
		w.wrong(k, "is one of a driver object and queued with IoQueueWorkItem", "of a driver object")
		return
	}
	queueItem(k, ddi.IoQueueWorkItem, w, context, ke.CodeOf(routine),
		func(k *irql.K) { routine(k, w.dev, context) })
}

// queueItem hands an item to a worker thread, which calls fn for the routine at code.
func queueItem(k *irql.K, d ddi.ID, w *IO_WORKITEM, context any, code uintptr, fn func(k *irql.K)) {
	if w == nil || !w.made() || code == 0 {
		workItemMisused(k, d, w, code == 0)
		return
	}
	ke.Point(k, ke.Swaps(w.id))
	if !w.made() || w.freed || w.queued {
		workItemMisused(k, d, w, false)
		return
	}
	w.queued = true
	ke.Gives(k, "IO_WORKITEM_ROUTINE", code)
	if p, ok := context.(*IRP); ok && isIRP(p) {
		p.uses(ke.W)
		p.inWork = p.serial
	}
	ke.Adds(k, ke.Counts(w.drv.id))
	if w.dev != nil {
		w.dev.hold(k)
	}
	ke.Call(k, d, w.id)
	io := state.Of(k)
	io.m.QueueWork("work item "+w.id.String(), func(k *ke.K) { io.runItem(k, w, code, fn) })
}

// runItem is the worker's side. What the item is about is kept: the routine may free it.
func (io *ioManager) runItem(k *irql.K, w *IO_WORKITEM, code uintptr, fn func(k *irql.K)) {
	dev, drv := w.dev, w.drv
	ke.Adds(k, ke.Swaps(w.id))
	w.queued = false
	ke.Adds(k, ke.Counts(drv.id))
	drv.working++
	f := ke.Frame{Kind: ke.FrameWorkItem, Image: drv.image, Object: w, Obj: w.id, Fn: code}
	if dev != nil {
		f.Device = dev
	}
	ke.Push(k, f)
	fn(k)
	ke.Pop(k)
	drv.working--
	if dev != nil {
		io.letGo(k, dev)
	}
	drv.left(k)
}

// wrong reports OBJ-009 for an item that is used as what it is not.
func (w *IO_WORKITEM) wrong(k *irql.K, what, cause string) {
	ke.Report(k, verify.Finding{Rule: verify.OBJ_009, Case: cause, Obj: w.id.String(),
		Headline: fmt.Sprintf("%v %s", w.id, what)})
}

func workItemMisused(k *irql.K, d ddi.ID, w *IO_WORKITEM, noRoutine bool) {
	if w != nil && !w.there(k, w.name()) {
		return
	}
	f := verify.Finding{Rule: verify.OBJ_009, Obj: "work"}
	sub := "0x0"
	switch {
	case w == nil:
		f.Headline = fmt.Sprintf("%v with a NULL work item", d)
	case !w.made():
		f.Headline = "a work item is used that was never initialised"
		f.Case = "never initialised"
	case noRoutine:
		sub = "0x7"
		f.Headline = fmt.Sprintf("%v with a NULL routine", d)
	case w.freed:
		f.Headline = fmt.Sprintf("%v is used after it was freed", w.id)
		f.Places = []verify.Place{{Label: "FREED", Seq: w.freeSeq}}
	default:
		sub = "0x1"
		f.Headline = fmt.Sprintf("%v is queued while it is queued already", w.id)
		f.Case = "queued already"
	}
	if w != nil && w.made() {
		f.Obj = w.id.String()
	}
	f.Args = verify.Params(sub, f.Obj)
	ke.Report(k, f)
}

// IoFreeWorkItem frees a work item that is not queued; its routine may do it.
//
// IRQL: <= DISPATCH_LEVEL.
// Rules: IRQL-001, OBJ-009.
// Reference: wdm/nf-wdm-iofreeworkitem.
func IoFreeWorkItem(k *irql.K, w *IO_WORKITEM) {
	ke.Enter(k, ddi.IoFreeWorkItem)
	if w == nil {
		workItemMisused(k, ddi.IoFreeWorkItem, w, false)
		return
	}
	ke.Point(k, ke.Frees(w.id))
	if w.own() {
		w.wrong(k, "lies in memory of the driver's own and is freed with IoFreeWorkItem",
			"in memory of the driver")
		return
	}
	if w.freed {
		workItemMisused(k, ddi.IoFreeWorkItem, w, false)
		return
	}
	w.end(k, ddi.IoFreeWorkItem)
}

// made reports whether the item was made in this run.
func (w *IO_WORKITEM) made() bool { return w.drv != nil && (!w.own() || w.run.Live()) }

// own reports whether IoInitializeWorkItem made the item.
func (w *IO_WORKITEM) own() bool { return w.run != ke.Stamp{} }

// end takes an item that is not queued from the books.
func (w *IO_WORKITEM) end(k *irql.K, d ddi.ID) {
	if w.queued {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_009, Case: "freed while queued", Obj: w.id.String(),
			Headline: fmt.Sprintf("%v is freed while it is queued", w.id), Args: verify.Params(nil, w.id)})
		return
	}
	w.freed = true
	w.freeSeq = ke.Call(k, d, w.id)
	state.Of(k).dropItem(w)
}

func (io *ioManager) dropItem(w *IO_WORKITEM) {
	for i, o := range io.items {
		if o == w {
			io.items = list.Cut(io.items, i)
			break
		}
	}
}

// IO_WORKITEM_ROUTINE is the routine of a work item. It may free the item or queue it again.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-007.
// Reference: wdm/nc-wdm-io_workitem_routine.
type IO_WORKITEM_ROUTINE func(k *irql.K, dev *DEVICE_OBJECT, context any)

// name is how reports call the item.
func (w *IO_WORKITEM) name() string {
	if w.id == 0 {
		return "a work item"
	}
	return w.id.String()
}

// IO_WORKITEM_ROUTINE_EX is the routine of IoQueueWorkItemEx; ioObject is the device or driver object the
// item was made for. It may free the item or queue it again.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-007.
// Reference: wdm/nc-wdm-io_workitem_routine_ex.
type IO_WORKITEM_ROUTINE_EX func(k *irql.K, ioObject, context any, w *IO_WORKITEM)

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
	queueItem(k, ddi.IoQueueWorkItemEx, w, context, ke.CodeOf(routine),
		func(k *irql.K) { routine(k, object, context, w) })
}
