package wsk_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

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

// stateCall is a row of docs/spec/data/wsk_state_calls.tsv: what a call answers on a socket in a state.
type stateCall struct{ category, state, call, result string }

func (c stateCall) String() string { return c.category + ", " + c.state + ", " + c.call }

func stateCalls(t *testing.T) (list []stateCall) {
	text, err := os.ReadFile("../docs/spec/data/wsk_state_calls.tsv")
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(line, "\t")
		list = append(list, stateCall{f[0], f[1], f[2], f[3]})
	}
	return list
}

// member is the name of the function in the tables.
func (c stateCall) member() string {
	name, _, _ := strings.Cut(c.call, "(")
	if strings.HasPrefix(name, "S") {
		return "WskControlSocket"
	}
	return name
}

// missing says what of a row is not modelled, "" where all of it is.
func (c stateCall) missing() string {
	switch {
	case strings.HasPrefix(c.result, "NO_ENTRY"):
		return ""
	case c.state == "dead" && c.call == "WskRelease":
		return "WskRelease on dead sockets"
	case c.call == "SIO_WSK_SET_RECEIVE_EX_CALLBACK":
		return c.call
	}
	return ""
}

// notModelled is how many rows are about something that is not modelled. Who models it deletes its line.
var notModelled = map[string]int{
	"SIO_WSK_SET_RECEIVE_EX_CALLBACK": 2,
	"WskRelease on dead sockets":      3,
}

// TestStateCalls brings a socket to the state of each row, makes the call, and compares status and finding
// with what the row says.
//
// Reference: wsk.md 8.6, 8.7
func TestStateCalls(t *testing.T) {
	missing, played := map[string]int{}, 0
	first := newRig(t, 1)
	rows := stateCalls(t)
	for _, c := range rows {
		switch why := c.missing(); {
		case why != "":
			missing[why]++
		case strings.HasPrefix(c.result, "NO_ENTRY"):
			assert.False(t, tableOf(c.category).FieldByName(c.member()).IsValid(), "%v: it is there", c)
			played++
		default:
			require.True(t, tableOf(c.category).FieldByName(c.member()).IsValid(), "%v: no such function", c)
			played++
			r := &rig{T: t, m: first.m}
			r.disp.Version = first.disp.Version
			r.m.Reset(ke.Config{Subsystems: subsystems.All(), Events: -1, Continue: true})
			if c.further() {
				r.playFurther(c)
			} else {
				r.play(c)
			}
		}
	}
	t.Logf("%d of %d rows are played", played, len(rows))
	assert.Len(t, rows, 852)
	assert.Equal(t, notModelled, missing)
}

// tableOf gives a table of the category's kind.
func tableOf(category string) reflect.Value {
	return reflect.ValueOf(map[string]any{"basic": wsk.WSK_PROVIDER_BASIC_DISPATCH{},
		"listen": wsk.WSK_PROVIDER_LISTEN_DISPATCH{}, "datagram": wsk.WSK_PROVIDER_DATAGRAM_DISPATCH{},
		"connection": wsk.WSK_PROVIDER_CONNECTION_DISPATCH{},
		"stream":     wsk.WSK_PROVIDER_STREAM_DISPATCH{}}[category])
}

var categoryFlags = map[string]wsk.SocketFlags{"basic": wsk.WSK_FLAG_BASIC_SOCKET,
	"listen": wsk.WSK_FLAG_LISTEN_SOCKET, "datagram": wsk.WSK_FLAG_DATAGRAM_SOCKET,
	"connection": wsk.WSK_FLAG_CONNECTION_SOCKET,
	"stream":     wsk.WSK_FLAG_STREAM_SOCKET}

// subject is the socket of a row with what belongs to it.
type subject struct {
	*rig
	s       *wsk.WSK_SOCKET
	local   ws2def.SOCKADDR
	remote  ws2def.SOCKADDR
	beside  []*wsk.WSK_SOCKET // its peer and the listening socket
	connect *request          // the pending WskConnect
	close   *request          // the WskCloseSocket that has been called
	closed  bool
	records []byte
	sd      *irp.Typed[*wsk.SECURITY_DESCRIPTOR]

	ears      *ears               // of a datagram socket
	fed       *house              // keeps what the socket receives
	inspected *wsk.WSK_INSPECT_ID // the last one that was shown
}

// outcome is what came of a call: the status its IRP ended with, or that it waits.
type outcome struct {
	status ntstatus.NTSTATUS
	waits  bool
	beside ntstatus.NTSTATUS // what a close did to the pending connect, or to the peer
}

