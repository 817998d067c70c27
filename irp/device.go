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

var siteCreateDevice = ke.Site{Name: "fault/IoCreateDevice",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 12, 19.2"}

func (io *ioManager) newDevice(drv *DRIVER_OBJECT, name string) *DEVICE_OBJECT {
	dev := &DEVICE_OBJECT{DriverObject: drv, StackSize: 1, Flags: DO_DEVICE_INITIALIZING,
		id: io.m.NewID(trace.Device), name: name}
	dev.prepareStart(io.m)
	dev.NextDevice = drv.DeviceObject
	drv.DeviceObject = dev
	io.devices = append(io.devices, dev)
	return dev
}

// IoCreateDevice makes a device object. DO_DEVICE_INITIALIZING is set; the I/O manager clears it for devices
// made inside DriverEntry.
//
// IRQL: <= APC_LEVEL.
// Ownership: the driver deletes it.
// Returns: STATUS_SUCCESS; STATUS_OBJECT_NAME_COLLISION where there is such a name;
// STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_NAME_INVALID for a bad name;
// STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: IRQL-001, OBJ-005, OBJ-006, UNLOAD-006.
// Not modelled: the size of the extension (any Go value serves), security.
// Reference: wdm/nf-wdm-iocreatedevice.
func IoCreateDevice(k *irql.K, drv *DRIVER_OBJECT, deviceExtensionSize uint32, deviceName string,
	deviceType uint32,
	deviceCharacteristics uint32, exclusive bool, deviceObject **DEVICE_OBJECT) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.IoCreateDevice)
	drv.exists(k, ddi.IoCreateDevice)
	io := state.Of(k)
	ke.Adds(k, ke.Swaps(drv.id))
	if deviceName != "" {
		ke.Adds(k, ke.Writes(io.names))
	}
	name, s := io.deviceName(deviceName)
	if s == ntstatus.STATUS_SUCCESS && ke.Fails(k, &siteCreateDevice) {
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if s != ntstatus.STATUS_SUCCESS {
		*deviceObject = nil
		ke.CallStatus(k, ddi.IoCreateDevice, drv.id, uint32(s))
		return s
	}
	dev := io.newDevice(drv, name)
	dev.DeviceType, dev.Characteristics = deviceType, deviceCharacteristics
	dev.extensionSize = deviceExtensionSize
	if exclusive {
		dev.Flags |= DO_EXCLUSIVE
	}
	if deviceName != "" {
		dev.Flags |= DO_DEVICE_HAS_NAME
	}
	dev.made = made{drv, dev.Flags &^ DO_DEVICE_INITIALIZING}
	if !drv.inEntry && ke.Top(k) != nil {
		ke.OnStack(k, &initCheck{dev})
	}
	*deviceObject = dev
	dev.seq = ke.CallStatus(k, ddi.IoCreateDevice, dev.id, uint32(s))
	return s
}

// IoDeleteDevice deletes a device that is detached and has nothing attached. The memory goes when the last
// reference does.
//
// IRQL: <= APC_LEVEL.
// Rules: OBJ-004, IRQL-001.
// Reference: wdm/nf-wdm-iodeletedevice.
func IoDeleteDevice(k *irql.K, dev *DEVICE_OBJECT) {
	ke.Enter(k, ddi.IoDeleteDevice)
	dev.exists(k, ddi.IoDeleteDevice)
	ke.Point(k, ke.Frees(dev.id))
	dev.looks(k)
	why := ""
	switch {
	case dev.deleted:
		why = "is deleted a second time"
	case dev.lower != nil:
		why = "is deleted while it is attached to " + dev.lower.id.String()
	case dev.AttachedDevice != nil:
		why = "is deleted while " + dev.AttachedDevice.id.String() + " is attached to it"
	case dev.DeviceQueue.first != nil:
		dev.DeviceQueue.goesWithEntries(k)
	}
	if why != "" {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_004, Obj: dev.id.String(),
			Headline: fmt.Sprintf("%v %s", dev.id, why), Places: []verify.Place{{Label: "CREATED",
				Seq: dev.seq}},
			Args: verify.Params(nil, nil, dev.id)})
		return
	}
	io := state.Of(k)
	io.m.Ends(dev.id)
	if dev.name != "" {
		ke.Adds(k, ke.Writes(io.names))
	}
	ke.Adds(k, ke.Swaps(dev.DriverObject.id))
	dev.deleted = true
	ke.Call(k, ddi.IoDeleteDevice, dev.id)
	io.dropDevice(k, dev)
}
