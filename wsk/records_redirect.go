package wsk

import "calloutsim/internal/verify"

// redirectRules are about the control codes of redirection.
var redirectRules = []verify.Record{
	{ID: verify.WSK_220, Name: "RedirectNullIrp",
		Why: "The control codes of redirection need an IRP.",
		Fix: "pass an IRP with a completion routine."},
	{ID: verify.WSK_221, Name: "RedirectNoRoutine",
		Why: "The control codes of redirection need a completion routine even on an IRP from above.",
		Fix: "set a completion routine on the IRP, also on one that is passed down."},
	{ID: verify.WSK_222, Name: "RedirectBufferGone",
		Why: "The buffer of a query or of the records belongs to WSK until the IRP is completed.",
		Fix: "free the buffer in the completion routine of the IRP."},
	{ID: verify.WSK_223, Name: "RedirectParameters",
		Why: "A query takes no input, setting the records gives no output.",
		Fix: "pass no input with a query, and no output and no OutputSizeReturned with a set."},
	{ID: verify.WSK_224, Name: "TooSmallIsFatal", Alias: verify.WSK_152,
		Fix: "allocate what IoStatus.Information says and query again."},
	{ID: verify.WSK_225, Name: "StaleSize",
		Why: "The authoritative size is in IoStatus.Information; the variable may not have been written.",
		Fix: "take the size for the next query from IoStatus.Information of the completed IRP."},
	{ID: verify.WSK_227, Name: "NoContextIsFatal",
		ByConstruction: "a redirection without a context answers STATUS_NOT_FOUND, and the driver's " +
			"story fails",
		Fix: "go on without a context where there are records."},
	{ID: verify.WSK_228, Name: "BeyondContext", Alias: verify.WSK_152,
		Fix: "read no more than IoStatus.Information bytes."},
	{ID: verify.WSK_229, Name: "RecordsTooLate",
		Why: "The records belong on the new socket before it connects.",
		Fix: "set the records on the new outbound socket, behind WskBind at the latest and before " +
			"WskConnect."},
	{ID: verify.WSK_230, Name: "RecordsForgotten",
		Why: "Without the records the proxy's own connection looks like a new one and is redirected to " +
			"the proxy again.",
		Fix: "query the records of the accepted socket and set them " +
			"(SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS) on the outbound one before WskConnect."},
	{ID: verify.WSK_231, Name: "QueryWrongSocket",
		Why: "Only an accepted connection that was redirected has records.",
		Fix: "query on the accepted socket of a redirected connection, and go on without records where " +
			"there are none."},
	{ID: verify.WSK_232, Name: "RecordsAltered",
		Why: "The records are opaque; changed ones mean nothing.",
		Fix: "pass the bytes of the query on as they are, with their length."},
	{ID: verify.WSK_233, Name: "RedirectLevelAlias", Alias: verify.WSK_093,
		Why: "Reported as WSK-093.",
		Fix: "make the request in a work item (IoQueueWorkItem), at PASSIVE_LEVEL."},
	{ID: verify.WSK_234, Name: "NullOutput",
		Why: "A size needs a buffer.",
		Fix: "pass a buffer of OutputSize bytes, or OutputSize 0."},
	{ID: verify.WSK_235, Name: "NoContext",
		Why: "The completion routine is the place to release the buffer, and cannot reach it.",
		Fix: "give the completion routine a context that holds the buffer, so that it can read and free it."},
	{ID: verify.WSK_236, Name: "WrongRedirectCode",
		Why: "The codes of redirection carry another direction bit than their purpose suggests.",
		Fix: "use the constants SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, …_CONTEXT and " +
			"SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS."},
}
