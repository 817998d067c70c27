package fwps

import "calloutsim/internal/verify"

// layerDataRules are about writable layer data.
var layerDataRules = []verify.Record{
	{ID: verify.WFP_083, Name: "NotApplied",
		Why: "The engine waits for the copy it gave out; without the apply the classification may " +
			"never finish properly.",
		Fix: "call FwpsApplyModifiedLayerData0 once for each successful " +
			"FwpsAcquireWritableLayerDataPointer0, also where nothing was changed."},
	{ID: verify.WFP_084, Name: "AppliedWithoutAcquire",
		Why: "There is no copy that could be applied.",
		Fix: "apply once per acquisition, and not without one."},
	{ID: verify.WFP_085, Name: "AppliedOtherPointer",
		Why: "The pointer identifies the copy. Some engines do not look at it, which hides the mistake.",
		Fix: "pass the pointer that FwpsAcquireWritableLayerDataPointer0 stored, not its address and " +
			"not a copy."},
	{ID: verify.WFP_086, Name: "AppliedTooLate",
		Why: "The completion decides with the versions there are; what is applied later is lost or " +
			"written into freed memory.",
		Fix: "call FwpsApplyModifiedLayerData0 before FwpsCompleteClassify0."},
	{ID: verify.WFP_087, Name: "InlineConnectRedirectCalloutShouldNotSetReauthorize",
		Why: "The flag asks for another call before the classification completes. Inline there is no " +
			"such moment, and results are indeterminate.",
		Fix: "pass FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS only for a classification that " +
			"is pended, else 0."},
	{ID: verify.WFP_088, Name: "LayerDataWrittenInPlace",
		Why: "layerData is the engine's current version, shared with everybody after this callout; a " +
			"change there is not applied.",
		Fix: "change the copy that FwpsAcquireWritableLayerDataPointer0 gives; what classifyFn " +
			"received is read-only."},
	{ID: verify.WFP_089, Name: "ReadOnlyMembersWritten",
		Why: "previousVersion and modifierFilterId are the history by which redirectors recognise each " +
			"other.",
		Fix: "leave PreviousVersion and ModifierFilterId alone; the engine writes them."},
	{ID: verify.WFP_090, Name: "LocalAddressChanged",
		Why: "The documentation says that the local address cannot be changed here. It works for TCP " +
			"and is ignored for the rest.",
		Fix: "change RemoteAddressAndPort only; the local end is changed at a BIND_REDIRECT layer."},
	{ID: verify.WFP_091, Name: "AddressFamilyChanged",
		Why: "The stack reads the address in the family of the layer.",
		Fix: "write a sockaddr of the family of the layer."},
	{ID: verify.WFP_092, Name: "HistoryUnchecked",
		ByConstruction: "PreviousVersion is nil until a callout has changed the request, also with " +
			"IS_REAUTHORIZE: reading through it is a Go panic, bug check 0x1E, at the line that does it",
		Why: "A request that nobody has changed has no history.",
		Fix: "test previousVersion for NULL before reading it."},
	{ID: verify.WFP_093, Name: "NothingToModifyHere",
		Why: "Only the redirect layers have data that can be changed.",
		Fix: "call it at a redirect layer (CONNECT_REDIRECT, BIND_REDIRECT) only."},
	{ID: verify.WFP_094, Name: "AnswerLeftToAcquire",
		Why: "Acquiring the copy sets the answer to BLOCK without the right, or leaves it alone, " +
			"depending on whom one believes. Either way the callout has not answered.",
		Fix: "assign ActionType and Rights after FwpsAcquireWritableLayerDataPointer0, which may have " +
			"changed them."},
	{ID: verify.WFP_095, Name: "WrittenAfterApply",
		Why: "The copy is the engine's from the apply on, and may be freed.",
		Fix: "copy what is needed before FwpsApplyModifiedLayerData0 or the completion, which end the " +
			"pointer."},
	{ID: verify.WFP_096, Name: "OwnVersionInHistory",
		Why: "Two redirectors that change each other's request without looking at the history do so " +
			"for ever.",
		Fix: "walk the PreviousVersion chain and let a connection pass that carries the filter's own " +
			"ModifierFilterId."},
}
