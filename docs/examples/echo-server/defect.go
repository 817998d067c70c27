package echoserver

// Defect is a mistake that the driver makes when it is told to.
type Defect string

// The defects.
const (
	None Defect = ""
	// NullIgnored: WskAcceptEvent does not look whether AcceptSocket is NULL.
	NullIgnored Defect = "null-ignored"
	// IrpNotReused: the IRP of a connection is sent again without IoReuseIrp.
	IrpNotReused Defect = "irp-not-reused"
	// ContextFreed: the connection's memory goes when WskCloseSocket returns, not when its IRP is completed.
	ContextFreed Defect = "context-freed"
	// ClosedTwice: the end of WskCloseSocket is taken for the end of one more request, after which to close.
	ClosedTwice Defect = "closed-twice"
	// ListenerKept: the unload routine deregisters without closing the listening socket.
	ListenerKept Defect = "listener-kept"
)
