package fwps

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// pendPatience is how long a classification may stay pended before that is worth a warning (MULL gives up
// after 10 s).
const pendPatience = 60 * ke.Second

// pendLoops is how often Complete(NULL) may lead to the next pend before that is worth a warning.
const pendLoops = 3

var (
	sitePend = ke.Site{Name: "fault/FwpsPendClassify0", Alts: []string{"succeeds",
		"STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wfp.md 8.1"}
	siteResume = ke.Site{Name: "doc/FwpsCompleteClassify0/resume", Alts: []string{"deferred", "inline"},
		Spec: "wfp.md 8.3, 21 #28"}
)

// FwpsPendClassify0 suspends the classification until FwpsCompleteClassify0. classifyFn then returns
// FWP_ACTION_BLOCK with FWPS_RIGHT_ACTION_WRITE cleared.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the engine takes a reference to the handle until completion.
// Returns: STATUS_SUCCESS; STATUS_FWP_CANNOT_PEND at a layer that cannot; STATUS_INVALID_PARAMETER,
// STATUS_FWP_NULL_POINTER for bad arguments; STATUS_INSUFFICIENT_RESOURCES when memory is short. A
// classification that is not pended is decided inline.
// Rules: WFP-001, WFP-009, WFP-041, WFP-063, WFP-064, WFP-066, WFP-067, WFP-073, WFP-074, WFP-075.
// Reference: fwpsk/nf-fwpsk-fwpspendclassify0.
func FwpsPendClassify0(k *irql.K, classifyHandle uint64, filterId uint64, flags uint32,
	classifyOut *FWPS_CLASSIFY_OUT0) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsPendClassify0)
	e := state.Of(k)
	h := e.handleFor(k, classifyHandle, "FwpsPendClassify0")
	if h == nil {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	cl := h.call
	ke.Point(k, ke.Writes(cl.c.id))
	s := cl.mayPend(k, filterId, flags, classifyOut)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &sitePend) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	seq := ke.CallStatus(k, ddi.FwpsPendClassify0, cl.c.id, uint32(s))
	switch {
	case s == ntstatus.STATUS_SUCCESS:
		ke.Adds(k, ke.Counts(cl.reg.tid))
		cl.pend, cl.pendSeq, cl.pendTime = pendPending, seq, e.m.Now()
		h.refs++
		cl.loops(k)
		if s, ok := cl.c.about.(*connect); ok {
			s.reportClaimedLoop(k)
		}
	case cl.pend == pendNone:
		cl.pend = pendFailed
	}
	return s
}

// mayPend makes the checks of FwpsPendClassify0.
func (cl *call) mayPend(k *ke.K, filterId uint64, flags uint32, out *FWPS_CLASSIFY_OUT0) ntstatus.NTSTATUS {
	switch {
	case !cl.running || !inCall(k, cl):
		cl.found(k, verify.WFP_009,
			"FwpsPendClassify0 is called outside of the classifyFn of "+cl.c.id.String(),
			"pend inside classifyFn; only completion comes later.")
		return ntstatus.STATUS_INVALID_PARAMETER
	case !cl.c.info.pendClassify:
		ke.Collect(k, verify.Finding{Rule: verify.WFP_064, Obj: cl.c.id.String(), Places: cl.places(),
			Headline: "FwpsPendClassify0 at " + cl.c.info.name + ", which cannot be pended this way",
			Fix:      "ALE_AUTH_CONNECT and its like are pended with FwpsPendOperation0."})
		return ntstatus.STATUS_FWP_CANNOT_PEND
	case filterId != cl.f.ID:
		cl.wrongFilter(k, "FwpsPendClassify0", filterId)
		return ntstatus.STATUS_INVALID_PARAMETER
	case out == nil:
		return ntstatus.STATUS_FWP_NULL_POINTER
	case cl.pend == pendPending || cl.pend == pendCompleted:
		cl.found(k, verify.WFP_075, "FwpsPendClassify0 is called twice for one call of classifyFn", "")
		return ntstatus.STATUS_INVALID_PARAMETER
	case cl.entry.Rights&write == 0:
		cl.found(k, verify.WFP_041,
			"FwpsPendClassify0 although FWPS_RIGHT_ACTION_WRITE was clear when classifyFn was called",
			"test the right first; without it the decision is somebody else's.")
	}
	return flagsZero(k, cl.c.id, "FwpsPendClassify0", flags)
}

// loops warns about a callout that pends again whenever it has asked to be called again.
func (cl *call) loops(k *ke.K) {
	n := 0
	for _, o := range cl.c.calls {
		if o.f == cl.f && o.completion != nil && o.completion.again {
			n++
		}
	}
	if n >= pendLoops {
		cl.found(k, verify.WFP_076,
			fmt.Sprintf("the classification is pended after it was completed with NULL %d times", n),
			"decide when the reason for pending is gone, or complete with a decision.")
	}
}

