package irp

// ownState is who holds the IRP (irp.md 8.2).
type ownState uint8

const (
	stCreator    ownState = iota // allocated, reused or built, not sent
	stAt                         // a dispatch routine runs with it
	stQueued                     // a driver keeps it after its dispatch routine returned
	stInRoutine                  // a completion routine runs with it
	stStopped                    // a completion routine stopped the climb
	stInCancel                   // a cancel routine runs with it
	stCompleting                 // between two routines of a climb
	stStage2                     // the I/O manager finishes it
	stFreed
	numStates
)

var stateNames = [numStates]string{
	stCreator:    "with its creator",
	stAt:         "in a dispatch routine",
	stQueued:     "kept by",
	stInRoutine:  "in a completion routine",
	stStopped:    "stopped by a completion routine",
	stInCancel:   "in a cancel routine",
	stCompleting: "being completed",
	stStage2:     "being finished by the I/O manager",
	stFreed:      "freed",
}

// String describes the state for reports.
func (s ownState) String() string { return stateNames[s] }

// transition is a way of an IRP from one state to the next, and what takes it there.
type transition struct {
	from, to ownState
	by       string
}

// transitions are all the ways there are while drivers keep to the rules (irp.md 8.2). states.md is their
// picture; a test draws it.
var transitions = [...]transition{
	{stCreator, stCreator, "IoReuseIrp, IoInitializeIrp"},
	{stInRoutine, stCreator, "IoReuseIrp, IoInitializeIrp"},
	{stStopped, stCreator, "IoReuseIrp, IoInitializeIrp"},

	{stCreator, stAt, "IoCallDriver"},
	{stAt, stAt, "IoCallDriver"},
	{stQueued, stAt, "IoCallDriver"},
	{stInRoutine, stAt, "IoCallDriver"},
	{stStopped, stAt, "IoCallDriver"},
	{stInCancel, stAt, "IoCallDriver"},
	{stAt, stQueued, "the dispatch routine returns"},

	{stAt, stInCancel, "IoCancelIrp"},
	{stQueued, stInCancel, "IoCancelIrp"},
	{stInCancel, stAt, "the cancel routine returns while the dispatch routine runs"},
	{stInCancel, stQueued, "the cancel routine returns"},

	{stAt, stInRoutine, "IoCompleteRequest"},
	{stQueued, stInRoutine, "IoCompleteRequest"},
	{stInRoutine, stInRoutine, "IoCompleteRequest"},
	{stStopped, stInRoutine, "IoCompleteRequest"},
	{stInCancel, stInRoutine, "IoCompleteRequest"},
	{stAt, stCompleting, "IoCompleteRequest, no routine above"},
	{stQueued, stCompleting, "IoCompleteRequest, no routine above"},
	{stInRoutine, stCompleting, "the routine lets the climb go on"},
	{stStopped, stCompleting, "IoCompleteRequest, no routine above"},
	{stInCancel, stCompleting, "IoCompleteRequest, no routine above"},
	{stCompleting, stCompleting, "a level without a routine"},
	{stCompleting, stInRoutine, "a level with a routine"},
	{stInRoutine, stStopped, "STATUS_MORE_PROCESSING_REQUIRED"},

	{stCompleting, stStage2, "the climb passes the top"},
	{stCreator, stStage2, "IoCompleteRequest by a creator without a location"},
	{stInRoutine, stStage2, "IoCompleteRequest by a creator without a location"},
	{stStopped, stStage2, "IoCompleteRequest by a creator without a location"},
	{stStage2, stFreed, "the I/O manager is done"},
	{stCreator, stFreed, "IoFreeIrp"},
	{stInRoutine, stFreed, "IoFreeIrp"},
	{stStopped, stFreed, "IoFreeIrp"},
}

// reaches has, for each state, a bit for every state that a transition leads to.
var reaches = func() (table [numStates]uint16) {
	for _, t := range transitions {
		table[t.from] |= 1 << t.to
	}
	return table
}()

// enters takes the IRP into a state. A way that is not in the table is the simulator's fault, unless a driver
// has broken a rule before: a machine that continues goes on from wherever the IRP is.
func (p *IRP) enters(s ownState) {
	if reaches[p.state]>>s&1 == 0 && len(p.m.Findings()) == 0 {
		panic("internal error: " + p.id.String() + ", " + p.state.String() + ", comes to be " + s.String())
	}
	p.state = s
}
