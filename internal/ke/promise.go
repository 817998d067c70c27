package ke

import (
	"strings"

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

// breaks reports IRQL-013: k promised a wait and does something else.
func breaks(k *K, next string) {
	k.owes = false
	by := k.promisedBy.String()
	Report(k, verify.Finding{Rule: verify.IRQL_013, Obj: by, AllowedIRQL: verify.AnyIRQL,
		Headline: by + " with Wait = TRUE, and instead of a wait " + next})
}

// fileRoutine reports whether d is one of the system services or file routines that IRQL-015 speaks of.
func fileRoutine(d ddi.ID) bool {
	name := d.String()
	return strings.HasPrefix(name, "Zw") || strings.HasPrefix(name, "Nt") ||
		strings.HasPrefix(name, "IoCreateFile")
}

// fileAbovePassive makes IRQL-015 of an IRQL-001.
func fileAbovePassive(k *K, d ddi.ID, f *verify.Finding) {
	f.Rule, f.Also = verify.IRQL_015, []verify.RuleID{verify.IRQL_001}
	f.Args = verify.Params(nil, d, LevelName(k.irql), apcWord(k.kernelAPC, k.specialAPC))
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

// lockBase is the number of locks held before the running callback. Callbacks of queues count as part of
// their caller, as in raiseBase.
func lockBase(k *K) int {
	for i := len(k.frames) - 1; i >= 0; i-- {
		if k.frames[i].Kind != FrameQueue {
			return k.frames[i].locks
		}
	}
	return 0
}
