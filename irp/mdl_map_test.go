package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Rule: MDL-008
func TestMDL008_MapInWrongState(t *testing.T) {
	trips(t, verify.MDL_008, does(func(k *irql.K) {
		mdl := locked(k, pagedBlock(k), irp.IoReadAccess)
		mapIt(k, mdl)
		mapIt(k, mdl)
	}))
	tripsAs(t, verify.MDL_008, 0xC4, "0xb3", does(func(k *irql.K) { mapIt(k, mdlFor(k, pagedBlock(k))) }))
	tripsAs(t, verify.MDL_008, 0xC4, "0xb3", does(func(k *irql.K) {
		irp.MmGetSystemAddressForMdlSafe(k, mdlFor(k, pagedBlock(k)), mapping)
	}))
}

// Near miss: MDL-008
func TestMDL008_MapUnmapMap(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoReadAccess)
		irp.MmUnmapLockedPages(k, mapIt(k, mdl), mdl)
		mapIt(k, mdl).Load8(0)
		undo(k, mdl, b)
	}))
}

// Rule: MDL-009
func TestMDL009_UnmapOfWhatIsNotMapped(t *testing.T) {
	trips(t, verify.MDL_009, does(func(k *irql.K) {
		mdl := locked(k, pagedBlock(k), irp.IoReadAccess)
		va := mapIt(k, mdl)
		irp.MmUnlockPages(k, mdl)
		irp.MmUnmapLockedPages(k, va, mdl)
	}))
	tripsAs(t, verify.MDL_009, 0xC4, "0xb9", does(func(k *irql.K) {
		mdl := locked(k, pagedBlock(k), irp.IoReadAccess)
		irp.MmUnmapLockedPages(k, mapIt(k, mdl).Slice(1, 1), mdl)
	}))
}

// Near miss: MDL-009
func TestMDL009_UnmapThenUnlock(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoReadAccess)
		irp.MmUnmapLockedPages(k, mapIt(k, mdl), mdl)
		undo(k, mdl, b)
	}))
}

// Rule: MDL-010
func TestMDL010_PartialOutside(t *testing.T) {
	f := tripsAs(t, verify.MDL_010, 0x12E, "mdl#1", does(func(k *irql.K) {
		b := alloc(k, 100)
		source := irp.IoAllocateMdl(k, b, 50, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, source)
		target := irp.IoAllocateMdl(k, b, 100, false, false, nil)
		irp.IoBuildPartialMdl(k, source, target, b, 100)
	}))
	assert.Equal(t, "100", f.Args[3].Value)
	tripsAs(t, verify.MDL_010, 0x12E, "mdl#1", does(func(k *irql.K) {
		b := alloc(k, 3*4096)
		source := built(k, b)
		target := irp.IoAllocateMdl(k, b, 4096, false, false, nil)
		irp.IoBuildPartialMdl(k, source, target, b, 2*4096)
	}))
}

// Near miss: MDL-010
func TestMDL010_PartialUpToTheEnd(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 100)
		source := built(k, b)
		target := irp.IoAllocateMdl(k, nil, 100, false, false, nil)
		irp.IoBuildPartialMdl(k, source, target, b.Slice(90, 0), 0)
		assert.Equal(t, uint32(10), irp.MmGetMdlByteCount(k, target))
		irp.IoFreeMdl(k, target)
		irp.IoFreeMdl(k, source)
		free(k, b)
	}))
}

// Rule: MDL-011
func TestMDL011_LockPagedAtDispatch(t *testing.T) {
	trips(t, verify.MDL_011, does(func(k *irql.K) {
		mdl := mdlFor(k, pagedBlock(k))
		at(k, irql.DISPATCH_LEVEL, func() {
			irp.MmProbeAndLockPages(k, mdl, irql.KernelMode,
				irp.IoReadAccess)
		})
	}))
	trips(t, verify.MDL_011, does(func(k *irql.K) {
		mdl := locked(k, pagedBlock(k), irp.IoReadAccess)
		at(k, irql.HIGH_LEVEL, func() { irp.MmUnlockPages(k, mdl) })
	}))
}

// Near miss: MDL-011
func TestMDL011_LockNonPagedUnlockAtDispatch(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b, c := alloc(k, 8), pagedBlock(k)
		mdl, one := mdlFor(k, b), locked(k, c, irp.IoReadAccess)
		at(k, irql.DISPATCH_LEVEL, func() {
			irp.MmProbeAndLockPages(k, mdl, irql.KernelMode, irp.IoReadAccess)
			irp.MmUnlockPages(k, mdl)
			irp.MmUnlockPages(k, one)
		})
		irp.IoFreeMdl(k, mdl)
		irp.IoFreeMdl(k, one)
		free(k, b)
		free(k, c)
	}))
}

