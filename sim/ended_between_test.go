package sim

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// use is a routine that is given an object, and what ends the object's life.
type use struct {
	name     string
	act, end func(k *irql.K)
}

// inBlock is a use of an object in pool memory that is freed.
func inBlock[T any](name string, initialise, act func(k *irql.K, p *T)) func(k *irql.K, m *Machine) *use {
	return func(k *irql.K, _ *Machine) *use {
		block := irp.New[T](k, irp.POOL_FLAG_NON_PAGED, everyTag)
		p := block.Get()
		initialise(k, p)
		return &use{name, func(k *irql.K) { act(k, p) }, func(k *irql.K) { irp.Free(k, block, everyTag) }}
	}
}

func set(k *irql.K, e *irql.KEVENT) { irql.KeInitializeEvent(k, e, irql.NotificationEvent, true) }

func waits[T any](name string, initialise func(k *irql.K, p *T)) func(k *irql.K, m *Machine) *use {
	return inBlock(name, initialise, func(k *irql.K, p *T) {
		var now int64
		irql.KeWaitForSingleObject(k, p, irql.Executive, irql.KernelMode, false, &now)
	})
}

func spin(k *irql.K, p *irql.KSPIN_LOCK) { irql.KeInitializeSpinLock(k, p) }
func timer(k *irql.K, p *irql.KTIMER)    { irql.KeInitializeTimer(k, p) }
func dpc(k *irql.K, p *irql.KDPC) {
	irql.KeInitializeDpc(k, p, func(*irql.K, *irql.KDPC, any, any, any) {}, nil)
}
func rundown(k *irql.K, p *irql.EX_RUNDOWN_REF) { irql.ExInitializeRundownProtection(k, p) }
func atDispatch(act func(k *irql.K)) func(k *irql.K) {
	return func(k *irql.K) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		act(k)
		irql.KeLowerIrql(k, old)
	}
}

