package bindredirector

// Defect is a mistake the driver can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// NotApplied: a copy of the request is acquired, found to need no change, and not given back.
	NotApplied Defect = "not-applied"
	// HandleLeaked: the classify handle is not released.
	HandleLeaked Defect = "handle-leaked"
	// InPlace: layerData is changed instead of the copy.
	InPlace Defect = "in-place"
	// FamilyChanged: an IPv6 address is written at the layer of IPv4.
	FamilyChanged Defect = "family-changed"
	// AnswerLeft: the answer stays as FwpsAcquireWritableLayerDataPointer0 has put it.
	AnswerLeft Defect = "answer-left"
)
