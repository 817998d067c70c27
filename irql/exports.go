package irql

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Subsystem is what irql adds to a machine, for itself and for internal/ke.
var Subsystem = ke.Subsystem{
	Package: "irql",
	Rules:   rules,
	Inspectors: []ke.Inspector{
		{Name: "!irql", Print: func(m *ke.Machine, _ trace.ID) []string { return Sim.DumpIRQL(m) }},
		{Name: "!locks", Print: func(m *ke.Machine, _ trace.ID) []string { return Sim.DumpLocks(m) }},
	},
	Illustrate: func(m *ke.Machine, f *verify.Finding) []string {
		if f.Rule == verify.LOCK_003 || f.Rule == verify.LOCK_026 {
			return Sim.DumpLocks(m)
		}
		return nil
	},
	Objects: []trace.Kind{trace.KEvent, trace.Mutex, trace.Semaphore, trace.Timer, trace.DPC, trace.Thread,
		trace.SpinLock, trace.FastMutex, trace.GuardedMutex, trace.Resource, trace.PushLock, trace.Rundown,
		trace.Process, trace.Var, trace.APC, trace.Context},
	Frames: []ke.FrameKind{ke.FrameDPC, ke.FrameTimer, ke.FrameThread, ke.FrameAPC, ke.FrameUser,
		ke.FrameSystem},
	Sites: []*ke.Site{
		&siteAllocateTimer, &siteDeleteCallback, &siteThread, &siteCoalesce, &siteThreadedDPC,
	},
}

// sim has the routines that the simulator's other packages need of this one. They are no routines of Windows,
// and drivers have no use for them, so they stand apart.
type sim struct{}

// Sim is for the simulator's own packages.
var Sim sim
