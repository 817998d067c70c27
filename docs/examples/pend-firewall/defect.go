package pendfirewall

// Defect is a mistake the driver can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// StoredTooLate: the decision is stored behind FwpsCompleteOperation0, which may ask for it before it
	// returns.
	StoredTooLate Defect = "stored-too-late"
	// CompletedTwice: whoever answers a second time completes a second time.
	CompletedTwice Defect = "completed-twice"
	// CompletedUnderLock: the operation is completed with the lock held that classifyFn takes.
	CompletedUnderLock Defect = "completed-under-lock"
	// NeverCompleted: when the service goes, what it was asked and has not answered is forgotten.
	NeverCompleted Defect = "never-completed"
	// AbsorbMissing: classifyFn pends and returns a plain block.
	AbsorbMissing Defect = "absorb-missing"
)
