package fwps

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteAssociate = ke.Site{Name: "fault/FwpsFlowAssociateContext0",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wfp.md 14"}

// FwpsFlowAssociateContext0 gives a flow a context that classifyFn of the callout gets at the layer, as
// flowContext, and flowDeleteFn when it goes. The callout need not be the one that is called now.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: what flowContext names has to stay until flowDeleteFn.
// Returns: STATUS_SUCCESS; STATUS_OBJECT_NAME_EXISTS, which NT_SUCCESS takes for success, when the callout
// has a context there; STATUS_INVALID_PARAMETER for context 0, a callout without flowDeleteFn or one that is
// not at the layer; STATUS_NOT_FOUND for a flow that has ended; STATUS_INSUFFICIENT_RESOURCES when memory is
// short.
// Rules: WFP-001, WFP-136, WFP-137, WFP-138, WFP-143, WFP-145.
// Reference: fwpsk/nf-fwpsk-fwpsflowassociatecontext0.
func FwpsFlowAssociateContext0(k *irql.K, flowId uint64, layerId uint16, calloutId uint32,
	flowContext uint64) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsFlowAssociateContext0)
	e := state.Of(k)
	ke.Point(k, ke.Reads(e.id))
	f := e.flowFor(k, flowId, "FwpsFlowAssociateContext0")
	s := ntstatus.STATUS_NOT_FOUND
	var r *registration
	if f != nil {
		ke.Adds(k, ke.Writes(contextsOf(f)))
		r, s = e.mayAssociate(k, f, layerId, calloutId, flowContext)
	}
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteAssociate) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	seq := ke.CallStatus(k, ddi.FwpsFlowAssociateContext0, 0, uint32(s))
	if s != ntstatus.STATUS_SUCCESS {
		return s
	}
	e.associate(k, &flowContextOf{f, layerId, r, flowContext, seq})
	return s
}

// flowContextOf is what a context is made of.
type flowContextOf struct {
	f     *tcpip.Flow
	layer uint16
	reg   *registration
	value uint64
	seq   uint64
}

func (e *engine) associate(k *ke.K, a *flowContextOf) {
	ke.Adds(k, ke.Counts(a.reg.tid))
	a.reg.contexts++
	a.reg.associated = true
	x := &flowContext{f: a.f, layer: a.layer, reg: a.reg, value: a.value, seq: a.seq}
	all := attached(a.f)
	all.contexts = append(all.contexts, x)
	x.lendMemory(k)
	a.f.Watch(k)
}

// mayAssociate makes the checks of FwpsFlowAssociateContext0.
func (e *engine) mayAssociate(k *ke.K, f *tcpip.Flow, layer uint16, callout uint32,
	value uint64) (*registration, ntstatus.NTSTATUS) {
	bad := func(rule verify.RuleID, headline string) (*registration, ntstatus.NTSTATUS) {
		ke.Collect(k, verify.Finding{Rule: rule, Obj: f.ID.String(),
			Headline: "FwpsFlowAssociateContext0 " + headline})
		return nil, ntstatus.STATUS_INVALID_PARAMETER
	}
	r := e.registeredID(callout)
	switch {
	case value == 0:
		return bad(verify.WFP_136, "with context 0, which means that there is none")
	case r == nil:
		return bad(verify.WFP_136, fmt.Sprintf("for callout %d, which is not registered", callout))
	case r.flowDelete == nil:
		return bad(verify.WFP_136, fmt.Sprintf("for %v, which has no flowDeleteFn", r.tid))
	}
	if c := e.policy.Callout(r.key); c == nil || c.Layer != layer {
		where := "at no layer"
		if c != nil {
			where = "at " + layerName(c.Layer)
		}
		return bad(verify.WFP_143, fmt.Sprintf("at %s for %v, which is %s: classifyFn would never get the "+
			"context", layerName(layer), r.tid, where))
	}
	if attached(f).find(layer, r) != nil {
		if b := pool.Pointed(k, value); b != nil && pool.KindOf(b).Pool() {
			e.refused = append(e.refused, refusedContext{f.ID, b, ke.Acting(k), e.m.Log().Len()})
		}
		return nil, ntstatus.STATUS_OBJECT_NAME_EXISTS
	}
	return r, ntstatus.STATUS_SUCCESS
}

