package dnsinjector

// Defect is a mistake the drivers can be told to make, so that the rule that names it can be seen at work.
type Defect string

// The defects; the empty one is the correct driver.
const (
	None Defect = ""
	// HandleMisfit: the injection handle is for the network layers.
	HandleMisfit Defect = "handle-misfit"
	// ListNotFreed: completionFn frees MDL and memory and forgets the list.
	ListNotFreed Defect = "list-not-freed"
	// HandleLeft: the injection handle is not destroyed.
	HandleLeft Defect = "handle-left"
	// OffsetLeft: classifyFn advances to the question and returns.
	OffsetLeft Defect = "offset-left"
	// CompartmentUnspecified: the answer is injected without the compartment of the query.
	CompartmentUnspecified Defect = "compartment-unspecified"
	// StateNotAsked: the rival does not ask whether a packet is its own.
	StateNotAsked Defect = "state-not-asked"
	// CloneLost: the rival forgets the clone of a packet.
	CloneLost Defect = "clone-lost"
)
