package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// initCheck lies on the stack of the routine that made a device outside of DriverEntry.
type initCheck struct{ dev *DEVICE_OBJECT }

// StackGone is called when that routine returns. Rules: OBJ-005, OBJ-006.
func (c *initCheck) StackGone(k *irql.K) {
	dev := c.dev
	if dev.deleted {
		return
	}
	if dev.Flags&DO_DEVICE_INITIALIZING != 0 {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_005, Obj: dev.id.String(),
			Headline: fmt.Sprintf("the routine that made %v returns and DO_DEVICE_INITIALIZING is still set",
				dev.id),
			Args:   verify.Params(nil, nil, dev.id),
			Places: []verify.Place{{Label: "CREATED", Seq: dev.seq}}})
	}
	dev.checkFlags(k)
}

// checkFlags is made for every device when the routine that created it has returned. Rule: OBJ-006.
func (d *DEVICE_OBJECT) checkFlags(k *irql.K) {
	const buffering = DO_BUFFERED_IO | DO_DIRECT_IO
	low := d.lower
	switch {
	case d.Flags&buffering == buffering:
		d.badFlags(k, "has DO_BUFFERED_IO and DO_DIRECT_IO", "both kinds of buffers")
	case d.DriverObject != d.made.driver:
		d.badFlags(k, "had its DriverObject changed", "DriverObject changed")
	case d.Flags&d.made.flags != d.made.flags:
		d.badFlags(k, "lost flags that IoCreateDevice had set",
			"flags lost")
	case low == nil:
	case (d.Flags^low.Flags)&buffering != 0:
		d.badFlags(k, "has other buffering flags than "+low.id.String()+" below",
			"other buffers than below")
	case (d.Flags^low.Flags)&DO_POWER_PAGABLE != 0:
		d.badFlags(k, "has another DO_POWER_PAGABLE than "+low.id.String()+" below",
			"other DO_POWER_PAGABLE than below")
	case d.DeviceType != low.DeviceType:
		d.badFlags(k, "has another DeviceType than "+low.id.String()+" below",
			"other DeviceType than below")
	}
}

func (d *DEVICE_OBJECT) badFlags(k *irql.K, what, cause string) {
	ke.Report(k, verify.Finding{Rule: verify.OBJ_006, Case: cause, Obj: d.id.String(),
		Headline: fmt.Sprintf("%v %s", d.id, what), Args: verify.Params(nil, nil, d.id),
		Places: []verify.Place{{Label: "CREATED", Seq: d.seq}}})
}

// checkReferences reports OBJ-012 when a driver has been unloaded. The file object of
// IoGetDeviceObjectPointer counts as the reference to the device that it is (INFERRED: the rule names the
// device form only).
func (io *ioManager) checkReferences(m *ke.Machine, img *ke.Image) {
	left := io.taken[:0]
	for _, t := range io.taken {
		if t.image != img {
			left = append(left, t)
			continue
		}
		m.ReportEnd(verify.Finding{Rule: verify.OBJ_012, Obj: t.id.String(), Driver: img.Name,
			Ctx:      "unload of " + img.Name,
			Headline: fmt.Sprintf("%s is unloaded and never gave its reference to %v back", img.Name, t.id),
			Places:   []verify.Place{{Label: "REFERENCED", Seq: t.seq}}})
	}
	io.taken = left
}

// checkNames reports UNLOAD-006 for symbolic links.
func (io *ioManager) checkNames(m *ke.Machine, img *ke.Image) {
	for i := range io.links {
		if l := &io.links[i]; l.image == img {
			m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_006, Case: "symbolic link", Obj: l.name,
				Driver: img.Name, Ctx: "unload of " + img.Name,
				Headline: fmt.Sprintf("%s is unloaded and its symbolic link %s still exists", img.Name,
					l.name),
				Places: []verify.Place{{Label: "CREATED", Seq: l.seq}}})
		}
	}
}

// openFiles lists who has a device of the driver open.
func (io *ioManager) openFiles(drv *DRIVER_OBJECT) []*FILE_OBJECT {
	var out []*FILE_OBJECT
	for _, f := range io.files {
		if f.DeviceObject.made.driver == drv {
			out = append(out, f)
		}
	}
	return out
}
