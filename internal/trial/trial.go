// Package trial plays the scenario of a test under many schedules: the boring one, in which every choice is
// alternative 0, and random walks. Only tests import it.
//
// A test marked "// Rule: ID" or "// Near miss: ID" goes through Breaks, MostlyBreaks or Keeps (internal/lint
// looks), so that no rule is known under one schedule only. SIM_THOROUGH asks for Thorough random walks, as
// .ci/run does, and few are played otherwise.
package trial

import (
	"os"
	"testing"

	"calloutsim/internal/ke"
)

// How many random walks a scenario is played with besides the boring schedule.
const (
	Thorough = 1000
	quick    = 20
)

// Walks is how many random walks this run of the tests asks for. It asks the environment each time: go test
// sees that and does not take the result of a short run for that of a thorough one.
func Walks() int {
	switch {
	case pages:
		return 0
	case os.Getenv("SIM_THOROUGH") != "":
		return Thorough
	}
	return quick
}

// Walk is a random walk in which nothing fails, nil, which is the boring schedule, for number 0.
func Walk(number int) ke.Source {
	if number == 0 {
		return nil
	}
	return NoFaults{ke.NewRandom(2, uint64(number))}
}

// NoFaults is a random walk in which nothing fails.
type NoFaults struct{ *ke.Random }

// Choose picks as Random does, but that a fallible operation succeeds.
func (n NoFaults) Choose(s *ke.Site, alternatives int) int {
	if pick := n.Random.Choose(s, alternatives); !s.Fault() {
		return pick
	}
	return 0
}

// Keeps plays a scenario that breaks no rule; play fails the test when it does. The plays are numbered from
// 0, the boring one.
func Keeps(t testing.TB, play func(number int)) {
	t.Helper()
	for number := range Walks() + 1 {
		run(t, number, func() bool { play(number); return true })
	}
	t.Logf("%d schedules, none breaks a rule", Walks()+1)
}

// Breaks plays a scenario that breaks a rule under every schedule. play reports whether it did, and fails the
// test when another rule was broken.
func Breaks(t testing.TB, play func(number int) bool) {
	t.Helper()
	if n := count(t, play); n <= Walks() {
		t.Fatalf("the rule is broken under %d of %d schedules only", n, Walks()+1)
	}
}

// MostlyBreaks is Breaks for a scenario in which the schedule decides whether the act happens at all, for the
// reason given: the rule has to be broken under most.
func MostlyBreaks(t testing.TB, reason string, play func(number int) bool) {
	t.Helper()
	if n := count(t, play); 2*n <= Walks()+1 {
		t.Fatalf("the rule is broken under %d of %d schedules, which is not most (%s)", n, Walks()+1, reason)
	} else if n > Walks() && Walks() == Thorough {
		t.Fatalf("the rule is broken under every schedule: use Breaks (%s)", reason)
	}
}

func count(t testing.TB, play func(number int) bool) int {
	t.Helper()
	n := 0
	for number := range Walks() + 1 {
		if run(t, number, func() bool { return play(number) }) {
			n++
		} else if number == 0 {
			t.Fatal("the rule is not broken under the boring schedule")
		}
	}
	t.Logf("%d of %d schedules break the rule", n, Walks()+1)
	return n
}

// run says in which schedule a test failed.
func run(t testing.TB, number int, play func() bool) (broken bool) {
	t.Helper()
	done := false
	defer func() {
		if number > 0 && (!done || t.Failed()) {
			t.Logf("under random walk %d", number)
		}
	}()
	broken = play()
	done = true
	if t.Failed() {
		t.FailNow()
	}
	return broken
}
