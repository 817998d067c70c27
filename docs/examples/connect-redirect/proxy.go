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

// Proxy is proxy.sys: a WSK client that connects to the original destinations on behalf of redirected connections and
// carries bytes between the two sides.
type Proxy struct {
	Defect   Defect
	Device   *irp.DEVICE_OBJECT // redirect.sys sends IOCTL_PROXY_CONNECT here
	Contexts []int              // size of every redirect context that was read; for the tests

	registration wsk.WSK_REGISTRATION
	npi          wsk.WSK_PROVIDER_NPI
	listener     *wsk.WSK_SOCKET
	local        ws2def.SOCKADDR_IN // where the listener is bound

	lock     irql.KSPIN_LOCK // guards what follows
	stopping bool
	outbound []outbound
	threads  []*irql.KTHREAD
	rundown  irql.EX_RUNDOWN_REF // held by every request of redirect.sys
}

// outbound is a connection to an original destination that waits for its other side.
type outbound struct {
	id     uint64
	socket *wsk.WSK_SOCKET
}

var clientDispatch = wsk.WSK_CLIENT_DISPATCH{Version: wsk.MAKE_WSK_VERSION(1, 0)}

// DriverEntry registers with WSK, listens on the loopback address and starts to accept.
func (d *Proxy) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_INTERNAL_DEVICE_CONTROL] = d.control
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irql.ExInitializeRundownProtection(k, &d.rundown)
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Proxy`, irp.FILE_DEVICE_NETWORK, 0, false, &d.Device)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	npi := wsk.WSK_CLIENT_NPI{ClientContext: d, Dispatch: &clientDispatch}
	if s = wsk.WskRegister(k, &npi, &d.registration); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.Device)
		return s
	}
	if s = wsk.WskCaptureProviderNPI(k, &d.registration, wsk.WSK_INFINITE_WAIT, &d.npi); !ntstatus.NT_SUCCESS(s) {
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

// stop takes everything down: no new work, the listener first, then the threads, the sockets nobody fetched, WSK itself.
func (d *Proxy) stop(k *irql.K) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.stopping = true
	irql.KeReleaseSpinLock(k, &d.lock, old)
	irql.ExWaitForRundownProtectionRelease(k, &d.rundown)
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

// accept takes one connection after the other until the listener is closed.
func (d *Proxy) accept(k *irql.K, _ any) {
	for {
		r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return listening(d.listener).WskAccept(k, d.listener, 0, nil, nil, nil, nil, p)
		})
		if !ntstatus.NT_SUCCESS(r.Status) {
			if d.isStopping(k) || r.Status != ntstatus.STATUS_INSUFFICIENT_RESOURCES {
				return
			}
			pause := int64(-10_000)
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
			continue
		}
		accepted := r.Pointer.(*wsk.WSK_SOCKET)
		if s := d.start(k, d.serve, accepted); !ntstatus.NT_SUCCESS(s) {
			d.closeSocket(k, accepted)
		}
	}
}

func (d *Proxy) isStopping(k *irql.K) bool {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	defer irql.KeReleaseSpinLock(k, &d.lock, old)
	return d.stopping
}

// direction is one half of a proxied connection.
type direction struct {
	from, to *wsk.WSK_SOCKET
}

// serve finds the other side of an accepted connection and carries bytes both ways until both have ended.
func (d *Proxy) serve(k *irql.K, context any) {
	client := context.(*wsk.WSK_SOCKET)
	defer d.closeSocket(k, client)
	id, s := d.redirectContext(k, client)
	if !ntstatus.NT_SUCCESS(s) {
		return
	}
	server := d.take(k, id)
	if server == nil {
		return
	}
	defer d.closeSocket(k, server)
	var h irql.HANDLE
	back := &direction{server, client}
	s = irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, d.carryThread, back)
	if !ntstatus.NT_SUCCESS(s) {
		return
	}
	var t any
	irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &t, nil)
	irp.ZwClose(k, h)
	d.carry(k, &direction{client, server})
	irql.KeWaitForSingleObject(k, t, irql.Executive, irql.KernelMode, false, nil)
	irp.ObDereferenceObject(k, t)
}

func (d *Proxy) carryThread(k *irql.K, context any) { d.carry(k, context.(*direction)) }

// carry copies until the sender has ended its half, and passes that end on. When a side is lost the other is, too.
func (d *Proxy) carry(k *irql.K, x *direction) {
	flags := wsk.WSK_FLAG_ABORTIVE
	defer func() { d.disconnect(k, x.to, flags) }()
	const size = 2048
	room := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, size, tagData)
	if room == nil {
		return
	}
	defer irp.ExFreePoolWithTag(k, room, tagData)
	mdl := irp.IoAllocateMdl(k, room, size, false, false, nil)
	if mdl == nil {
		return
	}
	defer irp.IoFreeMdl(k, mdl)
	irp.MmBuildMdlForNonPagedPool(k, mdl)
	for {
		got := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(x.from).WskReceive(k, x.from, &wsk.WSK_BUF{Mdl: mdl, Length: size}, 0, p)
		})
		if !ntstatus.NT_SUCCESS(got.Status) {
			return
		}
		if got.Information == 0 {
			flags = 0
			return
		}
		sent := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(x.to).WskSend(k, x.to, &wsk.WSK_BUF{Mdl: mdl, Length: got.Information}, 0, p)
		})
		if !ntstatus.NT_SUCCESS(sent.Status) {
			return
		}
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
