package wsk

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Control codes of sockets (wsk.md 13.6). The three of redirection and the two of fixed addresses stand by
// themselves.
const (
	SIO_WSK_REGISTER_EXTENSION       uint32 = 0xCF000002
	SIO_WSK_QUERY_IDEAL_SEND_BACKLOG uint32 = 0x4F000003
	SIO_WSK_QUERY_RECEIVE_BACKLOG    uint32 = 0x4F000004
	SIO_WSK_QUERY_INSPECT_ID         uint32 = 0x4F000005
	SIO_WSK_SET_TCP_SILENT_MODE      uint32 = 0x2F000007
	SIO_ADDRESS_LIST_QUERY           uint32 = 0x48000016
	SIO_ADDRESS_LIST_CHANGE          uint32 = 0x28000017
	SIO_LOOPBACK_FAST_PATH           uint32 = 0x98000010
)

// controlCode is one of them.
type controlCode struct {
	code    uint32
	name    string
	where   SocketFlags   // categories that have it besides basic sockets
	basic   bool          // basic sockets have it
	noIRP   bool          // takes none
	stray   verify.RuleID // an IRP is given all the same
	passive verify.RuleID // needs PASSIVE_LEVEL
	run     func(o *socket, k *irql.K, c *control) answered
}

// answered is what came of a control request.
type answered struct {
	st   ntstatus.NTSTATUS
	out  []byte               // for the output buffer
	n    uint64               // bytes stored, or needed
	wait func(r *request)     // the request stays pending
	fill func(k *irql.K) bool // stores a structure instead
}

var controlCodes = [...]controlCode{
	{code: SIO_WSK_REGISTER_EXTENSION, name: "SIO_WSK_REGISTER_EXTENSION", where: everywhere, basic: true,
		noIRP: true, stray: verify.WSK_201, run: (*socket).registerExtension},
	{code: SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, name: "SIO_WSK_QUERY_IDEAL_SEND_BACKLOG", where: conversing,
		run: (*socket).queryIdeal},
	{code: SIO_WSK_QUERY_RECEIVE_BACKLOG, name: "SIO_WSK_QUERY_RECEIVE_BACKLOG", where: conversing,
		run: (*socket).queryReceived},
	{code: SIO_WSK_QUERY_INSPECT_ID, name: "SIO_WSK_QUERY_INSPECT_ID", where: everywhere, basic: true,
		noIRP: true, stray: verify.WSK_198, run: (*socket).queryInspectID},
	{code: SIO_WSK_SET_TCP_SILENT_MODE, name: "SIO_WSK_SET_TCP_SILENT_MODE", where: conversing,
		run: (*socket).setSilent},
	{code: SIO_ADDRESS_LIST_QUERY, name: "SIO_ADDRESS_LIST_QUERY", where: everywhere, basic: true,
		noIRP: true, stray: verify.WSK_201, passive: verify.WSK_092, run: (*socket).queryAddresses},
	{code: SIO_ADDRESS_LIST_CHANGE, name: "SIO_ADDRESS_LIST_CHANGE", where: everywhere, basic: true,
		passive: verify.WSK_092, run: (*socket).awaitAddresses},
	{code: SIO_LOOPBACK_FAST_PATH, name: "SIO_LOOPBACK_FAST_PATH", where: connects, passive: verify.WSK_094,
		run: (*socket).fastPath},
}

const (
	conversing = WSK_FLAG_CONNECTION_SOCKET | WSK_FLAG_STREAM_SOCKET
	everywhere = bindable
)

// codeOf finds the control code of a request, nil when it is none of these.
func codeOf(c *control) *controlCode {
	for _, x := range controlCodes {
		if c.what == WskIoctl && x.code == c.code {
			return &x
		}
	}
	return nil
}

// level judges the IRQL of a request. Rules: WSK-092, WSK-094.
func (x *controlCode) level(k *irql.K) {
	if x.passive == verify.NoRule || ke.IRQL(k) == ke.Passive {
		return
	}
	f := verify.Finding{Rule: x.passive, Obj: x.name, AllowedIRQL: ke.Passive,
		Also:     []verify.RuleID{verify.IRQL_001},
		Headline: fmt.Sprintf("%s at %s, allowed is only PASSIVE_LEVEL", x.name, ke.LevelName(ke.IRQL(k)))}
	ke.Report(k, f)
}

// answer makes the request. Rules: WSK-198, WSK-201, WSK-205.
func (x *controlCode) answer(o *socket, k *irql.K, c *control) answered {
	switch {
	case x.noIRP && c.p != nil:
		o.wrongControl(k, x.stray, x.name+" takes no IRP")
		return answered{st: ntstatus.STATUS_INVALID_PARAMETER}
	case o.category == WSK_FLAG_BASIC_SOCKET && !x.basic,
		o.category != WSK_FLAG_BASIC_SOCKET && x.where&o.category == 0:
		o.wrongControl(k, verify.WSK_205, fmt.Sprintf("%s is not for sockets of category 0x%x", x.name,
			uint32(o.category)))
		return answered{st: ntstatus.STATUS_NOT_SUPPORTED}
	}
	return x.run(o, k, c)
}

