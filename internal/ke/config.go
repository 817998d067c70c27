package ke

import "calloutsim/internal/verify"

// Config says how a Machine behaves. The zero Config is two processors, the boring schedule, a small event
// ring.
type Config struct {
	Processors int    // 0 means 2, Unbounded one for every thread
	Source     Source // who chooses; nil is alternative 0 everywhere
	Events     int    // events kept: 0 means 512, negative all, Off none
	Stacks     bool   // record a call stack with every event
	MemPoints  bool   // memory accessors are scheduling points as well
	Races      bool   // report accesses to pool memory and to variables that nothing orders (DataRace)
	TimersRace bool   // time may pass although somebody can run (scheduling.md 6)
	// ForcePending lets IoCallDriver answer STATUS_PENDING although the request ends as usual.
	ForcePending bool
	Checked      bool // drivers are checked builds: NT_ASSERT and the like do something
	Continue     bool // collect violations that leave a state to go on from
	Continues    func(verify.RuleID) bool
	MaxSteps     uint64 // 0 means one million scheduling points
	MaxTime      int64  // virtual time, 100 ns units; 0 means one hour
	Pins         []Pin
	Callbacks    bool   // keep account of the routines that drivers give the system
	Trail        *Trail // records steps and footprints; needs a Scheduler as Source
	Subsystems   []*Subsystem
}
