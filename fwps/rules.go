package fwps

import (
	"slices"

	"calloutsim/internal/verify"
)

// rules are the records of the rules this package and fwpm guard.
var rules = verify.WithFixes(slices.Concat(registrationRules, answerRules, handleRules, aliases), fixes)

func rule(id verify.RuleID, name string, bugCheck uint32, why string) verify.Record {
	return verify.Record{ID: id, Name: name, Package: "fwps", BugCheck: bugCheck, Why: why}
}

// registrationRules are about levels, registration, unload and filters.
var registrationRules = []verify.Record{
	rule(verify.WFP_001, "RoutineAboveDispatch", 0xC4,
		"The filter engine takes spin locks. Above DISPATCH_LEVEL that deadlocks the processor or "+
			"corrupts its lists."),
	rule(verify.WFP_002, "RegistrationAbovePassive", 0xC4,
		"Registering and unregistering wait and touch pageable memory; above PASSIVE_LEVEL neither is "+
			"possible."),
	rule(verify.WFP_003, "RedirectHandleNotAtPassive", 0xC4,
		"Redirect handles are made and destroyed at exactly PASSIVE_LEVEL; the engine waits for a lock "+
			"that is not a spin lock."),
	rule(verify.WFP_004, "ManagementAbovePassive", 0xC4,
		"Management calls go to a service in user mode and wait for its answer."),
	rule(verify.WFP_005, "ClassifyReturnsAtOtherIRQL", 0,
		"The engine goes on at the level it called at. A callout that leaves another one hangs or crashes "+
			"code that is not its own."),
	rule(verify.WFP_006, "CalloutWaitsAtDispatch", 0,
		"Callbacks of callouts come at DISPATCH_LEVEL in an arbitrary thread. Waiting or touching "+
			"pageable memory there stops the processor."),
	rule(verify.WFP_008, "ClassifyTakesLong", 0,
		"Nothing else runs on the processor meanwhile, no packet and no timer; the DPC watchdog ends it "+
			"with a bug check."),
	rule(verify.WFP_009, "ClassifyRoutineOutsideClassify", 0,
		"These routines work on the classification that the caller is inside of. Elsewhere there is none, "+
			"and the engine has no state to work on."),
	rule(verify.WFP_010, "RegisteredWithoutDevice", 0,
		"The engine refers to the device object to keep the driver loaded while it is called. Without one "+
			"the registration fails or protects nothing."),
	rule(verify.WFP_011, "CalloutKeyInUse", 0,
		"A key names one callout. The second registration is refused with STATUS_FWP_ALREADY_EXISTS."),
	rule(verify.WFP_013, "CalloutRegisteredAtUnload", 0xCE,
		"The engine calls classifyFn of a registered callout. When the image is gone that is a jump into "+
			"nothing."),
	rule(verify.WFP_014, "UnregisterBusyIgnored", 0xCE,
		"STATUS_DEVICE_BUSY means that nothing was unregistered. The engine keeps calling into the driver "+
			"after it is gone."),
	rule(verify.WFP_015, "UnregisterFailureIgnored", 0xCE,
		"Only STATUS_SUCCESS and STATUS_FWP_CALLOUT_NOT_FOUND mean that the callout is not registered any "+
			"more."),
	rule(verify.WFP_016, "DeviceDeletedBeforeCallout", 0,
		"The registration refers to the device object. The engine uses it whenever it calls the callout, "+
			"also after it was deleted."),
	rule(verify.WFP_018, "CalloutDriverWithoutUnload", 0,
		"A driver that registers callouts and has no unload routine cannot be stopped, and its service "+
			"hangs on stop."),
	rule(verify.WFP_019, "PendedAtUnload", 0,
		"Nobody is left to complete what was pended: the connections hang, or the completion runs in code "+
			"that is gone."),
	rule(verify.WFP_020, "UnregisteredWhilePended", 0,
		"What a callout pended belongs to the connection, not to the registration, and is still waiting "+
			"for the callout's completion."),
	rule(verify.WFP_022, "CalloutFunctionMissing", 0,
		"The engine calls both functions without looking; a NULL one is a crash at the first filter or "+
			"the first connection."),
	rule(verify.WFP_023, "CalloutFlagsUndefined", 0,
		"Undefined flag bits are ignored by one version of Windows and refused, or given a meaning, by "+
			"the next."),
	rule(verify.WFP_024, "RegistrationInsideCallback", 0,
		"Unregistering waits for the callout's callbacks. Inside one of them it waits for itself."),
	rule(verify.WFP_025, "UnknownNotificationRefused", 0,
		"A later version of Windows may notify of more; a driver that fails what it does not know blocks "+
			"filters then."),
	rule(verify.WFP_030, "CalloutsShareSublayer", 0,
		"The first filter that decides ends its sublayer. A lighter callout in the same sublayer is not "+
			"called and does not notice."),
	rule(verify.WFP_032, "FilterNamesWrongCallout", 0,
		"A filter can only call a callout that was added at the filter's own layer; the engine refuses "+
			"the filter."),
	rule(verify.WFP_033, "BlockedByMissingCallout", 0,
		"A terminating filter whose callout is not registered blocks. Traffic stops between boot and "+
			"start, and after unload."),
	rule(verify.WFP_035, "ObjectReference", 0,
		"An object that others refer to cannot be deleted, and none may refer to one that can vanish "+
			"earlier."),
	rule(verify.WFP_036, "TransactionMisuse", 0,
		"Transactions do not nest, are committed once, and read-only ones change nothing; the engine "+
			"refuses the call."),
	rule(verify.WFP_037, "SessionOpenAtUnload", 0,
		"A session that is never closed is leaked, and with it the lock of a transaction and the objects "+
			"of a dynamic session."),
	{ID: verify.WFP_118, Name: "StateIsNoStatus", Package: "fwps",
		Why: "Every redirect state looks like success to NT_SUCCESS.",
		ByConstruction: "FwpsQueryConnectionRedirectState0 returns FWPS_CONNECTION_REDIRECT_STATE, which " +
			"is no NTSTATUS"},
}

