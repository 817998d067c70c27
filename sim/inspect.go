package sim

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"calloutsim/fwps"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// inspector prints the state of a machine, or of the object asked for.
type inspector func(m *ke.Machine, id trace.ID) []string

// whole makes an inspector of one that takes no object.
func whole(print func(m *ke.Machine) []string) inspector {
	return func(m *ke.Machine, _ trace.ID) []string { return print(m) }
}

// inspectors are the commands of Inspect. Those that need no kind of object take no argument.
var inspectors = [...]struct {
	name  string
	needs trace.Kind
	print inspector
}{
	{"!irp", trace.IRP, irp.DumpIRP},
	{"!irpfind", trace.NoKind, whole(irp.DumpIRPs)},
	{"!drvobj", trace.Driver, irp.DumpDriver},
	{"!devobj", trace.Device, irp.DumpDevice},
	{"!devstack", trace.Device, irp.DumpStack},
	{"!irql", trace.NoKind, whole(irql.DumpIRQL)},
	{"!verifier", trace.NoKind, whole(irp.DumpVerifier)},
	{"!locks", trace.NoKind, whole(irql.DumpLocks)},
	{"!poolused", trace.NoKind, whole(pool.DumpUsed)},
	{"!pool", trace.Pool, pool.DumpBlock},
}

// wfpUsage says what the inspector of the filter engine takes (ux.md 4).
const wfpUsage = "!wfp takes classify, then nothing, a number (the last so many) or an id such as classify#1"

// Inspect prints the state of the machine as a command of the debugger would: "!irpfind", "!devstack dev#2",
// "!wfp classify".
func (m *Machine) Inspect(command string) ([]string, error) {
	print, err := parseInspector(command)
	if err != nil {
		return nil, err
	}
	return print(m.ke)
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
	if name == "!wfp" {
		return parseWFP(arg)
	}
	var names []string
	for _, i := range inspectors {
		names = append(names, i.name)
		if i.name != name {
			continue
		}
		id, ok := parseID(arg)
		switch {
		case i.needs != trace.NoKind && (!ok || id.Kind() != i.needs):
			return nil, fmt.Errorf("%s takes an id such as %v#1, not %q", name, i.needs, arg)
		case i.needs == trace.NoKind && arg != "":
			return nil, fmt.Errorf("%s takes no argument, not %q", name, arg)
		}
		return i.print.of(id), nil
	}
	return nil, fmt.Errorf("%q is no inspector; there are %s, !wfp classify", name, strings.Join(names, ", "))
}

// of gives the command for an object; nothing printed means that there is none.
func (print inspector) of(id trace.ID) inspection {
	return func(m *ke.Machine) ([]string, error) {
		out := print(m, id)
		if out == nil && id != 0 {
			return nil, fmt.Errorf("there is no %v", id)
		}
		return out, nil
	}
}

// parseWFP reads what stands after !wfp.
func parseWFP(arg string) (inspection, error) {
	verb, which, _ := strings.Cut(arg, " ")
	which = strings.TrimSpace(which)
	if id, ok := parseID(which); ok && verb == "classify" && id.Kind() == trace.Classify {
		return inspector(fwps.DumpClassify).of(id), nil
	}
	n, err := strconv.ParseUint(cmp.Or(which, "0"), 10, 31)
	if verb != "classify" || err != nil {
		return nil, fmt.Errorf(wfpUsage+"; not %q", arg)
	}
	return whole(func(m *ke.Machine) []string { return fwps.Dump(m, int(n)) }).of(0), nil
}

// parseID reads "irp#7".
func parseID(s string) (trace.ID, bool) {
	prefix, digits, ok := strings.Cut(s, "#")
	n, err := strconv.ParseUint(digits, 10, 56)
	if !ok || err != nil {
		return 0, false
	}
	for k := range trace.NumKinds {
		if trace.Kind(k).String() == prefix {
			return trace.MakeID(trace.Kind(k), n), true
		}
	}
	return 0, false
}

// illustrate adds to a finding what a debugger would be asked first, where the code that reports it gives
// nothing.
func (m *Machine) illustrate(_ *ke.K, f *verify.Finding) {
	if len(f.Dump) > 0 {
		return
	}
	switch f.Rule {
	case verify.LOCK_003, verify.LOCK_026:
		f.Dump = irql.DumpLocks(m.ke)
	case verify.OBJ_004, verify.UNLOAD_006:
		if id, ok := parseID(f.Obj); ok {
			f.Dump = irp.DumpStack(m.ke, id)
		}
	}
}
