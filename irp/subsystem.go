package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

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

// special returns the subsystem's rule for an act if p was given to one that has such a rule, else the
// general rule.
func (p *IRP) special(general verify.RuleID, pick func(*SubsystemRules) verify.RuleID) (verify.RuleID,
	[]verify.RuleID) {
	if p.sub != nil {
		if r := pick(p.sub); r != verify.NoRule {
			return r, []verify.RuleID{general}
		}
	}
	return general, nil
}

// SystemDriver makes a driver object and one device for a part of the system that is modelled in a package
// above: every major function is dispatch, and its code acts for the system driver of that name. It is not a
// routine of Windows.
func SystemDriver(k *irql.K, name string, dispatch DRIVER_DISPATCH, rules *SubsystemRules) *DEVICE_OBJECT {
	io := state.Of(k)
	drv := io.newDriver(ke.Of(k).NewImage(name))
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = dispatch
	}
	drv.system, drv.image.System = true, true
	dev := io.newDevice(drv, "")
	dev.Flags &^= DO_DEVICE_INITIALIZING
	dev.special = rules
	return dev
}

// Own reports whether the IRP is with the driver that made it, as opposed to one passed down from above.
func Own(p *IRP) bool { return p.backWithCreator() }

// Fresh reports whether the IRP has not been sent since it was made or made new with IoReuseIrp.
func Fresh(p *IRP) bool { return p.state == stCreator && !p.sent }
