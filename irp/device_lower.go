package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// IoGetLowerDeviceObject returns the device below dev with a reference for the caller to give back, NULL when
// dev is the lowest one or the driver below goes.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: ObDereferenceObject.
// Rules: IRQL-001, OBJ-012.
// Reference: ntifs/nf-ntifs-iogetlowerdeviceobject.
func IoGetLowerDeviceObject(k *irql.K, dev *DEVICE_OBJECT) *DEVICE_OBJECT {
	const d = ddi.IoGetLowerDeviceObject
	ke.Enter(k, d)
	dev.exists(k, d)
	ke.Point(k, ke.Use{Obj: stackOf(dev.id), How: ke.R})
	low := dev.lower
	if low != nil {
		ke.Alive(k, low.id)
		ke.Alive(k, low.DriverObject.id)
	}
	if low == nil || low.deleted || low.DriverObject.image.Unloading {
		ke.Call(k, d, 0)
		return nil
	}
	low.referTo(k, d)
	return low
}

// IoGetDeviceAttachmentBaseRef returns the lowest device of dev's stack with a reference for the caller to
// give back.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: ObDereferenceObject.
// Rules: IRQL-001, OBJ-012.
// Reference: ntifs/nf-ntifs-iogetdeviceattachmentbaseref.
func IoGetDeviceAttachmentBaseRef(k *irql.K, dev *DEVICE_OBJECT) *DEVICE_OBJECT {
	const d = ddi.IoGetDeviceAttachmentBaseRef
	ke.Enter(k, d)
	dev.exists(k, d)
	ke.Point(k, ke.Use{Obj: stackOf(dev.id), How: ke.R})
	base := dev
	for base.lower != nil {
		base = base.lower
		ke.Adds(k, ke.Use{Obj: stackOf(base.id), How: ke.R})
	}
	base.referTo(k, d)
	return base
}

// referTo counts a reference that routine d gives to the driver that acts in k.
func (d *DEVICE_OBJECT) referTo(k *irql.K, by ddi.ID) {
	ke.Adds(k, ke.Use{Obj: d.id, How: ke.Count})
	d.refs++
	state.Of(k).took(k, d, d.id, ke.Call(k, by, d.id))
}