// FwpsCompleteClassify0 ends the pending of a classification: with the final answer of the callout, or with
// NULL to have everybody asked again. It takes the pend's reference to the handle.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: classifyOut stays the caller's. Filters may be evaluated, and callouts called, before it returns
// or later.
// Rules: WFP-001, WFP-040, WFP-052, WFP-063, WFP-068 to WFP-073, WFP-079, WFP-080, WFP-083.
// Reference: fwpsk/nf-fwpsk-fwpscompleteclassify0.
func FwpsCompleteClassify0(k *irql.K, classifyHandle uint64, flags uint32, classifyOut *FWPS_CLASSIFY_OUT0) {
	ke.Enter(k, ddi.FwpsCompleteClassify0)
	e := state.Of(k)
	h, _ := e.handles.find(classifyHandle).(*classifyRef)
	if h != nil {
		ke.Point(k, ke.Writes(h.call.c.id))
		if h.call.pend == pendCompleted {
			h.call.completedTwice(k)
			return
		}
	}
	if h = e.handleFor(k, classifyHandle, "FwpsCompleteClassify0"); h == nil {
		return
	}
	cl := h.call
	if cl.pend != pendPending {
		why := "was never pended"
		if cl.pend == pendFailed {
			why = "was not pended: FwpsPendClassify0 failed"
		}
		cl.found(k, verify.WFP_069, fmt.Sprintf("FwpsCompleteClassify0 on %v, which %s", cl.c.id, why),
			"complete only what FwpsPendClassify0 pended with STATUS_SUCCESS.")
		return
	}
	if flags != 0 {
		flagsZero(k, cl.c.id, "FwpsCompleteClassify0", flags)
	}
	if n := cl.outstanding(); n > 0 {
		cl.notApplied(k, n, "the classification is completed")
	}
	if t := e.m.Now() - cl.pendTime; t > pendPatience && !e.m.ClockRaces() {
		cl.found(k, verify.WFP_079, fmt.Sprintf("the classification was pended for %d s of virtual time",
			t/ke.Second),
			"complete pended classifications after a time-out of the driver's own.")
	}
	cl.completion = &completion{again: classifyOut == nil}
	if classifyOut == nil {
		cl.checkAgain(k)
	} else {
		cl.checkCompletion(k, classifyOut)
		cl.completion.out = *classifyOut
	}
	ke.Adds(k, ke.Counts(cl.reg.tid))
	e.holds(k, cl)
	cl.pend = pendCompleted
	cl.completeSeq = ke.Call(k, ddi.FwpsCompleteClassify0, cl.c.id)
	e.drop(h, cl.completeSeq)
	if cl.c.parked == cl {
		cl.c.resume(k, cl)
	}
}

// checkAgain is WFP-081, a note: a callout that completes with NULL is asked again by the filter that asked
// first, and that has gone. To delete filters first is right, so that nothing new is pended; what is pended
// may be completed afterwards, with a decision.
func (cl *call) checkAgain(k *ke.K) {
	ke.Adds(k, ke.Reads(cl.c.e.id))
	if i := ke.Acting(k); cl.f.Deleted && (i == nil || !i.Unloading) {
		cl.found(k, verify.WFP_081, "the classification is completed with NULL after its filter was "+
			"deleted: the callout is not asked again", "complete with a decision.")
	}
}

func (cl *call) completedTwice(k *ke.K) {
	ke.Report(k, verify.Finding{Rule: verify.WFP_068, Obj: cl.c.id.String(), BugCheck: 0x18,
		Headline: fmt.Sprintf("%v is completed a second time", cl.c.id),
		Places: append(cl.places()[:0:0], verify.Place{Label: "PENDED", Seq: cl.pendSeq},
			verify.Place{Label: "FIRST_COMPLETION", Seq: cl.completeSeq}),
		Fix: "take the record of the pended classification out of its list under a lock; whoever " +
			"gets it completes."})
}

// resume goes on with a classification that was parked: later in a context of its own, or now on the
// completing stack.
func (c *classification) resume(k *ke.K, cl *call) {
	defer ke.Leave(k, c.enters(k))
	c.parked, c.phase = nil, phRunning
	on := func(k *ke.K) {
		c.answer(k, cl)
		c.drive(k)
	}
	inline := false
	if c.info.level != levelPassive || ke.IRQL(k) == ke.Passive {
		inline = ke.Choose(k, &siteResume, 2) == 1
	}
	if inline {
		on(k)
		return
	}
	c.post(k, on)
}
