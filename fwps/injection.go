package fwps

import (
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

var siteInjectionHandle = ke.Site{Name: "fault/FwpsInjectionHandleCreate0",
	Alts: []string{"succeeds", "STATUS_FWP_TCPIP_NOT_READY"}, Spec: "wfp.md 19.5"}

// injection is what FwpsInjectionHandleCreate0 makes.
//
// Invariant: outstanding is the number of injected lists whose completionFn has not returned.
type injection struct {
	id          trace.ID
	num         irql.HANDLE
	types       uint32
	family      ws2def.ADDRESS_FAMILY
	owner       image
	channel     *ke.Channel
	outstanding int
	idle        ke.Object // signalled while outstanding is 0
	closing     bool
	closed      bool

	seq, destroySeq uint64
}

// places are the events a report about the handle cites.
func (h *injection) places() []verify.Place {
	out := []verify.Place{{Label: "CREATED", Seq: h.seq}}
	if h.destroySeq != 0 {
		out = append(out, verify.Place{Label: "DESTROYED", Seq: h.destroySeq})
	}
	return out
}

// FwpsInjectionHandleCreate0 makes a handle to inject packets with. One for the network layers is for a
// family of addresses.
//
// IRQL: exactly PASSIVE_LEVEL.
// Ownership: the driver destroys it.
// Returns: STATUS_SUCCESS; STATUS_FWP_TCPIP_NOT_READY; STATUS_INVALID_PARAMETER for unknown flags, or for
// FWPS_INJECTION_TYPE_NETWORK without a family; STATUS_FWP_NULL_POINTER.
// Rules: WFP-002, WFP-017.
// Reference: fwpsk/nf-fwpsk-fwpsinjectionhandlecreate0.
func FwpsInjectionHandleCreate0(k *irql.K, addressFamily ws2def.ADDRESS_FAMILY, flags uint32,
	injectionHandle *irql.HANDLE) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectionHandleCreate0
	ke.Enter(k, d)
	e := state.Of(k)
	ke.Point(k, ke.Writes(e.id))
	s := ntstatus.STATUS_SUCCESS
	known := FWPS_INJECTION_TYPE_STREAM | FWPS_INJECTION_TYPE_TRANSPORT | FWPS_INJECTION_TYPE_NETWORK |
		FWPS_INJECTION_TYPE_FORWARD | FWPS_INJECTION_TYPE_L2
	ip := addressFamily == ws2def.AF_INET || addressFamily == ws2def.AF_INET6
	switch {
	case injectionHandle == nil:
		s = ntstatus.STATUS_FWP_NULL_POINTER
	case flags&^known != 0, flags&FWPS_INJECTION_TYPE_NETWORK != 0 && !ip,
		!ip && addressFamily != ws2def.AF_UNSPEC:
		s = ntstatus.STATUS_INVALID_PARAMETER
	case ke.Fails(k, &siteInjectionHandle):
		s = ntstatus.STATUS_FWP_TCPIP_NOT_READY
	}
	if s != ntstatus.STATUS_SUCCESS {
		ke.CallStatus(k, d, 0, uint32(s))
		return s
	}
	if flags == 0 {
		flags = FWPS_INJECTION_TYPE_STREAM | FWPS_INJECTION_TYPE_TRANSPORT | FWPS_INJECTION_TYPE_FORWARD
	}
	h := &injection{id: e.m.NewID(trace.Injection), types: flags, family: addressFamily, owner: ke.Acting(k)}
	h.num = irql.HANDLE(e.handles.add(h))
	h.idle.Signal = 1
	h.channel = e.m.NewChannel("packets injected with " + h.id.String())
	e.injections = append(e.injections, h)
	*injectionHandle = h.num
	h.seq = ke.CallStatus(k, d, h.id, uint32(s))
	return s
}

