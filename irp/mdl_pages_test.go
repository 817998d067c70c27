package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

const pageSize = 4096

func pages(k *irql.K, n uint64, flags uint32) *irp.MDL {
	return irp.MmAllocatePagesForMdlEx(k, 0, -1, 0, n*pageSize, irp.MmCached, flags)
}

// TestMmAllocatePagesForMdl_LifeOfThePages: mapped on demand, unmapped, pages, MDL.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-mmallocatepagesformdlex.md, "-remarks"
func TestMmAllocatePagesForMdl_LifeOfThePages(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		mdl := irp.MmAllocatePagesForMdl(k, 0, -1, 0, pageSize+1)
		n := irp.MmGetMdlByteCount(k, mdl)
		assert.Contains(t, []uint32{pageSize, 2 * pageSize}, n, "whole pages, perhaps fewer")
		assert.NotZero(t, mdl.MdlFlags()&irp.MDL_PAGES_LOCKED)
		at(k, irql.DISPATCH_LEVEL, func() {
			a := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
			assert.Zero(t, a.Load8(int(n)-1), "zeroed")
			a.Store8(0, 1)
			irp.MmUnmapLockedPages(k, a, mdl)
		})
		irp.MmFreePagesFromMdl(k, mdl)
		irp.ExFreePool(k, mdl.Block())
		mdl = pages(k, 4, irp.MM_ALLOCATE_FULLY_REQUIRED|irp.MM_DONT_ZERO_ALLOCATION)
		assert.Equal(t, uint32(4*pageSize), irp.MmGetMdlByteCount(k, mdl))
		irp.MmFreePagesFromMdl(k, mdl)
		irp.IoFreeMdl(k, mdl)
		assert.Nil(t, irp.MmAllocatePagesForMdl(k, 0, -1, 0, 0))
	}))
}

func TestMmAllocatePagesForMdl_Fewer(t *testing.T) {
	for site, mdl := range map[string]func(k *irql.K) *irp.MDL{
		"env/MmAllocatePagesForMdl": func(k *irql.K) *irp.MDL {
			return irp.MmAllocatePagesForMdl(k, 0, -1, 0, 4*pageSize)
		},
		"env/MmAllocatePagesForMdlEx": func(k *irql.K) *irp.MDL { return pages(k, 4, 0) },
	} {
		l := newLab(t, ke.Config{Pins: []ke.Pin{{Site: site, Alt: 1}}})
		l.run(func(k *irql.K) {
			mdl := mdl(k)
			assert.Equal(t, uint32(2*pageSize), irp.MmGetMdlByteCount(k, mdl), site)
			irp.MmFreePagesFromMdl(k, mdl)
			irp.ExFreePool(k, mdl.Block())
		})
		l.silent()
	}
}

func TestFault_MmAllocatePagesForMdl(t *testing.T) {
	failing(t, "fault/MmAllocatePagesForMdl", func(k *irql.K, _ *driver) {
		assert.Nil(t, irp.MmAllocatePagesForMdl(k, 0, -1, 0, 1))
	})
	failing(t, "fault/MmAllocatePagesForMdlEx", func(k *irql.K, _ *driver) {
		assert.Nil(t, pages(k, 1, 0))
	})
}

// Rule: MDL-002
func TestMDL002_PagesOfAnMdl(t *testing.T) {
	trips(t, verify.MDL_002, does(func(k *irql.K) { irp.MmUnlockPages(k, pages(k, 1, 0)) }))
	tripsAs(t, verify.MDL_002, 0, "", does(func(k *irql.K) {
		mdl := pages(k, 1, 0)
		irp.MmFreePagesFromMdl(k, mdl)
		irp.MmFreePagesFromMdl(k, mdl)
	}))
	tripsAs(t, verify.MDL_002, 0, "", does(func(k *irql.K) {
		irp.MmFreePagesFromMdl(k, locked(k, pagedBlock(k), irp.IoReadAccess))
	}))
}

// Rule: MDL-006
func TestMDL006_PagesOfAnMdl(t *testing.T) {
	tripsAs(t, verify.MDL_006, 0, "", does(func(k *irql.K) { irp.ExFreePool(k, pages(k, 1, 0).Block()) }))
	tripsAs(t, verify.MDL_006, 0, "", does(func(k *irql.K) {
		mdl := pages(k, 1, 0)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		irp.MmFreePagesFromMdl(k, mdl)
	}))
}

