package fwps

import "calloutsim/internal/verify"

// registrationRules are about levels, registration, unload and filters.
var registrationRules = []verify.Record{
	{ID: verify.WFP_001, Name: "RoutineAboveDispatch", BugCheck: 0xC4,
		Why: "The filter engine takes spin locks. Above DISPATCH_LEVEL that deadlocks the processor or " +
			"corrupts its lists.",
		Fix: "call it at DISPATCH_LEVEL or below: in a DPC or a work item."},
	{ID: verify.WFP_002, Name: "RegistrationAbovePassive", BugCheck: 0xC4,
		Why: "Registering and unregistering wait and touch pageable memory; above PASSIVE_LEVEL " +
			"neither is possible.",
		Fix: "call it in DriverEntry, DriverUnload or a work item (IoQueueWorkItem), with no spin lock " +
			"held."},
	{ID: verify.WFP_003, Name: "RedirectHandleNotAtPassive", BugCheck: 0xC4,
		Why: "Redirect handles are made and destroyed at exactly PASSIVE_LEVEL; the engine waits for a " +
			"lock that is not a spin lock.",
		Fix: "create the handle in DriverEntry and destroy it in DriverUnload, both at PASSIVE_LEVEL."},
	{ID: verify.WFP_004, Name: "ManagementAbovePassive", BugCheck: 0xC4,
		Why: "Management calls go to a service in user mode and wait for its answer.",
		Fix: "call the management functions in DriverEntry, DriverUnload or a work item " +
			"(IoQueueWorkItem), never in classifyFn."},
	{ID: verify.WFP_005, Name: "ClassifyReturnsAtOtherIRQL",
		Why: "The engine goes on at the level it called at. A callout that leaves another one hangs or " +
			"crashes code that is not its own.",
		Fix: "release every spin lock and restore the IRQL on every path out of classifyFn."},
	{ID: verify.WFP_006, Name: "CalloutWaitsAtDispatch",
		Why: "Callbacks of callouts come at DISPATCH_LEVEL in an arbitrary thread. Waiting or touching " +
			"pageable memory there stops the processor.",
		Fix: "decide with what is in nonpaged memory; for anything that waits, pend the classification " +
			"and go on in a work item (IoQueueWorkItem)."},
	{ID: verify.WFP_007, Name: "ReliesOnPassive", Alias: verify.WFP_006,
		Why: "The redirect and connect layers are called at DISPATCH_LEVEL as well: for datagrams and " +
			"reauthorizations.",
		Fix: "write classifyFn for DISPATCH_LEVEL at every layer."},
	{ID: verify.WFP_008, Name: "ClassifyTakesLong",
		Why: "Nothing else runs on the processor meanwhile, no packet and no timer; the DPC watchdog " +
			"ends it with a bug check.",
		Fix: "pend the classification and do the work in a work item (IoQueueWorkItem)."},
	{ID: verify.WFP_009, Name: "ClassifyRoutineOutsideClassify",
		Why: "These routines work on the classification that the caller is inside of. Elsewhere there " +
			"is none, and the engine has no state to work on.",
		Fix: "call it inside the classifyFn that received this classifyContext; what comes later uses " +
			"the handle of FwpsAcquireClassifyHandle0."},
	{ID: verify.WFP_010, Name: "RegisteredWithoutDevice",
		Why: "The engine refers to the device object to keep the driver loaded while it is called. " +
			"Without one the registration fails or protects nothing.",
		Fix: "call IoCreateDevice first, and keep the device until the callout is unregistered."},
	{ID: verify.WFP_011, Name: "CalloutKeyInUse",
		Why: "A key names one callout. The second registration is refused with STATUS_FWP_ALREADY_EXISTS.",
		Fix: "give every callout a key of its own, and unregister the old one before registering again."},
	{ID: verify.WFP_012, Name: "Version0Redirects",
		Why: "Only classifyFn of version 1 and later gets classifyContext, without which nothing can be " +
			"pended or redirected.",
		Fix: "register the callouts of redirect layers with FwpsCalloutRegister1 or later."},
	{ID: verify.WFP_013, Name: "CalloutRegisteredAtUnload", BugCheck: 0xCE,
		Why: "The engine calls classifyFn of a registered callout. When the image is gone that is a " +
			"jump into nothing.",
		Fix: "call FwpsCalloutUnregisterById0 for every callout in DriverUnload, until it succeeds."},
	{ID: verify.WFP_014, Name: "UnregisterBusyIgnored", BugCheck: 0xCE,
		Why: "STATUS_DEVICE_BUSY means that nothing was unregistered. The engine keeps calling into " +
			"the driver after it is gone.",
		Fix: "at STATUS_DEVICE_BUSY remove the flow contexts (FwpsFlowRemoveContext0), wait for " +
			"flowDeleteFn, and unregister again."},
	{ID: verify.WFP_015, Name: "UnregisterFailureIgnored", BugCheck: 0xCE,
		Why: "Only STATUS_SUCCESS and STATUS_FWP_CALLOUT_NOT_FOUND mean that the callout is not " +
			"registered any more.",
		Fix: "go on only at STATUS_SUCCESS or STATUS_FWP_CALLOUT_NOT_FOUND; at STATUS_FWP_IN_USE end " +
			"what uses the callout and unregister again."},
	{ID: verify.WFP_016, Name: "DeviceDeletedBeforeCallout",
		Why: "The registration refers to the device object. The engine uses it whenever it calls the " +
			"callout, also after it was deleted.",
		Fix: "unregister the callouts first, then IoDeleteDevice."},
	{ID: verify.WFP_018, Name: "CalloutDriverWithoutUnload",
		Why: "A driver that registers callouts and has no unload routine cannot be stopped, and its " +
			"service hangs on stop.",
		Fix: "set DriverUnload in DriverEntry."},
	{ID: verify.WFP_019, Name: "PendedAtUnload",
		Why: "Nobody is left to complete what was pended: the connections hang, or the completion runs " +
			"in code that is gone.",
		Fix: "complete everything that is pended (FwpsCompleteClassify0, FwpsCompleteOperation0) " +
			"before DriverUnload returns."},
	{ID: verify.WFP_020, Name: "UnregisteredWhilePended",
		Why: "What a callout pended belongs to the connection, not to the registration, and is still " +
			"waiting for the callout's completion.",
		Fix: "complete what is pended for the callout first, then unregister it."},
	{ID: verify.WFP_021, Name: "BfeSubscriptionMisused",
		Why: "The callback about the filter engine's state is called as long as it is subscribed: in code " +
			"that is gone, when the driver is.",
		Fix: "call FwpmBfeStateUnsubscribeChanges0 before DriverUnload returns.",
		Cases: []verify.Case{{Name: "in the callback",
			Fix: "unsubscribe in DriverUnload or a work item: it waits until the callback has returned."}}},
	{ID: verify.WFP_022, Name: "CalloutFunctionMissing",
		Why: "The engine calls both functions without looking; a NULL one is a crash at the first " +
			"filter or the first connection.",
		Fix: "pass a classifyFn and a notifyFn; one that returns STATUS_SUCCESS is enough."},
	{ID: verify.WFP_023, Name: "CalloutFlagsUndefined",
		Why: "Undefined flag bits are ignored by one version of Windows and refused, or given a " +
			"meaning, by the next.",
		Fix: "pass only flags that this version of the callout structure knows."},
	{ID: verify.WFP_024, Name: "RegistrationInsideCallback",
		Why: "Unregistering waits for the callout's callbacks. Inside one of them it waits for itself.",
		Fix: "register and unregister in DriverEntry, DriverUnload or a work item, never in a callback " +
			"of the callout."},
	{ID: verify.WFP_025, Name: "UnknownNotificationRefused",
		Why: "A later version of Windows may notify of more; a driver that fails what it does not know " +
			"blocks filters then.",
		Fix: "return STATUS_SUCCESS for types that notifyFn does not know."},
	{ID: verify.WFP_026, Name: "FilterKeyOfDeletion",
		ByConstruction: "filterKey is nil in FWPS_CALLOUT_NOTIFY_DELETE_FILTER: reading it is a Go panic, " +
			"bug check 0x1E, at the line that does it",
		Why: "A filter that is deleted has no key to show: the pointer is NULL.",
		Fix: "look at filterKey only when the type is FWPS_CALLOUT_NOTIFY_ADD_FILTER; filter->filterId is " +
			"there always."},
	{ID: verify.WFP_027, Name: "DeletionWithoutAddition",
		ByConstruction: "the engine tells of the deletion of filters that were there before the callout " +
			"was registered, with Context 0, so that what the driver does with it shows",
		Why: "No ADD_FILTER comes for filters that are older than the registration.",
		Fix: "take filter->context 0 for a filter that the driver never heard of."},
	{ID: verify.WFP_028, Name: "FilterKept",
		ByConstruction: "FWPS_FILTER is overwritten when the callback returns: whatever reads it later " +
			"finds no filter",
		Why: "The structure is the engine's and lives as long as the call.",
		Fix: "copy filterId, and whatever else is needed, before the callback returns."},
	{ID: verify.WFP_029, Name: "FilterContextFreed", Alias: verify.POOL_013,
		Why: "DELETE_FILTER comes while classifyFn may run for the filter, and once for each filter.",
		Fix: "count references to what filter->context names, and free it when the last one is gone."},
	{ID: verify.WFP_030, Name: "CalloutsShareSublayer",
		Why: "The first filter that decides ends its sublayer. A lighter callout in the same sublayer " +
			"is not called and does not notice.",
		Fix: "add a sublayer of its own for each callout (FwpmSubLayerAdd0)."},
	{ID: verify.WFP_031, Name: "SublayerAboveUniversal",
		Why: "Callouts of the transport and ALE layers see traffic before IPsec has dealt with it, when " +
			"their sublayer is heavier than FWPM_SUBLAYER_UNIVERSAL.",
		Fix: "give the callout's sublayer a smaller weight than FWPM_SUBLAYER_UNIVERSAL has, " +
			"0 for instance."},
	{ID: verify.WFP_032, Name: "FilterNamesWrongCallout",
		Why: "A filter can only call a callout that was added at the filter's own layer; the engine " +
			"refuses the filter.",
		Fix: "add the callout for the layer of the filter (FwpmCalloutAdd0 with the same applicableLayer)."},
	{ID: verify.WFP_033, Name: "BlockedByMissingCallout",
		Why: "A terminating filter whose callout is not registered blocks. Traffic stops between boot " +
			"and start, and after unload.",
		Fix: "register the callout (FwpsCalloutRegister1) before the filter is added, or set " +
			"FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED."},
	{ID: verify.WFP_035, Name: "ObjectReference",
		Why: "An object that others refer to cannot be deleted, and none may refer to one that can " +
			"vanish earlier.",
		Fix: "delete the filters before the callout, sublayer and provider they name, and give an " +
			"object no target that goes earlier."},
	{ID: verify.WFP_036, Name: "TransactionMisuse",
		Why: "Transactions do not nest, are committed once, and read-only ones change nothing; the " +
			"engine refuses the call.",
		Fix: "commit or abort each transaction once before the next begins, and begin it without " +
			"FWPM_TXN_READ_ONLY where something is changed."},
	{ID: verify.WFP_037, Name: "SessionOpenAtUnload",
		Why: "A session that is never closed is leaked, and with it the lock of a transaction and the " +
			"objects of a dynamic session.",
		Fix: "call FwpmEngineClose0 before DriverUnload returns, on the error paths of DriverEntry as well."},
	{ID: verify.WFP_118, Name: "StateIsNoStatus",
		ByConstruction: "FwpsQueryConnectionRedirectState0 returns FWPS_CONNECTION_REDIRECT_STATE, " +
			"which is no NTSTATUS",
		Why: "Every redirect state looks like success to NT_SUCCESS.",
		Fix: "compare the result with the FWPS_CONNECTION_… states; it is no NTSTATUS."},
	{ID: verify.WFP_122, Name: "RedirectQueryBufferGone", Alias: verify.WSK_222,
		Why: "The answer of a redirect query is written when its IRP completes.",
		Fix: "free the buffers in the completion routine of the IRP."},
	{ID: verify.WFP_123, Name: "RedirectQueryAbovePassive", Alias: verify.WSK_093,
		Why: "The redirect codes take locks that can be waited for.",
		Fix: "make the request in a work item (IoQueueWorkItem), at PASSIVE_LEVEL."},
}
