package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// ownItem is a driver's block with work items in it.
type ownItem struct {
	io irp.IO_WORKITEM
	ex irp.WORK_QUEUE_ITEM
}

func workBlock(k *irql.K) *irp.Typed[ownItem] {
	return irp.New[ownItem](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("Work"))
}

func noWork(*irql.K, any) {}

// TestIoQueueWorkItemEx_OwnMemory: of a device and of a driver object; the routine gets the object and the
// item and may take everything down. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/
// nf-wdm-ioinitializeworkitem.md, "-remarks"
func TestIoQueueWorkItemEx_OwnMemory(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(skips)
		ran := 0
		for _, object := range []any{st[0].dev, st[0].obj} {
			l.as(st[0].obj.Image(), func(k *irql.K) {
				b := workBlock(k)
				if b == nil {
					ran++
					return
				}
				w := &b.Get().io
				irp.IoInitializeWorkItem(k, object, w)
				irp.IoQueueWorkItemEx(k, w, func(k *irql.K, o, context any, same *irp.IO_WORKITEM) {
					assert.Equal(t, irql.PASSIVE_LEVEL, irql.KeGetCurrentIrql(k))
					assert.True(t, o == object)
					assert.Equal(t, "context", context)
					irp.IoUninitializeWorkItem(k, same)
					irp.Free(k, b, irp.Tag("Work"))
					ran++
				}, irp.DelayedWorkQueue, "context")
			})
		}
		l.rest()
		assert.Equal(t, 2, ran)
	})
}

// TestIoQueueWorkItemEx_HoldsTheDriver: the image stays until the routine has returned, even one that frees
// its item first.
func TestIoQueueWorkItemEx_HoldsTheDriver(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(skips)
		returned := false
		var b irp.IO_WORKITEM
		st[0].obj.DriverUnload = func(k *irql.K, drv *irp.DRIVER_OBJECT) {
			irp.IoInitializeWorkItem(k, drv, &b)
			irp.IoQueueWorkItemEx(k, &b, func(k *irql.K, _, _ any, w *irp.IO_WORKITEM) {
				irp.IoUninitializeWorkItem(k, w)
				due := int64(-ke.Second)
				irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
				returned = true
			}, irp.DelayedWorkQueue, nil)
			irp.IoDeleteDevice(k, st[0].dev)
		}
		l.unload(st[0].obj)
		assert.True(t, returned)
	})
}

// ofDevice is a scenario of one thread of a driver with a device and memory for a work item.
func ofDevice(act func(k *irql.K, d *driver, w *irp.IO_WORKITEM)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(skips)
		l.as(st[0].obj.Image(), func(k *irql.K) { act(k, st[0], new(irp.IO_WORKITEM)) })
		l.m.Run(nil)
	}
}

// often is how many times what has to come before the routine is tried.
const often = 3

func noItemWork(*irql.K, any, any, *irp.IO_WORKITEM) {}

// Rule: OBJ-009
func TestIoInitializeWorkItem_Misuse(t *testing.T) {
	for _, c := range []struct {
		name, code string // no code: Windows looks at the item only when it is queued or freed
		act        func(k *irql.K, d *driver, w *irp.IO_WORKITEM)
	}{
		{"never initialised", "0x0", func(k *irql.K, _ *driver, w *irp.IO_WORKITEM) {
			irp.IoQueueWorkItemEx(k, w, noItemWork, irp.DelayedWorkQueue, nil)
		}},
		{"twice", "", func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, d.dev, w)
			irp.IoInitializeWorkItem(k, d.dev, w)
		}},
		{"freed", "", func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, d.dev, w)
			irp.IoFreeWorkItem(k, w)
		}},
		{"driver object", "", func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, d.obj, w)
			queue(k, w)
		}},
		{"allocated", "", func(k *irql.K, d *driver, _ *irp.IO_WORKITEM) {
			irp.IoUninitializeWorkItem(k, irp.IoAllocateWorkItem(k, d.dev))
		}},
		{"no device", "0x3", func(k *irql.K, _ *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, (*irp.DEVICE_OBJECT)(nil), w)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bugCheck := uint32(0xE4)
			if c.code == "" {
				bugCheck = 0
			}
			tripsAs(t, verify.OBJ_009, bugCheck, c.code, ofDevice(c.act))
		})
	}
	t.Run("queued", func(t *testing.T) {
		f := tripsMostly(t, verify.OBJ_009, begun,
			ofDevice(func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
				for range often {
					irp.IoInitializeWorkItem(k, d.dev, w)
					irp.IoQueueWorkItemEx(k, w, noItemWork, irp.DelayedWorkQueue, nil)
					irp.IoUninitializeWorkItem(k, w)
				}
			}))
		assert.Equal(t, "0x2", f.Args[0].Value)
	})
	t.Run("uninitialised by two threads", func(t *testing.T) {
		trips(t, verify.OBJ_009, func(l *lab) {
			st := l.stack(skips)
			w := new(irp.IO_WORKITEM)
			l.as(st[0].obj.Image(), func(k *irql.K) { irp.IoInitializeWorkItem(k, st[0].dev, w) })
			l.m.Run(nil)
			for range 2 {
				l.as(st[0].obj.Image(), func(k *irql.K) { irp.IoUninitializeWorkItem(k, w) })
			}
			l.m.Run(nil)
		})
	})
}

