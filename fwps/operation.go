package fwps

import (
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	sitePendOperation = ke.Site{Name: "fault/FwpsPendOperation0",
		Alts: []string{"succeeds", "STATUS_FWP_TCPIP_NOT_READY"}, Spec: "wfp.md 13.1"}
	siteResumeOperation = ke.Site{Name: "doc/FwpsCompleteOperation0/resume",
		Alts: []string{"deferred", "inline"}, Spec: "wfp.md 13.2, 21 #28"}
)

// completionHandle is what the metadata of a call name the operation by that is being authorised.
type completionHandle struct{ call *call }

// operation is one callout's hold on an operation that is being authorised: what a completion context names.
// The operation goes on when every callout that holds it has completed (wfp.md 13.2).
//
//	held --FwpsCompleteOperation0--> completed
//
// Invariant: it stands in engine.held exactly as long as it is not completed.
type operation struct {
	call       *call
	completed  bool
	completing bool                  // FwpsCompleteOperation0 is on a stack
	clone      *ndis.NET_BUFFER_LIST // what it was completed with: to be injected

	pendSeq, completeSeq uint64
}

// places are the events a report about the operation cites.
func (o *operation) places() []verify.Place {
	out := []verify.Place{{Label: "PENDED", Seq: o.pendSeq}}
	if o.completeSeq != 0 {
		out = append(out, verify.Place{Label: "FIRST_COMPLETION", Seq: o.completeSeq})
	}
	return out
}

// FwpsPendOperation0 suspends the bind, listen, connect or accept that classifyFn is asked to authorise,
// until FwpsCompleteOperation0. classifyFn then returns FWP_ACTION_BLOCK with FWPS_CLASSIFY_OUT_FLAG_ABSORB,
// and FWPS_RIGHT_ACTION_WRITE cleared. The packet that wanted to be authorised, if there is one, is dropped.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller completes with completionContext once; the program may close its socket meanwhile.
// Returns: STATUS_SUCCESS; STATUS_FWP_CANNOT_PEND in a reauthorization; STATUS_FWP_NULL_POINTER for NULL, as
// the handle is at layers that have none; STATUS_FWP_TCPIP_NOT_READY; STATUS_INVALID_PARAMETER for a handle
// of another call.
// Rules: WFP-001, WFP-009, WFP-075, WFP-125 to WFP-131.
// Reference: fwpsk/nf-fwpsk-fwpspendoperation0.
func FwpsPendOperation0(k *irql.K, completionHandle irql.HANDLE,
	completionContext *irql.HANDLE) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsPendOperation0)
	e := state.Of(k)
	cl := callOf(k)
	if cl == nil {
		ke.Report(k, verify.Finding{Rule: verify.WFP_009, Obj: "operation",
			Headline: "FwpsPendOperation0 is called outside of a classifyFn",
			Fix:      "pend inside classifyFn; only completion comes later."})
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	ke.Point(k, ke.Writes(cl.c.id))
	s := cl.mayHold(k, completionHandle, completionContext)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &sitePendOperation) {
		s = ntstatus.STATUS_FWP_TCPIP_NOT_READY
	}
	seq := ke.CallStatus(k, ddi.FwpsPendOperation0, cl.c.id, uint32(s))
	if s != ntstatus.STATUS_SUCCESS {
		return s
	}
	if p, ok := cl.c.about.(*carried); ok && p.ownUnasked(cl.reg.owner) {
		cl.found(k, verify.WFP_164, fmt.Sprintf("FwpsPendOperation0 of a packet that %s has injected, "+
			"without asking whether it has", cl.reg.owner.Name), "")
	}
	ke.Adds(k, ke.Counts(cl.reg.tid))
	cl.op = &operation{call: cl, pendSeq: seq}
	cl.c.holders++
	e.held = append(e.held, cl.op)
	*completionContext = irql.HANDLE(e.handles.add(cl.op))
	return s
}

// callOf is the call of the innermost classifyFn on the stack of k, nil outside of any.
func callOf(k *ke.K) *call {
	frames := ke.Frames(k)
	for i := len(frames) - 1; i >= 0; i-- {
		if cl, ok := frames[i].Object.(*call); ok {
			return cl
		}
	}
	return nil
}

