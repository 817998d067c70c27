package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IoAttachDeviceToDeviceStack puts source on top of the stack target belongs to and returns the device that
// was on top: the one to send IRPs to and to detach from. NULL when that one is being initialised or deleted,
// or its driver unloaded. An IRP may reach source before the caller has stored what is returned.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: nobody holds a reference to what is returned; IoDetachDevice is due before IoDeleteDevice.
// Rules: IRQL-001, OBJ-004.
// Reference: wdm/nf-wdm-ioattachdevicetodevicestack.
func IoAttachDeviceToDeviceStack(k *irql.K, source, target *DEVICE_OBJECT) *DEVICE_OBJECT {
	const d = ddi.IoAttachDeviceToDeviceStack
	ke.Enter(k, d)
	top := attach(k, d, source, target, nil)
	ke.Point(k, ke.Reads(source.id))
	return top
}

// IoAttachDeviceToDeviceStackSafe is IoAttachDeviceToDeviceStack that stores the device to send to before the
// first IRP can arrive. STATUS_NO_SUCH_DEVICE when target is being deleted.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: attachedToDeviceObject must be where the dispatch routines look.
// Rules: IRQL-001, OBJ-004.
// Reference: ntddk/nf-ntddk-ioattachdevicetodevicestacksafe.
func IoAttachDeviceToDeviceStackSafe(k *irql.K, source, target *DEVICE_OBJECT,
	attachedToDeviceObject **DEVICE_OBJECT) ntstatus.NTSTATUS {
	const d = ddi.IoAttachDeviceToDeviceStackSafe
	ke.Enter(k, d)
	if attach(k, d, source, target, attachedToDeviceObject) == nil {
		return ntstatus.STATUS_NO_SUCH_DEVICE
	}
	ke.Point(k, ke.Reads(source.id))
	return ntstatus.STATUS_SUCCESS
}

// attach links source to the top of target's stack and stores that device in *at, if at is not nil.
func attach(k *irql.K, d ddi.ID, source, target *DEVICE_OBJECT, at **DEVICE_OBJECT) *DEVICE_OBJECT {
	source.exists(k, d)
	target.exists(k, d)
	ke.Point(k, ke.Writes(target.id))
	source.looks(k)
	target.looks(k)
	if source.deleted || source.lower != nil || source.top() == target.top() {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_004, Case: "attached twice", Obj: source.id.String(),
			Headline: fmt.Sprintf("%v, which is deleted, attached or part of that stack, is attached to %v",
				source.id, target.id),
			Places: []verify.Place{{Label: "CREATED", Seq: source.seq}}})
		return nil
	}
	top := target.top()
	if top.deleted || top.goes() || top.StackSize >= maxLocations {
		ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: source.id, Obj2: target.id})
		return nil
	}
	if at != nil {
		*at = top
	}
	top.AttachedDevice = source
	ke.Adds(k, ke.Writes(stackOf(top.id)))
	ke.Adds(k, ke.Writes(stackOf(source.id)))
	source.lower = top
	source.StackSize = top.StackSize + 1
	source.AlignmentRequirement = top.AlignmentRequirement
	ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: source.id, Obj2: top.id})
	return top
}

// goes reports whether nothing is attached to a device any more, because its driver is to be unloaded, or not
// yet, because it is being initialised (IMPL, reactos: ntoskrnl/io/iomgr/device.c,
// IopAttachDeviceToDeviceStackSafe).
func (d *DEVICE_OBJECT) goes() bool {
	return d.DriverObject.stopping || d.Flags&DO_DEVICE_INITIALIZING != 0
}

// IoAttachDevice puts source on top of the stack of a device that is named. It opens that device and closes
// it again: IRP_MJ_CREATE goes to the stack as it was, IRP_MJ_CLEANUP and IRP_MJ_CLOSE already go to source,
// whose driver must forward them.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: attachedDevice must be where the dispatch routines look.
// Returns: STATUS_SUCCESS; STATUS_NO_SUCH_DEVICE where the stack takes no more devices; what
// IoGetDeviceObjectPointer says of the name.
// Rules: IRQL-001, OBJ-004.
// Reference: wdm/nf-wdm-ioattachdevice.
func IoAttachDevice(k *irql.K, source *DEVICE_OBJECT, targetDevice string,
	attachedDevice **DEVICE_OBJECT) ntstatus.NTSTATUS {
	const d = ddi.IoAttachDevice
	ke.Enter(k, d)
	source.exists(k, d)
	ke.Point(k, ke.Unknown)
	io := state.Of(k)
	f, s := io.open(k, nil, irql.KernelMode, targetDevice, access{})
	if !ntstatus.NT_SUCCESS(s) {
		ke.CallStatus(k, d, source.id, uint32(s))
		return s
	}
	if attach(k, d, source, f.DeviceObject, attachedDevice) == nil {
		s = ntstatus.STATUS_NO_SUCH_DEVICE // IMPL, reactos: ntoskrnl/io/iomgr/device.c
	}
	io.closeHandle(k, f)
	return s
}

// IoDetachDevice takes away the device attached to target. StackSize stays as it is.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-001, OBJ-004.
// Reference: wdm/nf-wdm-iodetachdevice.
func IoDetachDevice(k *irql.K, target *DEVICE_OBJECT) {
	ke.Enter(k, ddi.IoDetachDevice)
	target.exists(k, ddi.IoDetachDevice)
	ke.Point(k, ke.Writes(target.id))
	up := target.AttachedDevice
	if up == nil {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_004, Case: "nothing is attached",
			Obj:      target.id.String(),
			Headline: fmt.Sprintf("IoDetachDevice: nothing is attached to %v", target.id)})
		return
	}
	ke.Adds(k, ke.Writes(stackOf(target.id)))
	ke.Adds(k, ke.Writes(stackOf(up.id)))
	target.AttachedDevice = nil
	up.lower = nil
	ke.Log(k, trace.Event{What: trace.Call, Code: ddi.IoDetachDevice, Obj: target.id, Obj2: up.id})
	target.DriverObject.left(k)
}

// IoGetAttachedDeviceReference returns the top of dev's stack with a reference for the caller to give back.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: ObDereferenceObject.
// Rules: IRQL-001.
// Reference: wdm/nf-wdm-iogetattacheddevicereference.
func IoGetAttachedDeviceReference(k *irql.K, dev *DEVICE_OBJECT) *DEVICE_OBJECT {
	ke.Enter(k, ddi.IoGetAttachedDeviceReference)
	dev.exists(k, ddi.IoGetAttachedDeviceReference)
	ke.Point(k, ke.Reads(dev.id))
	dev.looks(k)
	top := dev.top()
	ke.Adds(k, ke.Counts(top.id))
	top.refs++
	state.Of(k).took(k, top, top.id, ke.Call(k, ddi.IoGetAttachedDeviceReference, top.id))
	return top
}

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
	ke.Point(k, ke.Reads(stackOf(dev.id)))
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
	ke.Point(k, ke.Reads(stackOf(dev.id)))
	base := dev
	for base.lower != nil {
		base = base.lower
		ke.Adds(k, ke.Reads(stackOf(base.id)))
	}
	base.referTo(k, d)
	return base
}

// referTo counts a reference that routine d gives to the driver that acts in k.
func (d *DEVICE_OBJECT) referTo(k *irql.K, by ddi.ID) {
	ke.Adds(k, ke.Counts(d.id))
	d.refs++
	state.Of(k).took(k, d, d.id, ke.Call(k, by, d.id))
}
