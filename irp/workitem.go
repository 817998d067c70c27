package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
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

// IO_WORKITEM is a work item of a device. It has no exported fields, as in Windows.
type IO_WORKITEM struct {
	id      trace.ID
	dev     *DEVICE_OBJECT
	queued  bool
	freed   bool
	running int
	seq     uint64
	freeSeq uint64
}

var siteAllocateWorkItem = ke.Site{Name: "fault/IoAllocateWorkItem",
	Alts: []string{"succeeds", "returns NULL"}, Spec: "irp.md 18, 19.2"}

// IoAllocateWorkItem makes a work item for a device. NULL when there is no memory.
//
// IRQL: <= DISPATCH_LEVEL. Ownership: the driver frees it with IoFreeWorkItem. Rules: IRQL-001, OBJ-009,
// UNLOAD-001.
// Reference: wdm/nf-wdm-ioallocateworkitem.
func IoAllocateWorkItem(k *irql.K, dev *DEVICE_OBJECT) *IO_WORKITEM {
	ke.Enter(k, ddi.IoAllocateWorkItem)
	if dev == nil {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_009, BugCheck: 0xE4, Obj: "work",
			Headline: "IoAllocateWorkItem with a NULL device object",
			Args:     [4]verify.Arg{{Value: "0x3", Meaning: "an I/O work item without a device object"}}})
		return nil
	}
	if ke.Fails(k, &siteAllocateWorkItem) {
		ke.Call(k, ddi.IoAllocateWorkItem, 0)
		return nil
	}
	io := state.Of(k)
	w := &IO_WORKITEM{id: io.m.NewID(trace.WorkItem), dev: dev}
	io.items = append(io.items, w)
	w.seq = ke.Call(k, ddi.IoAllocateWorkItem, w.id)
	return w
}

// IoQueueWorkItem has routine called in a system worker thread at PASSIVE_LEVEL. The item leaves the queue
// before the routine is called, which may therefore free it or queue it again; the device stays referenced
// until it has returned.
//
// IRQL: <= DISPATCH_LEVEL. Ownership: the item is the system's while it is queued. Rules: IRQL-001, OBJ-009.
// Reference: wdm/nf-wdm-ioqueueworkitem.
func IoQueueWorkItem(k *irql.K, w *IO_WORKITEM, routine IO_WORKITEM_ROUTINE, queueType WORK_QUEUE_TYPE,
	context any) {
	_ = queueType
	ke.Enter(k, ddi.IoQueueWorkItem)
	if w == nil || routine == nil {
		workItemMisused(k, w, routine == nil)
		return
	}
	ke.Point(k, ke.Use{Obj: w.id, How: ke.A})
	if w.freed || w.queued {
		workItemMisused(k, w, false)
		return
	}
	w.queued = true
	if p, ok := context.(*IRP); ok && isIRP(p) {
		p.uses(ke.W)
		p.inWork = p.serial
	}
	ke.Adds(k, ke.Use{Obj: w.dev.DriverObject.id, How: ke.Count})
	w.dev.hold(k)
	ke.Call(k, ddi.IoQueueWorkItem, w.id)
	io := state.Of(k)
	io.m.QueueWork("work item "+w.id.String(), func(k *ke.K) { io.runItem(k, w, routine, context) })
}

// runItem is the worker's side.
func (io *ioManager) runItem(k *irql.K, w *IO_WORKITEM, routine IO_WORKITEM_ROUTINE, context any) {
	dev := w.dev
	ke.Adds(k, ke.Use{Obj: w.id, How: ke.A})
	w.queued = false
	w.running++
	img := dev.DriverObject.image
	ke.Push(k, ke.Frame{Kind: ke.FrameWorkItem, Image: img, Device: dev, Object: w, Obj: w.id,
		Fn: codeOf(routine)})
	routine(k, dev, context)
	ke.Pop(k)
	w.running--
	io.letGo(k, dev)
	dev.DriverObject.left(k)
}

func workItemMisused(k *irql.K, w *IO_WORKITEM, noRoutine bool) {
	f := verify.Finding{Rule: verify.OBJ_009, BugCheck: 0xE4, Obj: "work"}
	sub := "0x0"
	switch {
	case w == nil:
		f.Headline = "IoQueueWorkItem with a NULL work item"
	case noRoutine:
		sub = "0x7"
		f.Headline = "IoQueueWorkItem with a NULL routine"
	case w.freed:
		f.Headline = fmt.Sprintf("%v is used after it was freed", w.id)
		f.Places = []verify.Place{{Label: "FREED", Seq: w.freeSeq}}
	default:
		sub = "0x1"
		f.Headline = fmt.Sprintf("%v is queued while it is queued already", w.id)
		f.Fix = "use one work item per request, or remember in the extension that the item is queued."
	}
	if w != nil {
		f.Obj = w.id.String()
	}
	f.Args = [4]verify.Arg{{Value: sub, Meaning: "kind of misuse"}, {Value: f.Obj, Meaning: "the work item"}}
	ke.Report(k, f)
}

// IoFreeWorkItem frees a work item that is not queued; its routine may do it.
//
// IRQL: <= DISPATCH_LEVEL. Rules: IRQL-001, OBJ-009. Reference: wdm/nf-wdm-iofreeworkitem.
func IoFreeWorkItem(k *irql.K, w *IO_WORKITEM) {
	ke.Enter(k, ddi.IoFreeWorkItem)
	if w == nil {
		workItemMisused(k, w, false)
		return
	}
	ke.Point(k, ke.Use{Obj: w.id, How: ke.Free})
	if w.freed {
		workItemMisused(k, w, false)
		return
	}
	if w.queued {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_009, BugCheck: 0xE4, Obj: w.id.String(),
			Headline: fmt.Sprintf("%v is freed while it is queued", w.id),
			Args: [4]verify.Arg{{Value: "0x2", Meaning: "memory with a queued work item is freed"},
				{Value: w.id.String(), Meaning: "the work item"}},
			Fix: "free it in its own routine, or wait until that has run."})
		return
	}
	w.freed = true
	w.freeSeq = ke.Call(k, ddi.IoFreeWorkItem, w.id)
	io := state.Of(k)
	for i, o := range io.items {
		if o == w {
			io.items = append(io.items[:i], io.items[i+1:]...)
			break
		}
	}
}
