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

// The rules about devices, work items and unloading.

// Rule: IRP-019
func TestIoCallDriver_ToABadDevice(t *testing.T) {
	tripsAs(t, verify.IRP_019, 0xC9, "0x204", func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) { irp.IoCallDriver(k, nil, request(k, st[0].dev, freeIt, nil)) })
	})
	f := trips(t, verify.IRP_019, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoDeleteDevice(k, st[0].dev)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	})
	assert.Contains(t, f.Headline, "deleted device object")
}

// Near miss: IRP-019
func TestIoCallDriver_ToTheDeviceAttachReturned(t *testing.T) {
	passes(t, func(l *lab) { l.through(skips, completes(ok)) })
}

// devices gives act two devices of one driver, the second attached to the first if attach says so.
func devices(attach bool, act func(k *irql.K, lower, upper *irp.DEVICE_OBJECT)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok), completes(ok))
		lower, upper := st[1].dev, st[0].dev
		l.run(func(k *irql.K) {
			if !attach {
				irp.IoDetachDevice(k, lower)
			}
			act(k, lower, upper)
		})
	}
}

// Rule: OBJ-004
func TestIoDeleteDevice_InAStateThatDoesNotAllowIt(t *testing.T) {
	trips(t, verify.OBJ_004, devices(true, func(k *irql.K, _, upper *irp.DEVICE_OBJECT) {
		irp.IoDeleteDevice(k, upper)
	}))
	trips(t, verify.OBJ_004, devices(true, func(k *irql.K, lower, _ *irp.DEVICE_OBJECT) {
		irp.IoDeleteDevice(k, lower)
	}))
	trips(t, verify.OBJ_004, devices(false, func(k *irql.K, lower, _ *irp.DEVICE_OBJECT) {
		irp.IoDeleteDevice(k, lower)
		irp.IoDeleteDevice(k, lower)
	}))
	tripsAs(t, verify.OBJ_004, 0, "", devices(false, func(k *irql.K, lower, _ *irp.DEVICE_OBJECT) {
		irp.IoDetachDevice(k, lower)
	}))
}

// Near miss: OBJ-004
func TestIoDeleteDevice_AfterDetach(t *testing.T) {
	passes(t, devices(true, func(k *irql.K, lower, upper *irp.DEVICE_OBJECT) {
		irp.IoDetachDevice(k, lower)
		irp.IoDeleteDevice(k, upper)
		irp.IoDeleteDevice(k, lower)
	}))
}

// items gives act a work item.
func items(act func(k *irql.K, w *irp.IO_WORKITEM)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) { act(k, irp.IoAllocateWorkItem(k, st[0].dev)) })
	}
}

func work(*irql.K, *irp.DEVICE_OBJECT, any) {}

func queue(k *irql.K, w *irp.IO_WORKITEM) { irp.IoQueueWorkItem(k, w, work, irp.DelayedWorkQueue, nil) }

// begun: an item is not queued any more once its routine has begun.
var begun = race{reason: "the routine may have begun before", quiet: true}

