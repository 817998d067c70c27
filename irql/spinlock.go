package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Kinds of acquisition, kept in ke.Held.Kind: a lock is released by the routine that matches.
const (
	spinRaise uint8 = iota + 1
	spinAtDpc
	spinQueued
	spinQueuedAtDpc
	kernelMutex
	fastMutex
	fastMutexUnsafe
	guardedMutex
	guardedMutexUnsafe
	exShared
	exSharedAtDpc
	exExclusive
	exExclusiveAtDpc
	ownedResource
	pushShared
	pushExclusive
	spinSynch
	spinForDpc
	spinQueuedForDpc
)

var kindNames = [...]string{"", "KeAcquireSpinLock", "KeAcquireSpinLockAtDpcLevel",
	"KeAcquireInStackQueuedSpinLock", "KeAcquireInStackQueuedSpinLockAtDpcLevel", "KeWaitForSingleObject",
	"ExAcquireFastMutex",
	"ExAcquireFastMutexUnsafe", "KeAcquireGuardedMutex", "KeAcquireGuardedMutexUnsafe",
	"ExAcquireSpinLockShared", "ExAcquireSpinLockSharedAtDpcLevel", "ExAcquireSpinLockExclusive",
	"ExAcquireSpinLockExclusiveAtDpcLevel", "ExAcquireResourceExclusiveLite or ExAcquireResourceSharedLite",
	"ExAcquirePushLockShared", "ExAcquirePushLockExclusive", "KeAcquireSpinLockRaiseToSynch",
	"KeAcquireSpinLockForDpc", "KeAcquireInStackQueuedSpinLockForDpc"}

// KSPIN_LOCK is a spin lock. It lies in driver memory and is initialised once.
type KSPIN_LOCK struct {
	resident
	lock ke.SpinLock
}

// Busy says what keeps the lock's memory in use, "" when nothing does.
func (l *KSPIN_LOCK) Busy() string {
	if l.lock.HeldBy() != nil {
		return "is held"
	}
	return ""
}

// StackGone is called when the routine whose local variable the lock is returns.
func (l *KSPIN_LOCK) StackGone(k *K) {
	reportHeldGone(k, &l.resident, l.Busy())
	l.stackGone(k)
}

func reportHeldGone(k *K, r *resident, busy string) {
	if busy == "" || !r.fresh(k) {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.LOCK_015, Obj: r.id.String(),
		Headline: fmt.Sprintf("%v %s when the routine it is a local variable of returns", r.id, busy),
		Places:   []verify.Place{{Label: "INITIALISED", Seq: r.initSeq}}})
}

// KLOCK_QUEUE_HANDLE stands for one acquisition of an in-stack queued spin lock.
type KLOCK_QUEUE_HANDLE struct {
	lock *KSPIN_LOCK
	by   *K
	old  KIRQL
}

// StackGone reports a handle that ends with a helper while its lock is held: the next waiter is linked
// through it. Rule: LOCK-015.
func (h *KLOCK_QUEUE_HANDLE) StackGone(k *K) {
	l := h.lock
	if h.by == nil || !l.run.Of(k) || !l.run.FunctionEnds() || l.lock.HeldBy() != h.by {
		return // a lock that a callback leaves held is LOCK-008
	}
	ke.Report(k, verify.Finding{Rule: verify.LOCK_015, Case: "handle of a helper", Obj: l.id.String(),
		Headline: fmt.Sprintf("the lock queue handle of %v is a local variable of a function that has "+
			"returned with the lock held", l.id)})
}

func (h *KLOCK_QUEUE_HANDLE) setOnStack() {}

// KeInitializeSpinLock initialises a spin lock.
//
// IRQL: any.
// Ownership: the lock is the driver's; its memory must be nonpaged and outlive every holder.
// Rules: LOCK-007.
// Not modelled: none.
// Reference: wdm/nf-wdm-keinitializespinlock.
func KeInitializeSpinLock(k *K, spinLock *KSPIN_LOCK) {
	ke.Enter(k, ddi.KeInitializeSpinLock)
	if spinLock.fresh(k) {
		reportLockAgain(k, ddi.KeInitializeSpinLock, &spinLock.resident, spinLock.lock.HeldBy() != nil)
	}
	*spinLock = KSPIN_LOCK{resident: spinLock.resident}
	spinLock.born(k, ddi.KeInitializeSpinLock, trace.SpinLock)
	spinLock.lock.ID = spinLock.id
}

