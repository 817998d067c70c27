package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

const mapping = irp.NormalPagePriority | irp.MdlMappingNoExecute

// mdlFor is an MDL for a whole buffer that is not built.
func mdlFor(k *irql.K, b *irp.Buffer) *irp.MDL {
	return irp.IoAllocateMdl(k, b, uint32(b.Len()), false, false, nil)
}

// built is an MDL over nonpaged pool.
func built(k *irql.K, b *irp.Buffer) *irp.MDL {
	mdl := mdlFor(k, b)
	irp.MmBuildMdlForNonPagedPool(k, mdl)
	return mdl
}

// locked is an MDL with locked pages.
func locked(k *irql.K, b *irp.Buffer, op irp.LOCK_OPERATION) *irp.MDL {
	mdl := mdlFor(k, b)
	irp.MmProbeAndLockPages(k, mdl, irql.KernelMode, op)
	return mdl
}

func pagedBlock(k *irql.K) *irp.Buffer { return irp.ExAllocatePool2(k, paged, 100, tag) }

// undo takes down a locked MDL and its block.
func undo(k *irql.K, mdl *irp.MDL, b *irp.Buffer) {
	irp.MmUnlockPages(k, mdl)
	irp.IoFreeMdl(k, mdl)
	free(k, b)
}

func TestIoAllocateMdl_BecomesOrFollowsMdlAddress(t *testing.T) {
	passes(t, func(l *lab) {
		d := l.stack(completes(ok))[0]
		l.run(func(k *irql.K) {
			b := alloc(k, 16)
			p := request(k, d.dev, nil, nil)
			one := irp.IoAllocateMdl(k, b, 8, false, false, p)
			two := irp.IoAllocateMdl(k, b.Slice(8, 8), 8, true, false, p)
			require.Same(t, one, p.MdlAddress())
			require.Same(t, two, one.Next)
			p.SetMdlAddress(nil)
			irp.IoFreeMdl(k, one)
			irp.IoFreeMdl(k, two)
			free(k, b)
			irp.IoFreeIrp(k, p)
		})
	})
}

func TestMdl_WhatMayBeRead(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 100)
		mdl := irp.IoAllocateMdl(k, b.Slice(20, 50), 40, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, mdl)
		assert.Equal(t, uint32(40), irp.MmGetMdlByteCount(k, mdl))
		assert.Equal(t, uint32(b.Address()+20)%4096, irp.MmGetMdlByteOffset(k, mdl))
		assert.Equal(t, b.Address()+20, irp.MmGetMdlVirtualAddress(k, mdl).Address())
		assert.Equal(t, irp.MDL_SOURCE_IS_NONPAGED_POOL|irp.MDL_ALLOCATED_FIXED_SIZE, mdl.MdlFlags())
		va := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		va.Store8(39, 7)
		assert.Equal(t, byte(7), b.Load8(59))
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}

func TestMmProbeAndLockPages_RaisesOnFailure(t *testing.T) {
	l := newLab(t, ke.Config{Pins: []ke.Pin{{Site: "fault/MmProbeAndLockPages", Alt: 1}}})
	u := pool.AllocUser(l.m, 8)
	l.run(func(k *irql.K) {
		mdl := mdlFor(k, u)
		assert.PanicsWithValue(t, irql.Exception{Status: ntstatus.STATUS_ACCESS_VIOLATION,
			Routine: "MmProbeAndLockPages"},
			func() { irp.MmProbeAndLockPages(k, mdl, irql.UserMode, irp.IoReadAccess) })
		irp.IoFreeMdl(k, mdl)
	})
	l.silent()
}

func TestMmGetSystemAddressForMdlSafe_MapsOnce(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoWriteAccess)
		one := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		assert.Same(t, one, irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping))
		assert.NotEqual(t, b.Address(), one.Address())
		assert.Equal(t, b.Address()%4096, one.Address()%4096)
		assert.Equal(t, one.Address()+9, one.Slice(9, 1).Address())
		assert.NotZero(t, mdl.MdlFlags()&irp.MDL_MAPPED_TO_SYSTEM_VA)
		undo(k, mdl, b)
	}))
}

