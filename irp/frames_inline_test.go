package irp_test

import (
	"testing"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// A helper may be so small that the compiler copies it into its caller: it has no frame then, and its local
// variables end with it all the same.

func smallEvent(k *irql.K) *irql.KEVENT {
	e := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, e, irql.NotificationEvent, true)
	return e
}

func smallRundown(k *irql.K) *irql.EX_RUNDOWN_REF {
	r := irql.OnStack[irql.EX_RUNDOWN_REF](k)
	irql.ExInitializeRundownProtection(k, r)
	return r
}

func smallVar(k *irql.K) *irp.Typed[locals] { return irp.StackVar[locals](k) }

func smallList(k *irql.K) *irp.LIST_ENTRY {
	v := &irp.StackVar[struct{ head irp.LIST_ENTRY }](k).Get().head
	irp.InitializeListHead(k, v)
	return v
}

func waitsInside(k *irql.K, outer *irql.KEVENT) {
	e := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, e, irql.NotificationEvent, true)
	waitFor(k, outer)
	waitFor(k, e)
}

func TestFrame_OfAHelperWithoutOne(t *testing.T) {
	tripsEach(t, verify.OBJ_002, does(func(k *irql.K) { waitFor(k, smallEvent(k)) }))
	tripsEach(t, verify.OBJ_002, does(func(k *irql.K) {
		e := func() *irql.KEVENT { return smallEvent(k) }()
		irql.KeSetEvent(k, e, 0, false)
	}))
	tripsEach(t, verify.POOL_026, does(func(k *irql.K) {
		irql.ExAcquireRundownProtection(k, smallRundown(k))
	}))
	tripsEach(t, verify.POOL_026, does(func(k *irql.K) { smallVar(k).Get().n++ }))
	tripsEach(t, verify.POOL_026, does(func(k *irql.K) {
		irp.IsListEmpty(k, smallList(k))
	}))
	passes(t, does(func(k *irql.K) {
		e := irql.OnStack[irql.KEVENT](k)
		irql.KeInitializeEvent(k, e, irql.NotificationEvent, true)
		for range 3 {
			waitsInside(k, e)
			func() { waitsInside(k, e) }()
			waitFor(k, e)
		}
		func() {
			inner := irql.OnStack[irql.KEVENT](k)
			irql.KeInitializeEvent(k, inner, irql.NotificationEvent, true)
			waitsInside(k, e)
			waitsInside(k, inner)
			func() { waitFor(k, inner) }()
			waitFor(k, inner)
		}()
	}))
}

func acquires(k *irql.K, l *irql.KSPIN_LOCK, h *irql.KLOCK_QUEUE_HANDLE) *irql.KLOCK_QUEUE_HANDLE {
	if h == nil {
		h = irql.OnStack[irql.KLOCK_QUEUE_HANDLE](k)
	}
	irql.KeAcquireInStackQueuedSpinLock(k, l, h)
	return h
}

// A lock that a helper acquires with a handle of its own is queued for through memory that is gone.
func TestFrame_TheLockQueueHandleIsTheHelpers(t *testing.T) {
	scenario := func(own bool) func(k *irql.K) {
		return func(k *irql.K) {
			l := irql.OnStack[irql.KSPIN_LOCK](k)
			irql.KeInitializeSpinLock(k, l)
			for range 2 {
				var h *irql.KLOCK_QUEUE_HANDLE
				if own {
					h = irp.StackVar[irql.KLOCK_QUEUE_HANDLE](k).Get()
				}
				irql.KeReleaseInStackQueuedSpinLock(k, acquires(k, l, h))
			}
		}
	}
	tripsEach(t, verify.LOCK_015, does(scenario(false)))
	passes(t, does(scenario(true)))
}
