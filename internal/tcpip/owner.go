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
	Opened   Kind = iota // an end that nobody waits for is open
	Readable             // there are bytes to take
	Finished             // the peer will send no more
	Reset                // the connection is lost: Endpoint.Reason says why
)

var kindNames = [...]string{Opened: "opened", Readable: "readable", Finished: "finished", Reset: "reset"}

// String names the kind.
func (n Kind) String() string { return kindNames[n] }

// Indication is what an owner hears.
type Indication struct{ Kind Kind }

// indicate tells the owner, behind those who wait for the endpoint.
func (e *Endpoint) indicate(k *ke.K, i Indication) {
	switch i.Kind {
	case Readable, Finished:
		e.serve(k)
	case Reset:
		e.failReceives(k, e.reason)
	}
	if o, ok := e.Owner.(Owner); ok {
		o.Indicate(k, e, i)
	}
}
