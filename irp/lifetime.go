package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// mortal is what an object in driver memory knows about the end of that memory: the rule that later uses
// break (POOL-013 for pool, POOL-026 for a stack) and the event that ended it.
type mortal struct {
	goneRule verify.RuleID
	goneSeq  uint64
}

// dies is the part of Gone that all objects have in common.
func (o *mortal) dies(rule verify.RuleID, seq uint64) { o.goneRule, o.goneSeq = rule, seq }

// there reports a use of the object, which reports call name, after its memory went; false says so to a
// caller that goes on.
func (o *mortal) there(k *irql.K, name string) bool {
	ke.CheckFunctions(k)
	if o.goneRule == verify.NoRule {
		return true
	}
	f := verify.Finding{Rule: o.goneRule, Obj: name, BugCheck: 0xD5,
		Headline: fmt.Sprintf("%s is used after its memory was freed", name),
		Args: [4]verify.Arg{arg(name, "memory referenced"), arg("0", "0 read, 1 write"),
			arg("0x0", "code address"), arg("0x0", "reserved")}}
	if o.goneRule == verify.POOL_026 {
		f.BugCheck, f.Headline = 0xDC, name+" is used, but the routine whose stack it was on has returned"
		f.Args = [4]verify.Arg{arg(name, "address below the stack pointer")}
	}
	if ke.Of(k).Log().At(o.goneSeq) != nil {
		f.Places = []verify.Place{{Label: "MEMORY_GONE", Seq: o.goneSeq}}
	}
	ke.Report(k, f)
	return false
}
