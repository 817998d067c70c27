package ke

import "calloutsim/internal/trace"

// Access says what a step does to an object; which pairs commute is scheduling.md 9.4.
type Access uint8

// The kinds of access.
const (
	R Access = iota + 1
	W
	A
	Acq
	Rel
	Set
	Clear
	Waits
	Enq
	Deq
	Free
	Try   // an acquisition that does not wait
	Count // up or down by one, where nobody looks at the result, in whatever order: commutes with itself
)

// Use is one entry of a footprint.
type Use struct {
	Obj trace.ID
	How Access
}

// handsOver is a bit for each kind of access after which others may go on who could not before, or may find
// what they did not find before. What is only looked at, taken or waited for hands nothing over.
const handsOver = 1<<0 | 1<<W | 1<<A | 1<<Rel | 1<<Set | 1<<Clear | 1<<Enq | 1<<Deq | 1<<Free | 1<<Count

// turn says whether the routine that a context is in has had its scheduling point.
type turn uint8

const (
	turnNone turn = iota
	turnDue       // it was entered after a hand-over: what it looks at first comes after a point
	turnOver      // it has looked, and so had a point; that before its effect is the same one
)

// Unknown is the footprint of a step that may touch anything.
var Unknown = Use{}
