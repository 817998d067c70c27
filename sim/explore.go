package sim

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/sim/coverage"
	simtrace "calloutsim/sim/trace"
)

// defaultRuns is how many runs Explore makes unless somebody says otherwise: a second or less for a small
// scenario.
const defaultRuns = 200

// ExploreOptions say how many runs are made and how. The zero value is 200 runs by one worker.
type ExploreOptions struct {
	Options          // of every machine; Seed is not used
	Runs      int    // 0 means 200, or as many as there are where a strategy ends (-sim.runs)
	Seed0     uint64 // number of the first run, 0 means 1; -sim.seed makes that one run only
	Strategy  string // a name of scheduling.md 8.1; "" means portfolio (-sim.strategy)
	Workers   int    // machines running side by side; 0 means 1
	KeepGoing bool   // go on after a violation; one run per finding signature is reported (-sim.keepgoing)
	// Faults is how many things may fail in one run of an exhaustive search (0 means 1), and Answers how many
	// answers of Windows may be others than the boring one, at doc/ and env/ sites: a search goes up to it
	// one by one, as far as it comes (-sim.faults, -sim.answers, where 0 is none). Negative is none, under
	// every strategy: what samples chooses among all of them otherwise.
	Faults, Answers int
	Coverage        bool // count which outcomes of the routines in use came up (-sim.coverage)

	Cluster // which of the runs, for how long, and where the results go

	strategy   explore.Strategy
	exhaustive *explore.Exhaustive // dfs, dpor, preemptN, delayN
	planned    int                 // runs, before -sim.seed made it one
}

// Failure is a run of Explore that failed, and stands for all that failed like it: with the same rules broken
// in the same innermost functions of the same drivers. It is the one with the lowest number.
type Failure struct {
	Run      uint64 // 0 for one that was kept (Kept) and still fails
	Runs     int    // that failed like it, this one included
	Token    Token
	Headline string
	Rules    []string // numbers of the rules it broke
	Report   string   // of the repeated run
	Repeats  bool     // the repeated run had the same trace

	Minimal   Token // the simplest run that fails in the same way; the report is of that one
	Shrinking Shrinking
	Kept      string // the file it was written to

	signature string
	at        verify.Frame // the source line that the report begins with
}

// Result is what Explore saw.
type Result struct {
	Runs     int    // runs made
	Steps    uint64 // scheduling points passed in all of them
	Traces   int    // distinct trace hashes
	Failures []Failure
	Hazards  []Finding // one of each signature, from the lowest run that had it
	Strategy string
	// Complete says that every run within the bounds named in Covered was made, and that no violation hides
	// others. What samples is never complete, and neither is an exploration without a run or one that never
	// got a driver loaded.
	Complete bool
	Covered  string // in words what the runs were: "all 1 832 partial orders"

	// Faults says what a strategy that goes through faults has covered: "complete: all 12 single faults".
	// The portfolio says it, too; "" means that nothing was planned.
	Faults string

	Coverage *Coverage // nil unless ExploreOptions.Coverage

	// Unrepeatable says how the boring run differed when it was made once more at the end: the scenario is
	// not deterministic, or something outlives its runs. "" is as it should be.
	Unrepeatable string

	Incomplete string // why not all runs were made though nothing failed: "", "budget" or "interrupted"
}

