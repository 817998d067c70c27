package irp_test

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The drivers of the model test over package irp.

// realStack is a machine with the drivers of a plan.
type realStack struct {
	m       *ke.Machine
	drivers []*irp.DRIVER_OBJECT
	devices []*irp.DEVICE_OBJECT // by level, 0 is the top
	client  *irp.DRIVER_OBJECT
	own     *irp.DEVICE_OBJECT // of the client
	runs    []*realRun
}

// realRun is one request and, for a driver that holds it, the slot of its queue.
type realRun struct {
	*run
	p      *irp.IRP
	id     trace.ID
	word   int32 // of irp.md 10.4
	lock   irql.KSPIN_LOCK
	queued bool
	ended  bool // the creator's thread came to its end
}

// realPacket is an IRP in a routine that runs in k, as code of the driver of a level or of the client.
type realPacket struct {
	s     *realStack
	r     *realRun
	k     *irql.K
	p     *irp.IRP
	level int
}

// realWorld is the creator's thread.
type realWorld struct {
	s    *realStack
	r    *realRun
	k    *irql.K
	iosb *irp.Typed[irp.IO_STATUS_BLOCK]
}

// build loads the drivers into a machine that is as new.
func (s *realStack) build(n int) {
	s.devices = make([]*irp.DEVICE_OBJECT, n)
	s.drivers = make([]*irp.DRIVER_OBJECT, n)
	for lv := n - 1; lv >= 0; lv-- {
		s.drivers[lv] = irp.Sim.LoadDriver(s.m, "level"+string(rune('0'+lv))+".sys", s.entry(lv))
		s.m.Run(nil)
	}
	s.client = irp.Sim.LoadDriver(s.m, "client.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT,
		_ string) ntstatus.NTSTATUS {
		return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &s.own)
	})
	s.m.Run(nil)
}

func (s *realStack) entry(lv int) irp.DRIVER_INITIALIZE {
	return func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = func(k *irql.K, _ *irp.DEVICE_OBJECT,
			p *irp.IRP) ntstatus.NTSTATUS {
			r := s.find(p)
			return r.dispatch(lv, &realPacket{s, r, k, p, lv})
		}
		status := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &s.devices[lv])
		if lv+1 < len(s.devices) {
			irp.IoAttachDeviceToDeviceStack(k, s.devices[lv], s.devices[lv+1])
		}
		return status
	}
}

func (s *realStack) find(p *irp.IRP) *realRun {
	for _, r := range s.runs {
		if r.id == p.ID() {
			return r
		}
	}
	panic("an IRP of nobody")
}

// start lets the client make a request.
func (s *realStack) start(r *realRun) {
	s.runs = append(s.runs, r)
	s.as(creatorDevice, func(k *irql.K) {
		irql.KeInitializeSpinLock(k, &r.lock)
		r.create(&realWorld{s: s, r: r, k: k, iosb: irp.StackVar[irp.IO_STATUS_BLOCK](k)})
		r.ended = true
	})
}

// image is whose code runs at a level.
func (s *realStack) image(lv int) *ke.Image {
	if lv < 0 {
		return s.client.Image()
	}
	return s.drivers[lv].Image()
}

func (s *realStack) as(lv int, fn func(k *irql.K)) {
	s.m.NewThread("thread", nil, func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: s.image(lv)})
		fn(k)
		ke.Pop(k)
	})
}

func (s *realStack) level(dev *irp.DEVICE_OBJECT) int {
	for lv, d := range s.devices {
		if d == dev {
			return lv
		}
	}
	if dev == s.own {
		return creatorDevice
	}
	return noDevice
}

// cancelledAfter counts the moments at which the climb of an IRP was begun or continued before it was
// cancelled.
func (s *realStack) cancelledAfter(id trace.ID) int {
	log, n := s.m.Log(), 0
	for seq := log.First(); seq <= log.Len(); seq++ {
		e := log.At(seq)
		switch {
		case e.Obj != id:
		case e.What == trace.Call && e.Code == ddi.IoCancelIrp:
			return n
		case e.What == trace.Call && e.Code == ddi.IoCompleteRequest,
			e.What == trace.Leave && e.Text == ke.FrameCompletion.String() && e.Status != uint32(stop):
			n++
		}
	}
	return neverCancelled
}