// aliases are acts that the rules of package wsk report.
var aliases = []verify.Record{
	{ID: verify.WFP_122, Name: "RedirectQueryBufferGone", Package: "fwps", Alias: verify.WSK_222,
		Why: "The answer of a redirect query is written when its IRP completes."},
	{ID: verify.WFP_123, Name: "RedirectQueryAbovePassive", Package: "fwps", Alias: verify.WSK_093,
		Why: "The redirect codes take locks that can be waited for."},
}

// answerRules are about what classifyFn reads and answers.
var answerRules = []verify.Record{
	rule(verify.WFP_038, "TerminatingMustDecide", 0,
		"A terminating filter promises a decision. Whatever else its callout returns counts as BLOCK."),
	rule(verify.WFP_039, "InspectionMustContinue", 0,
		"An inspection filter decides nothing; what its callout returns is taken as CONTINUE and the "+
			"driver believes otherwise."),
	rule(verify.WFP_040, "RedirectAnswerIsNoDecision", 0,
		"A terminating filter's CONTINUE counts as BLOCK. At the redirect layers that shows nowhere, "+
			"until the filter is moved."),
	rule(verify.WFP_041, "WrittenWithoutRight", 0,
		"A heavier callout or filter has decided for good. Only a veto may be written then; anything else "+
			"is ignored or a conflict."),
	rule(verify.WFP_042, "BlockStaysSoft", 0,
		"A block that leaves FWPS_RIGHT_ACTION_WRITE set can be turned into a permit by any lighter filter."),
	rule(verify.WFP_043, "HardPermitStaysSoft", 0,
		"The filter asks for a permit that nobody overrides. With the right left set a lighter filter "+
			"overrides it."),
	rule(verify.WFP_044, "PermitMadeHard", 0,
		"A permit without FWPS_RIGHT_ACTION_WRITE takes the decision from everybody lighter, although the "+
			"filter did not ask for that."),
	rule(verify.WFP_045, "RightSetByCallout", 0,
		"Setting the right that somebody heavier cleared lets lighter callouts change what was final."),
	rule(verify.WFP_046, "SystemMembersWritten", 0,
		"outContext, filterId and reserved of classifyOut are the engine's memory of where it is."),
	rule(verify.WFP_047, "ActionUnset", 0,
		"ActionType holds whatever was decided before. A path that does not assign it inherits that."),
	rule(verify.WFP_048, "AbsorbMisplaced", 0,
		"Absorbing goes with a block, at layers that carry packets. Elsewhere the flag is ignored or "+
			"undefined."),
	rule(verify.WFP_049, "AbsorbAtFlowEstablished", 0,
		"The flow exists already; absorbing leaves both ends waiting."),
	rule(verify.WFP_050, "FlowLayerCalloutReturnsBlock", 0,
		"The connection was authorised and its handshake is over. A block here tears it down behind the "+
			"program's back."),
	rule(verify.WFP_052, "BlockAtRedirectLayer", 0,
		"The redirect layers do not authorise. The operation goes on with whatever the request says."),
	rule(verify.WFP_053, "MetadataNotPresent", 0,
		"A metadata member whose bit is not set holds garbage."),
	rule(verify.WFP_054, "ClassifyArgumentsKept", 0xD5,
		"Everything classifyFn is given lies on the engine's stack or in its buffers and is gone when the "+
			"routine returns."),
	rule(verify.WFP_055, "EmptyValueRead", 0,
		"A value nobody knows is FWP_EMPTY, and the union next to the type holds garbage then."),
	rule(verify.WFP_056, "WrongFieldOfLayer", 0,
		"The same index means another value at another layer, of another type."),
	rule(verify.WFP_057, "ByteOrderMixed", 0,
		"Incoming values are in host order, addresses inside the request in network order. Copied without "+
			"conversion they name another port."),
	rule(verify.WFP_065, "PendFailureIgnored", 0,
		"The classification goes on at once with the answer meant for a pended one, and a later "+
			"completion has nothing to complete."),
	rule(verify.WFP_066, "ConnectRedirectPendClassify", 0,
		"While a classification is pended lighter callouts must not decide; BLOCK without the right to "+
			"change it says so."),
}