// Explore runs a scenario again and again, each time on a machine as new, with other choices. scenario sets
// up the machine it is given and runs it; what it checks afterwards it checks with require or assert on the
// machine itself (require.Equal(m, …)) or on t. The first violation, by run number, is repeated with all
// events and stacks recorded and compared with the run it repeats. Then the simplest run that fails in the
// same way is looked for (scheduling.md 13), written to testdata/sim of the package, and fails the test with
// its report. Runs that were written earlier are repeated first. With Options.Collect nothing is written, and
// the test looks at the Result itself.
func Explore(t testing.TB, o ExploreOptions, scenario func(m *Machine)) Result {
	t.Helper()
	number := nextMachine(t)
	token, err := o.fromFlags()
	if err == nil {
		err = o.check()
	}
	if err != nil {
		t.Fatalf("sim.Explore: %v", err)
	}
	e := &explorer{tb: t, o: o, fn: scenario, name: t.Name(), scenario: hashName(t.Name(), number),
		repeat: func(token string) []string { return goTest(t.Name(), token) }}
	if err := e.spread(token); err != nil {
		t.Fatalf("sim.Explore: %v", err)
	}
	if token = tokenFor(t, token, t.Name(), number); token != nil {
		token.withStory(e.name)
		return e.repeatOnly(token)
	}
	kept := e.repeatKept()
	before := t.Failed()
	r := e.afterKept(kept)
	if t.Failed() && !before && len(r.Failures) == 0 && !e.idle {
		t.Log("sim: some run failed the test. To know which, let the scenario check through its machine, " +
			"as in require.Equal(m, …), or use one worker")
	}
	if len(r.Failures) > 0 && !o.Collect {
		for _, f := range r.Failures {
			if f.Run > 0 {
				attr(t, "sim.seed", fmt.Sprint(f.Run))
			}
			for _, rule := range f.Rules {
				attr(t, "sim.rule", rule)
			}
			t.Errorf("\n%s", f.Report)
		}
		t.FailNow()
	}
	return r
}

// fromFlags overrides what was set outside.
func (o *ExploreOptions) fromFlags() (*Token, error) {
	o.Seed = 0
	token, err := o.Options.fromFlags()
	if err != nil {
		return nil, err
	}
	if err := o.runsSetting(); err != nil {
		return nil, err
	}
	if err := o.Cluster.fromFlags(); err != nil {
		return nil, err
	}
	if err := boolSetting("keepgoing", &o.KeepGoing); err != nil {
		return nil, err
	}
	if err := boolSetting("coverage", &o.Coverage); err != nil {
		return nil, err
	}
	if s, ok := setting("strategy"); ok {
		o.Strategy = s
	}
	if err := boundSetting("faults", &o.Faults); err != nil {
		return nil, err
	}
	if err := boundSetting("answers", &o.Answers); err != nil {
		return nil, err
	}
	_, given := setting("runs")
	return token, o.complete(given)
}

// complete finds the strategy and gives what nobody has said its usual value. all says that Seed, if there is
// one, is only where to begin.
func (o *ExploreOptions) complete(all bool) error {
	if err := o.parseStrategy(); err != nil {
		return err
	}
	o.keep = o.Coverage
	o.Runs, o.Workers = o.budget(), max(o.Workers, 1)
	o.planned = int(max(o.Seed0, 1)) - 1 + o.Runs
	if o.Seed != 0 {
		o.Seed0 = o.Seed
		if !all {
			o.Runs = 1
		}
	}
	o.Seed0 = max(o.Seed0, 1)
	return nil
}

// explorer hands out run numbers to workers and collects what they find.
type explorer struct {
	tb       TB
	o        ExploreOptions
	fn       func(*Machine)
	name     string
	scenario uint32
	repeat   func(token string) []string
	faults   *explore.Faults
	covers   []*coverage.Collector // of the workers
	mine     sequence              // the runs to make
	limit    deadline
	book     *book  // keeps the results for Cluster.Out; nil without it
	noKeep   bool   // failing runs are not written
	noShrink bool   // nor made simpler
	kept     string // where the run being repeated was written

	mu       sync.Mutex
	wg       sync.WaitGroup
	next     int   // runs handed out
	hunt     *hunt // of an exhaustive search
	planned  bool  // all runs that the strategy plans were begun
	first    *firstRun
	lowest   uint64             // lowest run that failed, 0 while none did
	failures map[string]Failure // by signature
	hazards  map[string]hazard
	loads    attempts // of drivers, by all runs
	busy     bool     // something happened in some run
	idle     bool     // the test failed because nothing was tried
	hashes   hashSet
	result   Result
	broken   any // panic of a worker
}

