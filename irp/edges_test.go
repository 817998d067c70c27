package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Cases at the edge of rules that have their plain case elsewhere.

// TestIRP_MemoryThatIsNoIrp and a device object that IoCreateDevice did not make are named, no panic.
func TestIRP_MemoryThatIsNoIrp(t *testing.T) {
	f := trips(t, verify.IRP_018, func(l *lab) {
		l.run(func(k *irql.K) { irp.IoFreeIrp(k, &irp.IRP{}) })
	})
	assert.Contains(t, f.Headline, "no IRP")
	f = trips(t, verify.IRP_019, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			irp.IoCallDriver(k, &irp.DEVICE_OBJECT{}, request(k, st[0].dev, freeIt, nil))
		})
	})
	assert.Contains(t, f.Headline, "did not make")
}

// TestIoCallDriver_ToADeletedDeviceThatIsReferenced: a reference keeps the device object (rules.md, IRP-019).
func TestIoCallDriver_ToADeletedDeviceThatIsReferenced(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			irp.ObReferenceObject(k, st[0].dev)
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoDeleteDevice(k, st[0].dev)
			irp.IoCallDriver(k, st[0].dev, p)
			irp.ObDereferenceObject(k, st[0].dev)
		})
	})
}

// fromLocation sends an IRP whose creator has a location of its own, with a routine for some of the cases.
func fromLocation(success, failure, cancel bool) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, st[0].dev.StackSize+1, false)
			irp.IoSetNextIrpStackLocation(k, p)
			irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
			irp.IoSetCompletionRoutine(k, p, freeIt, nil, success, failure, cancel)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	}
}

func TestIoCallDriver_FromACreatorWithALocation(t *testing.T) {
	trips(t, verify.IRP_071, fromLocation(true, true, false))
	f := trips(t, verify.IRP_036, fromLocation(false, false, false))
	assert.Contains(t, f.Headline, "sent without a completion routine")
	passes(t, fromLocation(true, true, true))
}

// TestIoCallDriver_AgainWithoutSettingTheRoutineAgain: the first climb has cleared the location.
func TestIoCallDriver_AgainWithoutSettingTheRoutineAgain(t *testing.T) {
	f := trips(t, verify.IRP_036, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, stopIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	})
	assert.Contains(t, f.Headline, "sent without a completion routine")
}

// TestUnload_WithAnIrpStillKept: a received IRP that nobody is left to complete (rules.md, IRP-040).
func TestUnload_WithAnIrpStillKept(t *testing.T) {
	f := trips(t, verify.IRP_040, func(l *lab) {
		st := l.stack(keeps)
		st[0].obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, st[0].dev) }
		l.send(st[0])
		l.unload(st[0].obj)
	})
	assert.Equal(t, "drv0.sys", f.Driver)
	passes(t, func(l *lab) {
		st := l.stack(keeps)
		st[0].obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			complete(k, st[0].kept, ntstatus.STATUS_CANCELLED)
			irp.IoDeleteDevice(k, st[0].dev)
		}
		l.send(st[0])
		l.unload(st[0].obj)
	})
}

// TestUnload_WorkItemThatNeverEnds is a wait that nobody can end, not a machine that never comes to rest.
func TestUnload_WorkItemThatNeverEnds(t *testing.T) {
	l := newLab(t, ke.Config{})
	st := l.stack(completes(ok))
	st[0].obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
		w := irp.IoAllocateWorkItem(k, st[0].dev)
		irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
			never := irql.OnStack[irql.KEVENT](k)
			irql.KeInitializeEvent(k, never, irql.NotificationEvent, false)
			waitFor(k, never)
		}, irp.DelayedWorkQueue, nil)
		irp.IoDeleteDevice(k, st[0].dev)
	}
	require.True(t, irp.Sim.UnloadDriver(l.m, st[0].obj))
	l.rest()
	assert.Len(t, l.expect(verify.LOCK_026).Blocked, 2)
	assert.False(t, st[0].obj.Unloaded())
}

// TestRoutine_LeavesALockAndTheLevel is one act and one finding; the level's rule is in its also list.
func TestRoutine_LeavesALockAndTheLevel(t *testing.T) {
	locks := func(k *irql.K) {
		var lock irql.KSPIN_LOCK
		var old irql.KIRQL
		irql.KeInitializeSpinLock(k, &lock)
		irql.KeAcquireSpinLock(k, &lock, &old)
	}
	for _, c := range []struct {
		scenario func(l *lab)
		also     verify.RuleID
	}{{throughRoutine(leaves(locks)), verify.IRP_052}, {throughDispatch(locks), verify.IRP_057}} {
		l := newLab(t, ke.Config{})
		c.scenario(l)
		assert.Equal(t, []verify.RuleID{c.also}, l.expect(verify.LOCK_008).Also)
	}
}

