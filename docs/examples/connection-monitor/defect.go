package connectionmonitor

// Defect is a mistake the driver can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// NoReference: a report looks at the records of connections without a reference to them.
	NoReference Defect = "no-reference"
	// RemovedUnderLock: contexts are removed while the lock is held that flowDeleteFn takes.
	RemovedUnderLock Defect = "removed-under-lock"
	// FreedAfterRemove: a context is freed behind FwpsFlowRemoveContext0, which has called flowDeleteFn.
	FreedAfterRemove Defect = "freed-after-remove"
	// BusyIgnored: nobody looks at what FwpsCalloutUnregisterById0 returns.
	BusyIgnored Defect = "busy-ignored"
	// FreedAtClosure: the record is freed when the program closes its socket, although the flow still has it.
	FreedAtClosure Defect = "freed-at-closure"
)
