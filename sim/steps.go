package sim

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	simtrace "calloutsim/sim/trace"
)

// maxSwitches is how many switches a report names: only a run of few has something to tell by them.
const maxSwitches = 4

// chooses says who makes the choices of a run that has not begun.
func (m *Machine) chooses(src ke.Source) {
	if m.steps != nil {
		m.steps.src = src
		return
	}
	m.ke.SetSource(src)
}

// Choose passes the question on.
func (s *steps) Choose(site *ke.Site, n int) int {
	p := s.src.Choose(site, n)
	s.note(site, p)
	return p
}

// Pick passes the question on.
func (s *steps) Pick(m *ke.Machine, at *ke.Moment) int {
	s.begins = append(s.begins, stepBegin{len(s.trail.Steps), m.Log().Len() + 1})
	if len(at.Options) == 1 {
		return 0
	}
	p := 0
	if sched, ok := s.src.(ke.Scheduler); ok {
		p = sched.Pick(m, at)
	} else {
		p = s.src.Choose(&stepSite, len(at.Options))
	}
	if p > 0 && len(s.switches) <= maxSwitches {
		line := fmt.Sprintf("choice %x.%x let %s go on", len(m.Choices()), p,
			m.ActorName(at.Options[p].Actor))
		if at.Stays {
			line += " although " + m.ActorName(at.Self) + " could"
		} else {
			line += " in place of " + m.ActorName(at.Options[0].Actor)
		}
		s.switches = append(s.switches, line)
	}
	return p
}

// stepOf gives the step an event belongs to, -1 where that is not certain.
func (s *steps) stepOf(seq uint64) int {
	i, found := slices.BinarySearchFunc(s.begins, seq, func(b stepBegin, seq uint64) int {
		return cmp.Compare(b.seq, seq)
	})
	for found && i+1 < len(s.begins) && s.begins[i+1].seq == seq {
		i++ // the steps before it left no event
	}
	if !found {
		i--
	}
	if i < 0 {
		return -1
	}
	next := len(s.trail.Steps)
	if i+1 < len(s.begins) {
		next = s.begins[i+1].step
	}
	if next != s.begins[i].step+1 { // the clock moved, or the test did something
		return -1
	}
	return s.begins[i].step
}

// unordered says which of the events that a finding refers to could have come after it as well.
func (m *Machine) unordered(f *Finding, n *simtrace.Names) []string {
	log := m.ke.Log()
	self := log.At(f.Seq)
	if m.steps == nil || self == nil || self.Ctx == 0 {
		return nil
	}
	at := m.steps.stepOf(f.Seq)
	var lines []string
	for _, seq := range m.elsewhere(f, self) {
		if e := log.At(seq); explore.CouldSwap(m.steps.trail, m.steps.stepOf(seq), at) {
			lines = append(lines, fmt.Sprintf("nothing orders #%d (%s: %s) before #%d (%s)", seq,
				n.Context(e.Ctx), simtrace.Line(e, n), f.Seq, n.Context(self.Ctx)))
		}
	}
	if len(lines) > 0 && len(m.steps.switches) <= maxSwitches {
		lines = append(lines, m.steps.switches...)
	}
	return lines
}

// elsewhere are the events before a finding that it refers to, and the last one about its object, as far as
// they happened in other contexts.
func (m *Machine) elsewhere(f *Finding, self *trace.Event) []uint64 {
	log := m.ke.Log()
	other := func(seq uint64) *trace.Event {
		e := log.At(seq)
		if e == nil || e.Ctx == 0 || e.Ctx == self.Ctx || seq >= f.Seq {
			return nil
		}
		return e
	}
	var out []uint64
	for _, p := range f.Places {
		if other(p.Seq) != nil {
			out = append(out, p.Seq)
		}
	}
	for seq := f.Seq - 1; f.Obj != "" && seq >= log.First() && seq > 0; seq-- {
		if e := other(seq); e != nil && (e.Obj.String() == f.Obj || e.Obj2.String() == f.Obj) {
			out = append(out, seq)
			break
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tells has the choices of a run that has not begun noted in words.
func (m *Machine) tells() {
	src := m.ke.Config().Source
	if m.steps != nil {
		src = m.steps.src
	}
	m.teller = newTeller(src)
	m.chooses(m.teller)
}

// note remembers who asks, where the answer may be one that a report names.
func (s *steps) note(site *ke.Site, pick int) {
	if pick == 0 && !s.pins || explore.KindOf(site) == explore.Sched {
		return
	}
	var pcs [32]uintptr
	n := runtime.Callers(3, pcs[:])
	s.asked = append(s.asked, asked{len(s.ke.Choices()), append([]uintptr(nil), pcs[:n]...)})
}
