package sim

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/sim/results"
)

// New makes a machine for a test; it is closed when the test ends. At most one Options may be given.
func New(t testing.TB, opts ...Options) *Machine {
	t.Helper()
	o := onlyOptions(t, "New", opts)
	number := nextMachine(t)
	token, err := o.fromFlags()
	if err == nil {
		err = o.check()
	}
	if err != nil {
		t.Fatalf("sim.New: %v", err)
	}
	name := t.Name()
	if o.Name != "" {
		name, number = name+"/"+o.Name, 1
	}
	token = tokenFor(t, token, name, number)
	if s := shrinking(); s.of(hashName(name, number)) {
		return s.machine(t, o, name)
	}
	token.withStory(t.Name())
	repeatKeptOf(t, hashName(name, number))
	m := start(&ke.Machine{}, t, o, name, hashName(name, number), token, false)
	if token == nil && o.Seed > 1 && saves(&o) {
		m.keeps = true
		m.tells()
	}
	m.repeat = func(token string) []string { return goTest(t.Name(), token) }
	if token != nil {
		m.shows()
	}
	t.Logf("sim: %s", m.describe())
	attr(t, "sim.seed", fmt.Sprint(max(m.opt.Seed, 1)))
	return m
}

// onlyOptions takes the Options out of an argument that may be left out.
func onlyOptions(t testing.TB, who string, opts []Options) Options {
	t.Helper()
	switch len(opts) {
	case 0:
		return Options{}
	case 1:
		return opts[0]
	}
	t.Fatalf("sim.%s takes one Options, or none", who)
	return Options{}
}

// tokenFor checks that the token given from outside is one of this test. Where it belongs to another
// machine of the same test, this one runs as without it.
func tokenFor(tb TB, t *Token, name string, number int) *Token {
	tb.Helper()
	if t == nil || t.Scenario == hashName(name, number) {
		return t
	}
	if t.OfTest(tb.Name()) {
		return nil
	}
	fatalf(tb, "sim: the token is of another test or scenario (%08x), not of %s (%08x)", t.Scenario, name,
		hashName(name, number))
	return nil
}

// goTest is the command that repeats a run of a test, from any folder of the test's module. The package
// stands before the token because go test hands everything behind a flag it does not know to the test.
func goTest(test, token string) []string {
	return []string{goTestOnly(test) + " -sim.replay=" + token}
}

// goTestOnly is the command that runs one test.
func goTestOnly(test string) string {
	run := "go test -run '" + results.Pattern(test) + "'"
	if pkg := testPackage(); pkg != "" {
		run += " " + pkg
	}
	return run
}

// testPackage is the import path of the package whose test binary this is; "" where the build does not say,
// as when single files are tested.
func testPackage() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	pkg, ok := strings.CutSuffix(info.Path, ".test")
	if !ok || pkg == "command-line-arguments" {
		return ""
	}
	return pkg
}

// start makes a run of mechanism k. replay, when it is not nil, says what to choose and which options to
// take.
func start(k *ke.Machine, tb TB, o Options, name string, scenario uint32, replay *Token,
	quick bool) *Machine {
	tb.Helper() // what is reported at the end of the test has the line of New
	return startIn(&Machine{}, k, tb, o, name, scenario, replay, quick)
}

// startIn is start in the place of a machine that is of no more use.
func startIn(m *Machine, k *ke.Machine, tb TB, o Options, name string, scenario uint32, replay *Token,
	quick bool) *Machine {
	tb.Helper()
	src := o.source()
	if replay != nil {
		o.setBits(replay.Options)
		src = replay.replay()
	}
	atEnd, onRefusal := m.atEnd, m.onRefusal
	*m = Machine{ke: k, tb: tb, opt: o, name: name, scenario: scenario, replay: replay, quick: quick,
		atEnd: atEnd, onRefusal: onRefusal}
	if atEnd == nil {
		m.atEnd, m.onRefusal = m.end, m.refusedCall
	}
	m.checked, _ = src.(*checked)
	if !quick && !o.NoStacks && !ke.GoRaces { // which would report the trail's own data
		m.steps = &steps{src: src, trail: &ke.Trail{}, ke: k, pins: len(o.Pins) > 0}
		src, o.trail = m.steps, m.steps.trail
	}
	k.Reset(o.config(src, quick))
	k.CouldAct(noDriver)
	k.Refused = m.onRefusal
	if !quick {
		k.Describe, k.Print = m.illustrate, m.prints
	}
	o.watch(k)
	tb.Cleanup(m.atEnd)
	return m
}
