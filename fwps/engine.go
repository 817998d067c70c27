package fwps

import (
	"reflect"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/wfp"
	"calloutsim/irp"
	"calloutsim/irql"
)

// image is who owns something.
type image = *ke.Image

// engine is the filter engine of one machine.
type engine struct {
	m           *ke.Machine
	id          trace.ID // of the policy, in footprints
	policy      *wfp.Policy
	handles     handles
	appIDs      []imageID
	regs        []*registration // registered ones, in order of registration
	redirects   []*redirectHandle
	open        []*classification // not decided, in order of creation
	history     []*classification // the last ones, for dumps
	acquired    []*classifyRef    // with references
	chains      []*chain          // of connections that are not gone
	mgmt        management
	taken       []lockUse   // in classifyFns
	held        []lockUse   // in completions
	watches     []authWatch // who has ever looked at ALE_AUTH_CONNECT
	redirectors []redirector

	nextCallout uint32
	nextFilter  uint64
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

var state = ke.NewSlot(newEngine)

func newEngine(m *ke.Machine) *engine {
	d := new(wfp.Policy).Draft()
	d.AddSublayer(&wfp.Sublayer{Key: universal, Name: "universal"})
	e := &engine{m: m, id: m.NewID(trace.Engine), policy: d.Commit(), nextCallout: firstCallout,
		nextFilter: firstFilter}
	m.Refine = append(m.Refine, e.refine)
	m.Takes = e.takes
	m.AtUnload(e.checkUnload)
	m.AtEnd(e.checkEnd)
	m.AtRest(e.listLeft)
	m.CouldAct(e.couldAct)
	t := tcpip.On(m)
	t.SetEngine(e)
	t.SetWants(tcpip.Wants{})
	return e
}

// EngineOf returns the filter engine of a machine as the transport sees it.
func EngineOf(m *ke.Machine) tcpip.Engine { return state.On(m) }

// codeOf is the code address of a routine.
func codeOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }

// ownerOf is the driver an object of a device belongs to, or who acts when the device does not tell.
func ownerOf(k *irql.K, dev *irp.DEVICE_OBJECT) image {
	if dev != nil && dev.DriverObject != nil {
		return dev.DriverObject.Image()
	}
	return ke.Acting(k)
}

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
