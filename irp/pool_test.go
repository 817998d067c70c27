package irp_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

const (
	nonPaged = irp.POOL_FLAG_NON_PAGED
	paged    = irp.POOL_FLAG_PAGED
)

var tag = irp.Tag("Test")

// alloc is a block of nonpaged pool.
func alloc(k *irql.K, n uint64) *irp.Buffer { return irp.ExAllocatePool2(k, nonPaged, n, tag) }

func free(k *irql.K, b *irp.Buffer) { irp.ExFreePoolWithTag(k, b, tag) }

// at runs fn at a level.
func at(k *irql.K, level irql.KIRQL, fn func()) {
	var old irql.KIRQL
	irql.KeRaiseIrql(k, level, &old)
	fn()
	irql.KeLowerIrql(k, old)
}

// does is a scenario of one thread of the client.
func does(fn func(k *irql.K)) func(l *lab) { return func(l *lab) { l.run(fn) } }

func TestExAllocatePool2_ZeroesUnlessTold(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 100)
		assert.Equal(t, make([]byte, 100), b.Bytes())
		free(k, b)
		u := irp.ExAllocatePool2(k, nonPaged|irp.POOL_FLAG_UNINITIALIZED, 100, tag)
		assert.Equal(t, byte(pool.UninitializedByte), u.Bytes()[99])
		irp.ExFreePool(k, u)
	}))
}

func TestExAllocatePool2_InvalidFlagsGiveNull(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		assert.Nil(t, irp.ExAllocatePool2(k, 0, 8, tag), "no pool type")
		assert.Nil(t, irp.ExAllocatePool2(k, nonPaged|paged, 8, tag), "two pool types")
		assert.Nil(t, irp.ExAllocatePool2(k, nonPaged|0x1000, 8, tag), "unknown required bit")
		b := irp.ExAllocatePool2(k, nonPaged|1<<40, 8, tag)
		assert.NotNil(t, b, "unknown optional bit")
		irp.ExFreePool2(k, b, tag, nil, 0)
	}))
}

func TestExAllocatePool2_FailsWhenToldAndRaises(t *testing.T) {
	l := newLab(t, ke.Config{Pins: []ke.Pin{{Site: "fault/ExAllocatePool2", Alt: 1}}})
	l.run(func(k *irql.K) {
		assert.Nil(t, alloc(k, 8))
		assert.Nil(t, irp.New[int](k, nonPaged, tag))
		assert.PanicsWithValue(t, irql.Exception{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES,
			Routine: "ExAllocatePool2"},
			func() { irp.ExAllocatePool2(k, nonPaged|irp.POOL_FLAG_RAISE_ON_FAILURE, 8, tag) })
	})
	l.silent()
}

func TestBuffer_AddressesAreAligned(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		for _, n := range []uint64{1, 17, 100, 2000, 4095, 4096, 5000} {
			b := alloc(k, n)
			assert.Zero(t, b.Address()%16, n)
			if n >= 4096 {
				assert.Zero(t, b.Address()%4096, n)
			} else {
				assert.Equal(t, b.Address()/4096, (b.Address()+n-1)/4096, "%d bytes cross a page", n)
			}
			assert.Equal(t, b.Address()+1, b.Slice(1, 0).Address())
			free(k, b)
		}
	}))
}