// unmappable is that no mapping succeeds.
var unmappable = ke.Pin{Site: "fault/MmGetSystemAddressForMdlSafe", Alt: 1}

// Rule: MDL-013
func TestMDL013_ResultNotChecked(t *testing.T) {
	f := tripsEach(t, verify.MDL_013, does(func(k *irql.K) {
		irp.MmGetSystemAddressForMdlSafe(k, locked(k, pagedBlock(k), irp.IoWriteAccess), mapping).Store8(0, 1)
	}), unmappable)
	assert.Equal(t, "client.sys", f.Driver)
	assert.Equal(t, "mdl_test.go", f.Stack[0].File)
}

// Near miss: MDL-013
func TestMDL013_ResultChecked(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoWriteAccess)
		assert.Nil(t, irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping))
		undo(k, mdl, b)
	}), unmappable)
}

// Rule: MDL-001
func TestMDL001_LockOfBuiltMdl(t *testing.T) {
	trips(t, verify.MDL_001, does(func(k *irql.K) {
		irp.MmProbeAndLockPages(k, built(k, alloc(k, 8)), irql.KernelMode, irp.IoReadAccess)
	}))
	trips(t, verify.MDL_001, does(func(k *irql.K) {
		irp.MmProbeAndLockPages(k, locked(k, pagedBlock(k), irp.IoReadAccess), irql.KernelMode,
			irp.IoReadAccess)
	}))
}

// Near miss: MDL-001
func TestMDL001_LockedAgainAfterUnlock(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoReadAccess)
		irp.MmUnlockPages(k, mdl)
		irp.MmProbeAndLockPages(k, mdl, irql.KernelMode, irp.IoModifyAccess)
		undo(k, mdl, b)
	}))
}

// Rule: MDL-002
func TestMDL002_UnlockWithoutLock(t *testing.T) {
	trips(t, verify.MDL_002, does(func(k *irql.K) { irp.MmUnlockPages(k, mdlFor(k, pagedBlock(k))) }))
}

// Near miss: MDL-002
func TestMDL002_UnlockAfterLock(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		undo(k, locked(k, b, irp.IoReadAccess), b)
	}))
}

// Rule: MDL-003
func TestMDL003_UnlockOfNonPagedPool(t *testing.T) {
	trips(t, verify.MDL_003, does(func(k *irql.K) { irp.MmUnlockPages(k, built(k, alloc(k, 8))) }))
}

// Near miss: MDL-003
func TestMDL003_NonPagedPoolThatWasLocked(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		undo(k, locked(k, b, irp.IoReadAccess), b)
	}))
}

// partial is a part of a locked MDL.
func partial(k *irql.K, source *irp.MDL, off, n int) *irp.MDL {
	va := irp.MmGetMdlVirtualAddress(k, source).Slice(off, n)
	target := irp.IoAllocateMdl(k, va, uint32(n), false, false, nil)
	irp.IoBuildPartialMdl(k, source, target, va, uint32(n))
	return target
}

// Rule: MDL-004
func TestMDL004_UnlockOfPartial(t *testing.T) {
	trips(t, verify.MDL_004, does(func(k *irql.K) {
		irp.MmUnlockPages(k, partial(k, locked(k, pagedBlock(k), irp.IoReadAccess), 0, 10))
	}))
	tripsAs(t, verify.MDL_004, 0xC4, "0xb5", does(func(k *irql.K) {
		part := partial(k, locked(k, pagedBlock(k), irp.IoReadAccess), 0, 10)
		irp.MmUnmapLockedPages(k, irp.MmGetSystemAddressForMdlSafe(k, part, mapping), part)
	}))
}

