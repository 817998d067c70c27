package sim

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	simtrace "calloutsim/sim/trace"
)

// again repeats a failed run with everything recorded, looks for a simpler one, and words the report.
func (e *explorer) again(f *Failure) {
	m, tb := e.runToken(&f.Token, false)
	defer func() { m.ke.Close() }()
	f.Repeats = m.Hash() == f.Token.Trace
	var b strings.Builder
	fmt.Fprintf(&b, "run %s failed: %s\n", e.numbered(f.Run), f.Headline)
	b.WriteString(f.like())
	if !f.Repeats {
		s, _ := e.difference(m, &f.Token)
		fmt.Fprintf(&b, "\nThe run does not repeat. %s\n", s)
	} else if e.shrink(f, m, tb) {
		fmt.Fprintf(&b, "%s\nThe run itself was %s\n", f.Shrinking.words(), f.Token)
	}
	if f.Repeats {
		b.WriteString(e.leftover(f))
	}
	if f.Repeats && e.keepMinimal(f) {
		m.ke.Close()
		m, tb = e.runMinimal(f)
	}
	if f.Repeats && m.late() {
		if sm, stb := e.specially(&f.Minimal); sm != nil {
			m.ke.Close()
			fmt.Fprintf(&b, "Repeated with special pool; the run itself was %s\n", f.Minimal)
			m, tb = sm, stb
		}
	}
	if len(tb.messages) == 0 {
		if f.Repeats {
			b.WriteString("What the test says about it is above.\n")
		}
		b.WriteString(e.replayLines(f, m))
	}
	for _, msg := range tb.messages {
		fmt.Fprintf(&b, "%s\n", msg)
	}
	if len(tb.messages) > 0 && !m.reported {
		if h := m.Hazards(); h != "" {
			fmt.Fprintf(&b, "\n%s", h)
		}
		b.WriteString(e.replayLines(f, m))
	}
	f.Report, f.at = b.String(), m.place()
	e.artifacts(m, f.Report)
}

// artifacts leaves a failed run behind.
func (e *explorer) artifacts(m *Machine, report string) {
	if e.o.Collect {
		return // the test looks at the result itself
	}
	e.left++
	m.artifacts(e.tb, report, e.left)
}

// replayLines say what the simplest run needs and how it is repeated, for reports that do not say it
// themselves. m has made it.
func (e *explorer) replayLines(f *Failure, m *Machine) string {
	s := "\n" + m.tellChoices() + "REPLAY:         " + e.repeat(f.Minimal.String())[0] + "\n"
	if f.Kept != "" {
		s += "                (kept in " + f.Kept + ")\n"
	}
	return s
}

// repeatOnly is Explore with a token: that run and no other.
func (e *explorer) repeatOnly(t *Token) Result {
	e.tb.Helper()
	e.showing = true
	m, tb := e.runToken(t, true)
	defer m.ke.Close()
	if m.late() && !m.diverged() {
		if sm, stb := e.specially(t); sm != nil {
			defer sm.ke.Close()
			m, tb = sm, stb
		}
	}
	if m.diverged() {
		if s, differ := e.difference(m, t); differ {
			e.tb.Logf("sim: %s", s)
		}
	}
	if tb.failed {
		e.artifacts(m, strings.Join(tb.messages, "\n"))
	}
	for _, l := range tb.logs {
		e.tb.Logf("%s", l)
	}
	for _, msg := range tb.messages {
		e.tb.Errorf("%s", msg)
	}
	if tb.failed {
		e.tb.FailNow()
	}
	return Result{Runs: 1, Steps: m.Steps(), Traces: 1}
}

// runToken makes one run with everything recorded, on a goroutine of its own. compare says that the machine
// itself is to complain when the run is not the one of the token.
func (e *explorer) runToken(t *Token, compare bool) (*Machine, *runTB) {
	tb := &runTB{name: e.name}
	o := e.o.Options
	o.Collect = false
	var m *Machine
	fault := apart(tb, func() {
		m = start(&ke.Machine{}, tb, o, e.name, e.scenario, t, false)
		m.repeat, m.pooled, m.kept = e.repeat, true, e.kept
		if e.showing {
			m.shows()
		}
		if !compare {
			m.replay = nil
		}
		e.fn(m)
	})
	if fault != nil {
		panic(fault)
	}
	return m, tb
}

