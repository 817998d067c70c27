package sim

import (
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// inspectors are the commands of Inspect; id is the object asked for, 0 for those that take none.
var inspectors = [...]struct {
	name  string
	needs trace.Kind
	print func(m *ke.Machine, id trace.ID) []string
}{
	{"!irp", trace.IRP, irp.DumpIRP},
	{"!irpfind", trace.NoKind, func(m *ke.Machine, _ trace.ID) []string { return irp.DumpIRPs(m) }},
	{"!drvobj", trace.Driver, irp.DumpDriver},
	{"!devobj", trace.Device, irp.DumpDevice},
	{"!devstack", trace.Device, irp.DumpStack},
	{"!irql", trace.NoKind, func(m *ke.Machine, _ trace.ID) []string { return irql.DumpIRQL(m) }},
	{"!verifier", trace.NoKind, func(m *ke.Machine, _ trace.ID) []string { return irp.DumpVerifier(m) }},
	{"!locks", trace.NoKind, func(m *ke.Machine, _ trace.ID) []string { return irql.DumpLocks(m) }},
	{"!poolused", trace.NoKind, func(m *ke.Machine, _ trace.ID) []string { return pool.DumpUsed(m) }},
	{"!pool", trace.Pool, pool.DumpBlock},
}

// Inspect prints the state of the machine as a command of the debugger would: "!irpfind", "!devstack dev#2".
func (m *Machine) Inspect(command string) ([]string, error) {
	name, arg, _ := strings.Cut(strings.TrimSpace(command), " ")
	var names []string
	for _, i := range inspectors {
		names = append(names, i.name)
		if i.name != name {
			continue
		}
		id, ok := parseID(strings.TrimSpace(arg))
		if i.needs != trace.NoKind && (!ok || id.Kind() != i.needs) {
			return nil, fmt.Errorf("%s takes an id such as %v#1, not %q", name, i.needs, arg)
		}
		out := i.print(m.ke, id)
		if out == nil {
			return nil, fmt.Errorf("%s: there is no %s", name, arg)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%q is no inspector; there are %s", name, strings.Join(names, ", "))
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
