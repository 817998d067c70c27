package irppassthrough

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Top is top.sys: it makes read requests of its own and sends them down the stack, one at a time, from a
// system thread. Every second one it cancels.
type Top struct {
	Defect   Defect
	Below    *irp.DEVICE_OBJECT // a device of the stack to talk to
	Requests int
	Results  []ntstatus.NTSTATUS // one per request; read it after the thread has ended

	target *irp.DEVICE_OBJECT // top of that stack, referenced
	thread *irql.KTHREAD
	device *irp.DEVICE_OBJECT
}

// The states of a request that its canceller and its completion routine agree through (cheat sheet, scenarios
// 7 and 12).
const (
	cancelable int32 = iota
	cancelStarted
	cancelComplete
	completed
)

// request is one request in flight.
type request struct {
	state int32
	done  irql.KEVENT
}

// DriverEntry starts the thread that sends the requests.
func (d *Top) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	if s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false,
		&d.device); !ntstatus.NT_SUCCESS(s) {
		return s
	}
	d.target = irp.IoGetAttachedDeviceReference(k, d.Below)
	var h irql.HANDLE
	if s := irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, d.send, nil); !ntstatus.NT_SUCCESS(s) {
		irp.ObDereferenceObject(k, d.target)
		irp.IoDeleteDevice(k, d.device)
		return s
	}
	var thread any
	irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &thread, nil)
	irp.ZwClose(k, h)
	d.thread = thread.(*irql.KTHREAD)
	return ntstatus.STATUS_SUCCESS
}

func (d *Top) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irql.KeWaitForSingleObject(k, d.thread, irql.Executive, irql.KernelMode, false, nil)
	irp.ObDereferenceObject(k, d.thread)
	irp.ObDereferenceObject(k, d.target)
	irp.IoDeleteDevice(k, d.device)
}

func (d *Top) send(k *irql.K, _ any) {
	for n := range d.Requests {
		d.Results = append(d.Results, d.one(k, n%2 == 1))
	}
}

// one sends a request and waits for its end; with cancel it asks for its cancellation as soon as it is on its
// way.
func (d *Top) one(k *irql.K, cancel bool) ntstatus.NTSTATUS {
	p := irp.IoAllocateIrp(k, d.target.StackSize, false)
	if p == nil {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	r := &request{}
	irql.KeInitializeEvent(k, &r.done, irql.NotificationEvent, false)
	next := irp.IoGetNextIrpStackLocation(k, p)
	next.SetMajorFunction(irp.IRP_MJ_READ)
	next.Parameters().Read.Length = 512
	s := irp.IoSetCompletionRoutineEx(k, d.device, p, d.ended, r, true, true, true)
	if !ntstatus.NT_SUCCESS(s) {
		irp.IoFreeIrp(k, p)
		return s
	}
	s = irp.IoCallDriver(k, d.target, p)
	if d.Defect == TouchedAfterSend {
		return p.IoStatus().Status
	}
	if cancel && s == ntstatus.STATUS_PENDING {
		d.cancel(k, p, r)
	}
	if s == ntstatus.STATUS_PENDING {
		irql.KeWaitForSingleObject(k, &r.done, irql.Executive, irql.KernelMode, false, nil)
	}
	s = p.IoStatus().Status // ended stopped the climb, so the IRP is this driver's again
	irp.IoFreeIrp(k, p)
	return s
}

// cancel asks for the request's cancellation. The completion routine may run at any moment on another
// processor; the exchanges decide which of the two comes last and gives the request back to one.
func (d *Top) cancel(k *irql.K, p *irp.IRP, r *request) {
	if irql.InterlockedExchange(k, &r.state, cancelStarted) != cancelable {
		return // it has ended already
	}
	irp.IoCancelIrp(k, p)
	if irql.InterlockedExchange(k, &r.state, cancelComplete) == completed {
		irql.KeSetEvent(k, &r.done, 0, false) // the routine ran meanwhile and yielded
	}
}

// ended is the creator's completion routine. It stops the climb: the I/O manager must never see an IRP it
// cannot free.
func (d *Top) ended(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
	r := context.(*request)
	if irql.InterlockedExchange(k, &r.state, completed) != cancelStarted && p.PendingReturned() {
		irql.KeSetEvent(k, &r.done, 0, false)
	}
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}
