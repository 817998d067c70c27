package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// extension has one of everything that lies in memory of a driver's own.
type extension struct {
	head, link irp.LIST_ENTRY
	queue      irp.IO_CSQ
	_          irp.IO_CSQ_IRP_CONTEXT
	remove     irp.IO_REMOVE_LOCK
	work       irp.WORK_QUEUE_ITEM
	item       irp.IO_WORKITEM
	_          *extension
}

var extensionTag = irp.Tag("Gone")

// freed runs ready on an extension, frees it, and runs use on what is left.
func freed(ready, use func(k *irql.K, x *extension)) func(l *lab) {
	return func(l *lab) {
		l.run(func(k *irql.K) {
			x := irp.New[extension](k, irp.POOL_FLAG_NON_PAGED, extensionTag)
			p := x.Get()
			ready(k, p)
			irp.Free(k, x, extensionTag)
			use(k, p)
		})
	}
}

func neverUsed(*irql.K, *extension) {}

// Objects in freed memory are uses of freed memory, whether or not they were ever initialised there.
func TestPOOL013_ObjectsInFreedMemory(t *testing.T) {
	list := func(k *irql.K, x *extension) { irp.InitializeListHead(k, &x.head) }
	other := func(k *irql.K) *irp.LIST_ENTRY {
		h := new(irp.LIST_ENTRY)
		irp.InitializeListHead(k, h)
		return h
	}
	var lock irql.KSPIN_LOCK
	for _, c := range []named[[2]func(k *irql.K, x *extension)]{
		{"IsListEmpty", [2]func(*irql.K, *extension){list, func(k *irql.K, x *extension) {
			irp.IsListEmpty(k, &x.head)
		}}},
		{"IsListEmpty, never initialised", [2]func(*irql.K, *extension){neverUsed, func(k *irql.K, x *extension) {
			irp.IsListEmpty(k, &x.head)
		}}},
		{"InsertTailList into it", [2]func(*irql.K, *extension){list, func(k *irql.K, x *extension) {
			irp.InsertTailList(k, &x.head, &newItem(1).link)
		}}},
		{"InsertHeadList of it", [2]func(*irql.K, *extension){neverUsed, func(k *irql.K, x *extension) {
			irp.InsertHeadList(k, other(k), &x.link)
		}}},
		{"RemoveHeadList", [2]func(*irql.K, *extension){list, func(k *irql.K, x *extension) {
			irp.RemoveHeadList(k, &x.head)
		}}},
		{"RemoveEntryList", [2]func(*irql.K, *extension){neverUsed, func(k *irql.K, x *extension) {
			irp.RemoveEntryList(k, &x.link)
		}}},
		{"ExInterlockedRemoveHeadList", [2]func(*irql.K, *extension){list, func(k *irql.K, x *extension) {
			irql.KeInitializeSpinLock(k, &lock)
			irp.ExInterlockedRemoveHeadList(k, &x.head, &lock)
		}}},
		{"InitializeListHead", [2]func(*irql.K, *extension){list, list}},
		{"IoInitializeRemoveLock", [2]func(*irql.K, *extension){neverUsed, func(k *irql.K, x *extension) {
			irp.IoInitializeRemoveLock(k, &x.remove, extensionTag, 0, 0)
		}}},
		{"IoAcquireRemoveLock", [2]func(*irql.K, *extension){func(k *irql.K, x *extension) {
			irp.IoInitializeRemoveLock(k, &x.remove, extensionTag, 0, 0)
		}, func(k *irql.K, x *extension) { irp.IoAcquireRemoveLock(k, &x.remove, nil) }}},
		{"ExQueueWorkItem", [2]func(*irql.K, *extension){func(k *irql.K, x *extension) {
			irp.ExInitializeWorkItem(k, &x.work, func(*irql.K, any) {}, nil)
		}, func(k *irql.K, x *extension) { irp.ExQueueWorkItem(k, &x.work, irp.DelayedWorkQueue) }}},
		{"IoQueueWorkItem", [2]func(*irql.K, *extension){neverUsed, func(k *irql.K, x *extension) {
			irp.IoQueueWorkItem(k, &x.item, func(*irql.K, *irp.DEVICE_OBJECT, any) {}, irp.DelayedWorkQueue, nil)
		}}},
		{"IoCsqRemoveNextIrp", [2]func(*irql.K, *extension){neverUsed, func(k *irql.K, x *extension) {
			irp.IoCsqRemoveNextIrp(k, &x.queue, nil)
		}}},
	} {
		t.Run(c.name, func(t *testing.T) { trips(t, verify.POOL_013, freed(c.do[0], c.do[1])) })
	}
}

// The same for local variables of a routine that has returned.
func TestPOOL026_ListHeadOfAReturnedRoutine(t *testing.T) {
	trips(t, verify.POOL_026, func(l *lab) {
		var kept *irp.LIST_ENTRY
		l.as(l.image, func(k *irql.K) {
			x := irp.StackVar[extension](k)
			kept = &x.Get().head
			irp.InitializeListHead(k, kept)
		})
		l.rest()
		l.run(func(k *irql.K) { irp.IsListEmpty(k, kept) })
	})
}

// Memory that is there again may be used: the pointer is to another block.
func TestLIST_ENTRY_InNewMemory(t *testing.T) {
	passes(t, freed(neverUsed, func(k *irql.K, _ *extension) {
		x := irp.New[extension](k, irp.POOL_FLAG_NON_PAGED, extensionTag)
		irp.InitializeListHead(k, &x.Get().head)
		assert.True(t, irp.IsListEmpty(k, &x.Get().head))
		irp.Free(k, x, extensionTag)
	}))
}

// The likely fix says who freed the memory and who uses it.
func TestPOOL013_FixByWhoFreesAndWhoUses(t *testing.T) {
	same := trips(t, verify.POOL_013, func(l *lab) {
		l.run(func(k *irql.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, extensionTag)
			irp.ExFreePoolWithTag(k, b, extensionTag)
			b.Load8(0)
		})
	})
	assert.Contains(t, same.Fix, "the same context has freed it before")
	other := trips(t, verify.POOL_013, func(l *lab) {
		var b *irp.Buffer
		l.begin(func(k *irql.K) {
			b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, extensionTag)
			irp.ExFreePoolWithTag(k, b, extensionTag)
		})
		l.run(func(k *irql.K) { b.Load8(0) })
	})
	assert.Contains(t, other.Fix, "another context frees it")
	assert.Contains(t, other.Fix, "count references")
	work := trips(t, verify.POOL_013, func(l *lab) {
		d := l.stack(completes(ok))[0]
		l.begin(func(k *irql.K) {
			var freed irql.KEVENT
			irql.KeInitializeEvent(k, &freed, irql.NotificationEvent, false)
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, extensionTag)
			w := irp.IoAllocateWorkItem(k, d.dev)
			irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
				irql.KeWaitForSingleObject(k, &freed, irql.Executive, irql.KernelMode, false, nil)
				b.Load8(0)
			}, irp.DelayedWorkQueue, nil)
			irp.ExFreePoolWithTag(k, b, extensionTag)
			irql.KeSetEvent(k, &freed, 0, false)
		})
	})
	assert.Contains(t, work.Fix, "work item")
}
