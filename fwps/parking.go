package fwps

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// pendState is how far the pending of one call has come (wfp.md 8.3).
type pendState uint8

const (
	pendNone pendState = iota
	pendFailed
	pendPending
	pendCompleted
)

// completion is what FwpsCompleteClassify0 was given.
type completion struct {
	again bool // classifyOut was NULL: classify once more
	out   FWPS_CLASSIFY_OUT0
}

// classifyRef is what FwpsAcquireClassifyHandle0 gives a callout for one call.
//
// Invariant: refs == acquired - released + 1 while the call is pended, and never negative.
type classifyRef struct {
	id       trace.ID
	num      uint64
	call     *call
	refs     int
	acquired int
	released int
	seq      uint64
	lastSeq  uint64 // of the release that was the last
}

// pendPatience is how long a classification may stay pended before that is worth a warning (MULL gives up
// after 10 s).
const pendPatience = 60 * ke.Second

// pendLoops is how often Complete(NULL) may lead to the next pend before that is worth a warning.
const pendLoops = 3

var (
	siteAcquireHandle = ke.Site{Name: "fault/FwpsAcquireClassifyHandle0",
		Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"},
		Spec: "wfp.md 8.1"}
	sitePend = ke.Site{Name: "fault/FwpsPendClassify0", Alts: []string{"succeeds",
		"STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wfp.md 8.1"}
	siteResume = ke.Site{Name: "doc/FwpsCompleteClassify0/resume", Alts: []string{"deferred", "inline"},
		Spec: "wfp.md 8.3, 21 #28"}
)

// FwpsAcquireClassifyHandle0 gives classifyFn a handle by which the classification can be pended, changed and
// completed. Each acquire needs one release.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller has one reference.
// Rules: WFP-001, WFP-009, WFP-061, WFP-073, WFP-082.
// Reference: fwpsk/nf-fwpsk-fwpsacquireclassifyhandle0.
func FwpsAcquireClassifyHandle0(k *irql.K, classifyContext any, flags uint32,
	classifyHandle *uint64) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsAcquireClassifyHandle0)
	e := state.Of(k)
	cl, s := e.contextCall(k, classifyContext)
	if s == ntstatus.STATUS_SUCCESS {
		ke.Point(k, ke.Use{Obj: cl.c.id, How: ke.W})
		s = flagsZero(k, cl.c.id, "FwpsAcquireClassifyHandle0", flags)
	}
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteAcquireHandle) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if s != ntstatus.STATUS_SUCCESS {
		ke.CallStatus(k, ddi.FwpsAcquireClassifyHandle0, 0, uint32(s))
		return s
	}
	h := cl.handle
	if h == nil || h.refs == 0 {
		h = newClassifyRef(e, cl)
	}
	h.refs++
	h.acquired++
	h.seq = ke.CallStatus(k, ddi.FwpsAcquireClassifyHandle0, h.id, uint32(s))
	*classifyHandle = h.num
	return s
}

func newClassifyRef(e *engine, cl *call) *classifyRef {
	h := &classifyRef{id: e.m.NewID(trace.ClassifyHandle), call: cl}
	h.num = e.handles.add(h)
	e.acquired = append(e.acquired, h)
	cl.handle = h
	return h
}

// contextCall finds the call a classifyContext belongs to and checks that its classifyFn is the one that
// runs.
func (e *engine) contextCall(k *ke.K, ctx any) (*call, ntstatus.NTSTATUS) {
	cc, _ := ctx.(*classifyContext)
	if cc != nil {
		ke.Adds(k, ke.Use{Obj: cc.call.c.id, How: ke.R})
	}
	f := verify.Finding{Rule: verify.WFP_009, Obj: "classify"}
	switch {
	case cc == nil:
		f.Headline = "FwpsAcquireClassifyHandle0 without the classifyContext of a classifyFn"
		f.Fix = "pass on the classifyContext that classifyFn received; it is NULL at layers without " +
			"classify handles."
	case !cc.call.running:
		f.Rule, f.Obj, f.BugCheck = verify.WFP_082, cc.call.c.id.String(), 0xD1
		f.Headline = "FwpsAcquireClassifyHandle0 with the classifyContext of a classifyFn that has returned"
		f.Places = cc.call.places()
		f.Fix = "acquire the handle inside classifyFn and keep the handle."
	case !inCall(k, cc.call):
		f.Obj, f.Places = cc.call.c.id.String(), cc.call.places()
		f.Headline = "FwpsAcquireClassifyHandle0 outside of the classifyFn its classifyContext belongs to"
	default:
		return cc.call, ntstatus.STATUS_SUCCESS
	}
	ke.Report(k, f)
	return nil, ntstatus.STATUS_INVALID_PARAMETER
}

// inCall reports whether k is inside the classifyFn of the call.
func inCall(k *ke.K, cl *call) bool {
	for _, f := range ke.Frames(k) {
		if f.Object == any(cl) {
			return true
		}
	}
	return false
}

