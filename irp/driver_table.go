package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// has reports whether the driver set a routine for a major function.
func (d *DRIVER_OBJECT) has(major uint8) bool {
	fn := d.MajorFunction[major%(IRP_MJ_MAXIMUM_FUNCTION+1)]
	return fn != nil && ke.CodeOf(fn) != ke.CodeOf(invalidDeviceRequest)
}

// routineMissing reports IRP-072 for a request that met an empty entry: an opening or closing of a device, or
// one that the driver below would have served. IRP_MJ_CLEANUP is needed by drivers that queue, IRP-040 tells.
func routineMissing(k *irql.K, dev *DEVICE_OBJECT, p *IRP) {
	l := p.loc(p.cur)
	if dev == nil || l == nil {
		return
	}
	why := ""
	switch {
	case dev.lower != nil && dev.lower.DriverObject.has(l.major):
		why = fmt.Sprintf(", and %s below would serve it", dev.lower.DriverObject.image.Name)
	case p.origin == byManager && p.op == nil && l.major != IRP_MJ_CLEANUP:
		why = ", and its device is opened"
	default:
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.IRP_072, Case: "no routine", Obj: dev.id.String(),
		Dump: dumpIRP(p), Headline: fmt.Sprintf("%s has no routine for %s%s", dev.DriverObject.image.Name,
			Sim.MajorName(l.major), why)})
}

// checkTable reports IRP-072 for a dispatch table that was changed after DriverEntry.
func (d *DRIVER_OBJECT) checkTable(m *ke.Machine) {
	if d.system || !d.entered || !ntstatus.NT_SUCCESS(d.entry) {
		return
	}
	for i, fn := range d.MajorFunction {
		if fn != nil && ke.CodeOf(fn) == d.table[i] {
			continue
		}
		m.ReportEnd(verify.Finding{Rule: verify.IRP_072, Case: "changed late", Obj: d.id.String(),
			Driver: d.image.Name,
			Headline: fmt.Sprintf("%s changed its routine for %s after DriverEntry had returned",
				d.image.Name, Sim.MajorName(uint8(i)))})
		return
	}
}
