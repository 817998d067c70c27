package invertedcall

// Defect is a mistake the driver can be told to make.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// CleanupForgets: IRP_MJ_CLEANUP leaves the requests of the file object in the queue.
	CleanupForgets Defect = "cleanup-forgets"
	// CancelRoutineLeft: requests are completed without taking their cancel routine back.
	CancelRoutineLeft Defect = "cancel-routine-left"
	// CancelAnswerIgnored: the cancel routine is taken back, and nobody looks whether it was still there.
	CancelAnswerIgnored Defect = "cancel-answer-ignored"
)