// TestBuffer_CacheAlignedBeginsWithACacheLine: in every routine that can be asked for it.
// windows-driver-docs-pr/kernel/pool_flags.md
func TestBuffer_CacheAlignedBeginsWithACacheLine(t *testing.T) {
	type make func(k *irql.K, n uint64) *irp.Buffer
	older := func(f func(*irql.K, irp.POOL_TYPE, uint64, uint32) *irp.Buffer, pt irp.POOL_TYPE) make {
		return func(k *irql.K, n uint64) *irp.Buffer { return f(k, pt, n, tag) }
	}
	makes := []make{
		func(k *irql.K, n uint64) *irp.Buffer {
			return irp.ExAllocatePool2(k, nonPaged|irp.POOL_FLAG_CACHE_ALIGNED, n, tag)
		},
		func(k *irql.K, n uint64) *irp.Buffer {
			return irp.ExAllocatePool2(k, paged|irp.POOL_FLAG_CACHE_ALIGNED, n, tag)
		},
		older(irp.ExAllocatePoolWithTag, irp.NonPagedPoolNxCacheAligned),
		older(irp.ExAllocatePoolZero, irp.PagedPoolCacheAligned),
		older(irp.ExAllocatePoolUninitialized, irp.NonPagedPoolNxCacheAligned),
	}
	passes(t, does(func(k *irql.K) {
		for i, f := range makes {
			for _, n := range []uint64{1, 17, 100, 2000, 4000, 4032, 4033, 4096} {
				b := f(k, n)
				assert.Zero(t, b.Address()%64, "routine %d, %d bytes", i, n)
				if n < 4096 {
					assert.Equal(t, b.Address()/4096, (b.Address()+n-1)/4096, "%d bytes cross a page", n)
				}
				free(k, b)
			}
		}
		v := irp.New[int](k, nonPaged|irp.POOL_FLAG_CACHE_ALIGNED, tag)
		assert.Zero(t, v.Address()%64)
		irp.Free(k, v, tag)
		l := new(irp.LOOKASIDE_LIST_EX)
		irp.ExInitializeLookasideListEx(k, l, nil, nil, irp.NonPagedPoolNxCacheAligned, 0, 24, tag, 0)
		for range 3 {
			b := irp.ExAllocateFromLookasideListEx(k, l)
			assert.Zero(t, b.Address()%64)
			irp.ExFreeToLookasideListEx(k, l, b)
		}
		irp.ExDeleteLookasideListEx(k, l)
	}))
}

// TestExInitializeLookasideListEx_InvalidArguments: the statuses of the page; the list stays uninitialised. A
// list that is to raise does.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-exinitializelookasidelistex.md, "-returns"
func TestExInitializeLookasideListEx_InvalidArguments(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		l := new(irp.LOOKASIDE_LIST_EX)
		initialise := func(pt irp.POOL_TYPE, flags uint32) ntstatus.NTSTATUS {
			return irp.ExInitializeLookasideListEx(k, l, nil, nil, pt, flags, 24, tag, 0)
		}
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER_4, initialise(1<<20, 0))
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER_5, initialise(irp.NonPagedPoolNx, 3))
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER_5, initialise(irp.NonPagedPoolNx, 4))
		assert.Empty(t, l.Busy())
		assert.Equal(t, ok, initialise(irp.NonPagedPoolNx, irp.EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL))
		irp.ExDeleteLookasideListEx(k, l)
	}))
}

// Rule: POOL-001
func TestPOOL001_ZeroBytes(t *testing.T) {
	trips(t, verify.POOL_001, does(func(k *irql.K) { alloc(k, 0) }))
}

// Near miss: POOL-001
func TestPOOL001_OneByte(t *testing.T) {
	passes(t, does(func(k *irql.K) { free(k, alloc(k, 1)) }))
}

// Rule: POOL-002
func TestPOOL002_PagedAtDispatch(t *testing.T) {
	trips(t, verify.POOL_002, does(func(k *irql.K) {
		at(k, irql.DISPATCH_LEVEL, func() { irp.ExAllocatePool2(k, paged, 8, tag) })
	}))
}

// Near miss: POOL-002
func TestPOOL002_PagedAtApcLevelNonPagedAtDispatch(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		at(k, irql.APC_LEVEL, func() { irp.ExFreePool(k, irp.ExAllocatePool2(k, paged, 8, tag)) })
		at(k, irql.DISPATCH_LEVEL, func() { free(k, alloc(k, 8)) })
	}))
}

// Rule: POOL-003
func TestPOOL003_AboveDispatch(t *testing.T) {
	trips(t, verify.POOL_003, does(func(k *irql.K) { at(k, irql.HIGH_LEVEL, func() { alloc(k, 8) }) }))
}

// Near miss: POOL-003
func TestPOOL003_AtDispatch(t *testing.T) {
	passes(t, does(func(k *irql.K) { at(k, irql.DISPATCH_LEVEL, func() { free(k, alloc(k, 8)) }) }))
}

