package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// Thread is Tail.Overlay.Thread, the thread the request was issued by; nil when none is known. Rules:
// IRP-005.
func (p *IRP) Thread() *irql.KTHREAD {
	p.look()
	if p.thread == nil {
		return nil
	}
	return irql.Sim.ThreadObject(p.thread)
}

// OriginalFileObject is Tail.Overlay.OriginalFileObject, the opening that the I/O manager made the request
// for; nil for requests of drivers. Rules: IRP-005.
func (p *IRP) OriginalFileObject() *FILE_OBJECT {
	p.look()
	return p.file
}

// IoGetRequestorProcessId gives the id of the process whose thread asked for the request, 0 when no thread is
// known.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRP-005, IRP-018, IRQL-001.
// Reference: ntifs/nf-ntifs-iogetrequestorprocessid.
func IoGetRequestorProcessId(k *irql.K, p *IRP) uint32 {
	ke.Enter(k, ddi.IoGetRequestorProcessId)
	p.check(k)
	if p.thread == nil {
		return 0
	}
	return ke.PIDOf(p.thread.Process)
}

// IoGetRequestorProcess gives the process whose thread asked for the request, NULL when no thread is known.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the process is not referenced.
// Rules: IRP-005, IRP-018, IRQL-001.
// Reference: ntifs/nf-ntifs-iogetrequestorprocess.
func IoGetRequestorProcess(k *irql.K, p *IRP) *irql.KPROCESS {
	ke.Enter(k, ddi.IoGetRequestorProcess)
	p.check(k)
	if p.thread == nil {
		return nil
	}
	return irql.Sim.ProcessObject(k, p.thread.Process)
}

// IoThreadToProcess gives the process that a thread belongs to.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the process is not referenced.
// Rules: IRQL-001.
// Reference: ntifs/nf-ntifs-iothreadtoprocess.
func IoThreadToProcess(k *irql.K, thread *irql.KTHREAD) *irql.KPROCESS {
	ke.Enter(k, ddi.IoThreadToProcess)
	return irql.Sim.ProcessObject(k, thread.Thread().Process)
}

// IoGetCurrentProcess gives the process that the caller's thread belongs to; in a DPC that is the one of the
// thread it interrupted.
//
// IRQL: any.
// Ownership: the process is not referenced.
// Rules: none.
// Reference: wdm/nf-wdm-iogetcurrentprocess.
func IoGetCurrentProcess(k *irql.K) *irql.KPROCESS {
	ke.Enter(k, ddi.IoGetCurrentProcess)
	return irql.Sim.ProcessObject(k, ke.ThreadOf(k).Process)
}