// Rule: MDL-011
func TestMDL011_PagesAtDispatch(t *testing.T) {
	tripsAs(t, verify.MDL_011, 0xC4, "0x7e", does(func(k *irql.K) {
		at(k, irql.DISPATCH_LEVEL, func() { pages(k, 1, 0) })
	}))
	tripsAs(t, verify.MDL_011, 0xC4, "0x7e", does(func(k *irql.K) {
		mdl := pages(k, 1, 0)
		at(k, irql.DISPATCH_LEVEL, func() { irp.MmFreePagesFromMdl(k, mdl) })
	}))
}

// Rule: MDL-016
func TestMDL016_AfterItsBlock(t *testing.T) {
	trips(t, verify.MDL_016, does(func(k *irql.K) {
		mdl := pages(k, 1, 0)
		irp.MmFreePagesFromMdl(k, mdl)
		irp.ExFreePool(k, mdl.Block())
		irp.MmGetMdlByteCount(k, mdl)
	}))
}

// Rule: POOL-013
func TestPOOL013_MappingOfFreedPages(t *testing.T) {
	trips(t, verify.POOL_013, does(func(k *irql.K) {
		mdl := pages(k, 1, 0)
		a := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		irp.MmUnmapLockedPages(k, a, mdl)
		irp.MmFreePagesFromMdl(k, mdl)
		a.Load8(0)
	}))
}

// locksForGood locks the memory of the requesting program and forgets it; the request ends.
func locksForGood(unlock bool) func(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS {
	return func(k *irql.K, _ *control, p *irp.IRP) ntstatus.NTSTATUS {
		in := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl.Type3InputBuffer
		mdl := irp.IoAllocateMdl(k, in, uint32(in.Len()), false, false, nil)
		irp.MmProbeAndLockPages(k, mdl, irql.UserMode, irp.IoReadAccess)
		if unlock {
			irp.MmUnlockPages(k, mdl)
			irp.IoFreeMdl(k, mdl)
		}
		return complete(k, p, ok)
	}
}

func ioctlNeither(l *lab, unlock bool) {
	(&control{act: locksForGood(unlock)}).load(l)
	l.app(func(k *irql.K, p *ke.Process) {
		h := openIt(l.t, k, p)
		h.Begin(k, &irp.DeviceRequest{Major: irp.IRP_MJ_DEVICE_CONTROL, In: []byte("in"),
			Code: ioctlTest | irp.METHOD_NEITHER})
	})
}

// Rule: MDL-007
func TestMDL007_AtTheEndOfTheProcess(t *testing.T) {
	f := tripsAs(t, verify.MDL_007, 0x76, "0x0", func(l *lab) { ioctlNeither(l, false) })
	assert.Equal(t, "control.sys", f.Driver)
}

// Near miss: MDL-007
func TestMDL007_UnlockedBeforeTheEndOfTheProcess(t *testing.T) {
	passes(t, func(l *lab) { ioctlNeither(l, true) })
}

// TestMmGetMdlVirtualAddress_OfPages: they have none, mapped or not; a part of them counts from NULL.
// Observed: reactos, kmtests MmMdl; the part is arithmetic.
func TestMmGetMdlVirtualAddress_OfPages(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		mdl := pages(k, 2, irp.MM_ALLOCATE_FULLY_REQUIRED)
		assert.Nil(t, irp.MmGetMdlVirtualAddress(k, mdl))
		va := irp.MmGetMdlVirtualAddress(k, mdl).Slice(pageSize+20, 10)
		part := irp.IoAllocateMdl(k, va, 2*pageSize, false, false, nil)
		irp.IoBuildPartialMdl(k, mdl, part, va, 10)
		assert.EqualValues(t, pageSize+20, irp.MmGetMdlVirtualAddress(k, part).Address())
		assert.EqualValues(t, 20, irp.MmGetMdlByteOffset(k, part))
		assert.EqualValues(t, 10, irp.MmGetMdlByteCount(k, part))
		irp.MmGetSystemAddressForMdlSafe(k, part, mapping).Store8(0, 17)
		irp.MmPrepareMdlForReuse(k, part)
		irp.IoBuildPartialMdl(k, mdl, part, nil, 0)
		assert.EqualValues(t, 2*pageSize, irp.MmGetMdlByteCount(k, part))
		irp.IoFreeMdl(k, part)
		a := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		assert.EqualValues(t, 17, a.Load8(pageSize+20))
		assert.Nil(t, irp.MmGetMdlVirtualAddress(k, mdl), "mapping does not change it")
		assert.Zero(t, irp.MmGetMdlByteOffset(k, mdl))
		irp.MmUnmapLockedPages(k, a, mdl)
		irp.MmFreePagesFromMdl(k, mdl)
		irp.ExFreePool(k, mdl.Block())
	}))
}
