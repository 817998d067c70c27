package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IoCsqInitialize makes a cancel-safe queue of a driver's callbacks.
//
// IRQL: any.
// Ownership: the queue's memory must stay while IRPs are in it.
// Returns: STATUS_SUCCESS.
// Rules: OBJ-013.
// Reference: wdm/nf-wdm-iocsqinitialize.
func IoCsqInitialize(k *irql.K, csq *IO_CSQ, insertIrp IO_CSQ_INSERT_IRP, removeIrp IO_CSQ_REMOVE_IRP,
	peekNextIrp IO_CSQ_PEEK_NEXT_IRP, acquireLock IO_CSQ_ACQUIRE_LOCK, releaseLock IO_CSQ_RELEASE_LOCK,
	completeCanceledIrp IO_CSQ_COMPLETE_CANCELED_IRP) ntstatus.NTSTATUS {
	return csq.initialise(k, ddi.IoCsqInitialize, IO_CSQ{insert: insertIrp, remove: removeIrp,
		peek: peekNextIrp, acquire: acquireLock, release: releaseLock, complete: completeCanceledIrp})
}

// IoCsqInitializeEx is IoCsqInitialize with an insertion callback that may refuse.
//
// IRQL: any.
// Ownership: the queue's memory must stay while IRPs are in it.
// Returns: STATUS_SUCCESS.
// Rules: OBJ-013.
// Reference: wdm/nf-wdm-iocsqinitializeex.
func IoCsqInitializeEx(k *irql.K, csq *IO_CSQ, insertIrp IO_CSQ_INSERT_IRP_EX, removeIrp IO_CSQ_REMOVE_IRP,
	peekNextIrp IO_CSQ_PEEK_NEXT_IRP, acquireLock IO_CSQ_ACQUIRE_LOCK, releaseLock IO_CSQ_RELEASE_LOCK,
	completeCanceledIrp IO_CSQ_COMPLETE_CANCELED_IRP) ntstatus.NTSTATUS {
	return csq.initialise(k, ddi.IoCsqInitializeEx, IO_CSQ{insertEx: insertIrp, remove: removeIrp,
		peek: peekNextIrp, acquire: acquireLock, release: releaseLock, complete: completeCanceledIrp})
}

func (q *IO_CSQ) initialise(k *irql.K, d ddi.ID, as IO_CSQ) ntstatus.NTSTATUS {
	ke.Enter(k, d)
	q.there(k, q.name())
	if q.id != 0 && q.run.Of(k) {
		q.misused(k, d.String()+" on a queue that is initialised already",
			"initialised twice")
	}
	as.run, as.id, as.owner = ke.StampOf(k), ke.Of(k).NewID(trace.Queue), ke.Acting(k)
	ke.Of(k).Ends(as.id)
	*q = as
	q.initSeq = ke.CallStatus(k, d, q.id, uint32(ntstatus.STATUS_SUCCESS))
	return ntstatus.STATUS_SUCCESS
}

// IoCsqInsertIrp marks an IRP pending and puts it into the queue. If it has been cancelled,
// CompleteCanceledIrp is called for it at once.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the IRP is the queue's; the caller returns STATUS_PENDING and does not touch it again. Context
// must stay as long as the IRP is in the queue.
// Rules: IRP-005, IRP-013, IRP-018, IRP-075, IRP-076, IRQL-001, OBJ-013.
// Reference: wdm/nf-wdm-iocsqinsertirp.
func IoCsqInsertIrp(k *irql.K, csq *IO_CSQ, p *IRP, context *IO_CSQ_IRP_CONTEXT) {
	csq.put(k, ddi.IoCsqInsertIrp, p, context, nil)
}

// IoCsqInsertIrpEx is IoCsqInsertIrp that hands insertContext to the insertion callback and returns its
// status. When that is no success the IRP is not in the queue, and not marked.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: after success as IoCsqInsertIrp, else the caller's.
// Returns: STATUS_SUCCESS, also for an IRP that was cancelled already; else what the insert callback
// returned.
// Rules: IRP-005, IRP-013, IRP-018, IRP-075, IRP-076, IRQL-001, OBJ-013.
// Reference: wdm/nf-wdm-iocsqinsertirpex.
func IoCsqInsertIrpEx(k *irql.K, csq *IO_CSQ, p *IRP, context *IO_CSQ_IRP_CONTEXT,
	insertContext any) ntstatus.NTSTATUS {
	return csq.put(k, ddi.IoCsqInsertIrpEx, p, context, insertContext)
}

