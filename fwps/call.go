package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
)

// callbackBudget is how long classifyFn may take at DISPATCH_LEVEL. Windows states no number; drivers are
// told to keep a DPC below 100 us.
const callbackBudget = ke.Millisecond

// usesProviderContext is FWPM_CALLOUT_FLAG_USES_PROVIDER_CONTEXT.
const usesProviderContext = 0x20000

// context is the argument classifyContext. INFERRED from S19 (wfp.md 24): a handle can be had where
// FwpsPendClassify0 then refuses to pend.
func (cl *call) context() any {
	if cl.c.info.ale {
		return &classifyContext{cl}
	}
	return nil
}

// flowContext is the argument of that name.
func (cl *call) flowContext() uint64 {
	if cl.flow == nil {
		return 0
	}
	return cl.flow.value
}

// newCall prepares what one call of classifyFn is lent.
func (c *classification) newCall(f *wfp.Filter, r *registration) *call {
	cl := &call{c: c, f: f, reg: r, again: c.reauthorize}
	cl.lent = &lent{m: c.e.m, of: c.id, layer: c.layer, places: cl.places}
	c.calls = append(c.calls, cl)
	cl.filter = runtimeFilter(f)
	cl.filter.Action.CalloutId = r.id
	cl.in = &FWPS_INCOMING_VALUES0{layer: c.layer, known: c, lent: cl.lent,
		values: make([]*FWPS_INCOMING_VALUE0, len(fieldsOf(c.layer)))}
	cl.meta = c.lendMetadata(cl)
	cl.data = c.about.lend(cl)
	cur := c.run.Current()
	cl.entry = FWPS_CLASSIFY_OUT0{ActionType: FWP_ACTION_NONE, OutContext: uint64(c.id), FilterId: f.ID}
	if cur.Action != wfp.NoAction {
		cl.entry.ActionType = FWP_ACTION_TYPE(cur.Action)
	}
	if cur.Write {
		cl.entry.Rights = FWPS_RIGHT_ACTION_WRITE
	}
	out := cl.entry
	cl.out = &out
	return cl
}

// runtimeFilter is the form of a filter that callouts see.
func runtimeFilter(f *wfp.Filter) *FWPS_FILTER1 {
	r := &FWPS_FILTER1{FilterId: f.ID, Weight: Uint64Value(f.Weight), SubLayerWeight: f.Sublayer.Weight,
		Action: FWPS_ACTION0{Type: FWP_ACTION_TYPE(f.Action)}, Context: f.Context}
	if f.ClearActionRight {
		r.Flags |= FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT
	}
	if f.PermitIfCalloutUnregistered {
		r.Flags |= FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED
	}
	if f.Provided != nil && f.Callout != nil && f.Callout.Flags&usesProviderContext != 0 {
		r.ProviderContext = f.Provided.Data
	}
	return r
}

// invoke calls classifyFn in the driver's name and checks what it left behind.
func (cl *call) invoke(k *ke.K) {
	c, r := cl.c, cl.reg
	ke.Alive(k, r.device.ID())
	if r.device.Deleted() {
		ke.Report(k, verify.Finding{Rule: verify.WFP_016, Obj: r.tid.String(), Driver: imageNameOf(r.owner),
			Headline: fmt.Sprintf("%v is called after its device object %v was deleted", r.tid,
				r.device.ID())})
	}
	r.enter(k)
	if cl.flow = c.contextFor(k, r); cl.flow != nil {
		cl.flow.lend(k)
	}
	cl.running = true
	ke.Point(k, ke.Writes(c.id))
	ke.Push(k, ke.Frame{Kind: ke.FrameClassify, Image: r.owner, Device: r.device, Object: cl, Obj: c.id,
		Fn: r.classifyAt})
	cl.enterSeq = c.e.m.Log().Len()
	begun, level := c.e.m.Now(), ke.IRQL(k)
	r.classify(k, cl)
	cl.running = false
	cl.exit = *cl.out
	cl.checkReturn(k)
	if t := c.e.m.Now() - begun; t > callbackBudget && level >= ke.Dispatch && !c.e.m.ClockRaces() {
		cl.found(k, verify.WFP_008, fmt.Sprintf("classifyFn kept its processor at DISPATCH_LEVEL for %d us",
			t/ke.Microsecond), "do long work in a work item.")
	}
	cl.poison()
	ke.Pop(k)
	cl.returnSeq = c.e.m.Log().Len()
	if cl.flow != nil {
		cl.flow.back(k)
	}
	r.leave(k)
}

// poison overwrites everything that was lent to the call but layerData.
func (cl *call) poison() {
	cl.lent.over = true
	cl.in.poison()
	cl.meta.poison()
	*cl.filter = FWPS_FILTER1{FilterId: poisonWord, SubLayerWeight: poisonWord & 0xffff, Context: poisonWord}
	*cl.out = poisonOut
}

const poison32 = poisonWord & 0xffff_ffff

// poisonOut is what a classifyOut shows when classifyFn has returned.
var poisonOut = FWPS_CLASSIFY_OUT0{ActionType: poison32, OutContext: poisonWord, FilterId: poisonWord,
	Rights: poison32 &^ FWPS_RIGHT_ACTION_WRITE, Flags: poison32, Reserved: poison32}
