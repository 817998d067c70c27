package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// EX_PUSH_LOCK is a lock that one thread owns or several share, not recursively. It lies in driver memory,
// which may be pageable, and is initialised once.
type EX_PUSH_LOCK struct {
	resident
	lock ke.RWLock
}

// Busy says what keeps the lock's memory in use, "" when nothing does.
func (l *EX_PUSH_LOCK) Busy() string {
	if l.lock.Owned() {
		return "is held"
	}
	return ""
}

// StackGone is called when the routine whose local variable the lock is returns.
func (l *EX_PUSH_LOCK) StackGone(k *K) {
	reportHeldGone(k, &l.resident, l.Busy())
	l.stackGone(k)
}

// ExInitializePushLock makes a push lock that nobody holds.
//
// IRQL: not stated.
// Ownership: the lock is the driver's; its memory must outlive every holder.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exinitializepushlock.
func ExInitializePushLock(k *K, pushLock *EX_PUSH_LOCK) {
	const d = ddi.ExInitializePushLock
	ke.Enter(k, d)
	if pushLock.fresh(k) {
		reportLockAgain(k, d, &pushLock.resident, pushLock.lock.Owned())
	}
	*pushLock = EX_PUSH_LOCK{resident: pushLock.resident}
	pushLock.born(k, d, trace.PushLock)
	pushLock.lock.ID = pushLock.id
}

// ExAcquirePushLockExclusive acquires the lock for the calling thread alone.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-023.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirepushlockexclusive.
func ExAcquirePushLockExclusive(k *K, lock *EX_PUSH_LOCK) {
	lock.acquire(k, ddi.ExAcquirePushLockExclusive, ke.WantExclusive, pushExclusive)
}

// ExAcquirePushLockShared acquires the lock together with others; behind an exclusive request that waits it
// waits too.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: LOCK-003, LOCK-007, LOCK-023.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirepushlockshared.
func ExAcquirePushLockShared(k *K, lock *EX_PUSH_LOCK) {
	// INFERRED from resources, to which the documentation likens push locks.
	lock.acquire(k, ddi.ExAcquirePushLockShared, ke.WantShared, pushShared)
}

// ExReleasePushLockExclusive gives the lock back; who of those that wait is next is a choice.
//
// IRQL: <= APC_LEVEL.
// Ownership: the thread must hold the lock.
// Rules: LOCK-005, LOCK-006, LOCK-007, LOCK-023.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasepushlockexclusive.
func ExReleasePushLockExclusive(k *K, lock *EX_PUSH_LOCK) {
	lock.release(k, ddi.ExReleasePushLockExclusive, pushExclusive)
}

// ExReleasePushLockShared gives up a share of the lock.
//
// IRQL: <= APC_LEVEL.
// Ownership: the thread must hold the lock.
// Rules: LOCK-005, LOCK-006, LOCK-007, LOCK-023.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasepushlockshared.
func ExReleasePushLockShared(k *K, lock *EX_PUSH_LOCK) {
	lock.release(k, ddi.ExReleasePushLockShared, pushShared)
}

func (l *EX_PUSH_LOCK) acquire(k *K, d ddi.ID, want ke.Want, kind uint8) {
	ke.EnterAnyLevel(k, d)
	l.usable(k, d, verify.LOCK_007)
	l.checkLevel(k, d, "0xea")
	if n, _ := ke.RWCount(k, &l.lock); n > 0 {
		l.misuse(k, fmt.Sprintf("%v on %v, which this thread holds: push locks are not recursive", d, l.id),
			"recursive", nil)
	}
	l.point(k, d, ke.Acquires(l.id))
	noteOrder(k, d, l.id)
	if !ke.AcquireRW(k, &l.lock, want, true, d.String()) {
		return // a DPC, which cannot wait (reported)
	}
	ke.Call(k, d, l.id)
	ke.Hold(k, ke.Held{Lock: l, ID: l.id, Kind: kind, Saved: ke.IRQL(k), AtEnd: verify.LOCK_015})
}

func (l *EX_PUSH_LOCK) release(k *K, d ddi.ID, kind uint8) {
	ke.EnterAnyLevel(k, d)
	l.usable(k, d, verify.LOCK_007)
	if n, _ := ke.RWCount(k, &l.lock); n == 0 {
		l.notHeld(k, d)
		return
	}
	l.checkLevel(k, d, "0xeb")
	if h, ok := ke.FindHeld(k, l); ok && h.Kind != kind {
		ke.Report(k, verify.Finding{Rule: verify.LOCK_006, Obj: l.id.String(),
			Headline: fmt.Sprintf("%v releases %v, which %s acquired", d, l.id, kindNames[h.Kind]),
			Places:   []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
	}
	l.point(k, d, ke.Releases(l.id))
	if n, _ := ke.RWCount(k, &l.lock); n == 0 {
		l.notHeld(k, d) // an APC of the thread has released it meanwhile
		return
	}
	if _, after, _ := ke.Unhold(k, l); after > 0 {
		reportMutexOrder(k, d, l.id)
	}
	ke.Call(k, d, l.id)
	ke.ReleaseRW(k, &l.lock)
}

// notHeld reports a release by a context that does not hold the lock.
func (l *EX_PUSH_LOCK) notHeld(k *K, d ddi.ID) {
	headline := fmt.Sprintf("%v on %v by %s that does not hold it", d, l.id, caller(k))
	if l.lock.Owned() {
		headline += "; " + l.lock.Owners() + " does"
	}
	l.misuse(k, headline, "not held", nil)
}

// checkLevel looks at the level, and whether normal kernel APCs are kept off.
func (l *EX_PUSH_LOCK) checkLevel(k *K, d ddi.ID, sub string) {
	switch now := ke.IRQL(k); {
	case now > ke.APC:
		l.misuse(k, fmt.Sprintf("%v on %v at %v, where no thread can wait", d, l.id, KIRQL(now)),
			"at DISPATCH_LEVEL", sub)
	case !apcsKeptOff(k):
		l.misuse(k, fmt.Sprintf("%v on %v with normal kernel APCs enabled", d, l.id),
			"APCs enabled", sub)
	}
}

func (l *EX_PUSH_LOCK) misuse(k *K, headline, cause string, sub any) {
	kernel, special := ke.APCState(k)
	ke.Report(k, verify.Finding{Rule: verify.LOCK_023, Case: cause, Obj: l.id.String(), AllowedIRQL: ke.APC,
		Headline: headline, Args: verify.Params(sub, ke.IRQL(k), kernel+special, l.id)})
}
