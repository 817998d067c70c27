package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// sendsUnder makes a driver that forwards what it gets between begin and end.
func sendsUnder(begin, end func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoSkipCurrentIrpStackLocation(k, p)
			begin(k)
			s := irp.IoCallDriver(k, d.below, p)
			end(k)
			return s
		}, succeed)
	}
}

func succeed(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS { return complete(k, p, ok) }

// Rule: LOCK-013
func TestIoCallDriver_WithASpinLockHeld(t *testing.T) {
	var lock *irql.EX_SPIN_LOCK
	f := tripsEach(t, verify.LOCK_013, func(l *lab) {
		lock = new(irql.EX_SPIN_LOCK)
		var old irql.KIRQL
		sendsUnder(func(k *irql.K) { old = irql.ExAcquireSpinLockShared(k, lock) },
			func(k *irql.K) { irql.ExReleaseSpinLockShared(k, lock, old) })(l)
	})
	assert.Equal(t, verify.Warning, f.Severity())
	assert.Equal(t, "IoCallDriver with "+lock.ID().String()+" held: who is called may need it, or call back",
		f.Headline)
}

// Near miss: LOCK-013
func TestIoCallDriver_WithAPushLockHeld(t *testing.T) {
	passes(t, func(l *lab) {
		var lock irql.EX_PUSH_LOCK
		sendsUnder(func(k *irql.K) {
			irql.KeEnterCriticalRegion(k)
			irql.ExInitializePushLock(k, &lock)
			irql.ExAcquirePushLockShared(k, &lock)
		}, func(k *irql.K) {
			irql.ExReleasePushLockShared(k, &lock)
			irql.KeLeaveCriticalRegion(k)
		})(l)
	})
}

// waitsIn sends a threaded request that is completed later, and waits for it between begin and end.
func waitsIn(begin, end func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		var event irql.KEVENT
		var iosb irp.IO_STATUS_BLOCK
		d := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			d.kept = p
			return pending
		})[0]
		l.as(l.image, func(k *irql.K) {
			p := ioctl(k, d.dev, &event, &iosb)
			if p == nil {
				return
			}
			irp.IoCallDriver(k, d.dev, p)
			begin(k)
			waitFor(k, &event)
			end(k)
		})
		l.m.Run(nil)
		l.as(d.obj.Image(), func(k *irql.K) {
			if d.kept != nil {
				complete(k, d.kept, ok)
			}
		})
		l.m.Run(nil)
	}
}

// Rule: IRQL-017
func TestKeWaitForSingleObject_ForAThreadedRequestInAGuardedRegion(t *testing.T) {
	tripsEach(t, verify.IRQL_017, waitsIn(irql.KeEnterGuardedRegion, irql.KeLeaveGuardedRegion))
	tripsEach(t, verify.IRQL_017, waitsIn(func(k *irql.K) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.APC_LEVEL, &old)
	}, func(*irql.K) {}))
}

// Near miss: IRQL-017
func TestKeWaitForSingleObject_ForAThreadedRequestInACriticalRegion(t *testing.T) {
	passes(t, waitsIn(irql.KeEnterCriticalRegion, irql.KeLeaveCriticalRegion))
}

// Rule: IRQL-015
func TestZwClose_AboveAPassiveLevel(t *testing.T) {
	tripsEach(t, verify.IRQL_015, does(func(k *irql.K) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.APC_LEVEL, &old)
		irp.ZwClose(k, 0)
	}))
}

// unloadsResource loads a driver with a resource and unloads it.
func unloadsResource(unload func(k *irql.K, r *irql.ERESOURCE)) func(l *lab) {
	return func(l *lab) {
		var r irql.ERESOURCE
		drv := l.load("res.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { unload(k, &r) }
			return irql.ExInitializeResourceLite(k, &r)
		})
		assert.True(l.t, irp.Sim.UnloadDriver(l.m, drv))
		l.m.Run(nil)
	}
}