type hazard struct {
	run uint64
	f   Finding
}

// explore makes the runs, repeats those that failed and gives the result.
func (e *explorer) explore() Result {
	e.tb.Helper()
	defer e.book.release()
	e.failures, e.hazards, e.loads = map[string]Failure{}, map[string]hazard{}, attempts{}
	if err := e.startSearch(); err != nil {
		e.tb.Errorf("sim.Explore: %v", err)
		return Result{Strategy: e.o.Strategy}
	}
	e.faults = e.o.strategy.Faults(e.o.planned)
	for range min(e.o.Workers, e.mine.n) {
		e.wg.Add(1)
		w := &worker{e: e, ke: &ke.Machine{}, choose: e.o.strategy.Chooser()}
		go w.loop()
	}
	e.wg.Wait()
	if e.broken != nil {
		panic(e.broken)
	}
	e.result.Traces = e.hashes.size()
	e.settle()
	r := e.result
	for _, f := range e.kinds() {
		e.again(&f)
		r.Failures = append(r.Failures, f)
	}
	e.tellFaults(&r)
	e.covered(&r)
	e.emptyRuns(&r)
	e.tellRepeats(&r)
	e.tellCoverage(&r)
	if err := e.book.finish(e, &r); err != nil {
		e.tb.Errorf("sim.Explore: the results are not kept: %v", err)
	}
	var hs []hazard
	for _, h := range e.hazards {
		hs = append(hs, h)
	}
	slices.SortFunc(hs, func(a, b hazard) int {
		return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.f.Seq, b.f.Seq),
			strings.Compare(a.f.Headline, b.f.Headline))
	})
	for _, h := range hs {
		r.Hazards = append(r.Hazards, h.f)
		if !e.o.Collect {
			e.tb.Logf("sim: run %d: %s", h.run, title(&h.f))
		}
	}
	return r
}

// take gives the number of the next run worth making. Runs above the lowest that failed are not.
func (e *explorer) take() (run uint64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	over := e.planned || e.hunt != nil && e.hunt.ended
	if e.next >= e.mine.n || e.broken != nil || over || e.limit.reached() || interrupts.signal() != nil {
		return 0, false
	}
	run = e.mine.at(e.next)
	if e.lowest != 0 && run > e.lowest && !e.o.KeepGoing {
		return 0, false
	}
	e.next++
	return run, true
}

// again repeats a failed run with everything recorded, looks for a simpler one, and words the report.
func (e *explorer) again(f *Failure) {
	m, tb := e.runToken(&f.Token, false)
	defer func() { m.ke.Close() }()
	f.Repeats = m.Hash() == f.Token.Trace
	var b strings.Builder
	fmt.Fprintf(&b, "run %s failed: %s\n", e.numbered(f.Run), f.Headline)
	b.WriteString(f.like())
	if !f.Repeats {
		s, _ := e.difference(m, &f.Token)
		fmt.Fprintf(&b, "\nThe run does not repeat. %s\n", s)
	} else if e.shrink(f, m, tb) {
		fmt.Fprintf(&b, "%s\nThe run itself was %s\n", f.Shrinking.words(), f.Token)
	}
	if f.Repeats {
		b.WriteString(e.leftover(f))
	}
	if f.Repeats && e.keepMinimal(f) {
		m.ke.Close()
		m, tb = e.runMinimal(f)
	}
	if f.Repeats && m.late() {
		if sm, stb := e.specially(&f.Minimal); sm != nil {
			m.ke.Close()
			fmt.Fprintf(&b, "Repeated with special pool; the run itself was %s\n", f.Minimal)
			m, tb = sm, stb
		}
	}
	if len(tb.messages) == 0 {
		if f.Repeats {
			b.WriteString("What the test says about it is above.\n")
		}
		b.WriteString(e.replayLines(f, m))
	}
	for _, msg := range tb.messages {
		fmt.Fprintf(&b, "%s\n", msg)
	}
	if len(tb.messages) > 0 && !m.reported {
		if h := m.Hazards(); h != "" {
			fmt.Fprintf(&b, "\n%s", h)
		}
		b.WriteString(e.replayLines(f, m))
	}
	f.Report, f.at = b.String(), m.place()
}

