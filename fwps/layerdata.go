package fwps

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteAcquireData = ke.Site{Name: "fault/FwpsAcquireWritableLayerDataPointer0",
		Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wfp.md 9.1"}
	siteAcquireOut = ke.Site{Name: "doc/FwpsAcquireWritableLayerDataPointer0/classifyOut",
		Alts: []string{"blocks and clears the right", "leaves it alone"}, Spec: "wfp.md 21 #6"}
	siteApplyPointer = ke.Site{Name: "doc/FwpsApplyModifiedLayerData0/pointer",
		Alts: []string{"applies the acquired copy", "ignores the changes"}, Spec: "wfp.md 21 #24"}
)

// FwpsAcquireWritableLayerDataPointer0 gives a copy of the connect or bind request that may be changed. Each
// success needs one FwpsApplyModifiedLayerData0. It also sets classifyOut to FWP_ACTION_BLOCK without the
// right to change it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the copy is the caller's until it is applied.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for bad arguments; STATUS_INSUFFICIENT_RESOURCES when
// memory is short.
// Rules: WFP-001, WFP-063, WFP-073, WFP-074, WFP-083, WFP-086, WFP-093, WFP-094.
// Reference: fwpsk/nf-fwpsk-fwpsacquirewritablelayerdatapointer0.
func FwpsAcquireWritableLayerDataPointer0(k *irql.K, classifyHandle uint64, filterId uint64, flags uint32,
	writableLayerData *any, classifyOut *FWPS_CLASSIFY_OUT0) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsAcquireWritableLayerDataPointer0)
	e := state.Of(k)
	h := e.handleFor(k, classifyHandle, "FwpsAcquireWritableLayerDataPointer0")
	if h == nil {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	cl := h.call
	ke.Point(k, ke.Writes(cl.c.id))
	s := cl.mayAcquire(k, filterId, flags)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteAcquireData) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	seq := ke.CallStatus(k, ddi.FwpsAcquireWritableLayerDataPointer0, cl.c.id, uint32(s))
	if s != ntstatus.STATUS_SUCCESS {
		return s
	}
	w := &writable{loan: cl.c.about.(changeable).acquire(), call: cl, seq: seq}
	cl.writables = append(cl.writables, w)
	*writableLayerData = w.data()
	if classifyOut != nil && ke.Choose(k, &siteAcquireOut, 2) == 0 {
		cl.answerForIt(classifyOut)
	}
	return s
}

// answerForIt writes what the page of FwpsAcquireWritableLayerDataPointer0 says it writes. What a callout
// sets later cannot be told from what it leaves, where both are the same; so only a change is remembered for
// WFP-094: an engine that leaves the structure alone changes nothing, nor does one that finds a block there.
func (cl *call) answerForIt(out *FWPS_CLASSIFY_OUT0) {
	was := *out
	out.ActionType = FWP_ACTION_BLOCK
	out.Rights &^= FWPS_RIGHT_ACTION_WRITE
	if out == cl.out && *out != was {
		t := *out
		cl.touched = &t
	}
}

func (cl *call) mayAcquire(k *ke.K, filterId uint64, flags uint32) ntstatus.NTSTATUS {
	switch {
	case !cl.c.info.redirects():
		cl.found(k, verify.WFP_093,
			"FwpsAcquireWritableLayerDataPointer0 at "+cl.c.info.name+", whose data cannot be changed", "")
		return ntstatus.STATUS_FWP_INCOMPATIBLE_LAYER
	case filterId != cl.f.ID:
		cl.wrongFilter(k, "FwpsAcquireWritableLayerDataPointer0", filterId)
		return ntstatus.STATUS_INVALID_PARAMETER
	case cl.pend == pendCompleted || !cl.running && cl.pend != pendPending:
		cl.found(k, verify.WFP_086,
			"FwpsAcquireWritableLayerDataPointer0 after the callout's decision: a change would be lost", "")
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	return flagsZero(k, cl.c.id, "FwpsAcquireWritableLayerDataPointer0", flags)
}

// FwpsApplyModifiedLayerData0 makes the acquired copy the current version of the request. From here on the
// redirect context in it is the engine's, and the copy is gone.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: modifiedLayerData and the redirect context go to the engine.
// Rules: WFP-001, WFP-057, WFP-063, WFP-073, WFP-084 to WFP-087, WFP-089 to WFP-091, WFP-095, WFP-096,
// WFP-099, WFP-101 to WFP-108, WFP-110 to WFP-114, WFP-119.
// Reference: fwpsk/nf-fwpsk-fwpsapplymodifiedlayerdata0.
func FwpsApplyModifiedLayerData0(k *irql.K, classifyHandle uint64, modifiedLayerData any, flags uint32) {
	ke.Enter(k, ddi.FwpsApplyModifiedLayerData0)
	e := state.Of(k)
	h := e.handleFor(k, classifyHandle, "FwpsApplyModifiedLayerData0")
	if h == nil {
		return
	}
	cl := h.call
	ke.Point(k, ke.Writes(cl.c.id))
	w, take := cl.toApply(k, modifiedLayerData)
	if w == nil {
		return
	}
	if cl.pend == pendCompleted {
		cl.found(k, verify.WFP_086,
			"FwpsApplyModifiedLayerData0 after FwpsCompleteClassify0: the change is lost",
			"apply before completing.")
		take = false
	}
	cl.applyFlags(k, flags)
	w.applied = true
	seq := ke.Call(k, ddi.FwpsApplyModifiedLayerData0, cl.c.id)
	if take {
		cl.c.about.(changeable).apply(k, w, seq)
	}
	w.poison()
}

// toApply finds the copy that a pointer means.
func (cl *call) toApply(k *ke.K, data any) (w *writable, take bool) {
	var open, spent *writable
	for _, x := range cl.writables {
		switch {
		case x.data() == data && !x.applied:
			return x, true
		case x.data() == data:
			spent = x
		case !x.applied:
			open = x
		}
	}
	if spent != nil || open == nil {
		what := "without a writable copy having been acquired"
		if spent != nil {
			what = "a second time for one acquired copy"
		}
		cl.found(k, verify.WFP_084, "FwpsApplyModifiedLayerData0 is called "+what,
			"apply exactly once per successful acquire.")
		return nil, false
	}
	cl.found(k, verify.WFP_085,
		"FwpsApplyModifiedLayerData0 is given another pointer than the one that was acquired",
		"pass the value that FwpsAcquireWritableLayerDataPointer0 stored, not the address of the variable.")
	return open, ke.Choose(k, &siteApplyPointer, 2) == 0
}

func (cl *call) applyFlags(k *ke.K, flags uint32) {
	if flags&^FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS != 0 {
		flagsZero(k, cl.c.id, "FwpsApplyModifiedLayerData0", flags)
	}
	if flags&FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS == 0 {
		return
	}
	if cl.pend != pendPending {
		cl.found(k, verify.WFP_087,
			"FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS in a classification that is not pended",
			"pass 0 when redirecting inline.")
		return
	}
	cl.watchers = true
}
