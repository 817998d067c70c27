package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// partOf does something with a part of a locked MDL after the source has been let go.
func partOf(letGo func(k *irql.K, whole *irp.MDL), use func(k *irql.K, whole, part *irp.MDL)) func(l *lab) {
	return does(func(k *irql.K) {
		b := pagedBlock(k)
		whole := locked(k, b, irp.IoWriteAccess)
		part := partial(k, whole, 10, 20)
		letGo(k, whole)
		use(k, whole, part)
	})
}

func mapPart(k *irql.K, _, part *irp.MDL) { irp.MmGetSystemAddressForMdlSafe(k, part, mapping) }

func TestMDL008_PartialWhoseSourceWasUnlocked(t *testing.T) {
	const notLocked = "0xb3"
	tripsAs(t, verify.MDL_008, 0xC4, notLocked, partOf(irp.MmUnlockPages, mapPart))
	tripsAs(t, verify.MDL_008, 0xC4, notLocked, partOf(irp.MmUnlockPages, func(k *irql.K, _, part *irp.MDL) {
		irp.MmMapLockedPagesSpecifyCache(k, part, irql.KernelMode, irp.MmCached, nil, 0, mapping)
	}))
	tripsAs(t, verify.MDL_008, 0xC4, notLocked, partOf(func(k *irql.K, whole *irp.MDL) {
		irp.MmUnlockPages(k, whole)
		irp.IoFreeMdl(k, whole)
	}, mapPart))
	// A second lock is another one: the pages need not be the same.
	tripsAs(t, verify.MDL_008, 0xC4, notLocked, partOf(func(k *irql.K, whole *irp.MDL) {
		irp.MmUnlockPages(k, whole)
		irp.MmProbeAndLockPages(k, whole, irql.KernelMode, irp.IoReadAccess)
	}, mapPart))
	// A part of a part has the pages of the same source.
	tripsAs(t, verify.MDL_008, 0xC4, notLocked, does(func(k *irql.K) {
		whole := locked(k, pagedBlock(k), irp.IoWriteAccess)
		part := partial(k, partial(k, whole, 10, 20), 5, 5)
		irp.MmUnlockPages(k, whole)
		mapIt(k, part)
	}))
	for _, build := range []func(k *irql.K) *irp.MDL{
		func(k *irql.K) *irp.MDL { return mdlFor(k, pagedBlock(k)) },
		func(k *irql.K) *irp.MDL {
			whole := locked(k, pagedBlock(k), irp.IoWriteAccess)
			irp.MmUnlockPages(k, whole)
			return whole
		},
	} {
		tripsEach(t, verify.MDL_008, does(func(k *irql.K) { partial(k, build(k), 0, 10) }))
	}
}

// The pages of MmAllocatePagesForMdl are gone, not only unlocked.
func TestMDL018_PartOfPagesThatAreFreed(t *testing.T) {
	tripsEach(t, verify.MDL_018, does(func(k *irql.K) {
		whole := irp.MmAllocatePagesForMdl(k, 0, -1, 0, 4096)
		partial(k, whole, 10, 20)
		irp.MmFreePagesFromMdl(k, whole)
	}))
}

func TestMDL016_PartialTouchedAfterItsSourceWasUnlocked(t *testing.T) {
	f := trips(t, verify.MDL_016, does(func(k *irql.K) {
		whole := locked(k, pagedBlock(k), irp.IoWriteAccess)
		va := irp.MmGetSystemAddressForMdlSafe(k, partial(k, whole, 10, 20), mapping)
		va.Store8(0, 1)
		irp.MmUnlockPages(k, whole)
		va.Store8(1, 2)
	}))
	assert.Contains(t, f.Headline, "whose pages are not locked any more")
	// The request whose MDL the part was made from has ended.
	trips(t, verify.MDL_016, func(l *lab) {
		var va *irp.Buffer
		d := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			va = irp.MmGetSystemAddressForMdlSafe(k, partial(k, p.MdlAddress(), 1, 2), mapping)
			return complete(k, p, ok)
		})[0]
		buf := pool.AllocUser(l.m, 8)
		l.run(func(k *irql.K) {
			var event irql.KEVENT
			var iosb irp.IO_STATUS_BLOCK
			irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
			irp.IoCallDriver(k, d.dev, irp.IoBuildDeviceIoControlRequest(k, ioctlOut, d.dev, nil, 0, buf, 8,
				false, &event, &iosb))
		})
		l.as(d.obj.Image(), func(*irql.K) { va.Store8(0, 1) })
		l.rest()
	})
}

// A driver sends on the MDL of a request, or a part of it, and completes the request before it has it back.
func TestRequest_EndsWhileItsMdlIsInUse(t *testing.T) {
	for _, use := range []func(k *irql.K, mdl *irp.MDL) *irp.MDL{
		func(_ *irql.K, mdl *irp.MDL) *irp.MDL { return mdl },
		func(k *irql.K, mdl *irp.MDL) *irp.MDL { return partial(k, mdl, 1, 2) },
	} {
		f := tripsEach(t, verify.WSK_130, func(l *lab) {
			d := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				irp.Sim.LendMdl(k, use(k, p.MdlAddress()), pool.Loan{Owner: d.dev.ID(), Rule: verify.WSK_130,
					What: "the MDL of WskSend", Writable: true})
				return complete(k, p, ok)
			})[0]
			buf := pool.AllocUser(l.m, 8)
			l.run(func(k *irql.K) {
				var event irql.KEVENT
				var iosb irp.IO_STATUS_BLOCK
				irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
				irp.IoCallDriver(k, d.dev, irp.IoBuildDeviceIoControlRequest(k, ioctlOut, d.dev, nil, 0, buf,
					8, false, &event, &iosb))
			})
		})
		assert.Contains(t, f.Headline, "the request")
	}
}

// What Windows allows: the part ends first, or does not depend on a lock.
func TestPartialMdl_WhatMayBeDone(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		whole := locked(k, b, irp.IoWriteAccess)
		part := partial(k, whole, 10, 20)
		irp.MmGetSystemAddressForMdlSafe(k, part, mapping).Store8(0, 1)
		irp.MmPrepareMdlForReuse(k, part)
		irp.MmUnlockPages(k, whole)
		irp.MmProbeAndLockPages(k, whole, irql.KernelMode, irp.IoWriteAccess)
		irp.IoBuildPartialMdl(k, whole, part, irp.MmGetMdlVirtualAddress(k, whole).Slice(10, 20), 20)
		irp.MmGetSystemAddressForMdlSafe(k, part, mapping).Store8(0, 1)
		irp.MmPrepareMdlForReuse(k, part)
		irp.MmUnlockPages(k, whole)
		irp.IoFreeMdl(k, whole)
		irp.IoFreeMdl(k, part) // last, and nobody has used it since
		free(k, b)
	}))
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 100)
		whole := built(k, b)
		part := partial(k, whole, 10, 20)
		irp.IoFreeMdl(k, whole) // the pages are the pool's
		irp.MmGetSystemAddressForMdlSafe(k, part, mapping).Store8(0, 1)
		irp.IoFreeMdl(k, part)
		free(k, b)
	}))
}
