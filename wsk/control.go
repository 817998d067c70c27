package wsk

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// The control codes of WFP redirection.
const (
	SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS = tcpip.QueryRecords
	SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT = tcpip.QueryContext
	SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS   = tcpip.SetRecords
)

// control is one WskControlSocket.
type control struct {
	what     WSK_CONTROL_SOCKET_TYPE
	code     uint32
	level    uint32
	inSize   uint64
	in       *irp.Buffer
	outSize  uint64
	out      *irp.Buffer
	returned *uint64
	p        *irp.IRP
}

// wskControlSocket is PFN_WSK_CONTROL_SOCKET.
func wskControlSocket(k *irql.K, ws *WSK_SOCKET, requestType WSK_CONTROL_SOCKET_TYPE, controlCode,
	level uint32,
	inputSize uint64, inputBuffer *irp.Buffer, outputSize uint64, outputBuffer *irp.Buffer,
	outputSizeReturned *uint64,
	p *irp.IRP) ntstatus.NTSTATUS {
	c := &control{requestType, controlCode, level, inputSize, inputBuffer, outputSize, outputBuffer,
		outputSizeReturned, p}
	redirect := requestType == WskIoctl && isRedirect(controlCode)
	noIRP := verify.WSK_200
	switch {
	case redirect:
		noIRP = verify.WSK_220
	case c.setsEvents():
		noIRP = verify.NoRule
	}
	code := codeOf(c)
	if code != nil && code.noIRP {
		noIRP = verify.NoRule
	}
	o, ok := opControl.enter(k, ws, p, noIRP)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	if code != nil {
		code.level(k)
	}
	switch {
	case p == nil && code != nil:
		return code.without(o, k, c)
	case p == nil:
		return o.eventsWithout(k, c)
	}
	if redirect {
		redirectLevel(k, controlCode)
		routineSet(k, p, controlCode)
	}
	return o.sub.submit(k, opControl.call(o, p, true, func(k *irql.K, r *request) {
		switch {
		case redirect:
			o.redirect(k, r, c)
		case c.isSecurity():
			o.security(k, r, c)
		case code != nil:
			code.with(o, k, r, c)
		case requestType == WskIoctl && isFixedAddress(controlCode):
			o.fixAddress(k, r, c)
		case requestType == WskIoctl:
			unknownCode(k, o, controlCode)
			r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
		case c.setsEvents():
			o.eventsWith(k, r, c)
		default:
			o.option(k, r, c)
		}
	}))
}

// lendControl marks the buffers of a control request as in use.
func (r *request) lendControl(k *irql.K, c *control, rule verify.RuleID) {
	if c.in != nil && c.inSize > 0 {
		r.lend(k, c.in, rule, "the input buffer", false)
	}
	if c.out != nil && c.outSize > 0 {
		r.lend(k, c.out, rule, "the output buffer", true)
	}
	if v := memoryOf(ke.Of(k), c.returned); c.returned != nil && v != nil {
		r.lend(k, v, rule, "the size variable", true)
	}
}

// option is WskSetOption and WskGetOption.
type option struct {
	level uint32
	code  uint32
	early bool // must be set before bind
	flag  bool // 0 or 1
	where SocketFlags
	v6    bool // sockets of IPv4 do not have it
	set   func(k *irql.K, e *tcpip.Endpoint, v uint32)
	get   func(e *tcpip.Endpoint) uint32
}

const (
	connects = WSK_FLAG_LISTEN_SOCKET | WSK_FLAG_CONNECTION_SOCKET | WSK_FLAG_STREAM_SOCKET
	bindable = connects | WSK_FLAG_DATAGRAM_SOCKET
)