// Rule: POOL-004
func TestPOOL004_PagedFreedAtDispatch(t *testing.T) {
	trips(t, verify.POOL_004, does(func(k *irql.K) {
		b := irp.ExAllocatePool2(k, paged, 8, tag)
		at(k, irql.DISPATCH_LEVEL, func() { free(k, b) })
	}))
}

// Near miss: POOL-004
func TestPOOL004_PagedFreedAtApcLevel(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := irp.ExAllocatePoolZero(k, irp.PagedPool, 8, tag)
		at(k, irql.APC_LEVEL, func() { free(k, b) })
	}))
}

// Rule: POOL-005
func TestPOOL005_FreedAboveDispatch(t *testing.T) {
	trips(t, verify.POOL_005, does(func(k *irql.K) {
		b := alloc(k, 8)
		at(k, irql.HIGH_LEVEL, func() { free(k, b) })
	}))
}

// Near miss: POOL-005
func TestPOOL005_FreedAtDispatch(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		at(k, irql.DISPATCH_LEVEL, func() { free(k, b) })
	}))
}

// Rule: POOL-006
func TestPOOL006_FreedTwice(t *testing.T) {
	f := trips(t, verify.POOL_006, does(func(k *irql.K) {
		b := alloc(k, 8)
		free(k, b)
		free(k, b)
	}))
	require.Len(t, f.Places, 2)
	assert.Equal(t, "ALLOCATED", f.Places[0].Label)
	assert.Equal(t, "FREED", f.Places[1].Label)
}

// Near miss: POOL-006
func TestPOOL006_SameBytesAgain(t *testing.T) {
	passes(t, func(l *lab) {
		pool.OptionsOf(l.m).NoQuarantine = true // the second block gets the bytes of the first
		l.run(func(k *irql.K) {
			a := alloc(k, 8)
			id := a.ID()
			free(k, a)
			b := alloc(k, 8)
			assert.NotEqual(t, id, b.ID())
			free(k, b)
		})
	})
}

// Rule: POOL-007
func TestPOOL007_NotABlock(t *testing.T) {
	tripsAs(t, verify.POOL_007, 0xC2, "0x46", does(func(k *irql.K) { irp.ExFreePool(k, nil) }))
	trips(t, verify.POOL_007, does(func(k *irql.K) { irp.ExFreePool(k, irp.StackBuffer(k, 8)) }))
	trips(t, verify.POOL_007, does(func(k *irql.K) {
		var list irp.LOOKASIDE_LIST_EX
		irp.ExInitializeLookasideListEx(k, &list, nil, nil, irp.NonPagedPoolNx, 0, 64, tag, 0)
		irp.ExFreePool(k, irp.ExAllocateFromLookasideListEx(k, &list))
	}))
}

// Near miss: POOL-007
func TestPOOL007_NonPagedMappingIsTheBlockItself(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		mdl := built(k, b)
		va := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		irp.IoFreeMdl(k, mdl)
		irp.ExFreePool(k, va)
	}))
}

// Rule: POOL-008
func TestPOOL008_MiddleOfBlock(t *testing.T) {
	trips(t, verify.POOL_008, does(func(k *irql.K) { free(k, alloc(k, 16).Slice(4, 12)) }))
}

// Near miss: POOL-008
func TestPOOL008_ViewFromTheStart(t *testing.T) {
	passes(t, does(func(k *irql.K) { free(k, alloc(k, 16).Slice(0, 4)) }))
}

// Rule: POOL-009
func TestPOOL009_WrongTag(t *testing.T) {
	trips(t, verify.POOL_009, does(func(k *irql.K) {
		irp.ExFreePoolWithTag(k, alloc(k, 8),
			irp.Tag("Tset"))
	}))
}

// Near miss: POOL-009
func TestPOOL009_TagZeroIsNotChecked(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		irp.ExFreePoolWithTag(k, alloc(k, 8), 0)
		irp.ExFreePool(k, alloc(k, 8))
	}))
}

