package irql

import (
	"fmt"
	"math"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// KMUTEX is a mutex: a wait acquires it, also again by its owner, and normal kernel APCs are disabled for
// the owner.
type KMUTEX struct{ header }

// Busy says what keeps the mutex's memory in use, "" when nothing does.
func (m *KMUTEX) Busy() string {
	if m.o.Owner != nil {
		return "is owned"
	}
	return m.header.Busy()
}

// StackGone is called when the routine whose local variable the mutex is returns.
func (m *KMUTEX) StackGone(k *K) {
	if m.o.Owner != nil {
		reportHeldGone(k, &m.resident, m.Busy())
	}
	m.header.StackGone(k)
}

// KeInitializeMutex makes a mutex that nobody owns.
//
// IRQL: any.
// Ownership: the mutex is the driver's; its memory must be nonpaged and outlive every waiter.
// Rules: LOCK-007, OBJ-001, POOL-026.
// Not modelled: level.
// Reference: wdm/nf-wdm-keinitializemutex.
func KeInitializeMutex(k *K, mutex *KMUTEX, level uint32) {
	ke.Enter(k, ddi.KeInitializeMutex)
	if mutex.fresh(k) && mutex.o.Waiters() == 0 {
		reportLockAgain(k, ddi.KeInitializeMutex, &mutex.resident, mutex.o.Owner != nil)
	}
	mutex.initialise(k, ddi.KeInitializeMutex, trace.Mutex, ke.MutexObject, 1)
}

// KeReleaseMutex gives back one acquisition and returns the state before: 0 means that the mutex is free
// now. For a caller that does not own the mutex it raises STATUS_MUTANT_NOT_OWNED, here a panic with an
// Exception.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: only the owner may release.
// Rules: IRQL-013, LOCK-005, LOCK-007, LOCK-017, POOL-026.
// Not modelled: boosts; the raised IRQL that wait = TRUE returns at.
// Reference: wdm/nf-wdm-kereleasemutex.
func KeReleaseMutex(k *K, mutex *KMUTEX, wait bool) int32 {
	ke.Enter(k, ddi.KeReleaseMutex)
	if wait && ke.IRQL(k) > ke.APC {
		reportWaitFlag(k, ddi.KeReleaseMutex, ke.APC)
	}
	mutex.usable(k, ddi.KeReleaseMutex, verify.LOCK_007)
	if !ke.Owns(k, mutex.o.Owner) {
		notOwned(k, ddi.KeReleaseMutex, mutex)
	}
	mutex.point(k, ddi.KeReleaseMutex, ke.Releases(mutex.id))
	ke.Call(k, ddi.KeReleaseMutex, mutex.id)
	if wait {
		ke.PromiseWait(k, ddi.KeReleaseMutex)
	}
	if mutex.o.Signal == 0 {
		if _, after, _ := ke.Unhold(k, mutex); after > 0 {
			reportMutexOrder(k, ddi.KeReleaseMutex, mutex.id)
		}
	}
	return ke.ReleaseMutex(k, &mutex.o)
}

// reportMutexOrder is LOCK-005, a hazard: the lock was not the last one taken.
func reportMutexOrder(k *K, d ddi.ID, id trace.ID) {
	locks := ke.Locks(k)
	last := &locks[len(locks)-1]
	ke.Report(k, verify.Finding{Rule: verify.LOCK_005, Obj: id.String(),
		Headline: fmt.Sprintf("%v releases %v before %v, which was taken later", d, id, last.ID),
		Places:   []verify.Place{{Label: "TAKEN_LATER", Seq: last.Seq}}})
}

// KeReadStateMutex returns the state: 1 free, 0 and below owned.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereadstatemutex.
func KeReadStateMutex(k *K, mutex *KMUTEX) int32 {
	return readState(k, &mutex.header, ddi.KeReadStateMutex, verify.LOCK_007)
}

// limit raises when the caller owns m as often as its state can count (irp.md 15).
func (m *KMUTEX) limit(k *K, d ddi.ID) {
	if m.o.Signal == math.MinInt32 && ke.Owns(k, m.o.Owner) {
		ke.CallStatus(k, d, m.id, uint32(ntstatus.STATUS_MUTANT_LIMIT_EXCEEDED))
		panic(Exception{ntstatus.STATUS_MUTANT_LIMIT_EXCEEDED, d.String()})
	}
}

// limits is limit for the objects of a wait, as far as it looks at them at once: up to the first that decides
// it (IMPL, reactos: ntoskrnl/ke/wait.c, KeWaitForMultipleObjects).
func limits(k *K, d ddi.ID, objects []any, t WAIT_TYPE) {
	for _, object := range objects {
		if m, ok := object.(*KMUTEX); ok {
			m.limit(k, d)
		}
		if ke.Available(k, object.(waitable).Header()) == (t == WaitAny) {
			return
		}
	}
}

// acquired notes that a satisfied wait has made the caller owner of m.
func (m *KMUTEX) acquired(k *K) {
	if m.o.Signal == 0 {
		ke.Hold(k, ke.Held{Lock: m, ID: m.id, Kind: kernelMutex, Saved: ke.IRQL(k), AtReturn: verify.LOCK_017,
			AtEnd: verify.LOCK_015})
	}
}
