package fwps

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteRedirectHandle = ke.Site{Name: "fault/FwpsRedirectHandleCreate0",
		Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"},
		Spec: "wfp.md 10.1"}
	siteRecordKey = ke.Site{Name: "doc/FwpsQueryConnectionRedirectState0/key",
		Alts: []string{"handle", "provider"}, Spec: "wfp.md 21 #41"}
)

// FwpsRedirectHandleCreate0 makes the handle by which a driver marks the connections it redirects. A driver
// makes one, keeps it and destroys it at unload.
//
// IRQL: exactly PASSIVE_LEVEL.
// Ownership: the driver destroys it.
// Returns: STATUS_SUCCESS; STATUS_FWP_NULL_POINTER; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-003, WFP-073, WFP-097, WFP-098.
// Reference: fwpsk/nf-fwpsk-fwpsredirecthandlecreate0.
func FwpsRedirectHandleCreate0(k *irql.K, providerGuid *GUID, flags uint32,
	redirectHandleOut *irql.HANDLE) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsRedirectHandleCreate0)
	e := state.Of(k)
	if redirectHandleOut == nil || providerGuid == nil {
		return ntstatus.STATUS_FWP_NULL_POINTER
	}
	for _, f := range ke.Frames(k) {
		if cl, ok := f.Object.(*call); ok {
			cl.found(k, verify.WFP_097, "FwpsRedirectHandleCreate0 is called in a classifyFn",
				"create one handle when the driver starts and keep it.")
			break
		}
	}
	s := flagsZero(k, 0, "FwpsRedirectHandleCreate0", flags)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteRedirectHandle) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if s != ntstatus.STATUS_SUCCESS {
		ke.CallStatus(k, ddi.FwpsRedirectHandleCreate0, 0, uint32(s))
		return s
	}
	h := &redirectHandle{id: e.m.NewID(trace.RedirectHandle), provider: *providerGuid, owner: ke.Acting(k),
		alive: true}
	h.num = irql.HANDLE(e.handles.add(h))
	e.redirects = append(e.redirects, h)
	*redirectHandleOut = h.num
	h.seq = ke.CallStatus(k, ddi.FwpsRedirectHandleCreate0, h.id, uint32(s))
	return s
}

// FwpsRedirectHandleDestroy0 destroys a redirect handle. Records made with it stay.
//
// IRQL: exactly PASSIVE_LEVEL.
// Rules: WFP-003, WFP-099, WFP-100.
// Reference: fwpsk/nf-fwpsk-fwpsredirecthandledestroy0.
func FwpsRedirectHandleDestroy0(k *irql.K, redirectHandle irql.HANDLE) {
	ke.Enter(k, ddi.FwpsRedirectHandleDestroy0)
	e := state.Of(k)
	h := e.handles.redirect(k, "handle", redirectHandle, "FwpsRedirectHandleDestroy0 gets", ke.Acting(k),
		false)
	if h == nil {
		return
	}
	ke.Point(k, ke.Writes(h.id))
	ke.Adds(k, ke.Reads(e.chainsID()))
	for _, c := range e.chains {
		for _, rec := range c.own {
			if rec.handle == h && !h.owner.Unloading { // there is nothing else to do then
				ke.Report(k, verify.Finding{Rule: verify.WFP_100, Obj: h.id.String(),
					Headline: fmt.Sprintf("%v is destroyed while a connection redirected with it lives (%v)",
						h.id, c.id),
					Places: []verify.Place{{Label: "CREATED", Seq: h.seq},
						{Label: "REDIRECTED", Seq: rec.seq}},
					Fix: "keep one handle until unload; one made later does not recognise the connection."})
			}
		}
	}
	e.m.Ends(h.id)
	h.alive = false
	h.destroySeq = ke.Call(k, ddi.FwpsRedirectHandleDestroy0, h.id)
}

// FwpsQueryConnectionRedirectState0 tells how a connection relates to a redirect handle, and gives the
// context of the redirection where it was this handle's. The context stays the engine's: it may be read.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: redirectContext is lent.
// Rules: WFP-001, WFP-054, WFP-099, WFP-101 to WFP-104.
// Reference: fwpsk/nf-fwpsk-fwpsqueryconnectionredirectstate0.
func FwpsQueryConnectionRedirectState0(k *irql.K, redirectRecords irql.HANDLE, redirectHandle irql.HANDLE,
	redirectContext **irp.Buffer) FWPS_CONNECTION_REDIRECT_STATE {
	ke.Enter(k, ddi.FwpsQueryConnectionRedirectState0)
	e := state.Of(k)
	ref, _ := e.handles.find(uint64(redirectRecords)).(*recordsRef)
	h := e.handles.redirect(k, "handle", redirectHandle, "FwpsQueryConnectionRedirectState0 gets",
		ke.Acting(k), false)
	if ref == nil {
		return FWPS_CONNECTION_NOT_REDIRECTED
	}
	of, c := ref.of, ref.of.c
	ke.Point(k, ke.Writes(c.id))
	if c.phase == phDecided {
		ke.Report(k, verify.Finding{Rule: verify.WFP_054, Obj: c.id.String(), BugCheck: 0xD5,
			Headline: "FwpsQueryConnectionRedirectState0 with the redirect records of a classification " +
				"that is decided",
			Fix: "ask inside classifyFn, or while the classification is pended."})
		return FWPS_CONNECTION_NOT_REDIRECTED
	}
	s, rec := FWPS_CONNECTION_NOT_REDIRECTED, (*record)(nil)
	if h != nil {
		s, rec = e.redirectState(k, of.chain, h)
	}
	if redirectContext != nil {
		*redirectContext = nil
		if rec != nil && rec.ctx != nil && !rec.ctx.gone {
			*redirectContext = pool.Opened(rec.ctx.buf)
		}
	}
	seq := ke.Log(k, trace.Event{What: trace.Call, Code: ddi.FwpsQueryConnectionRedirectState0, Obj: c.id,
		A: uint64(s), Flags: trace.HasA})
	of.queries = append(of.queries, stateQuery{by: ke.Acting(k), state: s, seq: seq})
	return s
}

