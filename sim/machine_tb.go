package sim

// Errorf fails the test, or the run of Explore. Where nothing can run any more, it says beside what the test
// says which requests, threads and classifications are left, and who holds them since when.
func (m *Machine) Errorf(format string, args ...any) {
	m.tb.Helper()
	if m.saidAt.File == "" {
		m.saidAt = here()
	}
	m.tb.Errorf(format, args...)
	m.tellLeft()
}

// FailNow ends the test, or the run of Explore, as failed.
func (m *Machine) FailNow() {
	m.tb.Helper()
	m.lastChecks()
	m.tb.FailNow()
}

// Fatalf is Errorf and FailNow.
func (m *Machine) Fatalf(format string, args ...any) {
	m.tb.Helper()
	m.Errorf(format, args...)
	m.FailNow()
}

// Logf prints a line with the test's own output.
func (m *Machine) Logf(format string, args ...any) {
	m.tb.Helper()
	m.tb.Logf(format, args...)
}

// Helper marks its caller as a helper of the test.
func (m *Machine) Helper() { m.tb.Helper() }
