package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// A local variable ends with its function, a helper of the routine that runs as well as the routine itself.

// after completes what it gets by a timer, two seconds later.
type after struct {
	timer irql.KTIMER
	dpc   irql.KDPC
}

func (a *after) dispatch(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	irql.KeInitializeTimer(k, &a.timer)
	irql.KeInitializeDpc(k, &a.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { complete(k, p, ok) }, nil)
	irql.KeSetTimer(k, &a.timer, -20_000_000, &a.dpc)
	return ntstatus.STATUS_PENDING
}

func pause(k *irql.K, seconds int64) {
	due := -10_000_000 * seconds
	irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
}

// callFor sends a request and waits at most a second for it, or for as long as it takes.
//
//go:noinline
func callFor(k *irql.K, dev *irp.DEVICE_OBJECT, givesUp bool) {
	p := irp.IoAllocateIrp(k, dev.StackSize, false)
	done := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
	prepare(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
		irql.KeSetEvent(k, done, 0, false)
		irp.IoFreeIrp(k, p)
		return stop
	}, nil)
	irp.IoCallDriver(k, dev, p)
	var limit *int64
	if second := int64(-10_000_000); givesUp {
		limit = &second
	}
	irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false, limit)
}

func TestFrame_TheHelperGivesUp(t *testing.T) {
	scenario := func(givesUp bool, body func(k *irql.K, dev *irp.DEVICE_OBJECT)) func(l *lab) {
		return func(l *lab) {
			d := l.stack((&after{}).dispatch)[0]
			l.run(func(k *irql.K) {
				if body != nil {
					body(k, d.dev)
					return
				}
				callFor(k, d.dev, givesUp)
				pause(k, 5)
			})
		}
	}
	f := tripsEach(t, verify.OBJ_002, scenario(true, nil))
	assert.Contains(t, f.Headline, "a local variable of a function that has returned")
	assert.Contains(t, f.Also, verify.POOL_026)
	passes(t, scenario(false, nil))
	// The next function lies where the one that gave up lay, or is called by another statement.
	tripsEach(t, verify.OBJ_002, scenario(true, func(k *irql.K, dev *irp.DEVICE_OBJECT) {
		callFor(k, dev, true)
		func() { func() { pause(k, 5) }() }()
	}))
	// The routine itself waits for longer than the request takes.
	passes(t, scenario(true, func(k *irql.K, dev *irp.DEVICE_OBJECT) {
		func() { callFor(k, dev, false) }()
		for range 3 {
			callFor(k, dev, false)
		}
	}))
}

// A loop tries again: the same statement calls the same function, whose frame lies where the first one lay.
func TestFrame_TheHelperIsCalledAgain(t *testing.T) {
	scenario := func(givesUp bool) func(l *lab) {
		return func(l *lab) {
			d := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				return new(after).dispatch(k, d, p)
			})[0]
			l.run(func(k *irql.K) {
				for range 3 {
					callFor(k, d.dev, givesUp)
				}
			})
		}
	}
	tripsEach(t, verify.OBJ_002, scenario(true))
	passes(t, scenario(false))
}

// A function that makes several in a loop has them all until it returns.
func TestFrame_SeveralMadeInALoop(t *testing.T) {
	passes(t, does(func(k *irql.K) {
		var events []*irql.KEVENT
		for range 3 {
			e := irql.OnStack[irql.KEVENT](k)
			irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
			events = append(events, e)
			irql.Yield(k)
		}
		for _, e := range events {
			irql.KeSetEvent(k, e, 0, false)
			waitFor(k, e)
		}
	}))
}

// sends makes a threaded request whose event and status block are local variables of this function.
//
//go:noinline
func sends(k *irql.K, dev *irp.DEVICE_OBJECT, wait bool) {
	event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
	s := irp.IoCallDriver(k, dev, ioctl(k, dev, event, iosb.Get()))
	if wait && s == ntstatus.STATUS_PENDING {
		waitFor(k, event)
	}
}

func TestFrame_TheHelperDoesNotWait(t *testing.T) {
	scenario := func(fn dispatch, wait bool) func(l *lab) {
		return func(l *lab) {
			d := l.stack(fn)[0]
			l.run(func(k *irql.K) {
				sends(k, d.dev, wait)
				pause(k, 5)
			})
		}
	}
	trips(t, verify.IRP_045, scenario((&after{}).dispatch, false))
	passes(t, scenario((&after{}).dispatch, true))
	passes(t, scenario(completes(ok), false))
}

type locals struct {
	n     int
	event irql.KEVENT
}

//go:noinline
func produces[T any](k *irql.K, what func(k *irql.K) T) T { return what(k) }

func TestFrame_WhatAHelperReturns(t *testing.T) {
	trips(t, verify.POOL_026, does(func(k *irql.K) {
		b := produces(k, func(k *irql.K) *irp.Buffer {
			b := irp.StackBuffer(k, 8)
			b.Store8(0, 1)
			return b
		})
		b.Load8(0)
	}))
	trips(t, verify.POOL_026, does(func(k *irql.K) {
		produces(k, func(k *irql.K) *irp.Typed[locals] { return irp.StackVar[locals](k) }).Get().n++
	}))
	trips(t, verify.POOL_026, does(func(k *irql.K) {
		lock := produces(k, func(k *irql.K) *irql.KSPIN_LOCK {
			l := irql.OnStack[irql.KSPIN_LOCK](k)
			irql.KeInitializeSpinLock(k, l)
			return l
		})
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, lock, &old)
	}))
	tripsEach(t, verify.OBJ_002, does(func(k *irql.K) {
		v := produces(k, func(k *irql.K) *locals {
			v := irp.StackVar[locals](k).Get()
			irql.KeInitializeEvent(k, &v.event, irql.NotificationEvent, false)
			return v
		})
		irql.KeSetEvent(k, &v.event, 0, false)
	}))
	tripsAs(t, verify.POOL_026, 0, "", does(func(k *irql.K) {
		produces(k, func(k *irql.K) *irp.Buffer {
			b := irp.StackBuffer(k, 8)
			pool.Lend(k, b, b.ID(), true)
			return b
		})
		irql.Yield(k)
		pause(k, 1)
	}))
}
