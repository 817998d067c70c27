package irpvec

import (
	"fmt"
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// exec runs a program until it returns.
func (pl *player) exec(k *irql.K, a *activation, ops []op) {
	for i := range ops {
		if a.done {
			return
		}
		o := &ops[i]
		if what := pl.missing(a, o); what != "" {
			panic(malformed(fmt.Sprintf("routine %s, operation %d: %s: %s", a.fn, i+1, o.name, what)))
		}
		if o.name == "if" {
			branch := o.no
			if pl.holds(k, a, o) {
				branch = o.yes
			}
			pl.exec(k, a, branch)
			continue
		}
		if !pl.irpOp(k, a, o) && !pl.flowOp(k, a, o) && !pl.buildOp(k, a, o) {
			panic(ke.Misuse("operation " + o.name + " is not played"))
		}
	}
}

// ofIRP are the operations on the current IRP.
var ofIRP = []string{"own_location", "request", "set_completion", "clear_completion", "copy", "skip", "call",
	"mark_pending", "set_status", "complete", "snap", "params", "cancel", "set_cancel", "release_cancel_lock"}

// missing says what an operation needs and does not find.
func (pl *player) missing(a *activation, o *op) string {
	needs := slices.Contains(ofIRP, o.name)
	if o.name == "if" {
		needs = slices.Contains([]string{"cancelled", "pending_returned", "status_success"},
			o.args[0].(string))
	}
	if needs && a.p == nil {
		return "no IRP is in use here: alloc, use or a build operation comes first"
	}
	switch o.name {
	case "free", "reuse", "use", "copy_status":
		for i := range o.args {
			if n, ok := o.args[i].(int64); ok && pl.regs[n].p == nil {
				return fmt.Sprintf("register %d has no IRP yet", n)
			}
		}
	case "iosb", "wait_event":
		if pl.regs[o.num(0)].event == nil {
			return fmt.Sprintf("register %d has no request of a build operation", o.num(0))
		}
	case "async":
		if _, ok := pl.progs["async."+o.str(0)]; !ok {
			return "there is no routine async." + o.str(0)
		}
	}
	return ""
}

func (pl *player) holds(k *irql.K, a *activation, o *op) (yes bool) {
	switch o.args[0] {
	case "last_pending":
		return a.last == ntstatus.STATUS_PENDING
	case "last_success":
		return ntstatus.NT_SUCCESS(a.last)
	case "previous_cancel_null":
		return a.prevNull
	case "invocation_below":
		return a.nth < int(o.args[1].(int64))
	}
	pl.asHolder(k, a.p, func() {
		switch o.args[0] {
		case "cancelled":
			yes = a.p.Cancel()
		case "pending_returned":
			yes = a.p.PendingReturned()
		case "status_success":
			yes = ntstatus.NT_SUCCESS(a.p.IoStatus().Status)
		}
	})
	return yes
}

func (o *op) num(i int) int                  { return int(o.args[i].(int64)) }
func (o *op) hex(i int) uint32               { return o.args[i].(uint32) }
func (o *op) str(i int) string               { return o.args[i].(string) }
func (o *op) status(i int) ntstatus.NTSTATUS { return ntstatus.NTSTATUS(o.hex(i)) }

func (pl *player) dev(name string) *irp.DEVICE_OBJECT {
	if len(name) == 2 && name[0] == 'D' && name[1] >= '0' && name[1] <= '8' {
		return pl.devs[name[1]-'0']
	}
	panic(ke.Misuse("no such device: " + name))
}

func (pl *player) reg(n int) *register {
	if n < 0 || n >= len(pl.regs) {
		panic(ke.Misuse(fmt.Sprintf("no such register: %d", n)))
	}
	return &pl.regs[n]
}

// irpOp plays the operations on the current IRP.
func (pl *player) irpOp(k *irql.K, a *activation, o *op) bool {
	p := a.p
	switch o.name {
	case "own_location":
		irp.IoSetNextIrpStackLocation(k, p)
		irp.IoGetCurrentIrpStackLocation(k, p).SetDeviceObject(pl.devs[0])
	case "request":
		pl.asHolder(k, p, func() {
			l := irp.IoGetNextIrpStackLocation(k, p)
			l.SetMajorFunction(uint8(o.num(0)))
			l.Parameters().DeviceIoControl.IoControlCode = o.hex(1)
		})
	case "set_completion":
		name := o.str(0)
		pl.asHolder(k, p, func() {
			irp.IoSetCompletionRoutine(k, p, pl.completion(name), name, o.args[1].(bool), o.args[2].(bool),
				o.args[3].(bool))
		})
	case "clear_completion":
		pl.asHolder(k, p, func() { irp.IoSetCompletionRoutine(k, p, nil, nil, false, false, false) })
	case "copy":
		pl.asHolder(k, p, func() { irp.IoCopyCurrentIrpStackLocationToNext(k, p) })
	case "skip":
		pl.asHolder(k, p, func() { irp.IoSkipCurrentIrpStackLocation(k, p) })
	case "call":
		pl.asHolder(k, p, func() { a.last = irp.IoCallDriver(k, pl.dev(o.str(0)), p) })
		f := by("call", a)
		f.add("target", o.str(0))
		f.add("ret", hex(uint32(a.last)))
		pl.emit(f)
	case "mark_pending":
		pl.asHolder(k, p, func() { irp.IoMarkIrpPending(k, p) })
	case "set_status":
		pl.asHolder(k, p, func() {
			*p.IoStatus() = irp.IO_STATUS_BLOCK{Status: o.status(0), Information: uint64(o.num(1))}
		})
	case "complete":
		f := by("complete_begin", a)
		f.add("irp", pl.regOf(p))
		pl.emit(f)
		pl.asHolder(k, p, func() { irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT) })
		pl.emit(by("complete_end", a))
	case "snap":
		pl.irpEvent(k, by("snap", a), p)
	case "params":
		pl.params(k, a, len(o.args) == 1)
	default:
		return pl.cancelOp(k, a, o)
	}
	return true
}

