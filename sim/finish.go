package sim

import (
	"strings"
	"time"

	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
)

// settle is how long, in virtual time, a machine that was stopped early may go on before the checks at its
// end: enough for what is under way, not for ever, since a periodic timer never stops.
const settle = 10 * time.Second

// Finish ends the run: it makes the checks of the end of a run and gives the verdict. The end of the test
// does the same; a test that looks at findings of these checks calls it before.
func (m *Machine) Finish() {
	m.tb.Helper()
	if m.over {
		return
	}
	if !m.ke.Dead() {
		m.checkEnd()
	}
	m.over = true
	if m.violated() && !m.opt.Collect {
		m.fail()
	}
	if m.tellRefused(); m.toldRefused {
		m.tb.FailNow()
	}
}

// end is Finish for the end of a test, where nothing can be stopped any more.
func (m *Machine) end() {
	m.tb.Helper()
	defer m.close()
	if !m.over && !m.ke.Dead() && !m.tb.Failed() {
		m.checkEnd()
	}
	m.over = true
	if m.violated() && !m.reported && !m.opt.Collect {
		m.tell()
	}
	if s := m.ke.Stranger(); s != "" {
		m.tb.Errorf("sim: %s", s)
	}
	m.tellRefused()
	m.afterword()
	m.show()
}

// close gives the coroutines back. A mechanism that goes on to live does so when it is reset.
func (m *Machine) close() {
	if !m.pooled {
		guard.begin(m) // for deferred calls of what is left
		defer guard.end(m)
		m.ke.Close()
	}
}

// checkEnd brings the machine to rest and makes the checks for quiescence.
func (m *Machine) checkEnd() {
	m.tb.Helper()
	if m.stopped {
		until := m.ke.Uptime() + int64(settle/100)
		m.run(func() bool { return m.ke.Uptime() >= until })
	}
	if m.ke.Dead() {
		return
	}
	m.ke.RunEndChecks()
}

// fail prints the verdict and ends the test.
func (m *Machine) fail() {
	m.tb.Helper()
	m.tell()
	m.tb.FailNow()
}

// tell fails the test with the report of everything that fails it.
func (m *Machine) tell() {
	m.tb.Helper()
	m.reported = true
	if m.quick {
		m.tb.Errorf("%s", m.headline())
		return
	}
	m.keepFailed()
	m.notices()
	report := m.Report()
	m.artifacts(m.tb, report, 1)
	for _, f := range m.failures() {
		attr(m.tb, "sim.rule", f.Name())
	}
	m.tb.Errorf("\n%s", report)
}

func (m *Machine) pick(want func(verify.Severity) bool) []Finding {
	var out []Finding
	for _, f := range m.Findings() {
		if want(f.Severity()) {
			out = append(out, f)
		}
	}
	return out
}

// headline is the first thing that went wrong, in one line.
func (m *Machine) headline() string {
	if m.panicked != nil {
		return m.panicked.Error()
	}
	for _, f := range m.failures() {
		return title(&f)
	}
	return ""
}

// notices lists hazards and what else does not fail the test. They come before a report, which is the last
// thing on the screen.
func (m *Machine) notices() {
	m.tb.Helper()
	if m.noticed {
		return
	}
	m.noticed = true
	if h := m.Hazards(); h != "" && !m.opt.Collect {
		m.tb.Logf("sim: legal here and broken elsewhere (-sim.failon=warning gives the report):\n%s", h)
	}
	if s := pool.SpecialNotice(m.ke); s != "" {
		m.tb.Logf("sim: %s", s)
	}
	for _, s := range m.ke.PlainMemory() {
		m.tb.Logf("sim: %s", s)
	}
	for _, p := range m.opt.Pins {
		if !m.asked(p) {
			m.tb.Logf("sim: %s had no effect: that choice did not come up in this run", p)
		}
	}
}

// afterword gives the notices, says how to repeat a run that an assertion of the test ended, and compares a
// repeated run with the recorded one if no report has done so.
func (m *Machine) afterword() {
	m.tb.Helper()
	if m.quick {
		return
	}
	m.notices()
	switch {
	case m.reported:
	case m.diverged():
		m.tb.Errorf("sim: %s", m.divergence())
	case m.tb.Failed() && !m.opt.Collect:
		run := m.opt.String()
		if m.replay != nil {
			run = "a repeated run"
		}
		m.keepFailed()
		s := m.tellChoices()
		m.artifacts(m.tb, m.Report()+s, 1)
		if s != "" {
			m.tb.Logf("sim: what did not go the usual way:\n%s", s)
		}
		m.tb.Logf("sim: this was %s; to repeat it: %s", run, strings.Join(m.repeatLines(), " "))
	}
}

// asked reports whether a choice that a pin is for came up.
func (m *Machine) asked(p Pin) bool {
	pin := p.ke()
	for _, c := range m.ke.Choices() {
		if pin.Matches(c.Site.Name) {
			return true
		}
	}
	return false
}
