package irp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Cancel-safe queues. windows-driver-docs-pr/kernel/cancel-safe-irp-queues.md

// safeQueue is a driver whose dispatch routine queues every request in a cancel-safe queue.
type safeQueue struct {
	csq   irp.IO_CSQ
	lock  irql.KSPIN_LOCK
	head  irp.LIST_ENTRY
	calls []string

	limit int // InsertIrpEx refuses when the list is that long; 0 for the plain form
	n     int
	ctx   *irp.IO_CSQ_IRP_CONTEXT // given to every insertion
	then  func(k *irql.K, p *irp.IRP)
	added func(p *irp.IRP)
	// Callbacks that misbehave, nil for the correct ones.
	peek    irp.IO_CSQ_PEEK_NEXT_IRP
	insert  irp.IO_CSQ_INSERT_IRP
	acquire irp.IO_CSQ_ACQUIRE_LOCK
	release irp.IO_CSQ_RELEASE_LOCK
}

// on makes the queue the one of a driver of its own.
func (q *safeQueue) on(l *lab) *driver {
	d := l.stack(q.dispatch)[0]
	l.begin(func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: d.obj.Image()})
		q.initialise(k)
		ke.Pop(k)
	})
	return d
}

func (q *safeQueue) initialise(k *irql.K) {
	irql.KeInitializeSpinLock(k, &q.lock)
	irp.InitializeListHead(k, &q.head)
	if q.peek == nil {
		q.peek = q.next
	}
	if q.insert == nil {
		q.insert = q.add
	}
	if q.acquire == nil {
		q.acquire = func(k *irql.K, _ *irp.IO_CSQ, old *irql.KIRQL) {
			irql.KeAcquireSpinLock(k, &q.lock, old)
		}
	}
	if q.release == nil {
		q.release = func(k *irql.K, _ *irp.IO_CSQ, old irql.KIRQL) { irql.KeReleaseSpinLock(k, &q.lock, old) }
	}
	if q.limit == 0 {
		irp.IoCsqInitialize(k, &q.csq, q.insert, q.remove, q.peek, q.acquire, q.release, q.cancelled)
		return
	}
	irp.IoCsqInitializeEx(k, &q.csq, q.addIfRoom, q.remove, q.peek, q.acquire, q.release, q.cancelled)
}

func (q *safeQueue) add(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) {
	q.calls = append(q.calls, "insert")
	if q.added != nil {
		q.added(p)
	}
	irp.InsertTailList(k, &q.head, p.ListEntry())
	q.n++
}

func (q *safeQueue) addIfRoom(k *irql.K, csq *irp.IO_CSQ, p *irp.IRP, context any) ntstatus.NTSTATUS {
	if q.n == q.limit {
		return context.(ntstatus.NTSTATUS)
	}
	q.add(k, csq, p)
	return ok
}

func (q *safeQueue) remove(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) {
	q.calls = append(q.calls, "remove")
	irp.RemoveEntryList(k, p.ListEntry())
	q.n--
}

func (q *safeQueue) next(_ *irql.K, _ *irp.IO_CSQ, p *irp.IRP, context any) *irp.IRP {
	e := q.head.Flink
	if p != nil {
		e = p.ListEntry().Flink
	}
	for ; e != &q.head; e = e.Flink {
		if r := irp.CONTAINING_RECORD[irp.IRP](e); context == nil || r.DriverContext()[0] == context {
			return r
		}
	}
	return nil
}

func (q *safeQueue) cancelled(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) {
	q.calls = append(q.calls, fmt.Sprintf("cancelled at %v", irql.KeGetCurrentIrql(k)))
	complete(k, p, ntstatus.STATUS_CANCELLED)
}

func (q *safeQueue) dispatch(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
	if q.limit > 0 {
		s := irp.IoCsqInsertIrpEx(k, &q.csq, p, q.ctx, ntstatus.STATUS_DEVICE_BUSY)
		if !ntstatus.NT_SUCCESS(s) {
			return complete(k, p, s)
		}
	} else {
		irp.IoCsqInsertIrp(k, &q.csq, p, q.ctx)
	}
	if q.then != nil {
		q.then(k, p)
	}
	return pending
}

