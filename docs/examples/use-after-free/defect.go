package useafterfree

// Defect is a mistake the sender can be told to make.
type Defect string

// The defects; the empty one is the correct sender.
const (
	None Defect = ""
	// LooksAfterSend: the completion routine frees the buffer, and the sender looks at it after IoCallDriver.
	LooksAfterSend Defect = "looks-after-send"
)