// FwpsInjectionHandleDestroy0 destroys an injection handle. It waits until every list injected with it has
// been completed; what is injected meanwhile is refused.
//
// IRQL: exactly PASSIVE_LEVEL.
// Ownership: gone.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for what is no handle.
// Rules: WFP-002, WFP-169, WFP-170.
// Reference: fwpsk/nf-fwpsk-fwpsinjectionhandledestroy0.
func FwpsInjectionHandleDestroy0(k *irql.K, injectionHandle irql.HANDLE) ntstatus.NTSTATUS {
	const d = ddi.FwpsInjectionHandleDestroy0
	ke.Enter(k, d)
	e := state.Of(k)
	h := e.injection(k, d, injectionHandle)
	if h == nil {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	for _, f := range ke.Frames(k) {
		if f.Kind == ke.FrameInject && f.Object == any(h) {
			ke.Report(k, verify.Finding{Rule: verify.WFP_170, Obj: h.id.String(), Places: h.places(),
				Headline: fmt.Sprintf("%v is destroyed in a completionFn of a packet injected with it, "+
					"which it waits for", h.id)})
			return ntstatus.STATUS_INVALID_PARAMETER
		}
	}
	ke.Point(k, ke.Writes(h.id))
	h.closing = true
	if h.outstanding > 0 {
		ke.Wait(k, []*ke.Object{&h.idle}, true, nil, "the completion of injected packets")
		ke.Adds(k, ke.Writes(h.id))
	}
	h.closed = true
	for i, o := range e.injections {
		if o == h {
			e.injections = list.Cut(e.injections, i)
			break
		}
	}
	h.destroySeq = ke.CallStatus(k, d, h.id, uint32(ntstatus.STATUS_SUCCESS))
	return ntstatus.STATUS_SUCCESS
}

// injection finds a handle; nil after a report when there is none, or none any more.
func (e *engine) injection(k *ke.K, d ddi.ID, num irql.HANDLE) *injection {
	h, _ := e.handles.find(uint64(num)).(*injection)
	f := verify.Finding{Rule: verify.WFP_169, Obj: "handle"}
	switch {
	case h == nil:
		f.Headline = fmt.Sprintf("%v gets %#x, which is no injection handle", d, uint64(num))
	case h.closed:
		f.Obj, f.Places = h.id.String(), h.places()
		f.Headline = fmt.Sprintf("%v gets %v, which is destroyed", d, h.id)
	default:
		return h
	}
	ke.Report(k, f)
	return nil
}

// injectedBy is what a packet remembers of an injection besides its handle.
type injectedBy struct {
	context irql.HANDLE
	owner   image
}

// FwpsQueryPacketInjectionState0 tells whether a packet was injected with a handle, and gives the context of
// that injection. A callout that injects asks first of all, and lets its own packets pass.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Returns: the state; FWPS_PACKET_NOT_INJECTED for what is no list or handle.
// Rules: WFP-001, WFP-054, WFP-164 where it is not asked, WFP-169.
// Reference: fwpsk/nf-fwpsk-fwpsquerypacketinjectionstate0.
func FwpsQueryPacketInjectionState0(k *irql.K, injectionHandle irql.HANDLE,
	netBufferList *ndis.NET_BUFFER_LIST, injectionContext *irql.HANDLE) FWPS_PACKET_INJECTION_STATE {
	const d = ddi.FwpsQueryPacketInjectionState0
	ke.Enter(k, d)
	e := state.Of(k)
	h := e.injection(k, d, injectionHandle)
	if h == nil || !ndis.Sim.Known(netBufferList) || !ndis.Sim.Mine(k, netBufferList, d.String()) {
		return FWPS_PACKET_NOT_INJECTED
	}
	ke.Adds(k, ke.Reads(netBufferList.ID()))
	s, ok := ndis.Sim.About(netBufferList).(*carried)
	if !ok {
		return FWPS_PACKET_NOT_INJECTED
	}
	ke.Adds(k, ke.Writes(s.c.id))
	s.queried(ke.Acting(k))
	marks := s.packet.Marks
	for i := len(marks) - 1; i >= 0; i-- {
		if marks[i].By != h.id {
			continue
		}
		if injectionContext != nil {
			*injectionContext = marks[i].Context.(injectedBy).context
		}
		if i == len(marks)-1 {
			return FWPS_PACKET_INJECTED_BY_SELF
		}
		return FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF
	}
	if len(marks) > 0 {
		return FWPS_PACKET_INJECTED_BY_OTHER
	}
	return FWPS_PACKET_NOT_INJECTED
}

// ownUnasked reports whether a packet was injected by a driver that has not asked whether it was.
func (s *carried) ownUnasked(by image) bool {
	if s.hasAsked(by) {
		return false
	}
	for _, m := range s.packet.Marks {
		if b, ok := m.Context.(injectedBy); ok && b.owner == by {
			return true
		}
	}
	return false
}
