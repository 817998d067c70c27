package ke

import "calloutsim/internal/trace"

// Actor names who takes a step: a thread by its number, the DPC queue of a processor, a channel of the
// outside, the clock. An Actor keeps its name for the whole run.
type Actor uint32

const (
	actorDPC      Actor = 1 << 16
	actorDelivery Actor = 2 << 16
	// ActorClock is the virtual clock.
	ActorClock  Actor = 3 << 16
	actorDriver Actor = 4 << 16 // whoever drives the machine from outside
	actorKind         = 0xFFFF << 16
)

// DPC reports whether a is a queue of DPCs, which interrupts the thread of its processor.
func (a Actor) DPC() bool { return a&actorKind == actorDPC }

// id names a in footprints.
func (a Actor) id() trace.ID { return trace.MakeID(trace.Context, uint64(a)) }

// Option is one thing that can happen next, as a Scheduler sees it.
type Option struct {
	Actor Actor
	Host  Actor // a DPC that interrupts somebody: whom; else 0
	Next  []Use // announced for its next step; empty when that touches nothing, or is not known
}

// Moment is one decision about who goes on.
type Moment struct {
	Options []Option // the boring one first
	Self    Actor    // whose step has just ended; 0 when it was nobody's
	Stays   bool     // Options[0] is Self: any other answer interrupts it
	Yields  bool     // Self has asked that somebody else goes on
}

// Cut as an answer of Pick ends the run here: whatever could still come is of no interest.
const Cut = -1
