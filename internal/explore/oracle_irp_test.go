package explore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// lower is a driver at the bottom of a stack. How it answers is different for each major function.
type lower struct {
	image *ke.Image
	dev   *irp.DEVICE_OBJECT
	lock  irql.KSPIN_LOCK
	queue irp.LIST_ENTRY
	csq   irp.IO_CSQ
	safe  irp.LIST_ENTRY
	rem   irp.IO_REMOVE_LOCK
}

const (
	answersNow    = irp.IRP_MJ_DEVICE_CONTROL
	answersWork   = irp.IRP_MJ_READ
	answersQueue  = irp.IRP_MJ_WRITE
	answersSafely = irp.IRP_MJ_INTERNAL_DEVICE_CONTROL
	answersDPC    = irp.IRP_MJ_FLUSH_BUFFERS
)

func (l *lower) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	l.image = drv.Image()
	drv.MajorFunction[answersNow] = l.now
	drv.MajorFunction[answersWork] = l.work
	drv.MajorFunction[answersQueue] = l.enqueue
	drv.MajorFunction[answersSafely] = l.keep
	drv.MajorFunction[answersDPC] = l.defers
	drv.MajorFunction[irp.IRP_MJ_CREATE] = l.now
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = l.now
	drv.MajorFunction[irp.IRP_MJ_CLOSE] = l.now
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, l.dev) }
	irql.KeInitializeSpinLock(k, &l.lock)
	irp.InitializeListHead(k, &l.queue)
	irp.InitializeListHead(k, &l.safe)
	irp.IoInitializeRemoveLock(k, &l.rem, 1, 0, 0)
	irp.IoCsqInitialize(k, &l.csq,
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { irp.InsertTailList(k, &l.safe, p.ListEntry()) },
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { irp.RemoveEntryList(k, p.ListEntry()) },
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP, _ any) *irp.IRP {
			e := l.safe.Flink
			if p != nil {
				e = p.ListEntry().Flink
			}
			if e == &l.safe {
				return nil
			}
			return irp.CONTAINING_RECORD[irp.IRP](e)
		},
		func(k *irql.K, _ *irp.IO_CSQ, old *irql.KIRQL) { irql.KeAcquireSpinLock(k, &l.lock, old) },
		func(k *irql.K, _ *irp.IO_CSQ, old irql.KIRQL) { irql.KeReleaseSpinLock(k, &l.lock, old) },
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { finish(k, p, ntstatus.STATUS_CANCELLED) })
	return irp.IoCreateDevice(k, drv, 0, `\Device\Lower`, irp.FILE_DEVICE_UNKNOWN, 0, false, &l.dev)
}

func finish(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS) {
	p.IoStatus().Status, p.IoStatus().Information = s, 0
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
}

func (l *lower) now(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	finish(k, p, ntstatus.STATUS_SUCCESS)
	return ntstatus.STATUS_SUCCESS
}

func (l *lower) work(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	w := irp.IoAllocateWorkItem(k, dev)
	irp.IoMarkIrpPending(k, p)
	irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		irp.IoFreeWorkItem(k, w)
		finish(k, p, ntstatus.STATUS_SUCCESS)
	}, irp.DelayedWorkQueue, nil)
	return ntstatus.STATUS_PENDING
}

func (l *lower) defers(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	d := new(irql.KDPC)
	irql.KeInitializeDpc(k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
		finish(k, p, ntstatus.STATUS_SUCCESS)
	}, nil)
	irql.KeSetImportanceDpc(k, d, irql.LowImportance)
	irp.IoMarkIrpPending(k, p)
	irql.KeInsertQueueDpc(k, d, nil, nil)
	return ntstatus.STATUS_PENDING
}

func (l *lower) enqueue(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &l.lock, &old)
	irp.IoMarkIrpPending(k, p)
	irp.IoSetCancelRoutine(k, p, l.cancelled)
	if p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil {
		irql.KeReleaseSpinLock(k, &l.lock, old)
		finish(k, p, ntstatus.STATUS_CANCELLED)
		return ntstatus.STATUS_PENDING
	}
	irp.InsertTailList(k, &l.queue, p.ListEntry())
	irql.KeReleaseSpinLock(k, &l.lock, old)
	return ntstatus.STATUS_PENDING
}

