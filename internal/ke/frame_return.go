package ke

import (
	"fmt"

	"calloutsim/internal/verify"
)

// returnState reports what a callback left changed.
func returnState(k *K, f *Frame) {
	if f.excused {
		return
	}
	if len(k.locks) > f.locks && f.Kind != FrameUser {
		lockLeft(k, f)
		return // level and APC state differ because of the lock
	}
	if k.irql != f.irql {
		levelLeft(k, f)
	}
	if k.kernelAPC != f.kernel && !mayLeave(k, f) || k.specialAPC != f.special {
		apcStateLeft(k, f)
	}
}

func lockLeft(k *K, f *Frame) {
	h := k.locks[len(k.locks)-1]
	rule, cause := h.AtReturn, "held at the return"
	switch {
	case f.Kind == FrameThread && h.AtEnd != verify.NoRule:
		rule = h.AtEnd
	case rule == verify.NoRule:
		rule, cause = verify.LOCK_008, ""
	}
	Report(k, verify.Finding{Rule: rule, Case: cause, Obj: h.ID.String(), Also: levelAlso(k, f),
		Headline: fmt.Sprintf("%v routine %s returns holding %v", f.Kind, FuncName(f.Fn), h.ID),
		Places:   []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
	Excuse(k)
}

// Excuse keeps the callbacks that k is in from being reported for a level, APC state or lock that one inside
// of them left and that has been reported, in a run that goes on: one act, one finding (rules.md 12).
func Excuse(k *K) {
	for i := range k.frames {
		k.frames[i].excused = true
	}
}

// levelAlso is the rule that the level breaks which a lock left behind (LOCK-008, rules.md 12).
func levelAlso(k *K, f *Frame) []verify.RuleID {
	switch {
	case k.irql == f.irql:
		return nil
	case f.Kind == FrameDispatch:
		return []verify.RuleID{verify.IRP_057}
	case f.Kind == FrameCompletion:
		return []verify.RuleID{verify.IRP_052}
	}
	return []verify.RuleID{verify.IRQL_007}
}

// levelLeft reports IRQL-007 or the rule of the role.
func levelLeft(k *K, f *Frame) {
	fn := FuncName(f.Fn)
	v := verify.Finding{Rule: verify.IRQL_007, Obj: f.Obj.String(), AllowedIRQL: f.irql,
		Headline: fmt.Sprintf("%v routine %s was entered at %s and returns at %s", f.Kind, fn,
			LevelName(f.irql), LevelName(k.irql))}
	switch f.Kind {
	case FrameDispatch:
		v.Rule, v.Args = verify.IRP_057, verify.Params(nil, fn, f.irql, k.irql)
	case FrameCompletion:
		v.Rule, v.Args = verify.IRP_052, verify.Params(nil, fn, f.irql, k.irql)
	case FrameCancel:
		v.Rule = verify.IRP_025
	}
	Report(k, v)
	Excuse(k)
}

// apcStateLeft reports LOCK-019 or the rule of the role.
func apcStateLeft(k *K, f *Frame) {
	fn := FuncName(f.Fn)
	v := verify.Finding{Rule: verify.LOCK_019, Obj: f.Obj.String(),
		Headline: fmt.Sprintf("%v routine %s changes the APC state: kernel %d -> %d, special %d -> %d",
			f.Kind, fn,
			f.kernel, k.kernelAPC, f.special, k.specialAPC)}
	// Windows keeps both counts in one word: the kernel count in the low half, the special one in the high
	// half.
	before, now := apcWord(f.kernel, f.special), apcWord(k.kernelAPC, k.specialAPC)
	switch f.Kind {
	case FrameDispatch:
		v.Rule, v.Args = verify.IRP_058, verify.Params(nil, fn, now, before)
	case FrameCompletion:
		v.Rule, v.Case, v.Args = verify.IRP_052, "APC state", verify.Params(nil, fn, now, before)
	case FrameThread, FrameWorkItem, FrameEntry, FrameUnload, FrameUser:
		v.Rule, v.Args = verify.IRQL_020, verify.Params(fn, nil, now)
	}
	Report(k, v)
	Excuse(k)
}

// apcWord is CombinedApcDisable.
func apcWord(kernel, special int) string {
	return fmt.Sprintf("0x%x", uint32(uint16(special))<<16|uint32(uint16(kernel)))
}

// mayLeave allows the one change of the APC state that is none: a system thread starts inside one critical
// region, and may end inside or outside of it (irp.md 16).
func mayLeave(k *K, f *Frame) bool {
	return f.Kind == FrameThread && f.kernel == -1 && k.kernelAPC == 0
}