// uses are routines of every kind of object, each alone with the end of its object's life.
var uses = []func(k *irql.K, m *Machine) *use{
	inBlock("KeSetEvent", set, func(k *irql.K, p *irql.KEVENT) { irql.KeSetEvent(k, p, 0, false) }),
	inBlock("KePulseEvent", set, func(k *irql.K, p *irql.KEVENT) { irql.KePulseEvent(k, p, 0, false) }),
	inBlock("KeResetEvent", set, func(k *irql.K, p *irql.KEVENT) { irql.KeResetEvent(k, p) }),
	inBlock("KeClearEvent", set, func(k *irql.K, p *irql.KEVENT) { irql.KeClearEvent(k, p) }),
	inBlock("KeReadStateEvent", set, func(k *irql.K, p *irql.KEVENT) { irql.KeReadStateEvent(k, p) }),
	waits("KeWaitForSingleObject, event", set),
	waits("KeWaitForSingleObject, timer", timer),
	waits("KeWaitForSingleObject, mutex",
		func(k *irql.K, p *irql.KMUTEX) { irql.KeInitializeMutex(k, p, 0) }),
	waits("KeWaitForSingleObject, semaphore",
		func(k *irql.K, p *irql.KSEMAPHORE) { irql.KeInitializeSemaphore(k, p, 1, 2) }),
	inBlock("KeWaitForMultipleObjects", set, func(k *irql.K, p *irql.KEVENT) {
		var now int64
		irql.KeWaitForMultipleObjects(k, 1, []any{p}, irql.WaitAny, irql.Executive, irql.KernelMode, false,
			&now, nil)
	}),
	inBlock("KeReleaseSemaphore", func(k *irql.K, p *irql.KSEMAPHORE) {
		irql.KeInitializeSemaphore(k, p, 0, 2)
	}, func(k *irql.K, p *irql.KSEMAPHORE) { irql.KeReleaseSemaphore(k, p, 0, 1, false) }),
	inBlock("KeReadStateSemaphore", func(k *irql.K, p *irql.KSEMAPHORE) {
		irql.KeInitializeSemaphore(k, p, 0, 2)
	}, func(k *irql.K, p *irql.KSEMAPHORE) { irql.KeReadStateSemaphore(k, p) }),
	inBlock("KeReadStateMutex", func(k *irql.K, p *irql.KMUTEX) { irql.KeInitializeMutex(k, p, 0) },
		func(k *irql.K, p *irql.KMUTEX) { irql.KeReadStateMutex(k, p) }),
	inBlock("KeSetTimer", timer, func(k *irql.K, p *irql.KTIMER) {
		irql.KeSetTimer(k, p, -10, nil)
		irql.KeCancelTimer(k, p)
	}),
	inBlock("KeCancelTimer", timer, func(k *irql.K, p *irql.KTIMER) { irql.KeCancelTimer(k, p) }),
	inBlock("KeReadStateTimer", timer, func(k *irql.K, p *irql.KTIMER) { irql.KeReadStateTimer(k, p) }),
	inBlock("KeRemoveQueueDpc", dpc, func(k *irql.K, p *irql.KDPC) { irql.KeRemoveQueueDpc(k, p) }),
	inBlock("KeInsertQueueDpc", dpc, func(k *irql.K, p *irql.KDPC) { irql.KeInsertQueueDpc(k, p, nil, nil) }),
	inBlock("KeAcquireSpinLock", spin, func(k *irql.K, p *irql.KSPIN_LOCK) {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, p, &old)
		irql.KeReleaseSpinLock(k, p, old)
	}),
	inBlock("KeTestSpinLock", spin, func(k *irql.K, p *irql.KSPIN_LOCK) { irql.KeTestSpinLock(k, p) }),
	inBlock("KeTryToAcquireSpinLockAtDpcLevel", spin, func(k *irql.K, p *irql.KSPIN_LOCK) {
		atDispatch(func(k *irql.K) {
			if irql.KeTryToAcquireSpinLockAtDpcLevel(k, p) {
				irql.KeReleaseSpinLockFromDpcLevel(k, p)
			}
		})(k)
	}),
	inBlock("KeAcquireInStackQueuedSpinLock", spin, func(k *irql.K, p *irql.KSPIN_LOCK) {
		var h irql.KLOCK_QUEUE_HANDLE
		irql.KeAcquireInStackQueuedSpinLock(k, p, &h)
		irql.KeReleaseInStackQueuedSpinLock(k, &h)
	}),
	inBlock("ExAcquireFastMutex", func(k *irql.K, p *irql.FAST_MUTEX) { irql.ExInitializeFastMutex(k, p) },
		func(k *irql.K, p *irql.FAST_MUTEX) {
			irql.ExAcquireFastMutex(k, p)
			irql.ExReleaseFastMutex(k, p)
		}),
	inBlock("KeTryToAcquireGuardedMutex", func(k *irql.K, p *irql.KGUARDED_MUTEX) {
		irql.KeInitializeGuardedMutex(k, p)
	}, func(k *irql.K, p *irql.KGUARDED_MUTEX) {
		if irql.KeTryToAcquireGuardedMutex(k, p) {
			irql.KeReleaseGuardedMutex(k, p)
		}
	}),
	inBlock("ExAcquirePushLockExclusive", func(k *irql.K, p *irql.EX_PUSH_LOCK) {
		irql.ExInitializePushLock(k, p)
	}, func(k *irql.K, p *irql.EX_PUSH_LOCK) {
		irql.KeEnterCriticalRegion(k)
		irql.ExAcquirePushLockExclusive(k, p)
		irql.ExReleasePushLockExclusive(k, p)
		irql.KeLeaveCriticalRegion(k)
	}),
	inBlock("ExAcquireRundownProtection", rundown, func(k *irql.K, p *irql.EX_RUNDOWN_REF) {
		if irql.ExAcquireRundownProtection(k, p) {
			irql.ExReleaseRundownProtection(k, p)
		}
	}),
	inBlock("ExWaitForRundownProtectionRelease", rundown,
		func(k *irql.K, p *irql.EX_RUNDOWN_REF) { irql.ExWaitForRundownProtectionRelease(k, p) }),
	inBlock("ExReInitializeRundownProtection", func(k *irql.K, p *irql.EX_RUNDOWN_REF) {
		irql.ExInitializeRundownProtection(k, p)
		irql.ExWaitForRundownProtectionRelease(k, p)
	}, func(k *irql.K, p *irql.EX_RUNDOWN_REF) { irql.ExReInitializeRundownProtection(k, p) }),
	inBlock("IoAcquireRemoveLock", func(k *irql.K, p *irp.IO_REMOVE_LOCK) {
		irp.IoInitializeRemoveLock(k, p, everyTag, 0, 0)
	}, func(k *irql.K, p *irp.IO_REMOVE_LOCK) { irp.IoAcquireRemoveLock(k, p, 1) }),
	inBlock("KeInsertDeviceQueue", func(k *irql.K, p *irp.KDEVICE_QUEUE) {
		irp.KeInitializeDeviceQueue(k, p)
	}, func(k *irql.K, p *irp.KDEVICE_QUEUE) {
		atDispatch(func(k *irql.K) { irp.KeInsertDeviceQueue(k, p, new(irp.KDEVICE_QUEUE_ENTRY)) })(k)
	}),
	inBlock("IsListEmpty", func(k *irql.K, p *irp.LIST_ENTRY) { irp.InitializeListHead(k, p) },
		func(k *irql.K, p *irp.LIST_ENTRY) { irp.IsListEmpty(k, p) }),
	inBlock("InsertTailList", func(k *irql.K, p *irp.LIST_ENTRY) { irp.InitializeListHead(k, p) },
		func(k *irql.K, p *irp.LIST_ENTRY) {
			e := new(irp.LIST_ENTRY)
			irp.InsertTailList(k, p, e)
			irp.RemoveEntryList(k, e)
		}),
	ofIRP("IoCancelIrp", func(k *irql.K, p *irp.IRP) { irp.IoCancelIrp(k, p) }),
	ofIRP("IoSetCancelRoutine", func(k *irql.K, p *irp.IRP) { irp.IoSetCancelRoutine(k, p, nil) }),
	ofIRP("IoReuseIrp", func(k *irql.K, p *irp.IRP) { irp.IoReuseIrp(k, p, 0) }),
	ofIRP("IoSetNextIrpStackLocation", func(k *irql.K, p *irp.IRP) { irp.IoSetNextIrpStackLocation(k, p) }),
	ofIRP("IoGetNextIrpStackLocation", func(k *irql.K, p *irp.IRP) {
		irp.IoGetNextIrpStackLocation(k, p).MajorFunction()
	}),
	ofIRP("IoSetCompletionRoutine", func(k *irql.K, p *irp.IRP) {
		irp.IoSetCompletionRoutine(k, p, func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS {
			return 0
		}, nil, true, true, true)
	}),
	ofIRP("IoMarkIrpPending", func(k *irql.K, p *irp.IRP) {
		irp.IoSetNextIrpStackLocation(k, p)
		irp.IoMarkIrpPending(k, p)
	}),
	ofMDL("MmGetSystemAddressForMdlSafe", func(k *irql.K, p *irp.MDL) {
		irp.MmGetSystemAddressForMdlSafe(k, p, irp.NormalPagePriority)
	}),
	ofMDL("IoBuildPartialMdl", func(k *irql.K, p *irp.MDL) {
		other := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, everyTag)
		part := irp.IoAllocateMdl(k, other, 32, false, false, nil)
		irp.IoBuildPartialMdl(k, p, part, irp.MmGetMdlVirtualAddress(k, p), 16)
	}),
	ofMDL("MmAdvanceMdl", func(k *irql.K, p *irp.MDL) { irp.MmAdvanceMdl(k, p, 8) }),
	ofMDL("MmPrepareMdlForReuse", func(k *irql.K, p *irp.MDL) { irp.MmPrepareMdlForReuse(k, p) }),
}

