package wsk

import "calloutsim/internal/verify"

// closeRules are about closing and cancelling.
var closeRules = []verify.Record{
	{ID: verify.WSK_240, Name: "CloseWhileInUse",
		Why: "The socket is freed under the hands of a function that runs.",
		Fix: "let every call on the socket return before WskCloseSocket: a rundown protection or a " +
			"reference count says when."},
	{ID: verify.WSK_241, Name: "UsedAfterClose",
		Why: "The socket may be freed at any moment after WskCloseSocket was called.",
		Fix: "mark the socket as closing under a lock before WskCloseSocket, and look at that before " +
			"every call."},
	{ID: verify.WSK_242, Name: "ClosedTwice",
		Why: "The second close works on memory that is gone.",
		Fix: "let one place close the socket, and set the pointer to nil there."},
	{ID: verify.WSK_243, Name: "FreedBeforeClose",
		Why: "Context and table belong to the socket until the close IRP has completed.",
		Fix: "free context, buffers and dispatch table in the completion routine of WskCloseSocket."},
	{ID: verify.WSK_244, Name: "CloseAwaitedInCallback",
		Why: "The close waits for the callback to return, and the callback for the close.",
		Fix: "let the callback return; go on in the completion routine of WskCloseSocket."},
	{ID: verify.WSK_245, Name: "CloseNullIrp",
		Why: "The close needs an IRP; without its completion nobody knows when the socket is gone.",
		Fix: "pass an IRP with a completion routine to WskCloseSocket."},
	{ID: verify.WSK_246, Name: "CancelledAndFreed",
		Why: "IoCancelIrp only asks; the IRP is the driver's again when its completion routine runs.",
		Fix: "call IoCancelIrp, wait until the completion routine has run, then free the IRP."},
	{ID: verify.WSK_247, Name: "CancelledUpperIrp",
		Why: "Only who made an IRP may cancel it.",
		Fix: "cancel only IRPs of your own; complete a received one with STATUS_CANCELLED."},
	{ID: verify.WSK_248, Name: "CancelledForSure",
		ByConstruction: "a request that IoCancelIrp meets may have succeeded in another schedule",
		Fix:            "look at the status of a cancelled IRP as of any other."},
	{ID: verify.WSK_249, Name: "CancelledDataLost",
		ByConstruction: "a cancelled WSK_FLAG_WAITALL receive has what had arrived, and the stream goes " +
			"on behind",
		Fix: "take IoStatus.Information bytes of a cancelled receive."},
	{ID: verify.WSK_250, Name: "CloseReturned", Alias: verify.WSK_130,
		Fix: "free buffers when their own IRPs are completed."},
	{ID: verify.WSK_251, Name: "AcceptedStayOpen", Alias: verify.WSK_017,
		Fix: "close every accepted socket."},
	{ID: verify.WSK_252, Name: "CancelAfterFree",
		Why: "The completion routine had freed the IRP already.",
		Fix: "let the completion routine and the canceller agree with one interlocked exchange on who " +
			"frees the IRP, the later of the two."},
}
