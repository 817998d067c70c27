package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteLoadDriver = ke.Site{Name: "fault/ZwLoadDriver",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "irp.md 12, 19.2"}

// ZwLoadDriver loads a driver by the name of its key in the registry and returns what its DriverEntry did.
// STATUS_IMAGE_ALREADY_LOADED for one that is loaded, or whose unloading has not come to its end.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the driver stays until ZwUnloadDriver.
// Rules: IRQL-001.
// Not modelled: the values of the key, dependencies, signatures.
// Reference: wdm/nf-wdm-zwloaddriver.
func ZwLoadDriver(k *irql.K, driverServiceName string) ntstatus.NTSTATUS {
	const d = ddi.ZwLoadDriver
	ke.Enter(k, d)
	io := state.Of(k)
	ke.Point(k, ke.Writes(io.names))
	s := ntstatus.STATUS_SUCCESS
	svc, drv := io.serviceOf(driverServiceName)
	switch { // observed: reactos, kmtests IoDeviceObject, TestZwLoad
	case svc == nil:
		s = ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
	case drv != nil:
		s = ntstatus.STATUS_IMAGE_ALREADY_LOADED
	case ke.Fails(k, &siteLoadDriver):
		s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	if s != ntstatus.STATUS_SUCCESS {
		ke.CallStatus(k, d, 0, uint32(s))
		return s
	}
	drv = loadDriver(ke.Of(k), svc.name, svc.entry)
	if svc.loaded != nil {
		svc.loaded(drv)
	}
	ke.Wait(k, []*ke.Object{&drv.turned}, false, nil, "DriverEntry of "+svc.name)
	ke.CallStatus(k, d, drv.id, uint32(drv.entry))
	return drv.entry
}

// ZwUnloadDriver calls the unload routine of a driver and waits for its return. While a device of the driver
// is open, or another one attached to it, STATUS_SUCCESS says only that it will be called. A driver without
// such a routine, and one that is being unloaded, answer STATUS_INVALID_DEVICE_REQUEST.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the driver's devices are not to be used any more.
// Rules: IRQL-001; those of the UNLOAD family when the routine has returned.
// Reference: wdm/nf-wdm-zwunloaddriver.
func ZwUnloadDriver(k *irql.K, driverServiceName string) ntstatus.NTSTATUS {
	const d = ddi.ZwUnloadDriver
	ke.Enter(k, d)
	io := state.Of(k)
	ke.Point(k, ke.Writes(io.names))
	_, drv := io.serviceOf(driverServiceName)
	if drv == nil {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND))
		return ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
	}
	ke.Adds(k, ke.Writes(drv.id))
	s, later := ntstatus.STATUS_SUCCESS, io.isUsed(k, drv)
	drv.turned.Signal = 0
	if !Sim.UnloadDriver(ke.Of(k), drv) {
		s, later = ntstatus.STATUS_INVALID_DEVICE_REQUEST, true
	}
	if !later {
		ke.Wait(k, []*ke.Object{&drv.turned}, false, nil, "DriverUnload of "+drv.image.Name)
	}
	ke.CallStatus(k, d, drv.id, uint32(s))
	return s
}
