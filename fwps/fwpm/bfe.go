package fwpm

import (
	"fmt"

	"calloutsim/fwps"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// FWPM_SERVICE_STATE is how far the service behind the filter engine is.
type FWPM_SERVICE_STATE uint32

// The states.
const (
	FWPM_SERVICE_STOPPED       FWPM_SERVICE_STATE = 0
	FWPM_SERVICE_START_PENDING FWPM_SERVICE_STATE = 1
	FWPM_SERVICE_STOP_PENDING  FWPM_SERVICE_STATE = 2
	FWPM_SERVICE_RUNNING       FWPM_SERVICE_STATE = 3
)

// FWPM_SERVICE_STATE_CHANGE_CALLBACK0 is called when the service has started or stopped.
//
// IRQL: PASSIVE_LEVEL.
// Rules: WFP-021.
// Reference: fwpmk/nf-fwpmk-fwpmbfestatesubscribechanges0.
type FWPM_SERVICE_STATE_CHANGE_CALLBACK0 func(k *irql.K, context any, newState FWPM_SERVICE_STATE)

var (
	siteBfeSubscribe = fails("FwpmBfeStateSubscribeChanges0")
	// A driver that starts with the system comes before the service.
	siteBfe = ke.Site{Name: "env/Bfe/state", Alts: []string{"running", "starting"}, Spec: "wfp.md 1.2"}
)

// service is the service behind the engine. A run begins when it runs, or while it starts: that is found out
// when a driver asks to hear of it before it has opened any session.
//
//	running
//	starting --time passes--> running
type service struct {
	decided  bool
	starting bool
	watchers []*watcher
	started  *ke.Channel
}

// watcher is a callback that is told about the service.
type watcher struct {
	id      trace.ID
	owner   *ke.Image
	call    func(k *irql.K, state FWPM_SERVICE_STATE)
	at      uintptr
	running bool
	idle    ke.Object
	gone    bool
	seq     uint64
}

// FwpmBfeStateSubscribeChanges0 asks to be told when the service behind the engine starts or stops.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the driver takes it back with FwpmBfeStateUnsubscribeChanges0 before it unloads.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_INVALID_PARAMETER without a device object;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-002, WFP-021.
// Not modelled: that the service stops.
// Reference: fwpmk/nf-fwpmk-fwpmbfestatesubscribechanges0.
func FwpmBfeStateSubscribeChanges0(k *irql.K, deviceObject *irp.DEVICE_OBJECT,
	callback FWPM_SERVICE_STATE_CHANGE_CALLBACK0, context any, changeHandle *irql.HANDLE) ntstatus.NTSTATUS {
	const d = ddi.FwpmBfeStateSubscribeChanges0
	ke.Enter(k, d)
	st := ok
	switch {
	case callback == nil || changeHandle == nil:
		st = ntstatus.STATUS_FWP_NULL_POINTER
	case deviceObject == nil:
		st = ntstatus.STATUS_INVALID_PARAMETER
	case ke.Fails(k, &siteBfeSubscribe):
		st = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if st != ok {
		ke.CallStatus(k, d, 0, uint32(st))
		return st
	}
	g := state.Of(k)
	ke.Point(k, ke.Writes(g.bfeID()))
	w := &watcher{id: handleID(k), owner: ke.Acting(k), at: ke.CodeOf(callback),
		call: func(k *irql.K, s FWPM_SERVICE_STATE) { callback(k, context, s) }}
	w.idle = ke.Object{Kind: ke.NotificationEvent, ID: w.id, Signal: 1}
	g.bfe.decide(k, g)
	g.bfe.watchers = append(g.bfe.watchers, w)
	*changeHandle = fwps.Sim.NewHandle(k, w)
	w.seq = ke.CallStatus(k, d, w.id, 0)
	return ok
}

// bfeID names the state of the service in footprints.
func (g *manager) bfeID() trace.ID { return ke.Beside.Of(g.free.ID) }

// decide asks, once, whether the service is running already.
func (b *service) decide(k *ke.K, g *manager) {
	if b.decided || fwps.Sim.SessionEver(k) {
		return
	}
	b.decided = true
	if ke.Choose(k, &siteBfe, 2) == 0 {
		return
	}
	b.starting = true
	b.started = ke.Of(k).NewChannel("base filtering engine")
	ke.Of(k).Post(b.started, ke.Delivery{Text: "the base filtering engine has started", Obj: g.bfeID(),
		Touches: g.bfeID(), Passive: true, Run: func(k *ke.K) {
			ke.Adds(k, ke.Writes(g.bfeID()))
			b.starting = false
			for _, w := range list.Add(nil, b.watchers) {
				w.tell(k, FWPM_SERVICE_RUNNING)
			}
		}})
}

// absent reports whether nobody answers a session that is opened now.
func (b *service) absent(k *ke.K) bool {
	ke.Adds(k, ke.Reads(state.Of(k).bfeID()))
	return b.starting
}

// tell calls a callback in its driver's name.
func (w *watcher) tell(k *ke.K, s FWPM_SERVICE_STATE) {
	ke.Adds(k, ke.Writes(w.id))
	if w.gone {
		return
	}
	w.running, w.idle.Signal = true, 0
	ke.Push(k, ke.Frame{Kind: ke.FrameCallback, Image: w.owner, Object: w, Obj: w.id, Fn: w.at})
	w.call(k, s)
	ke.Pop(k)
	ke.Adds(k, ke.Writes(w.id))
	w.running = false
	ke.SetSignal(k, &w.idle, 1)
}

// FwpmBfeStateUnsubscribeChanges0 takes back a subscription; it waits until its callback does not run.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE for what is no subscription.
// Rules: WFP-002, WFP-021.
// Reference: fwpmk/nf-fwpmk-fwpmbfestateunsubscribechanges0.
func FwpmBfeStateUnsubscribeChanges0(k *irql.K, changeHandle irql.HANDLE) ntstatus.NTSTATUS {
	const d = ddi.FwpmBfeStateUnsubscribeChanges0
	ke.Enter(k, d)
	g := state.Of(k)
	ke.Point(k, ke.Writes(g.bfeID()))
	w, _ := fwps.Sim.FindHandle(k, changeHandle).(*watcher)
	if w != nil {
		ke.Adds(k, ke.Writes(w.id))
	}
	if w == nil || w.gone {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INVALID_HANDLE))
		return ntstatus.STATUS_INVALID_HANDLE
	}
	w.gone = true
	for i, o := range g.bfe.watchers {
		if o == w {
			g.bfe.watchers = list.Cut(g.bfe.watchers, i)
			break
		}
	}
	inside := false
	for _, f := range ke.Frames(k) {
		inside = inside || f.Object == any(w)
	}
	if inside {
		ke.Report(k, verify.Finding{Rule: verify.WFP_021, Obj: w.id.String(), Case: "in the callback",
			Headline: "FwpmBfeStateUnsubscribeChanges0 is called from the callback that it waits for",
			Places:   []verify.Place{{Label: "SUBSCRIBED", Seq: w.seq}}})
	} else if w.running {
		ke.Wait(k, []*ke.Object{&w.idle}, true, nil, "a callback about the filter engine's state to return")
	}
	ke.CallStatus(k, d, w.id, 0)
	return ok
}

