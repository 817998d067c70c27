package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
)

// Where Windows is free in an arbitration.
var (
	siteOrder = ke.Site{Name: "env/WfpSublayers/order", Spec: "wfp.md 23.4"}
	siteStop  = ke.Site{Name: "doc/WfpArbitration/block", Alts: []string{"evaluates all", "stops early"},
		Spec: "wfp.md 21 #1"}
)

// Classify answers q: it evaluates the filters of q's layer, where there are any, and calls the callouts they
// name. q.Done is called before it returns unless a callout pends.
func (e *engine) Classify(k *ke.K, q *tcpip.Question) {
	layer := layerAt(q)
	defer ke.Leave(k, ke.Within(k, ke.Reads(e.id)))
	if d, ok := q.Matter.(*tcpip.StreamData); ok {
		e.streams(k, q, d)
		return
	}
	if len(e.policy.At(layer)) == 0 {
		panic("internal error: the transport asks at " + layerName(layer) + ", where nobody filters")
	}
	e.newClassification(k, q).begin(k)
}

// newClassification makes a classification of q and tells of it.
func (e *engine) newClassification(k *ke.K, q *tcpip.Question) *classification {
	c := &classification{e: e, q: q, layer: layerAt(q), reason: uint32(q.Again), reauthorize: q.Again != 0}
	c.info = layerOf(c.layer)
	c.id = e.m.NewID(trace.Classify)
	ke.Within(k, ke.Writes(c.id))
	e.remember(c)
	c.about = newSubject(k, c)
	ke.Point(k, ke.Reads(e.id))
	c.seq = ke.Log(k, trace.Event{What: trace.Note, Text: c.info.name, Obj: c.id, Obj2: q.Endpoint.ID})
	return c
}

// begin runs the filters from the start, at the layer's level.
func (c *classification) begin(k *ke.K) {
	old := ke.IRQL(k)
	switch {
	case c.info.level == levelPassive && old > ke.Passive:
		c.post(k, func(k *ke.K) { c.start(k); c.drive(k) })
		return
	case old >= ke.Dispatch:
	case c.info.level == levelDispatch, c.info.level == levelEither && ke.Choose(k, c.info.site, 2) == 0:
		ke.SetIRQL(k, ke.Dispatch)
	}
	c.start(k)
	decided := c.evaluate(k)
	if ke.IRQL(k) != old {
		ke.SetIRQL(k, old)
	}
	if decided {
		c.finish(k)
	}
}

// start makes a new arbitration.
func (c *classification) start(k *ke.K) {
	e := c.e
	stop := false
	groups := e.policy.Order(c.layer, func(n int) int { return ke.Choose(k, &siteOrder, n) })
	if len(groups) > 1 {
		stop = ke.Choose(k, &siteStop, 2) == 1
	}
	c.run = wfp.Start(groups, c, wfp.Options{StopAtHardBlock: stop,
		Skips: c.skips,
		Registered: func(f *wfp.Filter) bool {
			r := e.registered(f.Callout.Key)
			return r != nil &&
				!r.leaving
		}})
	c.phase = phRunning
}

// skips reports whether a filter does not count because its callout is called for flows with a context of its
// own only, and this one has none (wfp.md 14).
func (c *classification) skips(f *wfp.Filter) bool {
	if f.Callout == nil {
		return false
	}
	r := c.e.registered(f.Callout.Key)
	if r == nil || r.flags&FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW == 0 ||
		c.contextFor(c.e.m.Current(), r) != nil {
		return false
	}
	r.skipped = true
	return true
}

// drive goes on at the level the caller is at, and finishes when nothing is left.
func (c *classification) drive(k *ke.K) {
	if c.evaluate(k) {
		c.finish(k)
	}
}

