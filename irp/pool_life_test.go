package irp_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// Rule: POOL-015
func TestPOOL015_OldRoutine(t *testing.T) {
	trips(t, verify.POOL_015, does(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePoolWithTag(k, irp.NonPagedPoolNx, 8, tag))
	}))
}

// Near miss: POOL-015
func TestPOOL015_NewNamesOfTheOldRoutine(t *testing.T) {
	avoids(t, verify.POOL_015, does(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePoolZero(k, irp.NonPagedPoolNx, 8, tag))
		irp.ExFreePool(k, irp.ExAllocatePoolUninitialized(k, irp.NonPagedPoolNx, 8, tag))
	}))
}

// Rule: POOL-016
func TestPOOL016_LostBlock(t *testing.T) {
	f := trips(t, verify.POOL_016, func(l *lab) {
		pool.OptionsOf(l.m).FindLost = true
		l.run(func(k *irql.K) {
			alloc(k, 8)
			alloc(k, 24)
		})
	})
	assert.Equal(t, "client.sys has lost every pointer to 2 pool blocks: 2 x 'Test' (32 bytes)", f.Headline)
}

// Near miss: POOL-016
func TestPOOL016_KeptByTheDriver(t *testing.T) {
	var global *irp.Buffer
	passes(t, func(l *lab) {
		pool.OptionsOf(l.m).FindLost = true
		l.run(func(k *irql.K) { global = alloc(k, 64).Slice(8, 8) }) // a pointer into the block keeps it
	})
	assert.NotNil(t, global)
}

type withEvent struct {
	n     int
	event irql.KEVENT
}

// Rule: POOL-018
func TestPOOL018_EventWithWaiterFreed(t *testing.T) {
	tripsEach(t, verify.POOL_018, func(l *lab) {
		var v *irp.Typed[withEvent]
		l.begin(func(k *irql.K) {
			v = irp.New[withEvent](k, nonPaged, tag)
			irql.KeInitializeEvent(k, &v.Get().event, irql.NotificationEvent, false)
			waitFor(k, &v.Get().event)
		})
		l.run(func(k *irql.K) { irp.Free(k, v, tag) })
	})
	tripsAs(t, verify.POOL_018, 0xC4, "0xcc", does(func(k *irql.K) {
		v := irp.New[irp.LOOKASIDE_LIST_EX](k, nonPaged, tag)
		irp.ExInitializeLookasideListEx(k, v.Get(), nil, nil, irp.NonPagedPoolNx, 0, 64, tag, 0)
		irp.Free(k, v, tag)
	}))
}

// Near miss: POOL-018
func TestPOOL018_EventWithoutWaiterFreed(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		v := irp.New[withEvent](k, nonPaged, tag)
		irql.KeInitializeEvent(k, &v.Get().event, irql.NotificationEvent, true)
		waitFor(k, &v.Get().event)
		irp.Free(k, v, tag)
	}))
}

func TestTyped_FreedObjectIsGone(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		v := irp.New[withEvent](k, nonPaged, tag)
		e := &v.Get().event
		irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
		irp.Free(k, v, tag)
		irql.KeSetEvent(k, e, 0, false)
	})
	l.expect(verify.POOL_013)
}

// Rule: POOL-019
func TestPOOL019_Executable(t *testing.T) {
	trips(t, verify.POOL_019, does(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED_EXECUTE, 8, tag))
	}))
}

// Near miss: POOL-019
func TestPOOL019_NoExecute(t *testing.T) {
	avoids(t, verify.POOL_019, does(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePoolZero(k, irp.NonPagedPoolNx, 8,
			tag))
	}))
}

// inDPC runs fn in a DPC.
func inDPC(k *irql.K, fn func(k *irql.K)) {
	ke.QueueDPC(k, &ke.DPC{Importance: ke.MediumImportance, Target: -1, Run: fn})
}

// Rule: POOL-020
func TestPOOL020_QuotaInDpc(t *testing.T) {
	trips(t, verify.POOL_020, does(func(k *irql.K) {
		inDPC(k, func(k *irql.K) {
			irp.ExFreePool(k, irp.ExAllocatePool2(k, nonPaged|irp.POOL_FLAG_USE_QUOTA, 8, tag))
		})
	}))
}

// Near miss: POOL-020
func TestPOOL020_QuotaInThread(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePool2(k, nonPaged|irp.POOL_FLAG_USE_QUOTA, 8, tag))
	}))
}

func list(k *irql.K, l *irp.LOOKASIDE_LIST_EX) {
	irp.ExInitializeLookasideListEx(k, l, nil, nil, irp.NonPagedPoolNx, 0, 64, tag, 0)
}