// flagsZero checks an argument that must be zero.
func flagsZero(k *ke.K, id trace.ID, what string, flags uint32) ntstatus.NTSTATUS {
	if flags == 0 {
		return ntstatus.STATUS_SUCCESS
	}
	ke.Collect(k, verify.Finding{Rule: verify.WFP_073, Obj: id.String(),
		Headline: fmt.Sprintf("%s with flags %#x; the argument must be 0", what, flags)})
	return ntstatus.STATUS_FWP_INVALID_FLAGS
}

// handleFor finds a classify handle that is alive. When it reports, the caller's function has no effect.
func (e *engine) handleFor(k *ke.K, num uint64, what string) *classifyRef {
	h, _ := e.handles.find(num).(*classifyRef)
	if h != nil {
		ke.Adds(k, ke.Use{Obj: h.call.c.id, How: ke.R})
	}
	if h != nil && h.refs > 0 {
		return h
	}
	f := verify.Finding{Rule: verify.WFP_063, Obj: fmt.Sprintf("handle %#x", num), BugCheck: 0xD1,
		Headline: fmt.Sprintf("%s with %#x, which is no classify handle", what, num)}
	if h != nil {
		f.Obj = h.id.String()
		f.Headline = fmt.Sprintf("%s with %v, whose last reference is gone", what, h.id)
		f.Places = append(h.call.places(), verify.Place{Label: "LAST_RELEASE", Seq: h.lastSeq})
		f.Fix = "release the handle after its last use; a pended classification holds a reference of its " +
			"own until it is completed."
	}
	ke.Report(k, f)
	return nil
}

// FwpsReleaseClassifyHandle0 gives back one reference that FwpsAcquireClassifyHandle0 gave. A classification
// that is pended keeps the handle alive until it is completed.
//
// IRQL: <= DISPATCH_LEVEL.
// Rules: WFP-001, WFP-062, WFP-063, WFP-083.
// Reference: fwpsk/nf-fwpsk-fwpsreleaseclassifyhandle0.
func FwpsReleaseClassifyHandle0(k *irql.K, classifyHandle uint64) {
	ke.Enter(k, ddi.FwpsReleaseClassifyHandle0)
	e := state.Of(k)
	h, _ := e.handles.find(classifyHandle).(*classifyRef)
	if h != nil {
		ke.Point(k, ke.Use{Obj: h.call.c.id, How: ke.W})
	}
	if h != nil && h.acquired == h.released {
		ke.Report(k, verify.Finding{Rule: verify.WFP_062, Obj: h.id.String(), BugCheck: 0x18,
			Headline: fmt.Sprintf("FwpsReleaseClassifyHandle0 on %v: %d acquired, %d released already", h.id,
				h.acquired, h.released),
			Places: append(h.call.places(), verify.Place{Label: "LAST_RELEASE", Seq: h.lastSeq}),
			Fix: "release once for each successful FwpsAcquireClassifyHandle0; FwpsCompleteClassify0 " +
				"releases the pend's own reference."})
		return
	}
	if h = e.handleFor(k, classifyHandle, "FwpsReleaseClassifyHandle0"); h == nil {
		return
	}
	if n := h.call.outstanding(); n > 0 && h.refs == 1 {
		h.call.notApplied(k, n, "the last reference to "+h.id.String()+" is released")
	}
	h.released++
	seq := ke.Call(k, ddi.FwpsReleaseClassifyHandle0, h.id)
	e.drop(h, seq)
}

// drop takes one reference.
func (e *engine) drop(h *classifyRef, seq uint64) {
	h.refs--
	h.lastSeq = seq
	if h.refs > 0 {
		return
	}
	for i, o := range e.acquired {
		if o == h {
			e.acquired = list.Cut(e.acquired, i)
			return
		}
	}
}

// FwpsPendClassify0 suspends the classification until FwpsCompleteClassify0. classifyFn then returns
// FWP_ACTION_BLOCK with FWPS_RIGHT_ACTION_WRITE cleared.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the engine takes a reference to the handle until completion.
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
	ke.Point(k, ke.Use{Obj: cl.c.id, How: ke.W})
	s := cl.mayPend(k, filterId, flags, classifyOut)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &sitePend) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	seq := ke.CallStatus(k, ddi.FwpsPendClassify0, cl.c.id, uint32(s))
	switch {
	case s == ntstatus.STATUS_SUCCESS:
		ke.Adds(k, ke.Use{Obj: cl.reg.tid, How: ke.Count})
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

func (cl *call) wrongFilter(k *ke.K, what string, filterId uint64) {
	cl.found(k, verify.WFP_074, fmt.Sprintf("%s with filterId %d; the call is for filter %d", what, filterId,
		cl.f.ID),
		"pass filter->filterId of the current call.")
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
		ke.Point(k, ke.Use{Obj: h.call.c.id, How: ke.W})
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
	ke.Adds(k, ke.Use{Obj: cl.reg.tid, How: ke.Count})
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
	ke.Adds(k, ke.Use{Obj: cl.c.e.id, How: ke.R})
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
