package fwps

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/irql"
	"calloutsim/wsk/ws2def"
)

// connect is the subject of ALE_CONNECT_REDIRECT: where a connection is to go, its redirect records, and what
// drivers have asked about them.
type connect struct {
	request[FWPS_CONNECT_REQUEST0]
	chain   *chain
	records irql.HANDLE // by which drivers name the chain
	queries []stateQuery
	probes  []sioProbe
}

// connectVersion is a version of a connect request.
type connectVersion = version[FWPS_CONNECT_REQUEST0]

func newConnect(k *ke.K, c *classification) *connect {
	s := &connect{request: newRequest(c, FWPS_CONNECT_REQUEST0{LocalAddressAndPort: ws2def.Storage(c.q.Local),
		RemoteAddressAndPort: ws2def.Storage(c.q.Remote)}, poisonedConnect)}
	s.judge = s.take
	if ch := chainOf(c.q); ch != nil {
		ke.Within(k, ke.Writes(ch.id))
		s.chain = ch
		s.records = irql.HANDLE(c.e.handles.add(&recordsRef{s}))
	}
	return s
}

func (s *connect) uses() trace.ID {
	if s.chain == nil {
		return 0
	}
	return s.chain.id
}

// take judges a new version, and takes over its context.
func (s *connect) take(k *ke.K, w *writable, base, v *connectVersion) {
	s.checkRequest(k, w, base, &v.req)
	s.takeContext(k, w, base, v)
	s.addRecord(base, v)
}

func (s *connect) changes(filter uint64) (out []string) {
	for _, v := range s.by(filter) {
		out = append(out, text(v))
	}
	return out
}

// text says what a version changed; (*) marks what is missing for a redirection to this machine.
func text(v *connectVersion) string {
	var parts []string
	if v.req.LocalAddressAndPort != v.prev.req.LocalAddressAndPort {
		parts = append(parts, fmt.Sprintf("local -> %v", ws2def.AddrPort(&v.req.LocalAddressAndPort)))
	}
	if v.req.RemoteAddressAndPort != v.prev.req.RemoteAddressAndPort {
		parts = append(parts, fmt.Sprintf("remote -> %v", ws2def.AddrPort(&v.req.RemoteAddressAndPort)))
	}
	star := func(absent bool) string {
		if absent && missing(v) != "" {
			return " (*)"
		}
		return ""
	}
	handle := "0"
	if v.record != nil {
		handle = v.record.handle.id.String()
	}
	return strings.Join(append(parts, fmt.Sprintf("localRedirectTargetPID %d%s", v.req.LocalRedirectTargetPID,
		star(v.req.LocalRedirectTargetPID == 0)),
		"localRedirectHandle "+handle+star(v.req.LocalRedirectHandle == 0)), ", ")
}

// stateQuery is one call of FwpsQueryConnectionRedirectState0 in a classification.
type stateQuery struct {
	by    image
	state FWPS_CONNECTION_REDIRECT_STATE
	seq   uint64
}

// queried returns what a driver was told last about the connection.
func (s *connect) queried(by image) (stateQuery, bool) {
	for i := len(s.queries) - 1; i >= 0; i-- {
		if s.queries[i].by == by {
			return s.queries[i], true
		}
	}
	return stateQuery{}, false
}

// loopback reports whether a connection to remote stays on this machine, as far as the request itself tells.
func loopback(remote, local netip.AddrPort) bool {
	a := remote.Addr()
	return a.IsValid() && (a.Unmap().IsLoopback() || !a.IsUnspecified() && a == local.Addr())
}

// checkRequest judges a changed connect request when it is applied.
func (s *connect) checkRequest(k *ke.K, w *writable, base *connectVersion, r *FWPS_CONNECT_REQUEST0) {
	cl, c := w.call, s.c
	family := s.original.RemoteAddressAndPort.Ss_family
	if r.RemoteAddressAndPort.Ss_family != family {
		wrongFamily(k, cl, "remote")
	}
	if f := r.LocalAddressAndPort.Ss_family; f != s.original.LocalAddressAndPort.Ss_family && f != family {
		wrongFamily(k, cl, "local")
	}
	if r.LocalAddressAndPort != base.req.LocalAddressAndPort {
		cl.found(k, verify.WFP_090,
			"localAddressAndPort is changed at "+c.info.name+", which the documentation does not support",
			"change the local address at ALE_BIND_REDIRECT.")
	}
	s.checkHandle(k, cl, r)
	if b := &base.req; r.RemoteAddressAndPort == b.RemoteAddressAndPort &&
		r.LocalRedirectTargetPID == b.LocalRedirectTargetPID &&
		r.LocalRedirectHandle == b.LocalRedirectHandle {
		return // a change of the local side only
	}
	s.checkState(k, w, base)
	remote, local := ws2def.AddrPort(&r.RemoteAddressAndPort), ws2def.AddrPort(&r.LocalAddressAndPort)
	s.checkTarget(k, cl, r, remote, local)
	if c.q.Proto != 6 && c.q.Proto != 17 && c.q.Proto != 1 && c.q.Proto != 58 {
		cl.found(k, verify.WFP_114, fmt.Sprintf("traffic of protocol %d is redirected", c.q.Proto),
			"redirect TCP, UDP and ICMP only.")
	}
	s.checkByteOrder(k, cl, remote)
	c.e.noteRedirection(cl, w.seq)
}

