package irppassthrough

// Defect is a mistake one of the drivers can be told to make.
type Defect string

// The defects; the empty one is the correct stack.
const (
	None Defect = ""
	// MarkNotCarriedOn: the middle driver's routine ignores PendingReturned.
	MarkNotCarriedOn Defect = "mark-not-carried-on"
	// TouchedAfterSend: the top driver reads IoStatus of a pending request.
	TouchedAfterSend Defect = "touched-after-send"
	// DoubleCompletion: the DPC completes requests whose cancel routine has been called.
	DoubleCompletion Defect = "double-completion"
)
