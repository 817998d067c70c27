package wsk

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// refine replaces general rules where WSK has a more specific one (rules.md 12). Rules: WSK-095, WSK-097.
func (s *subsystem) refine(k *irql.K, f *verify.Finding) {
	rule := verify.NoRule
	switch ev := eventOf(k); {
	case k == nil:
	case f.Rule == verify.POOL_014:
		rule = s.readUnfilled(f.Obj)
	case ev != nil && ev.null && (f.Kind == ke.NullDereference || f.Rule == verify.IRQL_008):
		f.Kind, rule = "", verify.WSK_181
	case f.Rule == verify.IRQL_008 && (s.inCompletion(k) || eventOf(k) != nil):
		rule = verify.WSK_095
	case f.Rule == verify.IRQL_001 && eventOf(k) != nil && eventOf(k).untold:
		rule = verify.WSK_096
	case f.Rule == verify.IRQL_011 && (s.inCompletion(k) || eventOf(k) != nil || s.awaited(f.Obj)):
		rule = verify.WSK_097
	}
	if k != nil && rule == verify.NoRule {
		rule = s.refineList(k, f)
	}
	if rule != verify.NoRule {
		f.Also = append([]verify.RuleID{f.Rule}, f.Also...)
		f.Rule = rule
	}
}

// inCompletion reports whether k is in the completion routine of an IRP that was given to WSK.
func (s *subsystem) inCompletion(k *irql.K) bool {
	for _, fr := range ke.Frames(k) {
		if fr.Kind == ke.FrameCompletion && s.hadIRP(fr.Obj) {
			return true
		}
	}
	return false
}

// awaited reports whether the object is the completion event of a pending request: the context of its
// routine.
func (s *subsystem) awaited(obj string) bool {
	for _, o := range s.sockets {
		for _, r := range o.pending {
			for _, id := range eventsIn(r.context) {
				if id.String() == obj {
					return true
				}
			}
		}
	}
	return false
}

// hadIRP reports whether an IRP was given to a WSK function.
func (s *subsystem) hadIRP(id trace.ID) bool {
	n := id.Num()
	return id.Kind() == trace.IRP && n < uint64(len(s.used)) && s.used[n]
}

// noteIRP remembers that an IRP was given to a WSK function.
func (s *subsystem) noteIRP(id trace.ID) {
	for uint64(len(s.used)) <= id.Num() {
		s.used = append(s.used, false)
	}
	s.used[id.Num()] = true
}
