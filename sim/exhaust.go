package sim

import (
	"cmp"
	"encoding/json"
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

// hunt is an exhaustive search under way: what is below one prefix after the other, which is everything
// where there are no shards. It makes its runs one after the other: each depends on what the ones before have
// shown.
type hunt struct {
	x       *explore.Exhaustive
	faults  int
	now     *explore.Search
	rest    []*explore.Search
	ended   bool
	broken  error  // the runs do not repeat
	whole   int    // runs that were not cut
	order   uint64 // partial order of the last run
	partial bool   // other shards look below other prefixes
}

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
	h := &hunt{x: x, faults: e.o.faultBound(), partial: e.o.shards > 1}
	if e.book != nil {
		e.book.hunt = h
	}
	switch {
	case e.book != nil && len(e.book.shard.Counters.Search) > 0:
		if err := h.restore(e.book.shard.Counters.Search); err != nil {
			return err
		}
	case h.partial:
		h.rest = e.divide(h)
		h.nextSearch()
	default:
		h.now = x.Search(h.faults)
	}
	e.hunt = h
	return nil
}

// nextSearch goes on below another prefix, if there is one.
func (h *hunt) nextSearch() {
	if len(h.rest) == 0 {
		if h.now == nil {
			h.now = h.x.Search(h.faults) // of a shard without a share; it makes no run
		}
		h.ended = true
		return
	}
	if h.now != nil {
		h.rest[0].Inherit(h.now)
	}
	h.now, h.rest = h.rest[0], h.rest[1:]
}

// divide makes the prefixes of all shards and gives what this one looks below.
func (e *explorer) divide(h *hunt) []*explore.Search {
	begin := func() *explore.Search { return h.x.Search(h.faults) }
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

// saved is a hunt in a file.
type saved struct {
	Whole    int                  `json:"whole"`
	Ended    bool                 `json:"ended,omitempty"`
	Searches []explore.Checkpoint `json:"searches"` // the first one is under way
}

// save gives the state after the last run.
func (h *hunt) save() json.RawMessage {
	v := saved{Whole: h.whole, Ended: h.ended, Searches: []explore.Checkpoint{h.now.Save()}}
	for _, s := range h.rest {
		v.Searches = append(v.Searches, s.Save())
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return text
}

// restore takes up what save gave.
func (h *hunt) restore(text []byte) error {
	var v saved
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("the saved search is damaged: %v", err)
	}
	if len(v.Searches) == 0 {
		return errors.New("the saved search is damaged: there is nothing to go on with")
	}
	h.whole, h.ended = v.Whole, v.Ended
	for i := range v.Searches {
		s := h.x.Search(h.faults)
		if err := s.Restore(&v.Searches[i]); err != nil {
			return err
		}
		h.rest = append(h.rest, s)
	}
	h.now, h.rest = h.rest[0], h.rest[1:]
	return nil
}

// searched takes up what a run of the search has shown. It reports whether the run is one to be judged, and
// not one that was cut because nothing new would have come of it.
func (e *explorer) searched(m *Machine) bool {
	h, cut := e.hunt, m.ke.WasCut()
	e.mu.Lock()
	defer e.mu.Unlock()
	more := h.now.End(m.ke)
	h.order = h.now.Order()
	switch {
	case h.now.Err() != nil:
		h.ended, h.broken = true, h.now.Err()
	case !more:
		h.nextSearch()
	}
	if cut {
		e.next-- // its number is free
		return false
	}
	h.whole++
	return true
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
		r.Covered = fmt.Sprintf("%d runs of unknown many, strategy %s", r.Runs, e.o.Strategy)
		if e.o.strategy.Ends() {
			r.Covered = r.Faults
		}
		return
	}
	done := h.ended && h.broken == nil
	r.Complete = done && len(e.failures) == 0 && !h.partial
	n := h.whole
	if h.now.Trail != nil && e.book == nil {
		n = r.Traces // sleep sets alone let some partial orders through more than once
	}
	r.Covered = h.now.Seen(h.x, n, done)
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
	attr(e.tb, "sim.covered", r.Covered)
	if !e.o.Collect {
		e.tb.Logf("sim: %s: %s", e.o.Strategy, r.Covered)
	}
}
