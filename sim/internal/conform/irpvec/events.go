package irpvec

import (
	"encoding/json"
	"fmt"
	"strings"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// fields is one event: names and values in order.
type fields struct{ parts []string }

func (f *fields) add(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("internal error: event field cannot be written: " + err.Error())
	}
	f.parts = append(f.parts, fmt.Sprintf("%q:%s", name, b))
}

func hex(v uint32) string { return fmt.Sprintf("0x%08x", v) }

// canonical brings a recorded event into the form of emit, keeping the order of its fields.
func canonical(raw json.RawMessage) (string, error) {
	var b strings.Builder
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", fmt.Errorf("an event of the trace is malformed: %v", err)
	}
	if _, ok := v.(map[string]any); !ok {
		return "", fmt.Errorf("an event of the trace is not an object: %s", raw)
	}
	compactInto(&b, raw)
	return b.String(), nil
}

func compactInto(b *strings.Builder, raw json.RawMessage) {
	inString, escaped := false, false
	for _, c := range raw {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t'):
			continue
		}
		b.WriteByte(c)
	}
}

func (pl *player) emit(f *fields) { pl.log = append(pl.log, "{"+strings.Join(f.parts, ",")+"}") }

func (pl *player) emitLeave(fn string, ret *ntstatus.NTSTATUS) {
	f := fields{}
	f.add("ev", "leave")
	f.add("fn", fn)
	if ret != nil {
		f.add("ret", hex(uint32(*ret)))
	}
	pl.emit(&f)
}

// by starts an event that names the routine it happened in.
func by(ev string, a *activation) *fields {
	f := &fields{}
	f.add("ev", ev)
	f.add("by", a.fn)
	return f
}

func (pl *player) regOf(p *irp.IRP) any {
	for i := range pl.regs {
		if pl.regs[i].p == p {
			return i
		}
	}
	return nil
}

// irpFields adds what every event about an IRP shows.
func (pl *player) irpFields(k *irql.K, f *fields, p *irp.IRP) {
	f.add("irp", pl.regOf(p))
	pl.aside(k, func() {
		loc, count := p.CurrentLocation(), p.StackCount()
		f.add("loc", int(loc))
		f.add("count", int(count))
		f.add("pending_returned", p.PendingReturned())
		f.add("cancel", p.Cancel())
		f.add("cancel_routine", p.CancelRoutine() != nil)
		f.add("status", hex(uint32(p.IoStatus().Status)))
		f.add("info", int64(p.IoStatus().Information))
		if loc <= count {
			f.add("control", int(irp.IoGetCurrentIrpStackLocation(k, p).Control()))
		} else {
			f.add("control", nil)
		}
	})
}

// irpEvent logs an event that consists of the IRP's fields.
func (pl *player) irpEvent(k *irql.K, f *fields, p *irp.IRP) {
	pl.irpFields(k, f, p)
	pl.emit(f)
}

// params logs the current location's parameters.
func (pl *player) params(k *irql.K, a *activation, buffers bool) {
	f := by("params", a)
	pl.aside(k, func() {
		l := irp.IoGetCurrentIrpStackLocation(k, a.p)
		major := l.MajorFunction()
		f.add("major", int(major))
		switch major {
		case irp.IRP_MJ_DEVICE_CONTROL, irp.IRP_MJ_INTERNAL_DEVICE_CONTROL:
			pl.ioctlParams(k, f, a.p, l, buffers)
		case irp.IRP_MJ_READ:
			f.add("length", l.Parameters().Read.Length)
			f.add("offset", l.Parameters().Read.ByteOffset)
		case irp.IRP_MJ_WRITE:
			f.add("length", l.Parameters().Write.Length)
			f.add("offset", l.Parameters().Write.ByteOffset)
		}
	})
	pl.emit(f)
}

func (pl *player) ioctlParams(k *irql.K, f *fields, p *irp.IRP, l *irp.IO_STACK_LOCATION, buffers bool) {
	d := l.Parameters().DeviceIoControl
	f.add("code", hex(d.IoControlCode))
	f.add("in_len", d.InputBufferLength)
	f.add("out_len", d.OutputBufferLength)
	if !buffers {
		return
	}
	sys, mdl := p.AssociatedIrp().SystemBuffer, p.MdlAddress()
	f.add("system_buffer", sys != nil)
	f.add("mdl", mdl != nil)
	if d.IoControlCode&3 == irp.METHOD_NEITHER {
		r := pl.register(p)
		f.add("type3_is_input", r.in != nil && d.Type3InputBuffer == r.in)
		f.add("user_buffer_is_output", r.out != nil && p.UserBuffer() == r.out)
		return
	}
	if mdl != nil {
		f.add("mdl_bytes", irp.MmGetMdlByteCount(k, mdl))
	}
	if sys != nil && d.InputBufferLength > 0 {
		sum := 0
		for i := range int(d.InputBufferLength) {
			sum += int(sys.Load8(i))
		}
		f.add("input_byte_sum", sum)
	}
}

func (pl *player) register(p *irp.IRP) *register {
	for i := range pl.regs {
		if pl.regs[i].p == p {
			return &pl.regs[i]
		}
	}
	return &register{}
}