// reportLockAgain is LOCK-007 for a lock that is initialised a second time: a hazard when it is idle.
func reportLockAgain(k *K, d ddi.ID, r *resident, held bool) {
	f := verify.Finding{Rule: verify.LOCK_007, Obj: r.id.String(), Warning: !held,
		Headline: fmt.Sprintf("%v on %v, which is initialised already", d, r.id),
		Places:   []verify.Place{{Label: "FIRST_INITIALISATION", Seq: r.initSeq}}}
	if held {
		f.Headline += " and held"
	}
	ke.Report(k, f)
}

// KeAcquireSpinLock raises to DISPATCH_LEVEL, stores the level before and takes the lock; it keeps the
// processor busy until the lock is free.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: oldIrql is written once the lock is taken.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-012.
// Not modelled: none.
// Reference: wdm/nf-wdm-keacquirespinlock.
func KeAcquireSpinLock(k *K, spinLock *KSPIN_LOCK, oldIrql *KIRQL) {
	*oldIrql = acquireRaising(k, spinLock, ddi.KeAcquireSpinLock, spinRaise)
}

// KeAcquireSpinLockRaiseToDpc is KeAcquireSpinLock with the level before as its result.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-012.
// Not modelled: none.
// Reference: wdm/nf-wdm-keacquirespinlockraisetodpc.
func KeAcquireSpinLockRaiseToDpc(k *K, spinLock *KSPIN_LOCK) KIRQL {
	return acquireRaising(k, spinLock, ddi.KeAcquireSpinLockRaiseToDpc, spinRaise)
}

// KeReleaseSpinLock gives the lock back and restores the level its acquisition stored.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-002, LOCK-005, LOCK-006, LOCK-009, LOCK-010, LOCK-027, IRQL-006, IRQL-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleasespinlock.
func KeReleaseSpinLock(k *K, spinLock *KSPIN_LOCK, newIrql KIRQL) {
	releaseSpin(k, spinLock, ddi.KeReleaseSpinLock, spinRaise, newIrql, nil)
}

// KeAcquireSpinLockAtDpcLevel takes the lock without changing the level, which is DISPATCH_LEVEL already.
//
// IRQL: <= HIGH_LEVEL, >= DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-011.
// Not modelled: none.
// Reference: wdm/nf-wdm-keacquirespinlockatdpclevel.
func KeAcquireSpinLockAtDpcLevel(k *K, spinLock *KSPIN_LOCK) {
	acquireAtDpc(k, spinLock, ddi.KeAcquireSpinLockAtDpcLevel, spinAtDpc)
}

// KeReleaseSpinLockFromDpcLevel gives the lock back and leaves the level alone.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-002, LOCK-005, LOCK-006, LOCK-011, LOCK-027.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleasespinlockfromdpclevel.
func KeReleaseSpinLockFromDpcLevel(k *K, spinLock *KSPIN_LOCK) {
	releaseSpin(k, spinLock, ddi.KeReleaseSpinLockFromDpcLevel, spinAtDpc, 0, nil)
}

// KeTryToAcquireSpinLockAtDpcLevel takes the lock if it is free and says whether it did. A caller that
// holds it already gets FALSE.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: LOCK-007, LOCK-011.
// Not modelled: none.
// Reference: wdm/nf-wdm-ketrytoacquirespinlockatdpclevel.
func KeTryToAcquireSpinLockAtDpcLevel(k *K, spinLock *KSPIN_LOCK) bool {
	const d = ddi.KeTryToAcquireSpinLockAtDpcLevel
	ke.EnterAnyLevel(k, d)
	spinLock.usable(k, d, verify.LOCK_007)
	checkAtDpc(k, d, spinLock)
	spinLock.point(k, d, ke.Tries(spinLock.id))
	if !ke.TryAcquireSpin(k, &spinLock.lock) {
		return false
	}
	holdSpin(k, spinLock, d, spinAtDpc, ke.IRQL(k))
	return true
}