// --- packet ---

func (p *realPacket) location() int8                { return p.p.CurrentLocation() }
func (p *realPacket) locations() int8               { return p.p.StackCount() }
func (p *realPacket) pendingReturned() bool         { return p.p.PendingReturned() }
func (p *realPacket) status() ntstatus.NTSTATUS     { return p.p.IoStatus().Status }
func (p *realPacket) setStatus(s ntstatus.NTSTATUS) { p.p.IoStatus().Status = s }

func (p *realPacket) here() (control uint8, code uint32) {
	l := irp.IoGetCurrentIrpStackLocation(p.k, p.p)
	return l.Control(), l.Parameters().DeviceIoControl.IoControlCode
}

func (p *realPacket) nextCode() uint32 {
	return irp.IoGetNextIrpStackLocation(p.k, p.p).Parameters().DeviceIoControl.IoControlCode
}

func (p *realPacket) setNextCode(code uint32) {
	l := irp.IoGetNextIrpStackLocation(p.k, p.p)
	l.SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
	l.Parameters().DeviceIoControl.IoControlCode = code
}

func (p *realPacket) own() {
	irp.IoSetNextIrpStackLocation(p.k, p.p)
	irp.IoGetCurrentIrpStackLocation(p.k, p.p).SetDeviceObject(p.s.own)
}

func (p *realPacket) skip()     { irp.IoSkipCurrentIrpStackLocation(p.k, p.p) }
func (p *realPacket) copyDown() { irp.IoCopyCurrentIrpStackLocationToNext(p.k, p.p) }
func (p *realPacket) mark()     { irp.IoMarkIrpPending(p.k, p.p) }

func (p *realPacket) set(c routine, on invoke) {
	s, r, lv := p.s, p.r, p.level
	irp.IoSetCompletionRoutine(p.k, p.p, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		return r.completed(c, &realPacket{s, r, k, p, lv}, s.level(dev))
	}, nil, on.success, on.failure, on.cancel)
}

func (p *realPacket) call(lv int) ntstatus.NTSTATUS {
	return irp.IoCallDriver(p.k, p.s.devices[lv], p.p)
}

func (p *realPacket) complete()                 { irp.IoCompleteRequest(p.k, p.p, irp.IO_NO_INCREMENT) }
func (p *realPacket) reuse(s ntstatus.NTSTATUS) { irp.IoReuseIrp(p.k, p.p, s) }
func (p *realPacket) free()                     { irp.IoFreeIrp(p.k, p.p) }
func (p *realPacket) newEvent() event           { return newEvent(p.k) }
func (p *realPacket) signal(e event)            { irql.KeSetEvent(p.k, e.(*irql.KEVENT), 0, false) }
func (p *realPacket) await(e event)             { waitFor(p.k, e.(*irql.KEVENT)) }
func (p *realPacket) in(k *irql.K) *realPacket  { return &realPacket{p.s, p.r, k, p.p, p.level} }

// newEvent makes an event for its caller, so it cannot be a local variable of its own.
func newEvent(k *irql.K) *irql.KEVENT {
	e := new(irql.KEVENT)
	irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
	return e
}

func (p *realPacket) afterwards(c context, fn func(p packet)) {
	switch c {
	case atOnce:
		fn(p)
	case inThread:
		p.s.as(p.level, func(k *irql.K) { fn(p.in(k)) })
	case inWorkItem:
		item := irp.IoAllocateWorkItem(p.k, p.s.devices[p.level])
		irp.IoQueueWorkItem(p.k, item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
			irp.IoFreeWorkItem(k, item)
			fn(p.in(k))
		}, irp.DelayedWorkQueue, nil)
	case inDpc:
		d := new(irql.KDPC)
		irql.KeInitializeDpc(p.k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { fn(p.in(k)) }, nil)
		irql.KeInsertQueueDpc(p.k, d, nil, nil)
	}
}

