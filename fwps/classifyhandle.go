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

var siteAcquireHandle = ke.Site{Name: "fault/FwpsAcquireClassifyHandle0",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wfp.md 8.1"}

// FwpsAcquireClassifyHandle0 gives classifyFn a handle by which the classification can be pended, changed and
// completed. Each acquire needs one release.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller has one reference.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a context that is not the one of this call;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-001, WFP-009, WFP-061, WFP-073, WFP-082.
// Reference: fwpsk/nf-fwpsk-fwpsacquireclassifyhandle0.
func FwpsAcquireClassifyHandle0(k *irql.K, classifyContext any, flags uint32,
	classifyHandle *uint64) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsAcquireClassifyHandle0)
	e := state.Of(k)
	cl, s := e.contextCall(k, classifyContext)
	if s == ntstatus.STATUS_SUCCESS {
		ke.Point(k, ke.Writes(cl.c.id))
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
		ke.Adds(k, ke.Reads(cc.call.c.id))
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
		ke.Adds(k, ke.Reads(h.call.c.id))
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
		ke.Point(k, ke.Writes(h.call.c.id))
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

func (cl *call) wrongFilter(k *ke.K, what string, filterId uint64) {
	cl.found(k, verify.WFP_074, fmt.Sprintf("%s with filterId %d; the call is for filter %d", what, filterId,
		cl.f.ID),
		"pass filter->filterId of the current call.")
}
