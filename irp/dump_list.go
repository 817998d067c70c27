package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/irql"
)

// DumpIRPs lists the live IRPs, oldest first, in the shape of the debugger's !irpfind, with who holds each
// and how long ago it was made, in virtual time.
func (sim) DumpIRPs(m *ke.Machine) []string {
	out := []string{"!irpfind", fmt.Sprintf("%-10s [%-9s] %-24s %-8s [%-20s]  %-13s %s", "Irp", "Thread",
		"irpStack: (Mj,Mn)", "DevObj", "Driver", "Age", "Owner")}
	var all []*IRP
	for p := state.On(m).live; p != nil; p = p.next {
		all = append(all, p)
	}
	for i := len(all) - 1; i >= 0; i-- {
		out = append(out, all[i].findLine(m))
	}
	return append(out, fmt.Sprintf("IRPs found: %d", len(all)))
}

func (p *IRP) findLine(m *ke.Machine) string {
	thread, where, dev, drv := "", "Irp is complete", "", ""
	if p.thread != nil {
		thread = p.thread.ID.String()
	}
	if l := p.loc(p.cur); l != nil {
		where = fmt.Sprintf("irpStack: (%2x,%2x)", l.major, l.minor)
		if l.device != nil {
			dev, drv = l.device.id.String(), l.device.DriverObject.DriverName
		}
	} else if p.cur == p.stackCount+1 {
		where = "no current location"
	}
	age := "-"
	if e := m.Log().At(p.allocSeq); e != nil {
		d := m.Now() - e.Time
		age = fmt.Sprintf("%d.%07d s", d/ke.Second, d%ke.Second)
	}
	return fmt.Sprintf("%-10v [%-9s] %-24s %-8s [%-20s]  %-13s %s", p.id, thread, where, dev, drv, age,
		p.whereIs())
}

// optionsOn are the options of Driver Verifier that a machine always has (irp.md 23).
var optionsOn = [...]struct {
	flag uint32
	name string
}{
	{0x00000000, "Automatic Checks"}, {0x00000001, "Special pool"}, {0x00000002, "Force IRQL checking"},
	{0x00000008, "Pool tracking"}, {0x00000010, "I/O verification"}, {0x00000020, "Deadlock detection"},
	{0x00000800, "Miscellaneous checks"}, {0x00020000, "DDI compliance checking"},
}

// lowResources is the option that fault sites stand for.
const lowResources = 0x00000004

// DumpVerifier prints the verifier's state in the shape of the debugger's !verifier: options, counters, what
// is allocated, the last changes of IRQL, and what was made to fail.
func (sim) DumpVerifier(m *ke.Machine) []string {
	var flags uint32
	faults := map[*ke.Site]int{}
	var sites []*ke.Site
	for _, c := range m.Choices() {
		if c.Site.Fault() && c.Pick != 0 {
			if faults[c.Site] == 0 {
				sites = append(sites, c.Site)
			}
			faults[c.Site]++
			flags |= lowResources
		}
	}
	for _, o := range optionsOn {
		flags |= o.flag
	}
	out := []string{"!verifier", fmt.Sprintf("Verify Flags Level 0x%08x", flags), "",
		"  STANDARD FLAGS:"}
	for _, o := range optionsOn {
		out = append(out, fmt.Sprintf("    [X] (0x%08x) %s", o.flag, o.name))
	}
	mark := " "
	if flags&lowResources != 0 {
		mark = "X"
	}
	out = append(out,
		fmt.Sprintf("    [%s] (0x%08x) Randomized low resources simulation", mark, lowResources),
		"", "Summary of All Verifier Statistics", "")
	out = append(out, statistics(m)...)
	out = append(out, "")
	out = append(out, pool.DumpUsed(m)[1:]...)
	out = append(out, "")
	out = append(out, irql.Sim.DumpTransitions(m)...)
	out = append(out, "", "Faults injected:")
	for _, s := range sites {
		out = append(out, fmt.Sprintf("     %-44s %d", s.Name, faults[s]))
	}
	return out
}

// statistics counts what happened in the run.
func statistics(m *ke.Machine) []string {
	events := [trace.Finding + 1]int{}
	log := m.Log()
	for seq := log.First(); seq > 0 && seq <= log.Len(); seq++ {
		if e := log.At(seq); e != nil {
			events[e.What]++
		}
	}
	out := []string{}
	add := func(name string, n int) { out = append(out, fmt.Sprintf("  %-26s 0x%x", name, n)) }
	add("Scheduling points", int(m.Steps()))
	add("Choices", len(m.Choices()))
	add("Routines called", events[trace.Call])
	add("Callbacks entered", events[trace.Enter])
	add("Context switches", events[trace.Switch])
	add("Findings", len(m.Findings()))
	add("Live IRPs", state.On(m).nlive)
	return out
}