// Rule: POOL-010
func TestPOOL010_BadTag(t *testing.T) {
	for _, c := range []struct {
		name string
		tag  uint32
		sub  string
	}{{"zero", 0, "0x9b"}, {"BIG", 0x474942, "0x9c"}, {"no letter", irp.Tag("-._-"), "0x9d"}, {"unreadable",
		0x01414141, "0x9d"}} {
		t.Run(c.name, func(t *testing.T) {
			tripsAs(t, verify.POOL_010, 0xC2, c.sub, does(func(k *irql.K) {
				irp.ExAllocatePool2(k, nonPaged,
					8, c.tag)
			}))
		})
	}
}

// Near miss: POOL-010
func TestPOOL010_OneLetterIsEnough(t *testing.T) {
	passes(t, does(func(k *irql.K) { irp.ExFreePool(k, irp.ExAllocatePool2(k, nonPaged, 8, irp.Tag("A"))) }))
}

// Rule: POOL-011
func TestPOOL011_Overrun(t *testing.T) {
	trips(t, verify.POOL_011, does(func(k *irql.K) { alloc(k, 8).Store32(5, 1) }))
	trips(t, verify.POOL_011, does(func(k *irql.K) { alloc(k, 8).CopyFrom(0, make([]byte, 9)) }))
	f := tripsAs(t, verify.POOL_011, 0xC1, "pool#1", does(func(k *irql.K) {
		b := alloc(k, 5)
		*(*byte)(unsafe.Add(unsafe.Pointer(&b.Bytes()[0]), 5)) = 1
		free(k, b)
	}))
	assert.Equal(t, "0x24", f.Args[3].Value)
}

// Near miss: POOL-011
func TestPOOL011_LastByte(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 9)
		b.Store64(1, 1)
		b.Store8(8, 1)
		b.CopyFrom(9, nil)
		assert.Zero(t, b.Slice(9, 0).Len())
		free(k, b)
	}))
}

// Rule: POOL-012
func TestPOOL012_Underrun(t *testing.T) {
	trips(t, verify.POOL_012, does(func(k *irql.K) { alloc(k, 8).Load8(-1) }))
	f := trips(t, verify.POOL_012, does(func(k *irql.K) {
		b := alloc(k, 8)
		*(*byte)(unsafe.Add(unsafe.Pointer(&b.Bytes()[0]), -1)) = 1
		free(k, b)
	}))
	assert.Equal(t, "0x23", f.Args[3].Value)
}

// Near miss: POOL-012
func TestPOOL012_FirstByte(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		b.Store8(0, 1)
		free(k, b)
	}))
}

// Rule: POOL-013
func TestPOOL013_UseAfterFree(t *testing.T) {
	for _, c := range []named[func(b, v *irp.Buffer)]{
		{"load", func(b, _ *irp.Buffer) { b.Load8(0) }},
		{"store", func(b, _ *irp.Buffer) { b.Store64(0, 1) }},
		{"bytes", func(b, _ *irp.Buffer) { b.Bytes() }},
		{"slice", func(b, _ *irp.Buffer) { b.Slice(0, 1) }},
		{"view", func(_, v *irp.Buffer) { v.Fill(0, 4, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := trips(t, verify.POOL_013, does(func(k *irql.K) {
				b := alloc(k, 8)
				v := b.Slice(4, 4)
				free(k, b)
				c.do(b, v)
			}))
			require.Len(t, f.Places, 2)
		})
	}
	trips(t, verify.POOL_013, does(func(k *irql.K) {
		v := irp.New[struct{ n int }](k, nonPaged, tag)
		irp.Free(k, v, tag)
		v.Get().n++
	}))
	trips(t, verify.POOL_013, does(func(k *irql.K) {
		b := alloc(k, 8)
		kept := b.Bytes()
		free(k, b)
		kept[3] = 1 // found in quarantine
	}))
}

// Near miss: POOL-013
func TestPOOL013_StaleReadAndTheTestItself(t *testing.T) {
	var b *irp.Buffer
	passes(t, does(func(k *irql.K) {
		b = alloc(k, 8)
		kept := b.Bytes()
		free(k, b)
		assert.Equal(t, byte(pool.PoisonByte), kept[0])
	}))
	assert.Equal(t, byte(pool.PoisonByte), b.Load8(7), "when nobody runs the test may look")
	assert.Equal(t, 8, b.Len())
}