func (l *lower) cancelled(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &l.lock, &old)
	irp.RemoveEntryList(k, p.ListEntry())
	irql.KeReleaseSpinLock(k, &l.lock, old)
	finish(k, p, ntstatus.STATUS_CANCELLED)
}

// serve completes the first request of the queue, if there is one.
func (l *lower) serve(k *irql.K) {
	var old irql.KIRQL
	var p *irp.IRP
	irql.KeAcquireSpinLock(k, &l.lock, &old)
	if !irp.IsListEmpty(k, &l.queue) {
		p = irp.CONTAINING_RECORD[irp.IRP](irp.RemoveHeadList(k, &l.queue))
		if irp.IoSetCancelRoutine(k, p, nil) == nil {
			irp.InitializeListHead(k, p.ListEntry()) // the cancel routine has it
			p = nil
		}
	}
	irql.KeReleaseSpinLock(k, &l.lock, old)
	if p != nil {
		finish(k, p, ntstatus.STATUS_SUCCESS)
	}
}

func (l *lower) keep(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoCsqInsertIrp(k, &l.csq, p, nil)
	return ntstatus.STATUS_PENDING
}

// upper is a driver above it. It passes requests on in one of three ways.
type upper struct {
	l    *lower
	dev  *irp.DEVICE_OBJECT
	next *irp.DEVICE_OBJECT
	way  int
}

func (u *upper) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = u.pass
	}
	drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
	s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &u.dev)
	u.next = irp.IoAttachDeviceToDeviceStack(k, u.dev, u.l.dev)
	return s
}

func (u *upper) pass(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	switch u.way {
	case 0:
		irp.IoSkipCurrentIrpStackLocation(k, p)
		return irp.IoCallDriver(k, u.next, p)
	case 1:
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any,
		) ntstatus.NTSTATUS {
			if p.PendingReturned() {
				irp.IoMarkIrpPending(k, p)
			}
			return irp.STATUS_CONTINUE_COMPLETION
		}, nil, true, true, true)
		return irp.IoCallDriver(k, u.next, p)
	}
	var event irql.KEVENT
	irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
	irp.IoCopyCurrentIrpStackLocationToNext(k, p)
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, ctx any,
	) ntstatus.NTSTATUS {
		if p.PendingReturned() {
			irql.KeSetEvent(k, ctx.(*irql.KEVENT), 0, false)
		}
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, &event, true, true, true)
	if irp.IoCallDriver(k, u.next, p) == ntstatus.STATUS_PENDING {
		irql.KeWaitForSingleObject(k, &event, irql.Executive, irql.KernelMode, false, nil)
	}
	s := p.IoStatus().Status
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

// world is what the threads of a random program over IRPs share.
type world struct {
	m    *ke.Machine
	l    lower
	top  *irp.DEVICE_OBJECT
	buf  *irp.Buffer
	ext  *irp.Typed[struct{ n int }]
	look irp.LOOKASIDE_LIST_EX
	mdl  *irp.MDL
	spun irql.KSPIN_LOCK
	list irp.LIST_ENTRY
	slot irql.Var[int32]
	done irql.KEVENT
}

// send makes a request, cancels it if it is asked to, and waits for its end.
func (w *world) send(k *irql.K, major uint8, cancel bool) {
	var event irql.KEVENT
	irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
	p := irp.IoAllocateIrp(k, w.top.StackSize, false)
	irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(major)
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, ctx any,
	) ntstatus.NTSTATUS {
		irql.KeSetEvent(k, ctx.(*irql.KEVENT), 0, false)
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, &event, true, true, true)
	irp.IoCallDriver(k, w.top, p)
	if cancel {
		irp.IoCancelIrp(k, p)
	}
	due := int64(-10)
	if irql.KeWaitForSingleObject(k, &event, irql.Executive, irql.KernelMode, false, &due) != 0 {
		irp.IoCancelIrp(k, p)
		irql.KeWaitForSingleObject(k, &event, irql.Executive, irql.KernelMode, false, nil)
	}
	ke.Sees(k, uint64(p.IoStatus().Status))
	irp.IoFreeIrp(k, p)
}

