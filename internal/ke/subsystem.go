package ke

import (
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Subsystem is what a package of the DDIs adds to a machine beyond its routines. Each package exports one;
// internal/subsystems lists them, and nothing else names the packages one by one.
type Subsystem struct {
	Package    string // as in the names of its rules: "irp"
	Rules      []verify.Record
	Sites      []*Site
	Inspectors []Inspector
	// Illustrate gives what a debugger would be asked first about a finding that brings no dump; may be nil.
	Illustrate func(m *Machine, f *verify.Finding) []string
	Objects    []trace.Kind // kinds of objects whose ids it gives out
	Frames     []FrameKind  // kinds of callbacks it makes
}

// Inspector is a command that prints the state of a machine as a debugger would, "!irp".
type Inspector struct {
	Name  string
	Needs trace.Kind // of the object that it is given, NoKind for none
	Print func(m *Machine, id trace.ID) []string
	Read  func(arg string) (func(m *Machine) []string, error) // instead, where the arguments are others
}

// record gives the record of a rule; nil when no subsystem of the machine has it.
func (m *Machine) record(rule verify.RuleID) *verify.Record {
	for _, s := range m.cfg.Subsystems {
		for i := range s.Rules {
			if s.Rules[i].ID == rule {
				return &s.Rules[i]
			}
		}
	}
	return nil
}

// fill fills a finding from the record of its rule, and gives it to the more particular rule that it names.
func (m *Machine) fill(f *verify.Finding) {
	if r := m.record(f.Rule); r != nil {
		r.Fill(f)
	}
	if f.As != verify.NoRule {
		f.Rule, f.Case, f.As, f.Also = f.As, "", verify.NoRule, append([]verify.RuleID{f.Rule}, f.Also...)
	}
}

// finish adds what the record of the rule says that a finding has in the end.
func (m *Machine) finish(f *verify.Finding) {
	if r := m.record(f.Rule); r != nil {
		r.Finish(f)
	}
}

// refine fills a finding whose rule the packages above may replace by a more particular one.
func (m *Machine) refine(k *K, f *verify.Finding) {
	m.fill(f)
	rule := f.Rule
	for _, fn := range m.Refine {
		fn(k, f)
	}
	if f.Rule != rule {
		f.Case = "" // of another rule
	}
	m.finish(f)
}
