package fwps

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// Subsystem is what fwps adds to a machine, for itself and for fwpm.
var Subsystem = ke.Subsystem{
	Package:    "fwps",
	Rules:      rules,
	Inspectors: []ke.Inspector{{Name: "!wfp", Read: readWFP}},
	Objects: []trace.Kind{trace.Callout, trace.Filter, trace.Sublayer, trace.Engine, trace.Classify,
		trace.ClassifyHandle, trace.RedirectHandle, trace.RedirectRecords, trace.RedirectContext, trace.Flow,
		trace.NetBuffer, trace.Injection},
	Frames: []ke.FrameKind{ke.FrameClassify, ke.FrameNotify, ke.FrameFlowDelete,
		ke.FrameInject},
	Sites: []*ke.Site{
		&siteRegister0, &siteRegister1, &siteRegister2, &siteRegister3,
		&siteUnregister, &siteNotifyType, &siteNotify, &siteOrder, &siteStop, &siteBlock,
		&siteConnectRedirectIRQL, &siteAuthConnectIRQL, &siteEndpointClosureIRQL, &siteAcquireData,
		&siteAcquireOut, &siteApplyPointer, &siteAcquireHandle, &sitePend, &siteResume, &sitePendOperation,
		&siteResumeOperation, &siteFlowDelete, &siteFlowDeleteIRQL, &siteAssociate,
		&siteInjectionHandle, &siteInject, &siteInjectWhen, &siteInjectIRQL, &siteTag,
		&siteIndicate, &siteCloneStream,
		&siteRedirectHandle, &siteRecordKey, &siteUnaccepted,
	},
}

// sim has the routines that the simulator's other packages need of this one. They are no routines of Windows,
// and drivers have no use for them, so they stand apart.
type sim struct{}

// Sim is for the simulator's own packages.
var Sim sim

// readWFP reads what stands after !wfp (ux.md 4): classify, then nothing, a number or an id; or why, then
// nothing or the id of an endpoint.
func readWFP(arg string) (func(m *ke.Machine) []string, error) {
	verb, which, _ := strings.Cut(arg, " ")
	which = strings.TrimSpace(which)
	id, ok := trace.ParseID(which)
	switch {
	case verb == "why" && which == "":
		return func(m *ke.Machine) []string { return Sim.Why(m, 0) }, nil
	case verb == "why" && ok && id.Kind() == trace.Endpoint:
		return func(m *ke.Machine) []string { return Sim.Why(m, id) }, nil
	case verb == "classify" && ok && id.Kind() == trace.Classify:
		return func(m *ke.Machine) []string { return Sim.DumpClassify(m, id) }, nil
	}
	n, err := strconv.ParseUint(cmp.Or(which, "0"), 10, 31)
	if verb != "classify" || err != nil {
		return nil, fmt.Errorf("!wfp takes classify, then nothing, a number (the last so many) or an id "+
			"such as classify#1; or why, then nothing or an id such as ep#1; not %q", arg)
	}
	return func(m *ke.Machine) []string { return Sim.Dump(m, int(n)) }, nil
}

// Dump prints the last n classifications of a machine, oldest first, as "!wfp classify" shows them (ux.md 4):
// one line per step, never only the verdict. With n <= 0 it prints all that are remembered.
func (sim) Dump(m *ke.Machine, n int) []string {
	h := state.On(m).history
	if n > 0 && n < len(h) {
		h = h[len(h)-n:]
	}
	var out []string
	for _, c := range h {
		out = list.Add(out, c.dump())
	}
	return out
}

// DumpClassify prints one classification; nothing when it is not remembered.
func (sim) DumpClassify(m *ke.Machine, id trace.ID) []string {
	for _, c := range state.On(m).history {
		if c.id == id {
			return c.dump()
		}
	}
	return nil
}
