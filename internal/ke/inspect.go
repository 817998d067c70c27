package ke

// Levels returns the IRQL of each processor.
func (m *Machine) Levels() []uint8 {
	out := make([]uint8, len(m.cpus))
	for i, c := range m.cpus {
		out[i] = c.irqlOf()
	}
	return out
}

// Spins returns the spin lock a thread keeps its processor busy for, nil when it does not.
func (t *Thread) Spins() *SpinLock { return t.spin }
