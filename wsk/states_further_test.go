package wsk_test

import (
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// far is a host that echoes, for what is not allowed over loopback.
var far = addr("198.51.100.7:7")

// further reports whether a row is about something that TestStateCalls plays in another way: what needs
// callbacks, has no IRP, or is about a socket that is silent or dead.
func (c stateCall) further() bool {
	switch {
	case c.state == "closing", c.state == "closed":
		return false
	case c.state == "silent", c.state == "dead", c.category == "basic" && c.member() == "WskControlSocket":
		return true
	case strings.HasPrefix(c.call, "SIO_WSK_SET_REMOTE"), strings.HasPrefix(c.call, "SIO_WSK_SET_SENDTO"):
		return false
	}
	return strings.HasPrefix(c.call, "SIO_WSK_") || strings.HasPrefix(c.call, "SIO_ADDRESS_") ||
		strings.HasPrefix(c.call, "SO_WSK_EVENT") || c.call == "SO_CONDITIONAL_ACCEPT set" ||
		c.call == "SIO_LOOPBACK_FAST_PATH" || c.call == "WskConnectEx" || c.call == "WskRelease" ||
		c.call == "WskInspectComplete"
}

// playFurther makes the call of such a row.
func (r *rig) playFurther(c stateCall) {
	if c.state == "dead" {
		r.m.Reset(ke.Config{Subsystems: subsystems.All(), Events: -1, Continue: true,
			Pins: []ke.Pin{{Site: "env/Wsk/forced", Alt: 1}}})
	}
	var got outcome
	r.driver(func(k *irql.K) {
		tcpip.Of(k).AddHost(ws2def.AddrPort(site).Addr(), tcpip.Silent())
		tcpip.Of(k).AddHost(ws2def.AddrPort(far).Addr(), tcpip.Echo())
		engine := new(fake)
		tcpip.Of(k).SetEngine(engine)
		s := &subject{rig: r, local: any4, remote: server}
		s.records = engine.FormatRecords(engine.NewRecords(k, nil))
		h := newHouse(r, k)
		h.listen.WskInspectEvent = func(_ *irql.K, _ any, _, _ ws2def.SOCKADDR,
			id *wsk.WSK_INSPECT_ID) wsk.WSK_INSPECT_ACTION {
			own := *id
			s.inspected = &own
			return wsk.WskInspectPend
		}
		h.listen.WskAbortEvent = func(*irql.K, any, *wsk.WSK_INSPECT_ID) ntstatus.NTSTATUS { return good }
		s.further(k, c, h)
		got = s.tryFurther(k, c, h)
	})
	var rules []verify.RuleID
	for _, f := range r.m.Findings() {
		if f.Severity() != verify.Note {
			rules = append(rules, f.Rule)
		}
	}
	want, broken := c.expected()
	assert.Equal(r, want, got, "%v: %s", c, c.result)
	assert.Equal(r, broken, rules, "%v: %s: findings", c, c.result)
}

// further brings a socket with callbacks to the state of a row.
func (s *subject) further(k *irql.K, c stateCall, h *house) {
	var table any
	switch c.category {
	case "listen":
		table = &h.listen
	case "connection":
		table = &h.connect
	case "stream":
		table = &wsk.WSK_CLIENT_STREAM_DISPATCH{Listen: &h.listen, Connect: &h.connect}
	}
	if c.category == "datagram" {
		s.local, s.ears = dns, newEars(s.rig, k)
		s.s = s.ears.s
	} else if table == nil {
		s.s = s.socket(k, categoryFlags[c.category])
	} else {
		s.s = s.socketWith(k, categoryFlags[c.category], h, table)
	}
	switch {
	case c.state == "dead":
		assert.Equal(s, ntstatus.STATUS_FILE_FORCED_CLOSED, s.wait(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return s.rcvbuf(k, p)
		}).status)
		return
	case c.category == "datagram" && c.call == "WskRelease" && c.state == "bound":
		s.bring(k, c)
		s.ears.keepsOne(k)
		return
	case c.call == "WskInspectComplete" && c.state == "listening":
		require.Equal(s, good, conditional(k, s.s))
	case c.call == "WskRelease" && c.state != "created" && c.state != "bound" && c.state != "connecting":
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
			h.kept = append(h.kept, d)
			irql.KeSetEvent(k, h.heard, 0, false)
			return ntstatus.STATUS_PENDING
		}
		s.fed = h
	case c.call == "WskConnectEx" && c.state == "bound":
		s.beside = append(s.beside, s.listener(k, server))
	}
	if c.state == "silent" || c.call == "SIO_WSK_SET_TCP_SILENT_MODE" && c.state == "connected" {
		s.remote = far
		s.do(k, "WskBind")
		s.do(k, "WskConnect")
		s.feed(k, nil)
		if c.state == "silent" {
			s.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return s.ioctl(k, wsk.SIO_WSK_SET_TCP_SILENT_MODE, nil, nil, nil, p)
			}))
		}
		return
	}
	s.bring(k, c)
}

