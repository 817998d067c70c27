package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// KMUTANT is the structure of both: a mutant is initialised by KeInitializeMutant and does not keep normal
// kernel APCs from its owner. One that its owner ends with is abandoned: the next one to get it is told so
// with STATUS_ABANDONED.
type KMUTANT = KMUTEX

// KeInitializeMutant makes a mutant that nobody owns, or the calling thread.
//
// IRQL: not stated.
// Ownership: the mutant is the driver's; its memory must be nonpaged and outlive every waiter.
// Rules: LOCK-007, OBJ-001, POOL-026.
// Not modelled: that a callback returns while its thread owns a mutant is no finding.
// Reference: ntifs/nf-ntifs-keinitializemutant.
func KeInitializeMutant(k *K, mutant *KMUTANT, initialOwner bool) {
	const d = ddi.KeInitializeMutant
	ke.Enter(k, d)
	if mutant.fresh(k) && mutant.o.Waiters() == 0 {
		reportLockAgain(k, d, &mutant.resident, mutant.o.Owner != nil)
	}
	mutant.initialise(k, d, trace.Mutex, ke.MutexObject, 1)
	mutant.o.Mutant = true
	if initialOwner {
		ke.OwnMutant(k, &mutant.o)
	}
}

// KeReadStateMutant returns the state: 1 free, 0 and below owned.
//
// IRQL: not stated.
// Ownership: none.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: ntifs/nf-ntifs-kereadstatemutant.
func KeReadStateMutant(k *K, mutant *KMUTANT) int32 {
	return readState(k, &mutant.header, ddi.KeReadStateMutant, verify.LOCK_007)
}

// KeReleaseMutant gives back one acquisition, or with abandoned all of them, whoever owns the mutant, and
// returns the state before. For a caller that does not own it, and does not abandon it, it raises
// STATUS_MUTANT_NOT_OWNED, or STATUS_ABANDONED where the mutant was abandoned: here a panic with an
// Exception. On a mutex it is KeReleaseMutex.
//
// IRQL: not stated; <= APC_LEVEL with wait, like KeReleaseMutex.
// Ownership: only the owner may release.
// Rules: IRQL-013, LOCK-005, LOCK-007, LOCK-017, POOL-026.
// Not modelled: increment; the raised IRQL that wait = TRUE returns at.
// Reference: ntifs/nf-ntifs-kereleasemutant.
func KeReleaseMutant(k *K, mutant *KMUTANT, increment KPRIORITY, abandoned, wait bool) int32 {
	const d = ddi.KeReleaseMutant
	ke.Enter(k, d)
	if wait && ke.IRQL(k) > ke.APC {
		reportWaitFlag(k, d, ke.APC)
	}
	mutant.usable(k, d, verify.LOCK_007)
	if !abandoned && !ke.Owns(k, mutant.o.Owner) {
		notOwned(k, d, mutant)
	}
	mutant.point(k, d, ke.Releases(mutant.id))
	ke.Call(k, d, mutant.id)
	if wait {
		ke.PromiseWait(k, d)
	}
	if !mutant.o.Mutant && mutant.o.Owner != nil && (abandoned || mutant.o.Signal == 0) {
		mine := ke.Owns(k, mutant.o.Owner)
		if _, after, _ := ke.Unhold(ke.KOf(mutant.o.Owner), mutant); after > 0 && mine {
			reportMutexOrder(k, d, mutant.id)
		}
	}
	if abandoned {
		return ke.AbandonMutant(k, &mutant.o)
	}
	return ke.ReleaseMutex(k, &mutant.o)
}

// notOwned is LOCK-017: a release by a thread that is not the owner. What is raised says whether the mutex
// was abandoned (irp.md 15; W:nf-wdm-kereleasemutex).
func notOwned(k *K, d ddi.ID, mutex *KMUTEX) {
	status := ntstatus.STATUS_MUTANT_NOT_OWNED
	if mutex.o.Abandoned {
		status = ntstatus.STATUS_ABANDONED
	}
	f := verify.Finding{Rule: verify.LOCK_017, Obj: mutex.id.String(),
		Headline: fmt.Sprintf("%v on %v by %s that does not own it", d, mutex.id, caller(k)),
		Args:     [4]verify.Arg{{Value: fmt.Sprintf("0x%08X", uint32(status)), Meaning: status.String()}}}
	if mutex.o.Owner != nil {
		f.Also = []verify.RuleID{verify.LOCK_004}
		f.Headline += "; its owner is " + mutex.o.Owner.Name()
	}
	ke.Report(k, f)
	panic(Exception{status, d.String()})
}