// KeTestSpinLock says whether the lock is free.
//
// IRQL: not stated.
// Ownership: none.
// Rules: LOCK-007.
// Not modelled: none.
// Reference: wdm/nf-wdm-ketestspinlock.
func KeTestSpinLock(k *K, spinLock *KSPIN_LOCK) bool {
	ke.Enter(k, ddi.KeTestSpinLock)
	spinLock.usable(k, ddi.KeTestSpinLock, verify.LOCK_007)
	spinLock.point(k, ddi.KeTestSpinLock, ke.Reads(spinLock.id))
	return spinLock.lock.HeldBy() == nil
}

// KeAcquireInStackQueuedSpinLock is KeAcquireSpinLock with a place in a queue, which lockHandle holds.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: lockHandle belongs to this acquisition until the release.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-012, LOCK-028.
// Not modelled: the queue: who of several waiters comes first is a choice.
// Reference: wdm/nf-wdm-keacquireinstackqueuedspinlock.
func KeAcquireInStackQueuedSpinLock(k *K, spinLock *KSPIN_LOCK, lockHandle *KLOCK_QUEUE_HANDLE) {
	acquireQueued(k, spinLock, ddi.KeAcquireInStackQueuedSpinLock, spinQueued, lockHandle)
}

// KeReleaseInStackQueuedSpinLock gives the lock of lockHandle back and restores the level kept there.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: lockHandle is free again.
// Rules: LOCK-002, LOCK-005, LOCK-006, LOCK-009, LOCK-027, IRQL-006.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleaseinstackqueuedspinlock.
func KeReleaseInStackQueuedSpinLock(k *K, lockHandle *KLOCK_QUEUE_HANDLE) {
	releaseSpin(k, lockHandle.lock, ddi.KeReleaseInStackQueuedSpinLock, spinQueued, lockHandle.old,
		lockHandle)
	lockHandle.becomes(k, KLOCK_QUEUE_HANDLE{})
}

// KeAcquireInStackQueuedSpinLockAtDpcLevel is the queued form for callers at DISPATCH_LEVEL.
//
// IRQL: <= HIGH_LEVEL, >= DISPATCH_LEVEL.
// Ownership: lockHandle belongs to this acquisition until the release.
// Rules: LOCK-001, LOCK-003, LOCK-007, LOCK-011, LOCK-028.
// Not modelled: the queue: who of several waiters comes first is a choice.
// Reference: wdm/nf-wdm-keacquireinstackqueuedspinlockatdpclevel.
func KeAcquireInStackQueuedSpinLockAtDpcLevel(k *K, spinLock *KSPIN_LOCK, lockHandle *KLOCK_QUEUE_HANDLE) {
	const d = ddi.KeAcquireInStackQueuedSpinLockAtDpcLevel
	ke.EnterAnyLevel(k, d)
	checkHandle(k, d, lockHandle)
	acquireHere(k, spinLock, d, spinQueuedAtDpc)
	lockHandle.becomes(k, KLOCK_QUEUE_HANDLE{lock: spinLock, by: k})
}

// KeReleaseInStackQueuedSpinLockFromDpcLevel gives the lock of lockHandle back and leaves the level alone.
//
// IRQL: not stated.
// Ownership: lockHandle is free again.
// Rules: LOCK-002, LOCK-005, LOCK-006, LOCK-011, LOCK-027.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereleaseinstackqueuedspinlockfromdpclevel.
func KeReleaseInStackQueuedSpinLockFromDpcLevel(k *K, lockHandle *KLOCK_QUEUE_HANDLE) {
	const d = ddi.KeReleaseInStackQueuedSpinLockFromDpcLevel
	releaseSpin(k, lockHandle.lock, d, spinQueuedAtDpc, 0, lockHandle)
	lockHandle.becomes(k, KLOCK_QUEUE_HANDLE{})
}

func acquireRaising(k *K, l *KSPIN_LOCK, d ddi.ID, kind uint8) KIRQL {
	ke.EnterAnyLevel(k, d)
	return raiseAndAcquire(k, l, d, kind)
}

// acquireQueued is acquireRaising with a place in the queue.
func acquireQueued(k *K, l *KSPIN_LOCK, d ddi.ID, kind uint8, handle *KLOCK_QUEUE_HANDLE) {
	ke.EnterAnyLevel(k, d)
	checkHandle(k, d, handle)
	old := raiseAndAcquire(k, l, d, kind)
	handle.becomes(k, KLOCK_QUEUE_HANDLE{lock: l, by: k, old: old})
}