// more are those whose objects do not lie in memory of the driver.
var more = []func(k *irql.K, m *Machine) *use{
	func(k *irql.K, m *Machine) *use {
		var list irp.LOOKASIDE_LIST_EX
		irp.ExInitializeLookasideListEx(k, &list, nil, nil, irp.NonPagedPoolNx, 0, 16, everyTag, 0)
		return &use{"ExAllocateFromLookasideListEx", func(k *irql.K) {
			irp.ExFreeToLookasideListEx(k, &list, irp.ExAllocateFromLookasideListEx(k, &list))
		}, func(k *irql.K) { irp.ExDeleteLookasideListEx(k, &list) }}
	},
	func(k *irql.K, m *Machine) *use {
		var c *irp.CALLBACK_OBJECT
		irp.ExCreateCallback(k, &c, &irp.OBJECT_ATTRIBUTES{}, true, true)
		return &use{"ExNotifyCallback", func(k *irql.K) { irp.ExNotifyCallback(k, c, nil, nil) },
			func(k *irql.K) { irp.ObDereferenceObject(k, c) }}
	},
	func(k *irql.K, m *Machine) *use {
		var c *irp.CALLBACK_OBJECT
		irp.ExCreateCallback(k, &c, &irp.OBJECT_ATTRIBUTES{}, true, true)
		return &use{"ExRegisterCallback", func(k *irql.K) {
			irp.ExRegisterCallback(k, c, func(*irql.K, any, any, any) {}, nil)
		}, func(k *irql.K) { irp.ObDereferenceObject(k, c) }}
	},
	func(k *irql.K, m *Machine) *use {
		list, e := new(irp.LIST_ENTRY), irp.New[irp.LIST_ENTRY](k, irp.POOL_FLAG_NON_PAGED, everyTag)
		irp.InitializeListHead(k, list)
		return &use{"InsertTailList, entry", func(k *irql.K) {
			irp.InsertTailList(k, list, e.Get())
		}, func(k *irql.K) { irp.Free(k, e, everyTag) }}
	},
}

