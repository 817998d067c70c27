// Package synccall is a WSK client that makes its calls one after the other and waits for each: the
// helper that most drivers write, with the ways in which it goes wrong.
package synccall

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// Defect is a mistake that the driver makes when it is told to.
type Defect string

// The defects.
const (
	None Defect = ""
	// NeverWaits: the status of the call is taken for that of the request, STATUS_PENDING included.
	NeverWaits Defect = "never-waits"
	// SignalsIfPending: the routine signals only where the request pended, and the helper waits in any case.
	SignalsIfPending Defect = "signals-if-pending"
	// LetsGo: the routine returns STATUS_SUCCESS and so gives the IRP to the I/O manager.
	LetsGo Defect = "lets-go"
	// GivesUp: a request that takes too long is cancelled and its IRP freed at once.
	GivesUp Defect = "gives-up"
)

// Port is where the server is, on the loopback address.
const Port = 7

var tag = irp.Tag("Sync")

// Driver is sync.sys.
type Driver struct {
	Defect Defect
	Answer string // what the server said

	dispatch     wsk.WSK_CLIENT_DISPATCH
	registration wsk.WSK_REGISTRATION
	npi          wsk.WSK_PROVIDER_NPI
}

// DriverEntry says something to the server and keeps the answer.
func (d *Driver) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { wsk.WskDeregister(k, &d.registration) }
	d.dispatch.Version = wsk.MAKE_WSK_VERSION(1, 0)
	npi := wsk.WSK_CLIENT_NPI{Dispatch: &d.dispatch}
	s := wsk.WskRegister(k, &npi, &d.registration)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if s = wsk.WskCaptureProviderNPI(k, &d.registration, wsk.WSK_NO_WAIT, &d.npi); !ntstatus.NT_SUCCESS(s) {
		wsk.WskDeregister(k, &d.registration)
		return s
	}
	s = d.converse(k)
	wsk.WskReleaseProviderNPI(k, &d.registration)
	if !ntstatus.NT_SUCCESS(s) {
		wsk.WskDeregister(k, &d.registration)
	}
	return s
}

// converse makes the connection, and the conversation.
func (d *Driver) converse(k *irql.K) ntstatus.NTSTATUS {
	r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return d.npi.Dispatch.WskSocket(k, d.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM,
			ws2def.IPPROTO_TCP,
			wsk.WSK_FLAG_CONNECTION_SOCKET, nil, nil, nil, nil, nil, p)
	})
	if !ntstatus.NT_SUCCESS(r.Status) {
		return r.Status
	}
	sock := r.Pointer.(*wsk.WSK_SOCKET)
	f := sock.Dispatch.(*wsk.WSK_PROVIDER_CONNECTION_DISPATCH)
	any := ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET}
	server := ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET, Sin_port: ws2def.Htons(Port),
		Sin_addr: ws2def.IN_ADDR{127, 0, 0, 1}}
	s := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskBind(k, sock, &any, 0, p) }).Status
	if ntstatus.NT_SUCCESS(s) {
		s = d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return f.WskConnect(k, sock, &server, 0,
				p)
		}).Status
	}
	if ntstatus.NT_SUCCESS(s) {
		s = d.talk(k, f, sock)
	}
	for d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskCloseSocket(k, sock, p) }).Status ==
		ntstatus.STATUS_INSUFFICIENT_RESOURCES { // of IoAllocateIrp: the close itself does not fail
		pause := int64(-10_000)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
	}
	return s
}

// talk sends a greeting and receives the answer.
func (d *Driver) talk(k *irql.K, f *wsk.WSK_PROVIDER_CONNECTION_DISPATCH,
	sock *wsk.WSK_SOCKET) ntstatus.NTSTATUS {
	const greeting = "hello"
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(len(greeting)), tag)
	if b == nil {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	defer irp.ExFreePoolWithTag(k, b, tag)
	mdl := irp.IoAllocateMdl(k, b, uint32(len(greeting)), false, false, nil)
	if mdl == nil {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	defer irp.IoFreeMdl(k, mdl)
	irp.MmBuildMdlForNonPagedPool(k, mdl)
	b.CopyFrom(0, []byte(greeting))
	buf := wsk.WSK_BUF{Mdl: mdl, Length: uint64(len(greeting))}
	r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskSend(k, sock, &buf, 0, p) })
	if !ntstatus.NT_SUCCESS(r.Status) {
		return r.Status
	}
	r = d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return f.WskReceive(k, sock, &buf, wsk.WSK_FLAG_WAITALL, p)
	})
	if !ntstatus.NT_SUCCESS(r.Status) {
		return r.Status
	}
	d.Answer = string(b.Bytes()[:r.Information])
	return d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskDisconnect(k, sock, nil, 0, p) }).Status
}