// evaluate calls callouts until everything is decided (true) or one has pended (false).
func (c *classification) evaluate(k *ke.K) bool {
	for {
		f := c.run.Next()
		if f == nil {
			if c.watched() {
				c.again()
				c.start(k)
				continue
			}
			return true
		}
		cl := c.newCall(f, c.e.registered(f.Callout.Key))
		cl.invoke(k)
		if cl.pend == pendPending {
			c.phase, c.parked = phParked, cl
			return false
		}
		c.answer(k, cl)
	}
}

// answer takes what a call came to: the answer of classifyFn, or the completion that arrived while it ran.
func (c *classification) answer(k *ke.K, cl *call) {
	out := cl.exit
	if cl.completion != nil {
		c.again()
		if cl.completion.again {
			c.start(k)
			return
		}
		out = cl.completion.out
		cl.exit = out
	}
	c.run.Answer(wfp.Answer{Action: wfp.Action(out.ActionType),
		Write:  out.Rights&FWPS_RIGHT_ACTION_WRITE != 0,
		Absorb: out.Flags&FWPS_CLASSIFY_OUT_FLAG_ABSORB != 0})
}

// again says that callouts are asked about something they have been asked about before: what comes carries
// IS_REAUTHORIZE.
func (c *classification) again() {
	c.reauthorize = true
	c.values, c.known = nil, 0
}

// watched reports whether a callout asked to be called again if others modified the request, and others did.
func (c *classification) watched() bool {
	again := false
	newest := c.about.newest()
	for _, cl := range c.calls {
		if cl.watchers && newest != 0 && newest != cl.f.ID {
			again = true
		}
	}
	if again {
		for _, cl := range c.calls {
			cl.watchers = false
		}
	}
	return again
}

// post goes on in a context of its own: at the level of the layer, in a worker where it is PASSIVE_LEVEL.
func (c *classification) post(k *ke.K, run func(k *ke.K)) {
	_ = k
	if c.channel == nil {
		c.channel = c.e.m.NewChannel("filter engine " + c.id.String())
	}
	c.e.m.Post(c.channel, ke.Delivery{Text: "classification goes on", Obj: c.id, Touches: c.id,
		IRQL: c.info.site, Passive: c.info.level == levelPassive, Run: func(k *ke.K) {
			mark := c.enters(k)
			run(k)
			ke.Leave(k, mark)
		}})
}

// finish tells the transport.
func (c *classification) finish(k *ke.K) {
	e := c.e
	c.phase, c.result = phDecided, c.run.Verdict()
	c.reportImplicit(k)
	c.pokedAfterApply(k)
	if c.result.Vetoed {
		ke.Note(k, "veto: a callout blocked what a filter had permitted for good", c.id)
		ke.Report(k, verify.Finding{Rule: verify.WFP_060, Obj: c.id.String(), Note: true,
			Headline: fmt.Sprintf("a callout vetoes what a heavier filter permitted for good at %s: "+
				"a conflict", c.info.name)})
	}
	if c.held() {
		c.hold(k)
		return
	}
	e.forget(c)
	a := c.about.answer(k, c.result)
	c.told = a
	if !a.Permit && c.result.By != nil {
		a.Filter = c.result.By.ID
	}
	text := "permit"
	if !a.Permit {
		text = "block"
	}
	ke.Note(k, text, c.id)
	c.q.Done(k, a)
}

// held reports whether a callout has pended the operation. The pend holds it, whatever classifyFn returned
// and whoever else decided (INFERRED, as for FwpsPendClassify0: wfp.md 8.3).
func (c *classification) held() bool {
	for _, cl := range c.calls {
		if cl.op != nil {
			return true
		}
	}
	return false
}

// reportImplicit reports filters that blocked because their callout's code is not there.
func (c *classification) reportImplicit(k *ke.K) {
	for _, v := range c.run.Visits() {
		if v.Implicit && v.Answered == wfp.Block {
			ke.Report(k, verify.Finding{Rule: verify.WFP_033, Obj: filterID(v.Filter).String(),
				Headline: "a filter blocked at " + c.info.name + " because its callout is not registered",
				Fix: "set FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED, or add the filter after " +
					"registering the callout."})
		}
	}
}
