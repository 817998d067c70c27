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

// Doubly linked lists. windows-driver-docs-pr/kernel/singly-and-doubly-linked-lists.md

// item is a structure of a driver's own.
type item struct {
	link irp.LIST_ENTRY
	n    int
}

func newItem(n int) *item {
	i := &item{n: n}
	i.link.Record = i
	return i
}

// lists runs fn as the client with an empty list.
func lists(fn func(k *irql.K, head *irp.LIST_ENTRY)) func(l *lab) {
	return func(l *lab) {
		l.run(func(k *irql.K) {
			head := new(irp.LIST_ENTRY)
			irp.InitializeListHead(k, head)
			fn(k, head)
		})
	}
}

func numbers(head *irp.LIST_ENTRY) (n []int) {
	for e := head.Flink; e != head; e = e.Flink {
		n = append(n, irp.CONTAINING_RECORD[item](e).n)
	}
	return n
}

func TestLIST_ENTRY_InsertAndRemove(t *testing.T) {
	passes(t, lists(func(k *irql.K, head *irp.LIST_ENTRY) {
		assert.True(t, irp.IsListEmpty(k, head))
		assert.Same(t, head, irp.RemoveHeadList(k, head), "an empty list gives its head")
		assert.Same(t, head, irp.RemoveTailList(k, head))
		two := newItem(2)
		irp.InsertTailList(k, head, &two.link)
		irp.InsertTailList(k, head, &newItem(3).link)
		irp.InsertHeadList(k, head, &newItem(1).link)
		assert.False(t, irp.IsListEmpty(k, head))
		assert.Equal(t, []int{1, 2, 3}, numbers(head))
		assert.False(t, irp.RemoveEntryList(k, &two.link))
		assert.Equal(t, 3, irp.CONTAINING_RECORD[item](irp.RemoveTailList(k, head)).n)
		assert.Equal(t, 1, irp.CONTAINING_RECORD[item](irp.RemoveHeadList(k, head)).n)
		irp.InsertHeadList(k, head, &two.link)
		assert.True(t, irp.RemoveEntryList(k, &two.link), "the list is empty now")
	}))
}

func TestExInterlockedInsertTailList_TellsWhatWasThere(t *testing.T) {
	passes(t, lists(func(k *irql.K, head *irp.LIST_ENTRY) {
		var lock irql.KSPIN_LOCK
		irql.KeInitializeSpinLock(k, &lock)
		one, two := newItem(1), newItem(2)
		assert.Nil(t, irp.ExInterlockedRemoveHeadList(k, head, &lock))
		assert.Nil(t, irp.ExInterlockedInsertTailList(k, head, &two.link, &lock))
		assert.Same(t, &two.link, irp.ExInterlockedInsertHeadList(k, head, &one.link, &lock))
		assert.Same(t, &two.link, irp.ExInterlockedInsertTailList(k, head, &newItem(3).link, &lock))
		assert.Equal(t, []int{1, 2, 3}, numbers(head))
		assert.Same(t, &one.link, irp.ExInterlockedRemoveHeadList(k, head, &lock))
		assert.Equal(t, irql.PASSIVE_LEVEL, irql.KeGetCurrentIrql(k))
	}))
}

func TestCONTAINING_RECORD_OfAnIrp(t *testing.T) {
	passes(t, lists(func(k *irql.K, head *irp.LIST_ENTRY) {
		p := irp.IoAllocateIrp(k, 1, false)
		irp.InsertTailList(k, head, p.ListEntry())
		assert.Same(t, p, irp.CONTAINING_RECORD[irp.IRP](irp.RemoveHeadList(k, head)))
		irp.IoFreeIrp(k, p)
		assert.PanicsWithValue(t, ke.Misuse("CONTAINING_RECORD: the Record of the entry is a <nil>, not "+
			"a *irp.IRP: set it before the entry is inserted, and do not pass the head"),
			func() { irp.CONTAINING_RECORD[irp.IRP](head) })
	}))
}