// asked builds a request that is bound to the thread.
func (w *world) asked(k *irql.K, major uint32) {
	var event irql.KEVENT
	var iosb irp.IO_STATUS_BLOCK
	irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
	p := irp.IoBuildSynchronousFsdRequest(k, major, w.top, nil, 0, nil, &event, &iosb)
	if irp.IoCallDriver(k, w.top, p) == ntstatus.STATUS_PENDING {
		irql.KeWaitForSingleObject(k, &event, irql.Executive, irql.KernelMode, false, nil)
	}
	ke.Sees(k, uint64(iosb.Status))
}

func (w *world) open(k *irql.K) {
	var f *irp.FILE_OBJECT
	var dev *irp.DEVICE_OBJECT
	s := irp.IoGetDeviceObjectPointer(k, `\Device\Link`, 0, &f, &dev)
	ke.Sees(k, uint64(s))
	if ntstatus.NT_SUCCESS(s) {
		irp.ObDereferenceObject(k, f)
	}
}

func (w *world) user(k *irql.K, major uint8) {
	h, s := irp.Sim.OpenUser(k, nil, `\Device\Lower`, 3, false)
	ke.Sees(k, uint64(s))
	if h == nil {
		return
	}
	op := h.Begin(k, &irp.DeviceRequest{Major: major})
	due := int64(-10)
	if !op.Wait(k, &due) {
		op.Cancel(k)
		op.Wait(k, nil)
	}
	s, _ = op.Result()
	ke.Sees(k, uint64(s))
	h.Close(k)
}

// requests are what a thread of such a program can do.
var requests = []act[world]{
	{"send", func(k *irql.K, w *world) { w.send(k, answersNow, false) }},
	{"sendwork", func(k *irql.K, w *world) { w.send(k, answersWork, false) }},
	{"senddpc", func(k *irql.K, w *world) { w.send(k, answersDPC, false) }},
	{"builddpc", func(k *irql.K, w *world) { w.asked(k, uint32(answersDPC)) }},
	{"sendqueue", func(k *irql.K, w *world) { w.send(k, answersQueue, false) }},
	{"cancelqueue", func(k *irql.K, w *world) { w.send(k, answersQueue, true) }},
	{"cancelwork", func(k *irql.K, w *world) { w.send(k, answersWork, true) }},
	{"sendcsq", func(k *irql.K, w *world) { w.send(k, answersSafely, false) }},
	{"cancelcsq", func(k *irql.K, w *world) { w.send(k, answersSafely, true) }},
	{"serve", func(k *irql.K, w *world) { as(k, w.l.image, w.l.serve) }},
	{"servecsq", func(k *irql.K, w *world) {
		as(k, w.l.image, func(k *irql.K) {
			if p := irp.IoCsqRemoveNextIrp(k, &w.l.csq, nil); p != nil {
				finish(k, p, ntstatus.STATUS_SUCCESS)
			}
		})
	}},
	{"build", func(k *irql.K, w *world) { w.asked(k, uint32(answersNow)) }},
	{"buildwork", func(k *irql.K, w *world) { w.asked(k, uint32(answersWork)) }},
	{"load", func(k *irql.K, w *world) { ke.Sees(k, uint64(w.buf.Load8(0))) }},
	{"store", func(k *irql.K, w *world) { w.buf.Store8(0, 1) }},
	{"bump", func(k *irql.K, w *world) {
		w.ext.Get().n++
		ke.Sees(k, uint64(w.ext.Get().n))
	}},
	{"pool", func(k *irql.K, w *world) {
		irp.ExFreePoolWithTag(k, irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, irp.Tag("Test")),
			irp.Tag("Test"))
	}},
	{"look", func(k *irql.K, w *world) {
		irp.ExFreeToLookasideListEx(k, &w.look, irp.ExAllocateFromLookasideListEx(k, &w.look))
	}},
	{"mdl", func(k *irql.K, w *world) {
		mdl := irp.IoAllocateMdl(k, w.buf, 8, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, mdl)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, irp.NormalPagePriority|irp.MdlMappingNoExecute).Store8(0, 2)
		irp.IoFreeMdl(k, mdl)
	}},
	{"map", func(k *irql.K, w *world) {
		ke.Sees(k, uint64(irp.MmGetSystemAddressForMdlSafe(k, w.mdl,
			irp.NormalPagePriority|irp.MdlMappingNoExecute).Load8(0)))
	}},
	{"remove", func(k *irql.K, w *world) {
		if irp.IoAcquireRemoveLock(k, &w.l.rem, w) == 0 {
			ke.Sees(k, 1)
			irp.IoReleaseRemoveLock(k, &w.l.rem, w)
		}
	}},
	{"gone", func(k *irql.K, w *world) {
		if irp.IoAcquireRemoveLock(k, &w.l.rem, k) == 0 && irql.InterlockedIncrement(k, &w.slot) == 1 {
			irp.IoReleaseRemoveLockAndWait(k, &w.l.rem, k)
		}
	}},
	{"insert", func(k *irql.K, w *world) {
		irp.ExInterlockedInsertTailList(k, &w.list, &irp.LIST_ENTRY{Record: w}, &w.spun)
	}},
	{"take", func(k *irql.K, w *world) {
		ke.Sees(k, bit(irp.ExInterlockedRemoveHeadList(k, &w.list, &w.spun) != nil))
	}},
	{"link", func(k *irql.K, w *world) { irp.IoCreateSymbolicLink(k, `\Device\Link`, `\Device\Lower`) }},
	{"unlink", func(k *irql.K, w *world) { irp.IoDeleteSymbolicLink(k, `\Device\Link`) }},
	{"open", func(k *irql.K, w *world) { w.open(k) }},
	{"usernow", func(k *irql.K, w *world) { w.user(k, answersNow) }},
	{"userqueue", func(k *irql.K, w *world) { w.user(k, answersQueue) }},
	{"item", func(k *irql.K, w *world) {
		i := irp.IoAllocateWorkItem(k, w.l.dev)
		irp.IoQueueWorkItem(k, i, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
			w.ext.Get().n++
			irp.IoFreeWorkItem(k, i)
		}, irp.DelayedWorkQueue, nil)
	}},
	{"reference", func(k *irql.K, w *world) {
		irp.ObDereferenceObject(k, irp.IoGetAttachedDeviceReference(k, w.l.dev))
	}},
	{"event", func(k *irql.K, w *world) { irql.KeSetEvent(k, &w.done, 0, false) }},
}

