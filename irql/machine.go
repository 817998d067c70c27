package irql

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// newMachine makes what this package keeps per machine, with its check at unload.
func newMachine(m *ke.Machine) *machine {
	s := &machine{}
	s.check = s.checkThreads
	return s
}

func renewMachine(m *ke.Machine, s *machine) {
	*s = machine{timers: list.Empty(s.timers), dpcs: list.Empty(s.dpcs), threads: list.Empty(s.threads),
		resources: list.Empty(s.resources), exTimers: list.Empty(s.exTimers), order: s.order[:0],
		check: s.check}
	m.AtUnload(s.check)
}

// checkThreads is OBJ-010 for a system thread that has ended and whose object or handle is left when its
// driver is unloaded. One that still runs is UNLOAD-004.
func (s *machine) checkThreads(m *ke.Machine, img *ke.Image) {
	for _, t := range s.threads {
		if t.image != img || !t.t.Ended() {
			continue
		}
		f := verify.Finding{Rule: verify.OBJ_010, Obj: t.t.ID.String(), Driver: img.Name,
			Ctx: "unload of " + img.Name, Places: []verify.Place{{Label: "CREATED", Seq: t.madeSeq}}}
		switch open := s.handles.naming(t); {
		case open > 0:
			f.Headline = img.Name + " is unloaded and the handle of " + f.Obj + " is not closed"
			f.Case = "handle left"
			f.Also = []verify.RuleID{verify.OBJ_011}
		case t.refs > 1:
			f.Headline = img.Name + " is unloaded and " + f.Obj + " is still referenced"
			f.Case = "reference left"
		default:
			continue
		}
		m.ReportEnd(f)
	}
}

// naming counts the open handles of an object.
func (t *HandleTable) naming(object any) int {
	n := 0
	for i := range t.open {
		if t.open[i].Object == object {
			n++
		}
	}
	return n
}
