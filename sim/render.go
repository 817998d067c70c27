package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/sim/report"
	simtrace "calloutsim/sim/trace"
)

const (
	maxReports = 5  // findings reported in full; the others are listed in one line
	maxEvents  = 12 // LAST_EVENTS
)

// Report gives the full report of everything that fails the test, and, where nothing can run any more, which
// requests, threads and classifications are left, who holds them and since when; "" when there is nothing of
// either.
func (m *Machine) Report() string {
	var b bytes.Buffer
	if m.diverged() && m.violated() {
		fmt.Fprintf(&b, "%s\n\n", m.divergence())
	}
	for i, f := range m.failures() {
		switch {
		case i < maxReports:
			if i > 0 {
				b.WriteString("\n")
			}
			m.writeFinding(&b, f)
		case i == maxReports:
			b.WriteString("\nFurther findings:\n")
			fallthrough
		default:
			fmt.Fprintf(&b, "  %s\n", title(&f))
		}
	}
	if m.panicked != nil {
		m.writePanic(&b)
	}
	if s := m.left(); s != "" {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(s)
	}
	return b.String()
}

// Hazards gives what is legal here and breaks elsewhere, each kind once and in one line; "" when there is
// none.
func (m *Machine) Hazards() string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, f := range m.hazards() {
		if sig := f.Signature(); !seen[sig] {
			seen[sig] = true
			fmt.Fprintf(&b, "  %s\n", report.Line(&f, subsystems.Rule(f.Rule)))
		}
	}
	return b.String()
}

// writeFinding prints one finding with everything the machine knows about its moment.
func (m *Machine) writeFinding(w io.Writer, f Finding) {
	n := m.names()
	log := m.ke.Log()
	f.Places = append([]verify.Place(nil), f.Places...)
	for i := range f.Places {
		p := &f.Places[i]
		if e := log.At(p.Seq); e != nil {
			p.Ctx = cmp.Or(p.Ctx, n.Context(e.Ctx))
			p.Event = cmp.Or(p.Event, simtrace.Full(p.Seq, e, n))
			p.Stack = m.attribute(p.Stack, n)
		}
	}
	if len(f.Events) == 0 {
		f.Events = m.lastEvents(&f, n)
	}
	f.Stack = m.locate(f.Stack, f.Seq)
	f.Seq = m.eventOf(&f)
	f.Blocked = m.lastTouched(f.Blocked, n)
	opt := report.Options{Unordered: m.unordered(&f, n), Choices: m.choicesInWords(f.Seq)}
	if m.repeat != nil && m.opt.fails(f.Severity()) {
		opt.Replay = m.repeatLines()
	}
	report.Text(w, &f, subsystems.Rule(f.Rule), opt)
}

// repeatLines is the command that repeats the run, and where the run is kept.
func (m *Machine) repeatLines() []string {
	lines := m.repeat(m.Token().String())
	switch {
	case m.simpler != "":
		lines = append(lines, fmt.Sprintf("(a simpler run that fails this way, %s, is kept in %s)", m.simpler,
			m.kept))
	case m.kept != "":
		lines = append(lines, "(kept in "+m.kept+")")
	}
	return lines
}

// lastEvents are the lines that lead to a finding: those about its object, those it refers to, and, unless
// it was made when no driver code ran, the last ones of its own context.
func (m *Machine) lastEvents(f *Finding, n *simtrace.Names) []string {
	log := m.ke.Log()
	at := m.eventOf(f)
	self := log.At(at)
	if self == nil || len(f.Blocked) > 0 {
		return nil
	}
	cited := map[uint64]bool{at: true}
	for _, p := range f.Places {
		cited[p.Seq] = true
	}
	var picked []uint64
	own := 0
	for seq := at; seq >= log.First() && seq > 0; seq-- {
		e := log.At(seq)
		about := f.Obj != "" && (e.Obj.String() == f.Obj || e.Obj2.String() == f.Obj)
		mine := self.Ctx != 0 && e.Ctx == self.Ctx && own < 4 && !silent(e)
		if mine {
			own++
		}
		if cited[seq] || (about || mine) && len(picked) < maxEvents {
			picked = append(picked, seq)
		}
	}
	var lines []string
	for i := len(picked) - 1; i >= 0; i-- {
		seq := picked[i]
		line := simtrace.Full(seq, log.At(seq), n)
		if seq == at {
			line += "   <-- " + word(f.Severity())
		}
		lines = append(lines, line)
	}
	return lines
}