func (pl *player) cancelOp(k *irql.K, a *activation, o *op) bool {
	p := a.p
	switch o.name {
	case "cancel":
		ret := irp.IoCancelIrp(k, p)
		f := by("cancel", a)
		f.add("ret", ret)
		pl.emit(f)
	case "set_cancel":
		var r irp.DRIVER_CANCEL
		if o.str(0) != "" {
			r = pl.cancelRoutine(o.str(0))
		}
		pl.asHolder(k, p, func() { a.prevNull = irp.IoSetCancelRoutine(k, p, r) == nil })
		f := by("set_cancel", a)
		f.add("previous_null", a.prevNull)
		pl.emit(f)
	case "release_cancel_lock":
		irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	case "lock_cancel":
		irp.IoAcquireCancelSpinLock(k, &a.lockIrql)
	case "unlock_cancel":
		irp.IoReleaseCancelSpinLock(k, a.lockIrql)
	default:
		return false
	}
	return true
}

// flowOp plays the operations that are not about the current IRP.
func (pl *player) flowOp(k *irql.K, a *activation, o *op) bool {
	switch o.name {
	case "alloc":
		r := pl.reg(o.num(0))
		*r = register{p: irp.IoAllocateIrp(k, int8(o.num(1)), false)}
		a.p = r.p
		f := &fields{}
		f.add("ev", "alloc")
		pl.irpEvent(k, f, a.p)
	case "free":
		irp.IoFreeIrp(k, pl.reg(o.num(0)).p)
		f := &fields{}
		f.add("ev", "free")
		f.add("irp", o.num(0))
		pl.emit(f)
	case "reuse":
		a.p = pl.reg(o.num(0)).p
		irp.IoReuseIrp(k, a.p, o.status(1))
		f := &fields{}
		f.add("ev", "reuse")
		pl.irpEvent(k, f, a.p)
	case "use":
		a.p = pl.reg(o.num(0)).p
	case "copy_status":
		var s irp.IO_STATUS_BLOCK
		from, to := pl.reg(o.num(0)).p, pl.reg(o.num(1)).p
		pl.asHolder(k, from, func() { s = *from.IoStatus() })
		pl.asHolder(k, to, func() { *to.IoStatus() = s })
	case "return":
		a.ret, a.done = o.status(0), true
	case "return_last":
		a.ret, a.done = a.last, true
	case "signal":
		ke.SetSignal(k, pl.event(k, o.num(0)).Header(), 1)
	case "wait":
		ke.Wait(k, []*ke.Object{pl.event(k, o.num(0)).Header()}, false, nil, "a vector event")
	case "async":
		pl.startAsync(k, o.str(0), o.str(1))
	case "join":
		pl.join(k)
	default:
		return pl.deviceOp(k, o)
	}
	return true
}

