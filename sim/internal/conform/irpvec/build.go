package irpvec

import (
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// newRegister prepares event and status block of a built request as the recorder did.
func (pl *player) newRegister(k *irql.K, n int) *register {
	r := pl.reg(n)
	*r = register{iosb: &irp.IO_STATUS_BLOCK{Status: 0xdeadbeef, Information: 0xdead},
		event: new(irql.KEVENT)}
	irql.KeInitializeEvent(k, r.event, irql.NotificationEvent, false)
	return r
}

func (pl *player) buffer(k *irql.K, n int) *irp.Buffer {
	if n == 0 {
		return nil
	}
	return irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(n), 0x63657649)
}

func (pl *player) buildOp(k *irql.K, a *activation, o *op) bool {
	switch o.name {
	case "build_ioctl":
		pl.buildIoctl(k, a, o)
	case "build_sync_fsd", "build_async_fsd":
		pl.buildFsd(k, a, o)
	case "iosb":
		r := pl.reg(o.num(0))
		f := by("iosb", a)
		f.add("status", hex(uint32(r.iosb.Status)))
		f.add("info", int64(r.iosb.Information))
		f.add("event", r.event.Header().Signal > 0)
		pl.emit(f)
	case "wait_event":
		s := ke.Wait(k, []*ke.Object{pl.reg(o.num(0)).event.Header()}, false, nil, "the event of a request")
		f := by("wait_event", a)
		f.add("ret", hex(uint32(s)))
		pl.emit(f)
	default:
		return false
	}
	return true
}

func (pl *player) buildIoctl(k *irql.K, a *activation, o *op) {
	r := pl.newRegister(k, o.num(0))
	inLen, outLen := o.num(3), o.num(4)
	r.in, r.out = pl.buffer(k, inLen), pl.buffer(k, outLen)
	for i := range inLen {
		r.in.Store8(i, uint8(i+1))
	}
	flags := o.args[5].([]string)
	event := r.event
	if !slices.Contains(flags, "event") {
		event = nil
	}
	r.p = irp.IoBuildDeviceIoControlRequest(k, o.hex(2), pl.dev(o.str(1)), r.in, uint32(inLen), r.out,
		uint32(outLen),
		slices.Contains(flags, "internal"), event, r.iosb)
	a.p = r.p
	f := &fields{}
	f.add("ev", o.name)
	pl.irpFields(k, f, r.p)
	pl.aside(k, func() {
		l := irp.IoGetNextIrpStackLocation(k, r.p)
		d := l.Parameters().DeviceIoControl
		f.add("next_major", int(l.MajorFunction()))
		f.add("next_code", hex(d.IoControlCode))
		f.add("next_in_len", d.InputBufferLength)
		f.add("next_out_len", d.OutputBufferLength)
		f.add("requestor_mode", int(r.p.RequestorMode()))
	})
	pl.emit(f)
}

func (pl *player) buildFsd(k *irql.K, a *activation, o *op) {
	r := pl.newRegister(k, o.num(0))
	major, n, off := uint32(o.num(2)), o.num(3), int64(o.num(4))
	r.out = pl.buffer(k, n)
	if o.name == "build_sync_fsd" {
		r.p = irp.IoBuildSynchronousFsdRequest(k, major, pl.dev(o.str(1)), r.out, uint32(n), &off, r.event,
			r.iosb)
	} else {
		r.p = irp.IoBuildAsynchronousFsdRequest(k, major, pl.dev(o.str(1)), r.out, uint32(n), &off, r.iosb)
	}
	a.p = r.p
	f := &fields{}
	f.add("ev", o.name)
	pl.irpFields(k, f, r.p)
	pl.aside(k, func() {
		l := irp.IoGetNextIrpStackLocation(k, r.p)
		f.add("next_major", int(l.MajorFunction()))
		switch major {
		case irp.IRP_MJ_READ:
			f.add("next_length", l.Parameters().Read.Length)
			f.add("next_offset", l.Parameters().Read.ByteOffset)
		case irp.IRP_MJ_WRITE:
			f.add("next_length", l.Parameters().Write.Length)
			f.add("next_offset", l.Parameters().Write.ByteOffset)
		}
		f.add("requestor_mode", int(r.p.RequestorMode()))
	})
	pl.emit(f)
}
