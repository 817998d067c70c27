package sim

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Inspect prints the state of the machine as a command of the debugger would: "!irpfind", "!devstack dev#2",
// "!wfp classify".
func (m *Machine) Inspect(command string) ([]string, error) {
	print, err := parseInspector(command)
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

// CheckInspector reports what is wrong with a command of Inspect, whatever the machine. That there is no such
// object only the machine can tell.
func CheckInspector(command string) error {
	_, err := parseInspector(command)
	return err
}

// inspection is a command that has been read.
type inspection func(m *ke.Machine) ([]string, error)

func parseInspector(command string) (inspection, error) {
	name, arg, _ := strings.Cut(strings.TrimSpace(command), " ")
	arg = strings.TrimSpace(arg)
	var names []string
	for _, s := range subsystems.All() {
		for i := range s.Inspectors {
			if s.Inspectors[i].Name == name {
				return readInspection(&s.Inspectors[i], arg)
			}
			names = append(names, s.Inspectors[i].Name)
		}
	}
	return nil, fmt.Errorf("%q is no inspector; there are %s", name, strings.Join(names, ", "))
}

// readInspection reads what stands behind the name of an inspector.
func readInspection(i *ke.Inspector, arg string) (inspection, error) {
	if i.Read != nil {
		print, err := i.Read(arg)
		return func(m *ke.Machine) ([]string, error) { return something(print(m), arg) }, err
	}
	id, ok := trace.ParseID(arg)
	switch {
	case i.Needs != trace.NoKind && (!ok || id.Kind() != i.Needs):
		return nil, fmt.Errorf("%s takes an id such as %v#1, not %q", i.Name, i.Needs, arg)
	case i.Needs == trace.NoKind && arg != "":
		return nil, fmt.Errorf("%s takes no argument, not %q", i.Name, arg)
	}
	return func(m *ke.Machine) ([]string, error) { return something(i.Print(m, id), arg) }, nil
}

// something takes nothing printed for an answer only where no object was asked for.
func something(printed []string, arg string) ([]string, error) {
	if i := strings.LastIndexByte(arg, ' ') + 1; printed == nil && strings.Contains(arg, "#") {
		return nil, fmt.Errorf("there is no %s", arg[i:])
	}
	return printed, nil
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
