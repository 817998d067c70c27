package wsk_test

import (
	"os"
	"strings"
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// runsOf is how many schedules a small scenario is played with, the boring one first. SIM_THOROUGH, which
// .ci/run sets, asks for a thousand.
func runsOf() uint64 {
	if os.Getenv("SIM_THOROUGH") != "" {
		return 1000
	}
	return 1
}

// how plays a body: as a registered client, or bare.
type how func(r *rig, body func(k *irql.K)) *rig

// plain is a random walk in which nothing fails, a receive gives all there is, and Windows does what it most
// likely does where its pages do not say: the bodies rely on that.
type plain struct{ *ke.Random }

func (n plain) Choose(s *ke.Site, alternatives int) int {
	pick := n.Random.Choose(s, alternatives)
	if s.Fault() || s.Name == "env/WskReceive/length" || strings.HasPrefix(s.Name, "doc/") {
		return 0
	}
	return pick
}

// scheduled is newRig with a random schedule, run 1 with the boring one.
func scheduled(t *testing.T, run uint64, pins []ke.Pin) *rig {
	r := newRig(t, 1, pins...)
	if run > 1 {
		r.m.Reset(ke.Config{Events: -1, Pins: pins, Source: plain{ke.NewRandom(2, run)}})
	}
	return r
}

// missRig requires that the body breaks no rule.
func missRig(t *testing.T, play how, body func(r *rig, k *irql.K), pins []ke.Pin) {
	t.Helper()
	for run := uint64(1); run <= runsOf(); run++ {
		r := scheduled(t, run, pins)
		play(r, func(k *irql.K) { body(r, k) }).clean()
		r.m.Close()
	}
}
