package ke

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/verify"
)

// PromiseWait notes that k passed TRUE for Wait to routine d: its next call is a wait, or IRQL-013.
func PromiseWait(k *K, d ddi.ID) { k.owes, k.promisedBy = true, d }

// KeepPromise says whether k promised to wait, and forgets it. It is the first thing a wait asks, before
// Enter: with nothing in between, nobody else runs between the signal and the wait.
func KeepPromise(k *K) bool {
	if k == nil || !k.owes {
		return false
	}
	k.owes = false
	return true
}

// CanTakeAPC reports whether special kernel APCs, with which the thread's own requests end, can be delivered
// to k's thread.
func CanTakeAPC(k *K) bool { return k.irql < APC && k.specialAPC >= 0 }

// HighSince returns when k's level reached DISPATCH_LEVEL, by a raise or because a DPC began.
func HighSince(k *K) int64 { return k.highSince }

// MarkHigh notes that k's level reaches DISPATCH_LEVEL now.
func MarkHigh(k *K) { k.highSince = k.m.now }

// LeavesDriver reports LOCK-013 when the running routine calls out of its driver, to the routine of that
// name, with a spin lock held.
func LeavesDriver(k *K, name string) {
	if len(k.locks) > 0 {
		leavesHolding(k, name)
	}
}

func leavesHolding(k *K, name string) {
	h, ok := HoldsSpin(k)
	if !ok {
		return
	}
	Report(k, verify.Finding{Rule: verify.LOCK_013, Obj: h.ID.String(),
		Headline: name + " with " + h.ID.String() + " held: who is called may need it, or call back",
		Places:   []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
}
