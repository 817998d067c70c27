package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

const write = FWPS_RIGHT_ACTION_WRITE

// checkReturn looks at what classifyFn left behind (wfp.md 3.3 to 3.6).
func (cl *call) checkReturn(k *ke.K) {
	if cl.exit.OutContext != cl.entry.OutContext || cl.exit.FilterId != cl.entry.FilterId ||
		cl.exit.Reserved != cl.entry.Reserved {
		cl.found(k, verify.WFP_046,
			"classifyFn changed outContext, filterId or reserved of classifyOut, which are the system's",
			"write only ActionType, Rights and Flags.")
	}
	cl.c.about.back(k, cl)
	if _, ok := cl.c.about.(*streamed); ok { // rights mean nothing there, and it has judged the rest
		return
	}
	if cl.op != nil { // ABSORB belongs to it wherever it may be pended (wfp.md 21 #19)
		cl.checkHeld(k)
		return
	}
	cl.checkAbsorb(k)
	if cl.pend == pendPending || cl.pend == pendCompleted {
		if cl.exit.ActionType != FWP_ACTION_BLOCK || cl.exit.Rights&write != 0 {
			cl.found(k, verify.WFP_066,
				fmt.Sprintf("classifyFn pended and returns %v with FWPS_RIGHT_ACTION_WRITE %s",
					cl.exit.ActionType,
					setOrClear(cl.exit.Rights)),
				"after FwpsPendClassify0 set ActionType to FWP_ACTION_BLOCK and clear "+
					"FWPS_RIGHT_ACTION_WRITE.")
		}
		return
	}
	if n := cl.outstanding(); n > 0 {
		cl.notApplied(k, n, "classifyFn returns its answer")
	}
	cl.checkAnswer(k)
}

func setOrClear(rights uint32) string {
	if rights&write != 0 {
		return "set"
	}
	return "clear"
}

// checkAnswer judges an inline answer.
func (cl *call) checkAnswer(k *ke.K) {
	mayWrite := cl.entry.Rights&write != 0
	if !mayWrite && cl.exit.Rights&write != 0 {
		cl.found(k, verify.WFP_045,
			"classifyFn set FWPS_RIGHT_ACTION_WRITE, which was clear when it was called", "")
	}
	if cl.pend == pendFailed && cl.c.info.redirects() && cl.exit.ActionType == FWP_ACTION_BLOCK &&
		cl.exit.Rights&write == 0 {
		cl.found(k, verify.WFP_065, "classifyFn returns as if it had pended, but FwpsPendClassify0 failed",
			"look at the status and decide inline when it is not STATUS_SUCCESS.")
		return
	}
	if cl.touched != nil && *cl.touched == cl.exit {
		cl.found(k, verify.WFP_094,
			"classifyFn returns the block that FwpsAcquireWritableLayerDataPointer0 had put into classifyOut",
			"set ActionType and FWPS_RIGHT_ACTION_WRITE after the acquire.")
		return
	}
	if !mayWrite {
		if a := cl.exit.ActionType; a != cl.entry.ActionType && a != FWP_ACTION_BLOCK {
			cl.found(k, verify.WFP_041,
				fmt.Sprintf("classifyFn wrote %v although FWPS_RIGHT_ACTION_WRITE was clear", a),
				"without the right only a veto, FWP_ACTION_BLOCK, may be written.")
		}
		return
	}
	cl.checkKind(k)
	cl.checkRights(k)
}

// checkKind compares the answer with the kind of filter that asked (wfp.md 3.3).
func (cl *call) checkKind(k *ke.K) {
	a := cl.exit.ActionType
	switch FWP_ACTION_TYPE(cl.f.Action) {
	case FWP_ACTION_CALLOUT_INSPECTION:
		if a != FWP_ACTION_CONTINUE && a != cl.entry.ActionType {
			cl.found(k, verify.WFP_039, fmt.Sprintf("a callout of an inspection filter returns %v", a),
				"return FWP_ACTION_CONTINUE.")
		}
		return
	case FWP_ACTION_CALLOUT_TERMINATING:
		switch {
		case a == FWP_ACTION_BLOCK || a == FWP_ACTION_PERMIT || cl.unset():
		case cl.c.info.redirects():
			cl.found(k, verify.WFP_040, fmt.Sprintf("a callout of a terminating filter returns %v at %s", a,
				cl.c.info.name),
				"use FWP_ACTION_CALLOUT_UNKNOWN where CONTINUE is wanted.")
		default:
			cl.found(k, verify.WFP_038, fmt.Sprintf("a callout of a terminating filter returns %v", a),
				"return FWP_ACTION_PERMIT or FWP_ACTION_BLOCK, or use FWP_ACTION_CALLOUT_UNKNOWN.")
		}
	}
	if cl.unset() {
		cl.found(k, verify.WFP_047, "classifyFn left ActionType unset", "assign ActionType on every path.")
	}
}

