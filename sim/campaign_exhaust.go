package sim

import (
	"fmt"
	"strings"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// startSearch prepares an exhaustive search, if that is what was asked for, or goes on with one that was
// interrupted.
func (e *explorer) startSearch() error {
	x := e.o.exhaustive
	if x == nil {
		return nil
	}
	switch e.o.Processors {
	case 0, Unbounded:
		e.o.Processors = Unbounded
	default:
		x.Plain()
	}
	e.o.Workers = 1
	// A step may take in accesses as long as it shows that nobody can come between them. What cannot begin
	// anew when it does not, has a step for every access from the start.
	reduced := x.Reduce || x.Sleep
	large := reduced && !e.o.Memory && !e.o.KeepGoing && e.book == nil && e.o.shards <= 1
	e.o.Memory = e.o.Memory || reduced && !large
	h := &hunt{x: x, answers: e.o.answerBound(), faults: e.o.faultBound(), partial: e.o.shards > 1,
		pins: e.o.kePins(), large: large}
	if e.book != nil {
		e.book.hunt = h
	}
	switch {
	case e.book != nil && len(e.book.shard.Counters.Search) > 0:
		if err := h.restore(e.book.shard.Counters.Search); err != nil {
			return err
		}
	case h.partial:
		h.start(e.divide(h))
	default:
		h.start([][]int{nil})
	}
	e.hunt = h
	return nil
}

// divide makes the prefixes of all shards and gives those that this one looks below.
func (e *explorer) divide(h *hunt) [][]int {
	begin := func() *explore.Search { return h.search(h.answers) }
	p := explore.NewPartition(begin, e.o.shard, e.o.shards)
	w := &worker{e: e, ke: &ke.Machine{}}
	defer w.ke.Close()
	for {
		src, trail, more := p.More()
		if !more {
			return p.Mine()
		}
		w.unjudged(chooser{src, trail})
		p.Probed(w.ke)
	}
}

// refine begins the search anew, with a step for every access.
func (e *explorer) refine() {
	h := e.hunt
	e.hunt = &hunt{x: h.x, answers: h.answers, faults: h.faults, pins: h.pins}
	e.hunt.start([][]int{nil})
	e.o.Memory = true
	e.next, e.result, e.hashes, e.first = 0, Result{}, hashSet{}, nil
	clear(e.hazards)
	clear(e.loads)
}

// searched takes up what a run of the search has shown. It reports whether the run is one to be judged, and
// neither one that was cut because nothing new would have come of it nor one that was made at a lower level.
func (e *explorer) searched(m *Machine) bool {
	h, cut := e.hunt, m.ke.WasCut()
	e.mu.Lock()
	defer e.mu.Unlock()
	more := h.now.End(m.ke)
	h.order, h.split = h.now.Order(), h.split || h.now.Split()
	fresh := !cut && h.now.Deviated() == h.level
	if fresh {
		h.whole++
		if e.book == nil { // before the level is counted
			e.hashes.add(e.kind(m))
		}
	}
	switch {
	case h.now.Err() != nil:
		h.ended, h.broken = true, h.now.Err()
	case !more:
		h.next(e.seen())
	}
	if !fresh {
		e.next-- // its number is free
	}
	return fresh
}

// seen is how many runs of the search differ.
func (e *explorer) seen() int {
	if e.hunt.now.Trail != nil && e.book == nil {
		return e.hashes.size() // sleep sets alone let some partial orders through more than once
	}
	return e.hunt.whole
}

// kind tells runs apart: those of a search that leaves out equivalent ones by their partial order, all others
// by their events.
func (e *explorer) kind(m *Machine) uint64 {
	if e.hunt != nil && e.hunt.now.Trail != nil {
		return e.hunt.order
	}
	return m.Hash()
}

// covered says in words what the runs were.
func (e *explorer) covered(r *Result) {
	e.tb.Helper()
	r.Strategy = e.o.Strategy
	h := e.hunt
	if h == nil {
		r.Covered = fmt.Sprintf("%d runs of unknown many, strategy %s%s", r.Runs, e.o.Strategy, e.o.without())
		if e.o.strategy.Ends() {
			r.Covered = r.Faults
		}
	} else {
		e.coveredBySearch(r)
	}
	if never := e.neverLoaded(); len(never) > 0 {
		r.Complete = false
		r.Covered += "; in none of them " + strings.Join(never, " and ") + " was loaded"
	}
	r.Complete = r.Complete && r.Runs > 0
	if h == nil {
		return
	}
	attr(e.tb, "sim.covered", r.Covered)
	if !e.o.Collect {
		e.tb.Logf("sim: %s: %s", e.o.Strategy, r.Covered)
	}
}

// coveredBySearch is covered for an exhaustive search.
func (e *explorer) coveredBySearch(r *Result) {
	e.tb.Helper()
	h := e.hunt
	done := h.ended && h.broken == nil
	r.Complete = done && len(e.failures) == 0 && !h.partial
	r.Covered = h.words(e.seen(), done)
	if h.partial {
		r.Covered = fmt.Sprintf("shard %d/%d: %s below its prefixes", e.o.shard, e.o.shards, r.Covered)
	}
	if len(e.failures) > 0 {
		r.Covered += ", up to violations, behind which nothing was looked at"
	}
	if h.broken != nil {
		r.Covered += "; stopped: " + h.broken.Error()
		e.tb.Errorf("sim: %v", h.broken)
	}
}