// Rule: OBJ-014
func TestLIST_ENTRY_Corrupted(t *testing.T) {
	for _, c := range []named[func(k *irql.K, head *irp.LIST_ENTRY)]{
		{"head not initialised", func(k *irql.K, _ *irp.LIST_ENTRY) {
			irp.InsertTailList(k, new(irp.LIST_ENTRY), &newItem(1).link)
		}},
		{"inserted twice", func(k *irql.K, head *irp.LIST_ENTRY) {
			i := newItem(1)
			irp.InsertTailList(k, head, &i.link)
			irp.InsertTailList(k, head, &i.link)
		}},
		{"removed twice", func(k *irql.K, head *irp.LIST_ENTRY) {
			i := newItem(1)
			irp.InsertTailList(k, head, &i.link)
			irp.RemoveEntryList(k, &i.link)
			irp.RemoveEntryList(k, &i.link)
		}},
		{"never inserted", func(k *irql.K, _ *irp.LIST_ENTRY) { irp.RemoveEntryList(k, &newItem(1).link) }},
		{"initialised while linked", func(k *irql.K, head *irp.LIST_ENTRY) {
			i := newItem(1)
			irp.InsertTailList(k, head, &i.link)
			irp.InitializeListHead(k, &i.link)
		}},
		{"initialised with entries", func(k *irql.K, head *irp.LIST_ENTRY) {
			irp.InsertTailList(k, head, &newItem(1).link)
			irp.InitializeListHead(k, head)
		}},
		{"written over", func(k *irql.K, head *irp.LIST_ENTRY) {
			irp.InsertTailList(k, head, &newItem(1).link)
			head.Flink.Blink = new(irp.LIST_ENTRY)
			irp.RemoveHeadList(k, head)
		}},
		{"written over, then inserted", func(k *irql.K, head *irp.LIST_ENTRY) {
			head.Blink = &newItem(1).link
			irp.InsertTailList(k, head, &newItem(2).link)
		}},
		{"plain and interlocked", func(k *irql.K, head *irp.LIST_ENTRY) {
			var lock irql.KSPIN_LOCK
			irql.KeInitializeSpinLock(k, &lock)
			irp.ExInterlockedInsertTailList(k, head, &newItem(1).link, &lock)
			irp.RemoveHeadList(k, head)
		}},
		{"two locks", func(k *irql.K, head *irp.LIST_ENTRY) {
			var locks [2]irql.KSPIN_LOCK
			for i := range locks {
				irql.KeInitializeSpinLock(k, &locks[i])
				irp.ExInterlockedInsertTailList(k, head, &newItem(i).link, &locks[i])
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { trips(t, verify.OBJ_014, lists(c.do)) })
	}
}

// TestLIST_ENTRY_MemoryGone: the arguments are those of the pool then.
func TestLIST_ENTRY_MemoryGone(t *testing.T) {
	tag := irp.Tag("List")
	for _, c := range []named[func(k *irql.K, head *irp.LIST_ENTRY)]{
		{"entry", func(k *irql.K, head *irp.LIST_ENTRY) {
			mem := irp.New[item](k, irp.POOL_FLAG_NON_PAGED, tag)
			irp.InsertTailList(k, head, &mem.Get().link)
			irp.Free(k, mem, tag)
		}},
		{"head", func(k *irql.K, _ *irp.LIST_ENTRY) {
			mem := irp.New[item](k, irp.POOL_FLAG_NON_PAGED, tag)
			irp.InitializeListHead(k, &mem.Get().link)
			irp.InsertTailList(k, &mem.Get().link, &newItem(1).link)
			irp.Free(k, mem, tag)
		}},
		{"IRP", func(k *irql.K, head *irp.LIST_ENTRY) {
			p := irp.IoAllocateIrp(k, 1, false)
			irp.InsertTailList(k, head, p.ListEntry())
			irp.IoFreeIrp(k, p)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, ke.Config{})
			lists(c.do)(l)
			assert.Equal(t, uint32(0x139), l.expect(verify.OBJ_014).BugCheck)
		})
	}
}

// Near miss: OBJ-014
func TestLIST_ENTRY_RemovedAgainAfterItWasInitialised(t *testing.T) {
	tag := irp.Tag("List")
	passes(t, lists(func(k *irql.K, head *irp.LIST_ENTRY) {
		mem := irp.New[item](k, irp.POOL_FLAG_NON_PAGED, tag)
		i := mem.Get()
		irp.InsertTailList(k, head, &i.link)
		irp.RemoveHeadList(k, head)
		irp.InitializeListHead(k, &i.link)
		assert.True(t, irp.RemoveEntryList(k, &i.link), "it points to itself")
		irp.Free(k, mem, tag)
	}))
}

// plainQueue is a driver with a list of IRPs, an own lock and no cancel routines.
type plainQueue struct {
	lock  irql.KSPIN_LOCK
	heads [2]irp.LIST_ENTRY
}

// queues sends one request to a driver that does fn with it and its queue, and then completes it.
func queues(fn func(k *irql.K, q *plainQueue, p *irp.IRP)) func(l *lab) {
	return func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			q := &plainQueue{}
			irql.KeInitializeSpinLock(k, &q.lock)
			for i := range q.heads {
				irp.InitializeListHead(k, &q.heads[i])
			}
			fn(k, q, p)
			complete(k, p, ok)
			return pending
		})
	}
}

