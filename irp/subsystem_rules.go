package irp

import "calloutsim/internal/verify"

// SubsystemRules names, for a part of the system that takes IRPs of its own accord (WSK), the rules that are
// more specific than those of this package for the same act (rules.md 12). Zero members keep the general
// rule.
type SubsystemRules struct {
	NoRoutine      verify.RuleID // own IRP without a completion routine; general IRP-036
	MissingFlag    verify.RuleID // a flag of the routine is missing; IRP-071
	PastTop        verify.RuleID // the routine lets the climb go on; IRP-036, IRP-050
	NoLocation     verify.RuleID // IRP-004
	Reinitialised  verify.RuleID // freed or reused while the subsystem has it; IRP-030, IRP-038
	SentTwice      verify.RuleID // IRP-003
	Completed      verify.RuleID // IRP-002
	WrongReuse     verify.RuleID // IRP-037
	WrongFree      verify.RuleID // IRP-033
	NotPropagated  verify.RuleID // IRP-011
	NeverResumed   verify.RuleID // IRP-068
	Leaked         verify.RuleID // IRP-040
	ReadPending    verify.RuleID // IRP-005 while the subsystem has it
	TouchedFreed   verify.RuleID // IRP-005 after it was freed
	FreedCancelled verify.RuleID // freed early after IoCancelIrp; IRP-030
	CancelStranger verify.RuleID // IRP-028
	CancelFreed    verify.RuleID // IRP-023
}
