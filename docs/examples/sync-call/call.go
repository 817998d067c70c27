package synccall

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// call makes one request with an IRP of its own and waits for its end. The IRP is completed exactly once,
// whatever the function returns: before it returns, unless that is STATUS_PENDING, and then at any time.
func (d *Driver) call(k *irql.K, request func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	p := irp.IoAllocateIrp(k, 1, false)
	if p == nil {
		return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES}
	}
	done := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
	irp.IoSetCompletionRoutine(k, p, d.routine(), done, true, true, true)
	s := request(p)
	switch d.Defect {
	case NeverWaits:
	case SignalsIfPending:
		irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false, nil)
	case GivesUp:
		long := int64(-100_000) // 10 ms
		if s == ntstatus.STATUS_PENDING && irql.KeWaitForSingleObject(k, done, irql.Executive,
			irql.KernelMode, false, &long) == ntstatus.STATUS_TIMEOUT {
			irp.IoCancelIrp(k, p)
			irp.IoFreeIrp(k, p)
			return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_TIMEOUT}
		}
	default:
		if s == ntstatus.STATUS_PENDING {
			irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false, nil)
		}
	}
	result := *p.IoStatus()
	irp.IoFreeIrp(k, p)
	return result
}

// routine gives the completion routine. Ours returns STATUS_MORE_PROCESSING_REQUIRED: the IRP stays the
// driver's, and the I/O manager never sees it.
func (d *Driver) routine() irp.IO_COMPLETION_ROUTINE {
	return func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
		if d.Defect != SignalsIfPending || p.PendingReturned() {
			irql.KeSetEvent(k, context.(*irql.KEVENT), irp.IO_NETWORK_INCREMENT, false)
		}
		if d.Defect == LetsGo {
			return ntstatus.STATUS_SUCCESS
		}
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}
}
