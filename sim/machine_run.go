package sim

import (
	"time"

	"calloutsim/internal/ke"
)

// Run lets the machine go on until nothing can run any more or a violation ends the run. A violation fails
// the test with the full report, unless Options.Collect is set.
func (m *Machine) Run() {
	m.tb.Helper()
	m.run(nil)
}

// RunUntil lets the machine go on until cond holds, asked whenever a context gives up its processor. It
// reports whether cond holds; if not, nothing can run any more or the run has ended. No lock protects what
// cond looks at, so under ksim race what happens before it is asked is ordered before what happens after.
func (m *Machine) RunUntil(cond func() bool) bool {
	m.tb.Helper()
	holds := m.runUntil(func() bool {
		holds := cond()
		m.ke.Looked()
		return holds
	})
	m.ke.Acts() // cond may have looked at anything
	return holds
}

// runUntil is RunUntil for a condition of our own.
func (m *Machine) runUntil(cond func() bool) bool {
	m.tb.Helper()
	m.run(cond)
	return m.stopped
}

// run drives the mechanism and judges what came of it.
func (m *Machine) run(until func() bool) {
	m.tb.Helper()
	if m.over {
		fatalf(m.tb, "sim: the run of %s is over; a new one needs a new machine", m.name)
	}
	m.stopped = false
	if m.ke.Dead() {
		return // with Collect; everybody else did not come here
	}
	crash := m.drive(func() bool {
		m.stopped = until != nil && until()
		return m.stopped
	})
	switch c := crash.(type) {
	case ke.Misuse:
		m.reported = true
		fatalf(m.tb, "sim: %s", string(c))
	case ke.DriverPanic:
		m.panicked = &c
	}
	if s := m.ke.Stranger(); s != "" && crash == nil {
		m.reported = true
		fatalf(m.tb, "sim: %s", s)
	}
	if m.ke.WasCut() {
		m.reported = true
		m.tb.FailNow() // nobody looks at this run
	}
	if m.ke.Dead() && !m.opt.Collect {
		m.fail()
	}
}

// drive runs the mechanism and hands over what it panics with, unless that is a fault of our own.
func (m *Machine) drive(until func() bool) (crash any) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case ke.Misuse, ke.DriverPanic:
			crash = v
		default:
			panic(v)
		}
	}()
	guard.begin(m)
	defer guard.end(m)
	m.ke.RunTo(until)
	return nil
}

// RunFor lets the machine go on for a time: virtual time, which moves only while nothing can run, so whatever
// can be done in no time is done before it is over. With Options.TimersRace that is left open. Everything
// goes on with the next Run.
func (m *Machine) RunFor(d time.Duration) {
	m.tb.Helper()
	if d < 0 {
		fatalf(m.tb, "sim: RunFor(%v): a time is not negative", d)
	}
	over := false
	alarm := m.ke.Alarm(int64(d/100), func() { over = true })
	defer m.ke.TakeBack(alarm)
	m.runUntil(func() bool { return over })
}