func (q *IO_CSQ) put(k *irql.K, d ddi.ID, p *IRP, context *IO_CSQ_IRP_CONTEXT, extra any) ntstatus.NTSTATUS {
	ke.Enter(k, d)
	if !isIRP(p) {
		notAnIRP(k, p)
	}
	ke.Point(k, ke.Enqueues(q.id))
	q.usable(k, d)
	if p.csq != nil && ke.Acting(k) == p.owner {
		p.inTwoQueues(k, d)
	}
	p.check(k)
	old, before := q.take(k)
	if s := q.callInsert(k, p, extra); !ntstatus.NT_SUCCESS(s) {
		q.give(k, old, before)
		ke.CallStatus(k, d, p.id, uint32(s))
		return s
	}
	p.uses(ke.W)
	p.markPending(k, d) // after the insertion succeeded (irp.md 24 #4)
	p.csq = q
	q.n++
	p.csqKey = q
	if context != nil {
		q.checkContext(k, context)
		context.Irp, context.Csq = p, q
		p.csqKey = context
	}
	p.driverContext[3] = p.csqKey
	p.csqSeq = ke.CallOn(k, d, q.id, p.id)
	p.pointCancel(k)
	p.cancelRoutine = cancelQueued
	p.pointCancel(k)
	if !p.cancel || p.takeCancelRoutine() == nil {
		q.give(k, old, before) // or the cancel routine is on its way, and waits for the lock
		return ntstatus.STATUS_SUCCESS
	}
	q.callRemove(k, p)
	q.drop(k, p)
	q.give(k, old, before)
	q.callComplete(k, p)
	return ntstatus.STATUS_SUCCESS
}

// takeCancelRoutine is IoSetCancelRoutine(p, NULL) by the library.
func (p *IRP) takeCancelRoutine() DRIVER_CANCEL {
	r := p.cancelRoutine
	p.cancelRoutine = nil
	return r
}

// IoCsqRemoveNextIrp takes the next IRP that fits peekContext out of the queue, nil when there is none. IRPs
// that are being cancelled are passed over.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the IRP is the caller's and has no cancel routine.
// Rules: IRP-075, IRQL-001, OBJ-013.
// Reference: wdm/nf-wdm-iocsqremovenextirp.
func IoCsqRemoveNextIrp(k *irql.K, csq *IO_CSQ, peekContext any) *IRP {
	const d = ddi.IoCsqRemoveNextIrp
	ke.Enter(k, d)
	q := csq
	ke.Point(k, ke.Dequeues(q.id))
	q.usable(k, d)
	old, before := q.take(k)
	p, seen := q.callPeek(k, nil, peekContext), 1
	for ; p != nil; p, seen = q.callPeek(k, p, peekContext), seen+1 {
		if !q.follows(k, p, seen) {
			p = nil
			break
		}
		p.pointCancel(k)
		if p.takeCancelRoutine() != nil {
			break
		}
	}
	return q.removed(k, d, p, old, before)
}

// IoCsqRemoveIrp takes one IRP out of the queue; nil when it has left the queue or is being cancelled.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the IRP is the caller's and has no cancel routine.
// Rules: IRP-075, IRQL-001, OBJ-013.
// Reference: wdm/nf-wdm-iocsqremoveirp.
func IoCsqRemoveIrp(k *irql.K, csq *IO_CSQ, context *IO_CSQ_IRP_CONTEXT) *IRP {
	const d = ddi.IoCsqRemoveIrp
	ke.Enter(k, d)
	q := csq
	ke.Point(k, ke.Dequeues(q.id))
	q.usable(k, d)
	old, before := q.take(k)
	context.there(k, "the context of an IRP in a queue")
	p := context.Irp // which the lock guards
	if p != nil && p.csq != q {
		q.misused(k, "IoCsqRemoveIrp for "+p.id.String()+", which is not in this queue",
			"removed from another queue")
		p = nil
	}
	if p != nil {
		p.pointCancel(k)
		if p.takeCancelRoutine() == nil {
			p = nil
		}
	}
	return q.removed(k, d, p, old, before)
}

