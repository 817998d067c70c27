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
)

// extent is one piece of the memory a WSK_BUF describes.
type extent = *irp.Buffer

// extents walks a WSK_BUF. Rules: WSK-131 to WSK-135. ok is false for a buffer that cannot be used.
func (r *request) extents(k *irql.K, b *WSK_BUF, write bool) (list []extent, ok bool) {
	bad := func(rule verify.RuleID, obj fmt.Stringer, format string, args ...any) {
		argument(k, rule, obj, r.name+": "+format, args...)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
	}
	if b.Mdl == nil {
		if b.Length > 0 {
			bad(verify.WSK_133, r.sock, "WSK_BUF has Length %d and no MDL", b.Length)
			return nil, false
		}
		return nil, true
	}
	first := irp.MmGetMdlByteCount(k, b.Mdl)
	if b.Length > 0 && b.Offset >= first {
		bad(verify.WSK_132, b.Mdl.ID(), "Offset %d lies outside of the first MDL, which describes %d bytes",
			b.Offset, first)
		return nil, false
	}
	left, off := b.Length, int(b.Offset)
	for mdl := b.Mdl; mdl != nil && left > 0; mdl = mdl.Next {
		if !r.usable(k, mdl, write) {
			return nil, false
		}
		n := min(int(irp.MmGetMdlByteCount(k, mdl))-off, int(min(left, 1<<31)))
		if n > 0 {
			list = append(list, irp.Sim.MdlBuffer(mdl).Slice(off, n))
		}
		left -= uint64(n)
		off = 0
	}
	if left > 0 {
		bad(verify.WSK_131, b.Mdl.ID(), "Offset %d and Length %d reach %d bytes beyond the MDL chain",
			b.Offset, b.Length, left)
		return nil, false
	}
	for mdl := b.Mdl; mdl != nil; mdl = mdl.Next {
		irp.Sim.LendMdl(k, mdl, pool.Loan{Owner: r.p.ID(), Rule: verify.WSK_130, What: "the MDL of " + r.name,
			Writable: true,
			Fix:      "free the MDL and its memory in the completion routine, not before."})
		r.mdls = append(r.mdls, mdl)
	}
	return list, true
}

// usable judges one MDL of a chain. Rules: WSK-134, WSK-135.
func (r *request) usable(k *irql.K, mdl *irp.MDL, write bool) bool {
	partial := mdl.MdlFlags()&irp.MDL_PARTIAL != 0
	there, writable := irp.Sim.MdlPages(mdl)
	if !there {
		why := "%s: %v is neither locked nor built for nonpaged pool"
		if partial {
			why = "%s: %v is a part of an MDL whose pages are not locked any more"
		}
		argument(k, verify.WSK_134, mdl.ID(), why, r.name, mdl.ID())
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return false
	}
	if write && !writable {
		argument(k, verify.WSK_135, mdl.ID(), "%s stores into %v, which is locked for reading", r.name,
			mdl.ID())
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return false
	}
	return true
}

// outgoing takes the data of a WSK_BUF that is to be sent.
func (r *request) outgoing(k *irql.K, b *WSK_BUF) ([]byte, bool) {
	list, ok := r.extents(k, b, false)
	if !ok {
		return nil, false
	}
	var data []byte
	for _, v := range list {
		data = append(data, pool.Raw(k, v)...)
		r.lend(k, v, verify.WSK_130, "the data", false)
	}
	return data, true
}

// wskSend is PFN_WSK_SEND.
func wskSend(k *irql.K, ws *WSK_SOCKET, buffer *WSK_BUF, flags SendFlags, p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opSend.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	return o.sub.submit(k, opSend.call(o, p, true, func(k *irql.K, r *request) {
		if flags&^WSK_FLAG_NODELAY != 0 {
			r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
			return
		}
		data, ok := r.outgoing(k, buffer)
		if !ok {
			return
		}
		o.ep.Send(k, data, func(k *irql.K, n int, s ntstatus.NTSTATUS) { r.finish(k, s, uint64(n), nil) })
	}))
}

