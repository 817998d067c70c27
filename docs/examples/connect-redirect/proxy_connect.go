package connectredirect

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// IOCTL_PROXY_CONNECT asks proxy.sys to connect to an original destination. Its system buffer is a connect
// request:
//
//	0  id of the redirected connection
//	8  original remote address and port, each in host byte order
//	16 length of the redirect records
//	24 redirect records
var IOCTL_PROXY_CONNECT = irp.CTL_CODE(irp.FILE_DEVICE_NETWORK, 0x800, irp.METHOD_BUFFERED,
	irp.FILE_ANY_ACCESS)

// Offsets in a connect request. The records begin at a pointer-aligned address.
const (
	offID      = 0
	offAddress = 8
	offPort    = 12
	offLength  = 16
	offRecords = 24
)

// dial is one connect request on its way.
type dial struct {
	p    *irp.IRP
	item *irp.IO_WORKITEM
}

// control pends a connect request; a work item makes the connection and completes it.
func (d *Proxy) control(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	l := irp.IoGetCurrentIrpStackLocation(k, p)
	ctl := l.Parameters().DeviceIoControl
	if ctl.IoControlCode != IOCTL_PROXY_CONNECT || ctl.InputBufferLength < offRecords {
		return finish(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST)
	}
	if !irql.ExAcquireRundownProtection(k, &d.rundown) {
		return finish(k, p, ntstatus.STATUS_DELETE_PENDING)
	}
	item := irp.IoAllocateWorkItem(k, dev)
	if item == nil {
		irql.ExReleaseRundownProtection(k, &d.rundown)
		return finish(k, p, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
	}
	irp.IoMarkIrpPending(k, p)
	irp.IoQueueWorkItem(k, item, d.dial, irp.DelayedWorkQueue, &dial{p, item})
	return ntstatus.STATUS_PENDING
}

func finish(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	p.IoStatus().Information = 0
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

// dial connects to the original destination. The records must be on the socket before it connects, or the
// connection looks like any other and is redirected again.
func (d *Proxy) dial(k *irql.K, _ *irp.DEVICE_OBJECT, context any) {
	c := context.(*dial)
	irp.IoFreeWorkItem(k, c.item)
	in := c.p.AssociatedIrp().SystemBuffer
	sock, s := d.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
	if ntstatus.NT_SUCCESS(s) {
		s = d.connect(k, sock, in)
		if ntstatus.NT_SUCCESS(s) {
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, &d.lock, &old)
			d.outbound = append(d.outbound, outbound{in.Load64(offID), sock})
			irql.KeReleaseSpinLock(k, &d.lock, old)
		} else {
			d.closeSocket(k, sock)
		}
	}
	finish(k, c.p, s)
	irql.ExReleaseRundownProtection(k, &d.rundown)
}

func (d *Proxy) connect(k *irql.K, sock *wsk.WSK_SOCKET, in *irp.Buffer) ntstatus.NTSTATUS {
	f := connected(sock)
	n := uint64(in.Load32(offLength))
	if d.Defect != RecordsNotSet {
		r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return f.WskControlSocket(k, sock, wsk.WskIoctl, wsk.SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, 0,
				n, in.Slice(offRecords, int(n)), 0, nil, nil, p)
		})
		if !ntstatus.NT_SUCCESS(r.Status) {
			return r.Status
		}
	}
	any4 := ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET}
	r := d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskBind(k, sock, &any4, 0, p) })
	if !ntstatus.NT_SUCCESS(r.Status) {
		return r.Status
	}
	to := address(in.Load32(offAddress), in.Load16(offPort))
	r = d.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return f.WskConnect(k, sock, &to, 0, p) })
	return r.Status
}

// address makes a SOCKADDR_IN from an address and a port in host byte order.
func address(addr uint32, port uint16) ws2def.SOCKADDR_IN {
	return ws2def.SOCKADDR_IN{Sin_family: ws2def.AF_INET, Sin_port: ws2def.Htons(port),
		Sin_addr: ws2def.IN_ADDR{byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr)}}
}
