package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// onReserved gives act addresses of two pages and a locked MDL of a page.
func onReserved(act func(k *irql.K, addr any, mdl *irp.MDL, b *irp.Buffer)) func(l *lab) {
	return does(func(k *irql.K) {
		addr := irp.MmAllocateMappingAddress(k, 2*4096, tag)
		b := pagedBlock(k)
		act(k, addr, locked(k, b, irp.IoWriteAccess), b)
	})
}

func reservedMap(k *irql.K, addr any, mdl *irp.MDL) *irp.Buffer {
	return irp.MmMapLockedPagesWithReservedMapping(k, addr, tag, mdl, irp.MmCached)
}

func TestReservedMapping(t *testing.T) {
	// Nothing fails where memory is short once the addresses are reserved.
	short := []ke.Pin{{Site: "fault/MmGetSystemAddressForMdlSafe", Alt: 1},
		{Site: "fault/MmMapLockedPagesSpecifyCache", Alt: 1}}
	passes(t, onReserved(func(k *irql.K, addr any, mdl *irp.MDL, b *irp.Buffer) {
		var first uint64
		for i := range 3 {
			var va *irp.Buffer
			at(k, irql.DISPATCH_LEVEL, func() {
				va = reservedMap(k, addr, mdl)
				va.Store8(1, byte(i))
			})
			assert.Equal(t, byte(i), b.Load8(1))
			assert.Equal(t, b.Address()%4096, va.Address()%4096)
			assert.Same(t, va, irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping))
			if i == 0 {
				first = va.Address()
			}
			assert.Equal(t, first, va.Address(), "always the same addresses")
			if i == 1 {
				irp.MmUnmapReservedMapping(k, va, tag, mdl)
			} else {
				irp.MmUnmapReservedMapping(k, addr, tag, mdl)
			}
		}
		irp.MmFreeMappingAddress(k, addr, tag)
		undo(k, mdl, b)
	}), short...)
}

func TestReservedMapping_TooSmall(t *testing.T) {
	passes(t, onReserved(func(k *irql.K, addr any, mdl *irp.MDL, b *irp.Buffer) {
		undo(k, mdl, b)
		big := irp.ExAllocatePool2(k, paged, 3*4096, tag)
		mdl = locked(k, big, irp.IoWriteAccess)
		assert.Nil(t, reservedMap(k, addr, mdl))
		undo(k, mdl, big)
		irp.MmFreeMappingAddress(k, addr, tag)
	}))
}

func TestMmAllocateMappingAddress_WhenMemoryIsShort(t *testing.T) {
	passes(t, does(func(k *irql.K) { assert.True(t, irp.MmAllocateMappingAddress(k, 1, tag) == nil) }),
		ke.Pin{Site: "fault/MmAllocateMappingAddress", Name: "fails"})
}

func TestReservedMapping_Misused(t *testing.T) {
	other := irp.Tag("Othr")
	for _, c := range []struct {
		rule verify.RuleID
		sub  string
		act  func(k *irql.K, addr any, mdl *irp.MDL, b *irp.Buffer)
	}{
		{verify.MDL_008, "0x100", func(k *irql.K, _ any, _ *irp.MDL, _ *irp.Buffer) {
			irp.MmAllocateMappingAddress(k, 0, tag)
		}},
		{verify.MDL_009, "0x101", func(k *irql.K, addr any, _ *irp.MDL, _ *irp.Buffer) {
			irp.MmFreeMappingAddress(k, addr, other)
		}},
		{verify.MDL_009, "0x102", func(k *irql.K, addr any, _ *irp.MDL, _ *irp.Buffer) {
			irp.MmFreeMappingAddress(k, addr, tag)
			irp.MmFreeMappingAddress(k, addr, tag)
		}},
		{verify.MDL_006, "0x103", func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
			reservedMap(k, addr, mdl)
			irp.MmFreeMappingAddress(k, addr, tag)
		}},
		{verify.MDL_008, "0x104", func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
			irp.MmMapLockedPagesWithReservedMapping(k, addr, other, mdl, irp.MmCached)
		}},
		{verify.MDL_008, "0x105", func(k *irql.K, _ any, mdl *irp.MDL, b *irp.Buffer) {
			reservedMap(k, b, mdl)
		}},
		{verify.MDL_008, "0x107", func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
			reservedMap(k, addr, mdl)
			reservedMap(k, addr, locked(k, pagedBlock(k), irp.IoWriteAccess))
		}},
		{verify.MDL_009, "0x108", func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
			irp.MmUnmapReservedMapping(k, reservedMap(k, addr, mdl), other, mdl)
		}},
		{verify.MDL_009, "0x10b", func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
			irp.MmUnmapReservedMapping(k, addr, tag, mdl)
		}},
		{verify.MDL_009, "0x301", func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
			reservedMap(k, addr, mdl)
			irp.MmUnlockPages(k, mdl)
		}},
		{verify.MDL_009, "0x301", func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
			irp.MmUnmapLockedPages(k, reservedMap(k, addr, mdl), mdl)
		}},
	} {
		tripsAs(t, c.rule, 0xDA, c.sub, onReserved(c.act))
	}
	tripsAs(t, verify.MDL_008, 0xC4, "0xb3", does(func(k *irql.K) {
		reservedMap(k, irp.MmAllocateMappingAddress(k, 4096, tag), mdlFor(k, pagedBlock(k)))
	}))
}

// TestReservedMapping_AddressKept: what a mapping returned is gone with it, and valid for the next one only.
func TestReservedMapping_AddressKept(t *testing.T) {
	tripsEach(t, verify.MDL_016, onReserved(func(k *irql.K, addr any, mdl *irp.MDL, _ *irp.Buffer) {
		va := reservedMap(k, addr, mdl)
		irp.MmUnmapReservedMapping(k, va, tag, mdl)
		va.Load8(0)
	}))
}

func TestMappingAddress_LeftAtUnload(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.begin(func(k *irql.K) { irp.MmAllocateMappingAddress(k, 4096, tag) })
	irp.Sim.UnloadDriver(l.m, l.client)
	l.m.Run(nil)
	l.expect(verify.UNLOAD_001)
}
