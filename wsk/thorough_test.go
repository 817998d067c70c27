package wsk_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// how plays a body: as a registered client, or bare.
type how func(r *rig, body func(k *irql.K)) *rig

// plain is a random walk in which nothing fails, a receive gives all there is, and Windows does what it most
// likely does where its pages do not say: the bodies rely on that.
type plain struct{ ke.Source }

func (n plain) Choose(s *ke.Site, alternatives int) int {
	pick := n.Source.Choose(s, alternatives)
	if s.Name == "env/WskReceive/length" || strings.HasPrefix(s.Name, "doc/") {
		return 0
	}
	return pick
}

// scheduled is a rig that follows one of the schedules of package trial.
func scheduled(t *testing.T, number int, pins []ke.Pin) *rig {
	r := newRig(t, 1, pins...)
	if number > 0 {
		r.m.Reset(ke.Config{Events: -1, Pins: pins, Source: plain{trial.Walk(number)}})
	}
	return r
}

// tripRig requires that the body breaks the rule and nothing else, under every schedule, and returns the finding
// of the boring one.
func tripRig(t *testing.T, play how, rule verify.RuleID, body func(r *rig, k *irql.K),
	pins []ke.Pin) (first verify.Finding) {
	t.Helper()
	trial.Breaks(t, func(number int) bool {
		r := scheduled(t, number, pins)
		f := play(r, func(k *irql.K) { body(r, k) }).only(rule)
		if number == 0 {
			first = f
		}
		r.m.Close()
		return true
	})
	return first
}

// tripMostly is tripIn where, for the reason given, it is up to the schedule whether the act happens.
func tripMostly(t *testing.T, rule verify.RuleID, reason string, body func(r *rig, k *irql.K),
	pins ...ke.Pin) (first verify.Finding) {
	t.Helper()
	trial.MostlyBreaks(t, reason, func(number int) bool {
		r := scheduled(t, number, pins)
		defer r.m.Close()
		if r.driver(func(k *irql.K) { body(r, k) }); len(r.counting(rule)) == 0 {
			return false
		}
		f := r.only(rule)
		if number == 0 {
			first = f
		}
		return true
	})
	return first
}

// missRig requires that the body breaks no rule.
func missRig(t *testing.T, play how, body func(r *rig, k *irql.K), pins []ke.Pin) {
	t.Helper()
	trial.Keeps(t, func(number int) {
		r := scheduled(t, number, pins)
		play(r, func(k *irql.K) { body(r, k) }).clean()
		r.m.Close()
	})
}

// avoids is missIn for the repaired form of what breaks a rule that is a note, which clean does not see.
func avoids(t *testing.T, rule verify.RuleID, body func(r *rig, k *irql.K)) {
	t.Helper()
	trial.Keeps(t, func(number int) {
		r := scheduled(t, number, nil)
		require.Empty(t, r.driver(func(k *irql.K) { body(r, k) }).counting(rule))
		r.m.Close()
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
