package fwps

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// maxCallouts is the engine's limit (sdk-api wfp-error-codes).
const maxCallouts = 100_000

var (
	siteUnregister = ke.Site{Name: "doc/FwpsCalloutUnregister/running",
		Alts: []string{"waits", "STATUS_DEVICE_BUSY"},
		Spec: "wfp.md 2.3"}
	siteNotifyType = ke.Site{Name: "env/FWPS_CALLOUT_NOTIFY_FN1/type",
		Alts: []string{"known", "unknown first"},
		Spec: "wfp.md 2.4"}
	siteNotify = ke.Site{Name: "doc/FWPS_CALLOUT_NOTIFY_FN1/irql", Alts: []string{"passive", "dispatch"},
		Spec: "wfp.md 21 #30"}
)

// register is the registration of a callout of any version.
func (e *engine) register(k *ke.K, v shape, dev *irp.DEVICE_OBJECT, c *code,
	calloutId *uint32) ntstatus.NTSTATUS {
	d := v.ddi
	ke.Point(k, ke.Writes(e.id))
	s := e.mayRegister(k, v, dev, c)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, v.site) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if s != ntstatus.STATUS_SUCCESS {
		ke.CallStatus(k, d, 0, uint32(s))
		return s
	}
	r := &registration{code: *c, version: v, id: e.calloutID(c.key), tid: e.m.NewID(trace.Callout),
		device: dev, owner: ownerOf(k, dev)}
	r.idle = ke.Object{Kind: ke.NotificationEvent, ID: r.tid, Signal: 1}
	e.regs = append(e.regs, r)
	ke.GivesFor(k, r.owner, "FWPS_CALLOUT_CLASSIFY_FN", r.classifyAt, 0, "")
	ke.GivesFor(k, r.owner, "FWPS_CALLOUT_NOTIFY_FN", r.notifyAt, 0, "")
	if r.flowDelete != nil {
		ke.GivesFor(k, r.owner, "FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN", r.flowDeleteAt, 0, "")
	}
	e.noteWatcher(r)
	e.checkFilters(k, r)
	if calloutId != nil {
		*calloutId = r.id
	}
	r.seq = ke.CallStatus(k, d, r.tid, uint32(s))
	return s
}

// mayRegister makes the checks of a registration.
func (e *engine) mayRegister(k *ke.K, v shape,
	dev *irp.DEVICE_OBJECT, c *code) ntstatus.NTSTATUS {
	d := v.ddi
	if c == nil {
		return ntstatus.STATUS_FWP_NULL_POINTER
	}
	if dev != nil {
		ke.Alive(k, dev.ID())
	}
	if dev == nil || dev.Deleted() {
		ke.Report(k, verify.Finding{Rule: verify.WFP_010, Obj: c.key.String(),
			Headline: d.String() + " without a live device object",
			Fix:      "create a device object first, and delete it after the callout is unregistered."})
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if c.classify == nil || c.notify == nil {
		ke.Report(k, verify.Finding{Rule: verify.WFP_022, Obj: c.key.String(),
			Headline: d.String() + " with a NULL classifyFn or notifyFn"})
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if c.flags&^v.flags != 0 {
		ke.Report(k, verify.Finding{Rule: verify.WFP_023, Obj: c.key.String(),
			Headline: fmt.Sprintf("%v with undefined or reserved flags %#x", d, c.flags&^v.flags)})
	}
	if old := e.registered(c.key); old != nil {
		e.inOwnCallback(k, old, d.String())
		if old.leaving {
			return ntstatus.STATUS_FWP_IN_USE
		}
		ke.Collect(k, verify.Finding{Rule: verify.WFP_011, Obj: old.tid.String(),
			Headline: d.String() + " with the key of a callout that is registered already",
			Places:   []verify.Place{{Label: "REGISTERED", Seq: old.seq}}})
		return ntstatus.STATUS_FWP_ALREADY_EXISTS
	}
	if len(e.regs) >= maxCallouts {
		return ntstatus.STATUS_FWP_TOO_MANY_CALLOUTS
	}
	return ntstatus.STATUS_SUCCESS
}

// calloutID gives a key its run-time number: the management object's, if there is one already.
func (e *engine) calloutID(key GUID) uint32 {
	if c := e.policy.Callout(key); c != nil {
		return c.ID
	}
	e.nextCallout++
	return e.nextCallout
}

// inOwnCallback reports registration calls made from a callback of the callout itself.
func (e *engine) inOwnCallback(k *ke.K, r *registration, what string) bool {
	for _, f := range ke.Frames(k) {
		cl, _ := f.Object.(*call)
		x, _ := f.Object.(*flowContext)
		if cl != nil && cl.reg == r || x != nil && x.reg == r || f.Object == any(r) {
			ke.Report(k, verify.Finding{Rule: verify.WFP_024, Obj: r.tid.String(),
				Headline: what + " is called from a callback of the callout itself",
				Fix:      "unregister from the unload routine."})
			return true
		}
	}
	return false
}

// FwpsCalloutUnregisterById0 takes a callout's code away from the filters. When it succeeds no callback of
// the callout runs or will run. Any other status but STATUS_FWP_CALLOUT_NOT_FOUND means that the callout is
// still registered.
//
// IRQL: PASSIVE_LEVEL.
// Rules: WFP-002, WFP-014, WFP-015, WFP-016, WFP-020, WFP-024.
// Reference: fwpsk/nf-fwpsk-fwpscalloutunregisterbyid0.
func FwpsCalloutUnregisterById0(k *irql.K, calloutId uint32) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsCalloutUnregisterById0)
	e := state.Of(k)
	ke.Adds(k, ke.Reads(e.id))
	return e.unregister(k, ddi.FwpsCalloutUnregisterById0, e.registeredID(calloutId))
}

