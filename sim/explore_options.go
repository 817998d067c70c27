package sim

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/sim/coverage"
)

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

// defaultRuns is how many runs Explore makes unless somebody says otherwise: a second or less for a small
// scenario.
const defaultRuns = 200

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

// parseStrategy finds the strategy, of either kind.
func (o *ExploreOptions) parseStrategy() error {
	o.Strategy = cmp.Or(o.Strategy, "portfolio")
	if ke.GoRaces { // what the others record would be reported as races
		switch o.Strategy {
		case "portfolio":
			o.Strategy = "random"
		case "random", "default", "faults1", "faults2":
		default:
			return fmt.Errorf("under ksim race there are the strategies random, default, faults1 and "+
				"faults2, not %s", o.Strategy)
		}
	}
	x, ok, err := explore.ParseExhaustive(o.Strategy)
	switch {
	case err != nil:
		return err
	case ok:
		o.exhaustive = &x
		o.strategy, err = explore.Parse("default")
		return err
	}
	o.exhaustive = nil
	o.strategy, err = explore.Parse(o.Strategy)
	o.strategy.NoFaults, o.strategy.NoAnswers = o.Faults < 0, o.Answers < 0
	return err
}

// check reports the first option that makes no sense.
func (o *ExploreOptions) check() error {
	x := o.exhaustive
	switch {
	case x != nil && x.Reduce && o.Processors > 0:
		return errors.New("strategy dpor looks at a machine with a processor for every thread: leave " +
			"Options.Processors at 0, or take dfs or preemptN")
	case x != nil && o.Seed0 > 1:
		return fmt.Errorf("strategy %s makes its runs one after the other; none can be made alone: "+
			"a token repeats one", x.Name)
	}
	return o.Options.check()
}

// faultBound is how many failures a run of an exhaustive search may have.
func (o *ExploreOptions) faultBound() int { return max(cmp.Or(o.Faults, 1), 0) }

// answerBound is how many answers of Windows that are not the boring ones a run of an exhaustive search may
// have.
func (o *ExploreOptions) answerBound() int { return max(cmp.Or(o.Answers, 1), 0) }

// budget is how many runs are made at most. A strategy that ends by itself has none, unless somebody gives
// it one.
func (o *ExploreOptions) budget() int {
	switch {
	case o.Runs != 0:
		return o.Runs
	case o.exhaustive != nil:
		return searchRuns
	case o.strategy.Ends():
		return math.MaxInt32
	}
	return defaultRuns
}

// without says in words which kinds of choices a strategy that samples leaves alone.
func (o *ExploreOptions) without() string {
	s := ""
	if o.Answers < 0 {
		s += ", no answers but the boring ones"
	}
	if o.Faults < 0 {
		s += ", no faults"
	}
	return s
}

// Coverage is which outcomes of the routines a driver uses came up in some runs, and which never did. It has
// String for people, MarshalJSON and UnmarshalJSON for files (coverage.Schema), and Merge for shards.
type Coverage = coverage.Set

// CoverageLevel says how much of that has to come up; see RequireCoverage.
type CoverageLevel = coverage.Level

// searchRuns is how many runs an exhaustive search makes at most unless somebody says otherwise.
const searchRuns = 1_000_000

// runsSetting reads -sim.runs: N or A-B.
func (o *ExploreOptions) runsSetting() error {
	s, ok := setting("runs")
	if !ok {
		return nil
	}
	first, runs, err := ParseRuns(s)
	if err != nil {
		return fmt.Errorf("%s=%w", named("runs"), err)
	}
	if o.Runs = runs; first > 0 {
		o.Seed0 = first
	}
	return nil
}

// Shrinking is how the simplest run was found that fails as another one did (scheduling.md 13).
type Shrinking struct {
	Runs     int // made to find it
	From, To Size
	// Proven says that there is no run with fewer interruptions that fails in this way, as long as
	// everything but the schedule is answered as in this one: the Tried runs were all that could be.
	Proven bool
	Tried  int
}

// Size is how far a run is from the boring one.
type Size struct {
	Choices       int // that are not the boring ones
	Interruptions int // of these, how many interrupt somebody who could have gone on
	Faults        int // of these, how many let something fail
}
