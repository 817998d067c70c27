package irp

import (
	"fmt"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// DumpDriver prints a driver object in the shape of the debugger's !drvobj: its devices and its dispatch
// routines; nil when there is none of that id.
func (sim) DumpDriver(m *ke.Machine, id trace.ID) []string {
	for _, d := range state.On(m).drivers {
		if d.id == id {
			return dumpDriver(d)
		}
	}
	return nil
}

func dumpDriver(d *DRIVER_OBJECT) []string {
	out := []string{"!drvobj " + d.id.String(), fmt.Sprintf("Driver object (%v) is for:", d.id),
		" " + d.DriverName}
	switch {
	case d.gone:
		out = append(out, "The driver is unloaded.")
	case d.image.Unloading:
		out = append(out, "The driver is being unloaded.")
	}
	out = append(out, "Device Object list:")
	for dev := d.DeviceObject; dev != nil; dev = dev.NextDevice {
		out = append(out, "     "+dev.id.String()+dev.title())
	}
	out = append(out, "DriverUnload: "+routineName(d.image, ke.CodeOf(d.DriverUnload)), "Dispatch routines:")
	for i, fn := range d.MajorFunction {
		name := "nt!IopInvalidDeviceRequest"
		if at := ke.CodeOf(fn); fn != nil && at != ke.CodeOf(DRIVER_DISPATCH(invalidDeviceRequest)) {
			name = routineName(d.image, at)
		}
		out = append(out, fmt.Sprintf("[%02x] %-34s %s", i, Sim.MajorName(uint8(i)), name))
	}
	return out
}

func routineName(img *ke.Image, at uintptr) string {
	if at == 0 {
		return "-"
	}
	return img.Name + "!" + ke.FuncName(at)
}

// title is the device's name, when it has one, in brackets.
func (d *DEVICE_OBJECT) title() string {
	if d.name == "" {
		return ""
	}
	return " (" + d.name + ")"
}

// DumpDevice prints a device object in the shape of the debugger's !devobj; nil when there is none of that
// id.
func (sim) DumpDevice(m *ke.Machine, id trace.ID) []string {
	if d := state.On(m).device(id); d != nil {
		return dumpDevice(d)
	}
	return nil
}

func (io *ioManager) device(id trace.ID) *DEVICE_OBJECT {
	for _, d := range io.devices {
		if d.id == id {
			return d
		}
	}
	return nil
}

func dumpDevice(d *DEVICE_OBJECT) []string {
	out := []string{"!devobj " + d.id.String(), fmt.Sprintf("Device object (%v) is for:", d.id),
		fmt.Sprintf(" %s %s DriverObject %v", d.name, d.DriverObject.DriverName, d.DriverObject.id),
		fmt.Sprintf("RefCount %d Type %08x Flags %08x%s", d.refs, d.DeviceType, d.Flags, flagNames(d.Flags)),
		fmt.Sprintf("StackSize %d Characteristics %08x", d.StackSize, d.Characteristics)}
	if up := d.AttachedDevice; up != nil {
		out = append(out, fmt.Sprintf("AttachedDevice (Upper) %v %s", up.id, up.DriverObject.DriverName))
	}
	if low := d.lower; low != nil {
		out = append(out, fmt.Sprintf("AttachedTo (Lower) %v %s", low.id, low.DriverObject.DriverName))
	}
	if d.deleted {
		out = append(out, "The device is deleted; references keep its memory.")
	}
	return out
}

func flagNames(flags uint32) string {
	s := ""
	for _, f := range [...]struct {
		bit  uint32
		name string
	}{{DO_BUFFERED_IO, "DO_BUFFERED_IO"}, {DO_EXCLUSIVE, "DO_EXCLUSIVE"}, {DO_DIRECT_IO, "DO_DIRECT_IO"},
		{DO_DEVICE_HAS_NAME, "DO_DEVICE_HAS_NAME"},
		{DO_DEVICE_INITIALIZING, "DO_DEVICE_INITIALIZING"}, {DO_POWER_PAGABLE, "DO_POWER_PAGABLE"},
		{DO_POWER_INRUSH, "DO_POWER_INRUSH"}} {
		if flags&f.bit != 0 {
			s += " " + f.name
		}
	}
	return s
}

// DumpStack prints the device stack a device belongs to, the top first, in the shape of the debugger's
// !devstack, with > at that device; nil when there is none of that id.
func (sim) DumpStack(m *ke.Machine, id trace.ID) []string {
	if d := state.On(m).device(id); d != nil {
		return dumpStack(d)
	}
	return nil
}

func dumpStack(asked *DEVICE_OBJECT) []string {
	out := []string{"!devstack " + asked.id.String(),
		"  !DevObj    !DrvObj                  StackSize  ObjectName"}
	for d := asked.top(); d != nil; d = d.lower {
		mark := " "
		if d == asked {
			mark = ">"
		}
		line := fmt.Sprintf("%s %-10v %-24s %9d  %s", mark, d.id, d.DriverObject.DriverName, d.StackSize,
			d.name)
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}
