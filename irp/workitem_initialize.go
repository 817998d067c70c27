package irp

import (
	"fmt"
	"slices"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// This file holds the work items of IoInitializeWorkItem, which lie in memory of the driver's own and hold
// the driver as those of IoAllocateWorkItem do.

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
		ke.Adds(k, ke.Writes(w.id))
	}
	if slices.Contains(io.items, w) && !w.own() {
		w.wrong(k, "was made by IoAllocateWorkItem and is not to be initialised",
			"made by IoAllocateWorkItem")
		return
	}
	if w.run.Of(k) && !w.freed {
		w.wrong(k, "is initialised again while it is in use", "initialised again")
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
		ke.Report(k, verify.Finding{Rule: verify.OBJ_009, Case: "no device object", Obj: w.id.String(),
			Headline: "IoInitializeWorkItem with a NULL device object"})
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
	ke.Report(k, verify.Finding{Rule: verify.IRQL_018, Case: "work item", Obj: id.String(),
		AllowedIRQL: verify.AnyIRQL,
		Headline:    fmt.Sprintf("%v on %v, which lies in pageable memory", d, id),
		Args:        verify.Params(nil, id)})
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
	ke.Point(k, ke.Frees(w.id))
	if w.freed { // meanwhile
		workItemMisused(k, ddi.IoUninitializeWorkItem, w, false)
		return
	}
	if !w.own() {
		w.wrong(k, "was made by IoAllocateWorkItem and is not to be uninitialised",
			"made by IoAllocateWorkItem")
		return
	}
	w.end(k, ddi.IoUninitializeWorkItem)
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
