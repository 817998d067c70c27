package connectredirect

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

var (
	tagProxy = irp.Tag("Prxy")
	tagData  = irp.Tag("PrxD")
)

// Proxy is proxy.sys: a WSK client that connects to the original destinations on behalf of redirected
// connections and carries bytes between the two sides.
type Proxy struct {
	Defect   Defect
	Device   *irp.DEVICE_OBJECT // redirect.sys sends IOCTL_PROXY_CONNECT here
	Contexts []int              // size of every redirect context that was read; for the tests

	registration wsk.WSK_REGISTRATION
	npi          wsk.WSK_PROVIDER_NPI
	listener     *wsk.WSK_SOCKET
	local        ws2def.SOCKADDR_IN // where the listener is bound

	lock     irql.KSPIN_LOCK // guards what follows
	outbound []outbound
	threads  []*irql.KTHREAD
	rundown  irql.EX_RUNDOWN_REF // held by every request of redirect.sys
	accepts  irql.EX_RUNDOWN_REF // held by every call of WskAccept
}

// outbound is a connection to an original destination that waits for its other side.
type outbound struct {
	id     uint64
	socket *wsk.WSK_SOCKET
}

// captureWait is how long DriverEntry waits for the provider, in milliseconds. It must not wait for ever:
// drivers that the provider needs may not be loaded yet.
const captureWait = 100

var clientDispatch = wsk.WSK_CLIENT_DISPATCH{Version: wsk.MAKE_WSK_VERSION(1, 0)}