// hold is a queue of one place, by irp.md 10.2.
func (p *realPacket) hold(c context, s ntstatus.NTSTATUS) {
	r, k := p.r, p.k
	p.mark()
	later := p.in(k)
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &r.lock, &old)
	r.queued = true
	irp.IoSetCancelRoutine(k, p.p, func(k *irql.K, _ *irp.DEVICE_OBJECT, q *irp.IRP) {
		irp.IoReleaseCancelSpinLock(k, q.CancelIrql())
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &r.lock, &old)
		r.queued = false
		irql.KeReleaseSpinLock(k, &r.lock, old)
		later.in(k).leave(ntstatus.STATUS_CANCELLED, true)
	})
	if p.p.Cancel() && irp.IoSetCancelRoutine(k, p.p, nil) != nil {
		r.queued = false
		irql.KeReleaseSpinLock(k, &r.lock, old)
		p.leave(ntstatus.STATUS_CANCELLED, true)
		return
	}
	irql.KeReleaseSpinLock(k, &r.lock, old)
	p.afterwards(c, func(q packet) { q.(*realPacket).take(s) })
}

// take ends a held IRP unless it is being cancelled.
func (p *realPacket) take(s ntstatus.NTSTATUS) {
	r, k := p.r, p.k
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &r.lock, &old)
	mine := r.queued && irp.IoSetCancelRoutine(k, p.p, nil) != nil
	r.queued = false
	irql.KeReleaseSpinLock(k, &r.lock, old)
	if mine {
		p.leave(s, false)
	}
}

func (p *realPacket) leave(s ntstatus.NTSTATUS, cancelled bool) {
	p.r.cancelledHere = append(p.r.cancelledHere, cancelled)
	p.setStatus(s)
	p.complete()
}

// --- world ---

func (w *realWorld) newEvent() event    { return newEvent(w.k) }
func (w *realWorld) await(e event)      { waitFor(w.k, e.(*irql.KEVENT)) }
func (w *realWorld) isSet(e event) bool { return irql.KeReadStateEvent(w.k, e.(*irql.KEVENT)) != 0 }
func (w *realWorld) clear(e event)      { irql.KeClearEvent(w.k, e.(*irql.KEVENT)) }

func (w *realWorld) packet(p *irp.IRP) packet {
	w.r.p, w.r.id = p, p.ID()
	return &realPacket{w.s, w.r, w.k, p, creatorDevice}
}

func (w *realWorld) allocate(locations int8) packet {
	return w.packet(irp.IoAllocateIrp(w.k, locations, false))
}

func (w *realWorld) build(_ int8, e event) packet {
	return w.packet(irp.IoBuildDeviceIoControlRequest(w.k, ioctlTest, w.s.devices[0], nil, 0, nil, 0, false,
		e.(*irql.KEVENT), w.iosb.Get()))
}

func (w *realWorld) reported() ntstatus.NTSTATUS { return w.iosb.Get().Status }

func (w *realWorld) yields(q packet) bool {
	p := q.(*realPacket)
	if irql.InterlockedExchange(p.k, &p.r.word, completed) == cancelStarted {
		p.r.yielded = true
	}
	return p.r.yielded
}

// cancel is the canceller's half of irp.md 10.4; it reports whether the IRP is the canceller's to dispose of.
func (r *realRun) cancel(k *irql.K) bool {
	if irql.InterlockedExchange(k, &r.word, cancelStarted) != cancelable {
		return false
	}
	irp.IoCancelIrp(k, r.p)
	return irql.InterlockedExchange(k, &r.word, cancelComplete) == completed
}

func (w *realWorld) cancelFrom(packet) {
	r := w.r
	w.s.as(creatorDevice, func(k *irql.K) {
		if r.cancel(k) {
			irp.IoFreeIrp(k, r.p)
		}
	})
}

func (w *realWorld) cancelWait(p packet, e event) {
	timeout := int64(0) // only asks: whoever completes may be anywhere by now
	if irql.KeWaitForSingleObject(w.k, e.(*irql.KEVENT), irql.Executive, irql.KernelMode, false,
		&timeout) != ntstatus.STATUS_TIMEOUT {
		return
	}
	if w.r.cancel(w.k) {
		p.complete()
	}
	w.await(e)
}
