// Package sim is the harness: it makes a machine, loads drivers, starts programs, lets everything run, and
// judges and prints what happened. It is the only package a test imports besides those of the DDIs; drivers
// never import it.
//
// Modelled: one machine per call of New, driven by the test; many machines under Explore; runs that are
// repeated from a token; the checks at unload and at the end of a run; reports. Not modelled: anything
// Windows does; that is below.
//
// A machine belongs to the goroutine that made it. Different machines share nothing but the flags.
package sim

import (
	"fmt"
	"net/netip"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
	"calloutsim/sim/results"
)

// Finding is one broken rule at one place of one run.
type Finding = verify.Finding

// Machine is one simulated computer and what the test knows about it. It has the methods Errorf and
// FailNow, so that require and assert of testify take it for a test.
type Machine struct {
	ke          *ke.Machine
	tb          TB
	opt         Options
	name        string // full name of the test or scenario
	scenario    uint32 // its hash, with the number of the machine
	replay      *Token
	repeat      func(token string) []string // how to run a token again
	kept        string                      // file the run was written to, or a simpler one that fails alike
	simpler     string                      // what the run in the file is, if it is another
	teller      *teller                     // has the choices in words, where somebody wants them
	keeps       bool                        // the run is written if it fails
	checked     *checked                    // the source, where it compares the run with a file
	steps       *steps                      // what happened between decisions; only of runs that are printed
	quick       bool                        // a run of Explore that is only judged, not printed
	pooled      bool                        // the mechanism goes on to live after this run
	stopped     bool                        // the last Run was stopped before nothing could run any more
	over        bool
	reported    bool // the verdict has been printed
	toldLeft    bool // what is left at rest has been printed
	toldRefused bool // what was refused has been told
	atEnd       func()
	onRefusal   func(*ke.K, string, ntstatus.NTSTATUS)
	panicked    *ke.DriverPanic
	drivers     drivers
	tester      *ke.Image // acts for threads of the test
	hosts       []netip.Addr
	local       []netip.Addr
	mayFail     []string
	refusals    []refusal               // what failed although nothing was made to fail
	saidAt      verify.Frame            // where the scenario failed the test itself
	inEntry     refusal                 // the last DDI that failed in a DriverEntry
	entered     map[string]*trace.Event // by routine: a callback that was entered; filled by names
}

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

// maxMachines is how many machines of one test a token is compared with.
const maxMachines = 64

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

// describe says what is about to be run.
func (m *Machine) describe() string {
	if m.replay != nil {
		return "repeats " + m.replay.String() + "; " + m.opt.conditions()
	}
	return m.opt.String()
}

// Run lets the machine go on until nothing can run any more or a violation ends the run. A violation fails
// the test with the full report, unless Options.Collect is set.
func (m *Machine) Run() {
	m.tb.Helper()
	m.run(nil)
}

// RunUntil lets the machine go on until cond holds, asked whenever a context gives up its processor. It
// reports whether cond holds; if not, nothing can run any more or the run has ended. No lock protects what
// cond looks at, so under ksim race what happens before it is asked is ordered before what happens after.
func (m *Machine) RunUntil(cond func() bool) bool {
	m.tb.Helper()
	return m.runUntil(func() bool {
		holds := cond()
		m.ke.Looked()
		return holds
	})
}

// RunFor lets the machine go on for a time: virtual time, which moves only while nothing can run, so whatever
// can be done in no time is done before it is over. With Options.TimersRace that is left open. Everything
// goes on with the next Run.
func (m *Machine) RunFor(d time.Duration) {
	m.tb.Helper()
	if d < 0 {
		fatalf(m.tb, "sim: RunFor(%v): a time is not negative", d)
	}
	over := false
	alarm := m.ke.Alarm(int64(d/100), func() { over = true })
	defer m.ke.TakeBack(alarm)
	m.runUntil(func() bool { return over })
}

// runUntil is RunUntil for a condition of our own.
func (m *Machine) runUntil(cond func() bool) bool {
	m.tb.Helper()
	m.run(cond)
	return m.stopped
}

