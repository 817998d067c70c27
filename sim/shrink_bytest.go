package sim

import (
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
	"calloutsim/sim/results"
)

// A run of a machine that a test drives itself can only be made again by the test. To make it simpler,
// another process repeats the test again and again (-test.count), and every time New gives it a machine that
// tries the next schedule Shrink asks for.

// shrinkByTest has the test make its failed run simpler. The simplest one is written; the result is the
// name of its file and what to say about it, or nothing.
func (m *Machine) shrinkByTest(t *Token) (name, words string) {
	if ke.GoRaces || signatureOf(m, &runTB{}) == "" || !strings.HasPrefix(m.tb.Name(), "Test") {
		return "", ""
	}
	args := append(passedOn(), "-test.run="+results.Pattern(m.tb.Name()),
		fmt.Sprint("-test.count=", shrinkCount))
	ctx, cancel := context.WithTimeout(context.Background(), shrinkPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Dir = testFolder
	cmd.Env = append(os.Environ(), shrinkEnv+"="+t.String())
	out, err := cmd.Output()
	if err != nil {
		return "", ""
	}
	_, line, ok := strings.Cut(string(out), shrinkMark)
	if !ok {
		return "", ""
	}
	line, _, _ = strings.Cut(line, "\n")
	name, words, _ = strings.Cut(line, "\t")
	return name, words
}

// shrinking is what such a process knows, nil in others.
var shrinking = sync.OnceValue(func() *testShrinker {
	t, err := ParseToken(os.Getenv(shrinkEnv))
	if err != nil {
		return nil
	}
	s := &testShrinker{token: t}
	s.next, _ = iter.Pull(func(yield func(ke.Source) bool) {
		s.result = explore.Shrink(t.replay(), func(src ke.Source) explore.Trial {
			yield(src)
			return s.trial
		})
	})
	return s
})

// testShrinker is Shrink, turned inside out: it waits for the test to make the run it asks for.
type testShrinker struct {
	token  Token
	next   func() (ke.Source, bool)
	trail  ke.Trail
	trial  explore.Trial // the last run made
	result explore.Shrunk
}

// of reports whether a machine is the one whose run is made simpler.
func (s *testShrinker) of(scenario uint32) bool { return s != nil && s.token.Scenario == scenario }

// machine makes the machine of the next run. The last one is that of the simplest run, which ends the
// process.
func (s *testShrinker) machine(t testing.TB, o Options, name string) *Machine {
	t.Helper()
	o.setBits(s.token.Options)
	var m *Machine
	if src, ok := s.next(); ok {
		rec := explore.NewRecorder(src, &s.trail)
		o.src, o.trail = rec, &s.trail
		t.Cleanup(func() { // after the end of the run, which is registered later
			s.trial = rec.Trial(m.ke.Choices())
			s.trial.Cost, s.trial.Signature = int(m.Steps()), signatureOf(m, &runTB{})
		})
	} else {
		min := Token{Scenario: s.token.Scenario, Options: s.token.Options,
			Deviations: deviations(&s.result.To)}
		o.src = newTeller(min.replay())
		t.Cleanup(func() { s.finish(m, o.src.(*teller), t.Name()) })
	}
	m = start(&ke.Machine{}, t, o, name, s.token.Scenario, nil, true)
	m.repeat = func(token string) []string { return goTest(t.Name(), token) }
	return m
}

// finish writes the simplest run, says so and ends the process.
func (s *testShrinker) finish(m *Machine, tell *teller, test string) {
	r := &s.result
	if r.To.Signature == "" || signatureOf(m, &runTB{}) != r.To.Signature {
		os.Exit(1)
	}
	t := m.Token()
	header := []string{"test: " + m.name, "options: " + m.opt.conditions(), "failed: " + m.headline(),
		"made from: " + s.token.String()}
	name, err := keep(test, &t, tell, m.ke.Choices(), header)
	if err != nil {
		os.Exit(1)
	}
	z := shrinkingOf(r)
	fmt.Printf("\n%s%s\t%s in place of %s\n", shrinkMark, name, z.To.words(), z.From.words())
	os.Exit(0)
}

// passedOn are the flags another process of this test needs to make the same runs.
func passedOn() []string {
	var args []string
	for _, f := range flagTable {
		s, ok := setting(f.name)
		if ok && f.name != "replay" && f.name != "seed" && f.name != "runs" {
			args = append(args, "-sim."+f.name+"="+s)
		}
	}
	return args
}
