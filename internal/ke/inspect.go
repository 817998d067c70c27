package ke

// Levels returns the IRQL of each processor.
func (m *Machine) Levels() []uint8 {
	out := make([]uint8, len(m.cpus))
	for i, c := range m.cpus {
		out[i] = c.irqlOf()
	}
	return out
}

// Contexts lists whoever may hold locks: the threads in order of creation, each followed by the DPC that runs
// on its stack.
func (m *Machine) Contexts() []*K {
	var out []*K
	for _, t := range m.all {
		out = append(out, &t.K)
		for _, c := range m.cpus {
			if c.inDPC && c.dpcK.t == t {
				out = append(out, &c.dpcK)
			}
		}
	}
	for _, c := range m.cpus {
		if c.inDPC && c.dpcK.t.idle {
			out = append(out, &c.dpcK)
		}
	}
	return out
}

// Spins returns the spin lock a thread keeps its processor busy for, nil when it does not.
func (t *Thread) Spins() *SpinLock { return t.spin }
