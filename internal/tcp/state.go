package tcp

// State is where one end stands (RFC 9293 3.3.2). LISTEN is none: a listener has no connection yet.
type State uint8

// The states, in the order in which an end can reach them.
const (
	SynSent State = iota
	SynRcvd
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait
	Closed
	numStates
)

var stateNames = [numStates]string{SynSent: "SYN_SENT", SynRcvd: "SYN_RCVD", Established: "ESTABLISHED",
	FinWait1: "FIN_WAIT_1", FinWait2: "FIN_WAIT_2", CloseWait: "CLOSE_WAIT", Closing: "CLOSING",
	LastAck: "LAST_ACK", TimeWait: "TIME_WAIT", Closed: "CLOSED"}

// String gives the name of RFC 9293.
func (s State) String() string { return stateNames[s] }

// input is what moves an end from one state to another.
type input uint8

const (
	synAckCame input = iota // the answer to our SYN
	ackOfSyn                // the answer to our SYN+ACK
	callFin                 // the owner has no more to send
	finCame                 // all that was sent before it has come too
	ackOfFin
	broken // Abort, a RST that counts, too many tries
	numInputs
)

// none marks an empty cell: an internal error for a call, nothing for what a packet brings.
const none State = 0xFF

// transitions is indexed by state and input (network.md 3.1). Two rows differ from RFC 9293: LAST_ACK leads
// to TIME_WAIT, since nothing ends by a clock here and a peer that repeats its FIN is owed an answer; and a
// SYN without ACK in SYN_SENT is nothing, since two ends never open to each other at once.
var transitions = [numStates][numInputs]State{
	//           SYN+ACK      ACK of SYN   call Fin  FIN        ACK of FIN broken
	SynSent:     {Established, none, none, none, none, Closed},
	SynRcvd:     {none, Established, none, none, none, Closed},
	Established: {none, none, FinWait1, CloseWait, none, Closed},
	FinWait1:    {none, none, none, Closing, FinWait2, Closed},
	FinWait2:    {none, none, none, TimeWait, none, Closed},
	CloseWait:   {none, none, LastAck, none, none, Closed},
	Closing:     {none, none, none, none, TimeWait, Closed},
	LastAck:     {none, none, none, none, TimeWait, Closed},
	TimeWait:    {none, none, none, none, none, none},
	Closed:      {none, none, none, none, none, none},
}

// step makes a transition that must exist.
func (c *Conn) step(in input) {
	next := transitions[c.state][in]
	if next == none {
		panic("internal error: an end in " + c.state.String() + " was given what that state does not know")
	}
	c.state = next
}

// MaySend reports whether the owner may send, and may call Fin.
func (s State) MaySend() bool { return transitions[s][callFin] != none }

// Over reports whether nothing of the connection is left: what comes for it now is for a tombstone, or for
// nobody.
func (s State) Over() bool { return s == TimeWait || s == Closed }
