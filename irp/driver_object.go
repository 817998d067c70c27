package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
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

// DRIVER_INITIALIZE is DriverEntry: it fills the dispatch table and DriverUnload.
//
// IRQL: PASSIVE_LEVEL.
// Reference: wdm/nc-wdm-driver_initialize.
type DRIVER_INITIALIZE func(k *irql.K, drv *DRIVER_OBJECT, registryPath string) ntstatus.NTSTATUS

// DRIVER_UNLOAD is the unload routine: when it returns, the image goes.
//
// IRQL: PASSIVE_LEVEL.
// Rules: UNLOAD-001 to UNLOAD-007.
// Reference: wdm/nc-wdm-driver_unload.
type DRIVER_UNLOAD func(k *irql.K, drv *DRIVER_OBJECT)

// DRIVER_DISPATCH is a dispatch routine. It completes the IRP, passes it on, or marks it pending and keeps
// it.
//
// IRQL: PASSIVE_LEVEL from the I/O manager, else that of the caller of IoCallDriver.
// Ownership: the IRP is the driver's until it gives it away.
// Rules: IRP-006 to IRP-010, IRP-057, IRP-058.
// Reference: wdm/nc-wdm-driver_dispatch.
type DRIVER_DISPATCH func(k *irql.K, dev *DEVICE_OBJECT, p *IRP) ntstatus.NTSTATUS

// exists is the same for a driver object, which the system makes.
func (d *DRIVER_OBJECT) exists(k *irql.K, by ddi.ID) {
	if d == nil || d.io == nil {
		ke.Null(k, by, "NULL, or what the system did not make, for a driver object")
	}
}

// Image returns the identity under which the driver's code acts.
func (d *DRIVER_OBJECT) Image() *ke.Image { return d.image }

// left wakes an unload that waits for the last user of the driver, after one has gone.
func (d *DRIVER_OBJECT) left(k *irql.K) {
	ke.Adds(k, ke.Counts(d.id))
	if d.idle.Waiters() > 0 {
		ke.SetSignal(k, &d.idle, 1)
	}
}

// driverExtension is one context area of a driver object.
type driverExtension struct {
	id  any
	mem *Buffer
}