// run drives the mechanism and judges what came of it.
func (m *Machine) run(until func() bool) {
	m.tb.Helper()
	if m.over {
		fatalf(m.tb, "sim: the run of %s is over; a new one needs a new machine", m.name)
	}
	m.stopped = false
	if m.ke.Dead() {
		return // with Collect; everybody else did not come here
	}
	crash := m.drive(func() bool {
		m.stopped = until != nil && until()
		return m.stopped
	})
	switch c := crash.(type) {
	case ke.Misuse:
		m.reported = true
		fatalf(m.tb, "sim: %s", string(c))
	case ke.DriverPanic:
		m.panicked = &c
	}
	if m.ke.WasCut() {
		m.reported = true
		m.tb.FailNow() // nobody looks at this run
	}
	if m.ke.Dead() && !m.opt.Collect {
		m.fail()
	}
}

// drive runs the mechanism and hands over what it panics with, unless that is a fault of our own.
func (m *Machine) drive(until func() bool) (crash any) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case ke.Misuse, ke.DriverPanic:
			crash = v
		default:
			panic(v)
		}
	}()
	guard.begin(m)
	defer guard.end(m)
	m.ke.Run(until)
	return nil
}

// Thread starts a system thread that runs code of the test as if it were a driver called name, for the next
// Run. All such threads are of one driver, which has the first one's name; but where a driver of the name is
// loaded, the thread acts for that one.
func (m *Machine) Thread(name string, fn func(k *ke.K)) *Thread {
	img := m.tester
	if drv := m.Driver(name); drv != nil && !drv.Unloaded() {
		img = drv.Image()
	} else if img == nil {
		img = m.ke.NewImage(name)
		m.tester = img
		img.Test = true
	}
	t := m.ke.NewThread(name, nil, func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img, Fn: reflect.ValueOf(fn).Pointer()})
		fn(k)
		ke.Pop(k)
	})
	m.stopped = true
	return &Thread{t: t}
}

// Thread is a thread that a test started.
type Thread struct {
	t *ke.Thread
	u *User // of a program's thread
}

// Ended reports whether the thread has run to its end.
func (t *Thread) Ended() bool { return t.t.Ended() }

// Findings gives what was found so far, in order; notes only if they are asked for.
func (m *Machine) Findings() []Finding {
	var out []Finding
	for _, f := range m.ke.Findings() {
		if m.opt.wanted(f.Severity()) {
			out = append(out, f)
		}
	}
	return out
}

// Rules gives the numbers of the rules that were broken, each once, in order: what a test of a broken
// driver compares.
func (m *Machine) Rules() []string { return numbers(m.Findings()) }

func numbers(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		if r := f.Name(); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// Token gives the token that repeats the run up to here.
func (m *Machine) Token() Token {
	t := Token{Scenario: m.scenario, Options: m.opt.bits(), Trace: m.Hash()}
	for _, d := range m.ke.Deviations() {
		t.Deviations = append(t.Deviations, Deviation{d.Index, d.Pick})
	}
	return t
}

// Hash gives the hash over all events so far.
func (m *Machine) Hash() uint64 { return m.ke.Log().Hash() }

// Steps gives the number of scheduling points passed so far.
func (m *Machine) Steps() uint64 { return m.ke.Steps() }

// Ended reports whether a violation or a panic ended the run.
func (m *Machine) Ended() bool { return m.ke.Dead() }

// Kernel gives the mechanism, for tests of the packages that are built on it.
func (m *Machine) Kernel() *ke.Machine { return m.ke }

// Errorf fails the test, or the run of Explore. Where nothing can run any more, it says beside what the test
// says which requests, threads and classifications are left, and who holds them since when.
func (m *Machine) Errorf(format string, args ...any) {
	m.tb.Helper()
	if m.saidAt.File == "" {
		m.saidAt = here()
	}
	m.tb.Errorf(format, args...)
	m.tellLeft()
}

// FailNow ends the test, or the run of Explore, as failed.
func (m *Machine) FailNow() {
	m.tb.Helper()
	m.lastChecks()
	m.tb.FailNow()
}

// Fatalf is Errorf and FailNow.
func (m *Machine) Fatalf(format string, args ...any) {
	m.tb.Helper()
	m.Errorf(format, args...)
	m.FailNow()
}

// Logf prints a line with the test's own output.
func (m *Machine) Logf(format string, args ...any) {
	m.tb.Helper()
	m.tb.Logf(format, args...)
}

// Helper marks its caller as a helper of the test.
func (m *Machine) Helper() { m.tb.Helper() }
