package irppassthrough

// Defect is a mistake one of the drivers can be told to make.
type Defect string

// The defects; the empty one is the correct stack.
const (
	None             Defect = ""
	MarkNotCarriedOn Defect = "mark-not-carried-on" // the middle driver's routine ignores PendingReturned
	TouchedAfterSend Defect = "touched-after-send"  // the top driver reads IoStatus of a pending request
	DoubleCompletion Defect = "double-completion"   // the DPC completes requests whose cancel routine has been called
)