// play makes the call of a row.
func (r *rig) play(c stateCall) {
	var got outcome
	r.driver(func(k *irql.K) {
		engine := new(fake)
		tcpip.Of(k).SetEngine(engine)
		tcpip.Of(k).AddHost(ws2def.AddrPort(site).Addr(), tcpip.Silent())
		s := &subject{rig: r, local: any4, remote: server}
		s.records = engine.FormatRecords(engine.NewRecords(k, nil))
		s.bring(k, c)
		got = s.try(k, c)
	})
	var rules []verify.RuleID
	for _, f := range r.m.Findings() {
		rules = append(rules, f.Rule)
	}
	assert.Equal(r, c.rules(), rules, "%v: %s: findings", c, c.result)
	if !strings.HasPrefix(c.result, "VIOLATION use-after-close") {
		assert.Equal(r, c.outcome(), got, "%v: %s", c, c.result)
	}
}

// bring brings a new socket to the state of a row.
func (s *subject) bring(k *irql.K, c stateCall) {
	if s.s == nil {
		s.s = s.socket(k, categoryFlags[c.category])
	}
	if c.category == "listen" || c.state == "listening" {
		s.local = server
	}
	switch c.state {
	case "created":
		return
	case "closing", "closed":
		s.close = newRequest(k)
		basic(s.s).WskCloseSocket(k, s.s, s.close.p)
		if s.closed = c.state == "closed"; s.closed {
			s.ok(s.close.wait(k))
		}
		return
	}
	s.do(k, "WskBind")
	switch c.state {
	case "bound":
		if c.call == "WskConnect" {
			s.beside = append(s.beside, s.listener(k, server))
		}
	case "listening":
		if c.category == "stream" {
			s.do(k, "WskListen")
		}
	case "connecting":
		s.connect, s.remote = newRequest(k), site
		s.issue(k, "WskConnect", nil, s.connect.p)
	default:
		s.meet(k, c.state)
	}
}

// do makes a call that must succeed.
func (s *subject) do(k *irql.K, call string) {
	s.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return s.issue(k, call, nil, p) }))
}

// meet brings a bound socket to a state in which it has a peer.
func (s *subject) meet(k *irql.K, state string) {
	l := s.listener(k, server)
	s.do(k, "WskConnect")
	a := s.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(l).WskAccept(k, l, 0, nil, nil, nil, nil, p)
	})).Pointer.(*wsk.WSK_SOCKET)
	s.beside = []*wsk.WSK_SOCKET{a, l}
	s.feed(k, a)
	if state == "remotefin" || state == "bothfin" {
		s.ok(disconnect(k, a, 0))
	}
	switch state {
	case "localfin", "bothfin":
		s.do(k, "WskDisconnect(graceful)")
	case "aborted":
		s.do(k, "WskDisconnect(abortive)")
	}
}

// issue makes a call, with the function of that name in whatever table the socket has.
func (s *subject) issue(k *irql.K, call string, m *memory, p *irp.IRP) ntstatus.NTSTATUS {
	table := reflect.ValueOf(s.s.Dispatch).Elem()
	switch f := table.FieldByName(stateCall{call: call}.member()).Interface().(type) {
	case wsk.PFN_WSK_BIND:
		return f(k, s.s, s.local, 0, p)
	case wsk.PFN_WSK_LISTEN:
		return f(k, s.s, p)
	case wsk.PFN_WSK_ACCEPT:
		return f(k, s.s, 0, nil, nil, nil, nil, p)
	case wsk.PFN_WSK_CONNECT:
		return f(k, s.s, s.remote, 0, p)
	case wsk.PFN_WSK_INSPECT_COMPLETE:
		return f(k, s.s, new(wsk.WSK_INSPECT_ID), wsk.WskInspectAccept, p)
	case wsk.PFN_WSK_RELEASE_DATA_INDICATION_LIST:
		return f(k, s.s, nil)
	case wsk.PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST:
		return f(k, s.s, nil)
	case wsk.PFN_WSK_CONNECT_EX:
		return f(k, s.s, s.remote, nil, 0, p)
	case wsk.PFN_WSK_GET_LOCAL_ADDRESS:
		return f(k, s.s, new(ws2def.SOCKADDR_STORAGE), p)
	case wsk.PFN_WSK_GET_REMOTE_ADDRESS:
		return f(k, s.s, new(ws2def.SOCKADDR_STORAGE), p)
	case wsk.PFN_WSK_SEND:
		return f(k, s.s, m.buf(), 0, p)
	case wsk.PFN_WSK_RECEIVE:
		return f(k, s.s, m.buf(), 0, p)
	case wsk.PFN_WSK_DISCONNECT:
		if call == "WskDisconnect(abortive)" {
			return f(k, s.s, nil, wsk.WSK_FLAG_ABORTIVE, p)
		}
		return f(k, s.s, nil, 0, p)
	case wsk.PFN_WSK_SEND_TO:
		return f(k, s.s, m.small(), 0, s.remote, 0, nil, p)
	case wsk.PFN_WSK_SEND_MESSAGES:
		return f(k, s.s, &wsk.WSK_BUF_LIST{Buffer: *m.small()}, 0, s.remote, 0, nil, p)
	case wsk.PFN_WSK_RECEIVE_FROM:
		return f(k, s.s, m.buf(), 0, nil, nil, nil, nil, p)
	case wsk.PFN_WSK_CLOSE_SOCKET:
		return f(k, s.s, p)
	case wsk.PFN_WSK_CONTROL_SOCKET:
		return s.control(k, f, call, m, p)
	}
	s.Fatalf("%s is called nowhere here", call)
	return 0
}

