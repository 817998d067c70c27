// Package datagramclient is a driver that asks a time server over UDP with Winsock Kernel, from a system
// thread: one datagram there, one back, with a time-out and another try where one of them gets lost.
package datagramclient

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

var tag = irp.Tag("Time")

// Client is the driver's data.
type Client struct {
	Defect  Defect
	Server  ws2def.SOCKADDR_IN // whom to ask
	Answers []string           // for the tests

	dispatch     wsk.WSK_CLIENT_DISPATCH
	registration wsk.WSK_REGISTRATION
	npi          wsk.WSK_PROVIDER_NPI
	socket       *wsk.WSK_SOCKET
	thread       *irql.KTHREAD
}

// DriverEntry registers with WSK, opens the socket and starts the thread that asks.
func (d *Client) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	d.dispatch.Version = wsk.MAKE_WSK_VERSION(1, 0)
	npi := wsk.WSK_CLIENT_NPI{ClientContext: d, Dispatch: &d.dispatch}
	s := wsk.WskRegister(k, &npi, &d.registration)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	s = wsk.WskCaptureProviderNPI(k, &d.registration, wsk.WSK_NO_WAIT, &d.npi)
	if !ntstatus.NT_SUCCESS(s) {
		wsk.WskDeregister(k, &d.registration)
		return s
	}
	if s = d.open(k); ntstatus.NT_SUCCESS(s) {
		s = d.start(k)
	}
	if !ntstatus.NT_SUCCESS(s) {
		d.stop(k)
	}
	return s
}

// start runs the thread that asks.
func (d *Client) start(k *irql.K) ntstatus.NTSTATUS {
	var h irql.HANDLE
	s := irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, d.run, nil)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	var t any
	s = irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &t, nil)
	irp.ZwClose(k, h)
	d.thread = t.(*irql.KTHREAD)
	return s
}

// unload waits for the thread, then takes everything down.
func (d *Client) unload(k *irql.K, _ *irp.DRIVER_OBJECT) {
	irql.KeWaitForSingleObject(k, d.thread, irql.Executive, irql.KernelMode, false, nil)
	irp.ObDereferenceObject(k, d.thread)
	d.stop(k)
}

func (d *Client) stop(k *irql.K) {
	if d.socket != nil {
		d.close(k)
	}
	wsk.WskReleaseProviderNPI(k, &d.registration)
	wsk.WskDeregister(k, &d.registration)
}

// open makes the socket, binds it, and makes the server its only peer: what others send is not for us.
func (d *Client) open(k *irql.K) ntstatus.NTSTATUS {
	r := call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.npi.Dispatch.WskSocket(k, d.npi.Client, ws2def.AF_INET, ws2def.SOCK_DGRAM,
			ws2def.IPPROTO_UDP, wsk.WSK_FLAG_DATAGRAM_SOCKET, nil, nil, nil, nil, nil, p)
	})
	if !ntstatus.NT_SUCCESS(r.Status) {
		return r.Status
	}
	d.socket = r.Pointer.(*wsk.WSK_SOCKET)
	if d.Defect == NotBound {
		return ntstatus.STATUS_SUCCESS
	}
	local := ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET} // every local address, any port
	r = call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.table().WskBind(k, d.socket, &local, 0, p)
	})
	if !ntstatus.NT_SUCCESS(r.Status) || d.Defect == NoServer {
		return r.Status
	}
	return d.fix(k)
}

// fix issues SIO_WSK_SET_REMOTE_ADDRESS. The address must stay until the IRP is completed.
func (d *Client) fix(k *irql.K) ntstatus.NTSTATUS {
	storage := ws2def.Storage(ws2def.AddrPort(&d.Server))
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, ws2def.SizeofSockaddrIn, tag)
	if b == nil {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	b.CopyFrom(0, storage.Bytes()[:ws2def.SizeofSockaddrIn])
	r := call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.table().WskControlSocket(k, d.socket, wsk.WskIoctl, wsk.SIO_WSK_SET_REMOTE_ADDRESS, 0,
			ws2def.SizeofSockaddrIn, b, 0, nil, nil, p)
	})
	irp.ExFreePoolWithTag(k, b, tag)
	return r.Status
}

// close closes the socket. That must not be left undone for want of an IRP.
func (d *Client) close(k *irql.K) {
	for call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.table().WskCloseSocket(k, d.socket, p)
	}).Status == ntstatus.STATUS_INSUFFICIENT_RESOURCES {
		pause := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
}

func (d *Client) table() *wsk.WSK_PROVIDER_DATAGRAM_DISPATCH {
	return d.socket.Dispatch.(*wsk.WSK_PROVIDER_DATAGRAM_DISPATCH)
}

// call makes one WSK request with an IRP of its own and waits for its end. Whatever the function returned,
// the IRP is completed exactly once; only STATUS_PENDING means that this may happen later.
func call(k *irql.K, request func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	p := irp.IoAllocateIrp(k, 1, false)
	if p == nil {
		return irp.IO_STATUS_BLOCK{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES}
	}
	done := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
	irp.IoSetCompletionRoutine(k, p, requestDone, done, true, true, true)
	if s := request(p); s == ntstatus.STATUS_PENDING {
		irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false, nil)
	}
	result := *p.IoStatus()
	irp.IoFreeIrp(k, p)
	return result
}

// requestDone ends the climb: the IRP is the caller's own and the I/O manager must not see it.
func requestDone(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, context any) ntstatus.NTSTATUS {
	irql.KeSetEvent(k, context.(*irql.KEVENT), irp.IO_NETWORK_INCREMENT, false)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}