func wrongFamily(k *ke.K, cl *call, which string) {
	cl.found(k, verify.WFP_091, "the family of the "+which+" address does not fit "+cl.c.info.name,
		"keep the family of the layer.")
}

// checkHandle judges localRedirectHandle.
func (s *connect) checkHandle(k *ke.K, cl *call, r *FWPS_CONNECT_REQUEST0) {
	if r.LocalRedirectHandle == 0 {
		return
	}
	s.c.e.handles.redirect(k, cl.c.id.String(), r.LocalRedirectHandle, "the request carries", cl.reg.owner,
		r.LocalRedirectHandle == s.current.req.LocalRedirectHandle)
}

// checkState judges a redirection by what the driver knows about the connection.
func (s *connect) checkState(k *ke.K, w *writable, base *connectVersion) {
	cl := w.call
	q, asked := s.queried(cl.reg.owner)
	switch {
	case !asked:
		cl.found(k, verify.WFP_101,
			"the connection is redirected without asking for its redirect state first",
			"call FwpsQueryConnectionRedirectState0 with metadata redirectRecords before redirecting.")
	case q.state == FWPS_CONNECTION_REDIRECTED_BY_SELF:
		cl.found(k, verify.WFP_102, "a connection in state REDIRECTED_BY_SELF is redirected again",
			"permit it: it is the proxy's.")
	case q.state == FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF:
		cl.found(k, verify.WFP_103, "a connection in state PREVIOUSLY_REDIRECTED_BY_SELF is redirected again",
			"permit it, or block it at ALE_AUTH_CONNECT.")
	case q.state == FWPS_CONNECTION_REDIRECTED_BY_OTHER && base.req.LocalRedirectHandle != 0:
		cl.found(k, verify.WFP_104, "a connection that another driver sends to its proxy is redirected",
			"permit it when the other can be trusted.")
	}
	for v := base; v.filter != 0; v = v.prev {
		if v.filter == cl.f.ID {
			cl.found(k, verify.WFP_096,
				"the request is changed although its history has a version of the same filter",
				"walk previousVersion and leave the request alone when modifierFilterId is the own filter's.")
			return
		}
	}
}

// checkTarget judges where the connection is to go.
func (s *connect) checkTarget(k *ke.K, cl *call, r *FWPS_CONNECT_REQUEST0, remote,
	local netip.AddrPort) {
	if !loopback(remote, local) {
		return
	}
	if r.LocalRedirectTargetPID == 0 {
		cl.found(k, verify.WFP_105,
			fmt.Sprintf("the connection is redirected to %v and localRedirectTargetPID is 0: the change "+
				"will not be accepted",
				remote), "set localRedirectTargetPID to the process that serves the connection.")
	}
	if r.LocalRedirectHandle == 0 {
		cl.found(k, verify.WFP_106,
			fmt.Sprintf("the connection is redirected to %v and localRedirectHandle is NULL: the change "+
				"will not be accepted",
				remote), "set localRedirectHandle to the handle FwpsRedirectHandleCreate0 gave.")
	}
	was := ws2def.AddrPort(&s.original.LocalAddressAndPort).Addr()
	if remote.Addr().Unmap().IsLoopback() && was.IsValid() && !was.IsUnspecified() &&
		!was.Unmap().IsLoopback() {
		cl.found(k, verify.WFP_113,
			fmt.Sprintf("the local address is %v and the connection is redirected to the loopback address",
				was),
			"use the local address as the new remote address when it is specified.")
	}
}

