package irp

import (
	"fmt"
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Bits of DEVICE_OBJECT.Flags.
const (
	DO_BUFFERED_IO         = 0x00000004
	DO_EXCLUSIVE           = 0x00000008
	DO_DIRECT_IO           = 0x00000010
	DO_DEVICE_HAS_NAME     = 0x00000040
	DO_DEVICE_INITIALIZING = 0x00000080
	DO_POWER_PAGABLE       = 0x00002000
	DO_POWER_INRUSH        = 0x00004000
)

// Bits of DRIVER_OBJECT.Flags (HEADER). Every driver here is loaded like one without plug and play.
const (
	DRVO_UNLOAD_INVOKED uint32 = 0x00000001
	DRVO_LEGACY_DRIVER  uint32 = 0x00000002
	DRVO_INITIALIZED    uint32 = 0x00000010
)

// DRIVER_OBJECT describes a loaded driver. DriverEntry fills MajorFunction and DriverUnload.
type DRIVER_OBJECT struct {
	DriverName    string
	DriverUnload  DRIVER_UNLOAD
	MajorFunction [IRP_MJ_MAXIMUM_FUNCTION + 1]DRIVER_DISPATCH
	DriverStartIo DRIVER_STARTIO
	DeviceObject  *DEVICE_OBJECT // newest device, linked through NextDevice
	Flags         uint32         // DRVO_*

	DriverExtension DRIVER_EXTENSION

	id      trace.ID
	io      *ioManager
	image   *ke.Image
	system  bool
	inEntry bool
	entry   ntstatus.NTSTATUS
	entered bool
	gone    bool
	idle    ke.Object // signalled when a work item has run or a file object has gone
	turned  ke.Object // signalled when DriverEntry or DriverUnload has returned

	extensions []driverExtension

	working    int32 // work items that run
	exRoutines int32 // set by IoSetCompletionRoutineEx and not yet run

	// to be unloaded as soon as nobody has a device of it open
	stopping bool
	table    [IRP_MJ_MAXIMUM_FUNCTION + 1]uintptr // MajorFunction when DriverEntry returned
}

// DRIVER_EXTENSION holds what DriverEntry of a plug and play driver fills besides the driver object.
type DRIVER_EXTENSION struct{ AddDevice DRIVER_ADD_DEVICE }

// DRIVER_ADD_DEVICE is called by the PnP manager for a new device. Plug and play is not modelled: it is never
// called, but a driver that has one is loaded as long as its devices are there.
//
// IRQL: PASSIVE_LEVEL.
// Reference: wdm/nc-wdm-driver_add_device.
type DRIVER_ADD_DEVICE func(k *irql.K, drv *DRIVER_OBJECT, pdo *DEVICE_OBJECT) ntstatus.NTSTATUS

// DEVICE_OBJECT is a device of a driver. DeviceExtension is any Go value: what C reserves bytes for.
type DEVICE_OBJECT struct {
	DriverObject         *DRIVER_OBJECT
	NextDevice           *DEVICE_OBJECT
	AttachedDevice       *DEVICE_OBJECT // the device attached on top
	Flags                uint32
	Characteristics      uint32
	DeviceType           uint32
	AlignmentRequirement uint32
	StackSize            int8
	ReferenceCount       int32 // file objects; references of drivers are counted elsewhere
	DeviceExtension      any
	DeviceQueue          KDEVICE_QUEUE // of IoStartPacket

	id      trace.ID
	name    string
	lower   *DEVICE_OBJECT
	refs    int32 // file objects included
	made    made
	deleted bool // IoDeleteDevice was called
	special *SubsystemRules
	seq     uint64
	start   startState

	extensionSize uint32 // what IoCreateDevice was asked for
}

var siteCreateDevice = ke.Site{Name: "fault/IoCreateDevice",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 12, 19.2"}

// exists ends the run of a driver that passes NULL for a device object, or one that IoCreateDevice did not
// make: what the routine reads there is no device.
func (d *DEVICE_OBJECT) exists(k *irql.K, by ddi.ID) {
	if d == nil || d.id == 0 || d.DriverObject == nil {
		ke.Null(k, by, "NULL, or what IoCreateDevice did not make, for a device object")
	}
}

// exists is the same for a driver object, which the system makes.
func (d *DRIVER_OBJECT) exists(k *irql.K, by ddi.ID) {
	if d == nil || d.io == nil {
		ke.Null(k, by, "NULL, or what the system did not make, for a driver object")
	}
}

// ID returns the id reports use for the device.
func (d *DEVICE_OBJECT) ID() trace.ID { return d.id }

// Image returns the identity under which the driver's code acts.
func (d *DRIVER_OBJECT) Image() *ke.Image { return d.image }

func (io *ioManager) newDriver(img *ke.Image) *DRIVER_OBJECT {
	drv := &DRIVER_OBJECT{DriverName: "\\Driver\\" + img.Name, id: img.ID, image: img, io: io,
		Flags: DRVO_LEGACY_DRIVER}
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = invalidDeviceRequest // DriverEntry finds the table filled (irp.md 3)
	}
	drv.idle = ke.Object{Kind: ke.SynchronizationEvent, ID: img.ID}
	drv.turned = ke.Object{Kind: ke.NotificationEvent, ID: img.ID}
	io.drivers = append(io.drivers, drv)
	return drv
}

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
// Rules: IRQL-001, OBJ-005, OBJ-006, UNLOAD-006.
// Not modelled: the size of the extension (any Go value serves), security.
// Reference: wdm/nf-wdm-iocreatedevice.
func IoCreateDevice(k *irql.K, drv *DRIVER_OBJECT, deviceExtensionSize uint32, deviceName string,
	deviceType uint32,
	deviceCharacteristics uint32, exclusive bool, deviceObject **DEVICE_OBJECT) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.IoCreateDevice)
	drv.exists(k, ddi.IoCreateDevice)
	io := state.Of(k)
	ke.Adds(k, ke.Use{Obj: drv.id, How: ke.A})
	if deviceName != "" {
		ke.Adds(k, ke.Use{Obj: io.names, How: ke.W})
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

// deviceName says where a new device gets its name, if it is to have one.
func (io *ioManager) deviceName(name string) (string, ntstatus.NTSTATUS) {
	if name == "" {
		return "", ntstatus.STATUS_SUCCESS
	}
	e, s := io.lookup(name, toMakeDevice)
	return e.at, s
}

func (io *ioManager) findDevice(name string) *DEVICE_OBJECT {
	for _, d := range io.devices {
		if d.name != "" && strings.EqualFold(d.name, name) && !d.deleted {
			return d
		}
	}
	return nil
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
	ke.Point(k, ke.Use{Obj: dev.id, How: ke.Free})
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
		ke.Report(k, verify.Finding{Rule: verify.OBJ_004, Obj: dev.id.String(), BugCheck: 0xC9,
			Headline: fmt.Sprintf("%v %s", dev.id, why), Places: []verify.Place{{Label: "CREATED",
				Seq: dev.seq}},
			Args: [4]verify.Arg{{Value: "0x201", Meaning: "device object deleted while attached or in use"},
				{}, {Value: dev.id.String(), Meaning: "the device object"}},
			Fix: "detach first (IoDetachDevice on the device below), then delete."})
		return
	}
	io := state.Of(k)
	io.m.Ends(dev.id)
	if dev.name != "" {
		ke.Adds(k, ke.Use{Obj: io.names, How: ke.W})
	}
	ke.Adds(k, ke.Use{Obj: dev.DriverObject.id, How: ke.A})
	dev.deleted = true
	ke.Call(k, ddi.IoDeleteDevice, dev.id)
	io.dropDevice(k, dev)
}