// difference names the first event at which two repeats of a run differ, or says that they do not.
func (e *explorer) difference(one *Machine, t *Token) (words string, differ bool) {
	two, _ := e.runToken(t, false)
	defer two.ke.Close()
	a, b := one.ke.Log(), two.ke.Log()
	na, nb := one.names(), two.names()
	for seq := uint64(1); seq <= max(a.Len(), b.Len()); seq++ {
		ea, eb := a.At(seq), b.At(seq)
		la, lb := "the end of the run", "the end of the run"
		if ea != nil {
			la = simtrace.Full(seq, ea, na)
		}
		if eb != nil {
			lb = simtrace.Full(seq, eb, nb)
		}
		if la != lb {
			return fmt.Sprintf("The driver or the test is not deterministic (map order, time, a "+
				"goroutine?); two repeats differ first at event %d:\n  %s\n  %s", seq, la, lb), true
		}
	}
	return fmt.Sprintf("Two repeats agree with each other in all their %d events, but not with the run "+
		"itself (trace hash %016x, repeated %016x): something is left over from one run to the next, for "+
		"instance in a package variable.",
		a.Len(), t.Trace, one.Hash()), false
}

// specially repeats a run that found freed memory changed with special pool, which knows who did it; nil
// where that shows nothing more. Up to the access the run goes the same way.
func (e *explorer) specially(t *Token) (*Machine, *runTB) {
	with := *t
	with.Options |= bitSpecialPool
	m, tb := e.runToken(&with, false)
	if m.late() || len(m.failures()) == 0 || len(tb.messages) == 0 {
		m.ke.Close()
		return nil, nil
	}
	return m, tb
}

// keepMinimal writes the simplest run of a failure, after making it once more to have its choices in words.
// It reports whether the run that was recorded is not the one to report.
func (e *explorer) keepMinimal(f *Failure) bool {
	shrunk := f.Shrinking.Runs > 0
	if !saves(&e.o.Options) || e.noKeep {
		return shrunk
	}
	tell := newTeller(f.Minimal.replay())
	p := newProber(e, f.Minimal.Options)
	defer func() { p.ke.Close() }()
	m, _ := p.make(tell, nil)
	if m.Hash() != f.Minimal.Trace {
		return shrunk // it does not repeat, which the report says
	}
	header := []string{"test: " + e.name, fmt.Sprintf("run: %d", f.Run), "options: " + m.opt.conditions(),
		"failed: " + f.Headline, "made from: " + f.Token.String()}
	name, err := keep(e.name, &f.Minimal, tell, m.ke.Choices(), header)
	if err != nil {
		e.tb.Logf("sim: the run is not kept: %v", err)
		return shrunk
	}
	f.Kept = name
	return true
}

// runMinimal makes the simplest run of a failure with everything recorded.
func (e *explorer) runMinimal(f *Failure) (*Machine, *runTB) {
	e.kept = f.Kept
	defer func() { e.kept = "" }()
	return e.runToken(&f.Minimal, false)
}

// repeatKept repeats the runs that are kept for the test, and gives those that still fail: all of them, or
// where the exploration does not go on after findings the first. One that cannot be read or goes another way
// by now fails the test as well.
func (e *explorer) repeatKept() (failures []Failure) {
	e.tb.Helper()
	if _, ok := setting("replay"); ok || e.o.Collect {
		return nil
	}
	runs, problems := keptRuns(e.name, e.scenario)
	for _, p := range problems {
		e.tb.Errorf("sim: kept run left out: %s", p)
	}
	for i := range runs {
		t := &runs[i]
		m, tb := e.runToken(t, false)
		switch {
		case m.checked.first != "":
			e.tb.Errorf("%s", stale(m.checked.first))
		case tb.failed:
			f := e.failure(m, tb)
			f.Runs, f.Repeats, f.Minimal, f.Kept, f.at = 1, true, *t, t.story.name, m.place()
			f.Report = fmt.Sprintf("the run kept in %s still fails:\n%s", f.Kept,
				strings.Join(tb.messages, "\n"))
			e.artifacts(m, f.Report)
			e.book.stillFails(m, &f)
			failures = append(failures, f)
		}
		m.ke.Close()
		if len(failures) > 0 && !e.o.KeepGoing {
			return failures
		}
	}
	return failures
}
