package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
	"calloutsim/irp"
)

// engine is the filter engine of one machine.
type engine struct {
	m            *ke.Machine
	id           trace.ID // of the policy, in footprints
	policy       *wfp.Policy
	handles      handles
	appIDs       []imageID
	regs         []*registration // registered ones, in order of registration
	redirects    []*redirectHandle
	injections   []*injection // handles that are not destroyed
	tags         tagging
	open         []*classification      // not decided, in order of creation
	history      []*classification      // the last ones, for dumps
	acquired     []*classifyRef         // with references
	flows        list.Table[tcpip.Flow] // that a callout has seen and that have not ended
	refused      []refusedContext       // contexts that were not taken
	wereContexts []trace.ID             // memory that flowDeleteFn was given
	announced    []*operation           // completed with a clone that is to be injected
	deferrals    []*stage               // that were deferred
	held         []*operation           // pended with FwpsPendOperation0 and not completed
	chains       []*chain               // of connections that are not gone
	mgmt         management
	taken        []lockUse   // in classifyFns
	heldLocks    []lockUse   // in completions
	watches      []authWatch // who has ever looked at ALE_AUTH_CONNECT
	redirectors  []redirector

	nextCallout uint32
	nextFilter  uint64
}

// management is the state of the management functions.
type management struct {
	sessions []any // open ones, in order
	owners   []image
	seqs     []uint64
	ever     bool // a session was opened
}

// lockUse says that code of a driver took a lock in a classifyFn, or held one in FwpsCompleteClassify0.
type lockUse struct {
	by   image
	lock trace.ID
	bind bool // at a layer of binds, which precede connects
	// at is the layer of the operation that FwpsCompleteOperation0 completes, or that the classifyFn is for.
	at  uint16
	op  bool // the completion is FwpsCompleteOperation0
	seq uint64
	obj trace.ID // the classification
}

// authWatch says that a filter at ALE_AUTH_CONNECT named a callout, and whose code that was, once it was
// registered.
type authWatch struct {
	key   GUID
	owner image
}

// refusedContext says that a driver's context was not associated because the callout has one already.
type refusedContext struct {
	flow  trace.ID
	mem   *irp.Buffer
	owner image
	seq   uint64
}

// redirector is a driver that has redirected a connection.
type redirector struct {
	owner image
	call  *call
	seq   uint64
	told  bool
}

// imageID is the AppID of an image.
type imageID struct {
	image string
	id    []byte
}

// historyLimit is how many classifications the dump can go back.
const historyLimit = 64

// Where run-time ids begin. On Windows the small ones belong to built-in objects.
const (
	firstCallout = 300
	firstFilter  = 66001
)

// universal is FWPM_SUBLAYER_UNIVERSAL, where filters without a sublayer go.
var universal = GUID{Data1: 0xeebecc03, Data2: 0xced4, Data3: 0x4380,
	Data4: [8]byte{0x81, 0x9a, 0x27, 0x34, 0x39, 0x7b, 0x2b, 0x74}}

// universalWeight is the weight of that sublayer. The number is not published; the middle is INFERRED from
// the advice to stay below it and the samples' weights of 0 (wfp.md 3.6).
const universalWeight = 0x8000

// remember keeps a classification for dumps.
func (e *engine) remember(c *classification) {
	e.open = append(e.open, c)
	if len(e.history) == historyLimit {
		e.history = list.Cut(e.history, 0)
	}
	e.history = append(e.history, c)
}

// forget takes a decided classification from the open ones.
func (e *engine) forget(c *classification) {
	for i, o := range e.open {
		if o == c {
			e.open = list.Cut(e.open, i)
			return
		}
	}
}

// registered finds the registration with a key; nil when its code is not there.
func (e *engine) registered(key GUID) *registration {
	for _, r := range e.regs {
		if r.key == key {
			return r
		}
	}
	return nil
}

func (e *engine) registeredID(id uint32) *registration {
	for _, r := range e.regs {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (e *engine) remove(r *registration) {
	for i, o := range e.regs {
		if o == r {
			e.regs = list.Cut(e.regs, i)
			return
		}
	}
}

// pendedBy lists the classifications a callout has pended and not completed.
func (e *engine) pendedBy(r *registration) []*call {
	var out []*call
	for _, c := range e.open {
		for _, cl := range c.calls {
			if cl.reg == r && cl.pend == pendPending {
				out = append(out, cl)
			}
		}
	}
	return out
}
