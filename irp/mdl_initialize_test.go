package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

func TestMmSizeOfMdl(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		page := alloc(k, 4096) // begins a page
		assert.EqualValues(t, 0x30, irp.MmSizeOfMdl(page, 0))
		assert.EqualValues(t, 0x38, irp.MmSizeOfMdl(page, 4096))
		assert.EqualValues(t, 0x40, irp.MmSizeOfMdl(page.Slice(1, 4095), 4096))
		assert.EqualValues(t, 0x38, irp.MmSizeOfMdl(nil, 1))
		free(k, page)
	}))
}

// onOwnMdl gives act an MDL in pool memory of its exact size, for a block of paged pool of three pages.
func onOwnMdl(act func(k *irql.K, mdl *irp.MDL, mem, b *irp.Buffer)) func(l *lab) {
	return does(func(k *irql.K) {
		b := irp.ExAllocatePool2(k, paged, 3*4096, tag)
		mem := alloc(k, irp.MmSizeOfMdl(b, 3*4096))
		mdl := irp.As[irp.MDL](mem)
		irp.MmInitializeMdl(k, mdl, b, 3*4096)
		act(k, mdl, mem, b)
	})
}

func TestMmInitializeMdl(t *testing.T) {
	passes(t, onOwnMdl(func(k *irql.K, mdl *irp.MDL, mem, b *irp.Buffer) {
		for range 2 { // locked, mapped and used twice
			assert.Zero(t, mdl.MdlFlags())
			irp.MmProbeAndLockPages(k, mdl, irql.KernelMode, irp.IoWriteAccess)
			irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping).Store8(4096, 7)
			assert.Equal(t, byte(7), b.Load8(4096))
			irp.MmUnlockPages(k, mdl)
			irp.MmInitializeMdl(k, mdl, b, 3*4096)
		}
		free(k, mem)
		free(k, b)
	}))
	for _, act := range []func(k *irql.K, mdl *irp.MDL, mem, b *irp.Buffer){
		func(k *irql.K, _ *irp.MDL, mem, _ *irp.Buffer) { free(k, mem) },
		func(k *irql.K, mdl *irp.MDL, _, b *irp.Buffer) { irp.MmInitializeMdl(k, mdl, b, 8) },
	} {
		tripsEach(t, verify.MDL_006, onOwnMdl(func(k *irql.K, mdl *irp.MDL, mem, b *irp.Buffer) {
			irp.MmProbeAndLockPages(k, mdl, irql.KernelMode, irp.IoWriteAccess)
			act(k, mdl, mem, b)
		}))
	}
	tripsEach(t, verify.POOL_007, onOwnMdl(func(k *irql.K, mdl *irp.MDL, _, _ *irp.Buffer) {
		irp.IoFreeMdl(k, mdl)
	}))
	tripsEach(t, verify.MDL_018, onOwnMdl(func(k *irql.K, _ *irp.MDL, _, b *irp.Buffer) { free(k, b) }))
	tripsEach(t, verify.MDL_016, onOwnMdl(func(k *irql.K, mdl *irp.MDL, mem, _ *irp.Buffer) {
		free(k, mem)
		irp.MmGetMdlByteCount(k, mdl)
	}))
	tripsEach(t, verify.MDL_016, does(func(k *irql.K) { irp.MmGetMdlByteCount(k, new(irp.MDL)) }))
}

func TestMmAdvanceMdl(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := irp.ExAllocatePool2(k, paged, 3*4096, tag)
		mdl := locked(k, b, irp.IoWriteAccess)
		va := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		for _, n := range []uint32{100, 4000, 4096, 0} {
			assert.Equal(t, ok, irp.MmAdvanceMdl(k, mdl, n))
		}
		assert.EqualValues(t, 3*4096-8196, irp.MmGetMdlByteCount(k, mdl))
		assert.EqualValues(t, 4, irp.MmGetMdlByteOffset(k, mdl))
		assert.Equal(t, b.Address()+8196, irp.MmGetMdlVirtualAddress(k, mdl).Address())
		moved := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		assert.Equal(t, va.Address()+8196, moved.Address())
		moved.Store8(0, 7)
		assert.Equal(t, byte(7), b.Load8(8196))
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER_2, irp.MmAdvanceMdl(k, mdl, 4093))
		assert.Equal(t, ok, irp.MmAdvanceMdl(k, mdl, 4092))
		assert.Zero(t, irp.MmGetMdlByteCount(k, mdl))
		undo(k, mdl, b)
	}))
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8192)
		mdl := built(k, b)
		assert.Equal(t, ok, irp.MmAdvanceMdl(k, mdl, 5000))
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping).Store8(0, 7)
		assert.Equal(t, byte(7), b.Load8(5000))
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
	tripsEach(t, verify.MDL_002, does(func(k *irql.K) {
		irp.MmAdvanceMdl(k, mdlFor(k, irp.ExAllocatePool2(k, paged, 8192, tag)), 4096)
	}))
	tripsEach(t, verify.MDL_019, does(func(k *irql.K) {
		mdl := built(k, alloc(k, 100))
		irp.MmAdvanceMdl(k, mdl, 60)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping).Load8(40)
	}))
	tripsEach(t, verify.MDL_018, does(func(k *irql.K) { // still described, if not from its beginning
		b := alloc(k, 100)
		irp.MmAdvanceMdl(k, built(k, b), 60)
		free(k, b)
	}))
	passes(t, does(func(k *irql.K) { // one page, nothing is passed
		b := irp.ExAllocatePool2(k, paged, 4096, tag)
		mdl := mdlFor(k, b)
		irp.MmAdvanceMdl(k, mdl, 4000)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}
