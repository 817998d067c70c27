// Package echoserver is a WSK client that gives back what it receives: connections come by
// WskAcceptEvent, each has one IRP and one buffer that go round from receive to send, and all calls are
// made by one worker.
package echoserver

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// Port is where the server listens, on every local address.
const Port = 40007

var tag = irp.Tag("Echo")

// Driver is echo.sys.
type Driver struct {
	Defect Defect

	dispatch     wsk.WSK_CLIENT_DISPATCH
	registration wsk.WSK_REGISTRATION
	npi          wsk.WSK_PROVIDER_NPI
	listener     *wsk.WSK_SOCKET
	worker       *irql.KTHREAD

	lock  irql.KSPIN_LOCK // guards what follows
	tasks []task
	work  irql.KEVENT // there are tasks
}

// DriverEntry registers with WSK and starts the worker, which does the rest: DriverEntry must not wait long.
func (d *Driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	irql.KeInitializeSpinLock(k, &d.lock)
	irql.KeInitializeEvent(k, &d.work, irql.SynchronizationEvent, false)
	d.dispatch.Version = wsk.MAKE_WSK_VERSION(1, 0)
	npi := wsk.WSK_CLIENT_NPI{ClientContext: d, Dispatch: &d.dispatch}
	s := wsk.WskRegister(k, &npi, &d.registration)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	var h irql.HANDLE
	if s = irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, d.run, nil); !ntstatus.NT_SUCCESS(s) {
		wsk.WskDeregister(k, &d.registration)
		return s
	}
	var t any
	irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &t, nil)
	irp.ZwClose(k, h)
	d.worker = t.(*irql.KTHREAD)
	return s
}

// unload lets the worker close the listening socket and waits for every connection: WskDeregister
// returns when the last socket is closed. Only then the worker has nothing left to do.
func (d *Driver) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	if d.Defect != ListenerKept {
		d.queue(k, task{what: stopListening})
	}
	wsk.WskDeregister(k, &d.registration)
	d.queue(k, task{what: stopWorking})
	irql.KeWaitForSingleObject(k, d.worker, irql.Executive, irql.KernelMode, false, nil)
	irp.ObDereferenceObject(k, d.worker)
}

// run is the worker: it opens the server, and makes every call of a socket after that. So no two calls of a
// socket run at once, and none comes after WskCloseSocket.
func (d *Driver) run(k *irql.K, _ any) {
	d.open(k)
	for {
		t, some := d.next(k)
		switch {
		case !some:
			irql.KeWaitForSingleObject(k, &d.work, irql.Executive, irql.KernelMode, false, nil)
		case t.what == stopListening:
			d.closeListener(k)
		case t.what == stopWorking:
			return
		default:
			d.step(k, t)
		}
	}
}

// open makes the listening socket. Its accept event is static: it is on as soon as the socket is bound.
func (d *Driver) open(k *irql.K) {
	if !ntstatus.NT_SUCCESS(wsk.WskCaptureProviderNPI(k, &d.registration, wsk.WSK_INFINITE_WAIT, &d.npi)) {
		return
	}
	defer wsk.WskReleaseProviderNPI(k, &d.registration)
	control := irp.StackVar[wsk.WSK_EVENT_CALLBACK_CONTROL](k)
	id := wsk.NPI_WSK_INTERFACE_ID
	*control.Get() = wsk.WSK_EVENT_CALLBACK_CONTROL{NpiId: &id, EventMask: wsk.WSK_EVENT_ACCEPT}
	s := d.npi.Dispatch.WskControlClient(k, d.npi.Client, wsk.WSK_SET_STATIC_EVENT_CALLBACKS,
		wsk.SizeofEventCallbackControl, control.Handle(), 0, nil, nil, nil)
	if !ntstatus.NT_SUCCESS(s) {
		return
	}
	r := call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.npi.Dispatch.WskSocket(k, d.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM,
			ws2def.IPPROTO_TCP,
			wsk.WSK_FLAG_LISTEN_SOCKET, d, d.callbacks(), nil, nil, nil, p)
	})
	if !ntstatus.NT_SUCCESS(r.Status) {
		return
	}
	d.listener = r.Pointer.(*wsk.WSK_SOCKET)
	a := ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET, Sin_port: ws2def.Htons(Port)}
	call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(d.listener).WskBind(k, d.listener, &a, 0, p)
	})
}

func (d *Driver) callbacks() *wsk.WSK_CLIENT_LISTEN_DISPATCH {
	return &wsk.WSK_CLIENT_LISTEN_DISPATCH{WskAcceptEvent: d.accept}
}

func (d *Driver) closeListener(k *irql.K) {
	if d.listener == nil {
		return
	}
	l := d.listener
	d.listener = nil
	insist(k, func(p *irp.IRP) ntstatus.NTSTATUS { return listening(l).WskCloseSocket(k, l, p) })
}

// accept is WskAcceptEvent, called at up to DISPATCH_LEVEL. A NULL socket says that the listening one
// does not work any more.
func (d *Driver) accept(k *irql.K, _ any, _ wsk.EventFlags, _, _ ws2def.SOCKADDR, s *wsk.WSK_SOCKET,
	socketContext *any, dispatch **wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
	if s == nil && d.Defect != NullIgnored {
		d.queue(k, task{what: stopListening})
		return ntstatus.STATUS_REQUEST_NOT_ACCEPTED
	}
	c := newConnection(k, d, s)
	if c == nil {
		return ntstatus.STATUS_REQUEST_NOT_ACCEPTED
	}
	*socketContext, *dispatch = c, nil // no callbacks: receives are requests
	d.queue(k, task{what: receive, conn: c})
	return ntstatus.STATUS_SUCCESS
}
