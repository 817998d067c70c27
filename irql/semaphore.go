package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// KSEMAPHORE is a counted semaphore. It lies in driver memory and is initialised once.
type KSEMAPHORE struct{ header }

// KeInitializeSemaphore makes a semaphore with a count and the highest count it may have.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the semaphore is the driver's; its memory must be nonpaged and outlive every waiter.
// Rules: IRQL-001, OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keinitializesemaphore.
func KeInitializeSemaphore(k *K, semaphore *KSEMAPHORE, count, limit int32) {
	ke.Enter(k, ddi.KeInitializeSemaphore)
	semaphore.initialise(k, ddi.KeInitializeSemaphore, trace.Semaphore, ke.SemaphoreObject, count)
	semaphore.o.Limit = limit
}

// KeReleaseSemaphore adds adjustment to the count and wakes as many waiters as that allows. It returns the
// count before. Above the limit it raises STATUS_SEMAPHORE_LIMIT_EXCEEDED, here a panic with an Exception,
// and changes nothing.
//
// IRQL: <= DISPATCH_LEVEL, PASSIVE_LEVEL when wait is TRUE.
// Ownership: none.
// Rules: LOCK-024, IRQL-001, IRQL-013, OBJ-001, POOL-026.
// Not modelled: increment; the raised IRQL that wait = TRUE returns at.
// Reference: wdm/nf-wdm-kereleasesemaphore.
func KeReleaseSemaphore(k *K, semaphore *KSEMAPHORE, increment KPRIORITY, adjustment int32, wait bool) int32 {
	ke.Enter(k, ddi.KeReleaseSemaphore)
	if wait && ke.IRQL(k) > ke.Passive {
		reportWaitFlag(k, ddi.KeReleaseSemaphore, ke.Passive)
	}
	semaphore.usable(k, ddi.KeReleaseSemaphore, verify.OBJ_001)
	semaphore.setting++
	semaphore.point(k, ddi.KeReleaseSemaphore, ke.Sets(semaphore.id))
	semaphore.setting--
	count := semaphore.o.Signal
	if sum := count + adjustment; sum > semaphore.o.Limit || sum < count {
		ke.Report(k, verify.Finding{Rule: verify.LOCK_024, Obj: semaphore.id.String(),
			Headline: fmt.Sprintf("KeReleaseSemaphore of %d on %v with count %d and limit %d", adjustment,
				semaphore.id, count, semaphore.o.Limit)})
		panic(Exception{ntstatus.STATUS_SEMAPHORE_LIMIT_EXCEEDED, "KeReleaseSemaphore"})
	}
	ke.Call(k, ddi.KeReleaseSemaphore, semaphore.id)
	if wait {
		ke.PromiseWait(k, ddi.KeReleaseSemaphore)
	}
	return ke.SetSignal(k, &semaphore.o, count+adjustment)
}

// reportWaitFlag is IRQL-001 in the case of irql_condition: Wait = TRUE has a limit of its own.
func reportWaitFlag(k *K, d ddi.ID, limit uint8) {
	ke.Report(k, verify.Finding{Rule: verify.IRQL_001, Case: "Wait = TRUE", Obj: d.String(),
		AllowedIRQL: limit,
		Headline: fmt.Sprintf("%v with Wait = TRUE at %v, allowed is at most %v", d, KIRQL(ke.IRQL(k)),
			KIRQL(limit))})
}

// KeReadStateSemaphore returns the count.
//
// IRQL: any.
// Ownership: none.
// Rules: OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereadstatesemaphore.
func KeReadStateSemaphore(k *K, semaphore *KSEMAPHORE) int32 {
	return readState(k, &semaphore.header, ddi.KeReadStateSemaphore, verify.OBJ_001)
}
