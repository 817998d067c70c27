package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// This file is what package fwpm builds on. Drivers have no use for it.

// PolicyID names the policy in footprints.
func (sim) PolicyID(k *ke.K) trace.ID { return state.Of(k).id }

// Policy returns the management objects in force.
func (sim) Policy(k *ke.K) *wfp.Policy {
	e := state.Of(k)
	ke.Adds(k, ke.Reads(e.id))
	return e.policy
}

// SetPolicy puts a policy in force, and tells the transport where it filters.
func (sim) SetPolicy(k *ke.K, p *wfp.Policy) {
	e := state.Of(k)
	ke.Adds(k, ke.Writes(e.id))
	var wants tcpip.Wants
	for s := range layersAt {
		for _, v6 := range []bool{false, true} {
			s, layer := tcpip.Layer(s), layersAt[s][family(v6)]
			if layer == FWPS_LAYER_INBOUND_RESERVED2 {
				continue
			}
			if p.Differs(e.policy, layer) {
				ke.Adds(k, ke.Writes(tcpip.StationID(s, v6)))
				tcpip.Of(k).PolicyChanged(s, v6)
			}
			if len(p.At(layer)) > 0 {
				wants.Add(s, v6)
			}
		}
	}
	e.policy = p
	tcpip.Of(k).SetWants(wants)
}

// NewHandle gives a number to an object of package fwpm.
func (sim) NewHandle(k *ke.K, obj any) irql.HANDLE { return irql.HANDLE(state.Of(k).handles.add(obj)) }

// FindHandle returns what a number names.
func (sim) FindHandle(k *ke.K, h irql.HANDLE) any { return state.Of(k).handles.find(uint64(h)) }

// SessionOpened notes a session for the checks at unload.
func (sim) SessionOpened(k *ke.K, session any, seq uint64) {
	g := &state.Of(k).mgmt
	g.ever = true
	g.sessions, g.owners, g.seqs = append(g.sessions, session), append(g.owners, ke.Acting(k)), append(g.seqs,
		seq)
}

// SessionEver reports whether a session was ever opened.
func (sim) SessionEver(k *ke.K) bool { return state.Of(k).mgmt.ever }

// Registered reports whether there is code behind a callout's key.
func (sim) Registered(k *ke.K, key GUID) bool {
	e := state.Of(k)
	ke.Adds(k, ke.Reads(e.id))
	return e.registered(key) != nil
}

// SessionClosed forgets a session.
func (sim) SessionClosed(k *ke.K, session any) {
	g := &state.Of(k).mgmt
	for i, s := range g.sessions {
		if s == session {
			g.sessions = list.Cut(g.sessions, i)
			g.owners = list.Cut(g.owners, i)
			g.seqs = list.Cut(g.seqs, i)
			return
		}
	}
}

// NextCalloutID gives a management callout its run-time number: that of the registration, if there is one
// already.
func (sim) NextCalloutID(k *ke.K, key GUID) uint32 {
	e := state.Of(k)
	ke.Adds(k, ke.Writes(e.id))
	if r := e.registered(key); r != nil {
		return r.id
	}
	e.nextCallout++
	return e.nextCallout
}

// NextFilterID gives a filter its run-time number.
func (sim) NextFilterID(k *ke.K) uint64 {
	e := state.Of(k)
	ke.Adds(k, ke.Writes(e.id))
	e.nextFilter++
	return e.nextFilter - 1
}

// NotifyAdded tells the callout of a filter that the filter is being added. A failure vetoes the addition.
// Without registered code nobody is told.
func (sim) NotifyAdded(k *ke.K, f *wfp.Filter) ntstatus.NTSTATUS {
	e := state.Of(k)
	ke.Adds(k, ke.Writes(e.id))
	e.checkSublayer(k, f)
	e.checkWeight(k, f)
	e.noteWatch(f)
	if f.Callout == nil {
		return ntstatus.STATUS_SUCCESS
	}
	r := e.registered(f.Callout.Key)
	if r == nil {
		return ntstatus.STATUS_SUCCESS
	}
	e.checkVersion(k, r, f)
	if ke.Choose(k, &siteNotifyType, 2) == 1 {
		e.notifyUnknown(k, r, f)
	}
	key := f.Key
	return e.notify(k, r, FWPS_CALLOUT_NOTIFY_ADD_FILTER, &key, f)
}

// unknownNotify is a reason that no version of Windows gives today.
const unknownNotify FWPS_CALLOUT_NOTIFY_TYPE = 99