// mayHold makes the checks of FwpsPendOperation0. What Windows answers with a documented status is collected.
func (cl *call) mayHold(k *ke.K, handle irql.HANDLE, out *irql.HANDLE) ntstatus.NTSTATUS {
	bad := func(r verify.RuleID, headline, fix string) {
		ke.Collect(k, verify.Finding{Rule: r, Obj: cl.c.id.String(), Places: cl.places(), Headline: headline,
			Fix: fix})
	}
	h, _ := cl.c.e.handles.find(uint64(handle)).(*completionHandle)
	switch {
	case !cl.c.info.pendOperation:
		bad(verify.WFP_125, "FwpsPendOperation0 at "+cl.c.info.name+", which cannot be pended this way", "")
		if handle == 0 {
			return ntstatus.STATUS_FWP_NULL_POINTER
		}
		return ntstatus.STATUS_FWP_CANNOT_PEND
	case handle == 0:
		bad(verify.WFP_127, "FwpsPendOperation0 with a completion handle that is NULL", "")
		return ntstatus.STATUS_FWP_NULL_POINTER
	case out == nil:
		return ntstatus.STATUS_FWP_NULL_POINTER
	case h == nil || h.call != cl:
		cl.found(k, verify.WFP_009, fmt.Sprintf("FwpsPendOperation0 with %#x, which is not the completion "+
			"handle of this call", uint64(handle)), "pass metadata completionHandle of the current call.")
		return ntstatus.STATUS_INVALID_PARAMETER
	case cl.c.reauthorize:
		rule, why := cl.pendsAgain()
		bad(rule, why, "")
		return ntstatus.STATUS_FWP_CANNOT_PEND
	case cl.op != nil:
		cl.found(k, verify.WFP_075, "FwpsPendOperation0 is called twice for one call of classifyFn", "")
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	return ntstatus.STATUS_SUCCESS
}

// pendsAgain says which mistake it is to pend a reauthorization: of an operation that the driver has just
// completed it means that the driver does not know its own decision.
func (cl *call) pendsAgain() (verify.RuleID, string) {
	if before := cl.c.before; before != nil {
		for _, o := range before.calls {
			switch {
			case o.op == nil || o.reg.owner != cl.reg.owner:
			case o.op.completing:
				return verify.WFP_130, fmt.Sprintf("%v is authorised again from inside "+
					"FwpsCompleteOperation0 of %v, and the driver pends it again: its decision is not there "+
					"yet", cl.c.id, before.id)
			default:
				return verify.WFP_131, fmt.Sprintf("%v is pended again, although the driver has completed "+
					"it (%v)", cl.c.id, before.id)
			}
		}
	}
	return verify.WFP_126, "FwpsPendOperation0 in a reauthorization"
}

// checkHeld judges the return of a classifyFn that has pended its operation.
func (cl *call) checkHeld(k *ke.K) {
	s, ok := cl.c.about.(*carried)
	if ok && s.packet.Proto != tcpip.TCP && !ndis.Sim.Held(s.nbl) && !ndis.Sim.Looked(s.nbl) {
		cl.found(k, verify.WFP_134, fmt.Sprintf("classifyFn pended the operation of %v and has neither "+
			"looked at the datagram nor cloned it: it is lost", cl.c.id), "")
	}
	x := &cl.exit
	if x.ActionType == FWP_ACTION_BLOCK && x.Rights&write == 0 && x.Flags&FWPS_CLASSIFY_OUT_FLAG_ABSORB != 0 {
		return
	}
	absorb := "without"
	if x.Flags&FWPS_CLASSIFY_OUT_FLAG_ABSORB != 0 {
		absorb = "with"
	}
	cl.found(k, verify.WFP_128, fmt.Sprintf("classifyFn pended the operation and returns %v with "+
		"FWPS_RIGHT_ACTION_WRITE %s, %s FWPS_CLASSIFY_OUT_FLAG_ABSORB", x.ActionType, setOrClear(x.Rights),
		absorb), "")
}

// FwpsCompleteOperation0 ends the hold that FwpsPendOperation0 began. A connect, bind or listen is then
// authorised again, before the routine returns or later, with FWP_CONDITION_FLAG_IS_REAUTHORIZE; an accept is
// not: what the driver has cloned of it has to be injected.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: netBufferList, the clone that will be injected at ALE_AUTH_RECV_ACCEPT, stays the caller's.
// Rules: WFP-001, WFP-080, WFP-129, WFP-132, WFP-135.
// Not modelled: the reauthorization of an operation whose socket is closed goes on as if it were open.
// Reference: fwpsk/nf-fwpsk-fwpscompleteoperation0.
func FwpsCompleteOperation0(k *irql.K, completionContext irql.HANDLE,
	netBufferList *ndis.NET_BUFFER_LIST) {
	ke.Enter(k, ddi.FwpsCompleteOperation0)
	e := state.Of(k)
	o := e.operationFor(k, completionContext)
	if o == nil {
		return
	}
	c := o.call.c
	ke.Point(k, ke.Writes(c.id))
	if o.completed {
		ke.Report(k, verify.Finding{Rule: verify.WFP_129, Obj: c.id.String(), Places: o.places(),
			Headline: fmt.Sprintf("the operation of %v is completed a second time", c.id)})
		return
	}
	ke.Adds(k, ke.Counts(o.call.reg.tid))
	e.holdsOperation(k, o)
	o.completed = true
	if netBufferList != nil && c.q.At == tcpip.AuthRecvAccept {
		o.clone = netBufferList
		e.announced = append(e.announced, o)
	}
	c.holders--
	e.unhold(o)
	o.completeSeq = ke.Call(k, ddi.FwpsCompleteOperation0, c.id)
	if c.holders == 0 && c.phase == phHeld {
		o.completing = true
		c.release(k)
		o.completing = false
	}
}

// operationFor finds what a completion context names.
func (e *engine) operationFor(k *ke.K, num irql.HANDLE) *operation {
	obj := e.handles.find(uint64(num))
	if o, ok := obj.(*operation); ok {
		return o
	}
	f := verify.Finding{Rule: verify.WFP_135, Obj: fmt.Sprintf("handle %#x", uint64(num)),
		Headline: fmt.Sprintf("FwpsCompleteOperation0 with %#x, which is no completion context", uint64(num))}
	if h, ok := obj.(*completionHandle); ok {
		f.Obj, f.Places = h.call.c.id.String(), h.call.places()
		f.Headline = "FwpsCompleteOperation0 with the completion handle of " + f.Obj + " in place of the " +
			"context that FwpsPendOperation0 gave"
	}
	ke.Report(k, f)
	return nil
}

func (e *engine) unhold(o *operation) {
	for i, h := range e.held {
		if h == o {
			e.held = list.Cut(e.held, i)
			return
		}
	}
}

// heldBy counts the operations that a callout holds, and gives the first.
func (e *engine) heldBy(r *registration) (n int, first *operation) {
	for _, o := range e.held {
		if o.call.reg == r {
			if n++; n == 1 {
				first = o
			}
		}
	}
	return n, first
}

// hold tells the transport that callouts hold the operation. The last of them may have completed it while a
// classifyFn still ran.
func (c *classification) hold(k *ke.K) {
	c.phase = phHeld
	ke.Note(k, "held", c.id)
	if s, ok := c.about.(*carried); ok {
		s.over(k) // the stack drops what it carries when the pend takes effect (wfp.md 13.2)
	}
	if s, ok := c.about.(*carried); ok {
		s.over(k)
	}
	c.q.Done(k, tcpip.Answer{Hold: true})
	if c.holders == 0 {
		c.release(k)
	}
}

// release goes on with an operation that nobody holds any more. At AUTH_RECV_ACCEPT that is its end: the
// packet went when it was pended, and the clone that is injected is authorised by itself (wfp.md 13.2).
// Elsewhere everybody is asked again, now on the stack of who completes, or in another context.
func (c *classification) release(k *ke.K) {
	defer ke.Leave(k, c.enters(k))
	c.phase = phDecided
	c.e.forget(c)
	if c.q.At == tcpip.AuthRecvAccept {
		c.q.Done(k, tcpip.Answer{Absorb: true, Status: ntstatus.STATUS_ACCESS_DENIED})
		return
	}
	n := c.e.newClassification(k, c.q)
	n.reauthorize, n.reason, n.before = true, FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION, c
	inline := false
	if c.info.level != levelPassive || ke.IRQL(k) == ke.Passive {
		inline = ke.Choose(k, &siteResumeOperation, 2) == 1
	}
	if inline {
		n.begin(k)
		return
	}
	n.post(k, func(k *ke.K) { n.start(k); n.drive(k) })
}
