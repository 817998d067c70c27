package fwps

import "calloutsim/internal/verify"

// handleRules are about classify handles and pended classifications.
var handleRules = []verify.Record{
	{ID: verify.WFP_061, Name: "ClassifyHandleLeaked",
		Why: "Each acquire takes a reference. One that is not released keeps the classification's " +
			"memory for ever.",
		Fix: "call FwpsReleaseClassifyHandle0 once for each successful FwpsAcquireClassifyHandle0, on " +
			"every path."},
	{ID: verify.WFP_062, Name: "ClassifyHandleOverReleased", BugCheck: 0x18,
		Why: "One release too many frees the handle under somebody who still uses it.",
		Fix: "release only what FwpsAcquireClassifyHandle0 gave, once; set the handle to zero behind " +
			"the release."},
	{ID: verify.WFP_063, Name: "ClassifyHandleUsedAfterRelease", BugCheck: 0xD1,
		Why: "With the last reference the handle's memory goes.",
		Fix: "complete first (FwpsCompleteClassify0), release the handle last."},
	{ID: verify.WFP_064, Name: "CannotPendHere",
		Why: "Only ALE_ENDPOINT_CLOSURE, ALE_CONNECT_REDIRECT and ALE_BIND_REDIRECT can be pended with " +
			"FwpsPendClassify0.",
		Fix: "at this layer use FwpsPendOperation0, or decide at once; FwpsPendClassify0 is for the " +
			"redirect and resource assignment layers."},
	{ID: verify.WFP_065, Name: "PendFailureIgnored",
		Why: "The classification goes on at once with the answer meant for a pended one, and a later " +
			"completion has nothing to complete.",
		Fix: "check the status of FwpsPendClassify0: if it is an error, decide in classifyFn, drop the " +
			"record, and do not complete later."},
	{ID: verify.WFP_066, Name: "ConnectRedirectPendClassify",
		Why: "While a classification is pended lighter callouts must not decide; BLOCK without the " +
			"right to change it says so.",
		Fix: "after a successful pend: out.ActionType = fwps.FWP_ACTION_BLOCK, and out.Rights &^= " +
			"fwps.FWPS_RIGHT_ACTION_WRITE."},
	{ID: verify.WFP_067, Name: "NeverCompleted",
		Why: "The operation of the program waits for the completion, without limit.",
		Fix: "call FwpsCompleteClassify0 once on every path behind a successful pend, also when a step " +
			"before it fails; store the record before FwpsPendClassify0, or under the lock that the " +
			"completing side takes."},
	{ID: verify.WFP_068, Name: "CompletedTwice", BugCheck: 0x18,
		Why: "The second completion takes a reference that was not there and resumes a classification " +
			"that has gone on, perhaps to its end.",
		Fix: "let one context take the record out of the list under the lock, and let only that one " +
			"complete."},
	{ID: verify.WFP_069, Name: "CompletedWithoutPend",
		Why: "There is no pend whose reference the completion could take.",
		Fix: "complete only what was pended with STATUS_SUCCESS, and drop the record where the pend failed."},
	{ID: verify.WFP_070, Name: "CompletedWithOriginal", BugCheck: 0xDC,
		Why: "classifyOut lay on the stack of the thread that was classified. When it is used to " +
			"complete, something else is there.",
		Fix: "copy the structure when pending (p.out = *out) and pass the address of the copy."},
	{ID: verify.WFP_071, Name: "CompletionIsNoCopy",
		Why: "A structure made from nothing lacks the members in which the engine finds its way back.",
		Fix: "begin with the copy of classifyOut at the time of the pend, and change ActionType, " +
			"Rights and Flags in it."},
	{ID: verify.WFP_072, Name: "CompletedWithHardPermit",
		Why: "The copy made when pending has the right cleared. Completed like that, the permit takes " +
			"the decision from everybody lighter.",
		Fix: "set FWPS_RIGHT_ACTION_WRITE in the copy before completing with FWP_ACTION_PERMIT."},
	{ID: verify.WFP_073, Name: "FlagsNotZero",
		Why: "The argument is reserved; what is passed is refused or ignored.",
		Fix: "pass 0."},
	{ID: verify.WFP_074, Name: "WrongFilterId",
		Why: "The engine keeps state per filter; another number finds another filter's state or none.",
		Fix: "pass filter.FilterId of the classifyFn call."},
	{ID: verify.WFP_075, Name: "PendedTwice",
		Why: "One call of classifyFn is one turn of one callout, and can be pended once.",
		Fix: "pend once per call of classifyFn and remember that it is pended."},
	{ID: verify.WFP_076, Name: "EndlessReauthorization",
		Why: "Completing with NULL asks everybody again. A callout that pends again each time never " +
			"lets the connection go.",
		Fix: "decide when classifyFn is called again: remember the answer and return it in place of " +
			"pending once more."},
	{ID: verify.WFP_077, Name: "RecordedAfterThePend",
		ByConstruction: "FwpsPendClassify0 is a scheduling point: in some run the completion comes before " +
			"the driver has noted what it pended, and finds nothing",
		Why: "A worker may complete as soon as the classification is pended.",
		Fix: "insert the record before FwpsPendClassify0, and take it back when that fails."},
	{ID: verify.WFP_078, Name: "ReauthorizationSkipped",
		ByConstruction: "a redirector that is heavier completes with NULL in some run: the lighter one " +
			"is then asked for the first time with IS_REAUTHORIZE, and the connection passes it",
		Why: "FWP_CONDITION_FLAG_IS_REAUTHORIZE says that the indication is repeated, not that this " +
			"callout has seen it.",
		Fix: "ask for the redirect state and look at the history instead of at the flag."},
	{ID: verify.WFP_079, Name: "PendedTooLong",
		Why: "Nothing ends a pended classification but its completion; the program hangs meanwhile.",
		Fix: "give what is waited for a time-out, and complete with a decision when it passes."},
	{ID: verify.WFP_080, Name: "CompletedUnderLock", BugCheck: 0xF,
		Why: "FwpsCompleteClassify0 may enter classifyFn on the same stack. A lock held across the " +
			"call that classifyFn takes deadlocks.",
		Fix: "take the records out under the lock, release it, then complete."},
	{ID: verify.WFP_081, Name: "FilterGoneBeforeNull",
		Why: "Filters go first when a driver stops, so that nothing new is pended; what is pended is " +
			"completed then, and last the callout is unregistered. Completed with NULL it is " +
			"classified again, without the filter that is gone, and the callout is not asked.",
		Fix: "complete what is pended for the filter before the filter is deleted."},
	{ID: verify.WFP_082, Name: "ClassifyContextKept", BugCheck: 0xD1,
		Why: "classifyContext is the engine's stack frame of this call.",
		Fix: "call FwpsAcquireClassifyHandle0 in classifyFn, and keep the handle in place of " +
			"classifyContext."},
}
