package fwps

import "calloutsim/internal/verify"

// fixes are the likely fixes of the rules about callouts,
// for reports whose finding knows no cause that is more particular.
var fixes = []verify.Record{
	{ID: verify.WFP_001, Fix: "call it at DISPATCH_LEVEL or below: in a DPC or a work item."},
	{ID: verify.WFP_002, Fix: "call it in DriverEntry, DriverUnload or a work item (IoQueueWorkItem), " +
		"with no spin lock held."},
	{ID: verify.WFP_003, Fix: "create the handle in DriverEntry and destroy it in DriverUnload, both at " +
		"PASSIVE_LEVEL."},
	{ID: verify.WFP_004, Fix: "call the management functions in DriverEntry, DriverUnload or a work item " +
		"(IoQueueWorkItem), never in classifyFn."},
	{ID: verify.WFP_005, Fix: "release every spin lock and restore the IRQL on every path out of " +
		"classifyFn."},
	{ID: verify.WFP_006, Fix: "decide with what is in nonpaged memory; for anything that waits, pend the " +
		"classification and go on in a work item (IoQueueWorkItem)."},
	{ID: verify.WFP_008, Fix: "pend the classification and do the work in a work item (IoQueueWorkItem)."},
	{ID: verify.WFP_009, Fix: "call it inside the classifyFn that received this classifyContext; what " +
		"comes later uses the handle of FwpsAcquireClassifyHandle0."},
	{ID: verify.WFP_010, Fix: "call IoCreateDevice first, and keep the device until the callout is " +
		"unregistered."},
	{ID: verify.WFP_011, Fix: "give every callout a key of its own, and unregister the old one before " +
		"registering again."},
	{ID: verify.WFP_013, Fix: "call FwpsCalloutUnregisterById0 for every callout in DriverUnload, until " +
		"it succeeds."},
	{ID: verify.WFP_014, Fix: "at STATUS_DEVICE_BUSY remove the flow contexts (FwpsFlowRemoveContext0), " +
		"wait for flowDeleteFn, and unregister again."},
	{ID: verify.WFP_015, Fix: "go on only at STATUS_SUCCESS or STATUS_FWP_CALLOUT_NOT_FOUND; at " +
		"STATUS_FWP_IN_USE end what uses the callout and unregister again."},
	{ID: verify.WFP_016, Fix: "unregister the callouts first, then IoDeleteDevice."},
	{ID: verify.WFP_018, Fix: "set DriverUnload in DriverEntry."},
	{ID: verify.WFP_019, Fix: "complete everything that is pended (FwpsCompleteClassify0, " +
		"FwpsCompleteOperation0) before DriverUnload returns."},
	{ID: verify.WFP_020, Fix: "complete what is pended for the callout first, then unregister it."},
	{ID: verify.WFP_022, Fix: "pass a classifyFn and a notifyFn; one that returns STATUS_SUCCESS is enough."},
	{ID: verify.WFP_023, Fix: "pass only flags that this version of the callout structure knows."},
	{ID: verify.WFP_024, Fix: "register and unregister in DriverEntry, DriverUnload or a work item, " +
		"never in a callback of the callout."},
	{ID: verify.WFP_025, Fix: "return STATUS_SUCCESS for types that notifyFn does not know."},
	{ID: verify.WFP_030, Fix: "add a sublayer of its own for each callout (FwpmSubLayerAdd0)."},
	{ID: verify.WFP_032, Fix: "add the callout for the layer of the filter (FwpmCalloutAdd0 with the " +
		"same applicableLayer)."},
	{ID: verify.WFP_033, Fix: "register the callout (FwpsCalloutRegister1) before the filter is added, " +
		"or set FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED."},
	{ID: verify.WFP_035, Fix: "delete the filters before the callout, sublayer and provider they name, " +
		"and give an object no target that goes earlier."},
	{ID: verify.WFP_036, Fix: "commit or abort each transaction once before the next begins, and begin " +
		"it without FWPM_TXN_READ_ONLY where something is changed."},
	{ID: verify.WFP_037, Fix: "call FwpmEngineClose0 before DriverUnload returns, on the error paths of " +
		"DriverEntry as well."},
	{ID: verify.WFP_038, Fix: "assign FWP_ACTION_BLOCK or FWP_ACTION_PERMIT on every path, or add the " +
		"filter with FWP_ACTION_CALLOUT_UNKNOWN."},
	{ID: verify.WFP_039, Fix: "assign FWP_ACTION_CONTINUE, or add the filter with " +
		"FWP_ACTION_CALLOUT_TERMINATING."},
	{ID: verify.WFP_040, Fix: "assign FWP_ACTION_PERMIT, or add the filter with " +
		"FWP_ACTION_CALLOUT_UNKNOWN where FWP_ACTION_CONTINUE is wanted."},
	{ID: verify.WFP_041, Fix: "look first: if FWPS_RIGHT_ACTION_WRITE is clear, return without changing " +
		"the action, or set FWP_ACTION_BLOCK as a veto."},
	{ID: verify.WFP_042, Fix: "clear the right with the block: out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE."},
	{ID: verify.WFP_043, Fix: "if filter.Flags has FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT, clear the right: " +
		"out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE."},
	{ID: verify.WFP_044, Fix: "leave FWPS_RIGHT_ACTION_WRITE set with a permit, unless the filter has " +
		"FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT."},
	{ID: verify.WFP_045, Fix: "never set FWPS_RIGHT_ACTION_WRITE in the classifyOut of the engine; only " +
		"clear it."},
	{ID: verify.WFP_046, Fix: "assign ActionType, Rights and Flags one by one; leave OutContext, " +
		"FilterId and Reserved alone."},
	{ID: verify.WFP_047, Fix: "assign ActionType before the first return of classifyFn."},
	{ID: verify.WFP_048, Fix: "set FWPS_CLASSIFY_OUT_FLAG_ABSORB only together with FWP_ACTION_BLOCK, " +
		"and only at layers with packet data that may be absorbed."},
	{ID: verify.WFP_049, Fix: "leave FWPS_CLASSIFY_OUT_FLAG_ABSORB out at FLOW_ESTABLISHED layers."},
	{ID: verify.WFP_050, Fix: "block at ALE_AUTH_CONNECT or ALE_AUTH_RECV_ACCEPT, and permit or continue " +
		"at FLOW_ESTABLISHED."},
	{ID: verify.WFP_052, Fix: "permit at the redirect layer and block the connection at ALE_AUTH_CONNECT."},
	{ID: verify.WFP_053, Fix: "test the flag first: if FWPS_IS_METADATA_FIELD_PRESENT(meta, …) { … }."},
	{ID: verify.WFP_054, Fix: "copy what is needed before classifyFn returns; for layer data use the " +
		"handle (FwpsAcquireWritableLayerDataPointer0)."},
	{ID: verify.WFP_055, Fix: "look at the type before the value: FWP_EMPTY means that the field has " +
		"none in this classification."},
	{ID: verify.WFP_056, Fix: "use the FWPS_FIELD constants of the layer in inFixedValues.LayerId."},
	{ID: verify.WFP_057, Fix: "convert: incoming values are in host order, the addresses and ports of a " +
		"request in network order (RtlUshortByteSwap, RtlUlongByteSwap)."},
	{ID: verify.WFP_061, Fix: "call FwpsReleaseClassifyHandle0 once for each successful " +
		"FwpsAcquireClassifyHandle0, on every path."},
	{ID: verify.WFP_062, Fix: "release only what FwpsAcquireClassifyHandle0 gave, once; set the handle " +
		"to zero behind the release."},
	{ID: verify.WFP_063, Fix: "complete first (FwpsCompleteClassify0), release the handle last."},
	{ID: verify.WFP_064, Fix: "at this layer use FwpsPendOperation0, or decide at once; " +
		"FwpsPendClassify0 is for the redirect and resource assignment layers."},
	{ID: verify.WFP_065, Fix: "check the status of FwpsPendClassify0: if it is an error, decide in " +
		"classifyFn, drop the record, and do not complete later."},
	{ID: verify.WFP_066, Fix: "after a successful pend: out.ActionType = fwps.FWP_ACTION_BLOCK, and " +
		"out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE."},
	{ID: verify.WFP_067, Fix: "call FwpsCompleteClassify0 once on every path behind a successful pend, " +
		"also when a step before it fails; store the record before FwpsPendClassify0, or under the lock " +
		"that the completing side takes."},
	{ID: verify.WFP_068, Fix: "let one context take the record out of the list under the lock, and let " +
		"only that one complete."},
	{ID: verify.WFP_069, Fix: "complete only what was pended with STATUS_SUCCESS, and drop the record " +
		"where the pend failed."},
	{ID: verify.WFP_070, Fix: "copy the structure when pending (p.out = *out) and pass the address of " +
		"the copy."},
	{ID: verify.WFP_071, Fix: "begin with the copy of classifyOut at the time of the pend, and change " +
		"ActionType, Rights and Flags in it."},
	{ID: verify.WFP_072, Fix: "set FWPS_RIGHT_ACTION_WRITE in the copy before completing with " +
		"FWP_ACTION_PERMIT."},
	{ID: verify.WFP_073, Fix: "pass 0."},
	{ID: verify.WFP_074, Fix: "pass filter.FilterId of the classifyFn call."},
	{ID: verify.WFP_075, Fix: "pend once per call of classifyFn and remember that it is pended."},
	{ID: verify.WFP_076, Fix: "decide when classifyFn is called again: remember the answer and return it " +
		"in place of pending once more."},
	{ID: verify.WFP_079, Fix: "give what is waited for a time-out, and complete with a decision when it " +
		"passes."},
	{ID: verify.WFP_080, Fix: "take the records out under the lock, release it, then complete."},
	{ID: verify.WFP_081, Fix: "complete what is pended for the filter before the filter is deleted."},
	{ID: verify.WFP_082, Fix: "call FwpsAcquireClassifyHandle0 in classifyFn, and keep the handle in " +
		"place of classifyContext."},
	{ID: verify.WFP_083, Fix: "call FwpsApplyModifiedLayerData0 once for each successful " +
		"FwpsAcquireWritableLayerDataPointer0, also where nothing was changed."},
	{ID: verify.WFP_084, Fix: "apply once per acquisition, and not without one."},
	{ID: verify.WFP_085, Fix: "pass the pointer that FwpsAcquireWritableLayerDataPointer0 stored, not " +
		"its address and not a copy."},
	{ID: verify.WFP_086, Fix: "call FwpsApplyModifiedLayerData0 before FwpsCompleteClassify0."},
	{ID: verify.WFP_087, Fix: "pass FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS only for a " +
		"classification that is pended, else 0."},
	{ID: verify.WFP_088, Fix: "change the copy that FwpsAcquireWritableLayerDataPointer0 gives; what " +
		"classifyFn received is read-only."},
	{ID: verify.WFP_089, Fix: "leave PreviousVersion and ModifierFilterId alone; the engine writes them."},
	{ID: verify.WFP_090, Fix: "change RemoteAddressAndPort only; the local end is changed at a " +
		"BIND_REDIRECT layer."},
	{ID: verify.WFP_091, Fix: "write a sockaddr of the family of the layer."},
	{ID: verify.WFP_093, Fix: "call it at a redirect layer (CONNECT_REDIRECT, BIND_REDIRECT) only."},
	{ID: verify.WFP_094, Fix: "assign ActionType and Rights after FwpsAcquireWritableLayerDataPointer0, " +
		"which may have changed them."},
	{ID: verify.WFP_095, Fix: "copy what is needed before FwpsApplyModifiedLayerData0 or the completion, " +
		"which end the pointer."},
	{ID: verify.WFP_096, Fix: "walk the PreviousVersion chain and let a connection pass that carries the " +
		"filter's own ModifierFilterId."},
	{ID: verify.WFP_097, Fix: "create the redirect handle once in DriverEntry and keep it."},
	{ID: verify.WFP_098, Fix: "call FwpsRedirectHandleDestroy0 for each handle in DriverUnload."},
	{ID: verify.WFP_099, Fix: "use the handle that FwpsRedirectHandleCreate0 gave this driver, and " +
		"destroy it in DriverUnload, not behind each redirect."},
	{ID: verify.WFP_100, Fix: "keep the redirect handle until the connections that were redirected with " +
		"it are over."},
	{ID: verify.WFP_101, Fix: "ask FwpsQueryConnectionRedirectState0 before the remote end is changed."},
	{ID: verify.WFP_102, Fix: "permit and return where the state is FWPS_CONNECTION_REDIRECTED_BY_SELF."},
	{ID: verify.WFP_103, Fix: "permit and return where the state is " +
		"FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF."},
	{ID: verify.WFP_104, Fix: "do not redirect where the state is FWPS_CONNECTION_REDIRECTED_BY_OTHER " +
		"and the newest version has a local redirect handle."},
	{ID: verify.WFP_105, Fix: "set LocalRedirectTargetPID to the process id of the proxy."},
	{ID: verify.WFP_106, Fix: "set LocalRedirectHandle to the handle of FwpsRedirectHandleCreate0."},
	{ID: verify.WFP_107, Fix: "allocate LocalRedirectContext with ExAllocatePool2; the engine frees it."},
	{ID: verify.WFP_108, Fix: "leave the context to the engine behind FwpsApplyModifiedLayerData0: take " +
		"copies before, and free it only where the change was not applied."},
	{ID: verify.WFP_110, Fix: "set LocalRedirectContextSize to the size of the allocation, and both " +
		"members to zero where there is no context."},
	{ID: verify.WFP_111, Fix: "allocate a context of its own for each request."},
	{ID: verify.WFP_112, Fix: "allocate the context with POOL_FLAG_NON_PAGED."},
	{ID: verify.WFP_113, Fix: "redirect to the connection's own local address where it is specified, and " +
		"to loopback only where it is not."},
	{ID: verify.WFP_114, Fix: "permit what is neither TCP nor UDP without redirecting it."},
	{ID: verify.WFP_115, Fix: "pass a buffer that is aligned and as large as its length says, and no " +
		"length where the buffer is NULL."},
	{ID: verify.WFP_116, Fix: "call it in the classifyFn at the redirect layer, or while that " +
		"classification is pended."},
	{ID: verify.WFP_117, Fix: "allocate the size that the failed call returned and call again."},
	{ID: verify.WFP_118, Fix: "compare the result with the FWPS_CONNECTION_… states; it is no NTSTATUS."},
	{ID: verify.WFP_119, Fix: "register a callout at ALE_AUTH_CONNECT as well and look for " +
		"FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED there."},
	{ID: verify.WFP_120, Fix: "set the records on the outbound socket " +
		"(SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS) before it is connected."},
	{ID: verify.WFP_122, Fix: "free the buffers in the completion routine of the IRP."},
	{ID: verify.WFP_123, Fix: "make the request in a work item (IoQueueWorkItem), at PASSIVE_LEVEL."},
}
