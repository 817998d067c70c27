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
