package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// WAIT_TYPE says whether a wait is for all objects or for any of them.
type WAIT_TYPE int32

// The wait types.
const (
	WaitAll WAIT_TYPE = iota
	WaitAny
)

// KWAIT_REASON says why a thread waits; only debuggers look at it.
type KWAIT_REASON int32

// The reasons drivers give.
const (
	Executive      KWAIT_REASON = 0
	DelayExecution KWAIT_REASON = 4
	Suspended      KWAIT_REASON = 5
	UserRequest    KWAIT_REASON = 6
)

// Limits of KeWaitForMultipleObjects.
const (
	THREAD_WAIT_OBJECTS  = 3
	MAXIMUM_WAIT_OBJECTS = 64
)

// KWAIT_BLOCK is memory for a wait. Only its presence matters here.
type KWAIT_BLOCK struct {
	by  *K
	run ke.Stamp // the run by is of; a block may survive one
}

// waitable is a dispatcher object: KEVENT, KMUTEX, KSEMAPHORE, KTIMER, KTHREAD, KPROCESS, and those of other
// packages that have a header.
type waitable interface{ Header() *ke.Object }

// checked is a waitable of this package.
type checked interface {
	usable(k *K, d ddi.ID, unborn verify.RuleID)
	stackObject() bool
	still(k *K, d ddi.ID)
}

func (r *resident) stackObject() bool { return r.onStack }

// KeWaitForSingleObject waits until an object is signalled or the time-out has passed: nil waits for ever,
// 0 not at all, negative is relative, positive absolute, in units of 100 ns. A wait in UserMode also ends
// with STATUS_USER_APC when the thread is to end; an alertable one also for a user APC, and with
// STATUS_ALERTED for an alert. These and STATUS_TIMEOUT are success codes.
//
// IRQL: <= DISPATCH_LEVEL, <= APC_LEVEL unless timeout points to zero.
// Ownership: the object must stay until the wait is over.
// Rules: IRP-048, IRP-049, IRQL-011, IRQL-017, IRQL-021, LOCK-003, LOCK-007, OBJ-001, OBJ-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kewaitforsingleobject.
func KeWaitForSingleObject(k *K, object any, waitReason KWAIT_REASON, waitMode KPROCESSOR_MODE,
	alertable bool, timeout *int64) ntstatus.NTSTATUS {
	const d = ddi.KeWaitForSingleObject
	promised := ke.KeepPromise(k)
	ke.EnterAnyLevel(k, d)
	w := waitFor(k, d, object, waitMode)
	o := w.Header()
	checkWaitLevel(k, d, timeout, o.ID)
	mutex, _ := object.(*KMUTEX)
	if mutex != nil && !ke.Owns(k, mutex.o.Owner) && timeout == nil { // else the wait ends by itself
		noteOrder(k, d, o.ID)
	}
	watchWait(k, o, timeout)
	if e, ok := object.(*KEVENT); ok {
		e.notePlain(k)
	}
	if !promised {
		ke.Point(k, ke.WaitsOn(o.ID))
		stillThere(k, d, object)
	}
	if mutex != nil {
		mutex.limit(k, d)
	}
	objs := [1]*ke.Object{o}
	s := ke.WaitAs(k, waitHow(waitMode, alertable), objs[:], false, timeout, "KeWaitForSingleObject")
	ke.CallStatus(k, d, o.ID, uint32(s))
	if mutex != nil && !mutex.o.Mutant && s == ntstatus.STATUS_SUCCESS {
		mutex.acquired(k)
	}
	return s
}

// KeWaitForMultipleObjects waits for all or any of count objects. For any it returns STATUS_WAIT_0 plus the
// index of the object that ended the wait. waitMode and alertable are as in KeWaitForSingleObject.
//
// IRQL: <= DISPATCH_LEVEL, <= APC_LEVEL unless timeout points to zero.
// Ownership: objects and waitBlockArray must stay until the wait is over.
// Rules: IRQL-011, IRQL-017, IRQL-021, IRQL-022, LOCK-007, OBJ-001, OBJ-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kewaitformultipleobjects.
func KeWaitForMultipleObjects(k *K, count uint32, objects []any, waitType WAIT_TYPE, waitReason KWAIT_REASON,
	waitMode KPROCESSOR_MODE, alertable bool, timeout *int64,
	waitBlockArray []KWAIT_BLOCK) ntstatus.NTSTATUS {
	const d = ddi.KeWaitForMultipleObjects
	promised := ke.KeepPromise(k)
	ke.EnterAnyLevel(k, d)
	checkWaitCount(k, count, waitBlockArray)
	if int(count) > len(objects) {
		ke.Null(k, d, fmt.Sprintf("an Object array of %d for a Count of %d", len(objects), count))
	}
	objs := make([]*ke.Object, 0, MAXIMUM_WAIT_OBJECTS)
	for _, object := range objects[:count] {
		objs = append(objs, waitFor(k, d, object, waitMode).Header())
	}
	checkWaitLevel(k, d, timeout, objs[0].ID)
	for i := range waitBlockArray {
		waitBlockArray[i] = KWAIT_BLOCK{by: k, run: ke.StampOf(k)}
	}
	for _, o := range objs {
		watchWait(k, o, timeout)
	}
	if !promised {
		ke.Point(k, ke.WaitsOn(objs[0].ID))
		for _, object := range objects[:count] {
			stillThere(k, d, object)
		}
	}
	limits(k, d, objects[:count], waitType)
	s := ke.WaitAs(k, waitHow(waitMode, alertable), objs, waitType == WaitAll, timeout,
		"KeWaitForMultipleObjects")
	for i := range waitBlockArray {
		waitBlockArray[i].by = nil
	}
	ke.CallStatus(k, d, objs[0].ID, uint32(s))
	if s >= ntstatus.STATUS_USER_APC { // timed out, alerted or interrupted
		return s
	}
	for i, object := range objects[:count] {
		by := uint32(s &^ ntstatus.STATUS_ABANDONED_WAIT_0)
		if m, ok := object.(*KMUTEX); ok && !m.o.Mutant && (waitType == WaitAll || by == uint32(i)) {
			m.acquired(k)
		}
	}
	return s
}

