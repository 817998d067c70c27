package wsk

import (
	"reflect"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

//go:generate go run gen.go

// operation is one function with an IRP: the tables, the choice sites and the answers by state come from it.
type operation struct {
	name string // WskSend
	id   ddi.ID
	row  row // of stateCalls
	// wrong says what is reported where the row has badState; NoRule for nothing.
	wrong  func(o *socket) (rule verify.RuleID, why string)
	answer ke.Site // may what is over at once be completed before the call returns?
	fault  ke.Site // does it fail before anything has begun? Without a name it never does
}

// newOperation describes a function. Each page lists "other status codes" with which the IRP is completed;
// that want of memory is one of them, and its code, is INFERRED.
func newOperation(name string, id ddi.ID, row row, wrong func(*socket) (verify.RuleID, string)) *operation {
	op := sureOperation(name, id, row)
	op.wrong = wrong
	op.fault = ke.Site{Name: "fault/" + name, Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"},
		Spec: "wsk.md 3.1"}
	return op
}

// sureOperation describes a function that does not fail.
func sureOperation(name string, id ddi.ID, row row) *operation {
	return &operation{name: name, id: id, row: row, answer: ke.Site{Name: "env/" + name + "/answer",
		Alts: []string{"pended", "inline"}, Spec: "wsk.md 26, 3 #7"}}
}

var (
	opSocket        = newOperation("WskSocket", ddi.PFN_WSK_SOCKET, noRow, nil)
	opSocketConnect = newOperation("WskSocketConnect", ddi.PFN_WSK_SOCKET_CONNECT, noRow, nil)
	opControl       = newOperation("WskControlSocket", ddi.PFN_WSK_CONTROL_SOCKET, rowControlSocket, nil)
	opClose         = sureOperation("WskCloseSocket", ddi.PFN_WSK_CLOSE_SOCKET, rowCloseSocket)
	opBind          = newOperation("WskBind", ddi.PFN_WSK_BIND, rowBind, boundAlready)
	opListen        = newOperation("WskListen", ddi.PFN_WSK_LISTEN, rowListen, notToListen)
	opAccept        = newOperation("WskAccept", ddi.PFN_WSK_ACCEPT, rowAccept, notListening)
	opInspect       = newOperation("WskInspectComplete", ddi.PFN_WSK_INSPECT_COMPLETE, rowInspectComplete,
		notInspecting)
	opConnect   = newOperation("WskConnect", ddi.PFN_WSK_CONNECT, rowConnect, notToConnect)
	opConnectEx = newOperation("WskConnectEx", ddi.PFN_WSK_CONNECT_EX, rowConnectEx, notToConnect)
	opLocal     = newOperation("WskGetLocalAddress", ddi.PFN_WSK_GET_LOCAL_ADDRESS, rowGetLocalAddress,
		noAddress)
	opRemote = newOperation("WskGetRemoteAddress", ddi.PFN_WSK_GET_REMOTE_ADDRESS, rowGetRemoteAddress,
		noAddress)
	opSend       = newOperation("WskSend", ddi.PFN_WSK_SEND, rowSend, notToSend)
	opReceive    = newOperation("WskReceive", ddi.PFN_WSK_RECEIVE, rowReceive, notConnected)
	opDisconnect = newOperation("WskDisconnect", ddi.PFN_WSK_DISCONNECT, rowDisconnect, notToDisconnect)

	opSendTo       = newOperation("WskSendTo", ddi.PFN_WSK_SEND_TO, rowSendTo, notBound)
	opSendMessages = newOperation("WskSendMessages", ddi.PFN_WSK_SEND_MESSAGES, rowSendMessages, notBound)
	opAddressInfo  = newOperation("WskGetAddressInfo", ddi.PFN_WSK_GET_ADDRESS_INFO, noRow, nil)
	opNameInfo     = newOperation("WskGetNameInfo", ddi.PFN_WSK_GET_NAME_INFO, noRow, nil)
	opReceiveFrom  = newOperation("WskReceiveFrom", ddi.PFN_WSK_RECEIVE_FROM, rowReceiveFrom, notBound)
)

// functions are the operations with what stands for them in the tables.
func functions() []struct {
	op *operation
	fn any
} {
	return []struct {
		op *operation
		fn any
	}{
		{opSocket, wskSocket}, {opSocketConnect, wskSocketConnect}, {opControl, wskControlSocket},
		{opClose, wskCloseSocket}, {opBind, wskBind}, {opListen, wskListen}, {opAccept, wskAccept},
		{opInspect, wskInspectComplete}, {opConnectEx, wskConnectEx}, {opConnect, wskConnect},
		{opLocal, wskGetLocalAddress}, {opRemote, wskGetRemoteAddress},
		{opSend, wskSend}, {opReceive, wskReceive}, {opDisconnect, wskDisconnect},
		{opSendTo, wskSendTo}, {opSendMessages, wskSendMessages}, {opReceiveFrom, wskReceiveFrom},
		{opAddressInfo, wskGetAddressInfo}, {opNameInfo, wskGetNameInfo},
		{opListChange, wskControlClient},
	}
}

// plainFunctions are the functions that are no operations: they have no IRP, or not always.
func plainFunctions() []plainFunction {
	return []plainFunction{{"WskRelease", wskReleaseData}, {"WskRelease", wskReleaseDatagram},
		{"WskFreeAddressInfo", wskFreeAddressInfo}}
}

type plainFunction struct {
	name string
	fn   any
}

// allSites lists the choice sites of this package.
func allSites() []*ke.Site {
	list := []*ke.Site{&siteReturned, &siteCapture, &siteRegister, &siteIRQL, &siteTruncated,
		&siteEventIRQL, &siteEventFlag,
		&siteRace, &siteSerial, &siteDatagrams, &siteReceiveFlags, &siteNodes, &siteBacklog, &siteStall,
		&siteClient, &siteUnresolvable, &siteDead, &siteForced,
		&siteClientEvent}
	for _, f := range functions() {
		list = append(list, &f.op.answer)
		if f.op.fault.Name != "" {
			list = append(list, &f.op.fault)
		}
	}
	return list
}

// tables are the provider's function tables.
type tables struct {
	provider   WSK_PROVIDER_DISPATCH
	basic      WSK_PROVIDER_BASIC_DISPATCH
	listen     WSK_PROVIDER_LISTEN_DISPATCH
	datagram   WSK_PROVIDER_DATAGRAM_DISPATCH
	connection WSK_PROVIDER_CONNECTION_DISPATCH
	stream     WSK_PROVIDER_STREAM_DISPATCH
}

// filled is what each machine has a copy of: a driver that writes to a table hurts its own machine.
var filled tables

func init() {
	filled.provider.Version = providerVersion
	for _, table := range []any{&filled.provider, &filled.basic, &filled.listen, &filled.datagram,
		&filled.connection, &filled.stream} {
		fillTable(reflect.ValueOf(table).Elem())
	}
}

// fillTable puts the functions into the members that have their names.
func fillTable(table reflect.Value) {
	for _, f := range functions() {
		if member := table.FieldByName(f.op.name); member.IsValid() {
			member.Set(reflect.ValueOf(f.fn))
		}
	}
	for _, f := range plainFunctions() {
		fn := reflect.ValueOf(f.fn)
		if member := table.FieldByName(f.name); member.IsValid() && fn.CanConvert(member.Type()) {
			member.Set(fn)
		}
	}
}

// row is a row of stateCalls.
type row uint8

// noRow is for functions that are called on no socket.
const noRow row = 0xFF

// The columns of stateCalls.
const (
	basic = iota
	listen
	datagram
	connection
	stream
	numCategories
)

// verdict is what a state says about a call.
type verdict uint8

const (
	unlisted     verdict = iota // such a socket is never in such a state
	noEntry                     // the function is not in the socket's table
	starts                      // the operation begins
	badState                    // STATUS_INVALID_DEVICE_STATE
	isListener                  // the same: the stream socket listens
	isConnection                // the same: the stream socket connects or is connected
	isSilent                    // STATUS_INVALID_DEVICE_STATE: the socket is silent
	isDead                      // STATUS_FILE_FORCED_CLOSED
	isBroken                    // what broke the connection is the answer
)

// column gives the column of the socket's category.
func (o *socket) column() int {
	switch o.category {
	case WSK_FLAG_LISTEN_SOCKET:
		return listen
	case WSK_FLAG_DATAGRAM_SOCKET:
		return datagram
	case WSK_FLAG_CONNECTION_SOCKET:
		return connection
	case WSK_FLAG_STREAM_SOCKET:
		return stream
	}
	return basic
}

// state gives the socket's state. A listening socket goes from created to listening in one step (wsk.md 8.2);
// while the transport asks whether it may listen its bind is pending.
func (o *socket) state() tcpip.State {
	switch {
	case o.dead:
		return stateDead
	case o.silent:
		return stateSilent
	case o.ep == nil:
		return tcpip.Created
	case o.category == WSK_FLAG_LISTEN_SOCKET && o.ep.State() == tcpip.Bound:
		return tcpip.Created
	}
	return o.ep.State()
}

// verdict looks up what the socket's state says about the request. Another thread may have closed the socket
// since the call began (WSK-240 says so).
func (r *request) verdict() verdict {
	st := r.sock.state()
	if st >= numStates {
		return unlisted
	}
	return stateCalls[r.row][r.sock.column()][st]
}

// allowed reports whether the operation may begin in the state of its socket; else the request is answered.
// Rule: WSK-107.
func (r *request) allowed(k *irql.K) bool {
	switch r.verdict() {
	case starts:
		return true
	case isListener:
		r.wrongState(k, verify.WSK_107, "is a listening socket")
	case isConnection:
		r.wrongState(k, verify.WSK_107, "is a connection")
	case isSilent:
		r.sock.afterSilence(k, r.name)
		r.refuse(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
	case isDead:
		r.sock.afterDeath(k, r.name)
		r.refuse(k, ntstatus.STATUS_FILE_FORCED_CLOSED)
	case isBroken:
		r.sock.afterAbort(k, r)
	case badState:
		if rule, why := r.op.wrong(r.sock); rule != verify.NoRule {
			r.wrongState(k, rule, why)
			break
		}
		r.refuse(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
	default:
		r.refuse(k, ntstatus.STATUS_INVALID_DEVICE_STATE)
	}
	return false
}

// call makes a request on a socket: start begins the operation where the arguments are good and the state
// allows it.
func (op *operation) call(o *socket, p *irp.IRP, good bool, start func(*irql.K, *request)) *request {
	return &request{op: op, name: op.name, row: op.row, sock: o, p: p, bad: !good, run: start}
}

// begin begins the operation, or answers the request.
func (r *request) begin(k *irql.K) {
	switch {
	case r.bad:
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
	case r.sock == nil || r.allowed(k):
		r.run(k, r)
	}
}
