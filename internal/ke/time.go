package ke

// Now returns virtual time: system time in 100 ns units since 1601.
func (m *Machine) Now() int64 { return m.now }

// Uptime returns virtual time since the start of the run, 100 ns units.
func (m *Machine) Uptime() int64 { return m.now - epoch }

// Since returns t as time since the start of the run.
func Since(t int64) int64 { return t - epoch }
