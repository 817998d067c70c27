package fwps

import (
	"errors"
	"fmt"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/packet"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Where Windows is free about an injected packet (wfp.md 16.3).
var (
	siteInject = ke.Site{Name: "fault/FwpsInject", Alts: []string{"succeeds", "STATUS_FWP_TCPIP_NOT_READY"},
		Spec: "wfp.md 19.5"}
	siteInjectWhen = ke.Site{Name: "env/Inject/when", Alts: []string{"deferred", "inside the call"},
		Spec: "wfp.md 16.3"}
	siteInjectIRQL = ke.Site{Name: "env/Inject/complete", Alts: []string{"dispatch", "passive"},
		Spec: "wfp.md 16.3"}
)

// injecting is one call of a routine that injects.
type injecting struct {
	d           ddi.ID
	handle      irql.HANDLE
	context     irql.HANDLE
	flags       uint32
	family      ws2def.ADDRESS_FAMILY // AF_UNSPEC: that of the packet
	compartment uint32
	nbl         *ndis.NET_BUFFER_LIST
	fn          FWPS_INJECT_COMPLETE0
	fnContext   any

	types   uint32            // of the handle, one of which it must have
	misfit  ntstatus.NTSTATUS // when it has none
	receive bool
	lent    []*irp.Buffer // of sendArgs
	gone    bool          // the endpoint is
	read    func(b []byte) (*packet.Packet, error)
	enter   func(k *ke.K, h *injection, p *packet.Packet) ntstatus.NTSTATUS
}

// inject hands a list, or a chain of them, to the stack.
func (in *injecting) inject(k *ke.K) ntstatus.NTSTATUS {
	e := state.Of(k)
	if !ndis.Sim.Known(in.nbl) || in.fn == nil || in.read == nil {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if s := flagsZero(k, 0, in.d.String(), in.flags); s != ntstatus.STATUS_SUCCESS {
		return s
	}
	h := e.injection(k, in.d, in.handle)
	if h == nil {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	ke.Point(k, ke.Writes(h.id))
	s := in.allowed(k, h)
	seq := ke.CallStatus(k, in.d, in.nbl.ID(), uint32(s))
	if s != ntstatus.STATUS_SUCCESS {
		ndis.Sim.Refused(in.nbl, seq)
		return s
	}
	var all []*ndis.NET_BUFFER_LIST
	for nbl := in.nbl; nbl != nil; nbl = nbl.Next() {
		all = append(all, nbl)
	}
	for _, nbl := range all {
		h.outstanding++
		h.idle.Signal = 0
		ndis.Sim.Inject(k, nbl, h.id, seq)
	}
	for _, b := range in.lent {
		pool.LendAs(k, b, pool.Loan{Owner: in.nbl.ID(), Rule: verify.WFP_177, Seq: seq,
			What: "sendArgs of " + in.d.String(), Fix: "free it in completionFn."})
	}
	run := func(k *ke.K) {
		for i, nbl := range all {
			in.travel(k, h, nbl, i == len(all)-1)
		}
	}
	if ke.Choose(k, &siteInjectWhen, 2) == 1 {
		run(k)
		return s
	}
	e.m.Post(h.channel, ke.Delivery{Text: "injected packet", Obj: in.nbl.ID(), Touches: in.nbl.ID(),
		IRQL: &siteInjectIRQL, Run: run})
	return s
}

// allowed makes the checks of an injection.
func (in *injecting) allowed(k *ke.K, h *injection) ntstatus.NTSTATUS {
	f := verify.Finding{Obj: in.nbl.ID().String(), Places: h.places()}
	switch {
	case h.types&in.types == 0, in.misfitFamily(k, h):
		f.Rule, f.Obj = verify.WFP_168, h.id.String()
		f.Headline = fmt.Sprintf("%v with %v, which was not created for it", in.d, h.id)
		ke.Collect(k, f)
		return in.misfit
	case h.closing:
		return ntstatus.STATUS_FWP_INJECT_HANDLE_CLOSING
	case !ndis.Sim.Mine(k, in.nbl, in.d.String()):
		return ntstatus.STATUS_INVALID_PARAMETER
	case ndis.Sim.Indicated(in.nbl): // wfp.md 21 #50
		f.Rule = verify.WFP_166
		f.Headline = fmt.Sprintf("%v of %v, which is the stack's: neither a clone nor allocated", in.d,
			in.nbl.ID())
		f.Fix = "inject a clone."
		ke.Report(k, f)
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	in.judge(k)
	if ke.Fails(k, &siteInject) {
		return ntstatus.STATUS_FWP_TCPIP_NOT_READY
	}
	return ntstatus.STATUS_SUCCESS
}

// misfitFamily: a handle for the network layers is for one family.
func (in *injecting) misfitFamily(k *ke.K, h *injection) bool {
	if in.types != FWPS_INJECTION_TYPE_NETWORK || h.family == ws2def.AF_UNSPEC {
		return false
	}
	data := ndis.Sim.Data(k, in.nbl)
	return len(data) > 0 && len(data[0]) > 0 && (data[0][0]>>4 == 6) != (h.family == ws2def.AF_INET6)
}

// judge reports what the stack does not refuse.
func (in *injecting) judge(k *ke.K) {
	report := func(r verify.RuleID, format string, args ...any) {
		ke.Report(k, verify.Finding{Rule: r, Obj: in.nbl.ID().String(),
			Headline: fmt.Sprintf(format, args...)})
	}
	s, _ := ndis.Sim.About(in.nbl).(*carried)
	if s != nil {
		ke.Adds(k, ke.Reads(s.c.id))
	}
	if cl := callOf(k); cl != nil && transportLike(cl.c.info) && in.carriesTCP(k, s) {
		report(verify.WFP_163, "%v of a TCP packet in a classifyFn at %s", in.d, cl.c.info.name)
	}
	if s != nil && s.ownUnasked(ke.Acting(k)) {
		report(verify.WFP_164, "%v of %v, which carries a packet that %s has injected before, and the "+
			"classifyFn that got it did not ask", in.d, in.nbl.ID(), ke.Acting(k).Name)
	}
	if s != nil && in.d == ddi.FwpsInjectTransportReceiveAsync0 && s.c.q.At == tcpip.TransportIn &&
		s.c.q.Flags&tcpip.RequiresALE != 0 {
		report(verify.WFP_178, "%v of a packet that was taken at %s and is to be authorised", in.d,
			s.c.info.name)
	}
	indicated := s == nil || s.c.info.metadata&FWPS_METADATA_FIELD_COMPARTMENT_ID != 0
	if in.compartment != 1 && indicated {
		report(verify.WFP_181, "%v into compartment %d; the packets of this machine are in 1", in.d,
			in.compartment)
	}
}

// transportLike reports whether TCP packets must not be injected from inside a classifyFn at the layer.
func transportLike(l *layerInfo) bool {
	for _, s := range l.stations {
		switch s {
		case tcpip.TransportIn, tcpip.TransportOut, tcpip.AuthConnect, tcpip.AuthRecvAccept,
			tcpip.FlowEstablished, tcpip.StreamPacketIn, tcpip.StreamPacketOut:
			return true
		}
	}
	return false
}

// carriesTCP reports whether the list is a TCP packet.
func (in *injecting) carriesTCP(k *ke.K, s *carried) bool {
	if s != nil {
		return s.packet.Proto == tcpip.TCP
	}
	for _, b := range ndis.Sim.Data(k, in.nbl) {
		if p, _ := in.read(b); p != nil && p.Proto == tcpip.TCP {
			return true
		}
	}
	return false
}

// travel lets the packets of a list go their way, and gives the list back.
func (in *injecting) travel(k *ke.K, h *injection, nbl *ndis.NET_BUFFER_LIST, last bool) {
	s := ntstatus.STATUS_SUCCESS
	if in.gone {
		s = ntstatus.STATUS_INVALID_PARAMETER
	}
	var marks []packet.Mark
	var of trace.ID
	if c, ok := ndis.Sim.About(nbl).(*carried); ok {
		marks, of = c.packet.Marks, c.packet.ID
	}
	for _, b := range ndis.Sim.Data(k, nbl) {
		p, err := in.read(b)
		switch {
		case err != nil && (in.receive || !errors.Is(err, packet.ErrChecksum)):
			ke.Report(k, verify.Finding{Rule: verify.WFP_180, Obj: nbl.ID().String(), Driver: h.owner.Name,
				Headline: fmt.Sprintf("%v is dropped: %v", nbl.ID(), err)})
			continue
		case p == nil:
			continue
		}
		p.Of = of
		p.Marks = append(list.Add(nil, marks), packet.Mark{By: h.id,
			Context: injectedBy{in.context, h.owner}})
		state.Of(k).entered(nbl, p)
		if st := in.enter(k, h, p); st != ntstatus.STATUS_SUCCESS {
			s = st
		}
	}
	in.complete(k, h, nbl, s, last)
}

// complete calls completionFn.
func (in *injecting) complete(k *ke.K, h *injection, nbl *ndis.NET_BUFFER_LIST, s ntstatus.NTSTATUS,
	last bool) {
	ke.Point(k, ke.Writes(nbl.ID()))
	if last {
		for _, b := range in.lent {
			pool.Return(k, b, in.nbl.ID())
		}
	}
	ndis.Sim.Injected(k, nbl, s)
	ke.Push(k, ke.Frame{Kind: ke.FrameInject, Image: h.owner, Object: h, Obj: nbl.ID(),
		Fn: ke.CodeOf(in.fn)})
	in.fn(k, in.fnContext, nbl, ke.IRQL(k) >= ke.Dispatch)
	ke.Pop(k)
	ke.Adds(k, ke.Writes(h.id))
	if h.outstanding--; h.outstanding == 0 {
		ke.SetSignal(k, &h.idle, 1)
	}
}
