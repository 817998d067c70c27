package sim

import (
	"bytes"
	"cmp"
	"strings"

	"calloutsim/sim/internal/show"
)

// shown is who wants to see a repeated run: `ksim replay`, which has started the test's process.
type shown struct {
	*show.Request
	seen inspections
}

// shows prepares a run that has not begun for whoever asked to see it.
func (m *Machine) shows() {
	if r := show.Asked(); r != nil {
		m.shown = &shown{r, inspections{commands: r.Inspect}}
		m.shown.seen.watch(m)
	}
}

// show answers.
func (m *Machine) show() {
	m.tb.Helper()
	if m.shown == nil {
		return
	}
	s, a := m.shown, &show.Answer{Described: m.describe()}
	m.shown = nil
	said := ""
	if r, ok := m.tb.(*runTB); ok {
		said = strings.TrimSpace(strings.Join(r.messages, " "))
	} else if m.tb.Failed() {
		said = "the test says why"
	}
	var timeline, trace bytes.Buffer
	var err error
	if s.Width > 0 {
		err = m.WriteTimeline(&timeline, s.Width, s.Color)
	}
	if s.Trace {
		err = cmp.Or(err, m.WriteTrace(&trace))
	}
	answers, moment := s.seen.end(m)
	for _, i := range answers {
		one := show.Inspected{Command: i.Command, Lines: i.Lines}
		if i.Err != nil {
			one.Err = i.Err.Error()
		}
		a.Inspected = append(a.Inspected, one)
	}
	a.Timeline, a.Trace, a.Moment, a.Verdict = timeline.String(), trace.String(), moment, m.verdict(said)
	if err = cmp.Or(err, s.Answer(a)); err != nil {
		m.tb.Errorf("sim: the run cannot be shown: %v", err)
	}
}