// notifyUnknown calls notifyFn as a later version of Windows may do.
func (e *engine) notifyUnknown(k *ke.K, r *registration, f *wfp.Filter) {
	if s := e.notify(k, r, unknownNotify, nil, f); !ntstatus.NT_SUCCESS(s) {
		ke.Report(k, verify.Finding{Rule: verify.WFP_025, Obj: r.tid.String(), Driver: imageNameOf(r.owner),
			Headline: fmt.Sprintf("notifyFn returns %v for a notification type it does not know", s),
			Fix:      "return STATUS_SUCCESS for everything that is not understood."})
	}
}

// NotifyCommitted tells callouts that asked for it that a filter is in force.
func (sim) NotifyCommitted(k *ke.K, f *wfp.Filter) {
	e := state.Of(k)
	ke.Adds(k, ke.Writes(e.id))
	if f.Callout == nil {
		return
	}
	if r := e.registered(f.Callout.Key); r != nil && r.flags&FWP_CALLOUT_FLAG_ENABLE_COMMIT_ADD_NOTIFY != 0 {
		key := f.Key
		e.notify(k, r, FWPS_CALLOUT_NOTIFY_ADD_FILTER_POST_COMMIT, &key, f)
	}
}

// NotifyDeleted tells the callout of a filter that the filter is gone. The key is NULL then, and the callout
// may never have heard of the filter (wfp.md 2.4).
func (sim) NotifyDeleted(k *ke.K, f *wfp.Filter) {
	e := state.Of(k)
	ke.Adds(k, ke.Writes(e.id))
	f.Deleted = true
	if f.Callout == nil {
		return
	}
	r := e.registered(f.Callout.Key)
	if r != nil {
		ke.Adds(k, ke.Writes(r.tid))
	}
	if r != nil {
		e.notify(k, r, FWPS_CALLOUT_NOTIFY_DELETE_FILTER, nil, f)
	}
}

// notify calls notifyFn in the driver's name. What it stored in Context is kept.
func (e *engine) notify(k *ke.K, r *registration, t FWPS_CALLOUT_NOTIFY_TYPE, key *GUID,
	f *wfp.Filter) ntstatus.NTSTATUS {
	old := ke.IRQL(k)
	if old < ke.Dispatch && ke.Choose(k, &siteNotify, 2) == 1 {
		ke.SetIRQL(k, ke.Dispatch)
	}
	r.enter(k)
	rf := runtimeFilter(f)
	rf.Action.CalloutId = r.id
	ke.Push(k, ke.Frame{Kind: ke.FrameNotify, Image: r.owner, Device: r.device, Object: r, Obj: r.tid,
		Fn: r.notifyAt})
	s := r.notify(k, t, key, rf)
	ke.PopStatus(k, s)
	ke.Adds(k, ke.Writes(e.id))
	if t == FWPS_CALLOUT_NOTIFY_ADD_FILTER {
		f.Context = rf.Context
	}
	*rf = FWPS_FILTER1{FilterId: poisonWord, SubLayerWeight: poisonWord & 0xffff, Context: poisonWord}
	r.leave(k)
	if ke.IRQL(k) != old {
		ke.SetIRQL(k, old)
	}
	return s
}

// checkSublayer warns about a second callout filter in a sublayer: the first one to decide ends the sublayer.
func (e *engine) checkSublayer(k *ke.K, f *wfp.Filter) {
	if f.Callout == nil || f.Action == wfp.CalloutInspection {
		return
	}
	for _, o := range e.policy.Beside(f) {
		if o.Callout != nil && o.Callout != f.Callout && o.Action != wfp.CalloutInspection && o.Overlaps(f) {
			ke.Report(k, verify.Finding{Rule: verify.WFP_030, Obj: filterID(f).String(),
				Headline: "two callouts share a sublayer at " + layerName(f.Layer) +
					": the lighter one is skipped when the other decides",
				Fix: "add a sublayer of its own for each callout."})
			return
		}
	}
}

// checkWeight warns about a callout in a sublayer before that of the system (wfp.md 3.6).
func (e *engine) checkWeight(k *ke.K, f *wfp.Filter) {
	info := layerOf(f.Layer)
	sub := e.policy.Sublayer(universal)
	if f.Callout == nil || f.Sublayer.Weight <= sub.Weight || !info.ale && !info.transport() {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.WFP_031, Obj: filterID(f).String(),
		Headline: fmt.Sprintf("a callout at %s stands in a sublayer of weight %#x, before "+
			"FWPM_SUBLAYER_UNIVERSAL with %#x", info.name, f.Sublayer.Weight, sub.Weight)})
}
