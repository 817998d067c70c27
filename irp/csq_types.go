package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// IO_CSQ is a cancel-safe queue: the library keeps cancel routine and removal apart, the driver's callbacks
// keep the IRPs. It lies in nonpaged driver memory.
type IO_CSQ struct {
	insert   IO_CSQ_INSERT_IRP
	insertEx IO_CSQ_INSERT_IRP_EX
	remove   IO_CSQ_REMOVE_IRP
	peek     IO_CSQ_PEEK_NEXT_IRP
	acquire  IO_CSQ_ACQUIRE_LOCK
	release  IO_CSQ_RELEASE_LOCK
	complete IO_CSQ_COMPLETE_CANCELED_IRP

	run     ke.Stamp
	id      trace.ID
	owner   *ke.Image
	n       int // IRPs in the queue
	lock    any // what AcquireLock took, nil while the queue is not locked
	initSeq uint64

	mortal
}

// IO_CSQ_IRP_CONTEXT names one IRP of a queue, so that it can be removed whatever became of it meanwhile.
type IO_CSQ_IRP_CONTEXT struct {
	Irp *IRP // nil once the IRP is out of the queue
	Csq *IO_CSQ

	mortal
}

// ID returns the id reports use for the queue.
func (q *IO_CSQ) ID() trace.ID { return q.id }

// Busy says why the memory of the queue must not go, "" when it may.
func (q *IO_CSQ) Busy() string {
	if q.n > 0 {
		return "is a cancel-safe queue with IRPs in it"
	}
	return ""
}

// BusyRule is the rule that freeing the memory of a queue with IRPs breaks.
func (q *IO_CSQ) BusyRule() verify.RuleID { return verify.OBJ_013 }

// Gone tells the queue that its memory is no more.
func (q *IO_CSQ) Gone(rule verify.RuleID, seq uint64) {
	*q = IO_CSQ{id: q.id, run: q.run}
	q.dies(rule, seq)
}

// name is how reports call the queue.
func (q *IO_CSQ) name() string {
	if q.id == 0 {
		return "a cancel-safe queue"
	}
	return q.id.String()
}

// Busy says why the memory of the context must not go, "" when it may.
func (c *IO_CSQ_IRP_CONTEXT) Busy() string {
	if c.Irp != nil && c.Irp.csq != nil && c.Irp.csqKey == any(c) {
		return "is the context of an IRP in a cancel-safe queue"
	}
	return ""
}

// BusyRule is the rule that freeing the context of a queued IRP breaks.
func (c *IO_CSQ_IRP_CONTEXT) BusyRule() verify.RuleID {
	return verify.OBJ_013
}

// Gone tells the context that its memory is no more.
func (c *IO_CSQ_IRP_CONTEXT) Gone(rule verify.RuleID, seq uint64) {
	*c = IO_CSQ_IRP_CONTEXT{}
	c.dies(rule, seq)
}

// admits reports whether the code that runs in k may touch an IRP that is in the queue: a callback of the
// queue, or code that holds the queue's lock.
func (q *IO_CSQ) admits(k *irql.K) bool {
	ke.Adds(k, ke.Reads(q.id))
	f := ke.Top(k)
	if f == nil || f.Kind == ke.FrameQueue && f.Object == q {
		return true
	}
	_, ok := ke.FindHeld(k, q.lock)
	return ok && q.lock != nil
}

// touchedInQueue reports OBJ-013 for code of the owner that touches an IRP it has put into a queue.
func (p *IRP) touchedInQueue(k *irql.K) {
	ke.Report(k, verify.Finding{Rule: verify.OBJ_013, Case: "touched in the queue",
		Also: []verify.RuleID{verify.IRP_005}, Obj: p.csq.id.String(), Dump: dumpIRP(p),
		Headline: fmt.Sprintf("%v is touched while it is in %v: it may be cancelled and completed meanwhile",
			p.id, p.csq.id),
		Places: []verify.Place{{Label: "QUEUED", Seq: p.csqSeq}}})
}