// afterAbort answers a data call after the client's own abort. Rule: WSK-110. That the peer has reset the
// connection the client may learn from this very call.
func (o *socket) afterAbort(k *irql.K, r *request) {
	s := o.ep.Reason()
	if s == ntstatus.STATUS_CONNECTION_ABORTED {
		ke.Collect(k, verify.Finding{Rule: verify.WSK_110, Obj: o.id.String(),
			Headline: fmt.Sprintf("%s on %v after its abortive WskDisconnect", r.name, o.id)})
	}
	r.refuse(k, s)
}

// wskReceive is PFN_WSK_RECEIVE.
func wskReceive(k *irql.K, ws *WSK_SOCKET, buffer *WSK_BUF, flags ReceiveFlags,
	p *irp.IRP) ntstatus.NTSTATUS {
	o, ok := opReceive.enter(k, ws, p, verify.WSK_060)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	return o.sub.submit(k, opReceive.call(o, p, true, func(k *irql.K, r *request) {
		if !receiveFlags(k, r, buffer, flags) {
			return
		}
		o.endless(k)
		o.expects = 0
		list, ok := r.extents(k, buffer, true)
		if !ok {
			return
		}
		for _, v := range list {
			r.lend(k, v, verify.WSK_130, "the buffer", true)
			r.sub.leavesUnfilled(v, verify.WSK_152)
		}
		o.receive(k, r, list, int(buffer.Length), flags)
	}))
}

func (o *socket) receive(k *irql.K, r *request, list []extent, length int, flags ReceiveFlags) {
	reader := &tcpip.Reader{Max: length, All: flags&WSK_FLAG_WAITALL != 0,
		Drain: flags&WSK_FLAG_DRAIN != 0,
		Done: func(k *irql.K, got []byte, s ntstatus.NTSTATUS) {
			n := uint64(len(got))
			r.fill = func(k *irql.K) {
				for _, v := range list {
					got = got[pool.Put(k, v, got):]
				}
			}
			r.finish(k, s, n, nil)
		}}
	r.cancel = func(k *irql.K) bool { return o.readers.Cancel(k, o.ep, reader) }
	o.readers.Add(k, o.ep, reader)
}

// receiveFlags judges the flags of WskReceive. Rules: WSK-140, WSK-141.
func receiveFlags(k *irql.K, r *request, b *WSK_BUF, flags ReceiveFlags) bool {
	switch {
	case flags&^(WSK_FLAG_WAITALL|WSK_FLAG_DRAIN) != 0:
		r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
		return false
	case flags == WSK_FLAG_WAITALL|WSK_FLAG_DRAIN:
		argument(k, verify.WSK_140, r.sock,
			"WskReceive: WSK_FLAG_WAITALL and WSK_FLAG_DRAIN exclude each other")
	case flags == WSK_FLAG_DRAIN && (b == nil || b.Length > 0):
		argument(k, verify.WSK_141, r.sock, "WskReceive: WSK_FLAG_DRAIN needs a WSK_BUF of length 0")
	case b != nil:
		return true
	}
	r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
	return false
}

// endless looks for a client that goes on receiving after the end of the stream. Rule: WSK-116.
func (o *socket) endless(k *irql.K) {
	if st := o.ep.State(); st != tcpip.RemoteFin && st != tcpip.BothFin || o.ep.Available() > 0 {
		return
	}
	if o.afterEnd++; o.afterEnd > 1 {
		ke.Report(k, verify.Finding{Rule: verify.WSK_116, Obj: o.id.String(),
			Headline: fmt.Sprintf("receives are posted on %v again and again although the peer has finished",
				o.id),
			Fix: "take success with no bytes as the end of the stream: disconnect and close."})
	}
}
