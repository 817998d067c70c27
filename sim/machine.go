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
	"net/netip"
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/ntstatus"
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
	shown       *shown                      // who wants to see the run
	checked     *checked                    // the source, where it compares the run with a file
	steps       *steps                      // what happened between decisions; only of runs that are printed
	quick       bool                        // a run of Explore that is only judged, not printed
	pooled      bool                        // the mechanism goes on to live after this run
	stopped     bool                        // the last Run was stopped before nothing could run any more
	over        bool
	reported    bool // the verdict has been printed
	noticed     bool // what does not fail the test has been printed
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

// describe says what is about to be run.
func (m *Machine) describe() string {
	if m.replay != nil {
		return "repeats " + m.replay.String() + "; " + m.opt.conditions()
	}
	return m.opt.String()
}

// Findings gives what was found so far, in order; notes only if they are asked for.
func (m *Machine) Findings() []Finding {
	m.ke.Acts()
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

// drivers are the drivers that were loaded, in order.
type drivers []*irp.DRIVER_OBJECT

// steps is a Source that passes every question on and notes where in the events each step begins, and who
// was interrupted.
type steps struct {
	src      ke.Source
	trail    *ke.Trail
	begins   []stepBegin
	switches []string // choices of who goes on that were not the boring ones, in words
	ke       *ke.Machine
	pins     bool    // some answers are not the source's
	asked    []asked // who asked the other questions
}

// refusal is such a call that failed although nothing was made to fail.
type refusal struct {
	routine string // "DriverEntry"
	who     string // driver or program
	status  ntstatus.NTSTATUS
	at      verify.Frame // the line of the driver or test; no File where it is not known
	detail  string       // what was asked for, or what went wrong before
}

// violated reports whether anything was found that fails the test.
func (m *Machine) violated() bool {
	if m.panicked != nil {
		return true
	}
	for _, f := range m.ke.Findings() {
		if m.opt.fails(f.Severity()) && m.opt.wanted(f.Severity()) {
			return true
		}
	}
	return false
}

// diverged reports whether a repeated run went another way than the recorded one.
func (m *Machine) diverged() bool {
	return m.replay != nil && m.replay.Options == m.opt.bits() && m.replay.Trace != m.Hash()
}

// asked is where the code of a driver or program was when a question came up that is not about who goes on.
type asked struct {
	index int // of the choice
	pcs   []uintptr
}

// stepBegin says which event is the first of a step.
type stepBegin struct {
	step int
	seq  uint64
}
