package fwps

import "calloutsim/internal/verify"

// irqlRules are about levels and contexts.
var irqlRules = []verify.Record{
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
}