// Rule: OBJ-009
func TestIoQueueWorkItem_Misuse(t *testing.T) {
	for _, c := range []struct {
		name, code string
		act        func(k *irql.K, w *irp.IO_WORKITEM)
	}{
		{"no routine", "0x7", func(k *irql.K, w *irp.IO_WORKITEM) {
			irp.IoQueueWorkItem(k, w, nil, irp.DelayedWorkQueue, nil)
		}},
		{"no item", "0x0", func(k *irql.K, _ *irp.IO_WORKITEM) { queue(k, nil) }},
		{"no device", "0x3", func(k *irql.K, _ *irp.IO_WORKITEM) { irp.IoAllocateWorkItem(k, nil) }},
		{"queued after free", "0x0", func(k *irql.K, w *irp.IO_WORKITEM) {
			irp.IoFreeWorkItem(k, w)
			queue(k, w)
		}},
		{"freed twice", "0x0", func(k *irql.K, w *irp.IO_WORKITEM) {
			irp.IoFreeWorkItem(k, w)
			irp.IoFreeWorkItem(k, w)
		}},
		{"nothing freed", "0x0", func(k *irql.K, _ *irp.IO_WORKITEM) { irp.IoFreeWorkItem(k, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) { tripsAs(t, verify.OBJ_009, 0xE4, c.code, items(c.act)) })
	}
	t.Run("queued twice", func(t *testing.T) {
		f := tripsMostly(t, verify.OBJ_009, begun, items(func(k *irql.K, w *irp.IO_WORKITEM) {
			queue(k, w)
			queue(k, w)
		}))
		assert.Equal(t, "0x1", f.Args[0].Value)
	})
	t.Run("freed while queued", func(t *testing.T) {
		f := tripsMostly(t, verify.OBJ_009, begun, items(func(k *irql.K, w *irp.IO_WORKITEM) {
			queue(k, w)
			irp.IoFreeWorkItem(k, w)
		}))
		assert.Equal(t, "0x2", f.Args[0].Value)
	})
}

// Near miss: OBJ-009
func TestIoQueueWorkItem_AgainAndFreedInItsRoutine(t *testing.T) {
	passes(t, items(func(k *irql.K, w *irp.IO_WORKITEM) {
		runs := 0
		var again irp.IO_WORKITEM_ROUTINE
		again = func(k *irql.K, dev *irp.DEVICE_OBJECT, context any) {
			assert.Equal(t, irql.PASSIVE_LEVEL, irql.KeGetCurrentIrql(k))
			if runs++; runs == 2 {
				irp.IoFreeWorkItem(k, w)
				return
			}
			irp.IoQueueWorkItem(k, w, again, irp.DelayedWorkQueue, context)
		}
		irp.IoQueueWorkItem(k, w, again, irp.DelayedWorkQueue, nil)
		t.Cleanup(func() { assert.Equal(t, 2, runs) })
	}))
}

// Rule: UNLOAD-006
func TestUnload_DeviceLeft(t *testing.T) {
	f := trips(t, verify.UNLOAD_006, func(l *lab) { l.unload(l.stack(completes(ok))[0].obj) })
	assert.Equal(t, "drv0.sys", f.Driver)
}

// Near miss: UNLOAD-006
func TestUnload_DeviceDeleted(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		st[0].obj.DriverUnload = func(k *irql.K, drv *irp.DRIVER_OBJECT) {
			irp.IoDeleteDevice(k, drv.DeviceObject)
		}
		l.unload(st[0].obj)
		assert.Nil(t, st[0].obj.DeviceObject)
	})
}

// TestUnload_FailedEntryIsCheckedToo: a DriverEntry that fails must clean up; its image goes at once.
func TestUnload_FailedEntryIsCheckedToo(t *testing.T) {
	trips(t, verify.UNLOAD_006, func(l *lab) {
		want := failed
		drv := l.load("bad.sys", &want, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			var dev *irp.DEVICE_OBJECT
			irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
			return failed
		})
		assert.True(t, drv.Unloaded())
	})
}

// Rule: UNLOAD-007
func TestUnload_IrpInFlight(t *testing.T) {
	f := trips(t, verify.UNLOAD_007, func(l *lab) {
		st := l.stack(keeps)
		unloads(func(k *irql.K) { irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, freeIt, nil)) })(l)
	})
	assert.Equal(t, "freeIt", f.Args[0].Value)
	f = trips(t, verify.UNLOAD_007, func(l *lab) { // a cancel routine
		st := l.stack(holds(cancelled))
		l.run(func(k *irql.K) { irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, freeIt, nil)) })
		st[0].obj.DriverUnload = func(k *irql.K, drv *irp.DRIVER_OBJECT) {
			irp.IoDeleteDevice(k, drv.DeviceObject)
		}
		l.unload(st[0].obj)
	})
	assert.Equal(t, "cancelled", f.Args[0].Value)
	trips(t, verify.UNLOAD_007, func(l *lab) { // stopped by the driver below
		st := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			d.kept = p
			forward(k, d, p, stopIt)
			return pending
		}, completes(ok))
		unloads(func(k *irql.K) { irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, freeIt, nil)) })(l)
	})
}

