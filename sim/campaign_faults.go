package sim

import (
	"fmt"
	"math"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// numbered names a run in reports, with how many there are where that is known.
func (e *explorer) numbered(run uint64) string {
	if e.o.Runs == math.MaxInt32 || e.hunt != nil {
		return fmt.Sprint(run)
	}
	return fmt.Sprintf("%d of %d", run, e.o.Runs)
}

// chooser is who makes the choices of a run, and the record a search wants of it.
type chooser struct {
	src   ke.Source
	trail *ke.Trail
}

// source gives who makes the choices of a run; false means that there is no such run. What has to be known
// before is learnt from runs that are not judged.
func (w *worker) source(run uint64) (chooser, bool) {
	switch {
	case w.e.hunt != nil:
		return chooser{w.e.hunt.now.Begin(), w.e.hunt.now.Trail}, true
	case run == 1:
		return chooser{w.choose.Boring(), w.choose.Trail()}, true
	}
	for {
		w.e.mu.Lock()
		src, n, answer := w.e.faults.Source(run)
		w.e.mu.Unlock()
		switch answer {
		case explore.Other:
			return chooser{src: w.choose.Source(w.e.o.Master, run)}, true
		case explore.Planned:
			return chooser{src: src}, true
		case explore.NoRun:
			return chooser{}, false
		}
		w.learn(n, w.unjudged(chooser{src: src}))
	}
}

// noMore says that the strategy has no more runs.
func (e *explorer) noMore() {
	e.mu.Lock()
	e.planned = true
	e.mu.Unlock()
}

// learn takes up what a run has shown about what can fail.
func (w *worker) learn(run uint64, m *Machine) {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	w.e.faults.Learn(run, m.ke.Choices())
}

// unjudged makes a run only to learn from it. Whatever becomes of it, the run of this number is judged by
// whoever it is given to.
func (w *worker) unjudged(src chooser) (m *Machine) {
	o := w.e.o.Options
	o.Seed, o.Collect, o.src, o.trail = 1, true, src.src, src.trail
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
	if e.hunt != nil {
		return
	}
	why := "budget"
	switch {
	case e.result.Incomplete == "interrupted":
		why = "interrupted"
	case len(r.Failures) > 0 && !e.o.KeepGoing:
		why = "stopped by a failure"
	case e.o.shards > 1 && !e.limit.hit:
		why = fmt.Sprintf("shard %d of %d", e.o.shard, e.o.shards)
	}
	if e.book != nil {
		for i := range e.book.had {
			e.faults.Judged(e.mine.at(i))
		}
	}
	var complete bool
	r.Faults, complete = e.faults.Covered(why)
	r.Complete = complete && e.o.strategy.Ends() && (len(r.Failures) == 0 || e.o.KeepGoing)
	if e.o.strategy.Ends() {
		e.tb.Logf("sim: %s: %s", e.o.strategy.Name, r.Faults)
		attr(e.tb, "sim.faults", r.Faults)
	}
}
