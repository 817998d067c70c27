package fwps

import "calloutsim/internal/verify"

// operationRules are about pended operations.
var operationRules = []verify.Record{
	{ID: verify.WFP_125, Name: "CannotHoldHere",
		Why: "Only a bind, a listen, a connect and an accept can be held, at the layer that " +
			"authorises it. Elsewhere the call fails and the operation goes on.",
		Fix: "call FwpsPendOperation0 at ALE_RESOURCE_ASSIGNMENT, ALE_AUTH_LISTEN, ALE_AUTH_CONNECT " +
			"and ALE_AUTH_RECV_ACCEPT only; decide at once at ALE_FLOW_ESTABLISHED."},
	{ID: verify.WFP_126, Name: "ReauthorizationPended",
		Why: "Only the first authorisation can be held. A connection that is authorised again is " +
			"open, or waits for the answer of this call.",
		Fix: "test FWP_CONDITION_FLAG_IS_REAUTHORIZE before pending, and decide at once where it is " +
			"set."},
	{ID: verify.WFP_127, Name: "CompletionHandleNotPresent",
		Why: "Where the layer has no completion handle the member is garbage, and pending with it " +
			"fails at best.",
		Fix: "test the flag first: if FWPS_IS_METADATA_FIELD_PRESENT(meta, " +
			"FWPS_METADATA_FIELD_COMPLETION_HANDLE) { … }."},
	{ID: verify.WFP_128, Name: "HeldAndAnswered",
		Why: "The stack has let go of the operation. An answer that permits or blocks it as well is " +
			"counted beside the hold, or is logged as a block that was none.",
		Fix: "after a successful FwpsPendOperation0: ActionType FWP_ACTION_BLOCK, Flags |= " +
			"FWPS_CLASSIFY_OUT_FLAG_ABSORB, Rights &^= FWPS_RIGHT_ACTION_WRITE."},
	{ID: verify.WFP_129, Name: "OperationNotCompletedOnce",
		Why: "The program waits for the completion, without limit. A second completion is for memory " +
			"that the first one freed.",
		Fix: "call FwpsCompleteOperation0 once for each successful FwpsPendOperation0: whoever takes " +
			"the record out of the list, under its lock, completes."},
	{ID: verify.WFP_130, Name: "DecisionStoredTooLate",
		Why: "FwpsCompleteOperation0 may enter classifyFn before it returns. A driver that stores its " +
			"decision afterwards takes the connection for a new one, and asks again or blocks what " +
			"it has permitted.",
		Fix: "store the decision where classifyFn finds it, then call FwpsCompleteOperation0."},
	{ID: verify.WFP_131, Name: "CompletionNotRecognised",
		Why: "The reauthorization that follows a completion is where the driver gives its answer. It " +
			"cannot be pended, so a driver that tries has no answer.",
		Fix: "with FWP_CONDITION_FLAG_IS_REAUTHORIZE look the connection up, by its endpoint handle " +
			"or addresses, and return what was decided."},
	{ID: verify.WFP_132, Name: "AcceptNeverInjected",
		Why: "At ALE_AUTH_RECV_ACCEPT nobody is asked again: the stack has dropped the packet, and what " +
			"authorises the connection is the clone that comes in once more.",
		Fix: "inject the clone with FwpsInjectTransportReceiveAsync0 behind FwpsCompleteOperation0, and " +
			"permit it when it comes; complete with NULL to deny."},
	{ID: verify.WFP_133, Name: "PendedPacketKept",
		Why: "The stack drops the packet of an operation that is pended, as soon as classifyFn has returned.",
		Fix: "clone the list, or call FwpsReferenceNetBufferList0, before classifyFn returns."},
	{ID: verify.WFP_134, Name: "PendedDatagramLost",
		Why: "The datagram that wanted to be authorised is dropped when its operation is pended. Nobody " +
			"sends it again.",
		Fix: "clone the list before classifyFn returns, and inject the clone when the " +
			"operation is completed."},
	{ID: verify.WFP_135, Name: "NotACompletionContext",
		Why: "The completion handle of the metadata names the operation while classifyFn runs; what " +
			"completes it is the context that FwpsPendOperation0 stores.",
		Fix: "keep the value that FwpsPendOperation0 stored through completionContext, and pass that."},
}
