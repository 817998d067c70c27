package irql

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Guidelines for the time at DISPATCH_LEVEL (irp.md 14, 17). Virtual time passes there in
// KeStallExecutionProcessor and while a processor spins for a lock.
const (
	maxHeld = 25 * ke.Microsecond  // under one spin lock
	maxHigh = 100 * ke.Microsecond // in one DPC, or between raise and lower
)

// checkHeldTime is LOCK-027, a note, for a spin lock that has been released. Time spent under a lock that was
// reported does not count a second time as time at DISPATCH_LEVEL.
func checkHeldTime(k *K, h *ke.Held) {
	now := ke.Of(k).Now()
	if now-h.Time <= maxHeld || ke.Of(k).ClockRaces() {
		return
	}
	ke.MarkHigh(k)
	ke.Report(k, verify.Finding{Rule: verify.LOCK_027, Obj: h.ID.String(),
		Headline: fmt.Sprintf("%v was held for %d microseconds, the guideline is %d", h.ID,
			(now-h.Time)/ke.Microsecond, maxHeld/ke.Microsecond),
		Places: []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
}

// checkHighTime is IRQL-019, a note, for what began at DISPATCH_LEVEL when the level was marked last.
func checkHighTime(k *K, what string) {
	d := ke.Of(k).Now() - ke.HighSince(k)
	if d <= maxHigh || ke.Of(k).ClockRaces() {
		return
	}
	f := verify.Finding{Rule: verify.IRQL_019, Obj: what, AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%d microseconds at DISPATCH_LEVEL since %s, the guideline is %d",
			d/ke.Microsecond, what, maxHigh/ke.Microsecond)}
	if top := ke.Top(k); top != nil {
		if p, ok := top.Object.(*KDPC); ok {
			f.Obj = p.id.String()
		}
	}
	ke.Report(k, f)
}