// wrongControl collects a control request that Windows answers with a status.
func (o *socket) wrongControl(k *irql.K, rule verify.RuleID, why string) {
	ke.Collect(k, verify.Finding{Rule: rule, Obj: o.id.String(),
		Headline: fmt.Sprintf("%s (%v)", why, o.id)})
}

// with makes the request with an IRP.
func (x *controlCode) with(o *socket, k *irql.K, r *request, c *control) {
	r.name = x.name
	switch a := x.answer(o, k, c); {
	case a.wait != nil:
		r.lendControl(k, c, verify.WSK_207)
		a.wait(r)
	case !ntstatus.NT_SUCCESS(a.st):
		r.refuse(k, a.st)
	default:
		r.lendControl(k, c, verify.WSK_207)
		r.fill = func(k *irql.K) { a.store(k, c) }
		r.finish(k, a.st, a.n, nil)
	}
}

// without makes the request without an IRP.
func (x *controlCode) without(o *socket, k *irql.K, c *control) ntstatus.NTSTATUS {
	mark := o.enters(k)
	a, dead := o.deadAnswer(k)
	if !dead {
		a = x.answer(o, k, c)
	}
	ke.Leave(k, mark)
	if ntstatus.NT_SUCCESS(a.st) {
		a.store(k, c)
	}
	if c.returned != nil {
		*c.returned = a.n
	}
	ke.CallStatus(k, opControl.id, o.id, uint32(a.st))
	return a.st
}

func (a *answered) store(k *irql.K, c *control) {
	if a.fill != nil && a.fill(k) || len(a.out) == 0 {
		return
	}
	pool.Put(k, c.out, a.out)
}

// fits judges the output buffer of a request that gives n bytes. Rule: WSK-202.
func (o *socket) fits(k *irql.K, c *control, n int) bool {
	if c.inSize == 0 && c.in == nil && c.outSize == uint64(n) && c.out != nil {
		return true
	}
	o.wrongControl(k, verify.WSK_202, fmt.Sprintf("control code 0x%08X gives %d bytes, not %d", c.code, n,
		c.outSize))
	return false
}

// registerExtension: no extension interface is defined.
func (o *socket) registerExtension(*irql.K, *control) answered {
	return answered{st: ntstatus.STATUS_NOT_SUPPORTED}
}

func (o *socket) queryIdeal(k *irql.K, c *control) answered { return o.backlog(k, c, o.ideal()) }

func (o *socket) queryReceived(k *irql.K, c *control) answered {
	return o.backlog(k, c, uint64(o.ep.Available()))
}

// backlog answers the two queries about backlogs. Rule: WSK-209.
func (o *socket) backlog(k *irql.K, c *control, v uint64) answered {
	switch {
	case !o.state().HasPeer():
		o.wrongControl(k, verify.WSK_209, fmt.Sprintf("control code 0x%08X comes before the connection",
			c.code))
		return answered{st: ntstatus.STATUS_INVALID_DEVICE_STATE}
	case !o.fits(k, c, 8):
		return answered{st: ntstatus.STATUS_INVALID_PARAMETER}
	}
	return answered{out: binary.LittleEndian.AppendUint64(nil, v), n: 8}
}

// sizeofInspectID is sizeof(WSK_INSPECT_ID).
const sizeofInspectID = 16

// queryInspectID gives the id under which an accepted connection was inspected. Rule: WSK-198.
func (o *socket) queryInspectID(k *irql.K, c *control) answered {
	switch {
	case o.inspectID == nil:
		o.wrongControl(k, verify.WSK_198, "SIO_WSK_QUERY_INSPECT_ID on a socket that was not accepted under "+
			"conditional accept")
		return answered{st: ntstatus.STATUS_INVALID_DEVICE_REQUEST}
	case !o.fits(k, c, sizeofInspectID):
		return answered{st: ntstatus.STATUS_INVALID_PARAMETER}
	}
	id := *o.inspectID
	b := binary.LittleEndian.AppendUint64(nil, id.Key)
	b = binary.LittleEndian.AppendUint64(b, uint64(id.SerialNumber))
	return answered{out: b, n: sizeofInspectID, fill: func(*irql.K) bool {
		v := pool.Holds[WSK_INSPECT_ID](c.out)
		if v != nil {
			*v = id
		}
		return v != nil
	}}
}

