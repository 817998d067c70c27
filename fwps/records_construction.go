package fwps

import "calloutsim/internal/verify"

// constructionRules are about what drivers assume and the simulator cannot see: some run shows it, or another
// rule names it.
var constructionRules = []verify.Record{
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
	{ID: verify.WFP_092, Name: "HistoryUnchecked",
		ByConstruction: "PreviousVersion is nil until a callout has changed the request, also with " +
			"IS_REAUTHORIZE: reading through it is a Go panic, bug check 0x1E, at the line that does it",
		Why: "A request that nobody has changed has no history.",
		Fix: "test previousVersion for NULL before reading it."},
	{ID: verify.WFP_183, Name: "TokenKept",
		ByConstruction: "no routine takes a token: the value of metadata.Token means nothing outside of " +
			"classifyFn",
		Why: "The handle is the engine's and is closed when classifyFn has returned.",
		Fix: "open a token of one's own (FwpsOpenToken0) for later."},
	{ID: verify.WFP_185, Name: "ProcessTrusted", Alias: verify.WFP_053,
		Why: "processId is there only with its presence flag, and its number is used again when the " +
			"process is gone.",
		Fix: "test FWPS_METADATA_FIELD_PROCESS_ID, and hold what is known of a process by its creation."},
}
