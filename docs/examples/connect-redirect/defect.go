package connectredirect

// Defect is a mistake the drivers can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None                Defect = ""
	ContextFreedEarly   Defect = "context-freed-early"   // the buffer of the context query is freed while its IRP is pending
	RoutineContinues    Defect = "routine-continues"     // the completion routine of an own IRP returns STATUS_SUCCESS
	FlagMissing         Defect = "flag-missing"          // the completion routine is not invoked on cancel
	CompletedTwice      Defect = "completed-twice"       // FwpsCompleteClassify0 is called again
	NeverCompleted      Defect = "never-completed"       // the pended classify is forgotten
	HandleMissing       Defect = "handle-missing"        // localRedirectHandle is not set
	RecordsNotSet       Defect = "records-not-set"       // the proxy connects without the redirect records
	QueryAtDispatch     Defect = "query-at-dispatch"     // the context is queried at DISPATCH_LEVEL
	ContextFreedByUs    Defect = "context-freed-by-us"   // the redirect context is freed after it was applied
	UnregisteredTooLate Defect = "unregistered-too-late" // the device object goes before the callout is unregistered
)