// handleRules are about classify handles, layer data and redirection.
var handleRules = append([]verify.Record{
	rule(verify.WFP_061, "ClassifyHandleLeaked", 0,
		"Each acquire takes a reference. One that is not released keeps the classification's memory for "+
			"ever."),
	rule(verify.WFP_062, "ClassifyHandleOverReleased", 0x18,
		"One release too many frees the handle under somebody who still uses it."),
	rule(verify.WFP_063, "ClassifyHandleUsedAfterRelease", 0xD1,
		"With the last reference the handle's memory goes."),
	rule(verify.WFP_064, "CannotPendHere", 0,
		"Only ALE_ENDPOINT_CLOSURE, ALE_CONNECT_REDIRECT and ALE_BIND_REDIRECT can be pended with "+
			"FwpsPendClassify0."),
	rule(verify.WFP_067, "NeverCompleted", 0,
		"The operation of the program waits for the completion, without limit."),
	rule(verify.WFP_068, "CompletedTwice", 0x18,
		"The second completion takes a reference that was not there and resumes a classification that has "+
			"gone on, perhaps to its end."),
	rule(verify.WFP_069, "CompletedWithoutPend", 0,
		"There is no pend whose reference the completion could take."),
	rule(verify.WFP_070, "CompletedWithOriginal", 0xDC,
		"classifyOut lay on the stack of the thread that was classified. When it is used to complete, "+
			"something else is there."),
	rule(verify.WFP_071, "CompletionIsNoCopy", 0,
		"A structure made from nothing lacks the members in which the engine finds its way back."),
	rule(verify.WFP_072, "CompletedWithHardPermit", 0,
		"The copy made when pending has the right cleared. Completed like that, the permit takes the "+
			"decision from everybody lighter."),
	rule(verify.WFP_073, "FlagsNotZero", 0,
		"The argument is reserved; what is passed is refused or ignored."),
	rule(verify.WFP_074, "WrongFilterId", 0,
		"The engine keeps state per filter; another number finds another filter's state or none."),
	rule(verify.WFP_075, "PendedTwice", 0,
		"One call of classifyFn is one turn of one callout, and can be pended once."),
	rule(verify.WFP_076, "EndlessReauthorization", 0,
		"Completing with NULL asks everybody again. A callout that pends again each time never lets the "+
			"connection go."),
	rule(verify.WFP_079, "PendedTooLong", 0,
		"Nothing ends a pended classification but its completion; the program hangs meanwhile."),
	rule(verify.WFP_080, "CompletedUnderLock", 0xF,
		"FwpsCompleteClassify0 may enter classifyFn on the same stack. A lock held across the call that "+
			"classifyFn takes deadlocks."),
	rule(verify.WFP_081, "FilterGoneBeforeNull", 0,
		"Filters go first when a driver stops, so that nothing new is pended; what is pended is completed "+
			"then, and last the callout is unregistered. Completed with NULL it is classified again, "+
			"without the filter that is gone, and the callout is not asked."),
	rule(verify.WFP_082, "ClassifyContextKept", 0xD1,
		"classifyContext is the engine's stack frame of this call."),
	rule(verify.WFP_083, "NotApplied", 0,
		"The engine waits for the copy it gave out; without the apply the classification may never finish "+
			"properly."),
	rule(verify.WFP_084, "AppliedWithoutAcquire", 0,
		"There is no copy that could be applied."),
	rule(verify.WFP_085, "AppliedOtherPointer", 0,
		"The pointer identifies the copy. Some engines do not look at it, which hides the mistake."),
	rule(verify.WFP_086, "AppliedTooLate", 0,
		"The completion decides with the versions there are; what is applied later is lost or written "+
			"into freed memory."),
	rule(verify.WFP_087, "InlineConnectRedirectCalloutShouldNotSetReauthorize", 0,
		"The flag asks for another call before the classification completes. Inline there is no such "+
			"moment, and results are indeterminate."),
	rule(verify.WFP_088, "LayerDataWrittenInPlace", 0,
		"layerData is the engine's current version, shared with everybody after this callout; a change "+
			"there is not applied."),
	rule(verify.WFP_089, "ReadOnlyMembersWritten", 0,
		"previousVersion and modifierFilterId are the history by which redirectors recognise each other."),
	rule(verify.WFP_090, "LocalAddressChanged", 0,
		"The documentation says that the local address cannot be changed here. It works for TCP and is "+
			"ignored for the rest."),
	rule(verify.WFP_091, "AddressFamilyChanged", 0,
		"The stack reads the address in the family of the layer."),
	rule(verify.WFP_093, "NothingToModifyHere", 0,
		"Only the redirect layers have data that can be changed."),
	rule(verify.WFP_094, "AnswerLeftToAcquire", 0,
		"Acquiring the copy sets the answer to BLOCK without the right, or leaves it alone, depending on "+
			"whom one believes. Either way the callout has not answered."),
	rule(verify.WFP_095, "WrittenAfterApply", 0,
		"The copy is the engine's from the apply on, and may be freed."),
}, redirectRules...)

