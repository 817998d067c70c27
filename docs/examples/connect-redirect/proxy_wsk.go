package connectredirect

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

func listening(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_LISTEN_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_LISTEN_DISPATCH)
}

func connected(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_CONNECTION_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_CONNECTION_DISPATCH)
}

// call makes one WSK request with an IRP of its own and waits for its end. Whatever the function returned,
// the IRP is completed exactly once; only STATUS_PENDING means that this may happen later.
func (d *Proxy) call(k *irql.K, request func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	p := irp.IoAllocateIrp(k, 1, false)
	if p == nil {
		return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES}
	}
	done := irp.StackVar[irql.KEVENT](k)
	irql.KeInitializeEvent(k, done.Get(), irql.NotificationEvent, false)
	irp.IoSetCompletionRoutine(k, p, requestDone, done, true, true, d.Defect != FlagMissing)
	if s := request(p); s == ntstatus.STATUS_PENDING {
		irql.KeWaitForSingleObject(k, done.Get(), irql.Executive, irql.KernelMode, false, nil)
	}
	result := *p.IoStatus()
	irp.IoFreeIrp(k, p)
	return result
}

// guarded is call for a socket that somebody may take away: the call, not the wait for its end, holds the
// protection.
func (d *Proxy) guarded(k *irql.K, r *irql.EX_RUNDOWN_REF,
	request func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	return d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		if !irql.ExAcquireRundownProtection(k, r) {
			p.IoStatus().Status = ntstatus.STATUS_DELETE_PENDING // the IRP was given to nobody
			return ntstatus.STATUS_DELETE_PENDING
		}
		defer irql.ExReleaseRundownProtection(k, r)
		return request(p)
	})
}

// requestDone ends the climb: the IRP is the caller's own and the I/O manager must not see it.
func requestDone(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, context any) ntstatus.NTSTATUS {
	irql.KeSetEvent(k, context.(*irp.Typed[irql.KEVENT]).Get(), irp.IO_NETWORK_INCREMENT, false)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}

func (d *Proxy) socket(k *irql.K, category wsk.SocketFlags) (*wsk.WSK_SOCKET, ntstatus.NTSTATUS) {
	r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.npi.Dispatch.WskSocket(k, d.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM,
			ws2def.IPPROTO_TCP, category,
			nil, nil, nil, nil, nil, p)
	})
	if !ntstatus.NT_SUCCESS(r.Status) {
		return nil, r.Status
	}
	return r.Pointer.(*wsk.WSK_SOCKET), r.Status
}

// listen opens the listener.
func (d *Proxy) listen(k *irql.K) ntstatus.NTSTATUS {
	sock, s := d.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	d.listener = sock
	d.local = address(0, ProxyPort) // every local address: the callout keeps that of the connection
	r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(sock).WskBind(k, sock, &d.local, 0, p)
	})
	return r.Status
}

// insist is call for what must not be left undone: it tries again while there is no memory for an IRP.
func (d *Proxy) insist(k *irql.K, request func(p *irp.IRP) ntstatus.NTSTATUS) {
	for d.call(k, request).Status == ntstatus.STATUS_INSUFFICIENT_RESOURCES {
		pause := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}

// closeSocket closes a socket and waits until everything that was pending on it has completed.
func (d *Proxy) closeSocket(k *irql.K, sock *wsk.WSK_SOCKET) {
	d.insist(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		if f, ok := sock.Dispatch.(*wsk.WSK_PROVIDER_LISTEN_DISPATCH); ok {
			return f.WskCloseSocket(k, sock, p)
		}
		return connected(sock).WskCloseSocket(k, sock, p)
	})
}

// firstTry is how much room the first query for a redirect context offers: enough for most.
const firstTry = 1024

// redirectContext asks for the context the callout attached to an accepted connection, first with a generous
// buffer, and if that is too small with the size a query without a buffer reports. The size may change in
// between, so it goes on until one fits.
func (d *Proxy) redirectContext(k *irql.K, sock *wsk.WSK_SOCKET) (id uint64, s ntstatus.NTSTATUS) {
	size := uint64(firstTry)
	for {
		buf := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, size, tagProxy)
		if buf == nil {
			return 0, ntstatus.STATUS_INSUFFICIENT_RESOURCES
		}
		r := d.queryContext(k, sock, size, buf)
		if d.Defect == ContextFreedEarly {
			return 0, ntstatus.STATUS_UNSUCCESSFUL // it is too late for what follows
		}
		if ntstatus.NT_SUCCESS(r.Status) && r.Information >= 8 {
			id = buf.Load64(offID)
		}
		irp.ExFreePoolWithTag(k, buf, tagProxy)
		switch {
		case r.Status == ntstatus.STATUS_BUFFER_TOO_SMALL:
			probe := d.queryContext(k, sock, 0, nil)
			if probe.Status != ntstatus.STATUS_BUFFER_TOO_SMALL {
				return 0, ntstatus.STATUS_UNSUCCESSFUL
			}
			size = probe.Information
			continue
		case !ntstatus.NT_SUCCESS(r.Status):
			return 0, r.Status
		case r.Information < 8:
			return 0, ntstatus.STATUS_INVALID_PARAMETER
		}
		d.remember(k, int(r.Information))
		return id, r.Status
	}
}

// remember notes the size of a context for the tests.
func (d *Proxy) remember(k *irql.K, size int) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.Contexts = append(d.Contexts, size)
	irql.KeReleaseSpinLock(k, &d.lock, old)
}

// queryContext issues SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT with an IRP of its own. The buffer must stay
// until the IRP is completed, so the completion routine gets it through its context and the caller waits.
func (d *Proxy) queryContext(k *irql.K, sock *wsk.WSK_SOCKET, size uint64,
	buf *irp.Buffer) irp.IO_STATUS_BLOCK {
	var old irql.KIRQL
	if d.Defect == QueryAtDispatch {
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		defer irql.KeLowerIrql(k, old)
	}
	needed := uint64(0)
	return d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		s := connected(sock).WskControlSocket(k, sock, wsk.WskIoctl,
			wsk.SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT, 0,
			0, nil, size, buf, &needed, p)
		if d.Defect == ContextFreedEarly && s == ntstatus.STATUS_PENDING && buf != nil {
			irp.ExFreePoolWithTag(k, buf, tagProxy)
		}
		return s
	})
}