// fills sends a request to a driver with a queue; use is done as code of that driver, with the request.
func (q *safeQueue) fills(use func(k *irql.K, q *safeQueue, p *irp.IRP)) func(l *lab) {
	return func(l *lab) {
		q := &safeQueue{limit: q.limit, ctx: q.ctx, then: q.then, peek: q.peek, insert: q.insert,
			added: q.added, release: q.release}
		d := q.on(l)
		l.run(func(k *irql.K) {
			p := request(k, d.dev, freeIt, nil)
			irp.IoCallDriver(k, d.dev, p)
			ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: d.obj.Image()})
			use(k, q, p)
			if left := irp.IoCsqRemoveNextIrp(k, &q.csq, nil); left != nil {
				complete(k, left, ok)
			}
			ke.Pop(k)
		})
	}
}

func nothing(*irql.K, *safeQueue, *irp.IRP) {}

func TestIoCsqInsertIrp_RemovedAndCompleted(t *testing.T) {
	passes(t, new(safeQueue).fills(func(k *irql.K, q *safeQueue, p *irp.IRP) {
		assert.Equal(t, p, irp.IoCsqRemoveNextIrp(k, &q.csq, nil))
		assert.Nil(t, irp.IoCsqRemoveNextIrp(k, &q.csq, nil))
		assert.Nil(t, p.DriverContext()[3])
		assert.Nil(t, p.CancelRoutine())
		assert.NotZero(t, irp.IoGetCurrentIrpStackLocation(k, p).Control()&irp.SL_PENDING_RETURNED)
		complete(k, p, ok)
	}))
}

func TestIoCsqRemoveIrp_ByItsContext(t *testing.T) {
	passes(t, (&safeQueue{ctx: new(irp.IO_CSQ_IRP_CONTEXT)}).fills(func(k *irql.K, q *safeQueue, p *irp.IRP) {
		assert.Equal(t, p, irp.IoCsqRemoveIrp(k, &q.csq, q.ctx))
		assert.Nil(t, q.ctx.Irp)
		assert.Nil(t, irp.IoCsqRemoveIrp(k, &q.csq, q.ctx), "it is gone")
		complete(k, p, ok)
	}))
}

func TestIoCsqRemoveNextIrp_PeekContextChooses(t *testing.T) {
	passes(t, new(safeQueue).fills(func(k *irql.K, q *safeQueue, p *irp.IRP) {
		assert.Nil(t, irp.IoCsqRemoveNextIrp(k, &q.csq, "another file"))
	}))
}

func TestIoCsqInsertIrpEx_RefusedStaysWithTheCaller(t *testing.T) {
	passes(t, func(l *lab) {
		q := &safeQueue{limit: 1}
		d := q.on(l)
		l.run(func(k *irql.K) {
			assert.Equal(t, pending, irp.IoCallDriver(k, d.dev, request(k, d.dev, freeIt, nil)))
			assert.Equal(t, ntstatus.STATUS_DEVICE_BUSY,
				irp.IoCallDriver(k, d.dev, request(k, d.dev, freeIt, nil)))
			ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: d.obj.Image()})
			complete(k, irp.IoCsqRemoveNextIrp(k, &q.csq, nil), ok)
			ke.Pop(k)
		})
	})
}

// TestIoCsqInsertIrp_AlreadyCancelled: InsertIrp is called all the same, then RemoveIrp, then
// CompleteCanceledIrp without the lock (irp.md 24 #3).
func TestIoCsqInsertIrp_AlreadyCancelled(t *testing.T) {
	passes(t, func(l *lab) {
		q := &safeQueue{ctx: new(irp.IO_CSQ_IRP_CONTEXT)}
		d := q.on(l)
		l.run(func(k *irql.K) {
			p := request(k, d.dev, freeIt, nil)
			irp.IoCancelIrp(k, p)
			assert.Equal(t, pending, irp.IoCallDriver(k, d.dev, p))
		})
		assert.Equal(t, []string{"insert", "remove", "cancelled at PASSIVE_LEVEL"}, q.calls)
		assert.Nil(t, q.ctx.Irp)
	})
}