var redirectRules = []verify.Record{
	rule(verify.WFP_096, "OwnVersionInHistory", 0,
		"Two redirectors that change each other's request without looking at the history do so for ever."),
	rule(verify.WFP_097, "ConnectRedirectMultipleCallsHandleCreation", 0,
		"The handle is the driver's identity in the records. One per classification makes the driver a "+
			"stranger to its own redirections."),
	rule(verify.WFP_098, "RedirectHandleLeaked", 0,
		"The handle outlives the driver."),
	rule(verify.WFP_099, "RedirectHandleInvalid", 0,
		"A destroyed handle names nothing, another driver's names somebody else."),
	rule(verify.WFP_100, "RedirectHandleDestroyedEarly", 0,
		"Connections redirected with the handle live on, and the driver does not recognise them as its "+
			"own any more. At unload that cannot be helped; before, keep the handle."),
	rule(verify.WFP_101, "RedirectStateNotQueried", 0,
		"The proxy's own connection comes by as well. A driver that does not ask redirects it to the "+
			"proxy, without end."),
	rule(verify.WFP_102, "RedirectedSelfAgain", 0,
		"REDIRECTED_BY_SELF is the proxy's own connection; redirecting it is the loop the state exists to "+
			"prevent."),
	rule(verify.WFP_103, "RedirectedPreviouslySelf", 0,
		"Two proxies send the connection to and fro."),
	rule(verify.WFP_104, "RedirectedFromOtherProxy", 0,
		"The other driver's proxy waits for this connection and finds its own connections taken."),
	rule(verify.WFP_105, "TargetPIDMissing", 0,
		"A redirection to this machine is accepted only with the process that will serve it; otherwise "+
			"the connection goes where it wanted to."),
	rule(verify.WFP_106, "RedirectHandleMissing", 0,
		"Without the handle there is no record: the change is not accepted, and the proxy cannot ask for "+
			"context and records."),
	rule(verify.WFP_107, "ContextNotPool", 0,
		"The engine frees the context with ExFreePool when the flow ends."),
	rule(verify.WFP_108, "ContextTouchedAfterApply", 0xC2,
		"From the apply on the engine owns the context and frees it when the flow is gone, perhaps before "+
			"the driver's next instruction."),
	rule(verify.WFP_110, "ContextSizeWrong", 0,
		"The proxy reads as many bytes as the size says."),
	rule(verify.WFP_111, "ContextShared", 0,
		"Each flow frees its context. One block in two flows is freed twice."),
	rule(verify.WFP_112, "ContextPageable", 0,
		"Flows end at DISPATCH_LEVEL, where pageable memory cannot be freed."),
	rule(verify.WFP_113, "LoopbackInsteadOfLocal", 0,
		"A bound connection that is sent to the loopback address crosses zones and fails."),
	rule(verify.WFP_114, "UnsupportedTrafficRedirected", 0,
		"Redirection exists for TCP, UDP and ICMP."),
	rule(verify.WFP_115, "SioBufferInvalid", 0,
		"The records are written to the buffer as it was described."),
	rule(verify.WFP_116, "SioOutsideClassification", 0,
		"The records handle lives as long as its classification is not decided."),
	rule(verify.WFP_117, "SioSizeIgnored", 0,
		"A loop that does not use the returned size never ends, or cuts the records short."),
	rule(verify.WFP_119, "AuthConnectNotWatched", 0,
		"A redirected connection is authorised with the proxy's address. Who looks only at the redirect "+
			"layer misses what policy does with it."),
	rule(verify.WFP_120, "ProxyWithoutRecords", 0,
		"A connection without records looks like any other: the callout redirects it to the proxy, and so "+
			"on."),
}