var optionCodes = map[string]uint32{"WskControlSocket": ws2def.SO_RCVBUF,
	"SO_KEEPALIVE set": ws2def.SO_KEEPALIVE, "SO_RCVBUF set": ws2def.SO_RCVBUF,
	"SO_REUSEADDR set": ws2def.SO_REUSEADDR, "SO_BROADCAST set": ws2def.SO_BROADCAST,
	"SO_EXCLUSIVEADDRUSE set": ws2def.SO_EXCLUSIVEADDRUSE}

// control sets an option to 1, or makes one of the requests of redirection.
func (s *subject) control(k *irql.K, f wsk.PFN_WSK_CONTROL_SOCKET, call string, m *memory,
	p *irp.IRP) ntstatus.NTSTATUS {
	switch call {
	case "SO_WSK_EVENT_CALLBACK enable":
		return events(k, s.s, wsk.WSK_EVENT_RECEIVE)
	case "SIO_WSK_SET_REMOTE_ADDRESS", "SIO_WSK_SET_SENDTO_ADDRESS":
		m.b.CopyFrom(0, server.Bytes())
		return f(k, s.s, wsk.WskIoctl, map[string]uint32{
			"SIO_WSK_SET_REMOTE_ADDRESS": wsk.SIO_WSK_SET_REMOTE_ADDRESS,
			"SIO_WSK_SET_SENDTO_ADDRESS": wsk.SIO_WSK_SET_SENDTO_ADDRESS}[call], 0,
			ws2def.SizeofSockaddrStorage, m.b, 0, nil, nil, p)
	case "SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS":
		return f(k, s.s, wsk.WskIoctl, queryRecords, 0, 0, nil, 0, nil, nil, p)
	case "SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT":
		return f(k, s.s, wsk.WskIoctl, queryContext, 0, 0, nil, 0, nil, nil, p)
	case "SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS":
		m.b.CopyFrom(0, s.records)
		return f(k, s.s, wsk.WskIoctl, wsk.SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, 0, uint64(len(s.records)),
			m.b, 0, nil, nil, p)
	}
	if call == "SO_WSK_SECURITY set" {
		s.sd = pointer(k, s.cacheSD(k))
		return f(k, s.s, wsk.WskSetOption, wsk.SO_WSK_SECURITY, ws2def.SOL_SOCKET, 8, s.sd.Handle(), 0, nil,
			nil, p)
	}
	code, ok := optionCodes[call]
	require.True(s, ok, call)
	m.b.Store32(0, 1)
	return f(k, s.s, wsk.WskSetOption, code, ws2def.SOL_SOCKET, 4, m.b.Slice(0, 4), 0, nil, nil, p)
}

// try makes the call of a row, and then closes what is open. What waits ends with the socket.
func (s *subject) try(k *irql.K, c stateCall) (got outcome) {
	q, m := newRequest(k), newMemory(k, len(s.records))
	s.issue(k, c.call, m, q.p)
	limit := -int64(ke.Second)
	got.waits = irql.KeWaitForSingleObject(k, q.event, irql.Executive, 0, false, &limit) ==
		ntstatus.STATUS_TIMEOUT
	if c.call != "WskCloseSocket" {
		s.ok(closeSocket(k, s.s))
	}
	if st := q.wait(k).Status; !got.waits {
		got.status = st
	}
	q.free(k)
	if s.connect != nil {
		if st := s.connect.wait(k).Status; c.call == "WskCloseSocket" {
			got.beside = st
		}
		s.connect.free(k)
	}
	if len(s.beside) == 2 && c.call == "WskCloseSocket" && c.state != "aborted" {
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &limit) // the RST is on its way
		_, st := receive(k, s.beside[0], 1)
		got.beside = st.Status
	}
	m.free(k)
	if s.sd != nil {
		s.releaseSD(k, *s.sd.Get())
		irp.Free(k, s.sd, tag)
	}
	s.closeAll(k, s.beside...)
	return got
}

