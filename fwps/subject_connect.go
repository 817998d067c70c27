package fwps

import (
	"fmt"
	"math/bits"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/wsk/ws2def"
)

// stateQuery is one call of FwpsQueryConnectionRedirectState0 in a classification.
type stateQuery struct {
	by    image
	state FWPS_CONNECTION_REDIRECT_STATE
	seq   uint64
}

// queried returns what a driver was told last about the connection.
func (c *classification) queried(by image) (stateQuery, bool) {
	for i := len(c.queries) - 1; i >= 0; i-- {
		if c.queries[i].by == by {
			return c.queries[i], true
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
func (c *classification) checkRequest(k *ke.K, w *writable, r *FWPS_CONNECT_REQUEST0) {
	cl := w.call
	family := c.original.RemoteAddressAndPort.Ss_family
	if r.RemoteAddressAndPort.Ss_family != family {
		c.wrongFamily(k, cl, "remote")
	}
	if f := r.LocalAddressAndPort.Ss_family; f != c.original.LocalAddressAndPort.Ss_family && f != family {
		c.wrongFamily(k, cl, "local")
	}
	if r.LocalAddressAndPort != w.base.req.LocalAddressAndPort {
		cl.found(k, verify.WFP_090,
			"localAddressAndPort is changed at "+c.info.name+", which the documentation does not support",
			"change the local address at ALE_BIND_REDIRECT.")
	}
	c.checkHandle(k, cl, r)
	if b := &w.base.req; r.RemoteAddressAndPort == b.RemoteAddressAndPort &&
		r.LocalRedirectTargetPID == b.LocalRedirectTargetPID &&
		r.LocalRedirectHandle == b.LocalRedirectHandle {
		return // a change of the local side only
	}
	c.checkState(k, w)
	remote, local := ws2def.AddrPort(&r.RemoteAddressAndPort), ws2def.AddrPort(&r.LocalAddressAndPort)
	c.checkTarget(k, cl, r, remote, local)
	if c.q.Protocol != 6 && c.q.Protocol != 17 && c.q.Protocol != 1 && c.q.Protocol != 58 {
		cl.found(k, verify.WFP_114, fmt.Sprintf("traffic of protocol %d is redirected", c.q.Protocol),
			"redirect TCP, UDP and ICMP only.")
	}
	c.checkByteOrder(k, cl, remote)
	c.e.noteRedirection(cl, w.seq)
}

func (c *classification) wrongFamily(k *ke.K, cl *call, which string) {
	cl.found(k, verify.WFP_091, "the family of the "+which+" address does not fit "+c.info.name,
		"keep the family of the layer.")
}

// checkHandle judges localRedirectHandle.
func (c *classification) checkHandle(k *ke.K, cl *call, r *FWPS_CONNECT_REQUEST0) {
	if r.LocalRedirectHandle == 0 {
		return
	}
	c.e.redirectHandleOf(k, cl.c.id.String(), r.LocalRedirectHandle, "the request carries", cl.reg.owner,
		r.LocalRedirectHandle == c.current.req.LocalRedirectHandle)
}

// checkState judges a redirection by what the driver knows about the connection.
func (c *classification) checkState(k *ke.K, w *writable) {
	cl := w.call
	q, asked := c.queried(cl.reg.owner)
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
	case q.state == FWPS_CONNECTION_REDIRECTED_BY_OTHER && w.base.req.LocalRedirectHandle != 0:
		cl.found(k, verify.WFP_104, "a connection that another driver sends to its proxy is redirected",
			"permit it when the other can be trusted.")
	}
	for v := w.base; v.filter != 0; v = v.prev {
		if v.filter == cl.f.ID {
			cl.found(k, verify.WFP_096,
				"the request is changed although its history has a version of the same filter",
				"walk previousVersion and leave the request alone when modifierFilterId is the own filter's.")
			return
		}
	}
}

// checkTarget judges where the connection is to go.
func (c *classification) checkTarget(k *ke.K, cl *call, r *FWPS_CONNECT_REQUEST0, remote,
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
	was := ws2def.AddrPort(&c.original.LocalAddressAndPort).Addr()
	if remote.Addr().Unmap().IsLoopback() && was.IsValid() && !was.IsUnspecified() &&
		!was.Unmap().IsLoopback() {
		cl.found(k, verify.WFP_113,
			fmt.Sprintf("the local address is %v and the connection is redirected to the loopback address",
				was),
			"use the local address as the new remote address when it is specified.")
	}
}

// checkByteOrder looks for addresses and ports that were copied from incoming values without conversion.
func (c *classification) checkByteOrder(k *ke.K, cl *call, remote netip.AddrPort) {
	asked := ws2def.AddrPort(&c.original.RemoteAddressAndPort)
	if p := asked.Port(); remote.Port() != p && remote.Port() == bits.ReverseBytes16(p) {
		cl.found(k, verify.WFP_057,
			fmt.Sprintf("the connection wanted port %d and is redirected to port %d, the same bytes in "+
				"the other order",
				p, remote.Port()),
			"incoming values are in host order, the addresses of the request in network order.")
	}
}

// mayTake judges the context of a request; false means that the engine leaves it alone.
func (c *classification) mayTake(k *ke.K, cl *call, r *FWPS_CONNECT_REQUEST0) bool {
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

// accept looks for the newest version that can be taken and puts it in the answer (wfp.md 9.7).
func (c *classification) accept(k *ke.K, a *tcpip.Answer) {
	if c.info.bind {
		a.Target.Local = ws2def.AddrPort(&c.current.req.LocalAddressAndPort)
		a.Target.Modified = c.current.filter != 0
		return
	}
	v := c.current
	for v.filter != 0 && !v.acceptable() {
		c.note = "change not applied: " + v.missing()
		ke.Note(k, "modification not accepted", c.id)
		if ke.Choose(k, &siteUnaccepted, 2) == 1 {
			a.Permit = false
			return
		}
		if v.record != nil {
			c.chain.dropRecord(v.record)
		}
		v = v.prev
	}
	r := &v.req
	t := &a.Target
	t.Remote, t.Local = ws2def.AddrPort(&r.RemoteAddressAndPort), c.q.Local
	t.Redirected = r.RemoteAddressAndPort != c.original.RemoteAddressAndPort
	if c.q.Protocol == tcpip.TCP && r.LocalAddressAndPort != c.original.LocalAddressAndPort {
		t.Local = ws2def.AddrPort(&r.LocalAddressAndPort)
	}
	t.TargetPID, t.Modified = r.LocalRedirectTargetPID, v.filter != 0
	if t.Redirected {
		c.reportLoop(k)
	}
}

// acceptable reports whether the stack takes the version: a loopback target needs process and handle.
func (v *version) acceptable() bool { return v.missing() == "" }

func (v *version) missing() string {
	remote, local := ws2def.AddrPort(&v.req.RemoteAddressAndPort), ws2def.AddrPort(&v.req.LocalAddressAndPort)
	if !loopback(remote, local) {
		return ""
	}
	if v.prev != nil && v.req.RemoteAddressAndPort == v.prev.req.RemoteAddressAndPort &&
		v.prev.missing() == "" && v.prev.filter == 0 {
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
func (c *classification) reportLoop(k *ke.K) {
	if c.chain == nil || c.chain.inherited != nil {
		return
	}
	asked := ws2def.AddrPort(&c.original.RemoteAddressAndPort)
	for _, o := range c.e.chains {
		if o == c.chain {
			continue
		}
		for _, rec := range o.own {
			if rec.original == asked && rec.pid == ke.PIDOf(c.q.Process) {
				ke.Report(k, verify.Finding{Rule: verify.WFP_120, Obj: c.q.Endpoint.String(),
					Driver: imageName(c.q.Process),
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
func (c *classification) reportClaimedLoop(k *ke.K) {
	if c.chain == nil || c.chain.inherited != nil || ke.PIDOf(c.q.Process) != ke.SystemPID {
		return
	}
	asked := ws2def.AddrPort(&c.original.RemoteAddressAndPort)
	for _, o := range c.e.chains {
		for _, cm := range o.claims {
			if cm.by == ke.Acting(k) && cm.of.phase != phDecided && cm.of.q.Process != c.q.Process &&
				ws2def.AddrPort(&cm.of.original.RemoteAddressAndPort) == asked {
				ke.Report(k, verify.Finding{Rule: verify.WFP_120, Obj: c.q.Endpoint.String(),
					Driver: imageName(c.q.Process),
					Headline: fmt.Sprintf("the proxy's connection to %v carries no redirect records and "+
						"is pended like the connection it serves", asked),
					Fix: "before connecting, set the records on the new socket " +
						"(SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS)."})
				return
			}
		}
	}
}
