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

// The older lookaside lists.

// npaged gives act a list of nonpaged entries of 64 bytes, and deletes it.
func npaged(flags uint32, act func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST)) func(l *lab) {
	return does(func(k *irql.K) {
		var l irp.NPAGED_LOOKASIDE_LIST
		irp.ExInitializeNPagedLookasideList(k, &l, nil, nil, flags|irp.POOL_NX_ALLOCATION, 64, tag, 0)
		act(k, &l)
		irp.ExDeleteNPagedLookasideList(k, &l)
	})
}

func TestNPagedLookasideList(t *testing.T) {
	passes(t, npaged(0, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		at(k, irql.DISPATCH_LEVEL, func() {
			b := irp.ExAllocateFromNPagedLookasideList(k, l)
			b.Store32(60, 7)
			irp.ExFreeToNPagedLookasideList(k, l, b)
		})
	}))
}

func TestPagedLookasideList(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		var l irp.PAGED_LOOKASIDE_LIST
		irp.ExInitializePagedLookasideList(k, &l, nil, nil, 0, 64, tag, 0)
		at(k, irql.APC_LEVEL, func() {
			b := irp.ExAllocateFromPagedLookasideList(k, &l)
			b.Store32(60, 7)
			irp.ExFreeToPagedLookasideList(k, &l, b)
		})
		irp.ExDeletePagedLookasideList(k, &l)
	}))
}

// TestPagedLookasideList_AtDispatch: neither the list nor what it hands out can be used there.
func TestPagedLookasideList_AtDispatch(t *testing.T) {
	for _, c := range []struct {
		rule verify.RuleID
		act  func(k *irql.K, l *irp.PAGED_LOOKASIDE_LIST, b *irp.Buffer)
	}{
		{verify.IRQL_001, func(k *irql.K, l *irp.PAGED_LOOKASIDE_LIST, _ *irp.Buffer) {
			irp.ExAllocateFromPagedLookasideList(k, l)
		}},
		{verify.IRQL_001, func(k *irql.K, l *irp.PAGED_LOOKASIDE_LIST, b *irp.Buffer) {
			irp.ExFreeToPagedLookasideList(k, l, b)
		}},
		{verify.IRQL_001, func(k *irql.K, l *irp.PAGED_LOOKASIDE_LIST, _ *irp.Buffer) {
			irp.ExDeletePagedLookasideList(k, l)
		}},
		{verify.IRQL_008, func(_ *irql.K, _ *irp.PAGED_LOOKASIDE_LIST, b *irp.Buffer) { b.Store8(0, 1) }},
	} {
		tripsEach(t, c.rule, does(func(k *irql.K) {
			var l irp.PAGED_LOOKASIDE_LIST
			irp.ExInitializePagedLookasideList(k, &l, nil, nil, 0, 64, tag, 0)
			b := irp.ExAllocateFromPagedLookasideList(k, &l)
			at(k, irql.DISPATCH_LEVEL, func() { c.act(k, &l, b) })
		}))
	}
}

func TestNPagedLookasideList_OwnRoutines(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		var l irp.NPAGED_LOOKASIDE_LIST
		made, freed := 0, 0
		allocate := func(k *irql.K, _ irp.POOL_TYPE, n uint64, tag uint32) *irp.Buffer {
			made++
			return irp.ExAllocatePool2(k, nonPaged, n, tag)
		}
		release := func(k *irql.K, b *irp.Buffer) {
			freed++
			free(k, b)
		}
		irp.ExInitializeNPagedLookasideList(k, &l, allocate, release, irp.POOL_NX_ALLOCATION, 64, tag, 0)
		b := irp.ExAllocateFromNPagedLookasideList(k, &l)
		assert.Equal(t, 64, b.Len())
		irp.ExFreeToNPagedLookasideList(k, &l, b)
		irp.ExDeleteNPagedLookasideList(k, &l)
		assert.Equal(t, []int{1, 1}, []int{made, freed})
	}))
}