func raiseAndAcquire(k *K, l *KSPIN_LOCK, d ddi.ID, kind uint8) KIRQL {
	level := holderLevel(kind)
	checkSpinLevel(k, d, l.id, level)
	old := ke.IRQL(k)
	checkAcquire(k, l, d)
	ke.PointSpin(k, ke.Acquires(l.id), &l.lock)
	if old < level {
		ke.SetIRQL(k, level)
	}
	ke.AcquireSpin(k, &l.lock)
	holdSpin(k, l, d, kind, old)
	return KIRQL(old)
}

// holderLevel is the level that an acquisition raises to.
func holderLevel(kind uint8) uint8 {
	if kind == spinSynch {
		return uint8(SYNCH_LEVEL)
	}
	return ke.Dispatch
}

// checkSpinLevel is LOCK-012.
func checkSpinLevel(k *K, d ddi.ID, id trace.ID, level uint8) {
	if ke.IRQL(k) <= level {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.LOCK_012, Obj: id.String(), AllowedIRQL: level,
		Also: []verify.RuleID{verify.IRQL_001}, Headline: fmt.Sprintf("%v at %v", d, KIRQL(ke.IRQL(k)))})
}

func acquireAtDpc(k *K, l *KSPIN_LOCK, d ddi.ID, kind uint8) {
	ke.EnterAnyLevel(k, d)
	acquireHere(k, l, d, kind)
}

// acquireHere takes the lock at the level at hand.
func acquireHere(k *K, l *KSPIN_LOCK, d ddi.ID, kind uint8) {
	checkAcquire(k, l, d)
	checkAtDpc(k, d, l)
	ke.PointSpin(k, ke.Acquires(l.id), &l.lock)
	ke.AcquireSpin(k, &l.lock)
	holdSpin(k, l, d, kind, ke.IRQL(k))
}

func holdSpin(k *K, l *KSPIN_LOCK, d ddi.ID, kind, saved uint8) {
	ke.Call(k, d, l.id)
	ke.Hold(k, ke.Held{Lock: l, ID: l.id, Kind: kind, Saved: saved, Spin: true})
}

func checkAcquire(k *K, l *KSPIN_LOCK, d ddi.ID) {
	l.usable(k, d, verify.LOCK_007)
	h, ok := ke.FindHeld(k, l)
	if !ok {
		noteOrder(k, d, l.id)
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.LOCK_001, Obj: l.id.String(),
		Headline: fmt.Sprintf("%v on %v, which this context holds: it would spin for ever", d, l.id),
		Args:     verify.Params(l.id), Places: []verify.Place{{Label: "FIRST_ACQUISITION", Seq: h.Seq}}})
}

// checkAtDpc is LOCK-011: below DISPATCH_LEVEL an error, above it a hazard.
func checkAtDpc(k *K, d ddi.ID, l *KSPIN_LOCK) {
	now := ke.IRQL(k)
	if now == ke.Dispatch {
		return
	}
	f := verify.Finding{Rule: verify.LOCK_011, Obj: l.id.String(), AllowedIRQL: ke.Dispatch,
		Warning:  now > ke.Dispatch,
		Headline: fmt.Sprintf("%v at %v, it is for callers at DISPATCH_LEVEL", d, KIRQL(now))}
	if !f.Warning {
		f.Also = []verify.RuleID{verify.IRQL_002}
	}
	ke.Report(k, f)
}

// becomes makes h stand for an acquisition, or for none. Nothing tells when the memory of a handle ends, so
// that its footprint is its address.
func (h *KLOCK_QUEUE_HANDLE) becomes(k *K, v KLOCK_QUEUE_HANDLE) {
	ke.Adds(k, ke.Writes(ke.AddrID(k, h)))
	*h = v
}

func checkHandle(k *K, d ddi.ID, h *KLOCK_QUEUE_HANDLE) {
	ke.Adds(k, ke.Writes(ke.AddrID(k, h)))
	if h.by == nil || !h.lock.run.Of(k) || h.lock.lock.HeldBy() != h.by {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.LOCK_028, Obj: h.lock.id.String(),
		Headline: fmt.Sprintf("%v with a lock queue handle that stands for an acquisition of %v", d,
			h.lock.id)})
}