// hold takes a reference for the I/O manager, which has another one while it does so.
func (d *DEVICE_OBJECT) hold(k *irql.K) {
	ke.Adds(k, ke.Use{Obj: d.id, How: ke.Count})
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

// looks notes that the step under way goes up the stack from d.
func (d *DEVICE_OBJECT) looks(k *irql.K) {
	for ; d != nil; d = d.AttachedDevice {
		ke.Adds(k, ke.Use{Obj: stackOf(d.id), How: ke.R})
	}
}

// stackOf names what is attached to a device, apart from the rest of it.
func stackOf(id trace.ID) trace.ID { return id | 1<<54 }

// top is the highest device of the stack dev belongs to.
func (d *DEVICE_OBJECT) top() *DEVICE_OBJECT {
	for d.AttachedDevice != nil {
		d = d.AttachedDevice
	}
	return d
}

// IoDetachDevice takes away the device attached to target. StackSize stays as it is.
//
// IRQL: PASSIVE_LEVEL.
// Rules: IRQL-001, OBJ-004.
// Reference: wdm/nf-wdm-iodetachdevice.
func IoDetachDevice(k *irql.K, target *DEVICE_OBJECT) {
	ke.Enter(k, ddi.IoDetachDevice)
	target.exists(k, ddi.IoDetachDevice)
	ke.Point(k, ke.Use{Obj: target.id, How: ke.W})
	up := target.AttachedDevice
	if up == nil {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_004, Obj: target.id.String(),
			Headline: fmt.Sprintf("IoDetachDevice: nothing is attached to %v", target.id),
			Fix:      "pass the device that IoAttachDeviceToDeviceStack returned."})
		return
	}
	ke.Adds(k, ke.Use{Obj: stackOf(target.id), How: ke.W})
	ke.Adds(k, ke.Use{Obj: stackOf(up.id), How: ke.W})
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
	ke.Point(k, ke.Use{Obj: dev.id, How: ke.R})
	dev.looks(k)
	top := dev.top()
	ke.Adds(k, ke.Use{Obj: top.id, How: ke.Count})
	top.refs++
	state.Of(k).took(k, top, top.id, ke.Call(k, ddi.IoGetAttachedDeviceReference, top.id))
	return top
}

// Deleted reports whether IoDeleteDevice was called. It is for packages that model a part of the system.
func (d *DEVICE_OBJECT) Deleted() bool { return d.deleted }
