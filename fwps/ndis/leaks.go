package ndis

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// checkUnload reports the lists that a driver leaves behind.
func (s *subsystem) checkUnload(m *ke.Machine, img *ke.Image) {
	s.left(img, "is unloaded", func(f verify.Finding) {
		f.Ctx = "unload of " + img.Name
		m.ReportEnd(f)
	})
}

// checkEnd reports what is left at the end of a run.
func (s *subsystem) checkEnd(m *ke.Machine) {
	s.left(nil, "has left it", m.ReportEnd)
}

// left reports what drivers, or one, did not give back: clones, lists and references.
func (s *subsystem) left(img *ke.Image, when string, report func(verify.Finding)) {
	for _, nbl := range s.lists {
		if nbl.told {
			continue
		}
		if nbl.owner != nil && (img == nil || nbl.owner == img) {
			nbl.told = true
			report(nbl.leak(when))
			continue
		}
		for _, r := range nbl.refs {
			if r.by != nil && (img == nil || r.by == img) {
				nbl.told = true
				report(verify.Finding{Rule: verify.WFP_172, Obj: nbl.id.String(), Driver: r.by.Name,
					Headline: fmt.Sprintf("%s %s and its reference to %v is not dropped", r.by.Name, when,
						nbl.id),
					Places: append(nbl.places(), verify.Place{Label: "REFERENCED", Seq: r.seq}),
					Fix:    "call FwpsDereferenceNetBufferList0 once for each reference."})
				break
			}
		}
	}
}

// leak is the finding about a list that was never freed.
func (nbl *NET_BUFFER_LIST) leak(when string) verify.Finding {
	f := verify.Finding{Rule: verify.WFP_165, Obj: nbl.id.String(), Driver: nbl.owner.Name,
		Places:   nbl.places(),
		Headline: fmt.Sprintf("%s %s and %v is not freed", nbl.owner.Name, when, nbl.id)}
	switch {
	case nbl.failSeq != 0:
		f.Headline += ": its injection failed, and no completionFn comes"
	case nbl.doneSeq != 0:
		f.Rule = verify.WFP_167
		f.Headline += ": its completionFn has been called"
	case nbl.parent != nil:
		f.Rule = verify.WFP_172
		f.Headline += fmt.Sprintf(": %v waits for its clones", nbl.parent.id)
	}
	return f
}
