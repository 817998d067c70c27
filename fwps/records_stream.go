package fwps

import "calloutsim/internal/verify"

// streamRules are about streams.
var streamRules = []verify.Record{
	{ID: verify.WFP_148, Name: "StreamCalloutsSetActionType",
		Why: "What ActionType holds on entry is nobody's decision; the segment is let on or lost by " +
			"chance.",
		Fix: "assign ActionType on every path of classifyFn, also on the early returns."},
	{ID: verify.WFP_149, Name: "OobStreamInjectionReturnsBlock",
		Why: "The callout injects what it has cloned. What it lets on besides reaches the peer a " +
			"second time, and in another order.",
		Fix: "return FWP_ACTION_BLOCK for every indication once data is injected out of band."},
	{ID: verify.WFP_150, Name: "OutOfBandThenInline",
		Why: "What is injected inline comes in front of the bytes that are decided now, and what " +
			"was injected out of band may still be on its way.",
		Fix: "stay with one way of injecting for each flow and direction."},
	{ID: verify.WFP_151, Name: "StreamInspectionFunctionCallViolation",
		Why: "FwpsStreamContinue0 indicates what was deferred. From classifyFn it would have to " +
			"enter classifyFn again.",
		Fix: "call FwpsStreamContinue0 from a work item or a DPC."},
	{ID: verify.WFP_152, Name: "AskedForMoreThanThereIs",
		Why: "With FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA or ..._BUFFER_LIMIT_REACHED nothing more " +
			"comes; the stream would stall.",
		Fix: "test both flags of classifyOut before asking for more, and decide about what there is."},
	{ID: verify.WFP_153, Name: "AskedForMoreWithoutCount",
		Why: "The engine waits until there are countBytesRequired bytes, and takes the action for a " +
			"decision.",
		Fix: "set countBytesRequired above what was indicated, and ActionType to FWP_ACTION_NONE."},
	{ID: verify.WFP_154, Name: "EnforcedTooMuch",
		Why: "Only what was indicated can be decided about.",
		Fix: "set countBytesEnforced to at most streamData->dataLength, or 0 for all of it."},
	{ID: verify.WFP_155, Name: "InspectionDropsConnection",
		Why: "An inspection filter decides nothing: the connection lives.",
		Fix: "add the filter with FWP_ACTION_CALLOUT_UNKNOWN."},
	{ID: verify.WFP_156, Name: "DeferMisplaced",
		Why: "Only what comes in can be deferred, since only there the peer can be made to wait, " +
			"and it has to be gone on with.",
		Fix: "test FWPS_STREAM_FLAG_RECEIVE, and FWPS_STREAM_FLAG_RECEIVE_DISCONNECT, before " +
			"deferring; call FwpsStreamContinue0 for each flow that is deferred."},
	{ID: verify.WFP_157, Name: "ContinuedWithOtherFlags",
		Why: "Nothing is deferred that these flags belong to, and the stream stays as it is.",
		Fix: "keep streamData->flags when deferring, and pass the same to FwpsStreamContinue0, once."},
	{ID: verify.WFP_158, Name: "StreamFlagsMisfit",
		Why: "Each flag belongs to a direction, which has to be named.",
		Fix: "pass FWPS_STREAM_FLAG_RECEIVE or FWPS_STREAM_FLAG_SEND together with the others of it."},
	{ID: verify.WFP_159, Name: "NothingToInject",
		Why: "Only the end of a stream comes without data, and completionFn is required even there.",
		Fix: "pass a list, or a *_DISCONNECT flag, and always a completionFn."},
	{ID: verify.WFP_160, Name: "EndInjectedByItself",
		Why: "The peer takes the stream for finished while the program still sends.",
		Fix: "inject a *_DISCONNECT only when one was indicated and blocked."},
	{ID: verify.WFP_161, Name: "StreamCloneLeft", Alias: verify.WFP_172,
		Why: "The clone of stream data is a clone of a list.",
		Fix: "FwpsDiscardClonedStreamData0, or FwpsFreeCloneNetBufferList0 in completionFn."},
	{ID: verify.WFP_162, Name: "RightsTestedAtStream", Alias: verify.WFP_148,
		Why: "Rights mean nothing at the stream layers, and are clear: who tests them returns " +
			"early, without an action.",
		Fix: "leave FWPS_RIGHT_ACTION_WRITE out at the stream layers."},
}
