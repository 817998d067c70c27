package fwps

import "calloutsim/internal/verify"

// optionRules are about tokens, options and virtual switches.
var optionRules = []verify.Record{
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