// checkByteOrder looks for addresses and ports that were copied from incoming values without conversion.
func (s *connect) checkByteOrder(k *ke.K, cl *call, remote netip.AddrPort) {
	asked := ws2def.AddrPort(&s.original.RemoteAddressAndPort)
	if p := asked.Port(); remote.Port() != p && remote.Port() == bits.ReverseBytes16(p) {
		cl.found(k, verify.WFP_057,
			fmt.Sprintf("the connection wanted port %d and is redirected to port %d, the same bytes in "+
				"the other order",
				p, remote.Port()),
			"incoming values are in host order, the addresses of the request in network order.")
	}
}

// mayTake judges the context of a request; false means that the engine leaves it alone.
func mayTake(k *ke.K, cl *call, r *FWPS_CONNECT_REQUEST0) bool {
	b, size := r.LocalRedirectContext, r.LocalRedirectContextSize
	if off, _ := pool.Offset(b); !pool.KindOf(b).Pool() || off != 0 {
		cl.found(k, verify.WFP_107, fmt.Sprintf("localRedirectContext is %v: not a block of pool", b.ID()),
			"allocate the context with ExAllocatePool2; the engine frees it.")
		return false
	}
	if owner, taken := pool.Taken(b); taken {
		cl.found(k, verify.WFP_111, fmt.Sprintf("localRedirectContext is %v, which is %v already", b.ID(),
			owner),
			"allocate a context for each connection.")
		return false
	}
	if size != uint64(b.Len()) {
		cl.found(k, verify.WFP_110, fmt.Sprintf("localRedirectContextSize is %d, the context has %d bytes",
			size, b.Len()), "")
	}
	if pool.KindOf(b).Pageable() {
		cl.found(k, verify.WFP_112,
			fmt.Sprintf("localRedirectContext %v is pageable; the engine may free it at DISPATCH_LEVEL",
				b.ID()),
			"allocate it with POOL_FLAG_NON_PAGED.")
	}
	return true
}

var siteUnaccepted = ke.Site{Name: "doc/AleConnectRedirect/unaccepted",
	Alts: []string{"reverts", "fails the operation"},
	Spec: "wfp.md 21 #14"}

// answer looks for the newest version that can be taken (wfp.md 9.7).
func (s *connect) answer(k *ke.K, d wfp.Decision) tcpip.Answer {
	permit, q := proceeds(k, d), s.c.q
	v, refused := s.accept(k)
	t := tcpip.Target{Local: q.Local, Remote: q.Remote}
	if !refused {
		r := &v.req
		t.Remote = ws2def.AddrPort(&r.RemoteAddressAndPort)
		t.Redirected = r.RemoteAddressAndPort != s.original.RemoteAddressAndPort
		if q.Proto == tcpip.TCP && r.LocalAddressAndPort != s.original.LocalAddressAndPort {
			t.Local = ws2def.AddrPort(&r.LocalAddressAndPort)
		}
		t.TargetPID, t.Modified = r.LocalRedirectTargetPID, v.filter != 0
		if t.Redirected {
			s.reportLoop(k)
		}
	}
	if s.chain != nil && s.chain.gone {
		s.chain.free(k) // the connection ended while it was pended: nobody will free what came since
	}
	return answer(permit && !refused, t)
}

// accept walks back to the newest version that the stack takes; refused is the other reading, in which one
// that it does not take fails the operation.
func (s *connect) accept(k *ke.K) (v *connectVersion, refused bool) {
	v = s.current
	for v.filter != 0 && missing(v) != "" {
		s.c.note = "change not applied: " + missing(v)
		ke.Note(k, "modification not accepted", s.c.id)
		if ke.Choose(k, &siteUnaccepted, 2) == 1 {
			return v, true
		}
		if v.record != nil {
			s.chain.dropRecord(v.record)
		}
		v = v.prev
	}
	return v, false
}

// missing says what keeps the stack from taking a version, "" for nothing: a loopback target needs process
// and handle.
func missing(v *connectVersion) string {
	remote, local := ws2def.AddrPort(&v.req.RemoteAddressAndPort), ws2def.AddrPort(&v.req.LocalAddressAndPort)
	if !loopback(remote, local) {
		return ""
	}
	if v.prev != nil && v.req.RemoteAddressAndPort == v.prev.req.RemoteAddressAndPort &&
		missing(v.prev) == "" && v.prev.filter == 0 {
		return "" // the program itself connects to this machine
	}
	switch pid, handle := v.req.LocalRedirectTargetPID == 0, v.req.LocalRedirectHandle == 0; {
	case pid && handle:
		return "loopback target needs localRedirectTargetPID and localRedirectHandle"
	case pid:
		return "loopback target needs localRedirectTargetPID"
	case handle:
		return "loopback target needs localRedirectHandle"
	}
	return ""
}