// Near miss: MDL-004
func TestMDL004_PartialFreedOrPrepared(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		whole := locked(k, b, irp.IoWriteAccess)
		part := partial(k, whole, 10, 20)
		va := irp.MmGetSystemAddressForMdlSafe(k, part, mapping)
		va.Store8(0, 9)
		assert.NotZero(t, part.MdlFlags()&irp.MDL_PARTIAL_HAS_BEEN_MAPPED)
		irp.MmPrepareMdlForReuse(k, part)
		irp.IoBuildPartialMdl(k, whole, part, irp.MmGetMdlVirtualAddress(k, whole).Slice(30, 20), 20)
		inherited := irp.MmGetSystemAddressForMdlSafe(k, whole, mapping)
		assert.Equal(t, inherited.Address()+30, irp.MmGetSystemAddressForMdlSafe(k, part, mapping).Address())
		assert.NotZero(t, part.MdlFlags()&irp.MDL_PARENT_MAPPED_SYSTEM_VA)
		irp.IoFreeMdl(k, part)
		assert.Equal(t, byte(9), inherited.Load8(10))
		undo(k, whole, b)
	}))
}

// Rule: MDL-005
func TestMDL005_NotNonPagedPool(t *testing.T) {
	for _, build := range []func(k *irql.K){
		func(k *irql.K) { built(k, pagedBlock(k)) },
		func(k *irql.K) { built(k, irp.StackBuffer(k, 8)) },
		func(k *irql.K) { built(k, pool.AllocUser(ke.Of(k), 8)) },
	} {
		trips(t, verify.MDL_005, does(build))
	}
}

// Near miss: MDL-005
func TestMDL005_NonPagedPool(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		irp.IoFreeMdl(k, built(k, b))
		free(k, b)
	}))
}

// Rule: MDL-006
func TestMDL006_FreeOfLockedOrMapped(t *testing.T) {
	tripsAs(t, verify.MDL_006, 0xCB, "", does(func(k *irql.K) {
		irp.IoFreeMdl(k, locked(k, pagedBlock(k),
			irp.IoReadAccess))
	}))
}

// Near miss: MDL-006
func TestMDL006_FreeOfNonPagedWithAddress(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		mdl := built(k, b)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}

// Near miss: MDL-006, MDL-004
// Reference: wdm/nf-wdm-iobuildpartialmdl: IoFreeMdl releases the mapping of a partial MDL, of its own or its
// source's.
func TestMDL006_FreeOfMappedPartial(t *testing.T) {
	for _, sourceToo := range []bool{false, true} {
		passes(t, does(func(k *irql.K) {
			b := pagedBlock(k)
			whole := locked(k, b, irp.IoReadAccess)
			if sourceToo {
				irp.MmGetSystemAddressForMdlSafe(k, whole, mapping)
			}
			part := partial(k, whole, 0, 10)
			irp.MmGetSystemAddressForMdlSafe(k, part, mapping).Load8(0)
			irp.IoFreeMdl(k, part)
			undo(k, whole, b)
		}))
	}
}

// Rule: MDL-007
func TestMDL007_LockedAtTheEnd(t *testing.T) {
	f := tripsAs(t, verify.MDL_007, 0xCB, "", does(func(k *irql.K) {
		locked(k, pagedBlock(k),
			irp.IoReadAccess)
	}))
	assert.Equal(t, "mdl#1", f.Args[2].Value)
}

// Near miss: MDL-007
func TestMDL007_UnlockedAtTheEnd(t *testing.T) {
	passes(t, does(func(k *irql.K) { irp.MmUnlockPages(k, locked(k, pagedBlock(k), irp.IoReadAccess)) }))
}

func mapIt(k *irql.K, mdl *irp.MDL) *irp.Buffer {
	return irp.MmMapLockedPagesSpecifyCache(k, mdl, irql.KernelMode, irp.MmCached, nil, 0, mapping)
}
