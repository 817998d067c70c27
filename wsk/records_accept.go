package wsk

import "calloutsim/internal/verify"

// acceptRules are about conditional accept.
var acceptRules = []verify.Record{
	{ID: verify.WSK_190, Name: "ConditionalLate",
		Why: "A listening socket listens as soon as it is bound, and only such sockets inspect.",
		Fix: "set SO_CONDITIONAL_ACCEPT on a listening socket before WskBind."},
	{ID: verify.WSK_191, Name: "ConditionalWithoutRoutines",
		Why: "Connections are inspected by callbacks only.",
		Fix: "give the socket a table with WskInspectEvent and WskAbortEvent."},
	{ID: verify.WSK_192, Name: "InspectionForgotten",
		Why: "A connection that is left pending waits until its opener gives up.",
		Fix: "call WskInspectComplete for every WskInspectPend."},
	{ID: verify.WSK_193, Name: "InspectIdKept",
		Why: "The WSK_INSPECT_ID is the callback's; only what is in it is an id.",
		Fix: "copy *InspectID in the callback."},
	{ID: verify.WSK_194, Name: "InspectIdUnknown",
		Why: "An inspection is completed once, after WskInspectPend.",
		Fix: "call WskInspectComplete once for each id that WskInspectEvent left pending."},
	{ID: verify.WSK_195, Name: "InspectAction",
		Why: "WskInspectComplete accepts or rejects.",
		Fix: "pass WskInspectAccept or WskInspectReject."},
	{ID: verify.WSK_196, Name: "InspectUnconditional",
		Why: "Without conditional accept nothing is inspected.",
		Fix: "set SO_CONDITIONAL_ACCEPT before WskBind."},
	{ID: verify.WSK_197, Name: "AcceptedIsNotThere",
		Why: "A connection can go between the decision and the end of its handshake; WskAbortEvent says so.",
		Fix: "give up what waits for the connection in WskAbortEvent."},
	{ID: verify.WSK_198, Name: "InspectIdQuery",
		Why: "Only sockets accepted under conditional accept have an id, and the query takes no IRP.",
		Fix: "query the accepted socket, with NULL for the IRP."},
}
