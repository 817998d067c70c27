package fwps

import (
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// refine replaces general rules by those of this package where the act has to do with the filter engine
// (rules.md 12).
func (e *engine) refine(k *ke.K, f *verify.Finding) {
	general := f.Rule
	switch f.Rule {
	case verify.IRQL_001, verify.IRQL_002:
		f.Rule = levelRule(f.Obj)
	case verify.IRQL_011, verify.IRQL_008:
		if t := ke.Top(k); t != nil && calloutFrame(t.Kind) && t.EntryIRQL() > ke.APC {
			f.Rule = verify.WFP_006
		}
	case verify.IRQL_007:
		if t := ke.Top(k); t != nil && t.Kind == ke.FrameClassify {
			f.Rule = verify.WFP_005
		}
	case verify.LOCK_001:
		if e.heldAcrossCompletion(k, f.Obj) {
			f.Rule = verify.WFP_080
			f.Fix = "release the lock before the completion: classifyFn may be entered from inside it."
		} else if t := ke.Top(k); t != nil && t.Kind == ke.FrameFlowDelete && heldBefore(k, t, f.Obj) {
			f.Rule = verify.WFP_140
		}
	case verify.WFP_054:
		if e.wasHeld(f.Obj) {
			f.Rule, f.Fix = verify.WFP_133, ""
		}
	case verify.POOL_006:
		if e.wasContext(f.Obj) {
			f.Rule, f.BugCheck = verify.WFP_139, 0
		}
	case verify.POOL_013:
		switch {
		case e.wasContext(f.Obj):
			f.Rule, f.BugCheck = verify.WFP_147, 0
		case e.wasHeld(f.Obj):
			f.Rule, f.BugCheck, f.Fix = verify.WFP_133, 0, ""
		}
	case verify.WFP_108:
		f.Also = append(f.Also, verify.POOL_006, verify.POOL_013)
	}
	if f.Rule == verify.NoRule {
		f.Rule = general
	}
	e.describe(f)
	if f.Rule != general {
		f.Also = append(f.Also, general)
	}
}

// describe adds the story of the classification a finding is about.
func (e *engine) describe(f *verify.Finding) {
	if len(f.Dump) > 0 || !strings.HasPrefix(f.Obj, trace.Classify.String()+"#") {
		return
	}
	for _, c := range e.history {
		if c.id.String() == f.Obj {
			f.Dump = list.Add([]string{"!wfp classify " + f.Obj}, c.dump())
		}
	}
}

// wasHeld reports whether a list was lent to a callout that pended the operation.
func (e *engine) wasHeld(list string) bool {
	for _, c := range e.history {
		if s, ok := c.about.(*carried); ok && s.nbl != nil && s.nbl.ID().String() == list && c.held() {
			return true
		}
	}
	return false
}

// wasContext reports whether memory was a flow context that flowDeleteFn has been given.
func (e *engine) wasContext(id string) bool {
	for _, c := range e.wereContexts {
		if c.String() == id {
			return true
		}
	}
	return false
}

// heldBefore reports whether the lock was held when the innermost callback was entered.
func heldBefore(k *ke.K, t *ke.Frame, lock string) bool {
	x, _ := t.Object.(*flowContext)
	for _, h := range ke.Locks(k) {
		if x != nil && h.ID.String() == lock && h.Seq < x.enterSeq {
			return true
		}
	}
	return false
}

func calloutFrame(kind ke.FrameKind) bool {
	return kind == ke.FrameClassify || kind == ke.FrameNotify || kind == ke.FrameFlowDelete
}

// levelRule is the rule for a routine of this package or of fwpm called at a wrong level; NoRule for others.
func levelRule(name string) verify.RuleID {
	id, ok := ddi.ByName(name)
	switch {
	case !ok && strings.HasPrefix(name, "Fwpm"):
		return verify.WFP_004
	case !ok:
		return verify.NoRule
	case strings.HasPrefix(name, "FwpsRedirectHandle"):
		return verify.WFP_003
	case strings.HasPrefix(name, "Fwps") && ddi.MaxIRQL(id) == ke.Passive:
		return verify.WFP_002
	case strings.HasPrefix(name, "Fwps"):
		return verify.WFP_001
	case strings.HasPrefix(name, "Fwpm"):
		return verify.WFP_004
	}
	return verify.NoRule
}

// heldAcrossCompletion reports whether the lock was held when a completion on this stack entered the
// innermost classifyFn.
func (e *engine) heldAcrossCompletion(k *ke.K, lock string) bool {
	t := ke.Top(k)
	if t == nil || t.Kind != ke.FrameClassify {
		return false
	}
	cl, ok := t.Object.(*call)
	if !ok {
		return false
	}
	for _, h := range ke.Locks(k) {
		if h.ID.String() == lock && h.Seq < cl.enterSeq {
			return true
		}
	}
	return false
}
