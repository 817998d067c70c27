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

// The rules about how an IRP is prepared for IoCallDriver and kept afterwards.

// assigns copies the location by hand and sends the IRP on.
func assigns(routine irp.IO_COMPLETION_ROUTINE) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		*irp.IoGetNextIrpStackLocation(k, p) = *irp.IoGetCurrentIrpStackLocation(k, p)
		if routine != nil {
			irp.IoSetCompletionRoutine(k, p, routine, nil, true, true, true)
		}
		return irp.IoCallDriver(k, d.below, p)
	}
}

// Rule: IRP-016
func TestIoCallDriver_LocationCopiedByAssignmentWithAMark(t *testing.T) {
	trips(t, verify.IRP_016, func(l *lab) {
		st := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			assigns(nil)(k, d, p)
			return pending
		}, completes(ok))
		l.run(func(k *irql.K) {
			event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
			irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, event, iosb.Get()))
		})
	})
}

// Near miss: IRP-016
func TestIoSetCompletionRoutine_MakesAnAssignedLocationGood(t *testing.T) {
	passes(t, func(l *lab) { l.through(assigns(propagate), completes(ok)) })
	passes(t, func(l *lab) { l.through(forwards(nil), completes(ok)) })
}

// threadedAt sends a threaded request at a level, or in a region, and comes back.
func threadedAt(enter, leave func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
			p := ioctl(k, st[0].dev, event, iosb.Get())
			enter(k)
			irp.IoCallDriver(k, st[0].dev, p)
			leave(k)
		})
	}
}

// Rule: IRP-056
func TestIoCallDriver_ThreadedWhereNoApcRuns(t *testing.T) {
	var old irql.KIRQL
	lower := func(k *irql.K) { irql.KeLowerIrql(k, old) }
	for _, level := range []irql.KIRQL{irql.APC_LEVEL, irql.DISPATCH_LEVEL} {
		trips(t, verify.IRP_056, threadedAt(func(k *irql.K) { irql.KeRaiseIrql(k, level, &old) }, lower))
	}
	trips(t, verify.IRP_056, threadedAt(irql.KeEnterGuardedRegion, irql.KeLeaveGuardedRegion))
}

// Near miss: IRP-056
func TestIoCallDriver_ThreadedInACriticalRegion(t *testing.T) {
	passes(t, threadedAt(irql.KeEnterCriticalRegion, irql.KeLeaveCriticalRegion))
}

// Rule: IRP-064
func TestIoCallDriver_CopiedWithoutARoutine(t *testing.T) {
	f := trips(t, verify.IRP_064, func(l *lab) { l.through(forwards(nil), completes(ok)) })
	assert.Equal(t, verify.Note, f.Severity())
}

// Near miss: IRP-064
func TestIoCallDriver_SkippedWithoutARoutine(t *testing.T) {
	avoids(t, verify.IRP_064, func(l *lab) { l.through(forwards(propagate), skips, completes(ok)) })
}

// Rule: IRP-066
func TestIoCallDriver_PastADevice(t *testing.T) {
	f := trips(t, verify.IRP_066, func(l *lab) {
		var st []*driver
		st = l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoSkipCurrentIrpStackLocation(k, p)
			return irp.IoCallDriver(k, st[2].dev, p)
		}, skips, completes(ok))
		l.send(st[0])
	})
	assert.Equal(t, verify.Warning, f.Severity())
}

// Near miss: IRP-066
func TestIoCallDriver_ToAnotherStack(t *testing.T) {
	passes(t, func(l *lab) {
		other := l.stack(completes(ok))[0]
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoSkipCurrentIrpStackLocation(k, p)
			return irp.IoCallDriver(k, other.dev, p)
		}, completes(ok))
	})
}

// holdsLate is holds for an IRP that may have been cancelled before; look does what must follow.
func holdsLate(look bool) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoMarkIrpPending(k, p)
		irp.IoSetCancelRoutine(k, p, cancelled)
		if look && p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil {
			complete(k, p, ntstatus.STATUS_CANCELLED)
		}
		return pending
	}
}

// cancelsFirst cancels a request before it is sent.
func cancelsFirst(low dispatch) func(l *lab) {
	return func(l *lab) {
		st := l.stack(low)
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCancelIrp(k, p)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	}
}

