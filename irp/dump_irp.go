package irp

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

var majorNames = [...]string{
	"IRP_MJ_CREATE", "IRP_MJ_CREATE_NAMED_PIPE", "IRP_MJ_CLOSE", "IRP_MJ_READ", "IRP_MJ_WRITE",
	"IRP_MJ_QUERY_INFORMATION", "IRP_MJ_SET_INFORMATION", "IRP_MJ_QUERY_EA", "IRP_MJ_SET_EA",
	"IRP_MJ_FLUSH_BUFFERS",
	"IRP_MJ_QUERY_VOLUME_INFORMATION", "IRP_MJ_SET_VOLUME_INFORMATION", "IRP_MJ_DIRECTORY_CONTROL",
	"IRP_MJ_FILE_SYSTEM_CONTROL", "IRP_MJ_DEVICE_CONTROL", "IRP_MJ_INTERNAL_DEVICE_CONTROL",
	"IRP_MJ_SHUTDOWN",
	"IRP_MJ_LOCK_CONTROL", "IRP_MJ_CLEANUP", "IRP_MJ_CREATE_MAILSLOT", "IRP_MJ_QUERY_SECURITY",
	"IRP_MJ_SET_SECURITY",
	"IRP_MJ_POWER", "IRP_MJ_SYSTEM_CONTROL", "IRP_MJ_DEVICE_CHANGE", "IRP_MJ_QUERY_QUOTA", "IRP_MJ_SET_QUOTA",
	"IRP_MJ_PNP",
}

// MajorName gives the name of an IRP_MJ_* code.
func (sim) MajorName(major uint8) string {
	if int(major) < len(majorNames) {
		return majorNames[major]
	}
	return fmt.Sprintf("IRP_MJ_0x%02x", major)
}

// DumpIRP prints an IRP in the shape of the debugger's !irp.
func (sim) DumpIRP(m *ke.Machine, id trace.ID) []string {
	for p := state.On(m).live; p != nil; p = p.next {
		if p.id == id {
			return dumpIRP(p)
		}
	}
	return nil
}

// dumpIRP is DumpIRP for one that is at hand, freed ones included.
func dumpIRP(p *IRP) []string {
	out := []string{"!irp " + p.id.String()}
	head := fmt.Sprintf("Irp is active with %d stacks %d is current", p.stackCount, p.cur)
	switch {
	case p.state == stFreed:
		return append(out, fmt.Sprintf("Irp is freed (had %d stacks, made by %v)", p.stackCount, p.origin))
	case p.cur > p.stackCount+1 || p.state == stStage2:
		head = fmt.Sprintf("Irp is complete (was active with %d stacks %d is current)", p.stackCount, p.cur)
	}
	out = append(out, head)
	mdl := " No Mdl:"
	if p.mdl != nil {
		mdl = " Mdl=" + p.mdl.ID().String() + ":"
	}
	if p.assoc.SystemBuffer != nil {
		mdl += " System buffer=" + p.assoc.SystemBuffer.ID().String() + ":"
	}
	thread := " No thread:"
	if p.thread != nil {
		thread = " Thread " + p.thread.ID.String() + ":"
	}
	out = append(out, fmt.Sprintf("%s%s  Irp stack trace.   IoStatus %v / %d", mdl, thread, p.ioStatus.Status,
		p.ioStatus.Information))
	out = append(out, "     cmd                            flg cl  Device      Completion-Context")
	for i := range p.locs {
		out = list.Add(out, dumpLocation(p, int8(i+1)))
	}
	where := p.whereIs()
	if p.cancelRoutine != nil {
		where += "; cancel routine " + funcName(p.cancelRoutine)
	}
	if p.cancel {
		where += "; Cancel is TRUE"
	}
	return append(out, "Owner: "+where)
}

func dumpLocation(p *IRP, n int8) []string {
	l := p.loc(n)
	mark := " "
	if n == p.cur {
		mark = ">"
	}
	dev, routine, flags := "-", "-", ""
	if l.device != nil {
		dev = l.device.id.String()
	}
	if l.routine != nil && l.control&invokeAny != 0 {
		routine = ke.FuncName(ke.CodeOf(l.routine))
		if l.setBy != nil {
			routine = l.setBy.Name + "!" + routine
		}
	}
	for _, b := range [...]struct {
		bit  uint8
		name string
	}{{SL_INVOKE_ON_SUCCESS, "Success"}, {SL_INVOKE_ON_ERROR, "Error"}, {SL_INVOKE_ON_CANCEL, "Cancel"},
		{SL_PENDING_RETURNED, "pending"}} {
		if l.control&b.bit != 0 {
			flags += " " + b.name
		}
	}
	line := fmt.Sprintf("%s[%s(%x), N/A(%x)]", mark, Sim.MajorName(l.major), l.major, l.minor)
	line = fmt.Sprintf("%-36s %x %2x  %-10s  %s%s", line, l.flags, l.control, dev, routine, flags)
	out := []string{strings.TrimRight(line, " ")}
	if l.major == IRP_MJ_DEVICE_CONTROL || l.major == IRP_MJ_INTERNAL_DEVICE_CONTROL {
		d := &l.params.DeviceIoControl
		drv := ""
		if l.device != nil {
			drv = l.device.DriverObject.DriverName
		}
		out = append(out, fmt.Sprintf("          %s    Args: %08x %08x 0x%08x", drv, d.OutputBufferLength,
			d.InputBufferLength, d.IoControlCode))
	}
	return out
}

// whereIs says who holds the IRP, for headlines.
func (p *IRP) whereIs() string {
	name := "the system"
	if p.owner != nil {
		name = p.owner.Name
	}
	switch p.state {
	case stFreed:
		return "it is freed"
	case stCompleting:
		return "it has been given to IoCompleteRequest"
	case stStage2:
		return "it has been completed and is the I/O manager's"
	case stCreator:
		return "it is with its creator " + name
	case stQueued:
		return "it is kept by " + name
	}
	return "it is " + p.state.String() + " of " + name
}

// story lists where the IRP went: what a report cites.
func (p *IRP) story() []verify.Place {
	var out []verify.Place
	add := func(label string, seq uint64) {
		if seq != 0 {
			out = append(out, verify.Place{Label: label, Seq: seq})
		}
	}
	add("ALLOCATED", p.allocSeq)
	add("SENT", p.sentSeq)
	add("COMPLETED", p.completeSeq)
	add("FREED", p.freeSeq)
	return out
}

func funcName(fn any) string {
	switch r := fn.(type) {
	case DRIVER_CANCEL:
		if r == nil {
			return "0"
		}
	case nil:
		return "0"
	}
	return ke.FuncName(ke.CodeOf(fn))
}
