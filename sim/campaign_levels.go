package sim

import (
	"encoding/json"
	"errors"
	"fmt"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// hunt is an exhaustive search under way. It makes its runs one after the other: each depends on what the
// ones before have shown.
//
// It goes up by levels: first all runs in which Windows gives only boring answers, then all with one that is
// not, and so on. A level is a search of its own, below one prefix after the other, which is everything where
// there are no shards. It meets the runs of the levels below once more, for the races in them lead to its
// own, but does not judge or count them.
type hunt struct {
	x        *explore.Exhaustive
	answers  int // the bounds
	faults   int
	pins     []ke.Pin
	prefixes [][]int // of the shard; the empty one where there are none
	partial  bool    // other shards look below other prefixes
	large    bool    // steps take in accesses
	split    bool    // and one of them should not have

	level   int // answers in the runs that are new now
	past    int // runs that differ, below this level
	at      int // prefix the search is below
	now     *explore.Search
	refused bool // this level leaves out answers that the next one does not
	ended   bool
	broken  error  // the runs do not repeat
	whole   int    // runs that were new
	order   uint64 // partial order of the last run
}

// search makes a search with a bound on answers.
func (h *hunt) search(answers int) *explore.Search {
	s := h.x.Search(answers, h.faults)
	if h.large {
		s.Trail.Parts = true
	}
	if len(h.pins) > 0 {
		s.Pinned = func(site *ke.Site, n int) bool {
			_, pinned := ke.Pinned(h.pins, site, n)
			return pinned
		}
	}
	return s
}

// start begins with the first level.
func (h *hunt) start(prefixes [][]int) {
	h.prefixes = prefixes
	h.now = h.search(0)
	if len(prefixes) == 0 { // a shard without a share makes no run
		h.ended = true
		return
	}
	h.now.Below(prefixes[0])
}

// next goes on below another prefix, or at the next level; seen is how many runs so far differ.
func (h *hunt) next(seen int) {
	h.refused = h.refused || h.now.Refused()
	if h.at++; h.at == len(h.prefixes) {
		if !h.refused || h.level == h.answers {
			h.ended = true
			return
		}
		h.at, h.level, h.past, h.refused = 0, h.level+1, seen, false
	}
	s := h.search(h.level)
	s.Polled = h.now.Polled
	s.Below(h.prefixes[h.at])
	h.now = s
}

// words says what was gone through: seen runs that differ, and whether these are all.
func (h *hunt) words(seen int, done bool) string {
	within := func(answers int) string { return h.x.Within(answers, h.faults) }
	s := fmt.Sprintf("%s %s of unknown many%s", explore.Grouped(seen), h.x.Things(), within(h.level))
	switch {
	case done:
		s = fmt.Sprintf("all %s %s%s", explore.Grouped(seen), h.x.Things(), within(h.answers))
	case h.level > 0:
		s = fmt.Sprintf("all %s %s%s; then %s of unknown many with answers = %d", explore.Grouped(h.past),
			h.x.Things(), within(h.level-1), explore.Grouped(seen-h.past), h.level)
	}
	if h.now.Polled && h.now.Trail != nil {
		s += ", idle turns of polling loops left out"
	}
	return s
}

// saved is a hunt in a file.
type saved struct {
	Prefixes [][]int             `json:"prefixes"`
	Level    int                 `json:"level"`
	Past     int                 `json:"past"`
	At       int                 `json:"at"`
	Refused  bool                `json:"refused,omitempty"`
	Ended    bool                `json:"ended,omitempty"`
	Whole    int                 `json:"whole"`
	Now      *explore.Checkpoint `json:"now"`
}

// save gives the state after the last run.
func (h *hunt) save() json.RawMessage {
	now := h.now.Save()
	text, err := json.Marshal(saved{h.prefixes, h.level, h.past, h.at, h.refused, h.ended, h.whole, &now})
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
	switch {
	case v.Now == nil:
		return errors.New("the saved search is damaged: there is nothing to go on with")
	case v.Level < 0 || v.Level > h.answers || v.At < 0 || !v.Ended && v.At >= len(v.Prefixes):
		return errors.New("the saved search is damaged: it is where no search can be")
	}
	h.prefixes, h.level, h.past, h.at = v.Prefixes, v.Level, v.Past, v.At
	h.refused, h.ended, h.whole = v.Refused, v.Ended, v.Whole
	h.now = h.search(h.level)
	return h.now.Restore(v.Now)
}
