package echoserver

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
)

func listening(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_LISTEN_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_LISTEN_DISPATCH)
}

func connected(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_CONNECTION_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_CONNECTION_DISPATCH)
}

// queue gives the worker something to do.
func (d *Driver) queue(k *irql.K, t task) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.tasks = append(d.tasks, t)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	irql.KeSetEvent(k, &d.work, irp.IO_NO_INCREMENT, false)
}

// next takes the oldest task.
func (d *Driver) next(k *irql.K) (t task, some bool) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	defer irql.KeReleaseSpinLock(k, &d.lock, old)
	if len(d.tasks) == 0 {
		return t, false
	}
	t = d.tasks[0]
	d.tasks = d.tasks[1:]
	return t, true
}

// call makes a request with an IRP of its own and waits for its end.
func call(k *irql.K, request func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	p := irp.IoAllocateIrp(k, 1, false)
	if p == nil {
		return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES}
	}
	done := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
	irp.IoSetCompletionRoutine(k, p, signal, done, true, true, true)
	if request(p) == ntstatus.STATUS_PENDING {
		irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false, nil)
	}
	result := *p.IoStatus()
	irp.IoFreeIrp(k, p)
	return result
}

func signal(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, context any) ntstatus.NTSTATUS {
	irql.KeSetEvent(k, context.(*irql.KEVENT), irp.IO_NETWORK_INCREMENT, false)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}

// insist is call for what must not be left undone: it tries again while there is no memory for an IRP.
func insist(k *irql.K, request func(p *irp.IRP) ntstatus.NTSTATUS) {
	for call(k, request).Status == ntstatus.STATUS_INSUFFICIENT_RESOURCES {
		pause := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}
