package fwps

import "calloutsim/internal/verify"

// registrationRules are about registration and unload.
var registrationRules = []verify.Record{
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
	{ID: verify.WFP_017, Name: "InjectionHandleLeft",
		Why: "A packet injected with the handle may still be under way; its completionFn then lies in code " +
			"that is gone.",
		Fix: "call FwpsInjectionHandleDestroy0 in the unload routine; it waits for what is under way."},
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
}
