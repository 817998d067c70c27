package sim

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
)

// Inspect prints the state of the machine as a command of the debugger would: "!irpfind", "!devstack dev#2",
// "!wfp classify".
func (m *Machine) Inspect(command string) ([]string, error) {
	print, err := subsystems.ParseInspection(command)
	if err != nil {
		return nil, err
	}
	return print(m.ke)
}

// inspections are commands whose answers are wanted for the first violation, or else the end of the run.
type inspections struct {
	commands []string
	done     []Inspected
	violated bool
}

// watch has the commands answered at the moment of the first violation, before anything is unwound.
func (i *inspections) watch(m *Machine) {
	m.ke.Describe = func(k *ke.K, f *Finding) {
		m.illustrate(k, f)
		if !i.violated && m.opt.fails(f.Severity()) && m.opt.wanted(f.Severity()) {
			i.violated = true
			i.ask(m)
		}
	}
}

func (i *inspections) ask(m *Machine) {
	for _, command := range i.commands {
		lines, err := m.Inspect(command)
		i.done = append(i.done, Inspected{command, lines, err})
	}
}

// end gives the answers, and says which moment they are of.
func (i *inspections) end(m *Machine) (answers []Inspected, moment string) {
	if i.violated {
		return i.done, "at the first violation"
	}
	i.ask(m)
	return i.done, "at the end of the run"
}

// illustrate adds to a finding what a debugger would be asked first, where the code that reports it gives
// nothing.
func (m *Machine) illustrate(_ *ke.K, f *verify.Finding) {
	for _, s := range subsystems.All() {
		if len(f.Dump) == 0 && s.Illustrate != nil {
			f.Dump = s.Illustrate(m.ke, f)
		}
	}
}
