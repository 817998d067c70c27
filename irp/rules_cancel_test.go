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

// The rules about cancel routines and cancellation.

// cancelled is the cancel routine as it should be.
func cancelled(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	complete(k, p, ntstatus.STATUS_CANCELLED)
}

// holds is a driver that keeps the request with a cancel routine set.
func holds(routine irp.DRIVER_CANCEL) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoMarkIrpPending(k, p)
		d.kept = p
		irp.IoSetCancelRoutine(k, p, routine)
		return pending
	}
}

// cancels sends one request to a stack, and the client cancels it.
func cancels(routines ...dispatch) func(l *lab) {
	return func(l *lab) {
		top := l.stack(routines...)[0]
		l.run(func(k *irql.K) {
			p := request(k, top.dev, freeIt, nil)
			irp.IoCallDriver(k, top.dev, p)
			irp.IoCancelIrp(k, p)
		})
	}
}

// takesBack gives the driver's own answer after it had made the request cancelable.
func takesBack(take bool, then dispatch) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoSetCancelRoutine(k, p, cancelled)
		if take && irp.IoSetCancelRoutine(k, p, nil) == nil {
			return pending
		}
		return then(k, d, p)
	}
}

// Rule: IRP-020
func TestIoCompleteRequest_WithACancelRoutineSet(t *testing.T) {
	f := trips(t, verify.IRP_020, func(l *lab) { l.through(takesBack(false, completes(ok))) })
	assert.Equal(t, "cancelled", f.Args[1].Value)
}

// Near miss: IRP-020
func TestIoCompleteRequest_AfterTheCancelRoutineWasTakenBack(t *testing.T) {
	passes(t, func(l *lab) { l.through(takesBack(true, completes(ok))) })
}

// Rule: IRP-021
func TestIoCallDriver_WithACancelRoutineSet(t *testing.T) {
	trips(t, verify.IRP_021, func(l *lab) { l.through(takesBack(false, skips), completes(ok)) })
}

// Near miss: IRP-021
func TestIoCallDriver_AfterTheCancelRoutineWasTakenBack(t *testing.T) {
	passes(t, func(l *lab) { l.through(takesBack(true, skips), completes(ok)) })
}

// Rule: IRP-022
func TestIoSetCancelRoutine_WhileTheLowerDriverHasIt(t *testing.T) {
	trips(t, verify.IRP_022, func(l *lab) {
		sentDown(l, func(k *irql.K, _ *driver, p *irp.IRP) { irp.IoSetCancelRoutine(k, p, cancelled) })
	})
}

// Near miss: IRP-022
func TestIoSetCancelRoutine_ByTheHolder(t *testing.T) {
	passes(t, cancels(holds(cancelled)))
	passes(t, cancels(skips, holds(cancelled)))
}

// Rule: IRP-023
func TestIoCancelIrp_AfterTheRoutineFreedIt(t *testing.T) {
	trips(t, verify.IRP_023, cancels(completes(ok)))
}

// Near miss: IRP-023
func TestIoCancelIrp_KeptAliveByItsCreator(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, stopIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			assert.False(t, irp.IoCancelIrp(k, p))
			irp.IoFreeIrp(k, p)
		})
	})
}

// Rule: IRP-024
func TestCancelRoutine_ReturnsHoldingTheCancelLock(t *testing.T) {
	f := trips(t, verify.IRP_024, cancels(holds(func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) {})))
	assert.Equal(t, "irp#1", f.Args[0].Value)
}

// Near miss: IRP-024
func TestCancelRoutine_ReleasesFirst(t *testing.T) {
	passes(t, cancels(holds(cancelled)))
	// acquired again for something else
	passes(t, cancels(holds(func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
		var old irql.KIRQL
		irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
		irp.IoAcquireCancelSpinLock(k, &old)
		irp.IoReleaseCancelSpinLock(k, old)
		complete(k, p, ntstatus.STATUS_CANCELLED)
	})))
}

// Rule: IRP-025
func TestCancelRoutine_ReleasesToAWrongIrql(t *testing.T) {
	f := trips(t, verify.IRP_025, cancels(holds(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		irp.IoReleaseCancelSpinLock(k, irql.APC_LEVEL)
		complete(k, p, ntstatus.STATUS_CANCELLED)
	})))
	assert.Contains(t, f.Headline, "instead of Irp.CancelIrql")
	trips(t, verify.IRP_025, cancels(holds(func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
		cancelled(k, dev, p)
		raises(k)
	})))
}

// Near miss: IRP-025
func TestCancelRoutine_ReleasesToCancelIrql(t *testing.T) {
	passes(t, func(l *lab) { // cancelled at another level than PASSIVE_LEVEL
		st := l.stack(holds(cancelled))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.APC_LEVEL, &old)
			irp.IoCancelIrp(k, p)
			assert.Equal(t, irql.APC_LEVEL, irql.KeGetCurrentIrql(k))
			irql.KeLowerIrql(k, old)
		})
	})
}

// Rule: IRP-028
func TestIoCancelIrp_ByADriverThatReceivedIt(t *testing.T) {
	f := trips(t, verify.IRP_028, func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCancelIrp(k, p)
			return complete(k, p, ntstatus.STATUS_CANCELLED)
		})
	})
	assert.Equal(t, verify.Warning, f.Severity())
	assert.Equal(t, "drv0.sys", f.Driver)
}

// Near miss: IRP-028
func TestIoCancelIrp_ByItsCreator(t *testing.T) {
	passes(t, cancels(holds(cancelled)))
	passes(t, func(l *lab) { // the system may: its code has no driver
		st := l.stack(holds(cancelled))
		var p *irp.IRP
		l.as(l.image, func(k *irql.K) {
			p = request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
		})
		l.m.Run(nil)
		l.m.NewThread("system", nil, func(k *ke.K) { irp.IoCancelIrp(k, p) })
		l.rest()
	})
}

// Rule: IRP-078
func TestIoAcquireCancelSpinLock_InACancelRoutine(t *testing.T) {
	trips(t, verify.IRP_078, cancels(holds(func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) {
		var old irql.KIRQL
		irp.IoAcquireCancelSpinLock(k, &old)
	})))
	trips(t, verify.IRP_078, func(l *lab) {
		l.run(func(k *irql.K) {
			var old irql.KIRQL
			irp.IoAcquireCancelSpinLock(k, &old)
			irp.IoCancelIrp(k, irp.IoAllocateIrp(k, 1, false))
		})
	})
}

// Near miss: IRP-078
func TestIoAcquireCancelSpinLock_OneAfterTheOther(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			for range 2 {
				var old irql.KIRQL
				irp.IoAcquireCancelSpinLock(k, &old)
				assert.Equal(t, irql.DISPATCH_LEVEL, irql.KeGetCurrentIrql(k))
				irp.IoReleaseCancelSpinLock(k, old)
				assert.Equal(t, irql.PASSIVE_LEVEL, irql.KeGetCurrentIrql(k))
			}
		})
	})
}

// TestIoReleaseCancelSpinLock_NotHeld: the rule is that of locks in general.
func TestIoReleaseCancelSpinLock_NotHeld(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		irp.IoReleaseCancelSpinLock(k, old)
	})
	l.expect(verify.LOCK_002)
}