// Near miss: UNLOAD-007
func TestUnload_CancelsAndWaits(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(holds(cancelled))
		var p *irp.IRP
		var done irql.KEVENT
		l.client.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			irp.IoCancelIrp(k, p)
			waitFor(k, &done)
			irp.IoFreeIrp(k, p)
		}
		unloads(func(k *irql.K) {
			irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
			p = request(k, st[0].dev, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
				_ any) ntstatus.NTSTATUS {
				irql.KeSetEvent(k, &done, 0, false)
				return stop
			}, nil)
			irp.IoCallDriver(k, st[0].dev, p)
		})(l)
	})
}

// calls has another component call a routine of the client that was registered there.
func calls(l *lab) {
	l.m.NewThread("other component", nil, func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameNotify, Image: l.image})
		ke.Pop(k)
	})
	l.rest()
}

// Rule: UNLOAD-012
func TestUnload_CallbackOfAnUnloadedDriver(t *testing.T) {
	f := trips(t, verify.UNLOAD_012, func(l *lab) {
		l.unload(l.client)
		calls(l)
	})
	assert.Contains(t, f.Headline, "client.sys")
}

// Near miss: UNLOAD-012
func TestUnload_CallbackBeforeUnload(t *testing.T) {
	passes(t, func(l *lab) {
		calls(l)
		l.unload(l.client)
	})
}

// TestUnload_WorkItemHoldsTheImage: the driver goes only after its queued work item has run.
func TestUnload_WorkItemHoldsTheImage(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		drv := st[0].obj
		ran := false
		drv.DriverUnload = func(k *irql.K, drv *irp.DRIVER_OBJECT) {
			w := irp.IoAllocateWorkItem(k, st[0].dev)
			irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
				due := int64(-50 * ke.Millisecond)
				irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
				assert.False(t, drv.Unloaded())
				irp.IoFreeWorkItem(k, w)
				ran = true
			}, irp.DelayedWorkQueue, nil)
			irp.IoDeleteDevice(k, st[0].dev)
		}
		l.unload(drv)
		assert.True(t, ran)
	})
}

// TestUnload_WorkItemNeverFreed is the leak of the item's memory.
func TestUnload_WorkItemNeverFreed(t *testing.T) {
	trips(t, verify.UNLOAD_001, func(l *lab) {
		st := l.stack(completes(ok))
		st[0].obj.DriverUnload = func(k *irql.K, drv *irp.DRIVER_OBJECT) {
			irp.IoAllocateWorkItem(k, st[0].dev)
			irp.IoDeleteDevice(k, st[0].dev)
		}
		l.unload(st[0].obj)
	})
}

// TestUnloadDriver_WithoutARoutine: such a driver stays loaded for ever, as in Windows.
func TestUnloadDriver_WithoutARoutine(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.client.DriverUnload = nil
	assert.False(t, irp.Sim.UnloadDriver(l.m, l.client))
	assert.False(t, l.client.Unloaded())
}

// Rule: OBJ-003
func TestObDereferenceObject_MoreOftenThanReferenced(t *testing.T) {
	trips(t, verify.OBJ_003, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			irp.ObReferenceObject(k, st[0].dev)
			irp.ObDereferenceObject(k, st[0].dev)
			irp.ObDereferenceObject(k, st[0].dev)
		})
	})
}

// Near miss: OBJ-003
func TestObDereferenceObject_AsOftenAsReferenced(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			irp.ObReferenceObject(k, st[0].dev)
			irp.ObDereferenceObject(k, irp.IoGetAttachedDeviceReference(k, st[0].dev))
			irp.ObDereferenceObject(k, st[0].dev)
		})
	})
}