var options = [...]option{
	{ws2def.SOL_SOCKET, ws2def.SO_REUSEADDR, true, true, bindable, false, setShare(tcpip.ShareReuse),
		getShare(tcpip.ShareReuse)},
	{ws2def.SOL_SOCKET, ws2def.SO_EXCLUSIVEADDRUSE, true, true, bindable, false,
		setShare(tcpip.ShareExclusive), getShare(tcpip.ShareExclusive)},
	{ws2def.SOL_SOCKET, ws2def.SO_BROADCAST, false, true, WSK_FLAG_DATAGRAM_SOCKET, false,
		func(_ *irql.K, e *tcpip.Endpoint, v uint32) { e.Broadcast = v != 0 },
		func(e *tcpip.Endpoint) uint32 { return word(e.Broadcast) }},
	{ws2def.SOL_SOCKET, ws2def.SO_KEEPALIVE, false, true, connects, false,
		func(_ *irql.K, e *tcpip.Endpoint, v uint32) { e.KeepAlive = v != 0 },
		func(e *tcpip.Endpoint) uint32 { return word(e.KeepAlive) }},
	{ws2def.SOL_SOCKET, ws2def.SO_RCVBUF, false, false, bindable, false,
		func(k *irql.K, e *tcpip.Endpoint, v uint32) { e.SetWindow(k, int(v)) },
		func(e *tcpip.Endpoint) uint32 { return uint32(e.Window) }},
	{ws2def.SOL_SOCKET, ws2def.SO_CONDITIONAL_ACCEPT, false, true, connects, false,
		func(_ *irql.K, e *tcpip.Endpoint, v uint32) { e.Conditional = v != 0 },
		func(e *tcpip.Endpoint) uint32 { return word(e.Conditional) }},
	{ws2def.IPPROTO_IPV6, ws2def.IPV6_V6ONLY, true, true, bindable, false,
		func(_ *irql.K, e *tcpip.Endpoint, v uint32) { e.V6Only = v != 0 },
		func(e *tcpip.Endpoint) uint32 { return word(e.V6Only) }},
}

func word(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func setShare(how tcpip.Sharing) func(*irql.K, *tcpip.Endpoint, uint32) {
	return func(_ *irql.K, e *tcpip.Endpoint, v uint32) {
		e.Share = tcpip.ShareNone
		if v != 0 {
			e.Share = how
		}
	}
}

func getShare(how tcpip.Sharing) func(*tcpip.Endpoint) uint32 {
	return func(e *tcpip.Endpoint) uint32 { return word(e.Share == how) }
}

// option sets or reads a socket option. Rules: WSK-202 to WSK-206.
func (o *socket) option(k *irql.K, r *request, c *control) {
	opt := findOption(c.level, c.code)
	if opt != nil && opt.level != c.level {
		argument(k, verify.WSK_206, o, "WskControlSocket: option 0x%x belongs to level %d, not %d",
			c.code, opt.level, c.level)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	switch {
	case opt == nil || c.what > WskGetOption, o.ep != nil && opt.v6 && !o.ep.V6:
		r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
	case o.ep == nil || opt.where&o.category == 0:
		argument(k, verify.WSK_205, o, "WskControlSocket: option 0x%x is not for sockets of category 0x%x",
			c.code, uint32(o.category))
		r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
	case opt.code == ws2def.SO_CONDITIONAL_ACCEPT && !o.conditional(k, r, c):
	case c.what == WskSetOption:
		o.setOption(k, r, c, opt)
	default:
		o.getOption(k, r, c, opt)
	}
}

// findOption finds an option, else one of another level with the same number.
func findOption(level, code uint32) (opt *option) {
	for i := range options {
		switch o := &options[i]; {
		case o.code != code:
		case o.level == level:
			return o
		default:
			opt = o
		}
	}
	if a := ancillaryOption(level, code); a != nil {
		return a
	}
	return opt
}

func (o *socket) setOption(k *irql.K, r *request, c *control, opt *option) {
	if c.inSize != 4 || c.in == nil || c.in.Len() < 4 || c.outSize != 0 || c.out != nil {
		argument(k, verify.WSK_202, o, "WskControlSocket: option 0x%x takes a ULONG, not %d bytes", c.code,
			c.inSize)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	v := c.in.Load32(0)
	switch {
	case opt.flag && v > 1:
		argument(k, verify.WSK_203, o, "WskControlSocket: option 0x%x is 0 or 1, not %d", c.code, v)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
	case opt.early && o.ep.State() != tcpip.Created:
		r.wrongState(k, verify.WSK_204, fmt.Sprintf("is bound already: option 0x%x comes before bind",
			c.code))
	default:
		r.lendControl(k, c, verify.WSK_207)
		opt.set(k, o.ep, v)
		if opt.code == ws2def.SO_CONDITIONAL_ACCEPT && opt.level == ws2def.SOL_SOCKET {
			o.setConditional(v != 0)
		}
		r.finish(k, ntstatus.STATUS_SUCCESS, 0, nil)
	}
}

func (o *socket) getOption(k *irql.K, r *request, c *control, opt *option) {
	if c.outSize != 4 || c.out == nil || c.out.Len() < 4 || c.inSize != 0 || c.in != nil {
		argument(k, verify.WSK_202, o, "WskControlSocket: option 0x%x gives a ULONG, not %d bytes", c.code,
			c.outSize)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	r.lendControl(k, c, verify.WSK_207)
	v := opt.get(o.ep)
	r.fill = func(k *irql.K) {
		pool.Put(k, c.out, []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
	}
	r.finish(k, ntstatus.STATUS_SUCCESS, 4, nil)
}