// replayLines say what the simplest run needs and how it is repeated, for reports that do not say it
// themselves. m has made it.
func (e *explorer) replayLines(f *Failure, m *Machine) string {
	s := "\n" + m.tellChoices() + "REPLAY:         " + e.repeat(f.Minimal.String())[0] + "\n"
	if f.Kept != "" {
		s += "                (kept in " + f.Kept + ")\n"
	}
	return s
}

// repeatOnly is Explore with a token: that run and no other.
func (e *explorer) repeatOnly(t *Token) Result {
	e.tb.Helper()
	m, tb := e.runToken(t, true)
	defer m.ke.Close()
	if m.late() && !m.diverged() {
		if sm, stb := e.specially(t); sm != nil {
			defer sm.ke.Close()
			m, tb = sm, stb
		}
	}
	if m.diverged() {
		if s, differ := e.difference(m, t); differ {
			e.tb.Logf("sim: %s", s)
		}
	}
	for _, l := range tb.logs {
		e.tb.Logf("%s", l)
	}
	for _, msg := range tb.messages {
		e.tb.Errorf("%s", msg)
	}
	if tb.failed {
		e.tb.FailNow()
	}
	return Result{Runs: 1, Steps: m.Steps(), Traces: 1}
}

// runToken makes one run with everything recorded, on a goroutine of its own. compare says that the machine
// itself is to complain when the run is not the one of the token.
func (e *explorer) runToken(t *Token, compare bool) (*Machine, *runTB) {
	tb := &runTB{name: e.name}
	o := e.o.Options
	o.Collect = false
	var m *Machine
	fault := apart(tb, func() {
		m = start(&ke.Machine{}, tb, o, e.name, e.scenario, t, false)
		m.repeat, m.pooled, m.kept = e.repeat, true, e.kept
		if !compare {
			m.replay = nil
		}
		e.fn(m)
	})
	if fault != nil {
		panic(fault)
	}
	return m, tb
}

// apart runs fn, and then what was registered with tb, on a goroutine of its own, which both may end with
// FailNow. It returns what was panicked with, and where.
func apart(tb *runTB, fn func()) (fault any) {
	var wg sync.WaitGroup
	protected := func(f func()) {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					fault = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
				}
			}()
			f()
		})
		wg.Wait()
	}
	protected(fn)
	for len(tb.cleanups) > 0 && fault == nil {
		protected(tb.cleanup)
	}
	return fault
}

// difference names the first event at which two repeats of a run differ, or says that they do not.
func (e *explorer) difference(one *Machine, t *Token) (words string, differ bool) {
	two, _ := e.runToken(t, false)
	defer two.ke.Close()
	a, b := one.ke.Log(), two.ke.Log()
	na, nb := one.names(), two.names()
	for seq := uint64(1); seq <= max(a.Len(), b.Len()); seq++ {
		ea, eb := a.At(seq), b.At(seq)
		la, lb := "the end of the run", "the end of the run"
		if ea != nil {
			la = simtrace.Full(seq, ea, na)
		}
		if eb != nil {
			lb = simtrace.Full(seq, eb, nb)
		}
		if la != lb {
			return fmt.Sprintf("The driver or the test is not deterministic (map order, time, a "+
				"goroutine?); two repeats differ first at event %d:\n  %s\n  %s", seq, la, lb), true
		}
	}
	return fmt.Sprintf("Two repeats agree with each other in all their %d events, but not with the run "+
		"itself (trace hash %016x, repeated %016x): something is left over from one run to the next, for "+
		"instance in a package variable.",
		a.Len(), t.Trace, one.Hash()), false
}