// starts makes a system thread of the client that runs fn, and gives its handle to act.
func starts(fn func(k *irql.K), act func(k *irql.K, h irql.HANDLE)) func(l *lab) {
	return func(l *lab) {
		l.run(func(k *irql.K) {
			var h irql.HANDLE
			s := irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, func(k *irql.K, _ any) { fn(k) }, nil)
			assert.Equal(l.t, ok, s)
			act(k, h)
		})
	}
}

// Rule: OBJ-011
func TestZwClose_OfNoOpenHandle(t *testing.T) {
	trips(t, verify.OBJ_011, starts(func(*irql.K) {}, func(k *irql.K, h irql.HANDLE) {
		irp.ZwClose(k, h)
		irp.ZwClose(k, h)
	}))
	trips(t, verify.OBJ_011, func(l *lab) { l.run(func(k *irql.K) { irp.ZwClose(k, 0) }) })
}

// Near miss: OBJ-011
func TestZwClose_Once(t *testing.T) {
	passes(t, starts(func(*irql.K) {}, func(k *irql.K, h irql.HANDLE) {
		assert.Equal(t, ok, irp.ZwClose(k, h))
	}))
}

// setsTimer sets a timer of the client and unloads the driver, which does stop in its unload routine.
func setsTimer(stop func(k *irql.K, timer *irql.KTIMER)) func(l *lab) {
	return func(l *lab) {
		var timer irql.KTIMER
		l.client.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { stop(k, &timer) }
		unloads(func(k *irql.K) {
			irql.KeInitializeTimer(k, &timer)
			irql.KeSetTimer(k, &timer, -ke.Second, nil)
		})(l)
	}
}

// unloadsWithThread unloads a driver one of whose threads waits to be told to end; the unload routine does
// stop.
func unloadsWithThread(stop func(k *irql.K, end *irql.KEVENT, thread any)) func(l *lab) {
	return func(l *lab) {
		var end irql.KEVENT
		var thread any
		l.client.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { stop(k, &end, thread) }
		l.as(l.image, func(k *irql.K) { irql.KeInitializeEvent(k, &end, irql.NotificationEvent, false) })
		l.m.Run(nil)
		starts(func(k *irql.K) { waitFor(k, &end) }, func(k *irql.K, h irql.HANDLE) {
			s := irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &thread, nil)
			assert.Equal(l.t, ok, s)
			irp.ZwClose(k, h)
		})(l)
		l.unload(l.client)
		l.rest()
	}
}

// Rule: UNLOAD-002
func TestUnload_TimerSet(t *testing.T) {
	f := trips(t, verify.UNLOAD_002, func(l *lab) {
		var timer irql.KTIMER
		l.as(l.image, func(k *irql.K) {
			irql.KeInitializeTimer(k, &timer)
			irql.KeSetTimer(k, &timer, -ke.Second, nil)
			assert.True(t, irp.Sim.UnloadDriver(l.m, l.client))
		})
		l.m.Run(l.client.Unloaded)
	})
	assert.Equal(t, uint32(0xC7), f.BugCheck)
}

// Near miss: UNLOAD-002
func TestUnload_TimerCancelled(t *testing.T) {
	passes(t, setsTimer(func(k *irql.K, timer *irql.KTIMER) {
		irql.KeCancelTimer(k, timer)
		irql.KeFlushQueuedDpcs(k)
	}))
}

// Rule: UNLOAD-004
func TestUnload_ThreadStillRuns(t *testing.T) {
	trips(t, verify.UNLOAD_004, unloadsWithThread(func(k *irql.K, _ *irql.KEVENT, thread any) {
		irp.ObDereferenceObject(k, thread)
	}))
}

// Near miss: UNLOAD-004
func TestUnload_ThreadStoppedAndWaitedFor(t *testing.T) {
	passes(t, unloadsWithThread(func(k *irql.K, end *irql.KEVENT, thread any) {
		irql.KeSetEvent(k, end, 0, false)
		irql.KeWaitForSingleObject(k, thread, irql.Executive, irql.KernelMode, false, nil)
		irp.ObDereferenceObject(k, thread)
	}))
}
