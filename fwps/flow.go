package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
)

var (
	siteFlowDelete = ke.Site{Name: "env/FlowDelete/when", Alts: []string{"at once", "later"},
		Spec: "wfp.md 14"}
	siteFlowDeleteIRQL = ke.Site{Name: "env/FlowDelete/irql", Alts: []string{"dispatch", "passive"},
		Spec: "wfp.md 14"}
)

// flow is what the engine keeps about a flow of the transport: the contexts of callouts.
type flow struct{ contexts []*flowContext }

// contextState is where a flow context stands.
type contextState uint8

const (
	ctxLive    contextState = iota
	ctxLeaving              // removed, or its flow has ended; classifyFns still have it
	ctxDeleted              // flowDeleteFn has been called
)

// flowContext is what a callout keeps on a flow at one layer.
//
//	live --FwpsFlowRemoveContext0 or end of the flow, nobody has it--> deleted
//	live --the same, classifyFns have it--> leaving --the last of them returns--> deleted
//
// Invariant: it counts in reg.contexts until it is deleted, and loans is the number of classifyFns that have
// it.
type flowContext struct {
	f       *tcpip.Flow
	layer   uint16
	reg     *registration
	value   uint64
	mem     *irp.Buffer // what value is the address of, if it is pool
	loans   int
	state   contextState
	seq     uint64
	lastSeq uint64 // of what made it leave
	// enterSeq is where flowDeleteFn was entered.
	enterSeq uint64
	channel  *ke.Channel
}

// contextsOf stands, in footprints, for the contexts on a flow.
func contextsOf(f *tcpip.Flow) trace.ID { return ke.Beside.Of(f.ID) }

// attached gives what the engine keeps about a flow.
func attached(f *tcpip.Flow) *flow {
	x, _ := f.Attached.(*flow)
	if x == nil {
		x = &flow{}
		f.Attached = x
	}
	return x
}

// find gives the context of a callout at a layer; nil when there is none that lives.
func (x *flow) find(layer uint16, r *registration) *flowContext {
	for _, c := range x.contexts {
		if c.layer == layer && c.reg == r && c.state == ctxLive {
			return c
		}
	}
	return nil
}

// contextFor is the context that a call of a callout gets; nil when the flow has none.
func (c *classification) contextFor(k *ke.K, r *registration) *flowContext {
	f := c.q.Flow
	if f == nil || f.ID == 0 {
		return nil
	}
	ke.Adds(k, ke.Reads(contextsOf(f)))
	if x, ok := f.Attached.(*flow); ok {
		return x.find(c.layer, r)
	}
	return nil
}

// lend lends the context to a classifyFn.
func (x *flowContext) lend(k *ke.K) {
	ke.Adds(k, ke.Counts(contextsOf(x.f)))
	x.loans++
}

// back takes it back. Whoever removed it, or the end of its flow, may be waiting for that.
func (x *flowContext) back(k *ke.K) {
	ke.Adds(k, ke.Counts(contextsOf(x.f)))
	x.loans--
	if x.loans > 0 || x.state != ctxLeaving {
		return
	}
	ke.Adds(k, ke.Writes(contextsOf(x.f)))
	x.finish(k)
}

// FlowGone tells that an end of a connection is over: its flow contexts are deleted, in the order they were
// associated. Contexts of redirections are freed, and the chain of records is forgotten.
func (e *engine) FlowGone(k *ke.K, f *tcpip.Flow, r tcpip.Records) {
	ke.Adds(k, ke.Writes(f.ID))
	e.flows.Put(uint64(f.ID), nil)
	if x, ok := f.Attached.(*flow); ok {
		ke.Adds(k, ke.Writes(contextsOf(f)))
		for _, c := range list.Add(nil, x.contexts) {
			if c.state != ctxLive {
				continue
			}
			c.state, c.lastSeq = ctxLeaving, e.m.Log().Len()
			if c.loans == 0 {
				c.finish(k)
			}
		}
	}
	e.recordsGone(k, r)
}

// finish calls flowDeleteFn for a context that nobody has any more, at once or later.
func (x *flowContext) finish(k *ke.K) {
	x.state = ctxLeaving
	if ke.Choose(k, &siteFlowDelete, 2) == 1 {
		m := ke.Of(k)
		if x.channel == nil {
			x.channel = m.NewChannel("contexts of " + x.f.ID.String())
		}
		m.Post(x.channel, ke.Delivery{Text: "flow context deleted", Obj: x.f.ID, Touches: contextsOf(x.f),
			IRQL: &siteFlowDeleteIRQL, Run: x.delete})
		return
	}
	old := ke.IRQL(k)
	if old < ke.Dispatch && ke.Choose(k, &siteFlowDeleteIRQL, 2) == 0 {
		ke.SetIRQL(k, ke.Dispatch)
	}
	x.delete(k)
	if ke.IRQL(k) != old {
		ke.SetIRQL(k, old)
	}
}

// delete calls flowDeleteFn in the driver's name, at the caller's level.
func (x *flowContext) delete(k *ke.K) {
	r := x.reg
	x.state = ctxDeleted
	all := attached(x.f)
	for i, c := range all.contexts {
		if c == x {
			all.contexts = list.Cut(all.contexts, i)
			break
		}
	}
	if x.mem != nil {
		pool.Return(k, x.mem, x.f.ID)
		e := state.Of(k)
		e.wereContexts = append(e.wereContexts, x.mem.ID())
	}
	r.enter(k)
	ke.Point(k, ke.Writes(contextsOf(x.f)))
	ke.Push(k, ke.Frame{Kind: ke.FrameFlowDelete, Image: r.owner, Device: r.device, Object: x, Obj: x.f.ID,
		Fn: r.flowDeleteAt})
	x.enterSeq = state.Of(k).m.Log().Len()
	r.flowDelete(k, x.layer, r.id, x.value)
	ke.Pop(k)
	ke.Adds(k, ke.Counts(r.tid))
	r.contexts--
	r.leave(k)
}

// flowFor finds the flow that a flow handle names; nil after a report.
func (e *engine) flowFor(k *ke.K, id uint64, what string) *tcpip.Flow {
	ke.Adds(k, ke.Reads(trace.ID(id)))
	if f := e.flows.Get(id); f != nil {
		return f
	}
	ke.Collect(k, verify.Finding{Rule: verify.WFP_145, Obj: fmt.Sprintf("flow handle %#x", id),
		Headline: fmt.Sprintf("%s with flow handle %#x, which names no flow: it has ended, or never was",
			what, id)})
	return nil
}

// lendMemory ties the memory of a context to its flow, if its value is the address of pool: until
// flowDeleteFn it must not be freed.
func (x *flowContext) lendMemory(k *ke.K) {
	b := pool.Pointed(k, x.value)
	if b == nil || !pool.KindOf(b).Pool() {
		return
	}
	x.mem = b
	pool.LendAs(k, b, pool.Loan{Owner: x.f.ID, Rule: verify.WFP_138, Returns: true, Writable: true,
		What: "the context of a callout", BugCheck: 0xD5})
}