// feed lets the socket keep a list of what its peer sends.
func (s *subject) feed(k *irql.K, peer *wsk.WSK_SOCKET) {
	if s.fed == nil {
		return
	}
	assert.Equal(s, good, events(k, s.s, wsk.WSK_EVENT_RECEIVE))
	if peer != nil {
		s.ok(send(k, peer, "x"))
	} else {
		m := text(k, "x")
		s.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return s.issue(k, "WskSend", m, p) }))
		m.free(k)
	}
	await(k, s.fed.heard)
}

func (s *subject) rcvbuf(k *irql.K, p *irp.IRP) ntstatus.NTSTATUS {
	m := newMemory(k, 4)
	m.b.Store32(0, 4096)
	defer m.free(k)
	return basic(s.s).WskControlSocket(k, s.s, wsk.WskSetOption, ws2def.SO_RCVBUF, ws2def.SOL_SOCKET, 4,
		m.b, 0,
		nil, nil, p)
}

func (s *subject) ioctl(k *irql.K, code uint32, in, out *irp.Buffer, size *uint64,
	p *irp.IRP) ntstatus.NTSTATUS {
	length := func(b *irp.Buffer) uint64 {
		if b == nil {
			return 0
		}
		return uint64(b.Len())
	}
	return basic(s.s).WskControlSocket(k, s.s, wsk.WskIoctl, code, 0, length(in), in, length(out), out,
		size, p)
}

// wait makes a call with an IRP and waits for a second.
func (s *subject) wait(k *irql.K, call func(p *irp.IRP) ntstatus.NTSTATUS) (got outcome) {
	q := newRequest(k)
	call(q.p)
	limit := -int64(ke.Second)
	got.waits = irql.KeWaitForSingleObject(k, q.event, irql.Executive, 0, false, &limit) ==
		ntstatus.STATUS_TIMEOUT
	if got.waits {
		irp.IoCancelIrp(k, q.p)
		q.wait(k)
	} else {
		got.status = q.p.IoStatus().Status
	}
	q.free(k)
	return got
}