// Rule: POOL-021
func TestPOOL021_Lookaside(t *testing.T) {
	trips(t, verify.POOL_021, does(func(k *irql.K) {
		var l irp.LOOKASIDE_LIST_EX
		list(k, &l)
		list(k, &l)
	}))
	tripsAs(t, verify.POOL_021, 0xC4, "0xcb", does(func(k *irql.K) {
		var l irp.LOOKASIDE_LIST_EX
		irp.ExAllocateFromLookasideListEx(k, &l)
	}))
	tripsAs(t, verify.POOL_021, 0xC4, "0xcb", does(func(k *irql.K) {
		var a, b irp.LOOKASIDE_LIST_EX
		list(k, &a)
		list(k, &b)
		irp.ExFreeToLookasideListEx(k, &b, irp.ExAllocateFromLookasideListEx(k, &a))
	}))
	tripsAs(t, verify.POOL_021, 0xC4, "0xcd", does(func(k *irql.K) {
		var l irp.LOOKASIDE_LIST_EX
		irp.ExInitializeLookasideListEx(k, &l, nil, nil, irp.NonPagedPoolNx, 0, 4, tag, 0)
	}))
}

// Near miss: POOL-021
func TestPOOL021_WholeLife(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		var l irp.LOOKASIDE_LIST_EX
		list(k, &l)
		e := irp.ExAllocateFromLookasideListEx(k, &l)
		e.Store64(56, 1)
		irp.ExFreeToLookasideListEx(k, &l, e)
		irp.ExDeleteLookasideListEx(k, &l)
		list(k, &l)
		irp.ExDeleteLookasideListEx(k, &l)
	}))
}

func TestLookaside_OwnMemory(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		var l irp.LOOKASIDE_LIST_EX
		calls := 0
		get := func(k *irql.K, _ irp.POOL_TYPE, n uint64, tag uint32, _ *irp.LOOKASIDE_LIST_EX) *irp.Buffer {
			calls++
			return irp.ExAllocatePool2(k, nonPaged, n, tag)
		}
		put := func(k *irql.K, b *irp.Buffer, _ *irp.LOOKASIDE_LIST_EX) {
			calls++
			irp.ExFreePool(k, b)
		}
		irp.ExInitializeLookasideListEx(k, &l, get, put, irp.NonPagedPoolNx, 0, 64, tag, 0)
		irp.ExFreeToLookasideListEx(k, &l, irp.ExAllocateFromLookasideListEx(k, &l))
		irp.ExDeleteLookasideListEx(k, &l)
		assert.Equal(t, 2, calls)
	}))
}

// Rule: POOL-022
func TestPOOL022_DefaultTag(t *testing.T) {
	trips(t, verify.POOL_022, does(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePool2(k, nonPaged, 8,
			irp.Tag("None")))
	}))
}

// Near miss: POOL-022
func TestPOOL022_OwnTag(t *testing.T) {
	avoids(t, verify.POOL_022, does(func(k *irql.K) {
		irp.ExFreePool(k, irp.ExAllocatePool2(k, nonPaged, 8,
			irp.Tag("Nono")))
	}))
}

// Rule: POOL-024
func TestPOOL024_WriteThroughReadOnlyMapping(t *testing.T) {
	trips(t, verify.POOL_024, does(func(k *irql.K) {
		mdl := locked(k, irp.ExAllocatePool2(k, paged, 8, tag), irp.IoReadAccess)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping|irp.MdlMappingNoWrite).Store8(0, 1)
	}))
}

// Near miss: POOL-024
func TestPOOL024_ReadThroughReadOnlyMapping(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := irp.ExAllocatePool2(k, paged, 8, tag)
		mdl := locked(k, b, irp.IoReadAccess)
		va := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping|irp.MdlMappingNoWrite)
		assert.Zero(t, va.Load8(0))
		va.Bytes()[0] = 1 // a copy
		b.Store8(1, 1)
		assert.Equal(t, []byte{0, 1}, va.Bytes()[:2])
		irp.MmUnlockPages(k, mdl)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}

// Rule: POOL-025
func TestPOOL025_FreedWhileLent(t *testing.T) {
	f := trips(t, verify.POOL_025, does(func(k *irql.K) {
		b := alloc(k, 8)
		pool.LendAs(k, b.Slice(2, 4), pool.Loan{Owner: b.ID(), What: "the data of a send", Writable: true})
		free(k, b)
	}))
	assert.Contains(t, f.Headline, "the data of a send (pool#1)")
	f = tripsAs(t, verify.WSK_130, 0, "", does(func(k *irql.K) {
		b := alloc(k, 8)
		mdl := built(k, b)
		pool.LendAs(k, b, pool.Loan{Owner: b.ID(), Rule: verify.WSK_130, What: "the data of WskSend"})
		free(k, b)
		_ = mdl
	}))
	assert.Contains(t, f.Headline, "WskSend", "the operation's rule comes before MDL-018")
	assert.Equal(t, []verify.RuleID{verify.POOL_025, verify.MDL_018}, f.Also)
	trips(t, verify.POOL_025, does(func(k *irql.K) {
		b := alloc(k, 8)
		pool.Take(k, b, pool.Loan{Owner: b.ID(), What: "the engine's"})
		b.Load8(0)
	}))
}

// Near miss: POOL-025
func TestPOOL025_FreedAfterReturn(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		pool.Lend(k, b, b.ID(), false)
		b.Load8(0)
		assert.True(t, pool.Lent(b))
		pool.Return(k, b, b.ID())
		b.Store8(0, 1)
		free(k, b)
		c := alloc(k, 8)
		pool.Take(k, c, pool.Loan{Owner: c.ID()})
		pool.FreeTaken(k, c)
	}))
}

