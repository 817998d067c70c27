package fwps

import "calloutsim/internal/verify"

// redirectRules are about redirection.
var redirectRules = []verify.Record{
	{ID: verify.WFP_097, Name: "ConnectRedirectMultipleCallsHandleCreation",
		Why: "The handle is the driver's identity in the records. One per classification makes the " +
			"driver a stranger to its own redirections.",
		Fix: "create the redirect handle once in DriverEntry and keep it."},
	{ID: verify.WFP_098, Name: "RedirectHandleLeaked",
		Why: "The handle outlives the driver.",
		Fix: "call FwpsRedirectHandleDestroy0 for each handle in DriverUnload."},
	{ID: verify.WFP_099, Name: "RedirectHandleInvalid",
		Why: "A destroyed handle names nothing, another driver's names somebody else.",
		Fix: "use the handle that FwpsRedirectHandleCreate0 gave this driver, and destroy it in " +
			"DriverUnload, not behind each redirect."},
	{ID: verify.WFP_100, Name: "RedirectHandleDestroyedEarly",
		Why: "Connections redirected with the handle live on, and the driver does not recognise them " +
			"as its own any more. At unload that cannot be helped; before, keep the handle.",
		Fix: "keep the redirect handle until the connections that were redirected with it are over."},
	{ID: verify.WFP_101, Name: "RedirectStateNotQueried",
		Why: "The proxy's own connection comes by as well. A driver that does not ask redirects it to " +
			"the proxy, without end.",
		Fix: "ask FwpsQueryConnectionRedirectState0 before the remote end is changed."},
	{ID: verify.WFP_102, Name: "RedirectedSelfAgain",
		Why: "REDIRECTED_BY_SELF is the proxy's own connection; redirecting it is the loop the state " +
			"exists to prevent.",
		Fix: "permit and return where the state is FWPS_CONNECTION_REDIRECTED_BY_SELF."},
	{ID: verify.WFP_103, Name: "RedirectedPreviouslySelf",
		Why: "Two proxies send the connection to and fro.",
		Fix: "permit and return where the state is FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF."},
	{ID: verify.WFP_104, Name: "RedirectedFromOtherProxy",
		Why: "The other driver's proxy waits for this connection and finds its own connections taken.",
		Fix: "do not redirect where the state is FWPS_CONNECTION_REDIRECTED_BY_OTHER and the newest " +
			"version has a local redirect handle."},
	{ID: verify.WFP_105, Name: "TargetPIDMissing",
		Why: "A redirection to this machine is accepted only with the process that will serve it; " +
			"otherwise the connection goes where it wanted to.",
		Fix: "set LocalRedirectTargetPID to the process id of the proxy."},
	{ID: verify.WFP_106, Name: "RedirectHandleMissing",
		Why: "Without the handle there is no record: the change is not accepted, and the proxy cannot " +
			"ask for context and records.",
		Fix: "set LocalRedirectHandle to the handle of FwpsRedirectHandleCreate0."},
	{ID: verify.WFP_107, Name: "ContextNotPool",
		Why: "The engine frees the context with ExFreePool when the flow ends.",
		Fix: "allocate LocalRedirectContext with ExAllocatePool2; the engine frees it."},
	{ID: verify.WFP_108, Name: "ContextTouchedAfterApply", BugCheck: 0xC2,
		Why: "From the apply on the engine owns the context and frees it when the flow is gone, " +
			"perhaps before the driver's next instruction.",
		Fix: "leave the context to the engine behind FwpsApplyModifiedLayerData0: take copies before, " +
			"and free it only where the change was not applied."},
	{ID: verify.WFP_109, Name: "ContextNotApplied", Alias: verify.UNLOAD_001,
		Why: "The engine takes a context over with FwpsApplyModifiedLayerData0 and not before.",
		Fix: "free the context on every path that does not apply it."},
	{ID: verify.WFP_110, Name: "ContextSizeWrong",
		Why: "The proxy reads as many bytes as the size says.",
		Fix: "set LocalRedirectContextSize to the size of the allocation, and both members to zero " +
			"where there is no context."},
	{ID: verify.WFP_111, Name: "ContextShared",
		Why: "Each flow frees its context. One block in two flows is freed twice.",
		Fix: "allocate a context of its own for each request."},
	{ID: verify.WFP_112, Name: "ContextPageable",
		Why: "Flows end at DISPATCH_LEVEL, where pageable memory cannot be freed.",
		Fix: "allocate the context with POOL_FLAG_NON_PAGED."},
	{ID: verify.WFP_113, Name: "LoopbackInsteadOfLocal",
		Why: "A bound connection that is sent to the loopback address crosses zones and fails.",
		Fix: "redirect to the connection's own local address where it is specified, and to loopback " +
			"only where it is not."},
	{ID: verify.WFP_114, Name: "UnsupportedTrafficRedirected",
		Why: "Redirection exists for TCP, UDP and ICMP.",
		Fix: "permit what is neither TCP nor UDP without redirecting it."},
	{ID: verify.WFP_115, Name: "SioBufferInvalid",
		Why: "The records are written to the buffer as it was described.",
		Fix: "pass a buffer that is aligned and as large as its length says, and no length where the " +
			"buffer is NULL."},
	{ID: verify.WFP_116, Name: "SioOutsideClassification",
		Why: "The records handle lives as long as its classification is not decided.",
		Fix: "call it in the classifyFn at the redirect layer, or while that classification is pended."},
	{ID: verify.WFP_117, Name: "SioSizeIgnored",
		Why: "A loop that does not use the returned size never ends, or cuts the records short.",
		Fix: "allocate the size that the failed call returned and call again."},
	{ID: verify.WFP_118, Name: "StateIsNoStatus",
		ByConstruction: "FwpsQueryConnectionRedirectState0 returns FWPS_CONNECTION_REDIRECT_STATE, " +
			"which is no NTSTATUS",
		Why: "Every redirect state looks like success to NT_SUCCESS.",
		Fix: "compare the result with the FWPS_CONNECTION_… states; it is no NTSTATUS."},
	{ID: verify.WFP_119, Name: "AuthConnectNotWatched",
		Why: "A redirected connection is authorised with the proxy's address. Who looks only at the " +
			"redirect layer misses what policy does with it.",
		Fix: "register a callout at ALE_AUTH_CONNECT as well and look for " +
			"FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED there."},
	{ID: verify.WFP_120, Name: "ProxyWithoutRecords",
		Why: "A connection without records looks like any other: the callout redirects it to the " +
			"proxy, and so on.",
		Fix: "set the records on the outbound socket (SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS) before " +
			"it is connected."},
	{ID: verify.WFP_121, Name: "RedirectCodesOnWrongSocket", Alias: verify.WSK_229,
		Why: "The accepted socket knows where its connection wanted to go; the socket to the real " +
			"destination is the one that has to carry the records.",
		Fix: "query on the accepted socket, set on the new one before it is connected."},
	{ID: verify.WFP_122, Name: "RedirectQueryBufferGone", Alias: verify.WSK_222,
		Why: "The answer of a redirect query is written when its IRP completes.",
		Fix: "free the buffers in the completion routine of the IRP."},
	{ID: verify.WFP_123, Name: "RedirectQueryAbovePassive", Alias: verify.WSK_093,
		Why: "The redirect codes take locks that can be waited for.",
		Fix: "make the request in a work item (IoQueueWorkItem), at PASSIVE_LEVEL."},
}
