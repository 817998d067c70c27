package fwps

import (
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteCloneStream = ke.Site{Name: "fault/FwpsCloneStreamData0",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wfp.md 15"}

// streamInjecting is one call of FwpsStreamInjectAsync0.
type streamInjecting struct {
	injecting
	st     *stage
	data   []byte
	fin    bool
	inline bool // from the classifyFn that is asked about the stream
}

// FwpsStreamInjectAsync0 adds data to a stream: from classifyFn, in front of what it is asked about; from
// elsewhere behind what the callout has let on or injected before. Lighter callouts see it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the lists are the stack's until completionFn, which is called once for each; on failure they
// stay the caller's.
// Returns: STATUS_SUCCESS; STATUS_FWP_INVALID_PARAMETER for flags that do not fit, or NULL without a
// disconnect; STATUS_FWP_NULL_POINTER without completionFn; STATUS_FWP_INJECT_HANDLE_CLOSING;
// STATUS_FWP_TCPIP_NOT_READY; STATUS_NOT_FOUND for a flow that has ended; STATUS_INVALID_PARAMETER for a
// handle of another type.
// Rules: WFP-001, WFP-073, WFP-145, WFP-150, WFP-158, WFP-159, WFP-160, WFP-166, WFP-168, WFP-169.
// Not modelled: expedited data.
// Reference: fwpsk/nf-fwpsk-fwpsstreaminjectasync0.
func FwpsStreamInjectAsync0(k *irql.K, injectionHandle, injectionContext irql.HANDLE, flags uint32,
	flowId uint64, calloutId uint32, layerId uint16, streamFlags uint32, netBufferList *ndis.NET_BUFFER_LIST,
	dataLength uint64, completionFn FWPS_INJECT_COMPLETE0, completionContext any) ntstatus.NTSTATUS {
	const d = ddi.FwpsStreamInjectAsync0
	ke.Enter(k, d)
	e := state.Of(k)
	in := &streamInjecting{injecting: injecting{d: d, handle: injectionHandle, context: injectionContext,
		flags: flags, nbl: netBufferList, fn: completionFn, fnContext: completionContext},
		fin: streamFlags&(FWPS_STREAM_FLAG_RECEIVE_DISCONNECT|FWPS_STREAM_FLAG_SEND_DISCONNECT) != 0}
	h, s := in.allowed(k, streamFlags)
	if s == ntstatus.STATUS_SUCCESS {
		ke.Point(k, ke.Writes(h.id))
		s = in.finds(k, flowId, calloutId, layerId, streamFlags)
	}
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteInject) {
		s = ntstatus.STATUS_FWP_TCPIP_NOT_READY
	}
	id := netBufferList.ID()
	seq := ke.CallStatus(k, d, id, uint32(s))
	switch {
	case s == ntstatus.STATUS_SUCCESS:
		in.enters(k, e, h, seq)
	case netBufferList != nil:
		ndis.Sim.Refused(netBufferList, seq)
	}
	return s
}

// allowed judges what was passed, but for the flow.
func (in *streamInjecting) allowed(k *ke.K, flags uint32) (*injection, ntstatus.NTSTATUS) {
	bad := func(r verify.RuleID, s ntstatus.NTSTATUS, headline string) (*injection, ntstatus.NTSTATUS) {
		ke.Collect(k, verify.Finding{Rule: r, Obj: "stream", Headline: "FwpsStreamInjectAsync0 " + headline})
		return nil, s
	}
	const receives = FWPS_STREAM_FLAG_RECEIVE_EXPEDITED | FWPS_STREAM_FLAG_RECEIVE_DISCONNECT |
		FWPS_STREAM_FLAG_RECEIVE_PUSH
	const sends = FWPS_STREAM_FLAG_SEND_EXPEDITED | FWPS_STREAM_FLAG_SEND_NODELAY |
		FWPS_STREAM_FLAG_SEND_DISCONNECT
	receive, send := flags&FWPS_STREAM_FLAG_RECEIVE != 0, flags&FWPS_STREAM_FLAG_SEND != 0
	switch {
	case receive == send, !receive && flags&receives != 0, !send && flags&sends != 0:
		return bad(verify.WFP_158, ntstatus.STATUS_FWP_INVALID_PARAMETER,
			fmt.Sprintf("with flags %#x: one of RECEIVE and SEND, and those of that direction", flags))
	case in.fn == nil:
		return bad(verify.WFP_159, ntstatus.STATUS_FWP_NULL_POINTER, "without completionFn")
	case in.nbl == nil && !in.fin:
		return bad(verify.WFP_159, ntstatus.STATUS_FWP_INVALID_PARAMETER,
			"with NULL in place of data, and without a disconnect")
	}
	if s := flagsZero(k, 0, "FwpsStreamInjectAsync0", in.flags); s != ntstatus.STATUS_SUCCESS {
		return nil, s
	}
	h := state.Of(k).injection(k, in.d, in.handle)
	switch {
	case h == nil:
		return nil, ntstatus.STATUS_INVALID_PARAMETER
	case h.types&FWPS_INJECTION_TYPE_STREAM == 0:
		return bad(verify.WFP_168, ntstatus.STATUS_INVALID_PARAMETER, "with "+h.id.String()+
			", which was not created for it")
	case h.closing:
		return nil, ntstatus.STATUS_FWP_INJECT_HANDLE_CLOSING
	case in.nbl != nil && !ndis.Sim.Mine(k, in.nbl, in.d.String()):
		return nil, ntstatus.STATUS_INVALID_PARAMETER
	}
	return h, ntstatus.STATUS_SUCCESS
}

// finds looks for the stage, and judges the way the callout injects.
func (in *streamInjecting) finds(k *ke.K, id uint64, callout uint32, layer uint16,
	flags uint32) ntstatus.NTSTATUS {
	if !isStream(layer) {
		return ntstatus.STATUS_FWP_INVALID_PARAMETER
	}
	e := state.Of(k)
	f := e.flowFor(k, id, in.d.String())
	if f == nil {
		return ntstatus.STATUS_NOT_FOUND
	}
	if in.st = e.streamStage(k, f, callout, flags); in.st == nil {
		return ntstatus.STATUS_NOT_FOUND
	}
	st := in.st
	ke.Leave(k, st.of.g.Enter(k))
	in.inline = st.call != nil && callOf(k) == st.call
	bad := func(r verify.RuleID, headline string) {
		ke.Report(k, verify.Finding{Rule: r, Obj: f.ID.String(), Headline: headline})
	}
	switch {
	case in.inline && st.oob:
		bad(verify.WFP_150, "a callout that has injected out of band injects from classifyFn")
	case in.inline || st.deferred != 0 || st.finTaken:
	default:
		st.oob = true
	}
	if in.fin && !st.finSeen {
		bad(verify.WFP_160, "the end of a stream is injected that has not been indicated")
	}
	return ntstatus.STATUS_SUCCESS
}

// enters takes the lists over, and lets the data into the stream.
func (in *streamInjecting) enters(k *ke.K, e *engine, h *injection, seq uint64) {
	var all []*ndis.NET_BUFFER_LIST
	for nbl := in.nbl; nbl != nil; nbl = nbl.Next() {
		all = append(all, nbl)
	}
	for _, nbl := range all {
		for _, b := range ndis.Sim.Data(k, nbl) {
			in.data = append(in.data, b...)
		}
		h.outstanding++
		h.idle.Signal = 0
		ndis.Sim.Inject(k, nbl, h.id, seq)
	}
	st := in.st
	complete := func(k *ke.K) {
		for n, nbl := range all {
			in.complete(k, h, nbl, ntstatus.STATUS_SUCCESS, n == len(all)-1)
		}
	}
	st.of.g.Adds(len(in.data))
	if in.inline {
		st.added, st.addedFin = append(st.added, in.data...), st.addedFin || in.fin
		if len(all) > 0 {
			e.m.Post(h.channel, ke.Delivery{Text: "injected into a stream", Obj: h.id, Touches: h.id,
				IRQL: &siteInjectIRQL, Run: complete})
		}
		return
	}
	st.of.g.Post("injected into a stream", func(k *ke.K) {
		for i, o := range st.of.stages {
			if o == st {
				st.of.emit(k, i, in.data, in.fin)
			}
		}
		st.of.run(k)
		complete(k)
	})
}

// FwpsCloneStreamData0 clones the lists of stream data, trimmed to what is indicated.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller frees each clone: after an injection in completionFn, else with
// FwpsDiscardClonedStreamData0.
// Returns: STATUS_SUCCESS; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-001, WFP-054, WFP-073, WFP-161.
// Reference: fwpsk/nf-fwpsk-fwpsclonestreamdata0.
func FwpsCloneStreamData0(k *irql.K, calloutStreamData *FWPS_STREAM_DATA0, netBufferListPoolHandle,
	netBufferPoolHandle ndis.NDIS_HANDLE, allocateCloneFlags uint32,
	netBufferListChain **ndis.NET_BUFFER_LIST) ntstatus.NTSTATUS {
	const d = ddi.FwpsCloneStreamData0
	ke.Enter(k, d)
	s := flagsZero(k, 0, "FwpsCloneStreamData0", allocateCloneFlags)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteCloneStream) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if s == ntstatus.STATUS_SUCCESS {
		clone := ndis.Sim.Clone(k, d, calloutStreamData.NetBufferListChain, netBufferListPoolHandle,
			netBufferPoolHandle)
		if clone == nil {
			s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
		} else {
			*netBufferListChain = clone
		}
	}
	ke.CallStatus(k, d, calloutStreamData.NetBufferListChain.ID(), uint32(s))
	return s
}

// FwpsDiscardClonedStreamData0 frees a chain of clones that was not injected.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: WFP-001, WFP-161.
// Reference: fwpsk/nf-fwpsk-fwpsdiscardclonedstreamdata0.
func FwpsDiscardClonedStreamData0(k *irql.K, netBufferListChain *ndis.NET_BUFFER_LIST,
	allocateCloneFlags uint32, dispatchLevel bool) {
	const d = ddi.FwpsDiscardClonedStreamData0
	ke.Enter(k, d)
	for nbl := netBufferListChain; nbl != nil; {
		next := nbl.Next()
		ndis.Sim.FreeClone(k, d, nbl)
		nbl = next
	}
}