// scenario makes two drivers, of which the upper one is left out when way is negative, and threads.
func scenario(p program, way int) scene {
	return func(m *ke.Machine) {
		w := &world{m: m}
		irp.Sim.LoadDriver(m, "lower.sys", w.l.entry)
		m.Run(nil)
		w.top = w.l.dev
		if way >= 0 {
			u := &upper{l: &w.l, way: way}
			irp.Sim.LoadDriver(m, "upper.sys", u.entry)
			m.Run(nil)
			w.top = u.dev
		}
		img := m.NewImage("tester.sys")
		m.NewThread("main", nil, func(k *irql.K) { as(k, img, w.init) })
		m.Run(nil)
		for _, list := range p {
			m.NewThread("t", nil, func(k *irql.K) {
				as(k, img, func(k *irql.K) {
					for _, a := range list {
						requests[a].do(k, w)
					}
				})
			})
		}
	}
}

// as runs code of a driver in a thread.
func as(k *irql.K, img *ke.Image, fn func(k *irql.K)) {
	ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img})
	fn(k)
	ke.Pop(k)
}

func (w *world) init(k *irql.K) {
	w.buf = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, irp.Tag("Test"))
	w.ext = irp.New[struct{ n int }](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("Test"))
	irp.ExInitializeLookasideListEx(k, &w.look, nil, nil, irp.NonPagedPoolNx, 0, 16, irp.Tag("Test"), 0)
	w.mdl = irp.IoAllocateMdl(k, w.buf, 8, false, false, nil)
	irp.MmProbeAndLockPages(k, w.mdl, irql.KernelMode, irp.IoModifyAccess)
	irql.KeInitializeSpinLock(k, &w.spun)
	irp.InitializeListHead(k, &w.list)
	irql.KeInitializeEvent(k, &w.done, irql.NotificationEvent, false)
}

// TestSearch_RandomRequestsLoseNoOutcome is TestSearch_RandomProgramsLoseNoOutcome for the routines of the
// I/O manager.
//
// Reference: scheduling.md 17 (reduction oracle).
func TestSearch_RandomRequestsLoseNoOutcome(t *testing.T) {
	o := oracle{names: names(requests), limit: 1000, samples: 200, size: 4}
	o.run(t, 11, 40, func(p program, r *ke.Random) scene { return scenario(p, int(r.Next()%4)-1) })
	require.Greater(t, o.compared+o.sampled, 20)
}
