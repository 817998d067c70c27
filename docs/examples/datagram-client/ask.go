package datagramclient

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

const (
	questions = 2
	tries     = 3
	patience  = -10_000_000 // 100 ns: a second
	room      = 512
)

// run asks a few times. An answer that does not come, or for which there is no memory, is no reason to stop.
func (d *Client) run(k *irql.K, _ any) {
	for range questions {
		if text, ok := d.ask(k); ok {
			d.Answers = append(d.Answers, text)
		}
	}
}

// ask asks until there is an answer, but not for ever: datagrams get lost.
func (d *Client) ask(k *irql.K) (text string, ok bool) {
	for range tries {
		r := newReceive(k)
		if r == nil {
			return "", false
		}
		// The receive comes first, so that the answer finds it.
		s := d.post(k, r)
		if sent := d.send(k); !ntstatus.NT_SUCCESS(sent.Status) && s == ntstatus.STATUS_PENDING {
			irp.IoCancelIrp(k, r.irp)
		}
		if text, ok = d.wait(k, r, s); ok {
			return text, true
		}
	}
	return "", false
}

// receive is all that a WskReceiveFrom uses. It stays until the IRP is completed.
type receive struct {
	irp *irp.IRP
	b   *irp.Buffer
	mdl *irp.MDL
	out *irp.Typed[results]
}

// results is nonpaged memory: WSK stores into it at DISPATCH_LEVEL.
type results struct {
	done   irql.KEVENT
	from   ws2def.SOCKADDR_IN
	length uint32 // no room for control data, and yet not NULL, or the flags would not be stored
	flags  uint32
}

// newReceive allocates a receive; nil when memory is short.
func newReceive(k *irql.K) *receive {
	r := &receive{irp: irp.IoAllocateIrp(k, 1, false),
		b:   irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED|irp.POOL_FLAG_UNINITIALIZED, room, tag),
		out: irp.New[results](k, irp.POOL_FLAG_NON_PAGED, tag)}
	if r.b != nil {
		r.mdl = irp.IoAllocateMdl(k, r.b, room, false, false, nil)
	}
	if r.irp == nil || r.mdl == nil || r.out == nil {
		r.free(k)
		return nil
	}
	irp.MmBuildMdlForNonPagedPool(k, r.mdl)
	irql.KeInitializeEvent(k, &r.out.Get().done, irql.NotificationEvent, false)
	irp.IoSetCompletionRoutine(k, r.irp, requestDone, &r.out.Get().done, true, true, true)
	return r
}

func (r *receive) free(k *irql.K) {
	if r.irp != nil {
		irp.IoFreeIrp(k, r.irp)
	}
	if r.mdl != nil {
		irp.IoFreeMdl(k, r.mdl)
	}
	if r.b != nil {
		irp.ExFreePoolWithTag(k, r.b, tag)
	}
	if r.out != nil {
		irp.Free(k, r.out, tag)
	}
}

// post gives the receive to WSK. The WSK_BUF may go when the call returns, what it describes may not.
func (d *Client) post(k *irql.K, r *receive) ntstatus.NTSTATUS {
	buf := wsk.WSK_BUF{Mdl: r.mdl, Length: uint64(r.b.Len())}
	out := r.out.Get()
	length := &out.length
	if d.Defect == LengthOnStack {
		length = irp.StackVar[uint32](k).Get()
	}
	return d.table().WskReceiveFrom(k, d.socket, &buf, 0, &out.from, length, nil, &out.flags, r.irp)
}

// send asks the server, which the socket knows.
func (d *Client) send(k *irql.K) irp.IO_STATUS_BLOCK {
	const question = "time?"
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(len(question)), tag)
	if b == nil {
		return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES}
	}
	defer irp.ExFreePoolWithTag(k, b, tag)
	b.CopyFrom(0, []byte(question))
	mdl := irp.IoAllocateMdl(k, b, uint32(len(question)), false, false, nil)
	if mdl == nil {
		return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES}
	}
	defer irp.IoFreeMdl(k, mdl)
	irp.MmBuildMdlForNonPagedPool(k, mdl)
	buf := wsk.WSK_BUF{Mdl: mdl, Length: uint64(len(question))}
	return call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.table().WskSendTo(k, d.socket, &buf, 0, nil, 0, nil, p)
	})
}

// wait waits for the answer, and frees the receive. Where it takes too long the receive is cancelled, which
// only asks: the IRP is ours again when its completion routine has run, and an answer may have been faster.
func (d *Client) wait(k *irql.K, r *receive, s ntstatus.NTSTATUS) (text string, ok bool) {
	if s == ntstatus.STATUS_PENDING {
		limit := int64(patience)
		if irql.KeWaitForSingleObject(k, &r.out.Get().done, irql.Executive, irql.KernelMode, false,
			&limit) == ntstatus.STATUS_TIMEOUT {
			irp.IoCancelIrp(k, r.irp)
			if d.Defect == FreedAfterCancel {
				r.free(k)
				return "", false
			}
			irql.KeWaitForSingleObject(k, &r.out.Get().done, irql.Executive, irql.KernelMode, false, nil)
		}
	}
	result := *r.irp.IoStatus()
	if ntstatus.NT_SUCCESS(result.Status) && r.out.Get().flags&ws2def.MSG_TRUNC == 0 {
		n := int(result.Information)
		if d.Defect == ReadsAll {
			n = r.b.Len()
		}
		for i := range n {
			text += string(rune(r.b.Load8(i)))
		}
		ok = true
	}
	r.free(k)
	return text, ok
}
