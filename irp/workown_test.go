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

// Rule: OBJ-009
func TestIoInitializeWorkItem_Misuse(t *testing.T) {
	again := func(k *irql.K, _, _ any, _ *irp.IO_WORKITEM) {}
	for _, c := range []named[func(k *irql.K, d *driver, w *irp.IO_WORKITEM)]{
		{"never initialised", func(k *irql.K, _ *driver, w *irp.IO_WORKITEM) {
			irp.IoQueueWorkItemEx(k, w, again, 0, nil)
		}},
		{"twice", func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, d.dev, w)
			irp.IoInitializeWorkItem(k, d.dev, w)
		}},
		{"freed", func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, d.dev, w)
			irp.IoFreeWorkItem(k, w)
		}},
		{"driver object", func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, d.obj, w)
			irp.IoQueueWorkItem(k, w, func(*irql.K, *irp.DEVICE_OBJECT, any) {}, 0, nil)
		}},
		{"allocated", func(k *irql.K, d *driver, _ *irp.IO_WORKITEM) {
			irp.IoUninitializeWorkItem(k, irp.IoAllocateWorkItem(k, d.dev))
		}},
		{"queued", func(k *irql.K, d *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, d.dev, w)
			irp.IoQueueWorkItemEx(k, w, again, 0, nil)
			irp.IoUninitializeWorkItem(k, w)
		}},
		{"no device", func(k *irql.K, _ *driver, w *irp.IO_WORKITEM) {
			irp.IoInitializeWorkItem(k, (*irp.DEVICE_OBJECT)(nil), w)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, ke.Config{})
			st := l.stack(skips)
			l.as(st[0].obj.Image(), func(k *irql.K) { c.do(k, st[0], new(irp.IO_WORKITEM)) })
			l.m.Run(nil)
			l.expect(verify.OBJ_009)
		})
	}
}

// Rule: OBJ-009
func TestExQueueWorkItem_Misuse(t *testing.T) {
	for _, do := range []func(k *irql.K, w *irp.WORK_QUEUE_ITEM){
		func(k *irql.K, w *irp.WORK_QUEUE_ITEM) { irp.ExQueueWorkItem(k, w, irp.DelayedWorkQueue) },
		func(k *irql.K, w *irp.WORK_QUEUE_ITEM) {
			irp.ExInitializeWorkItem(k, w, nil, nil)
			irp.ExQueueWorkItem(k, w, irp.DelayedWorkQueue)
		},
		func(k *irql.K, w *irp.WORK_QUEUE_ITEM) {
			irp.ExInitializeWorkItem(k, w, noWork, nil)
			irp.ExQueueWorkItem(k, w, irp.DelayedWorkQueue)
			irp.ExQueueWorkItem(k, w, irp.DelayedWorkQueue)
		},
		func(k *irql.K, w *irp.WORK_QUEUE_ITEM) {
			irp.ExInitializeWorkItem(k, w, noWork, nil)
			irp.ExQueueWorkItem(k, w, irp.DelayedWorkQueue)
			irp.ExInitializeWorkItem(k, w, noWork, nil)
		},
	} {
		l := newLab(t, ke.Config{})
		l.as(l.image, func(k *irql.K) { do(k, new(irp.WORK_QUEUE_ITEM)) })
		l.m.Run(nil)
		l.expect(verify.OBJ_009)
	}
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
	for _, queue := range []func(k *irql.K, l *lab, b *ownItem){
		func(k *irql.K, _ *lab, b *ownItem) {
			irp.ExInitializeWorkItem(k, &b.ex, noWork, nil)
			irp.ExQueueWorkItem(k, &b.ex, irp.DelayedWorkQueue)
		},
		func(k *irql.K, l *lab, b *ownItem) {
			irp.IoInitializeWorkItem(k, l.client, &b.io)
			irp.IoQueueWorkItemEx(k, &b.io, func(*irql.K, any, any, *irp.IO_WORKITEM) {}, 0, nil)
		},
	} {
		l := newLab(t, ke.Config{})
		l.begin(func(k *irql.K) {
			b := workBlock(k)
			queue(k, l, b.Get())
			irp.Free(k, b, irp.Tag("Work"))
		})
		l.expect(verify.POOL_018)
	}
}

// Rule: IRQL-018
func TestWorkItems_InPagedPool(t *testing.T) {
	for _, do := range []func(k *irql.K, l *lab, b *ownItem){
		func(k *irql.K, _ *lab, b *ownItem) { irp.ExInitializeWorkItem(k, &b.ex, noWork, nil) },
		func(k *irql.K, l *lab, b *ownItem) { irp.IoInitializeWorkItem(k, l.client, &b.io) },
	} {
		l := newLab(t, ke.Config{})
		l.begin(func(k *irql.K) {
			do(k, l, irp.New[ownItem](k, irp.POOL_FLAG_PAGED, irp.Tag("Work")).Get())
		})
		l.expect(verify.IRQL_018)
	}
}

// Rule: UNLOAD-012
func TestExQueueWorkItem_DoesNotHoldTheDriver(t *testing.T) {
	l := newLab(t, ke.Config{})
	st := l.stack(skips)
	var w irp.WORK_QUEUE_ITEM
	st[0].obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
		irp.ExInitializeWorkItem(k, &w, noWork, nil)
		irp.ExQueueWorkItem(k, &w, irp.DelayedWorkQueue)
		irp.IoDeleteDevice(k, st[0].dev)
	}
	require.True(t, irp.UnloadDriver(l.m, st[0].obj))
	l.m.Run(nil)
	l.expect(verify.UNLOAD_012)
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
