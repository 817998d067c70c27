package fwps

import (
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// checkUnload makes this package's checks when a driver's unload routine has returned.
func (e *engine) checkUnload(m *ke.Machine, img *ke.Image) {
	ctx := "unload of " + img.Name
	report := func(f verify.Finding) {
		f.Driver, f.Ctx = img.Name, ctx
		e.describe(&f)
		m.ReportEnd(f)
	}
	for _, r := range e.regs {
		if r.owner == img {
			report(r.leftBehind())
		}
	}
	e.checkRefused(img, report)
	e.checkAnnounced(img, report)
	for _, h := range e.redirects {
		if h.owner == img && h.alive {
			report(verify.Finding{Rule: verify.WFP_098, Also: []verify.RuleID{verify.UNLOAD_008},
				Obj:      h.id.String(),
				Headline: fmt.Sprintf("%s is unloaded and %v is not destroyed", img.Name, h.id),
				Places:   []verify.Place{{Label: "CREATED", Seq: h.seq}},
				Fix:      "call FwpsRedirectHandleDestroy0 in the unload routine."})
		}
	}
	for _, h := range e.injections {
		if h.owner == img {
			report(verify.Finding{Rule: verify.WFP_017, Obj: h.id.String(), Places: h.places(),
				Headline: fmt.Sprintf("%s is unloaded and %v is not destroyed", img.Name, h.id)})
		}
	}
	for _, c := range e.open {
		for _, cl := range c.calls {
			if cl.reg.owner == img && cl.pend == pendPending {
				report(verify.Finding{Rule: verify.WFP_019, Obj: c.id.String(), Places: cl.places(),
					Headline: fmt.Sprintf("%s is unloaded with %v pended", img.Name, c.id),
					Fix:      "complete everything that is pended before returning from the unload routine."})
			}
		}
	}
	for _, o := range e.held {
		if cl := o.call; cl.reg.owner == img {
			report(verify.Finding{Rule: verify.WFP_019, Obj: cl.c.id.String(), Places: o.places(),
				Headline: fmt.Sprintf("%s is unloaded with the operation of %v pended", img.Name, cl.c.id),
				Fix:      "complete everything that is pended before returning from the unload routine."})
		}
	}
	e.checkHandles(img, report)
	e.checkWatch(img, report)
	for i := range e.mgmt.sessions {
		if e.mgmt.owners[i] == img {
			report(verify.Finding{Rule: verify.WFP_037, Obj: "engine",
				Headline: fmt.Sprintf("%s is unloaded with a session to the filter engine open", img.Name),
				Places:   []verify.Place{{Label: "OPENED", Seq: e.mgmt.seqs[i]}},
				Fix:      "call FwpmEngineClose0."})
		}
	}
}

// leftBehind is the finding for a callout that is registered when its driver goes.
func (r *registration) leftBehind() verify.Finding {
	f := verify.Finding{Rule: verify.WFP_013, Also: []verify.RuleID{verify.UNLOAD_008}, Obj: r.tid.String(),
		BugCheck: 0xCE,
		Headline: fmt.Sprintf("%s is unloaded and %v is still registered", imageNameOf(r.owner), r.tid),
		Places:   []verify.Place{{Label: "REGISTERED", Seq: r.seq}},
		Fix:      "call FwpsCalloutUnregisterById0 in the unload routine, until it succeeds."}
	if r.lastSeq != 0 {
		f.Places = append(f.Places, verify.Place{Label: "UNREGISTER_FAILED", Seq: r.lastSeq})
		f.Headline += fmt.Sprintf(": the last attempt to unregister it returned %v", r.last)
		f.Rule = verify.WFP_015
		if r.last == ntstatus.STATUS_DEVICE_BUSY {
			f.Rule = verify.WFP_014
		}
		if r.contexts > 0 {
			f.Rule, f.Also = verify.WFP_142, append(f.Also, verify.WFP_014)
			f.Headline += fmt.Sprintf(", since %d flows have contexts of it", r.contexts)
			f.Fix = ""
		}
	}
	return f
}

// checkHandles reports classify handles that the driver acquired and did not release.
func (e *engine) checkHandles(img *ke.Image, report func(verify.Finding)) {
	for _, h := range e.acquired {
		if cl := h.call; (img == nil || cl.reg.owner == img) && h.acquired > h.released &&
			cl.c.phase == phDecided && !cl.handleTold {
			cl.handleTold = true
			report(verify.Finding{Rule: verify.WFP_061, Obj: h.id.String(),
				Driver: imageNameOf(h.call.reg.owner),
				Headline: fmt.Sprintf("%v is decided and %v is not released: %d acquired, %d released",
					h.call.c.id, h.id, h.acquired, h.released),
				Places: append(h.call.places(), verify.Place{Label: "ACQUIRED", Seq: h.seq}),
				Fix: "call FwpsReleaseClassifyHandle0 once for each successful " +
					"FwpsAcquireClassifyHandle0."})
		}
	}
}

// checkEnd makes this package's checks when a run is over.
func (e *engine) checkEnd(m *ke.Machine) {
	report := func(f verify.Finding) {
		e.describe(&f)
		m.ReportEnd(f)
	}
	for _, c := range e.open {
		for _, cl := range c.calls {
			if cl.pend == pendPending {
				report(verify.Finding{Rule: verify.WFP_067, Obj: c.id.String(),
					Driver: imageNameOf(cl.reg.owner), Places: cl.places(),
					Headline: fmt.Sprintf("%v was pended and never completed: the operation of %s hangs",
						c.id, imageName(c.q.Endpoint.Process)),
					Fix: "call FwpsCompleteClassify0 on every path, also when a step before it fails."})
			}
		}
	}
	for _, o := range e.held {
		c := o.call.c
		report(verify.Finding{Rule: verify.WFP_129, Obj: c.id.String(), Driver: imageNameOf(o.call.reg.owner),
			Places: o.places(), Headline: fmt.Sprintf("the operation of %v was pended and never completed: "+
				"%s of %s hangs", c.id, c.info.name, imageName(c.q.Endpoint.Process))})
	}
	e.checkHandles(nil, report)
	e.checkWatch(nil, report)
	e.checkRefused(nil, report)
	e.checkDeferred(report)
	e.checkAnnounced(nil, report)
	for _, r := range e.regs {
		r.checkConditional(report)
		if d := r.device.DriverObject; d != nil && d.DriverUnload == nil && !r.owner.Unloaded {
			report(verify.Finding{Rule: verify.WFP_018, Obj: r.tid.String(), Driver: imageNameOf(r.owner),
				Headline: fmt.Sprintf("%s registered %v and has no unload routine", imageNameOf(r.owner),
					r.tid),
				Places: []verify.Place{{Label: "REGISTERED", Seq: r.seq}},
				Fix:    "set DriverUnload in DriverEntry."})
		}
	}
}

// checkRefused reports memory that was to be a flow context, was not taken, and is still there: whoever tests
// the status of the association with NT_SUCCESS forgets it.
func (e *engine) checkRefused(img *ke.Image, report func(verify.Finding)) {
	for i := range e.refused {
		c := &e.refused[i]
		if c.mem == nil || img != nil && c.owner != img || pool.Gone(c.mem) || pool.Lent(c.mem) {
			continue
		}
		report(verify.Finding{Rule: verify.WFP_137, Obj: c.flow.String(), Driver: imageNameOf(c.owner),
			Headline: fmt.Sprintf("%v was to be a context on %v, which has one already, and is not freed",
				c.mem.ID(), c.flow),
			Places: []verify.Place{{Label: "NOT_ASSOCIATED", Seq: c.seq}}})
		c.mem = nil
	}
}

// checkConditional reports a callout that was never called because it has never had a flow context.
func (r *registration) checkConditional(report func(verify.Finding)) {
	if r.skipped && !r.associated {
		report(verify.Finding{Rule: verify.WFP_146, Obj: r.tid.String(), Driver: imageNameOf(r.owner),
			Headline: fmt.Sprintf("%v is called for flows with a context of it only, and has had none",
				r.tid),
			Places: []verify.Place{{Label: "REGISTERED", Seq: r.seq}}})
	}
}

// checkAnnounced reports accepts that were completed with a clone which was never injected.
func (e *engine) checkAnnounced(img *ke.Image, report func(verify.Finding)) {
	for _, o := range e.announced {
		r := o.call.reg
		if o.clone == nil || img != nil && r.owner != img || ndis.Sim.WasInjected(o.clone) {
			continue
		}
		report(verify.Finding{Rule: verify.WFP_132, Obj: o.call.c.id.String(), Driver: imageNameOf(r.owner),
			Places: o.places(), Headline: fmt.Sprintf("the operation of %v was completed with %v, which was "+
				"never injected: the connection is not accepted", o.call.c.id, o.clone.ID())})
		o.clone = nil
	}
}

// checkDeferred reports streams that were deferred and not gone on with.
func (e *engine) checkDeferred(report func(verify.Finding)) {
	for _, st := range e.deferrals {
		if st.deferred == 0 || st.of.g.Over() {
			continue
		}
		st.deferred = 0
		report(verify.Finding{Rule: verify.WFP_156, Obj: st.of.q.Flow.ID.String(), Driver: imageNameOf(st.by),
			Places: []verify.Place{{Label: "DEFERRED", Seq: st.deferSeq}},
			Headline: fmt.Sprintf("what comes in on %v was deferred and never gone on with",
				st.of.q.Flow.ID)})
	}
}
