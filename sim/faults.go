package sim

import (
	"fmt"
	"math"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// budget is how many runs are made at most. A strategy that ends by itself has none, unless somebody gives
// it one.
func (o *ExploreOptions) budget(runs uint64) int {
	switch {
	case runs != 0:
		return int(runs)
	case o.strategy.Ends():
		return math.MaxInt32
	}
	return defaultRuns
}

// numbered names a run in reports, with how many there are where that is known.
func (e *explorer) numbered(run uint64) string {
	if e.o.Runs == math.MaxInt32 {
		return fmt.Sprint(run)
	}
	return fmt.Sprintf("%d of %d", run, e.o.Runs)
}

// source gives who makes the choices of a run; false means that there is no such run. What has to be known
// before is learnt from runs that are not judged.
func (w *worker) source(run uint64) (ke.Source, bool) {
	if run == 1 {
		return w.choose.Boring(), true
	}
	for {
		w.e.mu.Lock()
		src, n, answer := w.e.faults.Source(run)
		w.e.mu.Unlock()
		switch answer {
		case explore.Other:
			return w.choose.Source(w.e.o.Master, run), true
		case explore.Planned:
			return src, true
		case explore.NoRun:
			return nil, false
		}
		w.learn(n, w.unjudged(src))
	}
}

// learn takes up what a run has shown about what can fail.
func (w *worker) learn(run uint64, m *Machine) {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	w.e.faults.Learn(run, m.ke.Choices())
}

// unjudged makes a run only to learn from it. Whatever becomes of it, the run of this number is judged by
// whoever it is given to.
func (w *worker) unjudged(src ke.Source) (m *Machine) {
	o := w.e.o.Options
	o.Seed, o.Collect, o.src = 1, true, src
	tb := &runTB{name: w.e.name}
	apart(tb, func() {
		m = start(w.ke, tb, o, w.e.name, w.e.scenario, nil, true)
		m.pooled = true
		w.e.fn(m)
	})
	return m
}

// tellFaults says what a strategy that goes through faults has covered.
func (e *explorer) tellFaults(r *Result) {
	why := "budget"
	if len(r.Failures) > 0 && !e.o.KeepGoing {
		why = "stopped by a failure"
	}
	r.Faults, r.Complete = e.faults.Covered(why)
	if e.o.strategy.Ends() {
		e.tb.Logf("sim: %s: %s", e.o.strategy.Name, r.Faults)
		attr(e.tb, "sim.faults", r.Faults)
	}
}
