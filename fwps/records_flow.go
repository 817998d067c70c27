package fwps

import "calloutsim/internal/verify"

// flowRules are about flow contexts.
var flowRules = []verify.Record{
	{ID: verify.WFP_136, Name: "ContextNotPossible",
		Why: "0 means that a flow has no context, and without flowDeleteFn nobody could be told that " +
			"it goes.",
		Fix: "pass the address of the context's memory, for a callout that is registered with a " +
			"FlowDeleteFn."},
	{ID: verify.WFP_137, Name: "ContextExistsAlready",
		Why: "STATUS_OBJECT_NAME_EXISTS is of informational severity: NT_SUCCESS is true, and yet the " +
			"new context was not taken. Nobody will call flowDeleteFn for it.",
		Fix: "compare the status with STATUS_SUCCESS, and free the new context where it is another."},
	{ID: verify.WFP_138, Name: "ContextFreedTooEarly", BugCheck: 0xD5,
		Why: "classifyFn and flowDeleteFn get the context as long as the flow lives.",
		Fix: "free the context in flowDeleteFn and nowhere else; FwpsFlowRemoveContext0 makes it be " +
			"called."},
	{ID: verify.WFP_139, Name: "ContextFreedTwice",
		Why: "FwpsFlowRemoveContext0 calls flowDeleteFn, which frees the context. Who frees it behind " +
			"that frees it a second time.",
		Fix: "leave freeing to flowDeleteFn."},
	{ID: verify.WFP_140, Name: "RemovedUnderLock",
		Why: "FwpsFlowRemoveContext0 calls flowDeleteFn before it returns, on the same stack.",
		Fix: "take what is to be removed out of the list under the lock, release it, then remove."},
	{ID: verify.WFP_141, Name: "PendingRemovalFreed", BugCheck: 0xD5,
		Why: "STATUS_PENDING says that a classifyFn has the context. flowDeleteFn follows when it has " +
			"returned.",
		Fix: "leave freeing to flowDeleteFn, whatever FwpsFlowRemoveContext0 returns."},
	{ID: verify.WFP_142, Name: "ContextsLeftAtUnload",
		Why: "FwpsCalloutUnregisterById0 answers STATUS_DEVICE_BUSY while a flow has a context of the " +
			"callout. The callout stays registered, and the engine calls code that is gone.",
		Fix: "keep a list of the flows with contexts, call FwpsFlowRemoveContext0 for each, and " +
			"unregister again until it succeeds."},
	{ID: verify.WFP_143, Name: "ContextAtOtherLayer",
		Why: "The layer is that at which the callout is to get the context, not the one that is " +
			"classified now. At a layer where the callout is not, nobody ever gets it.",
		Fix: "pass the layer of the callout that calloutId names."},
	{ID: verify.WFP_144, Name: "RemovedInFlowDelete",
		Why: "The context is removed already when flowDeleteFn is called.",
		Fix: "only free the context in flowDeleteFn."},
	{ID: verify.WFP_145, Name: "FlowHandleAfterEnd",
		Why: "The handle means nothing once the flow has ended, and may be given to another.",
		Fix: "forget the flow handle in flowDeleteFn, under the lock that those take who use it."},
	{ID: verify.WFP_146, Name: "ConditionalWithoutContext",
		Why: "With FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW the callout is called for flows that carry a " +
			"context of it. None ever has.",
		Fix: "associate a context at ALE_FLOW_ESTABLISHED, or leave the flag out."},
	{ID: verify.WFP_147, Name: "ContextUsedAfterFlowDelete",
		Why: "A flow may end at any moment. flowDeleteFn waits for classifyFns of the callout that " +
			"have the context, and for nothing else.",
		Fix: "count references to the context: flowDeleteFn gives up the flow's, and whoever gives up " +
			"the last one frees it."},
}