// Rule: IRP-076
func TestListEntry_OfAnIrpInTwoLists(t *testing.T) {
	for _, c := range []named[func(k *irql.K, q *plainQueue, p *irp.IRP)]{
		{"inserted twice", func(k *irql.K, q *plainQueue, p *irp.IRP) {
			irp.InsertTailList(k, &q.heads[0], p.ListEntry())
			irp.InsertTailList(k, &q.heads[1], p.ListEntry())
		}},
		{"removed twice", func(k *irql.K, q *plainQueue, p *irp.IRP) {
			irp.InsertTailList(k, &q.heads[0], p.ListEntry())
			irp.RemoveHeadList(k, &q.heads[0])
			irp.RemoveEntryList(k, p.ListEntry())
		}},
		{"completed", func(k *irql.K, q *plainQueue, p *irp.IRP) {
			irp.InsertTailList(k, &q.heads[0], p.ListEntry())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_076, queues(func(k *irql.K, q *plainQueue, p *irp.IRP) {
				irp.IoMarkIrpPending(k, p)
				c.do(k, q, p)
			}))
		})
	}
	t.Run("forwarded", func(t *testing.T) {
		trips(t, verify.IRP_076, func(l *lab) {
			l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				var head irp.LIST_ENTRY
				irp.InitializeListHead(k, &head)
				irp.InsertTailList(k, &head, p.ListEntry())
				return skips(k, d, p)
			}, completes(ok))
		})
	})
}

// TestCancelSafeQueue_IrpStillInIt: an IRP that is in a cancel-safe queue is nobody's to complete, send or
// queue again.
func TestCancelSafeQueue_IrpStillInIt(t *testing.T) {
	for _, c := range []named[func(k *irql.K, q *safeQueue, p *irp.IRP)]{
		{"complete", func(k *irql.K, _ *safeQueue, p *irp.IRP) { irp.IoCompleteRequest(k, p, 0) }},
		{"insert", func(k *irql.K, q *safeQueue, p *irp.IRP) { irp.IoCsqInsertIrp(k, &q.csq, p, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) { trips(t, verify.IRP_076, new(safeQueue).fills(c.do)) })
	}
	t.Run("forward", func(t *testing.T) {
		trips(t, verify.IRP_076, func(l *lab) {
			low := l.stack(completes(ok))[0]
			q := &safeQueue{then: func(k *irql.K, p *irp.IRP) { irp.IoCallDriver(k, low.dev, p) }}
			q.fills(nothing)(l)
		})
	})
}

// Near miss: IRP-076
func TestListEntry_OneListAfterTheOther(t *testing.T) {
	passes(t, queues(func(k *irql.K, q *plainQueue, p *irp.IRP) {
		irp.IoMarkIrpPending(k, p)
		for i := range q.heads {
			irp.InsertTailList(k, &q.heads[i], p.ListEntry())
			irp.RemoveHeadList(k, &q.heads[i])
		}
	}))
}

// Rule: IRP-067
func TestIoMarkIrpPending_AfterTheIrpWasQueued(t *testing.T) {
	for _, c := range []named[func(k *irql.K, q *plainQueue, p *irp.IRP)]{
		{"list", func(k *irql.K, q *plainQueue, p *irp.IRP) {
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, &q.lock, &old)
			irp.InsertTailList(k, &q.heads[0], p.ListEntry())
			irql.KeReleaseSpinLock(k, &q.lock, old)
		}},
		{"lock taken again", func(k *irql.K, q *plainQueue, p *irp.IRP) {
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, &q.lock, &old)
			irp.InsertTailList(k, &q.heads[0], p.ListEntry())
			irql.KeReleaseSpinLock(k, &q.lock, old)
			irql.KeAcquireSpinLock(k, &q.lock, &old)
		}},
		{"interlocked", func(k *irql.K, q *plainQueue, p *irp.IRP) {
			irp.ExInterlockedInsertTailList(k, &q.heads[0], p.ListEntry(), &q.lock)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_067, queues(func(k *irql.K, q *plainQueue, p *irp.IRP) {
				c.do(k, q, p)
				irp.IoMarkIrpPending(k, p)
			}))
		})
	}
	t.Run("cancel-safe queue", func(t *testing.T) {
		trips(t, verify.IRP_067, (&safeQueue{then: irp.IoMarkIrpPending}).fills(nothing))
	})
	t.Run("work item", func(t *testing.T) {
		faster := race{reason: "the worker may complete the request first",
			rules: []verify.RuleID{verify.IRP_005}}
		tripsMostly(t, verify.IRP_067, faster, func(l *lab) {
			l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				w := irp.IoAllocateWorkItem(k, d.dev)
				irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, context any) {
					irp.IoFreeWorkItem(k, w)
					complete(k, context.(*irp.IRP), ok)
				}, irp.DelayedWorkQueue, p)
				irp.IoMarkIrpPending(k, p)
				return pending
			})
		})
	})
}

// Near miss: IRP-067
func TestIoMarkIrpPending_BeforeTheLockIsReleased(t *testing.T) {
	passes(t, queues(func(k *irql.K, q *plainQueue, p *irp.IRP) {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &q.lock, &old)
		irp.InsertTailList(k, &q.heads[0], p.ListEntry())
		irp.IoMarkIrpPending(k, p) // nobody can have taken it out yet
		irp.RemoveHeadList(k, &q.heads[0])
		irql.KeReleaseSpinLock(k, &q.lock, old)
	}))
}
