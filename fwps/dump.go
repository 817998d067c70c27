package fwps

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/wfp"
)

func (c *classification) dump() []string {
	q, p := c.q, c.q.Endpoint.Process
	out := []string{fmt.Sprintf("%v  %s  %v -> %v  pid %d %s  flags %s", c.id, c.info.name, q.Local, q.Remote,
		ke.PIDOf(p), imageName(p), flagNames(conditionFlags(q.Flags, c.reauthorize)))}
	out = append(out, fmt.Sprintf("  %-16s %-7s %-13s %-30s %-32s %s", "sublayer", "weight", "filter",
		"conditions", "action",
		"rights before -> after"))
	if c.run == nil {
		return append(out, "  waits for PASSIVE_LEVEL")
	}
	visits := c.run.Visits()
	for _, g := range c.run.Groups() {
		n := 0
		for i := range visits {
			if visits[i].Filter.Sublayer == g.Sublayer {
				out = list.Add(out, c.dumpVisit(&visits[i]))
				n++
			}
		}
		if n == 0 {
			out = append(out, fmt.Sprintf("  %-16s %-#7x (no match)", g.Sublayer.Name, g.Sublayer.Weight))
		}
	}
	return append(out, "  result "+c.verdict())
}

// dumpVisit prints a filter that matched, and what its callout did to the request.
func (c *classification) dumpVisit(v *wfp.Visit) []string {
	f := v.Filter
	action := f.Action.String()
	after := wfp.Decision{Write: v.WriteAfter}
	cl := c.callFor(f)
	switch {
	case v.Implicit:
		action = fmt.Sprintf("CALLOUT not registered -> %v", v.Answered)
	case f.Action.Calls() && v.Unanswered:
		action = fmt.Sprintf("CALLOUT %s %s", calloutOwner(cl), cl.state())
	case f.Action.Calls():
		action = fmt.Sprintf("CALLOUT %s -> %v", calloutOwner(cl), v.Answered)
		if cl != nil && cl.pend == pendFailed {
			action += ", pend failed"
		}
	}
	out := []string{fmt.Sprintf("  %-16s %-#7x filter %-6d %-30s %-32s %s -> %s", f.Sublayer.Name,
		f.Sublayer.Weight, f.ID,
		c.conditionText(f), action, rightText(v.Before.Write), rightText(after.Write))}
	if cl != nil {
		for _, change := range c.about.changes(f.ID) {
			out = append(out, "     layer data: "+change)
		}
	}
	return out
}

// state says where a call is that has not answered.
func (cl *call) state() string {
	what := "returned"
	switch {
	case cl == nil:
		return "pended"
	case cl.running:
		what = "runs"
	case cl.pend == pendPending:
		return "pended"
	}
	if cl.op != nil {
		what += ", operation pended"
	}
	switch cl.pend {
	case pendPending:
		what += ", pended"
	case pendFailed:
		what += ", pend failed"
	case pendCompleted:
		what += ", completed"
	}
	return what
}

// callFor is the last call that was made for a filter.
func (c *classification) callFor(f *wfp.Filter) *call {
	for i := len(c.calls) - 1; i >= 0; i-- {
		if c.calls[i].f == f {
			return c.calls[i]
		}
	}
	return nil
}

func calloutOwner(cl *call) string {
	if cl == nil {
		return "?"
	}
	return imageNameOf(cl.reg.owner)
}

func rightText(write bool) string {
	if write {
		return "WRITE"
	}
	return "none"
}

func (c *classification) conditionText(f *wfp.Filter) string {
	if len(f.Conditions) == 0 {
		return "(always)"
	}
	infos := fieldsOf(c.layer)
	var parts []string
	for i := range f.Conditions {
		d := &f.Conditions[i]
		value := fmt.Sprint(d.Value.Num)
		if len(d.Value.Bytes) > 0 {
			value = fmt.Sprintf("%d bytes", len(d.Value.Bytes))
		}
		parts = append(parts, strings.ToLower(strings.TrimPrefix(infos[d.Field].name, "IP_"))+"="+value)
	}
	return strings.Join(parts, " ") + " ok"
}

func (c *classification) verdict() string {
	switch {
	case c.phase != phDecided:
		return phaseNames[c.phase]
	case c.note != "":
		return c.result.Action.String() + ", " + c.note
	case c.result.Vetoed:
		return "BLOCK, a veto"
	}
	return c.result.Action.String()
}

// flagNames prints the bits of the FLAGS value that the modelled layers know.
func flagNames(f uint32) string {
	var out []string
	for _, n := range [...]struct {
		bit  uint32
		name string
	}{{FWP_CONDITION_FLAG_IS_LOOPBACK, "LOOPBACK"}, {FWP_CONDITION_FLAG_IS_REAUTHORIZE, "REAUTHORIZE"},
		{FWP_CONDITION_FLAG_IS_WILDCARD_BIND, "WILDCARD_BIND"}, {FWP_CONDITION_FLAG_IS_IMPLICIT_BIND,
			"IMPLICIT_BIND"},
		{FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED, "CONNECTION_REDIRECTED"},
		{FWP_CONDITION_FLAG_IS_PROXY_CONNECTION, "PROXY_CONNECTION"},
		{FWP_CONDITION_FLAG_IS_HONORING_POLICY_AUTHORIZE, "HONORING_POLICY_AUTHORIZE"}} {
		if f&n.bit != 0 {
			out = append(out, n.name)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, " ")
}
