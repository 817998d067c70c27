package subsystems

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Inspection is a command of the debugger that has been read: "!irpfind", "!devstack dev#2", "!wfp classify".
type Inspection func(m *ke.Machine) ([]string, error)

// ParseInspection reports what is wrong with a command, whatever the machine. That there is no such object
// only the machine can tell.
func ParseInspection(command string) (Inspection, error) {
	name, arg, _ := strings.Cut(strings.TrimSpace(command), " ")
	arg = strings.TrimSpace(arg)
	var names []string
	for _, s := range all {
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
func readInspection(i *ke.Inspector, arg string) (Inspection, error) {
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
