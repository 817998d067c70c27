package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// waiting is a request of a driver's own kind that waits in a device queue.
type waiting struct {
	link irp.KDEVICE_QUEUE_ENTRY
	name string
}

func newWaiting(name string) *waiting {
	w := &waiting{name: name}
	w.link.DeviceListEntry.Record = w
	return w
}

// nameOf is the name of the request of an entry, "" for none.
func nameOf(e *irp.KDEVICE_QUEUE_ENTRY) string {
	if e == nil {
		return ""
	}
	return irp.CONTAINING_RECORD[waiting](&e.DeviceListEntry).name
}

// inQueue gives act an initialised queue, at DISPATCH_LEVEL.
func inQueue(act func(k *irql.K, q *irp.KDEVICE_QUEUE)) func(l *lab) {
	return does(func(k *irql.K) {
		var q irp.KDEVICE_QUEUE
		irp.KeInitializeDeviceQueue(k, &q)
		at(k, irql.DISPATCH_LEVEL, func() { act(k, &q) })
	})
}

func TestDeviceQueue_States(t *testing.T) {
	passes(t, inQueue(func(k *irql.K, q *irp.KDEVICE_QUEUE) {
		a, b, c := newWaiting("a"), newWaiting("b"), newWaiting("c")
		assert.False(t, irp.KeInsertDeviceQueue(k, q, &a.link), "not busy: begin with it")
		assert.True(t, irp.KeInsertDeviceQueue(k, q, &b.link))
		assert.True(t, irp.KeInsertDeviceQueue(k, q, &c.link))
		assert.False(t, irp.KeRemoveEntryDeviceQueue(k, q, &a.link), "it is being worked on")
		assert.Equal(t, "b", nameOf(irp.KeRemoveDeviceQueue(k, q)))
		assert.True(t, irp.KeRemoveEntryDeviceQueue(k, q, &c.link))
		assert.False(t, irp.KeRemoveEntryDeviceQueue(k, q, &c.link))
		assert.Nil(t, irp.KeRemoveDeviceQueue(k, q), "not busy any more")
		assert.False(t, irp.KeInsertDeviceQueue(k, q, &c.link))
	}))
}

func TestDeviceQueue_Keys(t *testing.T) {
	passes(t, inQueue(func(k *irql.K, q *irp.KDEVICE_QUEUE) {
		irp.KeInsertDeviceQueue(k, q, &newWaiting("begun").link)
		for name, key := range map[string]uint32{"10": 10, "30": 30, "20": 20} {
			assert.True(t, irp.KeInsertByKeyDeviceQueue(k, q, &newWaiting(name).link, key))
		}
		irp.KeInsertByKeyDeviceQueue(k, q, &newWaiting("20 too").link, 20)
		var got []string
		for _, key := range []uint32{15, 20, 31, 0} {
			got = append(got, nameOf(irp.KeRemoveByKeyDeviceQueue(k, q, key)))
		}
		assert.Equal(t, []string{"20", "20 too", "10", "30"}, got, "the first of all when no key is as large")
		assert.Nil(t, irp.KeRemoveByKeyDeviceQueue(k, q, 0))
	}))
}

func TestDeviceQueue_Misused(t *testing.T) {
	busy := func(act func(k *irql.K, q *irp.KDEVICE_QUEUE, w *waiting)) func(l *lab) {
		return inQueue(func(k *irql.K, q *irp.KDEVICE_QUEUE) {
			w := newWaiting("b")
			irp.KeInsertDeviceQueue(k, q, &newWaiting("a").link)
			irp.KeInsertDeviceQueue(k, q, &w.link)
			act(k, q, w)
		})
	}
	for _, scenario := range []func(l *lab){
		busy(func(k *irql.K, q *irp.KDEVICE_QUEUE, w *waiting) { irp.KeInsertDeviceQueue(k, q, &w.link) }),
		busy(func(k *irql.K, q *irp.KDEVICE_QUEUE, _ *waiting) { irp.KeInitializeDeviceQueue(k, q) }),
		busy(func(k *irql.K, _ *irp.KDEVICE_QUEUE, w *waiting) {
			var other irp.KDEVICE_QUEUE
			irp.KeInitializeDeviceQueue(k, &other)
			irp.KeRemoveEntryDeviceQueue(k, &other, &w.link)
		}),
		inQueue(func(k *irql.K, _ *irp.KDEVICE_QUEUE) {
			irp.KeInsertDeviceQueue(k, new(irp.KDEVICE_QUEUE), &newWaiting("a").link)
		}),
	} {
		trips(t, verify.OBJ_014, scenario)
	}
}

// TestDeviceQueue_NotBusy is about an error by the pages that does no harm: NULL comes back.
func TestDeviceQueue_NotBusy(t *testing.T) {
	f := tripsEach(t, verify.OBJ_014, inQueue(func(k *irql.K, q *irp.KDEVICE_QUEUE) {
		for range 2 {
			assert.Nil(t, irp.KeRemoveDeviceQueue(k, q))
		}
	}))
	assert.Equal(t, verify.Warning, f.Severity())
}

