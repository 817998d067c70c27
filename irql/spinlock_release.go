package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// releaseSpin is every release of a spin lock. level is the new IRQL for the forms that lower it, handle
// that of a queued form.
func releaseSpin(k *K, l *KSPIN_LOCK, d ddi.ID, kind uint8, level KIRQL, handle *KLOCK_QUEUE_HANDLE) {
	ke.EnterAnyLevel(k, d)
	if l == nil {
		reportNotHeld(k, d, "no lock", nil)
		return
	}
	l.usable(k, d, verify.LOCK_007)
	h, ok := ke.FindHeld(k, l)
	if !ok {
		reportNotHeld(k, d, l.id.String(), l)
		return
	}
	lowers := kind != spinAtDpc && kind != spinQueuedAtDpc
	checkReleaseLevel(k, l, d, lowers, holderLevel(h.Kind))
	if h.Kind != kind && !(kind == spinRaise && h.Kind == spinSynch) {
		ke.Report(k, verify.Finding{Rule: verify.LOCK_006, Obj: l.id.String(),
			Headline: fmt.Sprintf("%v releases %v, which %s acquired", d, l.id, kindNames[h.Kind]),
			Places:   []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
	}
	if lowers {
		checkNewIrql(k, d, level, h)
	}
	letGo(k, d, l, l.id)
	ke.ReleaseSpin(k, &l.lock)
	if lowers {
		ke.SetIRQL(k, uint8(level))
	}
}

// letGo takes a spin lock of either kind from the locks that k holds.
func letGo(k *K, d ddi.ID, lock any, id trace.ID) {
	ke.Point(k, ke.Releases(id))
	held, after, _ := ke.Unhold(k, lock)
	if after > 0 {
		reportMutexOrder(k, d, id)
	}
	checkHeldTime(k, &held)
	ke.Call(k, d, id)
}

func reportNotHeld(k *K, d ddi.ID, what string, l *KSPIN_LOCK) {
	f := verify.Finding{Rule: verify.LOCK_002, Obj: what,
		Headline: fmt.Sprintf("%v on %s, which this context does not hold", d, what),
		Args:     verify.Params(what)}
	if l != nil {
		if by := l.lock.HeldBy(); by != nil {
			f.Headline += "; " + ke.ContextName(by) + " does"
		}
	}
	ke.Report(k, f)
}

func checkReleaseLevel(k *K, l *KSPIN_LOCK, d ddi.ID, lowers bool, level uint8) {
	now := ke.IRQL(k)
	switch {
	case now == level:
		return
	case !lowers:
		checkAtDpc(k, d, l)
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.LOCK_009, Obj: l.id.String(), AllowedIRQL: level,
		Also: []verify.RuleID{verify.IRQL_002},
		Headline: fmt.Sprintf("%v on %v at %v, the holder of a spin lock is at %v", d, l.id,
			KIRQL(now), KIRQL(level))})
}

// checkNewIrql looks at the level a release goes to: LOCK-010, IRQL-016, and IRQL-006 when it is the right
// one for this lock but another spin lock is still held.
func checkNewIrql(k *K, d ddi.ID, level KIRQL, h *ke.Held) {
	if uint8(level) == h.Saved && !drops(k, level, h.Lock) {
		return
	}
	f := verify.Finding{Obj: h.ID.String(), Places: []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}},
		Headline: fmt.Sprintf("%v releases %v to %v, but its acquisition returned %v", d, h.ID, level,
			KIRQL(h.Saved))}
	switch {
	case level > HIGH_LEVEL:
		f.Rule, f.Case = verify.IRQL_016, "released"
		f.Headline = fmt.Sprintf("%v with the level %d, which is none", d, uint8(level))
	case uint8(level) != h.Saved:
		f.Rule = verify.LOCK_010
	default:
		f.Rule = verify.IRQL_006
		describeDrop(k, level, h.Lock, &f, "released in a DPC", "released under another lock")
	}
	ke.Report(k, f)
}