// Rule: POOL-026
func TestPOOL026_StackMemoryEscapes(t *testing.T) {
	var kept *irp.Buffer
	trips(t, verify.POOL_026, func(l *lab) {
		l.run(func(k *irql.K) { kept = irp.StackBuffer(k, 8) })
		l.run(func(k *irql.K) { kept.Load8(0) })
	})
	var v *irp.Typed[withEvent]
	trips(t, verify.POOL_026, func(l *lab) {
		l.run(func(k *irql.K) { v = irp.StackVar[withEvent](k) })
		l.run(func(k *irql.K) { v.Get().n++ })
	})
	tripsAs(t, verify.POOL_026, 0, "", does(func(k *irql.K) {
		b := irp.StackBuffer(k, 8)
		pool.Lend(k, b, b.ID(), true)
	}))
	tripsAs(t, verify.WSK_136, 0, "", does(func(k *irql.K) {
		v := irp.StackVar[[28]byte](k)
		pool.LendAs(k, pool.Containing(ke.Of(k), unsafe.Pointer(&v.Get()[4])),
			pool.Loan{Owner: v.ID(), Rule: verify.WSK_136, Writable: true})
	}))
}

// Near miss: POOL-026
func TestPOOL026_UsedInTheRoutineAndBelow(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			b := irp.StackBuffer(k, 8)
			pool.Lend(k, b, b.ID(), true)
			ke.Push(k, ke.Frame{Kind: ke.FrameQueue, Image: l.image})
			b.Store8(0, 1)
			ke.Pop(k)
			pool.Return(k, b, b.ID())
			assert.Equal(t, byte(1), b.Load8(0))
		})
	})
}

// Rule: IRQL-008
func TestIRQL008_PagedMemoryAtDispatch(t *testing.T) {
	tripsAs(t, verify.IRQL_008, 0xD1, "pool#1+0x0", does(func(k *irql.K) {
		b := irp.ExAllocatePool2(k, paged, 8, tag)
		at(k, irql.DISPATCH_LEVEL, func() { b.Load8(0) })
	}))
	tripsAs(t, verify.IRQL_008, 0xD1, "pool#1+0x0", does(func(k *irql.K) {
		v := irp.New[int](k, paged, tag)
		at(k, irql.DISPATCH_LEVEL, func() { *v.Get() = 1 })
	}))
	tripsAs(t, verify.IRQL_008, 0xD1, "pool#1+0x0", func(l *lab) {
		u := pool.AllocUser(l.m, 8)
		l.run(func(k *irql.K) { at(k, irql.DISPATCH_LEVEL, func() { u.Store8(0, 1) }) })
	})
}

// Near miss: IRQL-008
func TestIRQL008_PagedMemoryBelowOrMapped(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := irp.ExAllocatePool2(k, paged, 8, tag)
		at(k, irql.APC_LEVEL, func() { b.Load8(0) })
		mdl := locked(k, b, irp.IoWriteAccess)
		va := irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		at(k, irql.DISPATCH_LEVEL, func() { va.Store8(0, 1) })
		irp.MmUnlockPages(k, mdl)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}

// Rule: UNLOAD-001
func TestUNLOAD001_PoolLeft(t *testing.T) {
	f := trips(t, verify.UNLOAD_001, func(l *lab) {
		l.run(func(k *irql.K) {
			alloc(k, 8)
			alloc(k, 8)
			irp.New[[4]int](k, nonPaged, irp.Tag("Ctx"))
		})
		l.m.RunUnloadChecks(l.image)
	})
	assert.Equal(t,
		"client.sys is unloaded and leaves 3 pool blocks: 2 x 'Test' (16 bytes), 1 x 'Ctx ' (32 "+
			"bytes)", f.Headline)
	assert.Len(t, f.Places, 2)
	assert.Len(t, f.Dump, 2)
}

// Near miss: UNLOAD-001
func TestUNLOAD001_GivenAwayOrForeign(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			pool.Take(k, alloc(k, 8), pool.Loan{})
			irp.StackBuffer(k, 8)
		})
		other := l.m.NewImage("other.sys")
		l.as(other, func(k *irql.K) { alloc(k, 8) })
		l.m.Run(nil)
		l.m.RunUnloadChecks(l.image)
	})
}

// Rule: UNLOAD-003
func TestUNLOAD003_LookasideLeft(t *testing.T) {
	trips(t, verify.UNLOAD_003, func(l *lab) {
		l.run(func(k *irql.K) { list(k, new(irp.LOOKASIDE_LIST_EX)) })
		l.m.RunUnloadChecks(l.image)
	})
}

// Near miss: UNLOAD-003
func TestUNLOAD003_LookasideDeleted(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			x := new(irp.LOOKASIDE_LIST_EX)
			list(k, x)
			irp.ExDeleteLookasideListEx(k, x)
		})
		l.m.RunUnloadChecks(l.image)
	})
}
