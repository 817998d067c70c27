package datagramclient

// Defect is a mistake the driver can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// FreedAfterCancel: the IRP of a receive that took too long is freed right behind IoCancelIrp.
	FreedAfterCancel Defect = "freed-after-cancel"
	// LengthOnStack: ControlLength is a local variable of a function that returns while the receive is
	// pending.
	LengthOnStack Defect = "length-on-stack"
	// ReadsAll: the answer is looked for in the whole buffer.
	ReadsAll Defect = "reads-all"
	// NoServer: the server is neither fixed nor named.
	NoServer Defect = "no-server"
	// NotBound: the socket is not bound.
	NotBound Defect = "not-bound"
)
