package sim

import (
	"cmp"
	"errors"
	"fmt"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// searchRuns is how many runs an exhaustive search makes at most unless somebody says otherwise.
const searchRuns = 1_000_000

// parseStrategy finds the strategy, of either kind.
func (o *ExploreOptions) parseStrategy() error {
	o.Strategy = cmp.Or(o.Strategy, "portfolio")
	if ke.GoRaces { // what the others record would be reported as races
		switch o.Strategy {
		case "portfolio":
			o.Strategy = "random"
		case "random", "default":
		default:
			return fmt.Errorf("under ksim race there are the strategies random and default, not %s",
				o.Strategy)
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
	return err
}

// check reports the first option that makes no sense.
func (o *ExploreOptions) check() error {
	x := o.exhaustive
	switch {
	case x != nil && x.Reduce && o.Processors > 0:
		return errors.New("strategy dpor looks at a machine with a processor for every thread: leave " +
			"Options.Processors at 0, or take dfs or preemptN")
	case x != nil && o.shards > 1:
		return fmt.Errorf("strategy %s makes its runs one after the other; they cannot be spread over shards",
			x.Name)
	case x != nil && o.Seed0 > 1:
		return fmt.Errorf("strategy %s makes its runs one after the other; they begin with 1, and "+
			"a token repeats one of them", x.Name)
	}
	return o.Options.check()
}

// startSearch prepares an exhaustive search, if that is what was asked for. It makes its runs one after the
// other: each depends on what the ones before have shown.
func (e *explorer) startSearch() {
	x := e.o.exhaustive
	if x == nil {
		return
	}
	faults := max(cmp.Or(e.o.Faults, 1), 0)
	e.search, e.o.Workers = x.Search(faults), 1
	if e.o.Processors == 0 {
		e.o.Processors = Unbounded
	}
}

// searched takes up what a run of the search has shown. It reports whether the run is one to be judged, and
// not one that was cut because nothing new would have come of it.
func (e *explorer) searched(m *Machine) bool {
	cut := m.ke.WasCut()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = !e.search.End(m.ke)
	if err := e.search.Err(); err != nil && e.broken == nil {
		e.ended = true
		e.undecided = err
	}
	if !cut {
		e.whole++
	}
	return !cut
}

// covered says in words what the runs were.
func (e *explorer) covered(r *Result) {
	r.Strategy = e.o.Strategy
	if e.search == nil {
		r.Covered = fmt.Sprintf("%d runs of unknown many, strategy %s", r.Runs, e.o.Strategy)
		if e.o.strategy.Ends() {
			r.Covered = r.Faults
		}
		return
	}
	done := e.ended && e.undecided == nil
	r.Complete = done && len(e.failures) == 0
	r.Covered = e.search.Seen(e.o.exhaustive, e.whole, done)
	if len(e.failures) > 0 {
		r.Covered += ", up to violations, behind which nothing was looked at"
	}
	if e.undecided != nil {
		r.Covered += "; stopped: " + e.undecided.Error()
		e.tb.Errorf("sim: %v", e.undecided)
	}
}
