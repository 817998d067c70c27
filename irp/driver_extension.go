package irp

import (
	"fmt"
	"reflect"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var siteDriverExtension = ke.Site{Name: "fault/IoAllocateDriverObjectExtension", Alts: faultAlts,
	Spec: "irp.md 19.2"}

// extensionsOf names the context areas of a driver object, apart from the rest of it.
func extensionsOf(drv *DRIVER_OBJECT) trace.ID { return ke.Beside.Of(drv.id) }

// IoAllocateDriverObjectExtension makes a context area of a driver, under an address of the caller's as its
// name: nonpaged memory that is zero and goes with the driver object. STATUS_OBJECT_NAME_COLLISION when there
// is one of that name. As gives it the type of a structure.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the I/O manager frees the memory; driverObjectExtension is the caller's variable.
// Rules: IRQL-001; later POOL-007 when the driver frees it.
// Reference: wdm/nf-wdm-ioallocatedriverobjectextension.
func IoAllocateDriverObjectExtension(k *irql.K, drv *DRIVER_OBJECT, clientIdentificationAddress any,
	driverObjectExtensionSize uint32, driverObjectExtension **Buffer) ntstatus.NTSTATUS {
	const d = ddi.IoAllocateDriverObjectExtension
	ke.Enter(k, d)
	drv.exists(k, d)
	ke.Point(k, ke.Writes(extensionsOf(drv)))
	*driverObjectExtension = nil
	s := ntstatus.STATUS_INSUFFICIENT_RESOURCES
	switch {
	case drv.extension(d, clientIdentificationAddress) != nil:
		s = ntstatus.STATUS_OBJECT_NAME_COLLISION
	case ke.Fails(k, &siteDriverExtension):
	default:
		// That it is zero: IMPL, reactos: ntoskrnl/io/iomgr/driver.c; the page says nothing about it.
		b := pool.Alloc(k, &pool.Request{DDI: d, Kind: pool.NonPaged, Size: int(driverObjectExtensionSize),
			System: true})
		if b == nil {
			break
		}
		pool.SetLookaside(b, true) // nothing that the driver may free
		drv.extensions = append(drv.extensions, driverExtension{clientIdentificationAddress, b})
		*driverObjectExtension = b
		return ntstatus.STATUS_SUCCESS
	}
	ke.CallStatus(k, d, drv.id, uint32(s))
	return s
}

// IoGetDriverObjectExtension returns the context area of that name; NULL when there is none.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the I/O manager's, for the driver's use.
// Rules: IRQL-001.
// Reference: wdm/nf-wdm-iogetdriverobjectextension.
func IoGetDriverObjectExtension(k *irql.K, drv *DRIVER_OBJECT, clientIdentificationAddress any) *Buffer {
	const d = ddi.IoGetDriverObjectExtension
	ke.Enter(k, d)
	drv.exists(k, d)
	ke.Point(k, ke.Reads(extensionsOf(drv)))
	b := drv.extension(d, clientIdentificationAddress)
	ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: drv.id, Obj2: b.ID()})
	return b
}

// extension finds a context area by its name.
func (d *DRIVER_OBJECT) extension(by ddi.ID, id any) *Buffer {
	if id != nil && !reflect.TypeOf(id).Comparable() {
		panic(ke.Misuse(fmt.Sprintf("%v: a %T names nothing; pass the address of a variable", by, id)))
	}
	for _, e := range d.extensions {
		if e.id == id {
			return e.mem
		}
	}
	return nil
}

// freeExtensions ends the context areas of a driver whose driver object goes.
func (d *DRIVER_OBJECT) freeExtensions(k *irql.K) {
	for _, e := range d.extensions {
		pool.SetLookaside(e.mem, false)
		pool.FreeFor(k, ddi.None, e.mem)
	}
	d.extensions = nil
}