// setSilent is SIO_WSK_SET_TCP_SILENT_MODE. Rule: WSK-114.
func (o *socket) setSilent(k *irql.K, _ *control) answered {
	why := ""
	switch st := o.state(); {
	case st != tcpip.Connected && st != tcpip.RemoteFin:
		why = "is " + st.String()
	case o.ep.Remote().Addr().IsLoopback() || o.ep.Remote().Addr() == o.ep.Local().Addr():
		why = "is connected over loopback"
	case o.waitsFor("WskSend") || o.waitsFor("WskDisconnect"):
		why = "has sends or a disconnect pending"
	}
	if why != "" {
		o.wrongControl(k, verify.WSK_114, fmt.Sprintf("SIO_WSK_SET_TCP_SILENT_MODE on %v, which %s",
			o.id, why))
		return answered{st: ntstatus.STATUS_INVALID_DEVICE_STATE}
	}
	o.silent = true
	o.ep.Silence(k)
	return answered{}
}

// queryAddresses is SIO_ADDRESS_LIST_QUERY: a SOCKET_ADDRESS_LIST, and behind it the addresses it points to.
func (o *socket) queryAddresses(k *irql.K, c *control) answered {
	if c.returned == nil { // INFERRED, wsk.md 13.2
		return answered{st: ntstatus.STATUS_INVALID_PARAMETER}
	}
	v6 := o.v6
	if o.ep != nil {
		v6 = o.ep.V6
	}
	list := tcpip.Of(k).Addresses(v6)
	size := uint64(ws2def.SizeofSockaddrIn)
	if v6 {
		size = ws2def.SizeofSockaddrIn6
	}
	n := 8 + uint64(len(list))*(16+size)
	if c.outSize < n {
		return answered{st: ntstatus.STATUS_BUFFER_OVERFLOW, n: n}
	}
	b := make([]byte, n)
	binary.LittleEndian.PutUint32(b, uint32(len(list)))
	for i, a := range list {
		at := 8 + uint64(len(list))*16 + uint64(i)*size
		binary.LittleEndian.PutUint64(b[8+16*i:], c.out.Address()+at)
		binary.LittleEndian.PutUint32(b[16+16*i:], uint32(size))
		own := ws2def.Storage(netip.AddrPortFrom(a, 0))
		copy(b[at:at+size], own.Bytes())
	}
	return answered{out: b, n: n}
}

// awaitAddresses is SIO_ADDRESS_LIST_CHANGE, which waits for the next change.
func (o *socket) awaitAddresses(k *irql.K, _ *control) answered {
	return answered{wait: func(r *request) {
		o.changes = append(o.changes, r)
		r.cancel = func(k *irql.K) bool {
			r.finish(k, ntstatus.STATUS_CANCELLED, 0, nil)
			return true
		}
		o.sub.watchAddresses(k)
	}}
}

// watchAddresses completes what waits for a change of the addresses.
func (s *subsystem) watchAddresses(k *irql.K) {
	if s.watching {
		return
	}
	s.watching = true
	tcpip.Of(k).OnAddresses(func() {
		for _, o := range s.sockets {
			waiting := o.changes
			o.changes = nil
			for _, r := range waiting {
				done := func(k *irql.K) { r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil) }
				s.m.Post(o.ch, ke.Delivery{Text: "the list of addresses has changed", Obj: o.id,
					Touches: o.id, IRQL: &siteIRQL, Run: done})
			}
		}
	})
}

// fastPath is SIO_LOOPBACK_FAST_PATH, which changes nothing here: packets over loopback take the same way.
// Rules: WSK-202, WSK-212, WSK-213.
func (o *socket) fastPath(k *irql.K, c *control) answered {
	ke.Report(k, verify.Finding{Rule: verify.WSK_213, Obj: o.id.String(),
		Headline: fmt.Sprintf("SIO_LOOPBACK_FAST_PATH on %v is deprecated", o.id)})
	st := o.state()
	switch {
	case c.inSize != 1 && c.inSize != 4 || c.in == nil || c.outSize != 0:
		o.wrongControl(k, verify.WSK_202, fmt.Sprintf("SIO_LOOPBACK_FAST_PATH takes a BOOLEAN, not %d bytes",
			c.inSize))
		return answered{st: ntstatus.STATUS_INVALID_BUFFER_SIZE}
	case st != tcpip.Created && st != tcpip.Bound && st != tcpip.Listening:
		o.wrongControl(k, verify.WSK_212, fmt.Sprintf("SIO_LOOPBACK_FAST_PATH on %v, which is %v", o.id, st))
		return answered{st: ntstatus.STATUS_INVALID_DEVICE_STATE}
	}
	return answered{}
}

// cancelChanges completes what waits for a change of the addresses.
func (o *socket) cancelChanges(k *irql.K) {
	waiting := o.changes
	o.changes = nil
	for _, r := range waiting {
		r.finish(k, ntstatus.STATUS_CANCELLED, 0, nil)
	}
}