// tryFurther makes the call, and closes what is open.
func (s *subject) tryFurther(k *irql.K, c stateCall, h *house) (got outcome) {
	m := newMemory(k, len(s.records))
	word := m.b.Slice(0, 8)
	with := func(code uint32, in, out *irp.Buffer) outcome {
		return s.wait(k, func(p *irp.IRP) ntstatus.NTSTATUS { return s.ioctl(k, code, in, out, nil, p) })
	}
	n := irp.StackVar[uint64](k)
	switch c.call {
	case "WskControlSocket":
		if c.category == "basic" && c.state == "created" {
			got.status = s.ioctl(k, wsk.SIO_ADDRESS_LIST_QUERY, nil, m.b, n.Get(), nil)
			break
		}
		got = s.wait(k, func(p *irp.IRP) ntstatus.NTSTATUS { return s.rcvbuf(k, p) })
	case "SO_WSK_EVENT_CALLBACK enable", "SO_WSK_EVENT_CALLBACK disable":
		got.status = events(k, s.s, s.eventOf(c))
	case "SO_CONDITIONAL_ACCEPT set":
		got.status = conditional(k, s.s)
	case "SIO_WSK_REGISTER_EXTENSION":
		got.status = s.ioctl(k, wsk.SIO_WSK_REGISTER_EXTENSION, word, word, nil, nil)
	case "SIO_WSK_QUERY_INSPECT_ID":
		got.status = s.ioctl(k, wsk.SIO_WSK_QUERY_INSPECT_ID, nil, m.b.Slice(0, 16), n.Get(), nil)
	case "SIO_ADDRESS_LIST_QUERY":
		got.status = s.ioctl(k, wsk.SIO_ADDRESS_LIST_QUERY, nil, m.b, n.Get(), nil)
	case "SIO_ADDRESS_LIST_CHANGE":
		got = with(wsk.SIO_ADDRESS_LIST_CHANGE, nil, nil)
	case "SIO_WSK_QUERY_IDEAL_SEND_BACKLOG":
		got = with(wsk.SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, nil, word)
	case "SIO_WSK_QUERY_RECEIVE_BACKLOG":
		got = with(wsk.SIO_WSK_QUERY_RECEIVE_BACKLOG, nil, word)
	case "SIO_WSK_SET_TCP_SILENT_MODE":
		got = with(wsk.SIO_WSK_SET_TCP_SILENT_MODE, nil, nil)
	case "SIO_LOOPBACK_FAST_PATH":
		got = with(wsk.SIO_LOOPBACK_FAST_PATH, m.b.Slice(0, 4), nil)
	case "WskRelease":
		if got.status = good; c.category != "datagram" {
			got.status = s.release(k, h)
		} else if c.state == "bound" {
			got.status = s.ears.release(k, s.ears.kept[0])
		} else {
			got.status = s.releaseOther(k)
		}
	case "WskInspectComplete":
		got = s.inspectComplete(k, c)
	default:
		got = s.wait(k, func(p *irp.IRP) ntstatus.NTSTATUS { return s.issue(k, c.call, m, p) })
	}
	if c.call != "WskCloseSocket" {
		s.ok(closeSocket(k, s.s))
	}
	if s.connect != nil {
		s.connect.wait(k)
		s.connect.free(k)
	}
	m.free(k)
	s.closeAll(k, s.beside...)
	return got
}

func (s *subject) eventOf(c stateCall) uint32 {
	mask := wsk.WSK_EVENT_RECEIVE
	if c.category == "datagram" {
		mask = wsk.WSK_EVENT_RECEIVE_FROM
	}
	if c.category == "listen" || c.state == "listening" {
		mask = wsk.WSK_EVENT_ACCEPT
	}
	if c.call == "SO_WSK_EVENT_CALLBACK disable" {
		mask |= disable
	}
	return mask
}

// release gives back a list: one of the socket, else one of another.
func (s *subject) release(k *irql.K, h *house) ntstatus.NTSTATUS {
	give := func(d *wsk.WSK_DATA_INDICATION) ntstatus.NTSTATUS {
		if t, ok := s.s.Dispatch.(*wsk.WSK_PROVIDER_STREAM_DISPATCH); ok {
			return t.WskRelease(k, s.s, d)
		}
		return connected(s.s).WskRelease(k, s.s, d)
	}
	if len(h.kept) > 0 {
		return give(h.kept[0])
	}
	other := &subject{rig: s.rig, local: any4, remote: far, fed: h}
	h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
		h.kept = append(h.kept, d)
		irql.KeSetEvent(k, h.heard, 0, false)
		return ntstatus.STATUS_PENDING
	}
	other.s = s.socketWith(k, wsk.WSK_FLAG_CONNECTION_SOCKET, h, &h.connect)
	other.do(k, "WskBind")
	other.do(k, "WskConnect")
	other.feed(k, nil)
	st := give(h.kept[0])
	assert.Equal(s, good, connected(other.s).WskRelease(k, other.s, h.kept[0]))
	s.closeAll(k, other.s)
	return st
}

