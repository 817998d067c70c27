package fwps

import "calloutsim/internal/verify"

// answerRules are about what classifyFn answers, and rights.
var answerRules = []verify.Record{
	{ID: verify.WFP_038, Name: "TerminatingMustDecide",
		Why: "A terminating filter promises a decision. Whatever else its callout returns counts as BLOCK.",
		Fix: "assign FWP_ACTION_BLOCK or FWP_ACTION_PERMIT on every path, or add the filter with " +
			"FWP_ACTION_CALLOUT_UNKNOWN."},
	{ID: verify.WFP_039, Name: "InspectionMustContinue",
		Why: "An inspection filter decides nothing; what its callout returns is taken as CONTINUE and " +
			"the driver believes otherwise.",
		Fix: "assign FWP_ACTION_CONTINUE, or add the filter with FWP_ACTION_CALLOUT_TERMINATING."},
	{ID: verify.WFP_040, Name: "RedirectAnswerIsNoDecision",
		Why: "A terminating filter's CONTINUE counts as BLOCK. At the redirect layers that shows " +
			"nowhere, until the filter is moved.",
		Fix: "assign FWP_ACTION_PERMIT, or add the filter with FWP_ACTION_CALLOUT_UNKNOWN where " +
			"FWP_ACTION_CONTINUE is wanted."},
	{ID: verify.WFP_041, Name: "WrittenWithoutRight",
		Why: "A heavier callout or filter has decided for good. Only a veto may be written then; " +
			"anything else is ignored or a conflict.",
		Fix: "look first: if FWPS_RIGHT_ACTION_WRITE is clear, return without changing the action, or " +
			"set FWP_ACTION_BLOCK as a veto."},
	{ID: verify.WFP_042, Name: "BlockStaysSoft",
		Why: "A block that leaves FWPS_RIGHT_ACTION_WRITE set can be turned into a permit by any " +
			"lighter filter.",
		Fix: "clear the right with the block: out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE."},
	{ID: verify.WFP_043, Name: "HardPermitStaysSoft",
		Why: "The filter asks for a permit that nobody overrides. With the right left set a lighter " +
			"filter overrides it.",
		Fix: "if filter.Flags has FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT, clear the right: out.Rights &^= " +
			"fwps.FWPS_RIGHT_ACTION_WRITE."},
	{ID: verify.WFP_044, Name: "PermitMadeHard",
		Why: "A permit without FWPS_RIGHT_ACTION_WRITE takes the decision from everybody lighter, " +
			"although the filter did not ask for that.",
		Fix: "leave FWPS_RIGHT_ACTION_WRITE set with a permit, unless the filter has " +
			"FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT."},
	{ID: verify.WFP_045, Name: "RightSetByCallout",
		Why: "Setting the right that somebody heavier cleared lets lighter callouts change what was final.",
		Fix: "never set FWPS_RIGHT_ACTION_WRITE in the classifyOut of the engine; only clear it."},
	{ID: verify.WFP_046, Name: "SystemMembersWritten",
		Why: "outContext, filterId and reserved of classifyOut are the engine's memory of where it is.",
		Fix: "assign ActionType, Rights and Flags one by one; leave OutContext, FilterId and Reserved " +
			"alone."},
	{ID: verify.WFP_047, Name: "ActionUnset",
		Why: "ActionType holds whatever was decided before. A path that does not assign it inherits that.",
		Fix: "assign ActionType before the first return of classifyFn."},
	{ID: verify.WFP_048, Name: "AbsorbMisplaced",
		Why: "Absorbing goes with a block, at layers that carry packets. Elsewhere the flag is ignored " +
			"or undefined.",
		Fix: "set FWPS_CLASSIFY_OUT_FLAG_ABSORB only together with FWP_ACTION_BLOCK, and only at " +
			"layers with packet data that may be absorbed."},
	{ID: verify.WFP_049, Name: "AbsorbAtFlowEstablished",
		Why: "The flow exists already; absorbing leaves both ends waiting.",
		Fix: "leave FWPS_CLASSIFY_OUT_FLAG_ABSORB out at FLOW_ESTABLISHED layers."},
	{ID: verify.WFP_050, Name: "FlowLayerCalloutReturnsBlock",
		Why: "The connection was authorised and its handshake is over. A block here tears it down " +
			"behind the program's back.",
		Fix: "block at ALE_AUTH_CONNECT or ALE_AUTH_RECV_ACCEPT, and permit or continue at " +
			"FLOW_ESTABLISHED."},
	{ID: verify.WFP_051, Name: "RequiredClassifyAbsorbed",
		Why: "The packet is to make a flow at ALE_AUTH_RECV_ACCEPT. Where it is absorbed before, nobody " +
			"can put it back so that it does.",
		Fix: "permit packets with FWP_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY at INBOUND_TRANSPORT and deal " +
			"with them at ALE_AUTH_RECV_ACCEPT."},
	{ID: verify.WFP_052, Name: "BlockAtRedirectLayer",
		Why: "The redirect layers do not authorise. The operation goes on with whatever the request says.",
		Fix: "permit at the redirect layer and block the connection at ALE_AUTH_CONNECT."},
	{ID: verify.WFP_053, Name: "MetadataNotPresent",
		Why: "A metadata member whose bit is not set holds garbage.",
		Fix: "test the flag first: if FWPS_IS_METADATA_FIELD_PRESENT(meta, …) { … }."},
	{ID: verify.WFP_054, Name: "ClassifyArgumentsKept", BugCheck: 0xD5,
		Why: "Everything classifyFn is given lies on the engine's stack or in its buffers and is gone " +
			"when the routine returns.",
		Fix: "copy what is needed before classifyFn returns; for layer data use the handle " +
			"(FwpsAcquireWritableLayerDataPointer0)."},
	{ID: verify.WFP_055, Name: "EmptyValueRead",
		Why: "A value nobody knows is FWP_EMPTY, and the union next to the type holds garbage then.",
		Fix: "look at the type before the value: FWP_EMPTY means that the field has none in this " +
			"classification."},
	{ID: verify.WFP_056, Name: "WrongFieldOfLayer",
		Why: "The same index means another value at another layer, of another type.",
		Fix: "use the FWPS_FIELD constants of the layer in inFixedValues.LayerId."},
	{ID: verify.WFP_057, Name: "ByteOrderMixed",
		Why: "Incoming values are in host order, addresses inside the request in network order. Copied " +
			"without conversion they name another port.",
		Fix: "convert: incoming values are in host order, the addresses and ports of a request in " +
			"network order (RtlUshortByteSwap, RtlUlongByteSwap)."},
	{ID: verify.WFP_058, Name: "DataOffsetLeft",
		Why: "Who gets the list next takes for a header what is none.",
		Fix: "advance by what was retreated, and retreat by what was advanced, before classifyFn returns, " +
			"also where a step between fails."},
	{ID: verify.WFP_059, Name: "DirectionOfConnection",
		ByConstruction: "the next packet of either direction is reauthorised, at the AUTH layer of the " +
			"connection's direction, with packetDirection: a callout that takes one for the other decides " +
			"about the wrong one in some run",
		Why: "In a reauthorisation the packet may go the other way than the connection.",
		Fix: "look at packetDirection, where the metadata has it."},
	{ID: verify.WFP_060, Name: "Veto",
		Why: "A block of what a heavier filter permitted for good is a veto: it is audited as a conflict " +
			"between two filters, and whoever made the permit is told of it.",
		Fix: "veto only for a reason; where a soft permit is enough, the heavier filter leaves the right " +
			"to write, and a block is no veto."},
}
