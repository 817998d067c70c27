package fwps

import "calloutsim/internal/verify"

// packetRules are about packets and injection.
var packetRules = []verify.Record{
	{ID: verify.WFP_163, Name: "TransportLayerCannotInjectCloneDuringClassify",
		Why: "The stack holds locks of the connection while it asks. An injected TCP packet may need them " +
			"on the same stack.",
		Fix: "queue the list and inject it from a DPC or a worker."},
	{ID: verify.WFP_164, Name: "OwnPacketNotRecognised",
		Why: "An injected packet passes the layers again, and the callout that injected it. One that does " +
			"not know its own packets injects them for ever.",
		Fix: "call FwpsQueryPacketInjectionState0 first of all, and permit " +
			"FWPS_PACKET_INJECTED_BY_SELF and FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF."},
	{ID: verify.WFP_165, Name: "NetBufferListLeft",
		Why: "The list stays allocated for good. Where an injection fails no completionFn is called that " +
			"would free it.",
		Fix: "look at the status of the injecting routine and free the list when it is no success."},
	{ID: verify.WFP_166, Name: "InjectedListTouched",
		Why: "From a successful injection to completionFn the list and its memory are the stack's.",
		Fix: "leave list and memory alone until completionFn, and free them there."},
	{ID: verify.WFP_167, Name: "InjectedListNotFreedOnce",
		Why: "completionFn gives the list back. It is freed there, by nobody else, and once.",
		Fix: "free the list in completionFn and nowhere else."},
	{ID: verify.WFP_168, Name: "InjectionHandleMisfit",
		Why: "A handle is for the layers and the family it was created for. Other routines refuse it.",
		Fix: "create a handle with the FWPS_INJECTION_TYPE_* of the routine; for the network layers one of " +
			"each family."},
	{ID: verify.WFP_169, Name: "InjectionHandleGone",
		Why: "The memory behind the handle is gone.",
		Fix: "keep the handle until nothing injects any more: destroy it behind the callouts and the " +
			"workers."},
	{ID: verify.WFP_170, Name: "HandleDestroyedInCompletion",
		Why: "FwpsInjectionHandleDestroy0 waits until the last completionFn has returned, this one " +
			"included.",
		Fix: "destroy the handle in the unload routine or a thread."},
	{ID: verify.WFP_171, Name: "CloneNotRestored",
		Why: "A clone shares memory with its parent. What was put into its chain is freed with neither, or " +
			"with the wrong one.",
		Fix: "take out of the chain what was put there before FwpsFreeCloneNetBufferList0: advance with " +
			"FreeMDL TRUE by what was retreated."},
	{ID: verify.WFP_172, Name: "CloneOrReferenceLeft",
		Why: "The parent waits for its clones and references. A lost one keeps its memory for good; one " +
			"too many frees what others use.",
		Fix: "call FwpsFreeCloneNetBufferList0 once for each clone and FwpsDereferenceNetBufferList0 once " +
			"for each reference, on every path."},
	{ID: verify.WFP_173, Name: "CloneKeptLong",
		Why: "The memory is that of the layers below, which run out of it.",
		Fix: "copy what is needed for long into a list of the driver's own."},
	{ID: verify.WFP_174, Name: "ModifiesAndLeavesRight",
		Why: "Others act on a packet that is about to be another one.",
		Fix: "block, absorb, and clear FWPS_RIGHT_ACTION_WRITE when the list is referenced to be modified."},
	{ID: verify.WFP_175, Name: "BatchCalloutClones",
		Why: "A callout that takes chains of lists must not clone or reference them.",
		Fix: "register the callout without FWP_CALLOUT_FLAG_ALLOW_L2_BATCH_CLASSIFY."},
	{ID: verify.WFP_177, Name: "SendArgsGone",
		Why: "The stack reads what sendArgs points to when it builds the packet.",
		Fix: "keep remoteAddress and controlData in memory of the injection and free them in completionFn."},
	{ID: verify.WFP_178, Name: "InjectedPastAuthorisation",
		Why: "The packet was to be authorised. Injected from INBOUND_TRANSPORT it passes that by, or is " +
			"dropped.",
		Fix: "pend at ALE_AUTH_RECV_ACCEPT, call FwpsCompleteOperation0 and inject the clone then."},
	{ID: verify.WFP_180, Name: "InjectedPacketMalformed",
		Why: "The stack drops a packet whose checksums are not right.",
		Fix: "recompute them, by hand or with FwpsConstructIpHeaderForTransportPacket0."},
	{ID: verify.WFP_181, Name: "WrongCompartment",
		Why: "The packet is routed by the tables of another compartment.",
		Fix: "pass compartmentId of the metadata where it is present, else UNSPECIFIED_COMPARTMENT_ID."},
	{ID: verify.WFP_182, Name: "TagWithoutNotify",
		Why: "The context leaves the packet by itself. Only notifyFn hears of it, and only the tag says " +
			"whose it is.",
		Fix: "give notifyFn, and a tag that FwpsNetBufferListGetTagForContext0 gave to this driver."},
}
