package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// lockState is what a pair of AcquireLock and ReleaseLock must leave as it was.
type lockState struct {
	irql            uint8
	locks           int
	kernel, special int
}

func lockStateOf(k *irql.K) lockState {
	kernel, special := ke.APCState(k)
	return lockState{ke.IRQL(k), len(ke.Locks(k)), kernel, special}
}

// enter begins a callback of the queue.
func (q *IO_CSQ) enter(k *irql.K, fn any) {
	ke.Adds(k, ke.Writes(q.id))
	ke.Push(k, ke.Frame{Kind: ke.FrameQueue, Image: q.owner, Object: q, Obj: q.id, Fn: ke.CodeOf(fn)})
}

// take calls AcquireLock.
func (q *IO_CSQ) take(k *irql.K) (old irql.KIRQL, before lockState) {
	before = lockStateOf(k)
	q.enter(k, q.acquire)
	q.acquire(k, q, &old)
	ke.PopKeeping(k)
	ke.Adds(k, ke.Writes(q.id))
	if held := ke.Locks(k); len(held) > before.locks {
		q.lock = held[len(held)-1].Lock
	}
	return old, before
}

// give calls ReleaseLock, after which everything must be as it was before AcquireLock.
func (q *IO_CSQ) give(k *irql.K, old irql.KIRQL, before lockState) {
	q.enter(k, q.release)
	q.release(k, q, old)
	ke.PopKeeping(k)
	if now := lockStateOf(k); now != before {
		q.misused(k, fmt.Sprintf("AcquireLock and ReleaseLock do not match: %d locks and %v before, %d and "+
			"%v after", before.locks, irql.KIRQL(before.irql), now.locks, irql.KIRQL(now.irql)),
			"locks that do not match")
	}
}

func (q *IO_CSQ) callInsert(k *irql.K, p *IRP, extra any) ntstatus.NTSTATUS {
	if q.insertEx != nil {
		q.enter(k, q.insertEx)
		s := q.insertEx(k, q, p, extra)
		ke.PopStatus(k, s)
		return s
	}
	q.enter(k, q.insert)
	q.insert(k, q, p)
	ke.Pop(k)
	return ntstatus.STATUS_SUCCESS
}

func (q *IO_CSQ) callRemove(k *irql.K, p *IRP) {
	q.enter(k, q.remove)
	q.remove(k, q, p)
	ke.Pop(k)
}

func (q *IO_CSQ) callPeek(k *irql.K, p *IRP, context any) *IRP {
	q.enter(k, q.peek)
	next := q.peek(k, q, p, context)
	ke.Pop(k)
	return next
}

func (q *IO_CSQ) callComplete(k *irql.K, p *IRP) {
	q.enter(k, q.complete)
	q.complete(k, q, p)
	ke.Pop(k)
}

// drop ends the stay of an IRP in the queue. What the library stored in DriverContext[3] must still be there.
func (q *IO_CSQ) drop(k *irql.K, p *IRP) {
	ke.Adds(k, ke.Writes(q.id))
	p.uses(ke.W)
	if p.driverContext[3] != p.csqKey {
		p.report(k, verify.Finding{Rule: verify.IRP_075,
			Headline: fmt.Sprintf("DriverContext[3] of %v was overwritten while the IRP was in %v", p.id,
				q.id),
			Places: []verify.Place{{Label: "QUEUED", Seq: p.csqSeq}}})
	}
	if context, ok := p.csqKey.(*IO_CSQ_IRP_CONTEXT); ok {
		context.Irp = nil
	}
	p.driverContext[3] = nil
	p.csq, p.csqKey = nil, nil
	q.n--
}

// checkContext reports a context that stands for another IRP of the queue.
func (q *IO_CSQ) checkContext(k *irql.K, context *IO_CSQ_IRP_CONTEXT) {
	context.there(k, "the context of an IRP in a queue")
	if p := context.Irp; p != nil && p.csq == q && p.csqKey == any(context) {
		q.misused(k, "the context of "+p.id.String()+", which is in the queue, is used for another IRP",
			"context used twice")
	}
}

// follows judges what PeekNextIrp returned; false means that the library does not go on.
func (q *IO_CSQ) follows(k *irql.K, p *IRP, seen int) bool {
	switch {
	case p.csq != q:
		q.misused(k, "PeekNextIrp returned "+p.id.String()+", which is not in this queue",
			"an IRP that is not in the queue")
	case seen > q.n:
		q.misused(k, fmt.Sprintf("PeekNextIrp goes round in a circle: it returned %d IRPs, %d are in the "+
			"queue", seen, q.n), "endless queue")
	default:
		return true
	}
	return false
}

// usable reports a queue that was not initialised.
func (q *IO_CSQ) usable(k *irql.K, d ddi.ID) {
	ke.Alive(k, q.id)
	q.there(k, q.name())
	if q.id == 0 || !q.run.Of(k) {
		// Its routines are NULL, or whatever the memory held: there is nothing to go on with.
		f := q.misuse(k, d.String()+" on a queue that is not initialised", "never initialised")
		ke.BugCheck(k, f)
	}
}

func (q *IO_CSQ) misused(k *irql.K, what, cause string) { ke.Report(k, q.misuse(k, what, cause)) }

func (q *IO_CSQ) misuse(k *irql.K, what, cause string) verify.Finding {
	f := verify.Finding{Rule: verify.OBJ_013, Case: cause, Obj: q.id.String(), Headline: what}
	if q.id != 0 && q.run.Of(k) {
		f.Headline = q.id.String() + ": " + what
		f.Places = []verify.Place{{Label: "INITIALISED", Seq: q.initSeq}}
	}
	return f
}