// TestIoReleaseCancelSpinLock_ToAnotherLevel than the one IoAcquireCancelSpinLock returned.
func TestIoReleaseCancelSpinLock_ToAnotherLevel(t *testing.T) {
	for _, level := range []irql.KIRQL{irql.APC_LEVEL, irql.DISPATCH_LEVEL, 77} {
		l := newLab(t, ke.Config{})
		l.run(func(k *irql.K) {
			var old irql.KIRQL
			irp.IoAcquireCancelSpinLock(k, &old)
			irp.IoReleaseCancelSpinLock(k, level)
		})
		l.expect(verify.LOCK_010)
	}
}

// TestIoCompleteRequest_WithoutK is harness misuse by name, as for every routine.
func TestIoCompleteRequest_WithoutK(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.as(l.image, func(k *irql.K) { irp.IoCompleteRequest(nil, irp.IoAllocateIrp(k, 1, false), 0) })
	defer func() {
		misuse, is := recover().(ke.Misuse)
		require.True(t, is)
		assert.Contains(t, string(misuse), "nil K")
	}()
	l.m.Run(nil)
}

// TestIO_REMOVE_LOCK_OfAnEarlierRun counts as never initialised: it may be initialised, and must be.
func TestIO_REMOVE_LOCK_OfAnEarlierRun(t *testing.T) {
	var lock irp.IO_REMOVE_LOCK
	m := ke.New(ke.Config{Subsystems: subsystems.All()})
	t.Cleanup(m.Close)
	run := func(initialise bool) []verify.Finding {
		m.Reset(ke.Config{Subsystems: subsystems.All()})
		m.NewThread("t", nil, func(k *ke.K) {
			if initialise {
				irp.IoInitializeRemoveLock(k, &lock, 0, 0, 0)
			}
			irp.IoAcquireRemoveLock(k, &lock, nil)
		})
		m.Run(nil)
		return m.Findings()
	}
	assert.Empty(t, run(true))
	assert.Empty(t, run(true))
	require.Len(t, run(false), 1)
	assert.Equal(t, verify.LOCK_021, m.Findings()[0].Rule)
}

// TestIoSkip_FollowedByWhatShiftsTheLocations: a second skip would give away the location of the driver
// above, a copy would overwrite the caller's own.
func TestIoSkip_FollowedByWhatShiftsTheLocations(t *testing.T) {
	for _, second := range []func(k *irql.K, p *irp.IRP){
		irp.IoSkipCurrentIrpStackLocation, irp.IoCopyCurrentIrpStackLocationToNext} {
		trips(t, verify.IRP_017, func(l *lab) {
			l.through(forwards(propagate), func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoSkipCurrentIrpStackLocation(k, p)
				second(k, p)
				return irp.IoCallDriver(k, d.below, p)
			}, completes(ok))
		})
	}
}

// TestIoCompleteRequest_NeverSentFromALocation is the warning of a creator that took a location.
func TestIoCompleteRequest_NeverSentFromALocation(t *testing.T) {
	trips(t, verify.IRP_065, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			event, iosb := irql.OnStack[irql.KEVENT](k), new(irp.IO_STATUS_BLOCK)
			p := ioctl(k, st[0].dev, event, iosb)
			irp.IoSetNextIrpStackLocation(k, p)
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		})
	})
}

// TestIoBuild_BufferFreed: METHOD_NEITHER hands the buffer on without touching it.
func TestIoBuild_BufferFreed(t *testing.T) {
	trips(t, verify.IRP_061, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, irp.Tag("Lent"))
			irp.ExFreePoolWithTag(k, b, irp.Tag("Lent"))
			irp.IoBuildDeviceIoControlRequest(k, ioctlTest|irp.METHOD_NEITHER, st[0].dev, b, 64, nil, 0,
				false, nil, nil)
		})
	})
}

// TestContinue_LevelLeftIsReportedOnce: callbacks around the one that left it are not reported as well.
func TestContinue_LevelLeftIsReportedOnce(t *testing.T) {
	toAPC := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		irp.IoReleaseCancelSpinLock(k, irql.APC_LEVEL)
		complete(k, p, ntstatus.STATUS_CANCELLED)
	}
	for _, c := range []struct {
		scenario func(l *lab)
		rule     verify.RuleID
	}{
		{throughRoutine(leaves(raises)), verify.IRP_052},
		{throughRoutine(leaves(irql.KeEnterCriticalRegion)), verify.IRP_052},
		{throughDispatch(raises), verify.IRP_057},
		{func(l *lab) {
			st := l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoMarkIrpPending(k, p)
				irp.IoSetCancelRoutine(k, p, toAPC)
				return pending
			})
			l.run(func(k *irql.K) {
				p := request(k, st[0].dev, freeIt, nil)
				irp.IoCallDriver(k, st[0].dev, p)
				irp.IoCancelIrp(k, p)
			})
		}, verify.IRP_025},
	} {
		l := newLab(t, ke.Config{Continue: true})
		c.scenario(l)
		l.expect(c.rule)
	}
}
