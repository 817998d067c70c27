package tcpip

import "calloutsim/ntstatus"

// State is where a stream endpoint stands in its life (wsk.md 8).
type State uint8

// The states. LocalFin and RemoteFin name the side that has said it will send no more.
const (
	Created State = iota
	Bound
	Listening
	Connecting
	Connected
	LocalFin
	RemoteFin
	BothFin
	Aborted
	Closed
)

var stateNames = [...]string{"created", "bound", "listening", "connecting", "connected", "localfin",
	"remotefin", "bothfin", "aborted", "closed"}

// String gives the word of wsk.md 8.
func (s State) String() string { return stateNames[s] }

// Input is what happens to an endpoint.
type Input uint8

// The inputs: calls of the owner first, then what the network brings.
const (
	CallBind Input = iota
	CallListen
	CallConnect
	CallFin
	CallAbort
	CallClose
	Established
	ConnectFailed
	FinArrived
	ResetArrived
	numInputs
)

// bad marks a transition that is an error of the owner; same marks an input that changes nothing.
const (
	bad  State = 0xFF
	same State = 0xFE
)

// transitions is indexed by state and input. A call that is not legal in a state is answered with
// STATUS_INVALID_DEVICE_STATE (wsk.md 8, 25.34); what the network brings too late changes nothing.
var transitions = [...][numInputs]State{
	//           bind   listen     connect     fin       abort    close   estab.     failed fin        reset
	Created:    {Bound, bad, bad, bad, bad, Closed, same, same, same, same},
	Bound:      {bad, Listening, Connecting, bad, bad, Closed, same, same, same, same},
	Listening:  {bad, bad, bad, bad, bad, Closed, same, same, same, same},
	Connecting: {bad, bad, bad, bad, bad, Closed, Connected, Bound, same, Aborted},
	Connected:  {bad, bad, bad, LocalFin, Aborted, Closed, same, same, RemoteFin, Aborted},
	LocalFin:   {bad, bad, bad, bad, Aborted, Closed, same, same, BothFin, Aborted},
	RemoteFin:  {bad, bad, bad, BothFin, Aborted, Closed, same, same, same, Aborted},
	BothFin:    {bad, bad, bad, bad, Aborted, Closed, same, same, same, Aborted},
	Aborted:    {bad, bad, bad, bad, bad, Closed, same, same, same, same},
	Closed:     {bad, bad, bad, bad, bad, bad, same, same, same, same},
}

// Next gives the state after an input, and STATUS_INVALID_DEVICE_STATE with the state unchanged for a call
// that is not legal now.
func Next(s State, in Input) (State, ntstatus.NTSTATUS) {
	switch n := transitions[s][in]; n {
	case bad:
		return s, ntstatus.STATUS_INVALID_DEVICE_STATE
	case same:
		return s, ntstatus.STATUS_SUCCESS
	default:
		return n, ntstatus.STATUS_SUCCESS
	}
}

// HasPeer reports whether the endpoint has been connected.
func (s State) HasPeer() bool { return s >= Connected && s <= Aborted }

// MaySend reports whether data can be queued for sending.
func (s State) MaySend() bool { return s == Connected || s == RemoteFin }
