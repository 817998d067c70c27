package fwps

import (
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/ntstatus"
)

// noteWatch remembers a filter at ALE_AUTH_CONNECT. It stays remembered when the filter is gone.
func (e *engine) noteWatch(f *wfp.Filter) {
	if f.Callout == nil || !authConnect(f.Layer) {
		return
	}
	w := authWatch{key: f.Callout.Key}
	if r := e.registered(w.key); r != nil {
		w.owner = r.owner
	}
	e.watches = append(e.watches, w)
}

// noteWatcher is noteWatch for code that is registered after the filter was added.
func (e *engine) noteWatcher(r *registration) {
	for i := range e.watches {
		if w := &e.watches[i]; w.key == r.key && w.owner == nil {
			w.owner = r.owner
		}
	}
}

func (e *engine) watched(owner image) bool {
	for i := range e.watches {
		if e.watches[i].owner == owner {
			return true
		}
	}
	return false
}

// noteRedirection remembers that a driver redirects, for WFP-119. It is judged when the driver is gone or the
// run over, by what the driver did in all its life: while it starts its filters come one by one, when it
// stops they go before the classifications it has pended, and a start that fails half-way watches nothing.
func (e *engine) noteRedirection(cl *call, seq uint64) {
	owner := cl.reg.owner
	s, done := cl.reg.device.DriverObject.EntryStatus()
	if owner == nil || !done || !ntstatus.NT_SUCCESS(s) {
		return
	}
	for i := range e.redirectors {
		if e.redirectors[i].owner == owner {
			return
		}
	}
	e.redirectors = append(e.redirectors, redirector{owner: owner, call: cl, seq: seq})
}

// checkWatch reports WFP-119 once for a driver; for all that are loaded if img is nil.
func (e *engine) checkWatch(img image, report func(verify.Finding)) {
	for i := range e.redirectors {
		r := &e.redirectors[i]
		if r.told || img != nil && r.owner != img || img == nil && r.owner.Unloaded || e.watched(r.owner) {
			continue
		}
		r.told = true
		report(verify.Finding{Rule: verify.WFP_119, Obj: r.call.c.id.String(), Driver: r.owner.Name,
			Headline: r.owner.Name + " redirects connections and has had no callout at ALE_AUTH_CONNECT",
			Places:   append(r.call.places(), verify.Place{Label: "ACQUIRED", Seq: r.seq}),
			Fix:      "register there too and look for FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED."})
	}
}
