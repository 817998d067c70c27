// Package ke is the mechanism below every DDI: execution contexts, processors, IRQL, the scheduler and its
// choice points, the virtual clock, dispatcher objects, spin locks, DPCs, timers, threads, work items and
// deliveries from the outside. It knows no WDK name but those of the tables; the vocabulary is in the
// packages above.
//
// Modelled: simulated processors with a DPC queue each; contexts that are coroutines, exactly one of which
// runs at a time in one Machine; DPCs as calls nested on the stack of the context they interrupt; waits with
// time-outs in virtual time.
// Not modelled: priorities, quanta, interrupts above DISPATCH_LEVEL.
//
// One baton: a Machine is not safe for concurrent use and needs no lock. Different Machines share nothing.
package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// Unbounded as Config.Processors gives every thread and every act of the outside a processor of its own: no
// context ever waits for one. It is the most hostile machine that there is.
const Unbounded = -1

// Off as Config.Events keeps no events at all; the hash is computed all the same.
const Off = 1 << 30

// New makes a machine. Close it when done, or its parked contexts stay for ever.
func New(cfg Config) *Machine {
	m := &Machine{}
	m.Reset(cfg)
	return m
}

// Reset makes the machine as new, keeping its coroutines and buffers. All state in slots is dropped.
func (m *Machine) Reset(cfg Config) {
	m.outside("Reset")
	m.kill()
	m.releaseMemory()
	m.wide = cfg.Processors == Unbounded
	switch {
	case m.wide:
		cfg.Processors = 1 // to begin with
	case cfg.Processors <= 0:
		cfg.Processors = 2
	}
	if cfg.MaxSteps == 0 {
		cfg.MaxSteps = 1_000_000
	}
	if cfg.MaxTime == 0 {
		cfg.MaxTime = 3600 * Second
	}
	events := cfg.Events
	switch {
	case events == 0:
		events = 512
	case events == Off:
		events = 0
	}
	m.cfg = cfg
	m.log.Reset(events)
	m.cur, m.dead, m.running, m.last, m.crash, m.in = nil, false, false, nil, nil, nil
	m.cut, m.ending = false, notEnding
	m.race = cfg.TimersRace
	m.resetCPUs(cfg.Processors)
	m.retired, m.born = list.Add(m.retired, m.born), m.born[:0]
	m.threads, m.all, m.chans = m.threads[:0], m.all[:0], m.chans[:0]
	m.queued, m.queues, m.next = 0, 0, nil
	m.clock.reset()
	m.now, m.steps, m.frameNo, m.made, m.idle, m.acted = epoch, 0, 0, 0, 0, 0
	m.ticks = 0
	m.stacks = nil
	m.resetRaces(cfg.Races)
	m.counts = [trace.NumKinds]uint64{}
	m.ctxs = uint16(cfg.Processors)
	if m.wide {
		m.ctxs = maxWide
	}
	m.choices, m.find, m.seen = m.choices[:0], nil, m.seen[:0]
	for i, v := range m.slots {
		if v != nil {
			m.slots[i], m.olds[i] = nil, v
		}
	}
	m.images, m.procs = m.images[:0], m.procs[:0]
	m.OnThreadEnd = m.OnThreadEnd[:0]
	m.OnStackDeath, m.Refine, m.Explain = m.OnStackDeath[:0], m.Refine[:0], m.Explain[:0]
	m.Describe, m.Takes, m.Waits, m.Refused, m.given = nil, nil, nil, nil, m.given[:0]
	m.Pageable, m.Known, m.Print, m.plain = nil, nil, nil, m.plain[:0]
	m.chanNo = 0
	m.serial++
	m.SetSource(cfg.Source)
}

// SetSource says who chooses from now on.
func (m *Machine) SetSource(s Source) {
	if s == nil {
		s = Boring{}
	}
	m.cfg.Source = s
	m.sched, _ = s.(Scheduler)
	if m.trail = m.cfg.Trail; m.trail != nil {
		if m.sched == nil {
			panic("internal error: a trail without a scheduler")
		}
		m.trail.reset(m)
		m.rests()
	}
}

// Close unwinds everything that still runs in the machine and gives its coroutines back. The machine can be
// Reset again.
func (m *Machine) Close() {
	m.outside("Close")
	m.kill()
	m.releaseMemory()
	clear(m.olds)
	for _, s := range m.free {
		s.close()
	}
	m.free = m.free[:0]
}

// outside is the check of what unwinds every context and so cannot be done in one.
func (m *Machine) outside(what string) {
	if m.running {
		panic(Misuse(what + " called from inside the machine: simulated code cannot end the run it is in"))
	}
}

func (m *Machine) releaseMemory() {
	if m.Memory != nil {
		m.Memory.Release()
	}
}

// NewID hands out the next id of a kind.
func (m *Machine) NewID(kind trace.Kind) trace.ID {
	m.counts[kind]++
	id := trace.MakeID(kind, m.counts[kind])
	if m.trail != nil {
		m.trail.created(id)
	}
	return id
}

// CommonID is NewID for what is there from the beginning and gets its id from whoever asks for it first.
func (m *Machine) CommonID(kind trace.Kind) trace.ID {
	if tr := m.trail; tr != nil {
		tr.common++
		defer func() { tr.common-- }()
	}
	return m.NewID(kind)
}

// Config returns the options in force.
func (m *Machine) Config() *Config { return &m.cfg }

// Current returns the K that is running, nil between steps.
func (m *Machine) Current() *K { return m.cur }

// Running reports whether Run is active: driver code may be on a stack.
func (m *Machine) Running() bool { return m.running }

// Dead reports whether the run was ended early and only unwinds.
func (m *Machine) Dead() bool { return m.dead }

// Log gives the events.
func (m *Machine) Log() *trace.Log { return &m.log }

// Steps returns the number of scheduling points passed.
func (m *Machine) Steps() uint64 { return m.steps }