func TestIoCancelIrp_InACancelSafeQueue(t *testing.T) {
	passes(t, func(l *lab) {
		q := &safeQueue{}
		d := q.on(l)
		l.run(func(k *irql.K) {
			p := request(k, d.dev, freeIt, nil)
			irp.IoCallDriver(k, d.dev, p)
			assert.True(t, irp.IoCancelIrp(k, p))
			assert.Equal(t, irql.PASSIVE_LEVEL, irql.KeGetCurrentIrql(k))
		})
		assert.Equal(t, []string{"insert", "remove", "cancelled at PASSIVE_LEVEL"}, q.calls)
	})
}

// TestCancelSafeQueue_EveryRequestEndsOnce: inserts, removals and cancellations race, and every request is
// completed exactly once on every schedule.
func TestCancelSafeQueue_EveryRequestEndsOnce(t *testing.T) {
	runs := uint64(5000)
	if testing.Short() {
		runs = 500
	}
	m := ke.New(ke.Config{Subsystems: subsystems.All()})
	t.Cleanup(m.Close)
	ends := map[ntstatus.NTSTATUS]int{}
	for run := range runs {
		m.Reset(ke.Config{Subsystems: subsystems.All(), Events: 64,
			Source: trial.NoFaults{Random: ke.NewRandom(7, run)}})
		l := &lab{t: t, m: m}
		raceForRequests(l, ends)
		require.Empty(t, l.found(), "run %d", run)
	}
	assert.NotZero(t, ends[ntstatus.STATUS_CANCELLED], "cancellation never won")
	assert.NotZero(t, ends[ok], "removal never won")
}

// raceForRequests lets senders, their cancellers and two servers meet at one queue.
func raceForRequests(l *lab, ends map[ntstatus.NTSTATUS]int) {
	const requests, servers = 4, 2
	l.client = l.load("client.sys", nil, func(_ *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		return ok
	})
	l.image = l.client.Image()
	q := &safeQueue{}
	d := q.on(l)
	ended, status := make([]int, requests), make([]ntstatus.NTSTATUS, requests)
	for n := range requests {
		l.as(l.image, func(k *irql.K) {
			word := int32(0)
			p := request(k, d.dev, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
				_ any) ntstatus.NTSTATUS {
				ended[n]++
				status[n] = p.IoStatus().Status
				if irql.InterlockedExchange(k, &word, 3) != 1 { // no canceller is at work
					irp.IoFreeIrp(k, p)
				}
				return stop
			}, nil)
			l.as(l.image, func(k *irql.K) { // may come before the request is sent, and while it is inserted
				if irql.InterlockedExchange(k, &word, 1) != 0 {
					return
				}
				irp.IoCancelIrp(k, p)
				if irql.InterlockedExchange(k, &word, 2) == 3 {
					irp.IoFreeIrp(k, p)
				}
			})
			irp.IoCallDriver(k, d.dev, p)
		})
	}
	for range servers {
		d.later(func(k *irql.K) {
			for range requests / servers {
				if p := irp.IoCsqRemoveNextIrp(k, &q.csq, nil); p != nil {
					complete(k, p, ok)
				}
			}
		})
	}
	l.rest()
	for n := range ended {
		require.Equal(l.t, 1, ended[n], "request %d: %v", n, l.found())
		ends[status[n]]++
	}
}

// Rule: OBJ-013
func TestCancelSafeQueue_CallbacksThatDoNotFit(t *testing.T) {
	var last *irp.IRP
	for _, c := range []named[*safeQueue]{
		{"peek goes round", &safeQueue{
			insert: func(_ *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { last = p },
			peek: func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP, _ any) *irp.IRP {
				if p == nil {
					irp.IoSetCancelRoutine(k, last, nil) // passed over, as if it were being cancelled
				}
				return last
			}}},
		{"lock kept", &safeQueue{release: func(*irql.K, *irp.IO_CSQ, irql.KIRQL) {}}},
		{"touched", &safeQueue{then: func(_ *irql.K, p *irp.IRP) { p.IoStatus().Information = 1 }}},
	} {
		t.Run(c.name, func(t *testing.T) { trips(t, verify.OBJ_013, c.do.fills(nothing)) })
	}
}