// FwpmBfeStateGet0 tells whether the service behind the engine runs. Only who has subscribed gets an answer
// that means something; that others get FWPM_SERVICE_STOPPED is INFERRED from the page's wording.
//
// IRQL: <= DISPATCH_LEVEL.
// Rules: WFP-001.
// Reference: fwpmk/nf-fwpmk-fwpmbfestateget0.
func FwpmBfeStateGet0(k *irql.K) FWPM_SERVICE_STATE {
	ke.Enter(k, ddi.FwpmBfeStateGet0)
	g := state.Of(k)
	ke.Point(k, ke.Reads(g.bfeID()))
	s := FWPM_SERVICE_RUNNING
	switch {
	case len(g.bfe.watchers) == 0:
		s = FWPM_SERVICE_STOPPED
	case g.bfe.starting:
		s = FWPM_SERVICE_START_PENDING
	}
	ke.CallStatus(k, ddi.FwpmBfeStateGet0, 0, uint32(s))
	return s
}

// checkUnload reports subscriptions that are there when their driver goes.
func (b *service) checkUnload(m *ke.Machine, img *ke.Image) {
	for _, w := range b.watchers {
		if w.owner == img {
			m.ReportEnd(verify.Finding{Rule: verify.WFP_021, Obj: w.id.String(), Driver: img.Name,
				Ctx: "unload of " + img.Name, Also: []verify.RuleID{verify.UNLOAD_008},
				Headline: fmt.Sprintf("%s is unloaded and is still told about the filter engine's state",
					img.Name),
				Places: []verify.Place{{Label: "SUBSCRIBED", Seq: w.seq}}})
		}
	}
}
