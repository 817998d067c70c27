package ke

// exceeded ends the run at a limit. Simulated code may recover from the panic once; the next time it is
// unwound without being asked.
func (m *Machine) exceeded(what Misuse) {
	switch {
	case m.cur == nil: // in the hub
		m.crash = nil
		panic(what)
	case m.crash == nil:
		m.crash = what
		panic(what)
	}
	m.dead, m.cur = true, nil
	m.die()
}