// DriverEntry registers with WSK, listens on the loopback address and starts to accept.
func (d *Proxy) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_INTERNAL_DEVICE_CONTROL] = d.control
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irql.ExInitializeRundownProtection(k, &d.rundown)
	irql.ExInitializeRundownProtection(k, &d.accepts)
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Proxy`, irp.FILE_DEVICE_NETWORK, 0, false, &d.Device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	npi := wsk.WSK_CLIENT_NPI{ClientContext: d, Dispatch: &clientDispatch}
	if s = wsk.WskRegister(k, &npi, &d.registration); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.Device)
		return s
	}
	if s = wsk.WskCaptureProviderNPI(k, &d.registration, captureWait, &d.npi); !ntstatus.NT_SUCCESS(s) {
		wsk.WskDeregister(k, &d.registration)
		irp.IoDeleteDevice(k, d.Device)
		return s
	}
	if s = d.listen(k); ntstatus.NT_SUCCESS(s) {
		if s = d.start(k, d.accept, nil); ntstatus.NT_SUCCESS(s) {
			return s
		}
	}
	d.stop(k)
	return s
}

func (d *Proxy) unload(k *irql.K, _ *irp.DRIVER_OBJECT) { d.stop(k) }

// stop takes everything down: no new requests and no new accepts, the listener, the threads, the sockets
// nobody fetched, WSK itself. The order matters: a WskAccept that comes after WskCloseSocket would use a
// socket that is gone.
func (d *Proxy) stop(k *irql.K) {
	irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
	irql.ExWaitForRundownProtectionRelease(k, &d.accepts)
	if d.listener != nil {
		d.closeSocket(k, d.listener) // completes the accept that is pending
	}
	for t := d.takeThread(k); t != nil; t = d.takeThread(k) {
		irql.KeWaitForSingleObject(k, t, irql.Executive, irql.KernelMode, false, nil)
		irp.ObDereferenceObject(k, t)
	}
	for _, o := range d.outbound {
		d.closeSocket(k, o.socket)
	}
	wsk.WskReleaseProviderNPI(k, &d.registration)
	wsk.WskDeregister(k, &d.registration)
	irp.IoDeleteDevice(k, d.Device)
}

// start runs fn in a system thread that stop waits for.
func (d *Proxy) start(k *irql.K, fn irql.KSTART_ROUTINE, context any) ntstatus.NTSTATUS {
	var h irql.HANDLE
	s := irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, fn, context)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	var t any
	s = irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &t, nil)
	irp.ZwClose(k, h)
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.threads = append(d.threads, t.(*irql.KTHREAD))
	irql.KeReleaseSpinLock(k, &d.lock, old)
	return s
}

func (d *Proxy) takeThread(k *irql.K) *irql.KTHREAD {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	defer irql.KeReleaseSpinLock(k, &d.lock, old)
	n := len(d.threads)
	if n == 0 {
		return nil
	}
	t := d.threads[n-1]
	d.threads = d.threads[:n-1]
	return t
}

// accept takes one connection after the other until no more may be accepted.
func (d *Proxy) accept(k *irql.K, _ any) {
	for {
		r := d.guarded(k, &d.accepts, func(p *irp.IRP) ntstatus.NTSTATUS {
			return listening(d.listener).WskAccept(k, d.listener, 0, nil, nil, nil, nil, p)
		})
		switch {
		case r.Status == ntstatus.STATUS_INSUFFICIENT_RESOURCES:
			pause := int64(-10_000)
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
			continue
		case !ntstatus.NT_SUCCESS(r.Status):
			return
		}
		accepted := r.Pointer.(*wsk.WSK_SOCKET)
		if s := d.start(k, d.serve, accepted); !ntstatus.NT_SUCCESS(s) {
			d.closeSocket(k, accepted)
		}
	}
}

// pair is a proxied connection: both its sides.
type pair struct {
	client, server *wsk.WSK_SOCKET
	// calls is held by every call for one of the sockets and run down when the connection is lost.
	calls irql.EX_RUNDOWN_REF
	lost  int32
}

// serve finds the other side of an accepted connection and carries bytes both ways until both have ended.
func (d *Proxy) serve(k *irql.K, context any) {
	x := &pair{client: context.(*wsk.WSK_SOCKET)}
	irql.ExInitializeRundownProtection(k, &x.calls)
	defer d.closeSocket(k, x.client)
	id, s := d.redirectContext(k, x.client)
	if !ntstatus.NT_SUCCESS(s) {
		return
	}
	if x.server = d.take(k, id); x.server == nil {
		return
	}
	defer d.closeSocket(k, x.server)
	var h irql.HANDLE
	if s = irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, d.answers, x); !ntstatus.NT_SUCCESS(s) {
		return
	}
	var t any
	irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &t, nil)
	irp.ZwClose(k, h)
	d.carry(k, x, x.client, x.server)
	irql.KeWaitForSingleObject(k, t, irql.Executive, irql.KernelMode, false, nil)
	irp.ObDereferenceObject(k, t)
}

// answers carries what the server says.
func (d *Proxy) answers(k *irql.K, context any) {
	x := context.(*pair)
	d.carry(k, x, x.server, x.client)
}

// carry copies until the sender has ended its half, and passes that end on. When one side is lost, the other
// is, too.
func (d *Proxy) carry(k *irql.K, x *pair, from, to *wsk.WSK_SOCKET) {
	if d.copy(k, x, from, to) {
		r := d.guarded(k, &x.calls, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(to).WskDisconnect(k, to, nil, 0, p)
		})
		if ntstatus.NT_SUCCESS(r.Status) {
			return
		}
	}
	d.abort(k, x)
}

// copy reports whether it got to the end of what from sends.
func (d *Proxy) copy(k *irql.K, x *pair, from, to *wsk.WSK_SOCKET) bool {
	const size = 2048
	room := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, size, tagData)
	if room == nil {
		return false
	}
	defer irp.ExFreePoolWithTag(k, room, tagData)
	mdl := irp.IoAllocateMdl(k, room, size, false, false, nil)
	if mdl == nil {
		return false
	}
	defer irp.IoFreeMdl(k, mdl)
	irp.MmBuildMdlForNonPagedPool(k, mdl)
	for {
		got := d.guarded(k, &x.calls, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(from).WskReceive(k, from, &wsk.WSK_BUF{Mdl: mdl, Length: size}, 0, p)
		})
		if !ntstatus.NT_SUCCESS(got.Status) || got.Information == 0 {
			return ntstatus.NT_SUCCESS(got.Status)
		}
		sent := d.guarded(k, &x.calls, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(to).WskSend(k, to, &wsk.WSK_BUF{Mdl: mdl, Length: got.Information}, 0, p)
		})
		if !ntstatus.NT_SUCCESS(sent.Status) {
			return false
		}
	}
}

// abort ends both sides at once. First it keeps the other direction from making further calls: after an
// abortive disconnect there must be none. What that direction waits for is completed by the disconnect.
func (d *Proxy) abort(k *irql.K, x *pair) {
	if irql.InterlockedExchange(k, &x.lost, 1) != 0 {
		return // the other direction is at it
	}
	irql.ExWaitForRundownProtectionRelease(k, &x.calls)
	for _, sock := range []*wsk.WSK_SOCKET{x.client, x.server} {
		d.insist(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(sock).WskDisconnect(k, sock, nil, wsk.WSK_FLAG_ABORTIVE, p)
		})
	}
}

// take hands out the outbound connection of a redirected one.
func (d *Proxy) take(k *irql.K, id uint64) *wsk.WSK_SOCKET {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	defer irql.KeReleaseSpinLock(k, &d.lock, old)
	for i, o := range d.outbound {
		if o.id == id {
			d.outbound = append(d.outbound[:i], d.outbound[i+1:]...)
			return o.socket
		}
	}
	return nil
}
