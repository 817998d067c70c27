package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irql"
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

// exists ends the run of a driver that passes NULL for a device object, or one that IoCreateDevice did not
// make: what the routine reads there is no device.
func (d *DEVICE_OBJECT) exists(k *irql.K, by ddi.ID) {
	if d == nil || d.id == 0 || d.DriverObject == nil {
		ke.Null(k, by, "NULL, or what IoCreateDevice did not make, for a device object")
	}
}

// ID returns the id reports use for the device.
func (d *DEVICE_OBJECT) ID() trace.ID { return d.id }

// Deleted reports whether IoDeleteDevice was called. It is for packages that model a part of the system.
func (d *DEVICE_OBJECT) Deleted() bool { return d.deleted }

// looks notes that the step under way goes up the stack from d.
func (d *DEVICE_OBJECT) looks(k *irql.K) {
	for ; d != nil; d = d.AttachedDevice {
		ke.Adds(k, ke.Reads(stackOf(d.id)))
	}
}

// stackOf names what is attached to a device, apart from the rest of it.
func stackOf(id trace.ID) trace.ID { return ke.Beside.Of(id) }

// top is the highest device of the stack dev belongs to.
func (d *DEVICE_OBJECT) top() *DEVICE_OBJECT {
	for d.AttachedDevice != nil {
		d = d.AttachedDevice
	}
	return d
}

// startState is what the I/O manager keeps for StartIo in a device object.
type startState struct {
	current       *IRP
	deferred      bool // IoSetStartIoAttributes
	nonCancelable bool
	inside        int // calls of StartIo that have not returned
	owed          bool
	owedNext      nextPacket
}

// nextPacket is what IoStartNextPacket was asked for.
type nextPacket struct {
	d          ddi.ID
	cancelable bool
	byKey      bool
	key        uint32
}

// made is what a device object was when IoCreateDevice returned.
type made struct {
	driver *DRIVER_OBJECT
	flags  uint32 // those that nobody takes away
}