// aborted: the row names two statuses, and the abort here is the socket's own. That of the peer is in
// TestWskSend_AfterAbort.
const aborted = ntstatus.STATUS_CONNECTION_ABORTED

// outcome is what the row says in words.
func (c stateCall) outcome() outcome {
	for prefix, status := range map[string]ntstatus.NTSTATUS{
		"VIOLATION must precede bind":        ids,
		"VIOLATION must follow bind":         ids,
		"VIOLATION not applicable":           ntstatus.STATUS_NOT_SUPPORTED,
		"VIOLATION too late":                 ids,
		"STATUS_INVALID_DEVICE_STATE":        ids,
		"failure, status unspecified; sugge": ids,
		"failure; suggest STATUS_CONNECTION": aborted,
		"STATUS_NOT_FOUND":                   ntstatus.STATUS_NOT_FOUND,
		"OK if accepted and redirected":      ntstatus.STATUS_NOT_FOUND, // it is not redirected
	} {
		if strings.HasPrefix(c.result, prefix) {
			return outcome{status: status}
		}
	}
	got := outcome{waits: c.call == "WskAccept" || c.call == "WskReceiveFrom" ||
		c.call == "WskReceive" && c.state != "remotefin" && c.state != "bothfin"}
	switch c.result {
	case "OK abortive disconnect":
		got.beside = ntstatus.STATUS_CONNECTION_RESET
	case "OK cancels the connect":
		got.beside = ntstatus.STATUS_CANCELLED
	}
	return got
}

// rules are what is reported: what the row calls a mistake, by rule.
func (c stateCall) rules() []verify.RuleID {
	one := func(id verify.RuleID) []verify.RuleID { return []verify.RuleID{id} }
	peer := slices.Contains([]string{"connected", "localfin", "remotefin", "bothfin", "aborted"}, c.state)
	switch {
	case strings.HasPrefix(c.result, "VIOLATION use-after-close") && c.call == "WskCloseSocket":
		return one(verify.WSK_242)
	case strings.HasPrefix(c.result, "VIOLATION use-after-close"):
		return one(verify.WSK_241)
	case strings.HasPrefix(c.result, "VIOLATION must precede bind"):
		return one(verify.WSK_204)
	case strings.HasPrefix(c.result, "VIOLATION must follow bind"):
		return one(verify.WSK_208)
	case strings.HasPrefix(c.result, "VIOLATION not applicable"):
		return one(verify.WSK_205)
	case strings.HasPrefix(c.result, "VIOLATION too late"), strings.HasPrefix(c.result, "OK, but the sample"):
		return one(verify.WSK_229)
	case c.result == "STATUS_NOT_FOUND" && !peer:
		return one(verify.WSK_231)
	case strings.HasPrefix(c.result, "failure; suggest STATUS_CONNECTION_RESET"):
		return one(verify.WSK_110)
	case strings.Contains(c.result, "(role is"):
		return one(verify.WSK_107)
	case c.outcome().status != ids:
		return nil
	}
	switch c.member() {
	case "WskBind":
		return one(verify.WSK_101)
	case "WskListen":
		return one(map[string]verify.RuleID{"created": verify.WSK_108, "listening": verify.WSK_107}[c.state])
	case "WskAccept":
		return one(verify.WSK_103)
	case "WskConnect":
		if c.state == "created" {
			return one(verify.WSK_102)
		}
		return nil
	case "WskGetLocalAddress", "WskGetRemoteAddress":
		return one(verify.WSK_106)
	case "WskSendTo", "WskSendMessages", "WskReceiveFrom":
		return one(verify.WSK_105)
	}
	switch {
	case c.call == "WskSend" && peer:
		return one(verify.WSK_109)
	case peer: // that a connection is ended twice is no mistake
		return nil
	case c.state == "connecting" && c.member() != "WskDisconnect":
		return one(verify.WSK_075)
	}
	return one(verify.WSK_104)
}