// Rule: MDL-012
func TestMDL012_BugCheckOnFailure(t *testing.T) {
	trips(t, verify.MDL_012, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoReadAccess)
		irp.MmMapLockedPagesSpecifyCache(k, mdl, irql.KernelMode, irp.MmCached, nil, 1, mapping)
		undo(k, mdl, b)
	}))
}

// Near miss: MDL-012
func TestMDL012_NoBugCheck(t *testing.T) {
	avoids(t, verify.MDL_012, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoReadAccess)
		mapIt(k, mdl)
		undo(k, mdl, b)
	}))
}

// Rule: MDL-014
func TestMDL014_ReadOnlyBufferChanged(t *testing.T) {
	trips(t, verify.MDL_014, does(func(k *irql.K) {
		b := alloc(k, 8)
		pool.Lend(k, b, b.ID(), false)
		b.Store8(0, 1)
	}))
	trips(t, verify.MDL_014, does(func(k *irql.K) {
		b := alloc(k, 8)
		pool.Lend(k, b, b.ID(), false)
		b.Bytes()[0] = 1
		pool.Return(k, b, b.ID())
	}))
}

// Near miss: MDL-014
func TestMDL014_OtherBytesOrWritable(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		pool.Lend(k, b.Slice(0, 4), b.ID(), false)
		b.Store32(4, 1)
		pool.Return(k, b.Slice(0, 4), b.ID())
		pool.Lend(k, b, b.ID(), true)
		b.Store8(0, 1)
		pool.Return(k, b, b.ID())
		free(k, b)
	}))
}

// Rule: MDL-016
func TestMDL016_UsedAfterFree(t *testing.T) {
	for _, c := range []named[func(k *irql.K, mdl *irp.MDL)]{
		{"freed twice", irp.IoFreeMdl},
		{"byte count", func(k *irql.K, mdl *irp.MDL) { irp.MmGetMdlByteCount(k, mdl) }},
		{"flags", func(_ *irql.K, mdl *irp.MDL) { mdl.MdlFlags() }},
		{"mapped", func(k *irql.K, mdl *irp.MDL) { irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.MDL_016, does(func(k *irql.K) {
				mdl := built(k, alloc(k, 8))
				irp.IoFreeMdl(k, mdl)
				c.do(k, mdl)
			}))
		})
	}
	trips(t, verify.MDL_016, does(func(k *irql.K) {
		mdl := locked(k, pagedBlock(k), irp.IoReadAccess)
		va := mapIt(k, mdl)
		irp.MmUnlockPages(k, mdl)
		va.Load8(0)
	}))
}

// Near miss: MDL-016
func TestMDL016_FlagsAfterTheRun(t *testing.T) {
	var mdl *irp.MDL
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		mdl = built(k, b)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
	assert.NotZero(t, mdl.MdlFlags())
}

// Rule: MDL-018
func TestMDL018_MemoryFreedFirst(t *testing.T) {
	trips(t, verify.MDL_018, does(func(k *irql.K) {
		b := alloc(k, 8)
		built(k, b)
		free(k, b)
	}))
	trips(t, verify.MDL_018, does(func(k *irql.K) { mdlFor(k, irp.StackBuffer(k, 8)) }))
}

// Near miss: MDL-018
func TestMDL018_MdlFreedFirst(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 8)
		irp.IoFreeMdl(k, built(k, b))
		free(k, b)
		s := irp.StackBuffer(k, 8)
		irp.IoFreeMdl(k, mdlFor(k, s))
	}))
}

// Rule: MDL-019
func TestMDL019_BeyondByteCount(t *testing.T) {
	trips(t, verify.MDL_019, does(func(k *irql.K) {
		mdl := irp.IoAllocateMdl(k, alloc(k, 100), 50, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, mdl)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping).Load8(50)
	}))
}

// Near miss: MDL-019
func TestMDL019_LastByte(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		b := alloc(k, 100)
		mdl := irp.IoAllocateMdl(k, b, 50, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, mdl)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping).Load8(49)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}

