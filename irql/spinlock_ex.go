package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// EX_SPIN_LOCK is a reader/writer spin lock: one context holds it, or several share it, and a waiting writer
// keeps new readers out. It lies in nonpaged driver memory; the zero value is free, as in Windows, where no
// routine initialises it.
type EX_SPIN_LOCK struct {
	resident
	lock ke.RWSpin
}

// Busy says what keeps the lock's memory in use, "" when nothing does.
func (l *EX_SPIN_LOCK) Busy() string {
	if l.lock.Held() {
		return "is held"
	}
	return ""
}

// StackGone is called when the routine whose local variable the lock is returns.
func (l *EX_SPIN_LOCK) StackGone(k *K) {
	reportHeldGone(k, &l.resident, l.Busy())
	l.stackGone(k)
}

// ready makes the lock one of this run at its first use.
func (l *EX_SPIN_LOCK) ready(k *K, d ddi.ID) {
	if l.run.Of(k) {
		l.usable(k, d, verify.LOCK_007)
		return
	}
	l.adopt(k, trace.SpinLock)
	ke.Nameless(k, l.id)
	l.initSeq = ke.Note(k, "first use of a reader/writer spin lock", l.id)
	l.lock.Init(l.id)
	l.checkPageable(k, d, trace.SpinLock)
}

// ExAcquireSpinLockShared raises to DISPATCH_LEVEL, takes the lock together with other readers and returns
// the level before.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-018, LOCK-003, LOCK-012, LOCK-025.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirespinlockshared.
func ExAcquireSpinLockShared(k *K, spinLock *EX_SPIN_LOCK) KIRQL {
	return spinLock.raise(k, ddi.ExAcquireSpinLockShared, exShared)
}

// ExAcquireSpinLockExclusive raises to DISPATCH_LEVEL, takes the lock alone and returns the level before.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-018, LOCK-003, LOCK-012, LOCK-025.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirespinlockexclusive.
func ExAcquireSpinLockExclusive(k *K, spinLock *EX_SPIN_LOCK) KIRQL {
	return spinLock.raise(k, ddi.ExAcquireSpinLockExclusive, exExclusive)
}

// ExAcquireSpinLockSharedAtDpcLevel takes the lock together with other readers; the level stays.
//
// IRQL: >= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-002, IRQL-018, LOCK-003, LOCK-025.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirespinlocksharedatdpclevel.
func ExAcquireSpinLockSharedAtDpcLevel(k *K, spinLock *EX_SPIN_LOCK) {
	ke.Enter(k, ddi.ExAcquireSpinLockSharedAtDpcLevel)
	spinLock.acquire(k, ddi.ExAcquireSpinLockSharedAtDpcLevel, exSharedAtDpc)
}

// ExAcquireSpinLockExclusiveAtDpcLevel takes the lock alone; the level stays.
//
// IRQL: >= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-002, IRQL-018, LOCK-003, LOCK-025.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirespinlockexclusiveatdpclevel.
func ExAcquireSpinLockExclusiveAtDpcLevel(k *K, spinLock *EX_SPIN_LOCK) {
	ke.Enter(k, ddi.ExAcquireSpinLockExclusiveAtDpcLevel)
	spinLock.acquire(k, ddi.ExAcquireSpinLockExclusiveAtDpcLevel, exExclusiveAtDpc)
}

// ExReleaseSpinLockShared gives up a share of the lock and restores the level of the acquisition.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-002, IRQL-006, IRQL-016, LOCK-002, LOCK-005, LOCK-010, LOCK-025, LOCK-027.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasespinlockshared.
func ExReleaseSpinLockShared(k *K, spinLock *EX_SPIN_LOCK, oldIrql KIRQL) {
	spinLock.release(k, ddi.ExReleaseSpinLockShared, exShared, oldIrql)
}

// ExReleaseSpinLockExclusive gives the lock back and restores the level of the acquisition.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-002, IRQL-006, IRQL-016, LOCK-002, LOCK-005, LOCK-010, LOCK-025, LOCK-027.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasespinlockexclusive.
func ExReleaseSpinLockExclusive(k *K, spinLock *EX_SPIN_LOCK, oldIrql KIRQL) {
	spinLock.release(k, ddi.ExReleaseSpinLockExclusive, exExclusive, oldIrql)
}

// ExReleaseSpinLockSharedFromDpcLevel gives up a share of the lock; the level stays.
//
// IRQL: >= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-002, LOCK-002, LOCK-005, LOCK-025, LOCK-027.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasespinlocksharedfromdpclevel.
func ExReleaseSpinLockSharedFromDpcLevel(k *K, spinLock *EX_SPIN_LOCK) {
	spinLock.release(k, ddi.ExReleaseSpinLockSharedFromDpcLevel, exSharedAtDpc, 0)
}

// ExReleaseSpinLockExclusiveFromDpcLevel gives the lock back; the level stays.
//
// IRQL: >= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-002, LOCK-002, LOCK-005, LOCK-025, LOCK-027.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleasespinlockexclusivefromdpclevel.
func ExReleaseSpinLockExclusiveFromDpcLevel(k *K, spinLock *EX_SPIN_LOCK) {
	spinLock.release(k, ddi.ExReleaseSpinLockExclusiveFromDpcLevel, exExclusiveAtDpc, 0)
}

