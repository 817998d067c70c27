package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IoSetCompletionRoutineEx, and the rules about which form a driver may use.

// forwardsEx is a driver that forwards with the Ex form; dev chooses the device it passes.
func forwardsEx(routine irp.IO_COMPLETION_ROUTINE, then func(k *irql.K, d *driver, p *irp.IRP,
	s ntstatus.NTSTATUS) ntstatus.NTSTATUS) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		return then(k, d, p, irp.IoSetCompletionRoutineEx(k, d.dev, p, routine, d, true, true, true))
	}
}

// checksThenSends is what a driver does after IoSetCompletionRoutineEx.
func checksThenSends(k *irql.K, d *driver, p *irp.IRP, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	if !ntstatus.NT_SUCCESS(s) {
		return complete(k, p, s)
	}
	return irp.IoCallDriver(k, d.below, p)
}

func TestIoSetCompletionRoutineEx_IsCalledLikeThePlainForm(t *testing.T) {
	called := 0
	routine := func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, c any) ntstatus.NTSTATUS {
		called++
		assert.Same(t, c.(*driver).dev, dev)
		return propagate(k, dev, p, c)
	}
	passes(t, func(l *lab) { l.through(forwardsEx(routine, checksThenSends), pends(ok)) })
	assert.NotZero(t, called)
}

// exFails is that IoSetCompletionRoutineEx fails.
var exFails = ke.Pin{Site: "fault/IoSetCompletionRoutineEx", Alt: 1}

// Rule: IRP-042
func TestIoSetCompletionRoutineEx_ResultIgnored(t *testing.T) {
	f := trips(t, verify.IRP_042, func(l *lab) {
		l.through(forwardsEx(propagate, func(k *irql.K, d *driver, p *irp.IRP,
			_ ntstatus.NTSTATUS) ntstatus.NTSTATUS {
			return irp.IoCallDriver(k, d.below, p)
		}), completes(ok))
	}, exFails)
	assert.Equal(t, uint32(0xC4), f.BugCheck)
	assert.Equal(t, "FAILED", f.Places[0].Label)
}

// Near miss: IRP-042
func TestIoSetCompletionRoutineEx_FailureCompletesTheIrp(t *testing.T) {
	passes(t, func(l *lab) {
		s := l.through(forwardsEx(propagate, checksThenSends), completes(ok))
		assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES, s)
	}, exFails)
	passes(t, func(l *lab) { // a creator frees it
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, 1, false)
			assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES,
				irp.IoSetCompletionRoutineEx(k, clientDevice(k, l), p, freeIt, nil, true, true, true))
			irp.IoFreeIrp(k, p)
		})
	}, exFails)
}

// clientDevice makes a device of the client.
func clientDevice(k *irql.K, l *lab) (dev *irp.DEVICE_OBJECT) {
	irp.IoCreateDevice(k, l.client, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
	dev.Flags &^= irp.DO_DEVICE_INITIALIZING
	return dev
}

// Rule: IRP-043
func TestIoSetCompletionRoutineEx_WithTheLowerDevice(t *testing.T) {
	for _, null := range []bool{false, true} {
		trips(t, verify.IRP_043, func(l *lab) {
			l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoCopyCurrentIrpStackLocationToNext(k, p)
				dev := d.below
				if null {
					dev = nil
				}
				irp.IoSetCompletionRoutineEx(k, dev, p, propagate, nil, true, true, true)
				return irp.IoCallDriver(k, d.below, p)
			}, completes(ok))
		})
	}
}

// Near miss: IRP-043
func TestIoSetCompletionRoutineEx_WithTheOwnDevice(t *testing.T) {
	passes(t, func(l *lab) { l.through(forwardsEx(propagate, checksThenSends), completes(failed)) })
}

