package wsk

import (
	"fmt"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// siteTruncated: a page says that the flag tells of a datagram that did not fit, none says the status
// (wsk.md 25.41).
var siteTruncated = ke.Site{Name: "doc/WskReceiveFrom/truncated",
	Alts: []string{"STATUS_SUCCESS", "STATUS_BUFFER_OVERFLOW"}, Spec: "wsk.md 25.41"}

// sending is what WskSendTo and WskSendMessages are told besides the data.
type sending struct {
	to      netip.AddrPort
	size    uint32
	control *irp.Buffer
}

// destination judges the arguments of a send. Rules: WSK-042, WSK-139, WSK-145.
func (o *socket) destination(k *irql.K, name string, flags uint32, remote ws2def.SOCKADDR, size uint32,
	control *irp.Buffer) (s *sending, good bool) {
	s = &sending{size: size, control: control}
	good = reserved(k, name, flags)
	if remote != nil {
		var ok bool
		s.to, ok = inputAddress(k, name, o.ep.Family(), remote)
		good = good && ok
	}
	if (size == 0) != (control == nil) || control != nil && uint64(size) > uint64(control.Len()) {
		argument(k, verify.WSK_145, o, "%s: ControlInfoLength is %d, ControlInfo has %d bytes", name, size,
			lengthOf(control))
		good = false
	}
	return s, good
}

func lengthOf(v *irp.Buffer) int {
	if v == nil {
		return 0
	}
	return v.Len()
}

// outgoing makes the datagram without its data. Rules: WSK-148, WSK-149. false: the request is answered.
func (s *sending) outgoing(k *irql.K, r *request) (m tcpip.Outgoing, ok bool) {
	o := r.sock
	m.To = s.to
	if !s.to.IsValid() && !o.ep.Destination().IsValid() {
		argument(k, verify.WSK_149, o, "%s on %v names no RemoteAddress, and none is fixed", r.name, o.id)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return m, false
	}
	if s.control != nil {
		v := s.control.Slice(0, int(s.size))
		// Windows copies it before it pends (OBSERVED), the page wants it until the end (wsk.md 25.12).
		st := o.ep.Control(&m, append([]byte(nil), pool.Raw(k, v)...))
		if st != ntstatus.STATUS_SUCCESS {
			r.refuse(k, st)
			return m, false
		}
		r.lend(k, v, verify.WSK_148, "ControlInfo", true)
	}
	return m, true
}

// wskSendTo is PFN_WSK_SEND_TO.
func wskSendTo(k *irql.K, ws *WSK_SOCKET, buffer *WSK_BUF, flags uint32, remoteAddress ws2def.SOCKADDR,
	controlInfoLength uint32, controlInfo *irp.Buffer, p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opSendTo.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	to, good := o.destination(k, opSendTo.name, flags, remoteAddress, controlInfoLength, controlInfo)
	return o.sub.submit(k, opSendTo.call(o, p, good, func(k *irql.K, r *request) {
		m, ok := to.outgoing(k, r)
		if !ok {
			return
		}
		if m.Data, ok = r.outgoing(k, buffer); !ok {
			return
		}
		op := o.ep.SendTo(k, m, false, ke.ThreadOf(k), func(k *irql.K, n int, s ntstatus.NTSTATUS) {
			r.finish(k, s, uint64(n), nil)
		})
		if op != nil {
			r.cancel = op.Cancel
		}
	}))
}

// wskSendMessages is PFN_WSK_SEND_MESSAGES.
func wskSendMessages(k *irql.K, ws *WSK_SOCKET, bufferList *WSK_BUF_LIST, flags uint32,
	remoteAddress ws2def.SOCKADDR, controlInfoLength uint32, controlInfo *irp.Buffer,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opSendMessages.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	to, good := o.destination(k, opSendMessages.name, flags, remoteAddress, controlInfoLength, controlInfo)
	good = good && bufferList != nil
	return o.sub.submit(k, opSendMessages.call(o, p, good, func(k *irql.K, r *request) {
		m, ok := to.outgoing(k, r)
		if !ok {
			return
		}
		b := &batch{r: r, m: m}
		for n := bufferList; n != nil; n = n.Next {
			data, ok := r.outgoing(k, &n.Buffer)
			if !ok {
				return
			}
			b.data = append(b.data, data)
		}
		b.keep(k, bufferList)
		r.cancel = b.cancel
		b.next(k, ke.ThreadOf(k))
	}))
}

// batch is a list of datagrams that is sent one behind the other.
type batch struct {
	r         *request
	m         tcpip.Outgoing
	data      [][]byte // not sent yet
	sent      int
	op        *tcpip.SendOp
	cancelled bool
	nodes     []*WSK_BUF_LIST
	were      []WSK_BUF_LIST
}

// next sends what is left. A filter of the engine may take its time about one: the others wait for it.
func (b *batch) next(k *irql.K, t *ke.Thread) {
	for len(b.data) > 0 {
		b.m.Data, b.data = b.data[0], b.data[1:]
		inCall, status := true, ntstatus.STATUS_PENDING
		b.op = b.r.sock.ep.SendTo(k, b.m, false, t, func(k *irql.K, n int, s ntstatus.NTSTATUS) {
			status = s
			b.sent += n
			if !inCall {
				b.goOn(k, s)
			}
		})
		inCall = false
		switch status {
		case ntstatus.STATUS_PENDING:
			return
		case ntstatus.STATUS_SUCCESS:
		default:
			b.end(k, status)
			return
		}
	}
	b.end(k, ntstatus.STATUS_SUCCESS)
}

func (b *batch) goOn(k *irql.K, s ntstatus.NTSTATUS) {
	if s == ntstatus.STATUS_SUCCESS && !b.cancelled {
		b.next(k, nil)
		return
	}
	b.end(k, s)
}

// end finishes the request. Of datagrams that were sent before one that was not nobody says anything: success
// means that all were (INFERRED, wsk.md 7.14).
func (b *batch) end(k *irql.K, s ntstatus.NTSTATUS) {
	n := b.sent
	if s != ntstatus.STATUS_SUCCESS {
		n = 0
	}
	b.r.fill = b.unchanged
	b.r.finish(k, s, uint64(n), nil)
}

func (b *batch) cancel(k *irql.K) bool {
	b.cancelled = true
	return b.op != nil && b.op.Cancel(k)
}

// keep lends the nodes of the list and remembers what is in them.
func (b *batch) keep(k *irql.K, list *WSK_BUF_LIST) {
	var blocks []*irp.Buffer
	for n := list; n != nil; n = n.Next {
		b.nodes, b.were = append(b.nodes, n), append(b.were, *n)
		v := memoryOf(ke.Of(k), n)
		lent := v == nil
		for _, o := range blocks {
			lent = lent || pool.SameBlock(o, v)
		}
		if !lent {
			blocks = append(blocks, v)
			b.r.lend(k, v, verify.WSK_151, "the WSK_BUF_LIST", true)
		}
	}
}

// unchanged compares the nodes with what they were. Rule: WSK-151.
func (b *batch) unchanged(k *irql.K) {
	for i, n := range b.nodes {
		if v := memoryOf(ke.Of(k), n); v != nil && pool.Gone(v) || *n == b.were[i] {
			continue
		}
		ke.Report(k, verify.Finding{Rule: verify.WSK_151, Obj: b.r.sock.id.String(),
			Headline: fmt.Sprintf("node %d of the WSK_BUF_LIST of %s was changed before the request was "+
				"completed", i, b.r.name)})
		return
	}
}

// receiving is where WskReceiveFrom stores what it is asked for besides the data.
type receiving struct {
	from   ws2def.SOCKADDR
	length *uint32
	info   *irp.Buffer
	flags  *uint32
}

// wskReceiveFrom is PFN_WSK_RECEIVE_FROM.
func wskReceiveFrom(k *irql.K, ws *WSK_SOCKET, buffer *WSK_BUF, flags uint32, remoteAddress ws2def.SOCKADDR,
	controlLength *uint32, controlInfo *irp.Buffer, controlFlags *uint32, p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opReceiveFrom.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	good := reserved(k, opReceiveFrom.name, flags) && buffer != nil
	if controlInfo != nil && controlLength == nil {
		argument(k, verify.WSK_146, o, "WskReceiveFrom: ControlInfo is given and ControlLength is NULL")
		controlInfo = nil // it is ignored then
	}
	x := &receiving{remoteAddress, controlLength, controlInfo, controlFlags}
	return o.sub.submit(k, opReceiveFrom.call(o, p, good, func(k *irql.K, r *request) {
		if !r.outputAddress(k, remoteAddress, o.ep.Family()) {
			r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
			return
		}
		list, ok := r.extents(k, buffer, true)
		if !ok {
			return
		}
		for _, v := range list {
			r.lend(k, v, verify.WSK_130, "the buffer", true)
			r.sub.leavesUnfilled(v, verify.WSK_152)
		}
		x.lend(k, r)
		x.wait(k, r, list)
	}))
}

// lend marks where results are stored as in use. Rule: WSK-147.
func (x *receiving) lend(k *irql.K, r *request) {
	if x.info != nil {
		r.lend(k, x.info, verify.WSK_147, "ControlInfo", true)
	}
	var done *irp.Buffer
	for _, p := range []*uint32{x.length, x.flags} {
		if p == nil {
			continue
		}
		if v := memoryOf(ke.Of(k), p); v != nil && (done == nil || !pool.SameBlock(v, done)) {
			r.lend(k, v, verify.WSK_147, "a variable for control data", true)
			done = v
		}
	}
}

// wait receives a datagram into the buffer.
func (x *receiving) wait(k *irql.K, r *request, list []extent) {
	o := r.sock
	reader := &tcpip.FromReader{Done: func(k *irql.K, d *tcpip.Datagram, s ntstatus.NTSTATUS) {
		if d == nil {
			r.finish(k, s, 0, nil)
			return
		}
		n := 0
		for _, v := range list {
			n += v.Len()
		}
		n = min(n, len(d.Data))
		if n < len(d.Data) && ke.Choose(k, &siteTruncated, len(siteTruncated.Alts)) == 1 {
			s = ntstatus.STATUS_BUFFER_OVERFLOW
		}
		r.fill = func(k *irql.K) { x.fill(k, r, list, d, d.Data[:n]) }
		r.finish(k, s, uint64(n), nil)
	}}
	r.cancel = func(k *irql.K) bool { return o.from.Cancel(k, o.ep, reader) }
	o.from.Add(k, o.ep, reader)
}

// fill stores a datagram and what is told about it. Where ControlLength is NULL the flags are not stored
// (wsk.md 25.18).
func (x *receiving) fill(k *irql.K, r *request, list []extent, d *tcpip.Datagram, data []byte) {
	left := data
	for _, v := range list {
		left = left[pool.Put(k, v, left):]
	}
	if x.from != nil {
		ws2def.Put(x.from, d.From)
	}
	if len(data) < len(d.Data) {
		r.truncated(k, x.flags != nil, len(data), len(d.Data))
	}
	if x.length == nil {
		return
	}
	flags := d.Flags()
	if len(data) < len(d.Data) {
		flags |= ws2def.MSG_TRUNC
	}
	room := 0
	if x.info != nil {
		room = min(x.info.Len(), int(*x.length))
	}
	control := r.sock.ep.ControlOf(k, d)
	whole := tcpip.WholeObjects(control, room)
	if len(whole) < len(control) {
		flags |= ws2def.MSG_CTRUNC
	}
	if len(whole) > 0 {
		pool.Put(k, x.info, whole)
	}
	*x.length = uint32(len(whole)) // wsk.md 25.40
	if x.flags != nil {
		*x.flags = flags
	}
}

// truncated: nobody can tell that the datagram was longer than the buffer. Rule: WSK-150.
func (r *request) truncated(k *irql.K, told bool, n, of int) {
	if told {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_150, Obj: r.sock.id.String(),
		Headline: fmt.Sprintf("WskReceiveFrom stored %d of a datagram's %d bytes, and took no ControlFlags "+
			"to learn of it", n, of)})
}