func ofIRP(name string, act func(k *irql.K, p *irp.IRP)) func(k *irql.K, m *Machine) *use {
	return func(k *irql.K, _ *Machine) *use {
		p := irp.IoAllocateIrp(k, 2, false)
		return &use{name, func(k *irql.K) { act(k, p) }, func(k *irql.K) { irp.IoFreeIrp(k, p) }}
	}
}

func ofMDL(name string, act func(k *irql.K, p *irp.MDL)) func(k *irql.K, m *Machine) *use {
	return func(k *irql.K, _ *Machine) *use {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, everyTag)
		p := irp.IoAllocateMdl(k, b, 64, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, p)
		return &use{name, func(k *irql.K) { act(k, p) }, func(k *irql.K) { irp.IoFreeMdl(k, p) }}
	}
}

// An object can end between the look that a routine takes at it and what the routine does. In no order may a
// routine go on with what is gone without a finding: a run without one is a run in which it came to an end
// before. What is assumed is that a routine and the line behind it are one step, if nothing is handed over.
func TestObjects_EndBetweenTheLookAndTheEffect(t *testing.T) {
	for _, makes := range slices.Concat(uses, more) {
		var u *use
		var acted, first bool
		silent := 0
		r := Explore(t, ExploreOptions{Options: Options{Collect: true, Memory: true}, Strategy: "dpor",
			Faults: -1, KeepGoing: true}, func(m *Machine) {
			acted, first = false, false
			m.Thread("user.sys", func(k *irql.K) {
				u = makes(k, m)
				m.Thread("user.sys", func(k *irql.K) {
					u.act(k)
					acted = true
				})
				m.Thread("ender.sys", func(k *irql.K) {
					u.end(k)
					first = !acted
				})
			})
			m.Run()
			if first && acted && len(m.Findings()) == 0 {
				silent++
			}
		})
		require.NotNil(t, u)
		assert.Zero(t, silent, "%s: runs in which it went on with an object that was gone", u.name)
		assert.NotEmpty(t, r.Failures, "%s", u.name)
	}
}