// Rule: OBJ-009
func TestExQueueWorkItem_Misuse(t *testing.T) {
	trips(t, verify.OBJ_009, does(func(k *irql.K) {
		irp.ExQueueWorkItem(k, new(irp.WORK_QUEUE_ITEM), irp.DelayedWorkQueue)
	}))
	trips(t, verify.OBJ_009, does(func(k *irql.K) {
		var w irp.WORK_QUEUE_ITEM
		irp.ExInitializeWorkItem(k, &w, nil, nil)
		irp.ExQueueWorkItem(k, &w, irp.DelayedWorkQueue)
	}))
	tripsMostly(t, verify.OBJ_009, begun, does(func(k *irql.K) {
		var w irp.WORK_QUEUE_ITEM
		irp.ExInitializeWorkItem(k, &w, noWork, nil)
		for range often {
			irp.ExQueueWorkItem(k, &w, irp.DelayedWorkQueue)
		}
	}))
	tripsMostly(t, verify.OBJ_009, begun, does(func(k *irql.K) {
		var w irp.WORK_QUEUE_ITEM
		for range often {
			irp.ExInitializeWorkItem(k, &w, noWork, nil)
			irp.ExQueueWorkItem(k, &w, irp.DelayedWorkQueue)
		}
	}))
}

// Near miss: OBJ-009
func TestExQueueWorkItem_QueuedAgainByItsRoutine(t *testing.T) {
	passes(t, func(l *lab) {
		runs := 0
		l.run(func(k *irql.K) {
			b := workBlock(k)
			if b == nil {
				return
			}
			w := &b.Get().ex
			irp.ExInitializeWorkItem(k, w, func(k *irql.K, parameter any) {
				assert.Equal(t, "parameter", parameter)
				if runs++; runs < 3 {
					irp.ExQueueWorkItem(k, w, irp.DelayedWorkQueue)
					return
				}
				irp.Free(k, b, irp.Tag("Work"))
			}, "parameter")
			old := irql.KeRaiseIrqlToDpcLevel(k)
			irp.ExQueueWorkItem(k, w, irp.CriticalWorkQueue)
			irql.KeLowerIrql(k, old)
		})
		assert.Equal(t, 3, runs)
	})
}

// Rule: POOL-018
func TestFree_WithAQueuedWorkItem(t *testing.T) {
	f := tripsMost(t, verify.POOL_018, begun, does(func(k *irql.K) {
		for range often {
			b := workBlock(k)
			irp.ExInitializeWorkItem(k, &b.Get().ex, noWork, nil)
			irp.ExQueueWorkItem(k, &b.Get().ex, irp.DelayedWorkQueue)
			irp.Free(k, b, irp.Tag("Work"))
		}
	}))
	assert.Equal(t, uint32(0xE4), f.BugCheck)
	assert.Equal(t, "0x0", f.Args[0].Value)
	tripsMost(t, verify.POOL_018, begun, func(l *lab) {
		l.run(func(k *irql.K) {
			for range often {
				b := workBlock(k)
				irp.IoInitializeWorkItem(k, l.client, &b.Get().io)
				irp.IoQueueWorkItemEx(k, &b.Get().io, noItemWork, irp.DelayedWorkQueue, nil)
				irp.Free(k, b, irp.Tag("Work"))
			}
		})
	})
}

// Rule: IRQL-018
func TestWorkItems_InPagedPool(t *testing.T) {
	tripsEach(t, verify.IRQL_018, does(func(k *irql.K) {
		b := irp.New[ownItem](k, irp.POOL_FLAG_PAGED, irp.Tag("Work"))
		irp.ExInitializeWorkItem(k, &b.Get().ex, noWork, nil)
	}))
	tripsEach(t, verify.IRQL_018, func(l *lab) {
		l.run(func(k *irql.K) {
			b := irp.New[ownItem](k, irp.POOL_FLAG_PAGED, irp.Tag("Work"))
			irp.IoInitializeWorkItem(k, l.client, &b.Get().io)
		})
	})
}

// Rule: UNLOAD-012
func TestExQueueWorkItem_DoesNotHoldTheDriver(t *testing.T) {
	trips(t, verify.UNLOAD_012, func(l *lab) {
		st := l.stack(skips)
		var w irp.WORK_QUEUE_ITEM
		st[0].obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			irp.IoDeleteDevice(k, st[0].dev)
			irp.ExInitializeWorkItem(k, &w, noWork, nil)
			irp.ExQueueWorkItem(k, &w, irp.DelayedWorkQueue)
		}
		require.True(t, irp.Sim.UnloadDriver(l.m, st[0].obj))
		l.m.Run(nil)
	})
}

// Near miss: UNLOAD-012
func TestExQueueWorkItem_WaitedFor(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(skips)
		var w irp.WORK_QUEUE_ITEM
		var event irql.KEVENT
		st[0].obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
			irp.ExInitializeWorkItem(k, &w, func(k *irql.K, _ any) {
				irql.KeSetEvent(k, &event, 0, false)
			}, nil)
			irp.ExQueueWorkItem(k, &w, irp.DelayedWorkQueue)
			waitFor(k, &event)
			irp.IoDeleteDevice(k, st[0].dev)
		}
		l.unload(st[0].obj)
	})
}