// FwpsFlowRemoveContext0 takes a context off a flow and calls flowDeleteFn: before it returns, unless a
// classifyFn has the context; then when the last of them returns.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the context is flowDeleteFn's.
// Returns: STATUS_SUCCESS when flowDeleteFn has been called; STATUS_PENDING when it will be;
// STATUS_UNSUCCESSFUL when there is no context.
// Rules: WFP-001, WFP-139, WFP-140, WFP-141, WFP-144, WFP-145.
// Reference: fwpsk/nf-fwpsk-fwpsflowremovecontext0.
func FwpsFlowRemoveContext0(k *irql.K, flowId uint64, layerId uint16, calloutId uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsFlowRemoveContext0)
	e := state.Of(k)
	ke.Point(k, ke.Reads(e.id))
	ke.Adds(k, ke.Reads(trace.ID(flowId)))
	f := e.flows.Get(flowId)
	var x *flowContext
	if f != nil {
		ke.Adds(k, ke.Writes(contextsOf(f)))
		if r := e.registeredID(calloutId); r != nil {
			x = attached(f).find(layerId, r)
		}
	}
	if x == nil {
		e.nothingToRemove(k, f, flowId, layerId, calloutId)
		ke.CallStatus(k, ddi.FwpsFlowRemoveContext0, 0, uint32(ntstatus.STATUS_UNSUCCESSFUL))
		return ntstatus.STATUS_UNSUCCESSFUL
	}
	x.state = ctxLeaving
	if x.loans > 0 {
		x.lastSeq = ke.CallStatus(k, ddi.FwpsFlowRemoveContext0, f.ID, uint32(ntstatus.STATUS_PENDING))
		x.pends(k)
		return ntstatus.STATUS_PENDING
	}
	x.lastSeq = ke.CallStatus(k, ddi.FwpsFlowRemoveContext0, f.ID, uint32(ntstatus.STATUS_SUCCESS))
	x.delete(k)
	return ntstatus.STATUS_SUCCESS
}

// nothingToRemove reports a removal without a context where that is a mistake: inside flowDeleteFn, or with
// what is no flow handle. That the flow has ended is none: between the look at the driver's list and the call
// the engine may be faster, and the driver cannot know (wfp.md 21 #51).
func (e *engine) nothingToRemove(k *ke.K, f *tcpip.Flow, id uint64, layer uint16, callout uint32) {
	for _, fr := range ke.Frames(k) {
		if x, ok := fr.Object.(*flowContext); ok && uint64(x.f.ID) == id && x.layer == layer &&
			x.reg.id == callout {
			ke.Report(k, verify.Finding{Rule: verify.WFP_144, Obj: x.f.ID.String(),
				Headline: "FwpsFlowRemoveContext0 is called in the flowDeleteFn of the context"})
			return
		}
	}
	if f == nil && trace.ID(id).Kind() != trace.Flow {
		e.flowFor(k, id, "FwpsFlowRemoveContext0")
	}
}

// pends says that flowDeleteFn comes later: until then the memory is not the driver's to free.
func (x *flowContext) pends(k *ke.K) {
	if x.mem == nil {
		return
	}
	pool.Return(k, x.mem, x.f.ID)
	pool.LendAs(k, x.mem, pool.Loan{Owner: x.f.ID, Rule: verify.WFP_141, Returns: true, Writable: true,
		What: "the context of a callout whose removal is pending", BugCheck: 0xD5})
}

// FwpsFlowAbort0 ends a flow, before it returns or soon after: a connection is reset, its contexts are
// deleted.
//
// IRQL: <= DISPATCH_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_NOT_FOUND for a flow that has ended.
// Rules: WFP-001, WFP-145.
// Reference: fwpsk/nf-fwpsk-fwpsflowabort0.
func FwpsFlowAbort0(k *irql.K, flowId uint64) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsFlowAbort0)
	e := state.Of(k)
	ke.Point(k, ke.Reads(e.id))
	s := ntstatus.STATUS_NOT_FOUND
	if f := e.flowFor(k, flowId, "FwpsFlowAbort0"); f != nil {
		s = ntstatus.STATUS_SUCCESS
		f.Abort(k)
	}
	ke.CallStatus(k, ddi.FwpsFlowAbort0, 0, uint32(s))
	return s
}