// unset reports whether nobody has written the action. A callout that writes what is there already cannot be
// told from one that writes nothing, so only the first one asked is judged.
func (cl *call) unset() bool {
	return cl.exit.ActionType == FWP_ACTION_NONE && cl.entry.ActionType == FWP_ACTION_NONE
}

// checkRights compares the rights with the action (wfp.md 3.4).
func (cl *call) checkRights(k *ke.K) {
	right := cl.exit.Rights&write != 0
	switch cl.exit.ActionType {
	case FWP_ACTION_BLOCK:
		if right {
			cl.found(k, verify.WFP_042,
				"classifyFn returns FWP_ACTION_BLOCK with FWPS_RIGHT_ACTION_WRITE set: a soft block",
				"clear FWPS_RIGHT_ACTION_WRITE when blocking.")
		}
		cl.reportBlock(k)
	case FWP_ACTION_PERMIT:
		switch {
		case right && cl.f.ClearActionRight:
			cl.found(k, verify.WFP_043,
				"the filter asks for a hard permit and classifyFn leaves FWPS_RIGHT_ACTION_WRITE set",
				"clear the right when filter->flags has FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT.")
		case !right && !cl.f.ClearActionRight:
			cl.found(k, verify.WFP_044, "classifyFn returns a hard permit that its filter does not ask for",
				"clear the right only when filter->flags has FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT.")
		}
	}
}

// reportBlock notes blocks that do not do what their author may think.
func (cl *call) reportBlock(k *ke.K) {
	switch {
	case cl.c.info.redirects():
		cl.found(k, verify.WFP_052,
			"FWP_ACTION_BLOCK at "+cl.c.info.name+" does not block: the operation goes on",
			"block at ALE_AUTH_CONNECT or ALE_RESOURCE_ASSIGNMENT.")
	case flowEstablished(cl.c.layer):
		cl.found(k, verify.WFP_050,
			"FWP_ACTION_BLOCK at "+cl.c.info.name+" closes a connection that was authorised",
			"block at ALE_AUTH_CONNECT or ALE_AUTH_RECV_ACCEPT.")
	}
}

func (cl *call) checkAbsorb(k *ke.K) {
	if cl.exit.Flags&FWPS_CLASSIFY_OUT_FLAG_ABSORB == 0 {
		return
	}
	block := cl.exit.ActionType == FWP_ACTION_BLOCK
	switch {
	case block && flowEstablished(cl.c.layer):
		cl.found(k, verify.WFP_049, "FWPS_CLASSIFY_OUT_FLAG_ABSORB at "+cl.c.info.name+" is discouraged", "")
	case !block || !cl.c.info.absorb:
		cl.found(k, verify.WFP_048, fmt.Sprintf("FWPS_CLASSIFY_OUT_FLAG_ABSORB with %v at %s",
			cl.exit.ActionType, cl.c.info.name),
			"the flag goes with FWP_ACTION_BLOCK, at layers that allow it.")
	}
}

// checkCompletion judges the answer that completes a pended classification.
func (cl *call) checkCompletion(k *ke.K, out *FWPS_CLASSIFY_OUT0) {
	if out == cl.out && !cl.running {
		ke.Report(k, verify.Finding{Rule: verify.WFP_070, Obj: cl.c.id.String(), BugCheck: 0xDC,
			Places:   cl.places(),
			Headline: "FwpsCompleteClassify0 is given the classifyOut of a classifyFn that has returned",
			Fix:      "complete with a copy made while classifyFn ran."})
	}
	if out.OutContext != cl.entry.OutContext || out.FilterId != cl.entry.FilterId {
		cl.found(k, verify.WFP_071,
			"the structure that completes is no copy of the classifyOut that was pended",
			"copy *classifyOut when pending and change the copy.")
	}
	switch out.ActionType {
	case FWP_ACTION_PERMIT:
		if out.Rights&write == 0 && !cl.f.ClearActionRight {
			cl.found(k, verify.WFP_072, "the classification is completed with a hard permit",
				"set FWPS_RIGHT_ACTION_WRITE in the copy.")
		}
	case FWP_ACTION_BLOCK:
		cl.reportBlock(k)
	default:
		if FWP_ACTION_TYPE(cl.f.Action) == FWP_ACTION_CALLOUT_TERMINATING && cl.c.info.redirects() {
			cl.found(k, verify.WFP_040,
				fmt.Sprintf("a callout of a terminating filter completes with %v at %s", out.ActionType,
					cl.c.info.name), "use FWP_ACTION_CALLOUT_UNKNOWN where CONTINUE is wanted.")
		}
	}
}