// Rule: MDL-020
func TestMDL020_ExecutableMapping(t *testing.T) {
	trips(t, verify.MDL_020, does(func(k *irql.K) {
		b := alloc(k, 8)
		mdl := built(k, b)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, irp.NormalPagePriority)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}

// Near miss: MDL-020
func TestMDL020_NoExecute(t *testing.T) {
	avoids(t, verify.MDL_020, does(func(k *irql.K) {
		b := alloc(k, 8)
		mdl := built(k, b)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, irp.HighPagePriority|irp.MdlMappingNoExecute)
		irp.IoFreeMdl(k, mdl)
		free(k, b)
	}))
}

func TestLendMdl_TakenDownInUse(t *testing.T) {
	loan := pool.Loan{Owner: 1, Rule: verify.WSK_130, What: "the data of WskSend", Writable: true}
	for name, act := range map[string]func(k *irql.K, mdl *irp.MDL, b *irp.Buffer){
		"freed":    func(k *irql.K, mdl *irp.MDL, _ *irp.Buffer) { irp.IoFreeMdl(k, mdl) },
		"unlocked": func(k *irql.K, mdl *irp.MDL, _ *irp.Buffer) { irp.MmUnlockPages(k, mdl) },
		"memory":   func(k *irql.K, _ *irp.MDL, b *irp.Buffer) { free(k, b) },
	} {
		t.Run(name, func(t *testing.T) {
			tripsAs(t, verify.WSK_130, 0, "", does(func(k *irql.K) {
				b := pagedBlock(k)
				mdl := locked(k, b, irp.IoReadAccess)
				irp.Sim.LendMdl(k, mdl, loan)
				act(k, mdl, b)
			}))
		})
	}
	passes(t, does(func(k *irql.K) {
		b := pagedBlock(k)
		mdl := locked(k, b, irp.IoReadAccess)
		irp.Sim.LendMdl(k, mdl, loan)
		irp.Sim.ReturnMdl(k, mdl, 1)
		undo(k, mdl, b)
	}))
}

const (
	ioctlIn  = 0x222001 // METHOD_IN_DIRECT
	ioctlOut = 0x222002 // METHOD_OUT_DIRECT
)

// direct sends a device control with buf as the direct buffer to a driver that does fn with the mapped
// buffer.
func direct(l *lab, code uint32, fn func(k *irql.K, va *irp.Buffer), buf *irp.Buffer) {
	d := l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
		fn(k, irp.MmGetSystemAddressForMdlSafe(k, p.MdlAddress(), mapping))
		return complete(k, p, ok)
	})[0]
	l.run(func(k *irql.K) {
		var event irql.KEVENT
		var iosb irp.IO_STATUS_BLOCK
		irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
		p := irp.IoBuildDeviceIoControlRequest(k, code, d.dev, nil, 0, buf, 8, false, &event, &iosb)
		irp.IoCallDriver(k, d.dev, p)
	})
}

func TestDirectIO_DriverWritesIntoTheCallersPages(t *testing.T) {
	passes(t, func(l *lab) {
		buf := pool.AllocUser(l.m, 8)
		var kept *irp.Buffer
		direct(l, ioctlOut, func(k *irql.K, va *irp.Buffer) {
			kept = va
			at(k, irql.DISPATCH_LEVEL, func() { va.Store8(0, 5) })
		}, buf)
		assert.Equal(t, byte(5), buf.Load8(0))
		assert.False(t, pool.Lent(buf))
		assert.NotNil(t, kept)
	})
}

func TestDirectIO_MappingEndsWithTheRequest(t *testing.T) {
	trips(t, verify.MDL_016, func(l *lab) {
		var kept *irp.Buffer
		direct(l, ioctlOut, func(_ *irql.K, va *irp.Buffer) { kept = va }, pool.AllocUser(l.m, 8))
		l.run(func(*irql.K) { kept.Load8(0) })
	})
}

func TestMDL014_InputBufferOfADirectRequest(t *testing.T) {
	trips(t, verify.MDL_014, func(l *lab) {
		direct(l, ioctlIn, func(_ *irql.K, va *irp.Buffer) { va.Bytes()[0] = 1 }, pool.AllocUser(l.m, 8))
	})
}

// TestMmMapLockedPagesSpecifyCache_ForUserMode: refused, and with continue it fails like one in a full
// address space; nothing of it is left.
func TestMmMapLockedPagesSpecifyCache_ForUserMode(t *testing.T) {
	l := newLab(t, ke.Config{Continue: true})
	l.run(func(k *irql.K) {
		b := alloc(k, 100)
		mdl := locked(k, b, irp.IoReadAccess)
		func() {
			defer func() {
				assert.Equal(t, irql.Exception{Status: ntstatus.STATUS_INSUFFICIENT_RESOURCES,
					Routine: "MmMapLockedPagesSpecifyCache"}, recover())
			}()
			irp.MmMapLockedPagesSpecifyCache(k, mdl, irql.UserMode, irp.MmCached, nil, 0, mapping)
		}()
		assert.Zero(t, mdl.MdlFlags()&irp.MDL_MAPPED_TO_SYSTEM_VA)
		undo(k, mdl, b)
	})
	assert.Len(t, l.m.Findings(), 1)
	f := l.m.Findings()[0]
	assert.Equal(t, irp.NotModelled, f.Name())
	assert.Equal(t, verify.Error, f.Severity())
	assert.Contains(t, f.Headline, "in UserMode: mappings in user space are not modelled")
}