// reportLoop reports a proxy whose own connection is redirected to it again because its socket carries no
// records.
func (s *connect) reportLoop(k *ke.K) {
	if s.chain == nil || s.chain.inherited != nil {
		return
	}
	asked := ws2def.AddrPort(&s.original.RemoteAddressAndPort)
	for _, o := range s.c.e.chains {
		if o == s.chain {
			continue
		}
		for _, rec := range o.own {
			if rec.original == asked && rec.pid == ke.PIDOf(s.c.q.Endpoint.Process) {
				ke.Report(k, verify.Finding{Rule: verify.WFP_120, Obj: s.c.q.Endpoint.ID.String(),
					Driver: imageName(s.c.q.Endpoint.Process),
					Headline: fmt.Sprintf("the proxy's connection to %v carries no redirect records and "+
						"is redirected to the proxy again", asked),
					Places: []verify.Place{{Label: "FIRST_REDIRECTION", Seq: rec.seq}},
					Fix: "before connecting, set the records of the accepted socket on the new one " +
						"(SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS)."})
				return
			}
		}
	}
}

// reportClaimedLoop is reportLoop for a driver whose proxy connects out before the redirection is applied: a
// kernel client's connection without records is pended by the driver that already pends another one to the
// same destination and has taken its records for the proxy. INFERRED from wfp.md 10.5: that connection can
// only be the proxy's own.
func (s *connect) reportClaimedLoop(k *ke.K) {
	if s.chain == nil || s.chain.inherited != nil || ke.PIDOf(s.c.q.Endpoint.Process) != ke.SystemPID {
		return
	}
	asked := s.c.q.Remote
	for _, o := range s.c.e.chains {
		for _, cm := range o.claims {
			if cm.by == ke.Acting(k) && cm.of.phase != phDecided &&
				cm.of.q.Endpoint.Process != s.c.q.Endpoint.Process && cm.of.q.Remote == asked {
				ke.Report(k, verify.Finding{Rule: verify.WFP_120, Obj: s.c.q.Endpoint.ID.String(),
					Driver: imageName(s.c.q.Endpoint.Process),
					Headline: fmt.Sprintf("the proxy's connection to %v carries no redirect records and "+
						"is pended like the connection it serves", asked),
					Fix: "before connecting, set the records on the new socket " +
						"(SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS)."})
				return
			}
		}
	}
}

// recordsRef is what a handle of redirect records names: the chain of a connection, for the duration of one
// classification.
type recordsRef struct{ of *connect }

// takeContext makes the context in an applied request the engine's.
func (s *connect) takeContext(k *ke.K, w *writable, base, v *connectVersion) {
	b := v.req.LocalRedirectContext
	if b == nil || b == base.req.LocalRedirectContext || s.chain == nil || !mayTake(k, w.call, &v.req) {
		return
	}
	n := min(v.req.LocalRedirectContextSize, uint64(b.Len()))
	x := &redirectContext{id: s.c.e.m.NewID(trace.RedirectContext), buf: b,
		data: append([]byte(nil), pool.Raw(k, b)[:n]...)}
	pool.Take(k, b, pool.Loan{Owner: x.id, Rule: verify.WFP_108, What: "the redirect context of " +
		s.chain.id.String(),
		Seq: v.seq, BugCheck: 0xC2,
		Fix: "do not touch or free the context after FwpsApplyModifiedLayerData0: the engine frees it " +
			"when the flow is gone."})
	ke.Adds(k, ke.Writes(s.chain.id))
	s.chain.contexts = append(s.chain.contexts, x)
	v.req.LocalRedirectContext = b
}

// addRecord appends the record of a redirection that carries a handle.
func (s *connect) addRecord(base, v *connectVersion) {
	e := s.c.e
	h, ok := e.handles.find(uint64(v.req.LocalRedirectHandle)).(*redirectHandle)
	if !ok || s.chain == nil {
		return
	}
	v.record = &record{handle: h, original: ws2def.AddrPort(&s.original.RemoteAddressAndPort),
		pid: v.req.LocalRedirectTargetPID, seq: v.seq}
	if v.req.LocalRedirectContext != base.req.LocalRedirectContext {
		for _, x := range s.chain.contexts {
			if x.buf == v.req.LocalRedirectContext {
				v.record.ctx = x
			}
		}
	}
	e.m.AddsOn(ke.Writes(s.chain.id))
	e.m.AddsOn(ke.Writes(e.chainsID()))
	s.chain.own = append(s.chain.own, v.record)
}

// sioProbe remembers the size a driver was told it needs.
type sioProbe struct {
	by   image
	need uint64
}
