package ke

import "calloutsim/internal/trace"

// SystemPID is the process that owns the system's threads and every socket made without an owner.
const SystemPID = 4

// PIDOf gives the id of a process; nil is the system's.
func PIDOf(p *Process) uint32 {
	if p == nil {
		return SystemPID
	}
	return p.PID
}

// NewProcess makes a process. Like threads, processes get multiples of 4 in order of creation, and no
// number twice.
func (m *Machine) NewProcess(image string, admin bool) *Process {
	m.made++
	p := &Process{ID: m.NewID(trace.Process), PID: uint32(4 * (2 + m.made)), Image: image, Admin: admin}
	p.Object = Object{Kind: ProcessObject, ID: p.ID}
	m.procs = append(m.procs, p)
	return p
}

// Processes lists the processes in order of creation, those that have ended included.
func (m *Machine) Processes() []*Process { return m.procs }

// EndProcess notes that the last thread of p has ended and wakes who waits for that.
func EndProcess(k *K, p *Process) {
	SetSignal(k, &p.Object, 1)
}

// ContextNameOf names a context by its number in events; "" when no live context has it.
func (m *Machine) ContextNameOf(num uint16) string {
	if n := int(num); n >= 1 && n <= len(m.cpus) {
		return m.cpus[n-1].dpcK.name
	}
	for _, t := range m.all {
		if t.num == num {
			return t.name
		}
	}
	return ""
}

// Unwinds reports whether k's context is being unwound: its run has ended, and only deferred functions
// still run in it. Whatever they call ends at once (scheduling.md 3.4).
func Unwinds(k *K) bool { return k.m.dead && (k.m.running || k.m.killing) || k.t.exiting }
