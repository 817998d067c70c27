package wsk_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// how plays a body: as a registered client, or bare.
type how func(r *rig, body func(k *irql.K)) *rig

// plain is a random walk in which nothing fails, a receive gives all there is, and Windows does what it most
// likely does where its pages do not say: the bodies rely on that.
type plain struct {
	ke.Source
	calm bool
}

func (n *plain) Choose(s *ke.Site, alternatives int) int {
	pick := n.Source.Choose(s, alternatives)
	if n.calm || s.Name == "env/WskReceive/length" || strings.HasPrefix(s.Name, "doc/") {
		return 0
	}
	return pick
}

// scheduled gives rigs, one after the other on one machine, that follow the schedules of package trial.
func scheduled(t *testing.T, pins []ke.Pin) func(number int) *rig {
	first := newRig(t, 1, pins...)
	return func(number int) *rig {
		if number == 0 {
			return first
		}
		r := &rig{T: t, m: first.m, walk: &plain{Source: trial.Walk(number)}}
		r.disp.Version = first.disp.Version
		r.m.Reset(ke.Config{Events: -1, Pins: pins, Source: r.walk, Subsystems: subsystems.All()})
		return r
	}
}

// calmly does fn while the schedule is the boring one: the answer to a call of fn comes when fn has returned,
// and what it does meanwhile it does in time, whatever the rest of the schedule is.
func (r *rig) calmly(fn func()) {
	if r.walk != nil {
		r.walk.calm = true
		defer func() { r.walk.calm = false }()
	}
	fn()
}

// answers is that a function pends (0) or answers at once (1).
func answers(function string, alt int) ke.Pin {
	return ke.Pin{Site: "env/" + function + "/answer", Alt: alt}
}

// tripRig requires that the body breaks the rule and nothing else, under every schedule, and returns the
// finding of the boring one.
func tripRig(t *testing.T, play how, rule verify.RuleID, body func(r *rig, k *irql.K),
	pins []ke.Pin) (first verify.Finding) {
	t.Helper()
	rigs := scheduled(t, pins)
	trial.Breaks(t, func(number int) bool {
		r := rigs(number)
		f := play(r, func(k *irql.K) { body(r, k) }).only(rule)
		if number == 0 {
			first = f
		}
		return true
	})
	return first
}

// tripBeside is for an act that always comes with others, which break beside.
func tripBeside(t *testing.T, play how, rule verify.RuleID, beside []verify.RuleID,
	body func(r *rig, k *irql.K), pins ...ke.Pin) {
	t.Helper()
	rigs := scheduled(t, pins)
	trial.Breaks(t, func(number int) bool {
		r := rigs(number)
		var got []verify.RuleID
		for _, f := range play(r, func(k *irql.K) { body(r, k) }).counting(rule) {
			got = append(got, f.Rule)
		}
		require.ElementsMatch(t, append(beside, rule), got)
		return true
	})
}

// missBeside requires that the body breaks beside and nothing else.
func missBeside(t *testing.T, beside verify.RuleID, body func(r *rig, k *irql.K), pins ...ke.Pin) {
	t.Helper()
	rigs := scheduled(t, pins)
	trial.Keeps(t, func(number int) {
		r := rigs(number)
		r.driver(func(k *irql.K) { body(r, k) }).only(beside)
	})
}

// missRig requires that the body breaks no rule.
func missRig(t *testing.T, play how, body func(r *rig, k *irql.K), pins []ke.Pin) {
	t.Helper()
	rigs := scheduled(t, pins)
	trial.Keeps(t, func(number int) {
		r := rigs(number)
		play(r, func(k *irql.K) { body(r, k) }).clean()
	})
}

// avoids is missIn for the repaired form of what breaks a rule that is a note, which clean does not see.
func avoids(t *testing.T, rule verify.RuleID, body func(r *rig, k *irql.K)) {
	t.Helper()
	rigs := scheduled(t, nil)
	trial.Keeps(t, func(number int) {
		r := rigs(number)
		require.Empty(t, r.driver(func(k *irql.K) { body(r, k) }).counting(rule))
	})
}

// counting are the findings of a run; of notes only those of rule.
func (r *rig) counting(rule verify.RuleID) (out []verify.Finding) {
	for _, f := range r.m.Findings() {
		if f.Rule == rule || f.Severity() > verify.Note {
			out = append(out, f)
		}
	}
	return out
}

// only requires that nothing but rule was broken, and once.
func (r *rig) only(rule verify.RuleID) verify.Finding {
	r.Helper()
	var got []string
	fs := r.counting(rule)
	for _, f := range fs {
		got = append(got, f.Rule.String()+": "+f.Headline)
	}
	if len(fs) != 1 || fs[0].Rule != rule {
		r.Fatalf("%v was to be reported, and is: %q", rule, got)
	}
	return fs[0]
}
