package connectredirect

// Defect is a mistake the drivers can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// ContextFreedEarly: the buffer of the context query is freed while its IRP is pending.
	ContextFreedEarly Defect = "context-freed-early"
	// RoutineContinues: the completion routine of an own IRP returns STATUS_SUCCESS.
	RoutineContinues Defect = "routine-continues"
	// FlagMissing: the completion routine is not invoked on cancel.
	FlagMissing Defect = "flag-missing"
	// CompletedTwice: FwpsCompleteClassify0 is called again.
	CompletedTwice Defect = "completed-twice"
	// NeverCompleted: the pended classification is forgotten.
	NeverCompleted Defect = "never-completed"
	// HandleMissing: localRedirectHandle is not set.
	HandleMissing Defect = "handle-missing"
	// RecordsNotSet: the proxy connects without the redirect records.
	RecordsNotSet Defect = "records-not-set"
	// QueryAtDispatch: the context is queried at DISPATCH_LEVEL.
	QueryAtDispatch Defect = "query-at-dispatch"
	// ContextFreedByUs: the redirect context is freed after it was applied.
	ContextFreedByUs Defect = "context-freed-by-us"
	// UnregisteredTooLate: the device object goes before the callout is unregistered.
	UnregisteredTooLate Defect = "unregistered-too-late"
)
