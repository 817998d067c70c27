package sim

import (
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
)

// This file says, where a test's own assertion fails, what is left in a machine that is at rest: the reason
// is often that somebody still holds a request.

// noDriver is the answer of a machine in which no package knows of a driver.
func noDriver(*ke.Machine) bool { return false }

// tellLeft adds to the first failed assertion of a test what is left.
func (m *Machine) tellLeft() {
	m.tb.Helper()
	if m.quick || m.toldLeft || m.reported {
		return
	}
	if s := m.left(); s != "" {
		m.toldLeft = true
		m.tb.Errorf("sim: %s", s)
	}
}

// lastChecks makes the checks of the end of a run that an assertion of the test ends at rest: what they find
// is often the reason, and the end of the test reports it.
func (m *Machine) lastChecks() {
	if m.over || m.stopped || m.reported || m.ke.Running() || !m.ke.Quiet(nil) {
		return
	}
	m.ke.RunEndChecks()
	m.over = true
}

// ruleTitle gives a rule as every list prints it, "IRP-001 irp/DoubleCompletion"; for what no catalogue has a
// number for, its kind.
func ruleTitle(f *Finding) string {
	r := subsystems.Rule(f.Rule)
	return strings.TrimSpace(f.Name() + " " + r.FullName())
}

// whyStuck adds to the failure of a load or unload that does not come to its end what the checks at the end
// say, which are made before it, and what is left.
func (m *Machine) whyStuck() string {
	if m.quick {
		return ""
	}
	var b strings.Builder
	if h := m.Hazards(); h != "" {
		b.WriteString("\n\n" + h)
	}
	if s := m.left(); s != "" {
		b.WriteString("\n\n" + s)
	}
	return b.String()
}