// silent events say nothing about what a context does.
func silent(e *trace.Event) bool {
	return e.What == trace.Switch || (e.What == trace.Start || e.What == trace.End) && e.Obj == 0
}

// objectID finds the ids in a line of a deadlock report.
var objectID = regexp.MustCompile(`\b[a-z]+#[0-9]+\b`)

// lastTouched adds to each line of a deadlock report the last event about the objects it names.
func (m *Machine) lastTouched(lines []string, n *simtrace.Names) []string {
	var out []string
	log := m.ke.Log()
	for _, l := range lines {
		out = append(out, l)
		for _, id := range objectID.FindAllString(l, -1) {
			for seq := log.Len(); seq >= log.First() && seq > 0; seq-- {
				e := log.At(seq)
				if e.What != trace.Wake && (e.Obj.String() == id || e.Obj2.String() == id) {
					out = append(out, "    last about "+id+": "+simtrace.Full(seq, e, n))
					break
				}
			}
		}
	}
	return out
}

// locate gives a frame without a position, that of a routine that has returned, the last place it was seen
// at.
func (m *Machine) locate(st []verify.Frame, before uint64) []verify.Frame {
	if len(st) == 0 || st[0].File != "" {
		return st
	}
	st = append([]verify.Frame(nil), st...)
	for seq := before; seq >= m.ke.Log().First() && seq > 0; seq-- {
		for _, f := range ke.Frames2(m.ke.Stack(seq)) {
			if f.Func == st[0].Func {
				st[0].File, st[0].Line = f.File, f.Line
				return st
			}
		}
	}
	return st
}

// attribute says whose code the frames of a recorded stack are: a routine that was entered as a callback of
// a driver, and what it called. The stack of a DPC ends with the DPC; what lies below is the thread it
// interrupted.
func (m *Machine) attribute(st []verify.Frame, n *simtrace.Names) []verify.Frame {
	out := make([]verify.Frame, 0, len(st))
	done := 0
	for _, f := range st {
		out = append(out, f)
		e := m.entered[f.Func]
		if e == nil {
			continue
		}
		for ; done < len(out); done++ {
			out[done].Driver = cmp.Or(out[done].Driver, n.Driver(e.Driver))
		}
		if e.IRQL >= ke.Dispatch && strings.HasSuffix(e.Text, ke.FrameDPC.String()) {
			break
		}
	}
	return out
}

// divergence says in words that a repeated run is not the recorded one.
func (m *Machine) divergence() string {
	s := fmt.Sprintf("this run did not repeat the recorded one: its trace hash is %016x, that of the "+
		"token %016x. "+divergenceHint, m.Hash(), m.replay.Trace)
	switch c := m.checked; {
	case c == nil:
	case c.first != "":
		s += " " + c.first
	default:
		s += fmt.Sprintf(" The questions at all its choices are still those in %s (%d of %d).",
			c.story.name, c.index, len(c.story.lines))
	}
	return s
}

// divergenceHint says what the reason may be.
const divergenceHint = "The driver, the test or the simulator changed since, or something outside the " +
	"machine has influence (map order, time, goroutines, leftover state)."

// failures are the findings that fail the test.
func (m *Machine) failures() []Finding {
	return m.pick(func(s verify.Severity) bool { return m.opt.fails(s) })
}

// hazards are the findings that do not.
func (m *Machine) hazards() []Finding {
	return m.pick(func(s verify.Severity) bool { return !m.opt.fails(s) })
}

// title is a finding in one line: number, name and headline.
func title(f *Finding) string { return ruleTitle(f) + ": " + f.Headline }

// left lists what is left at rest, "" when something can still run or nothing is left.
func (m *Machine) left() string {
	if m.ke.Running() || m.ke.Dead() {
		return ""
	}
	lines := m.ke.Left()
	if len(lines) == 0 {
		return ""
	}
	return "AT_REST:        nothing can run any more, and this is left:\n  " + strings.Join(lines, "\n  ") +
		"\n"
}
