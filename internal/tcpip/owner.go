package tcpip

import "calloutsim/internal/ke"

// Owner is who an endpoint belongs to. It is told what has happened and acts by calls, during the indication
// or later; an indication has no answer.
type Owner interface {
	Indicate(k *ke.K, e *Endpoint, i Indication)
}

// Kind is a kind of indication.
type Kind uint8

// The kinds of indications.
const (
	Opened      Kind = iota // an end that nobody waits for is open
	Readable                // there are bytes to take, or a datagram
	Finished                // the peer will send no more
	Reset                   // the connection is lost, by whomever: Endpoint.Reason says why
	Incoming                // a connection waits to be accepted
	Inspect                 // a connection is asked for: Decide whether it may come
	InspectGone             // one that was inspected will not come
	Unreachable             // nobody took a datagram that was sent: a port is closed
)

var kindNames = [...]string{Opened: "opened", Readable: "readable", Finished: "finished", Reset: "reset",
	Incoming: "incoming", Inspect: "inspect", InspectGone: "inspected and gone", Unreachable: "unreachable"}

// String names the kind.
func (n Kind) String() string { return kindNames[n] }

// Indication is what an owner hears.
type Indication struct {
	Kind Kind
	New  *Endpoint // of Inspect and InspectGone
}

// indicate tells the owner.
func (e *Endpoint) indicate(k *ke.K, what Kind) {
	if e.Owner != nil {
		e.Owner.Indicate(k, e, Indication{Kind: what})
	}
}
