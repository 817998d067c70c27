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

// The verbs of footprints. Each says what a step does to an object, or to an aspect of one.

// Reads looks at it.
func Reads(id trace.ID) Use { return Use{id, R} }

// Writes changes it.
func Writes(id trace.ID) Use { return Use{id, W} }

// Swaps looks at it and changes it in one atomic step, or only looks.
func Swaps(id trace.ID) Use { return Use{id, A} }

// Counts takes it up or down by one where nobody looks at the result.
func Counts(id trace.ID) Use { return Use{id, Count} }

// Acquires takes the lock.
func Acquires(id trace.ID) Use { return Use{id, Acq} }

// Tries takes the lock if it is free.
func Tries(id trace.ID) Use { return Use{id, Try} }

// Releases gives the lock back.
func Releases(id trace.ID) Use { return Use{id, Rel} }

// Sets makes it signalled.
func Sets(id trace.ID) Use { return Use{id, Set} }

// Clears makes it not signalled.
func Clears(id trace.ID) Use { return Use{id, Clear} }

// WaitsOn waits for it.
func WaitsOn(id trace.ID) Use { return Use{id, Waits} }

// Enqueues puts something into it, or it into its queue.
func Enqueues(id trace.ID) Use { return Use{id, Enq} }

// Dequeues takes something out of it, or it out of its queue.
func Dequeues(id trace.ID) Use { return Use{id, Deq} }

// Frees ends its memory.
func Frees(id trace.ID) Use { return Use{id, Free} }

// Aspect is a side of an object that footprints tell apart from its others, so that two steps that have to
// do with different sides of it may change places. The object's own id stands for its state.
type Aspect trace.ID

// The aspects. What they are of one kind of object the package says that uses them.
const (
	Visit   Aspect = 1 << 51 // how a call that it was given to goes, by its level
	End     Aspect = 1 << 52 // that it has come to its end and may be gone
	Content Aspect = 1 << 53 // what is in it, or begins from it
	Beside  Aspect = 1 << 54 // what belongs to it and is not its state: a word of it, a list at it
	Life    Aspect = 1 << 55 // that it exists
)

// aspects are the bits by which an aspect differs from its object. Objects that are numbered by a run have
// numbers below them.
const aspects = trace.ID(1<<56 - 1<<44)

// Of gives the id of the aspect of an object.
func (a Aspect) Of(id trace.ID) trace.ID { return id | trace.ID(a) }

// AtLevel is the aspect at a level of the object, 0 to 126.
func (a Aspect) AtLevel(level int8) Aspect { return a | Aspect(uint8(level)+1)<<44 }

// Table is the id of something that there is once in a machine and that has no object: a list of
// registrations, a name space. which tells the tables of one kind of object apart.
func Table(kind trace.Kind, which uint64) trace.ID {
	return trace.MakeID(kind, uint64(tableBits)|which)
}

// tableBits mark a table: no aspect of an object has both bits.
const tableBits = trace.ID(Visit | End)

// objectOf is the object that an id, or that of an aspect, is of; a table is none.
func objectOf(id trace.ID) trace.ID {
	if id&tableBits == tableBits {
		return 0
	}
	return id &^ aspects
}

// theClock is the time of the machine, which every timer looks at.
var theClock = Table(trace.NoKind, 0)

// instant is a time at which something is due.
func instant(at int64) trace.ID { return Life.Of(trace.MakeID(trace.NoKind, uint64(at)&(1<<52-1))) }

// handsOver is a bit for each kind of access after which others may go on who could not before, or may find
// what they did not find before. What is only looked at, taken or waited for hands nothing over.
const handsOver = 1<<0 | 1<<W | 1<<A | 1<<Rel | 1<<Set | 1<<Clear | 1<<Enq | 1<<Deq | 1<<Free | 1<<Count

// turn says whether the routine that a context is in has had its scheduling point.
type turn uint8

const (
	turnNone turn = iota
	turnDue       // it was entered after a hand-over: what it looks at first comes after a point
	turnPart      // it was not: what it looks at before its point belongs to the step before
	turnOver      // it has looked, and so had a point; that before its effect is the same one
)

// Unknown is the footprint of a step that may touch anything.
var Unknown = Use{}