func (pl *player) event(k *irql.K, n int) *irql.KEVENT {
	if n < 0 || n >= len(pl.events) {
		panic(ke.Misuse(fmt.Sprintf("no such event: %d", n)))
	}
	if pl.events[n] == nil {
		pl.events[n] = new(irql.KEVENT)
		irql.KeInitializeEvent(k, pl.events[n], irql.SynchronizationEvent, false)
	}
	return pl.events[n]
}

// startAsync runs program async.NAME on another thread, as a work item or in a DPC.
func (pl *player) startAsync(k *irql.K, name, how string) {
	ops := pl.progs["async."+name]
	run := &asyncRun{}
	body := func(k *irql.K) {
		pl.label(k, name)
		kind := ke.FrameThread
		if how == "dpc" {
			kind = ke.FrameDPC
		}
		ke.Push(k, ke.Frame{Kind: kind, Image: pl.lower.Image()})
		a := &activation{fn: "async." + name, p: pl.regs[0].p, nth: pl.enter("async." + name)}
		rest := ops
		if len(ops) > 0 && ops[0].name == "wait" {
			pl.exec(k, a, ops[:1])
			rest = ops[1:]
		}
		f := &fields{}
		f.add("ev", "enter")
		f.add("fn", a.fn)
		f.add("thread", name)
		pl.emit(f)
		pl.exec(k, a, rest)
		pl.emitLeave(a.fn, nil)
		ke.Pop(k)
		run.done = true
	}
	if how == "dpc" {
		ke.QueueDPC(k, &ke.DPC{Run: body, Target: -1, Importance: ke.LowImportance})
	} else {
		run.thread = pl.m.NewThread("async "+name, nil, body)
	}
	pl.async = append(pl.async, run)
}

func (pl *player) join(k *irql.K) {
	for _, r := range pl.async {
		if r.thread != nil {
			ke.Wait(k, []*ke.Object{&r.thread.Object}, false, nil, "an async program")
		} else if !r.done {
			ke.FlushDPCs(k)
		}
	}
	pl.async = pl.async[:0]
}

func (pl *player) deviceOp(k *irql.K, o *op) bool {
	f := &fields{}
	switch o.name {
	case "attach":
		src := pl.dev(o.str(0))
		ret := irp.IoAttachDeviceToDeviceStack(k, src, pl.dev(o.str(1)))
		f.add("ev", "attach")
		f.add("source", o.str(0))
		f.add("target", o.str(1))
		f.add("ret", pl.deviceName(ret))
		f.add("source_stack_size", int(src.StackSize))
	case "detach":
		irp.IoDetachDevice(k, pl.dev(o.str(0)))
		return true
	case "attached_top":
		top := irp.IoGetAttachedDeviceReference(k, pl.dev(o.str(0)))
		irp.ObDereferenceObject(k, top)
		f.add("ev", "attached_top")
		f.add("of", o.str(0))
		f.add("ret", pl.deviceName(top))
	case "stack_size":
		f.add("ev", "stack_size")
		f.add("of", o.str(0))
		f.add("value", int(pl.dev(o.str(0)).StackSize))
	default:
		return false
	}
	pl.emit(f)
	return true
}
