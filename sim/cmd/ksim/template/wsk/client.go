package wsk

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// ask has a conversation with the server. The system buffer is nonpaged and holds the question, and the
// answer afterwards.
func (d *Driver) ask(k *irql.K, buffer *irp.Buffer, in, out uint64) (got uint64, s ntstatus.NTSTATUS) {
	mdl := irp.IoAllocateMdl(k, buffer, uint32(max(in, out)), false, false, nil)
	if mdl == nil {
		return 0, ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	defer irp.IoFreeMdl(k, mdl)
	irp.MmBuildMdlForNonPagedPool(k, mdl)
	r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.npi.Dispatch.WskSocket(k, d.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM,
			ws2def.IPPROTO_TCP, wsk.WSK_FLAG_CONNECTION_SOCKET, nil, nil, nil, nil, nil, p)
	})
	if !ntstatus.NT_SUCCESS(r.Status) {
		return 0, r.Status
	}
	sock := r.Pointer.(*wsk.WSK_SOCKET)
	defer d.close(k, sock)
	f := sock.Dispatch.(*wsk.WSK_PROVIDER_CONNECTION_DISPATCH)
	local := ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET}
	for _, step := range []func(p *irp.IRP) ntstatus.NTSTATUS{
		func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskBind(k, sock, &local, 0, p) },
		func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskConnect(k, sock, &d.Server, 0, p) },
		func(p *irp.IRP) ntstatus.NTSTATUS {
			return f.WskSend(k, sock, &wsk.WSK_BUF{Mdl: mdl, Length: in}, 0, p)
		},
		func(p *irp.IRP) ntstatus.NTSTATUS {
			return f.WskReceive(k, sock, &wsk.WSK_BUF{Mdl: mdl, Length: out}, 0, p)
		},
	} {
		if r = d.call(k, step); !ntstatus.NT_SUCCESS(r.Status) {
			return 0, r.Status
		}
	}
	return r.Information, r.Status
}

// close closes a socket, which also completes what is pending on it. A socket must not be left open, so it
// tries again while there is no memory for the IRP.
func (d *Driver) close(k *irql.K, sock *wsk.WSK_SOCKET) {
	f := sock.Dispatch.(*wsk.WSK_PROVIDER_CONNECTION_DISPATCH)
	for d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return f.WskCloseSocket(k, sock, p)
	}).Status == ntstatus.STATUS_INSUFFICIENT_RESOURCES {
		pause := int64(-10_000) // a millisecond
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}

// call makes one request of Winsock Kernel with an IRP of its own and waits for its end. Whatever the routine
// returns, the IRP is completed exactly once; only STATUS_PENDING means that this may happen later.
func (d *Driver) call(k *irql.K, request func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	p := irp.IoAllocateIrp(k, 1, false)
	if p == nil {
		return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES}
	}
	done := irp.StackVar[irql.KEVENT](k) // the C driver has it on its stack
	irql.KeInitializeEvent(k, done.Get(), irql.NotificationEvent, false)
	irp.IoSetCompletionRoutine(k, p, requestDone, done, true, true, true)
	if s := request(p); s == ntstatus.STATUS_PENDING {
		irql.KeWaitForSingleObject(k, done.Get(), irql.Executive, irql.KernelMode, false, nil)
	}
	result := *p.IoStatus()
	irp.IoFreeIrp(k, p)
	return result
}

// requestDone keeps the IRP for call, which frees it.
func requestDone(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, context any) ntstatus.NTSTATUS {
	irql.KeSetEvent(k, context.(*irp.Typed[irql.KEVENT]).Get(), irp.IO_NETWORK_INCREMENT, false)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}