func TestDeviceQueue_MemoryFreed(t *testing.T) {
	type context struct{ q irp.KDEVICE_QUEUE }
	trips(t, verify.OBJ_014, does(func(k *irql.K) {
		mem := irp.New[context](k, nonPaged, tag)
		q := &mem.Get().q
		irp.KeInitializeDeviceQueue(k, q)
		at(k, irql.DISPATCH_LEVEL, func() {
			irp.KeInsertDeviceQueue(k, q, &newWaiting("a").link)
			irp.KeInsertDeviceQueue(k, q, &newWaiting("b").link)
		})
		irp.Free(k, mem, tag)
	}))
	trips(t, verify.OBJ_014, inQueue(func(k *irql.K, q *irp.KDEVICE_QUEUE) {
		irp.KeInsertDeviceQueue(k, q, &newWaiting("a").link)
		mem := irp.New[waiting](k, nonPaged, tag)
		irp.KeInsertDeviceQueue(k, q, &mem.Get().link)
		irp.Free(k, mem, tag)
	}))
	passes(t, does(func(k *irql.K) {
		mem := irp.New[context](k, nonPaged, tag)
		irp.KeInitializeDeviceQueue(k, &mem.Get().q)
		irp.Free(k, mem, tag)
	}))
	tripsEach(t, verify.POOL_013, does(func(k *irql.K) {
		mem := irp.New[context](k, nonPaged, tag)
		q := &mem.Get().q
		irp.KeInitializeDeviceQueue(k, q)
		irp.Free(k, mem, tag)
		at(k, irql.DISPATCH_LEVEL, func() { irp.KeRemoveDeviceQueue(k, q) })
	}))
	tripsEach(t, verify.IRQL_018, does(func(k *irql.K) {
		irp.KeInitializeDeviceQueue(k, &irp.New[context](k, paged, tag).Get().q)
	}))
}

func TestDeviceQueue_BelowDispatch(t *testing.T) {
	for _, act := range []func(k *irql.K, q *irp.KDEVICE_QUEUE){
		func(k *irql.K, q *irp.KDEVICE_QUEUE) { irp.KeInsertDeviceQueue(k, q, &newWaiting("a").link) },
		func(k *irql.K, q *irp.KDEVICE_QUEUE) {
			irp.KeInsertByKeyDeviceQueue(k, q, &newWaiting("a").link, 1)
		},
		func(k *irql.K, q *irp.KDEVICE_QUEUE) { irp.KeRemoveDeviceQueue(k, q) },
		func(k *irql.K, q *irp.KDEVICE_QUEUE) { irp.KeRemoveByKeyDeviceQueue(k, q, 1) },
	} {
		tripsEach(t, verify.IRQL_002, does(func(k *irql.K) {
			var q irp.KDEVICE_QUEUE
			irp.KeInitializeDeviceQueue(k, &q)
			act(k, &q)
		}))
	}
	passes(t, does(func(k *irql.K) {
		var q irp.KDEVICE_QUEUE
		irp.KeInitializeDeviceQueue(k, &q)
		irp.KeRemoveEntryDeviceQueue(k, &q, &newWaiting("a").link)
	}))
}

// inDeviceQueue is a driver that keeps its IRPs in a device queue; then does is what it does with the second.
func inDeviceQueue(then func(k *irql.K, d *driver, p *irp.IRP)) func(l *lab) {
	return func(l *lab) {
		n := 0
		st := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			n++
			second := n == 2
			at(k, irql.DISPATCH_LEVEL, func() {
				irp.KeInsertDeviceQueue(k, &d.dev.DeviceQueue, p.DeviceQueueEntry())
			})
			if second {
				then(k, d, p)
			} else {
				d.kept = p
			}
			return pending
		})
		l.run(func(k *irql.K) {
			for range 2 {
				irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, freeIt, nil))
			}
			st[0].completeLater(st[0].kept, ok)
		})
	}
}

func TestDeviceQueue_OfIrps(t *testing.T) {
	passes(t, inDeviceQueue(func(k *irql.K, d *driver, _ *irp.IRP) {
		d.later(func(k *irql.K) {
			var e *irp.KDEVICE_QUEUE_ENTRY
			at(k, irql.DISPATCH_LEVEL, func() { e = irp.KeRemoveDeviceQueue(k, &d.dev.DeviceQueue) })
			complete(k, irp.CONTAINING_RECORD[irp.IRP](&e.DeviceListEntry), ok)
		})
	}))
	trips(t, verify.IRP_076, inDeviceQueue(func(k *irql.K, _ *driver, p *irp.IRP) { complete(k, p, ok) }))
	trips(t, verify.IRP_076, inDeviceQueue(func(k *irql.K, d *driver, p *irp.IRP) {
		at(k, irql.DISPATCH_LEVEL, func() {
			irp.KeInsertDeviceQueue(k, &d.dev.DeviceQueue, p.DeviceQueueEntry())
		})
	}))
	trips(t, verify.IRP_076, inDeviceQueue(func(k *irql.K, d *driver, p *irp.IRP) {
		p.DriverContext()[1] = "lies where the links do"
		irp.KeRemoveEntryDeviceQueue(k, &d.dev.DeviceQueue, p.DeviceQueueEntry())
	}))
	tripsEach(t, verify.IRP_067, inDeviceQueue(func(k *irql.K, _ *driver, p *irp.IRP) {
		irp.IoMarkIrpPending(k, p)
	}))
}

func TestIoDeleteDevice_WithRequestsInItsQueue(t *testing.T) {
	trips(t, verify.OBJ_014, inDeviceQueue(func(k *irql.K, d *driver, _ *irp.IRP) {
		irp.IoDeleteDevice(k, d.dev)
	}))
}
