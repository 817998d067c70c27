package sim

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	simtrace "calloutsim/sim/trace"
)

// names tells what the numbers in the events of this run stand for.
func (m *Machine) names() *simtrace.Names {
	log := m.ke.Log()
	started := map[uint16]string{}
	m.entered = map[string]*trace.Event{}
	for seq := log.First(); seq <= log.Len(); seq++ {
		switch e := log.At(seq); {
		case e.What == trace.Start && e.Obj != 0: // an idle processor has no id
			started[e.Ctx] = e.Text
		case e.What == trace.Enter && e.Fn != 0:
			m.entered[ke.FuncName(e.Fn)] = e
		}
	}
	remarks := map[uint64]string{}
	for i, c := range m.ke.Choices() {
		if c.Pick != 0 && c.Site.Name == "sched/step" {
			remarks[c.Seq+1] = fmt.Sprintf("choice %x.%x", i, c.Pick)
		}
	}
	marks := map[uint64]string{}
	for _, f := range m.ke.Findings() {
		for _, p := range f.Places {
			marks[p.Seq] = strings.ToLower(strings.ReplaceAll(p.Label, "_", " "))
		}
		marks[m.eventOf(&f)] = word(f.Severity())
	}
	return &simtrace.Names{
		Start: -ke.Since(0),
		Context: func(num uint16) string {
			return cmp.Or(started[num], m.ke.ContextNameOf(num), fmt.Sprintf("context %d", num))
		},
		Driver: func(num uint16) string {
			if n := int(num); n >= 1 && n <= len(m.ke.Images()) {
				return m.ke.Images()[n-1].Name
			}
			return ""
		},
		Func: ke.FuncName,
		Rule: func(id uint64) string {
			if id == uint64(verify.NoRule) {
				return kinds(m.ke.Findings())
			}
			r := subsystems.Rule(verify.RuleID(id))
			return strings.TrimSpace(verify.RuleID(id).String() + " " + r.FullName())
		},
		Source: func(seq uint64) string {
			for _, f := range ke.Frames2(m.ke.Stack(seq)) {
				return f.File + ":" + strconv.Itoa(f.Line)
			}
			return ""
		},
		Remark: func(seq uint64) string { return remarks[seq] },
		Marks:  func(seq uint64) string { return marks[seq] },
	}
}

// WriteTimeline prints the events of the run, one lane per context. width 0 means 120 columns.
func (m *Machine) WriteTimeline(w io.Writer, width int, color bool) error {
	t := simtrace.Timeline{Width: width, Color: color, Names: m.names()}
	return t.Print(w, m.ke.Log())
}

// WriteTrace writes the events of the run as trace.jsonl.
func (m *Machine) WriteTrace(w io.Writer) error {
	h := simtrace.Header{Scenario: m.name, Seed: max(m.opt.Seed, 1), Token: m.Token().String(),
		Options: m.opt.header()}
	for _, img := range m.ke.Images() {
		h.Drivers = append(h.Drivers, img.Name)
	}
	return simtrace.WriteJSONL(w, h, m.ke.Log(), m.names())
}

// header is what trace.jsonl says about the options.
func (o *Options) header() map[string]any {
	h := map[string]any{"processors": o.processors()}
	if o.Master != 0 {
		h["master"] = o.Master
	}
	if o.Memory {
		h["memory"] = true
	}
	if o.TimersRace {
		h["timersrace"] = true
	}
	if o.ForcePending {
		h["forcepending"] = true
	}
	if o.Checked {
		h["checked"] = true
	}
	if o.Races {
		h["races"] = true
	}
	if o.SpecialPool {
		h["specialpool"] = true
	}
	if o.Continue {
		h["continue"] = true
	}
	if len(o.Continues) > 0 {
		h["continues"] = o.Continues
	}
	if len(o.Pins) > 0 {
		var pins []string
		for _, p := range o.Pins {
			pins = append(pins, p.String())
		}
		h["pins"] = pins
	}
	return h
}

// kinds names the kinds of findings that no rule has a number for; a run mostly has one.
func kinds(findings []Finding) string {
	var names []string
	for i := range findings {
		if f := &findings[i]; f.Rule == verify.NoRule && !slices.Contains(names, f.Kind) {
			names = append(names, f.Kind)
		}
	}
	return strings.Join(names, " or ")
}

func word(s verify.Severity) string {
	if s == verify.Error {
		return "violation"
	}
	return "hazard"
}

// eventOf gives the event of a finding. One made when no driver code ran carries the number of the event
// before it.
func (m *Machine) eventOf(f *Finding) uint64 {
	log := m.ke.Log()
	for seq := f.Seq; seq > 0 && seq <= log.Len(); seq++ {
		e := log.At(seq)
		if e == nil {
			break
		}
		if e.What == trace.Finding && verify.RuleID(e.A) == f.Rule {
			return seq
		}
	}
	return f.Seq
}
