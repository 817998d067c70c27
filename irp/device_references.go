package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// hold takes a reference for the I/O manager, which has another one while it does so.
func (d *DEVICE_OBJECT) hold(k *irql.K) {
	ke.Adds(k, ke.Counts(d.id))
	d.Reference()
}

// letGo gives a reference of the I/O manager back. Which one is the last matters once the device is deleted.
func (io *ioManager) letGo(k *irql.K, d *DEVICE_OBJECT) {
	how := ke.Count
	if d.deleted {
		how = ke.A
	}
	d.Dereference()
	ke.Adds(k, ke.Use{Obj: d.id, How: how})
	io.dropDevice(k, d)
}

// dropDevice takes a deleted device from the lists once nobody refers to it.
func (io *ioManager) dropDevice(k *irql.K, dev *DEVICE_OBJECT) {
	if !dev.deleted || dev.refs > 0 {
		return
	}
	dev.extensionGone(k)
	for at := &dev.DriverObject.DeviceObject; *at != nil; at = &(*at).NextDevice {
		if *at == dev {
			*at = dev.NextDevice
			break
		}
	}
	for i, d := range io.devices {
		if d == dev {
			io.devices = list.Cut(io.devices, i)
			break
		}
	}
}

// Reference counts a reference to the device and returns the new count; drivers call ObReferenceObject.
func (d *DEVICE_OBJECT) Reference() int {
	d.refs++
	return int(d.refs)
}

// Dereference gives a reference back and returns the new count; drivers call ObDereferenceObject.
func (d *DEVICE_OBJECT) Dereference() int {
	d.refs--
	return int(d.refs)
}

// took remembers a reference for the driver that acts in k to give back.
func (io *ioManager) took(k *irql.K, object any, id trace.ID, seq uint64) {
	if img := ke.Acting(k); img != nil {
		io.taken = append(io.taken, taken{object, id, img, seq})
	}
}

// gave forgets one such reference: the driver's own before one that another driver handed on.
func (io *ioManager) gave(k *irql.K, object any) {
	at, img := -1, ke.Acting(k)
	for i := range io.taken {
		if t := &io.taken[i]; t.object == object && (at < 0 || t.image == img && io.taken[at].image != img) {
			at = i
		}
	}
	if at >= 0 {
		io.taken = list.Cut(io.taken, at)
	}
}

// extensionGone ends the IRPs in a device extension that goes with its device. Only where IoCreateDevice was
// asked for an extension is the Go value one: without a size, C would have it elsewhere. Rule: POOL-018.
func (d *DEVICE_OBJECT) extensionGone(k *irql.K) {
	if d.extensionSize == 0 {
		return
	}
	pool.Inside(d.DeviceExtension, func(obj any) {
		p, ok := obj.(*IRP)
		if !ok || p.m == nil || p.io != state.Of(k) || p.origin != byInitialize || p.state == stFreed {
			return
		}
		p.uses(ke.Free)
		if why := p.Busy(); why != "" {
			p.report(k, verify.Finding{Rule: verify.POOL_018, Case: "device extension", Places: p.story(),
				Headline: fmt.Sprintf("%v goes and its extension contains %v, which %s", d.id, p.id, why)})
		}
		p.Gone(verify.POOL_013, ke.Note(k, "gone with its device", p.id))
	})
}