// releaseOther gives a datagram socket a list of another.
func (s *subject) releaseOther(k *irql.K) ntstatus.NTSTATUS {
	other := newEars(s.rig, k)
	s.bindTo(k, other.s, dns)
	other.keepsOne(k)
	st := s.ears.release(k, other.kept[0])
	assert.Equal(s, good, other.release(k, other.kept[0]))
	s.closeAll(k, other.s)
	return st
}

// inspectComplete completes the inspection of a connection, if the socket has conditional accept.
func (s *subject) inspectComplete(k *irql.K, c stateCall) outcome {
	id := wsk.WSK_INSPECT_ID{Key: 1}
	if c.state == "listening" {
		conn, q := s.connection(k), newRequest(k)
		connected(conn).WskConnect(k, conn, server, 0, q.p)
		second(k)
		id = wsk.WSK_INSPECT_ID{Key: s.inspected.Key, SerialNumber: s.inspected.SerialNumber}
		defer func() {
			q.wait(k)
			q.free(k)
			s.closeAll(k, conn)
		}()
	}
	return s.wait(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(s.s).WskInspectComplete(k, s.s, &id, wsk.WskInspectReject, p)
	})
}

var namedStatus = map[string]ntstatus.NTSTATUS{"STATUS_INVALID_DEVICE_STATE": ids,
	"STATUS_NOT_SUPPORTED": ntstatus.STATUS_NOT_SUPPORTED, "STATUS_INVALID_PARAMETER": invalid,
	"STATUS_INVALID_DEVICE_REQUEST": ntstatus.STATUS_INVALID_DEVICE_REQUEST}

// expected is what a row says in words: the status, and what is reported.
func (c stateCall) expected() (got outcome, rules []verify.RuleID) {
	one := func(id verify.RuleID) []verify.RuleID { return []verify.RuleID{id} }
	_, suggested, _ := strings.Cut(c.result, "suggest ")
	_, other, _ := strings.Cut(c.result, "else ")
	words := strings.Fields(c.result + " " + suggested)
	for _, w := range append(words, strings.Fields(other)...) {
		w = strings.Trim(w, ";,:()")
		if st, ok := namedStatus[w]; ok && !strings.HasPrefix(c.result, "OK no callback") &&
			!strings.HasPrefix(c.result, "OK without an IRP") && !strings.HasPrefix(c.result, "OK if cond") &&
			!strings.HasPrefix(c.result, "OK always") {
			got.status = st
		}
	}
	got.waits = strings.HasPrefix(c.result, "OK always STATUS_PENDING")
	switch {
	case c.state == "dead" && c.call != "WskCloseSocket":
		return outcome{status: ntstatus.STATUS_FILE_FORCED_CLOSED}, one(verify.WSK_111)
	case c.state == "silent" && c.call != "WskCloseSocket" && c.call != "WskRelease":
		return outcome{status: ids}, one(verify.WSK_113)
	case got.status == good:
		return got, nil
	}
	switch c.call {
	case "WskRelease":
		rules = one(verify.WSK_172)
	case "WskConnectEx":
		switch {
		case strings.Contains(c.result, "(role is"):
			rules = one(verify.WSK_107)
		case c.state == "created":
			rules = one(verify.WSK_102)
		}
	case "WskInspectComplete":
		rules = one(verify.WSK_196)
	case "SO_CONDITIONAL_ACCEPT set":
		rules = one(verify.WSK_190)
	case "SO_WSK_EVENT_CALLBACK enable":
		if rules = one(verify.WSK_160); c.category == "basic" {
			rules = one(verify.WSK_161)
		}
	case "SIO_WSK_QUERY_INSPECT_ID":
		rules = one(verify.WSK_198)
	case "SIO_WSK_QUERY_IDEAL_SEND_BACKLOG", "SIO_WSK_QUERY_RECEIVE_BACKLOG":
		rules = one(verify.WSK_209)
	case "SIO_WSK_SET_TCP_SILENT_MODE":
		rules = one(verify.WSK_114)
	case "SIO_LOOPBACK_FAST_PATH":
		if rules = one(verify.WSK_212); c.category == "datagram" {
			rules = one(verify.WSK_205)
		}
	}
	return got, rules
}