// Rule: UNLOAD-005
func TestUnload_ResourceNotDeleted(t *testing.T) {
	trips(t, verify.UNLOAD_005, unloadsResource(func(*irql.K, *irql.ERESOURCE) {}))
}

// Near miss: UNLOAD-005
func TestUnload_ResourceDeleted(t *testing.T) {
	passes(t, unloadsResource(func(k *irql.K, r *irql.ERESOURCE) { irql.ExDeleteResourceLite(k, r) }))
}

// unloadsThread loads a driver that starts a thread, and unloads it when the thread has ended.
func unloadsThread(then func(k *irql.K, h irql.HANDLE)) func(l *lab) {
	return func(l *lab) {
		drv := l.load("thread.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {}
			var h irql.HANDLE
			if irql.PsCreateSystemThread(k, &h, irql.THREAD_ALL_ACCESS, nil, 0, nil,
				func(*irql.K, any) {}, nil) == ok {
				then(k, h)
			}
			return ok
		})
		l.m.Run(nil)
		assert.True(l.t, irp.Sim.UnloadDriver(l.m, drv))
		l.m.Run(nil)
	}
}

func referenceThread(k *irql.K, h irql.HANDLE) any {
	var o any
	irp.ObReferenceObjectByHandle(k, h, irql.THREAD_ALL_ACCESS, irp.PsThreadType, irql.KernelMode, &o, nil)
	irp.ZwClose(k, h)
	return o
}

// Rule: OBJ-010
func TestUnload_ThreadObjectOrHandleLeft(t *testing.T) {
	f := tripsEach(t, verify.OBJ_010, unloadsThread(func(*irql.K, irql.HANDLE) {}))
	assert.Equal(t, []verify.RuleID{verify.OBJ_011}, f.Also)
	f = tripsEach(t, verify.OBJ_010, unloadsThread(func(k *irql.K, h irql.HANDLE) { referenceThread(k, h) }))
	assert.Contains(t, f.Headline, "is still referenced")
}

// Near miss: OBJ-010
func TestUnload_ThreadObjectAndHandleGivenBack(t *testing.T) {
	passes(t, unloadsThread(func(k *irql.K, h irql.HANDLE) {
		irp.ObDereferenceObject(k, referenceThread(k, h))
	}))
}

// driverBlock is a driver's own structure with something to synchronise.
type driverBlock struct {
	lock  irql.KSPIN_LOCK
	lists [2]irql.ERESOURCE
}

// Rule: IRQL-018
func TestExAllocatePool2_PagedBlockWithASpinLock(t *testing.T) {
	tripsEach(t, verify.IRQL_018, does(func(k *irql.K) {
		b := irp.New[driverBlock](k, irp.POOL_FLAG_PAGED, irp.Tag("Lock"))
		irql.KeInitializeSpinLock(k, &b.Get().lock)
	}))
}

// Near miss: IRQL-018
func TestExAllocatePool2_NonPagedBlockWithASpinLock(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			other := irp.New[driverBlock](k, irp.POOL_FLAG_PAGED, irp.Tag("Lock"))
			b := irp.New[driverBlock](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("Lock"))
			if b == nil || other == nil {
				return
			}
			irql.KeInitializeSpinLock(k, &b.Get().lock)
			irql.ExInitializeResourceLite(k, &b.Get().lists[1])
			irql.ExDeleteResourceLite(k, &b.Get().lists[1])
			irp.Free(k, b, irp.Tag("Lock"))
			irp.Free(k, other, irp.Tag("Lock"))
		})
	})
}

// Rule: POOL-018
func TestExFreePool_BlockWithAResource(t *testing.T) {
	tripsAs(t, verify.POOL_018, 0xC4, "0xd2", does(func(k *irql.K) {
		b := irp.New[driverBlock](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("Lock"))
		irql.ExInitializeResourceLite(k, &b.Get().lists[0])
		irp.Free(k, b, irp.Tag("Lock"))
	}))
}
