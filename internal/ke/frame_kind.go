package ke

// FrameKind says in what role driver code was called.
type FrameKind uint8

// The roles.
const (
	NoFrame FrameKind = iota
	FrameEntry
	FrameUnload
	FrameDispatch
	FrameCompletion
	FrameCancel
	FrameDPC
	FrameTimer
	FrameWorkItem
	FrameThread
	FrameUser     // code of a simulated process
	FrameClassify // classifyFn
	FrameNotify
	FrameFlowDelete
	FrameWskEvent
	FrameAPC
	FrameQueue  // a callback of a cancel-safe queue or another driver-supplied helper routine
	FrameSystem // the system's own code, for instance a worker thread between items
	FrameStartIo
	FrameCallback // a routine that the system tells of something: processes, images, named callbacks
	FrameInject   // completionFn of an injected packet
)

var frameNames = [...]string{
	FrameEntry:      "DriverEntry",
	FrameUnload:     "DriverUnload",
	FrameDispatch:   "dispatch",
	FrameCompletion: "completion",
	FrameCancel:     "cancel",
	FrameDPC:        "DPC",
	FrameTimer:      "timer DPC",
	FrameWorkItem:   "work item",
	FrameThread:     "thread",
	FrameUser:       "user",
	FrameClassify:   "classifyFn",
	FrameNotify:     "notifyFn",
	FrameFlowDelete: "flowDeleteFn",
	FrameWskEvent:   "WSK event",
	FrameAPC:        "APC",
	FrameQueue:      "queue callback",
	FrameSystem:     "system",
	FrameStartIo:    "StartIo",
	FrameCallback:   "notify",
	FrameInject:     "completionFn",
}

// String names the role.
func (f FrameKind) String() string { return frameNames[f] }
