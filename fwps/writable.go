package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// outstanding counts copies that were not applied.
func (cl *call) outstanding() int {
	n := 0
	for _, w := range cl.writables {
		if !w.applied {
			n++
		}
	}
	return n
}

func (cl *call) notApplied(k *ke.K, n int, when string) {
	f := verify.Finding{Rule: verify.WFP_083, Obj: cl.c.id.String(), Places: cl.places(),
		Headline: fmt.Sprintf("%s with %d acquired writable copies not applied", when, n),
		Fix: "call FwpsApplyModifiedLayerData0 on every path after a successful " +
			"FwpsAcquireWritableLayerDataPointer0, changed or not."}
	for _, w := range cl.writables {
		if !w.applied {
			f.Places = append(f.Places, verify.Place{Label: "ACQUIRED", Seq: w.seq})
		}
	}
	ke.Report(k, f)
}

// pokedAfterApply looks for writes into copies that had been applied.
func (c *classification) pokedAfterApply(k *ke.K) {
	for _, cl := range c.calls {
		for _, w := range cl.writables {
			if w.applied && w.poked() {
				ke.Report(k, verify.Finding{Rule: verify.WFP_095, Obj: c.id.String(),
					Driver: imageNameOf(cl.reg.owner),
					Also:   []verify.RuleID{verify.POOL_013}, Places: cl.places(),
					Headline: "the writable copy of the request was written after it had been applied",
					Fix:      "do not keep the pointer beyond FwpsApplyModifiedLayerData0."})
			}
		}
	}
}
