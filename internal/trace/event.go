package trace

import "calloutsim/internal/ddi"

// What says which sort of event this is.
type What uint8

// The sorts of events.
const (
	Call    What = iota + 1 // a DDI was called; Code names it
	Return                  // a DDI that runs callbacks returned; Code names it
	Enter                   // a callback is entered; Fn is the routine, Text its role
	Leave                   // a callback returned
	Switch                  // another context goes on
	Start                   // a context begins its life
	End                     // a context ends
	Wake                    // a waiting context may go on
	Deliver                 // the world outside the drivers acts; Text says how
	Clock                   // virtual time moved forward to Time
	Note                    // anything else worth a line; Text says it
	Finding                 // a rule was found broken; A is the rule id
)

// Flags say which optional parts of an Event mean something.
type Flags uint8

// The optional parts of an Event.
const (
	HasA Flags = 1 << iota
	HasB
	HasStatus
	HexA
	HexB
	IsBool // the status is a BOOLEAN: 0 is FALSE, anything else TRUE
)

// Event is one line of a run. It is fixed in size and holds no text of its own, so that recording costs a few
// nanoseconds. Fn and Text are for printing only and take no part in the hash.
type Event struct {
	Time   int64 // virtual time, 100 ns units
	Obj    ID    // what the event is about
	Obj2   ID    // the second object, if any
	A, B   uint64
	Fn     uintptr // code address of the routine entered
	Text   string  // constant text: role of a callback, name of a delivery
	Status uint32
	Ctx    uint16 // number of the context
	Code   ddi.ID
	Driver uint16 // number of the driver image acting, 0 for the system
	What   What
	CPU    uint8
	IRQL   uint8
	Flags  Flags
}

const (
	hashSeed  = 0x9e3779b97f4a7c15
	hashPrime = 0xff51afd7ed558ccd
)

// Log keeps the events of one run and their hash. The zero Log records the hash only.
type Log struct {
	ring []Event
	mask uint64
	all  bool
	n    uint64 // events so far; the sequence number of the next one
	hash uint64

	scratch Event // slot of a log that keeps none
}

// Reset forgets the run. size is the number of last events to keep, rounded up to a power of two; 0 keeps
// none, negative keeps all.
func (l *Log) Reset(size int) {
	l.n, l.hash = 0, hashSeed
	l.all = size < 0
	switch {
	case l.all:
		l.ring, l.mask = l.ring[:0], 0
	case size == 0:
		l.ring, l.mask = nil, 0
	default:
		c := 1
		for c < size {
			c <<= 1
		}
		if len(l.ring) != c {
			l.ring = make([]Event, c)
		}
		l.mask = uint64(c - 1)
	}
}

// Slot gives the place of the next event, with whatever an older event left there. The caller sets every
// field and calls Commit before anything else is recorded.
func (l *Log) Slot() *Event {
	switch {
	case l.all:
		l.ring = append(l.ring, Event{})
		return &l.ring[l.n]
	case len(l.ring) == 0:
		return &l.scratch
	}
	return &l.ring[l.n&l.mask]
}

// Add records e and returns its sequence number, counted from 1.
func (l *Log) Add(e *Event) uint64 {
	*l.Slot() = *e
	return l.Commit(e)
}

// Commit records the event that was written to Slot and returns its sequence number, counted from 1.
func (l *Log) Commit(e *Event) uint64 {
	return l.Mix(Where(e.What, e.Code, e.Ctx, e.CPU, e.IRQL), About(e.Obj, e.Obj2, e.Status, e.A, e.B))
}

// Where and About pack what the hash takes of an event: what happened where, and to what.
func Where(w What, code ddi.ID, ctx uint16, cpu, irql uint8) uint64 {
	return uint64(w) | uint64(code)<<8 | uint64(ctx)<<24 | uint64(cpu)<<40 | uint64(irql)<<48
}

// About is the second half; see Where.
func About(obj, obj2 ID, status uint32, a, b uint64) uint64 {
	return uint64(obj) ^ uint64(obj2)<<20 ^ uint64(status)<<7 ^ a<<13 ^ b<<33
}

// Mix is Commit for a caller that still has the fields of the event at hand: it packs them with Where and
// About.
func (l *Log) Mix(where, about uint64) uint64 {
	h := (l.hash ^ where) * hashPrime
	h = (h ^ h>>29 ^ about) * hashPrime
	l.hash = h ^ h>>32
	l.n++
	return l.n
}

// Hash returns the hash over all events so far.
func (l *Log) Hash() uint64 { return l.hash }

// Len returns the number of events so far; it is also the sequence number of the last one.
func (l *Log) Len() uint64 { return l.n }

// At returns event number seq (from 1), or nil if it is not kept any more.
func (l *Log) At(seq uint64) *Event {
	if seq == 0 || seq > l.n || len(l.ring) == 0 {
		return nil
	}
	if l.all {
		return &l.ring[seq-1]
	}
	if l.n-seq >= uint64(len(l.ring)) {
		return nil
	}
	return &l.ring[(seq-1)&l.mask]
}

// First returns the sequence number of the oldest event kept, or Len()+1 if none is.
func (l *Log) First() uint64 {
	switch {
	case len(l.ring) == 0:
		return l.n + 1
	case l.all || l.n <= uint64(len(l.ring)):
		return 1
	}
	return l.n - uint64(len(l.ring)) + 1
}