func TestNPagedLookasideList_WhenMemoryIsShort(t *testing.T) {
	none := ke.Pin{Site: "fault/ExAllocateFromNPagedLookasideList", Name: "fails"}
	passes(t, npaged(0, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		assert.Nil(t, irp.ExAllocateFromNPagedLookasideList(k, l))
	}), none)
	passes(t, npaged(irp.POOL_RAISE_IF_ALLOCATION_FAILURE, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		assert.PanicsWithValue(t, irql.Exception{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES,
			Routine: "ExAllocateFromNPagedLookasideList"},
			func() { irp.ExAllocateFromNPagedLookasideList(k, l) })
	}), none)
}

func TestNPagedLookasideList_Misused(t *testing.T) {
	for name, act := range map[string]func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST){
		"0xca": func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
			irp.ExInitializeNPagedLookasideList(k, l, nil, nil, irp.POOL_NX_ALLOCATION, 64, tag, 0)
		},
		"0xcb": func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
			irp.ExFreeToNPagedLookasideList(k, l, alloc(k, 64))
		},
		"0xcd": func(k *irql.K, _ *irp.NPAGED_LOOKASIDE_LIST) {
			var small irp.NPAGED_LOOKASIDE_LIST
			irp.ExInitializeNPagedLookasideList(k, &small, nil, nil, irp.POOL_NX_ALLOCATION, 4, tag, 0)
		},
	} {
		tripsAs(t, verify.POOL_021, 0xC4, name, npaged(0, act))
	}
	tripsAs(t, verify.POOL_021, 0xC4, "0xcb", npaged(0, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		irp.ExAllocateFromNPagedLookasideList(k, l) // deleted with an entry outstanding
	}))
	tripsEach(t, verify.POOL_006, npaged(0, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		b := irp.ExAllocateFromNPagedLookasideList(k, l)
		irp.ExFreeToNPagedLookasideList(k, l, b)
		irp.ExFreeToNPagedLookasideList(k, l, b)
	}))
	tripsEach(t, verify.POOL_013, npaged(0, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		b := irp.ExAllocateFromNPagedLookasideList(k, l)
		irp.ExFreeToNPagedLookasideList(k, l, b)
		b.Load8(0)
	}))
	tripsEach(t, verify.POOL_007, npaged(0, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		irp.ExFreePoolWithTag(k, irp.ExAllocateFromNPagedLookasideList(k, l), tag)
	}))
	tripsEach(t, verify.POOL_007, npaged(0, func(k *irql.K, l *irp.NPAGED_LOOKASIDE_LIST) {
		irp.ExFreeToNPagedLookasideList(k, l, nil)
	}))
}

func TestNPagedLookasideList_MemoryFreed(t *testing.T) {
	f := tripsEach(t, verify.POOL_018, does(func(k *irql.K) {
		mem := irp.New[irp.NPAGED_LOOKASIDE_LIST](k, nonPaged, tag)
		irp.ExInitializeNPagedLookasideList(k, mem.Get(), nil, nil, irp.POOL_NX_ALLOCATION, 64, tag, 0)
		irp.Free(k, mem, tag)
	}))
	assert.Equal(t, "0xcc", f.Args[0].Value)
}

func TestNPagedLookasideList_LeftAtUnload(t *testing.T) {
	l := newLab(t, ke.Config{})
	var list irp.NPAGED_LOOKASIDE_LIST
	l.begin(func(k *irql.K) {
		irp.ExInitializeNPagedLookasideList(k, &list, nil, nil, irp.POOL_NX_ALLOCATION, 64, tag, 0)
	})
	irp.Sim.UnloadDriver(l.m, l.client)
	l.m.Run(nil)
	l.expect(verify.UNLOAD_003)
}

func TestNPagedLookasideList_Executable(t *testing.T) {
	tripsEach(t, verify.POOL_019, does(func(k *irql.K) {
		var l irp.NPAGED_LOOKASIDE_LIST
		irp.ExInitializeNPagedLookasideList(k, &l, nil, nil, 0, 64, tag, 0)
		irp.ExDeleteNPagedLookasideList(k, &l)
	}))
}