// redirectState compares a chain with a handle (wfp.md 10.3).
func (e *engine) redirectState(k *ke.K, c *chain,
	h *redirectHandle) (FWPS_CONNECTION_REDIRECT_STATE, *record) {
	all := c.all()
	if c.claimedBy(h.owner) {
		return FWPS_CONNECTION_REDIRECTED_BY_SELF, nil
	}
	if len(all) == 0 {
		return FWPS_CONNECTION_NOT_REDIRECTED, nil
	}
	byProvider := ke.Choose(k, &siteRecordKey, 2) == 1
	mine := func(r *record) bool { return r.handle == h || byProvider && r.handle.provider == h.provider }
	for i := len(all) - 1; i >= 0; i-- {
		switch {
		case !mine(all[i]):
		case i == len(all)-1:
			return FWPS_CONNECTION_REDIRECTED_BY_SELF, all[i]
		default:
			return FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF, all[i]
		}
	}
	return FWPS_CONNECTION_REDIRECTED_BY_OTHER, nil
}

// FwpsQueryConnectionSioFormatRedirectRecords0 copies the redirect records of a connection in the opaque form
// a local proxy sets on its outbound socket. With a buffer that is too small, or none, it tells the size.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: nothing is kept.
// Returns: STATUS_SUCCESS; STATUS_NOT_FOUND for a connection without records; STATUS_INVALID_PARAMETER for
// bad arguments; STATUS_BUFFER_TOO_SMALL, with the number of bytes needed.
// Rules: WFP-001, WFP-115, WFP-116, WFP-117.
// Not modelled: proxies on other machines.
// Reference: fwpsk/nf-fwpsk-fwpsqueryconnectionsioformatredirectrecords0.
func FwpsQueryConnectionSioFormatRedirectRecords0(k *irql.K, redirectRecords irql.HANDLE,
	outputBuffer *irp.Buffer,
	outputBufferLength uint64, bytesTransferred *uint64) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.FwpsQueryConnectionSioFormatRedirectRecords0)
	e := state.Of(k)
	ref, _ := e.handles.find(uint64(redirectRecords)).(*recordsRef)
	id := trace.ID(0)
	if ref != nil {
		id = ref.of.c.id
		ke.Point(k, ke.Writes(id))
		ke.Adds(k, ke.Writes(ref.of.chain.id))
	}
	s := e.sioFormat(k, ref, outputBuffer, outputBufferLength, bytesTransferred)
	ke.CallStatus(k, ddi.FwpsQueryConnectionSioFormatRedirectRecords0, id, uint32(s))
	return s
}

func (e *engine) sioFormat(k *ke.K, ref *recordsRef, out *irp.Buffer, length uint64,
	bytes *uint64) ntstatus.NTSTATUS {
	if ref == nil {
		return ntstatus.STATUS_NOT_FOUND
	}
	of, c := ref.of, ref.of.c
	if bad := badSioBuffer(out, length); bad != "" {
		ke.Report(k, verify.Finding{Rule: verify.WFP_115, Obj: c.id.String(),
			Headline: "FwpsQueryConnectionSioFormatRedirectRecords0 with " + bad,
			Fix:      "ask for the size with NULL and 0, then pass a pointer-aligned buffer of that size."})
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if c.phase == phDecided {
		ke.Report(k, verify.Finding{Rule: verify.WFP_116, Obj: c.id.String(),
			Headline: "FwpsQueryConnectionSioFormatRedirectRecords0 with the redirect records of a " +
				"classification that is decided",
			Fix: "ask inside classifyFn, or while the classification is pended."})
	}
	blob := e.FormatRecords(of.chain)
	need := uint64(len(blob))
	if bytes != nil {
		*bytes = need
	}
	if length < need {
		of.probed(k, need, length)
		return ntstatus.STATUS_BUFFER_TOO_SMALL
	}
	ke.Inside(k, func() { out.CopyFrom(0, blob) })
	if c.phase != phDecided {
		of.chain.claims = append(of.chain.claims, claim{ke.Acting(k), len(of.chain.own), c})
	}
	return ntstatus.STATUS_SUCCESS
}

// badSioBuffer says what is wrong with a buffer; "" when nothing is.
func badSioBuffer(out *irp.Buffer, length uint64) string {
	switch {
	case out == nil && length != 0:
		return fmt.Sprintf("a NULL buffer and length %d", length)
	case out != nil && out.Address()%8 != 0:
		return fmt.Sprintf("a buffer at %#x, which is not pointer-aligned", out.Address())
	case out != nil && length > uint64(out.Len()):
		return fmt.Sprintf("length %d for a buffer of %d bytes", length, out.Len())
	}
	return ""
}

// probed notes the size that was told, and reports a driver that does not use it.
func (s *connect) probed(k *ke.K, need, length uint64) {
	by := ke.Acting(k)
	for i := range s.probes {
		p := &s.probes[i]
		if p.by != by {
			continue
		}
		if length < p.need {
			ke.Report(k, verify.Finding{Rule: verify.WFP_117, Obj: s.c.id.String(),
				Headline: fmt.Sprintf("the buffer is %d bytes again although %d were asked for", length,
					p.need),
				Fix: "repeat the call with the size that *BytesTransferred gave."})
		}
		p.need = need
		return
	}
	s.probes = append(s.probes, sioProbe{by, need})
}