// Rule: IRP-041
func TestIoSetCompletionRoutineEx_NeverRuns(t *testing.T) {
	ex := func(k *irql.K, d *driver, p *irp.IRP, flags ...bool) {
		irp.IoSetCompletionRoutineEx(k, d.dev, p, propagate, d, flags[0], flags[1], flags[2])
	}
	for _, c := range []named[dispatch]{
		{"completed instead of sent", forwardsEx(propagate, func(k *irql.K, _ *driver, p *irp.IRP,
			_ ntstatus.NTSTATUS) ntstatus.NTSTATUS {
			return complete(k, p, failed)
		})},
		{"set twice", forwardsEx(propagate, func(k *irql.K, d *driver, p *irp.IRP,
			_ ntstatus.NTSTATUS) ntstatus.NTSTATUS {
			ex(k, d, p, true, true, true)
			return irp.IoCallDriver(k, d.below, p)
		})},
		{"copied over", forwardsEx(propagate, func(k *irql.K, d *driver, p *irp.IRP,
			_ ntstatus.NTSTATUS) ntstatus.NTSTATUS {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			return irp.IoCallDriver(k, d.below, p)
		})},
		{"not for this status", func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			ex(k, d, p, false, true, true)
			return irp.IoCallDriver(k, d.below, p)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := trips(t, verify.IRP_041, func(l *lab) { l.through(c.do, completes(ok)) })
			assert.Equal(t, "ROUTINE_SET", f.Places[0].Label)
		})
	}
	for _, c := range []named[func(k *irql.K, p *irp.IRP)]{
		{"freed", irp.IoFreeIrp},
		{"reused", func(k *irql.K, p *irp.IRP) { irp.IoReuseIrp(k, p, ok) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_041, func(l *lab) {
				l.run(func(k *irql.K) {
					p := irp.IoAllocateIrp(k, 1, false)
					irp.IoSetCompletionRoutineEx(k, clientDevice(k, l), p, freeIt, nil, true, true, true)
					c.do(k, p)
				})
			})
		})
	}
}

// Near miss: IRP-041
func TestIoSetCompletionRoutineEx_RunsInEveryCase(t *testing.T) {
	for _, low := range lowers {
		t.Run(low.name, func(t *testing.T) {
			passes(t, func(l *lab) { l.through(forwardsEx(propagate, checksThenSends), low.do) })
		})
	}
}

// TestIoSetCompletionRoutineEx_HoldsTheImage: the driver is unloaded when the routine has returned, not
// before, and UNLOAD-007 is not reported. Its device goes then, too.
func TestIoSetCompletionRoutineEx_HoldsTheImage(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(forwardsEx(propagate, checksThenSends), keeps)
		top := st[0]
		top.obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			irp.IoDetachDevice(k, top.below)
			irp.IoDeleteDevice(k, top.dev)
		}
		l.begin(func(k *irql.K) { irp.IoCallDriver(k, top.dev, request(k, top.dev, freeIt, nil)) })
		require.True(t, irp.Sim.UnloadDriver(l.m, top.obj))
		l.m.Run(nil)
		require.False(t, top.obj.Unloaded(), "its routine has not run")
		st[1].completeLater(st[1].kept, ok)
		l.rest()
		require.True(t, top.obj.Unloaded())
	})
}

// nonPnp lets the drivers of a lab be ones that anybody may unload.
func nonPnp(l *lab, routines ...dispatch) *driver {
	top := &driver{l: l}
	low := l.stack(routines...)[0]
	top.obj = l.load("callout.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &top.dev)
	})
	top.below = low.dev
	return top
}

// Rule: IRP-044
func TestIoSetCompletionRoutine_ByADriverWithoutPnp(t *testing.T) {
	f := trips(t, verify.IRP_044, func(l *lab) {
		top := nonPnp(l, completes(ok))
		top.later(func(k *irql.K) {
			for range 3 { // it is said once
				irp.IoCallDriver(k, top.below, request(k, top.below, freeIt, nil))
			}
		})
		l.rest()
	})
	assert.Equal(t, verify.Warning, f.Severity())
	assert.Equal(t, "callout.sys", f.Driver)
}

// Near miss: IRP-044
func TestIoSetCompletionRoutineEx_ByADriverWithoutPnp(t *testing.T) {
	passes(t, func(l *lab) {
		top := nonPnp(l, completes(ok))
		top.later(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, top.below.StackSize, false)
			irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
			irp.IoSetCompletionRoutineEx(k, top.dev, p, freeIt, nil, true, true, true)
			irp.IoCallDriver(k, top.below, p)
		})
		l.rest()
	})
}