// Rule: IRP-026
func TestIoSetCancelRoutine_WithoutALookAtCancel(t *testing.T) {
	f := trips(t, verify.IRP_026, cancelsFirst(holdsLate(false)))
	assert.Contains(t, f.Headline, "nobody will call cancelled")
}

// Near miss: IRP-026
func TestIoSetCancelRoutine_ThenALookAtCancel(t *testing.T) { passes(t, cancelsFirst(holdsLate(true))) }

// Rule: LOCK-020
func TestIoCancelIrp_UnderALockOfTheCancelRoutine(t *testing.T) {
	var lock irql.KSPIN_LOCK
	takesIt := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		irql.KeAcquireSpinLockAtDpcLevel(k, &lock) // inside the cancel lock
		irql.KeReleaseSpinLockFromDpcLevel(k, &lock)
		cancelled(k, nil, p)
	}
	f := trips(t, verify.LOCK_020, func(l *lab) {
		st := l.stack(holds(takesIt))
		l.run(func(k *irql.K) {
			lock = irql.KSPIN_LOCK{}
			irql.KeInitializeSpinLock(k, &lock)
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			irp.IoCancelIrp(k, p)
			var old, cancel irql.KIRQL
			irql.KeAcquireSpinLock(k, &lock, &old)
			irp.IoAcquireCancelSpinLock(k, &cancel)
			irp.IoReleaseCancelSpinLock(k, cancel)
			irql.KeReleaseSpinLock(k, &lock, old)
		})
	})
	assert.Contains(t, f.Also, verify.LOCK_003)
}

// TestIoAcquireCancelSpinLock_NotReleased: the lock has a number of its own at the end of a callback, too.
func TestIoAcquireCancelSpinLock_NotReleased(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
		complete(k, p, ok)
		var old irql.KIRQL
		irp.IoAcquireCancelSpinLock(k, &old)
		return ok
	})
	l.expect(verify.LOCK_020)
}

// Near miss: LOCK-020
func TestIoAcquireCancelSpinLock_UnderALockNobodyTakesInside(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var lock irql.KSPIN_LOCK
			irql.KeInitializeSpinLock(k, &lock)
			var old, cancel irql.KIRQL
			irql.KeAcquireSpinLock(k, &lock, &old)
			irp.IoAcquireCancelSpinLock(k, &cancel)
			irp.IoReleaseCancelSpinLock(k, cancel)
			irql.KeReleaseSpinLock(k, &lock, old)
		})
	})
}

// TestIrp_WhatTheIoManagerKeepsInIt: observed: reactos, kmtests IoIrp and IoDeviceObject.
func TestIrp_WhatTheIoManagerKeepsInIt(t *testing.T) {
	const fixed = irp.IRP_ALLOCATED_FIXED_SIZE
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			for _, c := range []struct {
				n     int8
				quota bool
				want  uint8
			}{{2, false, fixed}, {2, true, fixed | irp.IRP_LOOKASIDE_ALLOCATION}, {9, false, 0},
				{9, true, irp.IRP_QUOTA_CHARGED}} {
				p := irp.IoAllocateIrp(k, c.n, c.quota)
				assert.Equal(t, c.want, p.AllocationFlags(), "%v", c)
				assert.Nil(t, p.UserIosb())
				assert.Nil(t, p.UserEvent())
				assert.True(t, irp.IsListEmpty(k, p.ThreadListEntry()))
				irp.IoFreeIrp(k, p)
			}
			event := irql.OnStack[irql.KEVENT](k)
			iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
			p := ioctl(k, st[0].dev, event, iosb.Get())
			assert.Same(t, iosb.Get(), p.UserIosb())
			assert.Same(t, event, p.UserEvent())
			assert.False(t, irp.IsListEmpty(k, p.ThreadListEntry()))
			irp.IoCallDriver(k, st[0].dev, p)
		})
		assert.Zero(t, st[0].dev.ReferenceCount)
	}, ke.Pin{Site: "fault/IoAllocateIrp"}, ke.Pin{Site: "fault/IoBuildDeviceIoControlRequest"})
	passes(t, func(l *lab) {
		c := new(control).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			h := openIt(l.t, k, p)
			assert.EqualValues(t, 1, c.dev.ReferenceCount)
			h.Close(k)
			assert.Zero(t, c.dev.ReferenceCount)
		})
	}, noFaults...)
}