// TestCancelSafeQueue_Misused: what is not about callbacks.
func TestCancelSafeQueue_Misused(t *testing.T) {
	for _, c := range []named[func(k *irql.K, l *lab, q *safeQueue, p *irp.IRP)]{
		{"twice", func(k *irql.K, _ *lab, q *safeQueue, _ *irp.IRP) {
			irp.IoCsqInitialize(k, &q.csq, q.insert, q.remove, q.peek, q.acquire, q.release, q.cancelled)
		}},
		{"of another queue", func(k *irql.K, _ *lab, q *safeQueue, p *irp.IRP) {
			other := &safeQueue{}
			other.initialise(k)
			irp.IoCsqRemoveIrp(k, &other.csq, &irp.IO_CSQ_IRP_CONTEXT{Irp: p, Csq: &q.csq})
		}},
		{"peek of another queue", func(k *irql.K, _ *lab, _ *safeQueue, p *irp.IRP) {
			other := &safeQueue{peek: func(*irql.K, *irp.IO_CSQ, *irp.IRP, any) *irp.IRP { return p }}
			other.initialise(k)
			irp.IoCsqRemoveNextIrp(k, &other.csq, nil)
		}},
		{"not initialised", func(k *irql.K, _ *lab, _ *safeQueue, _ *irp.IRP) {
			irp.IoCsqRemoveNextIrp(k, new(irp.IO_CSQ), nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &safeQueue{}
			f := trips(t, verify.OBJ_013, func(l *lab) {
				d := q.on(l)
				l.run(func(k *irql.K) {
					p := request(k, d.dev, freeIt, nil)
					irp.IoCallDriver(k, d.dev, p)
					ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: d.obj.Image()})
					c.do(k, l, q, p)
				})
			})
			assert.NotEmpty(t, f.Fix)
		})
	}
	t.Run("context used twice", func(t *testing.T) {
		trips(t, verify.OBJ_013, func(l *lab) {
			q := &safeQueue{ctx: new(irp.IO_CSQ_IRP_CONTEXT)}
			d := q.on(l)
			l.run(func(k *irql.K) {
				for range 2 {
					irp.IoCallDriver(k, d.dev, request(k, d.dev, freeIt, nil))
				}
			})
		})
	})
	t.Run("freed with IRPs", func(t *testing.T) {
		f := trips(t, verify.OBJ_013, func(l *lab) {
			l.run(func(k *irql.K) {
				mem := irp.New[safeQueue](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("Csq "))
				q := mem.Get()
				q.initialise(k)
				p := irp.IoAllocateIrp(k, 2, false)
				irp.IoSetNextIrpStackLocation(k, p)
				irp.IoCsqInsertIrp(k, &q.csq, p, nil)
				irp.RemoveEntryList(k, q.head.Flink)
				irp.Free(k, mem, irp.Tag("Csq "))
			})
		})
		assert.Contains(t, f.Headline, "csq#1")
	})
}

// Near miss: OBJ-013
func TestCancelSafeQueue_TouchedUnderItsLock(t *testing.T) {
	passes(t, new(safeQueue).fills(func(k *irql.K, q *safeQueue, p *irp.IRP) {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &q.lock, &old)
		p.DriverContext()[0] = "mine"
		irql.KeReleaseSpinLock(k, &q.lock, old)
		assert.Equal(t, p, irp.IoCsqRemoveNextIrp(k, &q.csq, "mine"))
		complete(k, p, ok)
	}))
}

// overwrites keeps the address of DriverContext and writes element n when the IRP is in the queue.
func overwrites(n int) *safeQueue {
	var kept *[4]any
	return &safeQueue{added: func(p *irp.IRP) { kept = p.DriverContext() },
		then: func(*irql.K, *irp.IRP) { kept[n] = "mine" }}
}

// Rule: IRP-075
func TestCancelSafeQueue_DriverContext3Overwritten(t *testing.T) {
	trips(t, verify.IRP_075, overwrites(3).fills(nothing))
}

// Near miss: IRP-075
func TestCancelSafeQueue_OtherDriverContextIsTheDrivers(t *testing.T) {
	passes(t, overwrites(2).fills(nothing))
}
