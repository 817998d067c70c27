package sim

import (
	"fmt"
	"slices"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/sim/coverage"
	simtrace "calloutsim/sim/trace"
)

// Scenario is a run that ksim knows by name.
type Scenario struct {
	Name   string // "irp-passthrough"; a variant with a defect adds to it: "irp-passthrough-lost"
	Title  string // one line
	Doc    string // what to look at, for people
	Run    func(m *Machine)
	Expect []string // numbers of the rules a defect breaks; empty for a clean one

	// Sometimes says that the boring run is clean: only some schedules break the rules. RunScenario looks for
	// one unless it is told which run to make.
	Sometimes bool
}

// RunOptions say how a scenario is run.
type RunOptions struct {
	Options
	Replay  *Token
	Inspect []string // commands of Machine.Inspect, for the first violation or else the end of the run
	Story   bool     // note the choices in words, for Outcome.ReplayFile
}

// Outcome is what came of a scenario. Close it when done.
type Outcome struct {
	Machine  *Machine
	Failed   bool
	Messages []string // reports and failed assertions, in order
	Logs     []string
	Fault    any // a fault of the simulator itself

	Inspected []Inspected
	Moment    string // which Inspected shows, "at the end of the run"

	Found *Failure // what was looked for, with the run it was found in (Scenario.Sometimes)
}

// Inspected is what one command of RunOptions.Inspect printed. Err says that its object does not exist.
type Inspected struct {
	Command string
	Lines   []string
	Err     error
}

// RunScenario runs a scenario without a test, with all events and stacks recorded.
func RunScenario(s Scenario, o RunOptions) (Outcome, error) {
	if err := o.check(); err != nil {
		return Outcome{}, err
	}
	for _, command := range o.Inspect {
		if _, err := subsystems.ParseInspection(command); err != nil {
			return Outcome{}, err
		}
	}
	hash := s.hash()
	if o.Replay != nil && o.Replay.Scenario != hash {
		return Outcome{}, fmt.Errorf("the token is of another test or scenario (%08x), not of %s (%08x)",
			o.Replay.Scenario, s.Name, hash)
	}
	out, seen := Outcome{}, inspections{commands: o.Inspect}
	if s.Sometimes && o.Replay == nil && o.Seed == 0 {
		if out.Found = s.find(o.Options); out.Found != nil {
			o.Replay = &out.Found.Minimal
		}
	}
	tb := &runTB{name: s.Name}
	out.Fault = apart(tb, func() {
		m := start(&ke.Machine{}, tb, o.Options, s.Name, hash, o.Replay, false)
		m.pooled = true
		m.repeat = s.repeat
		if out.Machine = m; o.Story {
			m.tells()
		}
		seen.watch(m)
		s.Run(m)
	})
	if out.Machine != nil {
		out.Inspected, out.Moment = seen.end(out.Machine)
	}
	out.Failed, out.Messages, out.Logs = tb.failed, tb.messages, tb.logs
	return out, nil
}

// findRuns is how many runs are made to find one that breaks the rules of a scenario of which only some do.
const findRuns = 1000

// find looks for a run that breaks a rule, and for the simplest one that does; nil says that there is none.
func (s *Scenario) find(o Options) *Failure {
	x := ExploreOptions{Options: o, Runs: findRuns, Cluster: Cluster{shards: 1}}
	if x.complete(true) != nil {
		return nil // what is wrong with the options has been said
	}
	e := explorerOf(s, &runTB{name: s.Name}, x)
	if e.spread(nil) != nil {
		return nil
	}
	if r := e.explore(); len(r.Failures) > 0 {
		return &r.Failures[0]
	}
	return nil
}

// Close gives the machine's coroutines back.
func (o *Outcome) Close() {
	if o.Machine != nil {
		o.Machine.ke.Close()
	}
}

// ReplayFile gives the text of a .sim file that repeats the run and tells its choices (RunOptions.Story).
func (o *Outcome) ReplayFile() string {
	m := o.Machine
	t := m.Token()
	header := []string{"scenario: " + m.name, "options: " + m.opt.conditions()}
	if h := m.headline(); h != "" {
		header = append(header, "failed: "+h)
	}
	return simFile(&t, m.teller, m.ke.Choices(), header)
}

// AsExpected reports whether the run broke exactly the rules the scenario is there to break, each at least
// once, and says in words what is different.
func (s *Scenario) AsExpected(o *Outcome) (difference string) {
	got := numbers(o.Machine.failures())
	for _, r := range s.Expect {
		if !slices.Contains(got, r) {
			return fmt.Sprintf("%s should break %s and does not (found: %s)", s.Name, r, orNone(got))
		}
	}
	for _, r := range got {
		if !slices.Contains(s.Expect, r) {
			return fmt.Sprintf("%s breaks %s, which is not expected (expected: %s)", s.Name, r,
				orNone(s.Expect))
		}
	}
	if o.Failed && len(s.Expect) == 0 {
		return s.Name + " fails: " + strings.Join(o.Messages, "\n")
	}
	return ""
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Of reports whether the token is one of the scenario.
func (t *Token) Of(s Scenario) bool { return t.Scenario == hashName("scenario/"+s.Name, 1) }

// Describe says how the machine is run: run number and options.
func (m *Machine) Describe() string { return m.describe() }

// Verdict says in one line what came of the run.
func (o *Outcome) Verdict() string {
	if o.Fault != nil {
		return "fault of the simulator; " + o.Machine.size()
	}
	said := ""
	if o.Failed {
		said = strings.TrimSpace(strings.Join(o.Messages, " "))
	}
	return o.Machine.verdict(said)
}

// size is how much a run did.
func (m *Machine) size() string {
	return fmt.Sprintf("%d events, %d scheduling points, %s", m.ke.Log().Len(), m.Steps(),
		simtrace.When(m.ke.Uptime()))
}

// verdict is Outcome.Verdict; said is how the run failed where no finding says it.
func (m *Machine) verdict(said string) string {
	run := m.size()
	switch n := len(m.failures()); {
	case m.panicked != nil:
		return m.panicked.Who() + " panicked; " + run
	case n == 1:
		return "1 finding: " + m.headline() + "; " + run
	case n > 1:
		return fmt.Sprintf("%d findings, the first: %s; %s", n, m.headline(), run)
	case said != "":
		return "failed: " + said + "; " + run
	}
	if n := len(m.hazards()); n > 0 {
		return fmt.Sprintf("clean, with %d hazards; %s", n, run)
	}
	return "clean; " + run
}

func (s *Scenario) hash() uint32 { return hashName("scenario/"+s.Name, 1) }

// repeat is the command that repeats a run of the scenario.
func (s *Scenario) repeat(token string) []string {
	return []string{"ksim run " + s.Name + " --replay " + token}
}

// Coverage counts the run, of which all events must have been kept.
func (o *Outcome) Coverage() *Coverage {
	c := coverage.New(subsystems.All())
	c.Run(o.Machine.ke)
	return c.Set()
}