// FwpsCalloutUnregisterByKey0 is FwpsCalloutUnregisterById0 for those who remember the key.
//
// IRQL: PASSIVE_LEVEL.
// Returns: STATUS_SUCCESS; STATUS_DEVICE_BUSY while the callout is in use, after which it has to be called
// again; STATUS_FWP_CALLOUT_NOT_FOUND; STATUS_FWP_IN_USE; STATUS_FWP_NULL_POINTER.
// Rules: as FwpsCalloutUnregisterById0.
// Reference: fwpsk/nf-fwpsk-fwpscalloutunregisterbykey0.
func FwpsCalloutUnregisterByKey0(k *irql.K, calloutKey *GUID) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsCalloutUnregisterByKey0)
	e := state.Of(k)
	ke.Adds(k, ke.Reads(e.id))
	if calloutKey == nil {
		return ntstatus.STATUS_FWP_NULL_POINTER
	}
	return e.unregister(k, ddi.FwpsCalloutUnregisterByKey0, e.registered(*calloutKey))
}

func (e *engine) unregister(k *ke.K, d ddi.ID, r *registration) ntstatus.NTSTATUS {
	ke.Point(k, ke.Writes(e.id))
	s := ntstatus.STATUS_FWP_CALLOUT_NOT_FOUND
	id := trace.ID(0)
	if r != nil {
		id = r.tid
		s = e.unregisterLive(k, r)
	}
	seq := ke.CallStatus(k, d, id, uint32(s))
	if r != nil && s != ntstatus.STATUS_SUCCESS {
		r.last, r.lastSeq = s, seq
	}
	return s
}

func (e *engine) unregisterLive(k *ke.K, r *registration) ntstatus.NTSTATUS {
	ke.Alive(k, r.device.ID())
	ke.Adds(k, ke.Writes(r.tid))
	own := e.inOwnCallback(k, r, "FwpsCalloutUnregister")
	if r.device.Deleted() {
		ke.Report(k, verify.Finding{Rule: verify.WFP_016, Obj: r.tid.String(),
			Headline: fmt.Sprintf("%v is unregistered after its device object %v was deleted", r.tid,
				r.device.ID()),
			Places: []verify.Place{{Label: "REGISTERED", Seq: r.seq}},
			Fix:    "call IoDeleteDevice after FwpsCalloutUnregisterById0 has succeeded."})
	}
	if p := e.pendedBy(r); len(p) > 0 {
		ke.Report(k, verify.Finding{Rule: verify.WFP_020, Obj: r.tid.String(),
			Headline: fmt.Sprintf("%v is unregistered with %d classifications pended, first %v", r.tid,
				len(p), p[0].c.id),
			Places: []verify.Place{{Label: "PENDED", Seq: p[0].pendSeq}},
			Fix:    "complete what is pended before unregistering."})
	}
	if n, o := e.heldBy(r); n > 0 {
		ke.Report(k, verify.Finding{Rule: verify.WFP_020, Obj: r.tid.String(),
			Headline: fmt.Sprintf("%v is unregistered with %d operations pended, first that of %v", r.tid, n,
				o.call.c.id),
			Places: []verify.Place{{Label: "PENDED", Seq: o.pendSeq}},
			Fix:    "complete what is pended before unregistering."})
	}
	if r.leaving {
		return ntstatus.STATUS_FWP_IN_USE
	}
	if r.contexts > 0 {
		return ntstatus.STATUS_DEVICE_BUSY
	}
	if r.active > 0 {
		if own || ke.Choose(k, &siteUnregister, 2) == 1 {
			return ntstatus.STATUS_DEVICE_BUSY
		}
		r.leaving = true
		ke.Wait(k, []*ke.Object{&r.idle}, true, nil, "a callout's callbacks to return")
		ke.Adds(k, ke.Writes(e.id))
		ke.Adds(k, ke.Writes(r.tid))
		r.leaving = false
		if r.contexts > 0 { // associated by the last of its callbacks
			return ntstatus.STATUS_DEVICE_BUSY
		}
	}
	e.remove(r)
	r.checkConditional(func(f verify.Finding) { ke.Report(k, f) })
	return ntstatus.STATUS_SUCCESS
}