// ExTryConvertSharedSpinLockExclusive makes a reader the writer if it is the only reader and no writer waits.
// After TRUE the lock is released as an exclusive one; after FALSE nothing has changed.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001, IRQL-002, LOCK-002, LOCK-025.
// Not modelled: none.
// Reference: wdm/nf-wdm-extryconvertsharedspinlockexclusive.
func ExTryConvertSharedSpinLockExclusive(k *K, spinLock *EX_SPIN_LOCK) bool {
	const d = ddi.ExTryConvertSharedSpinLockExclusive
	ke.Enter(k, d)
	spinLock.ready(k, d)
	h, ok := ke.FindHeld(k, spinLock)
	if !ok {
		spinLock.notHeld(k, d)
		return false
	}
	if h.Kind != exShared && h.Kind != exSharedAtDpc {
		spinLock.misuse(k, fmt.Sprintf("%v on %v, which this context holds exclusively", d, spinLock.id), h,
			"converted while exclusive")
	}
	spinLock.point(k, d, ke.Tries(spinLock.id))
	done := ke.UpgradeRWSpin(k, &spinLock.lock)
	ke.CallBool(k, d, spinLock.id, done)
	if h, ok = ke.FindHeld(k, spinLock); done && ok {
		h.Kind += exExclusive - exShared
		ke.OrderedAfter(k, spinLock) // readers that have left
	}
	return done
}

// raise is an acquisition that raises the level first.
func (l *EX_SPIN_LOCK) raise(k *K, d ddi.ID, kind uint8) KIRQL {
	ke.EnterAnyLevel(k, d)
	l.ready(k, d)
	checkSpinLevel(k, d, l.id, ke.Dispatch)
	old := ke.IRQL(k)
	l.check(k, d, kind)
	ke.PointRWSpin(k, ke.Acquires(l.id), &l.lock)
	if old < ke.Dispatch {
		ke.SetIRQL(k, ke.Dispatch)
	}
	l.take(k, d, kind, old)
	return KIRQL(old)
}

func (l *EX_SPIN_LOCK) acquire(k *K, d ddi.ID, kind uint8) {
	l.check(k, d, kind)
	ke.PointRWSpin(k, ke.Acquires(l.id), &l.lock)
	l.take(k, d, kind, ke.IRQL(k))
}

// check looks for a context that would wait for itself, and notes the order of locks.
func (l *EX_SPIN_LOCK) check(k *K, d ddi.ID, kind uint8) {
	l.ready(k, d)
	h, ok := ke.FindHeld(k, l)
	switch {
	case !ok:
		noteOrder(k, d, l.id)
	case !exclusiveKind(h.Kind) && exclusiveKind(kind):
		l.misuse(k, fmt.Sprintf("%v on %v, which this context shares: it would spin for itself", d, l.id), h,
			"exclusive while shared")
	default:
		l.misuse(k, fmt.Sprintf("%v on %v, which this context has acquired already", d, l.id), h,
			"recursive")
	}
}

func (l *EX_SPIN_LOCK) take(k *K, d ddi.ID, kind, saved uint8) {
	ke.AcquireRWSpin(k, &l.lock, exclusiveKind(kind))
	ke.Call(k, d, l.id)
	ke.Hold(k, ke.Held{Lock: l, ID: l.id, Kind: kind, Saved: saved, Spin: true})
}

func (l *EX_SPIN_LOCK) release(k *K, d ddi.ID, kind uint8, level KIRQL) {
	ke.Enter(k, d)
	l.ready(k, d)
	h, ok := ke.FindHeld(k, l)
	if !ok {
		l.notHeld(k, d)
		return
	}
	if h.Kind != kind {
		l.misuse(k, fmt.Sprintf("%v releases %v, which %s acquired", d, l.id, kindNames[h.Kind]), h,
			"another form of release")
	}
	lowers := kind == exShared || kind == exExclusive
	if lowers {
		checkNewIrql(k, d, level, h)
	}
	letGo(k, d, l, l.id)
	ke.ReleaseRWSpin(k, &l.lock, exclusiveKind(kind))
	if lowers {
		ke.SetIRQL(k, uint8(level))
	}
}

func exclusiveKind(kind uint8) bool { return kind == exExclusive || kind == exExclusiveAtDpc }

func (l *EX_SPIN_LOCK) misuse(k *K, headline string, h *ke.Held, cause string) {
	ke.Report(k, verify.Finding{Rule: verify.LOCK_025, Case: cause, Obj: l.id.String(), Headline: headline,
		Places: []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
}

func (l *EX_SPIN_LOCK) notHeld(k *K, d ddi.ID) {
	f := verify.Finding{Rule: verify.LOCK_002, Obj: l.id.String(),
		Headline: fmt.Sprintf("%v on %v, which this context does not hold", d, l.id),
		Args:     verify.Params(l.id)}
	if l.lock.Held() {
		f.Headline += "; " + l.lock.Holders() + " does"
	}
	ke.Report(k, f)
}