func waitFor(k *K, d ddi.ID, object any, mode KPROCESSOR_MODE) waitable {
	w, ok := object.(waitable)
	if object == nil {
		ke.Null(k, d, "NULL for Object")
	}
	if !ok {
		panic(ke.Misuse(fmt.Sprintf("%v: a %T is no dispatcher object; pass the address of a KEVENT, "+
			"KMUTEX, KSEMAPHORE, KTIMER, or an EX_TIMER, KTHREAD or KPROCESS", d, object)))
	}
	c, ok := object.(checked)
	if !ok {
		return w
	}
	unborn := verify.OBJ_001
	switch object.(type) {
	case *KMUTEX:
		unborn = verify.LOCK_007
	case *KTIMER, *EX_TIMER:
		unborn = verify.OBJ_007
	}
	c.usable(k, d, unborn)
	if mode == UserMode && c.stackObject() {
		ke.Report(k, verify.Finding{Rule: verify.IRQL_021, Obj: w.Header().ID.String(),
			Headline: fmt.Sprintf("%v in UserMode for %v, a local variable: the stack may be paged out", d,
				w.Header().ID)})
	}
	return w
}

// stillThere looks once more at an object that a wait is about to begin for: its memory can be gone since
// waitFor.
func stillThere(k *K, d ddi.ID, object any) {
	if c, ok := object.(checked); ok {
		c.still(k, d)
	}
}

// checkWaitLevel is IRQL-011: at DISPATCH_LEVEL nothing can run in place of a thread that waits.
func checkWaitLevel(k *K, d ddi.ID, timeout *int64, id trace.ID) {
	now := ke.IRQL(k)
	poll := timeout != nil && *timeout == 0 && d != ddi.KeDelayExecutionThread
	if now <= ke.APC && !ke.IsDPC(k) || now == ke.Dispatch && poll {
		return
	}
	obj := id.String()
	if id == 0 {
		obj = d.String()
	}
	f := verify.Finding{Rule: verify.IRQL_011, Obj: obj, AllowedIRQL: ke.APC,
		Also: []verify.RuleID{verify.IRQL_001},
		Headline: fmt.Sprintf("%v at %v: no other thread can run on this processor until the level drops", d,
			KIRQL(now)),
		Args: verify.Params(nil, now, obj)}
	if ke.IsDPC(k) {
		f.Headline = fmt.Sprintf("%v in a DPC", d)
	}
	ke.Report(k, f)
}

func checkWaitCount(k *K, count uint32, blocks []KWAIT_BLOCK) {
	if count == 0 {
		panic(ke.Misuse("KeWaitForMultipleObjects for no object"))
	}
	f := verify.Finding{Rule: verify.IRQL_022, Obj: "KeWaitForMultipleObjects"}
	switch {
	case count > MAXIMUM_WAIT_OBJECTS:
		f.Headline = fmt.Sprintf("wait for %d objects, %d are the most", count, MAXIMUM_WAIT_OBJECTS)
	case count > THREAD_WAIT_OBJECTS && len(blocks) < int(count):
		f.Headline = fmt.Sprintf("wait for %d objects with a WaitBlockArray of %d", count, len(blocks))
		f.Case = "no WaitBlockArray"
	case sharedBlocks(k, blocks):
		f.Headline = "WaitBlockArray is in use by another wait"
		f.Case = "WaitBlockArray in use"
	default:
		return
	}
	ke.Report(k, f)
}

func sharedBlocks(k *K, blocks []KWAIT_BLOCK) bool {
	for i := range blocks {
		if b := &blocks[i]; b.by != nil && b.by != k && b.run.Of(k) {
			return true
		}
	}
	return false
}

// waitHow gives the mechanism the two parameters.
func waitHow(mode KPROCESSOR_MODE, alertable bool) ke.WaitHow {
	how := ke.WaitHow(0)
	if mode == UserMode {
		how = ke.WaitUser
	}
	if alertable {
		how |= ke.WaitAlertable
	}
	return how
}

// KeDelayExecutionThread lets time pass for the calling thread; the parameters are as in
// KeWaitForSingleObject, and so are STATUS_ALERTED and STATUS_USER_APC.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-011.
// Not modelled: none.
// Reference: wdm/nf-wdm-kedelayexecutionthread.
func KeDelayExecutionThread(k *K, waitMode KPROCESSOR_MODE, alertable bool,
	interval *int64) ntstatus.NTSTATUS {
	const d = ddi.KeDelayExecutionThread
	ke.EnterAnyLevel(k, d)
	checkWaitLevel(k, d, interval, 0)
	how := waitHow(waitMode, alertable)
	if how == 0 {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_SUCCESS))
		if *interval == 0 {
			ke.Yield(k)
		} else {
			ke.Sleep(k, *interval)
		}
		return ntstatus.STATUS_SUCCESS
	}
	if *interval == 0 {
		ke.Yield(k)
	}
	s := ke.SleepAs(k, how, *interval)
	ke.CallStatus(k, d, 0, uint32(s))
	return s
}