// removed is the end of both removals.
func (q *IO_CSQ) removed(k *irql.K, d ddi.ID, p *IRP, old irql.KIRQL, before lockState) *IRP {
	if p == nil {
		q.give(k, old, before)
		ke.Call(k, d, q.id)
		return nil
	}
	q.callRemove(k, p)
	q.drop(k, p)
	q.give(k, old, before)
	ke.CallOn(k, d, q.id, p.id)
	return p
}

// cancelQueued is the library's cancel routine.
func cancelQueued(k *irql.K, _ *DEVICE_OBJECT, p *IRP) {
	q := p.csq
	p.uses(ke.R)
	IoReleaseCancelSpinLock(k, p.cancelIrql)
	old, before := q.take(k)
	q.callRemove(k, p)
	q.drop(k, p)
	q.give(k, old, before)
	q.callComplete(k, p)
}

// The callbacks of a cancel-safe queue. The library calls all but CompleteCanceledIrp while it holds the lock
// of AcquireLock.
type (
	// IO_CSQ_INSERT_IRP puts an IRP into the driver's queue.
	//
	// IRQL: that of AcquireLock.
	// Reference: wdm/nc-wdm-io_csq_insert_irp.
	IO_CSQ_INSERT_IRP func(k *irql.K, csq *IO_CSQ, p *IRP)

	// IO_CSQ_INSERT_IRP_EX is the form that may refuse; then the IRP stays with the caller of
	// IoCsqInsertIrpEx.
	//
	// IRQL: that of AcquireLock.
	// Reference: wdm/nc-wdm-io_csq_insert_irp_ex.
	IO_CSQ_INSERT_IRP_EX func(k *irql.K, csq *IO_CSQ, p *IRP, insertContext any) ntstatus.NTSTATUS

	// IO_CSQ_REMOVE_IRP takes an IRP out of the driver's queue.
	//
	// IRQL: that of AcquireLock.
	// Reference: wdm/nc-wdm-io_csq_remove_irp.
	IO_CSQ_REMOVE_IRP func(k *irql.K, csq *IO_CSQ, p *IRP)

	// IO_CSQ_PEEK_NEXT_IRP gives the first IRP behind p that fits peekContext, the first of all when p is
	// nil, and nil at the end; it removes nothing.
	//
	// IRQL: that of AcquireLock.
	// Rules: OBJ-013.
	// Reference: wdm/nc-wdm-io_csq_peek_next_irp.
	IO_CSQ_PEEK_NEXT_IRP func(k *irql.K, csq *IO_CSQ, p *IRP, peekContext any) *IRP

	// IO_CSQ_ACQUIRE_LOCK takes the lock of the queue.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Rules: OBJ-013.
	// Reference: wdm/nc-wdm-io_csq_acquire_lock.
	IO_CSQ_ACQUIRE_LOCK func(k *irql.K, csq *IO_CSQ, oldIrql *irql.KIRQL)

	// IO_CSQ_RELEASE_LOCK gives back what AcquireLock took.
	//
	// IRQL: that of AcquireLock.
	// Rules: OBJ-013.
	// Reference: wdm/nc-wdm-io_csq_release_lock.
	IO_CSQ_RELEASE_LOCK func(k *irql.K, csq *IO_CSQ, oldIrql irql.KIRQL)

	// IO_CSQ_COMPLETE_CANCELED_IRP completes an IRP that was cancelled in the queue; the lock is not held.
	//
	// IRQL: <= DISPATCH_LEVEL.
	// Reference: wdm/nc-wdm-io_csq_complete_canceled_irp.
	IO_CSQ_COMPLETE_CANCELED_IRP func(k *irql.K, csq *IO_CSQ, p *IRP)
)
