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

// The rules about events that tell the end of a request.

// waitsWith forwards with a routine whose context is a local event, waits for it by its rule, and completes.
func waitsWith(routine irp.IO_COMPLETION_ROUTINE, always bool, answer dispatch) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		event := irql.OnStack[irql.KEVENT](k)
		irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		irp.IoSetCompletionRoutine(k, p, routine, event, true, true, true)
		if s := irp.IoCallDriver(k, d.below, p); s == pending || always {
			waitFor(k, event)
		}
		return answer(k, d, p)
	}
}

// marksAndSignals mixes two strategies.
func marksAndSignals(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
	propagate(k, dev, p, context)
	return signalIfPended(k, dev, p, context)
}

func signalsAndMarks(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
	signalIfPended(k, dev, p, context)
	propagate(k, dev, p, context)
	return stop
}

// saysPendingAfter completes again and returns what agrees with the mark.
func saysPendingAfter(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	completeAgain(k, d, p)
	return pending
}

// Rule: IRP-012
func TestCompletionRoutine_MarksAndSignals(t *testing.T) {
	using := func(routine irp.IO_COMPLETION_ROUTINE) func(l *lab) {
		return func(l *lab) { l.through(waitsWith(routine, false, saysPendingAfter), pends(ok)) }
	}
	f := trips(t, verify.IRP_012, using(marksAndSignals))
	assert.Equal(t, verify.Warning, f.Severity())
	woken := race{reason: "the waiter may complete the request before the routine marks it",
		rules: []verify.RuleID{verify.IRP_005, verify.IRP_007}}
	tripsMostly(t, verify.IRP_012, woken, using(signalsAndMarks))
}

// TestCompletionRoutine_MarksAndSignalsBeforeTheWait: the routine ran before the dispatch routine got to its
// wait.
func TestCompletionRoutine_MarksAndSignalsBeforeTheWait(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.through(waitsWith(marksAndSignals, false, saysPendingAfter),
		func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			complete(k, p, ok)
			return pending
		})
	l.expect(verify.IRP_012)
}

// Near miss: IRP-012
func TestCompletionRoutine_OnlySignals(t *testing.T) {
	passes(t, func(l *lab) { l.through(waitsWith(signalIfPended, false, completeAgain), pends(ok)) })
	passes(t, func(l *lab) { // marks, and tells somebody else
		var told irql.KEVENT
		l.begin(func(k *irql.K) { irql.KeInitializeEvent(k, &told, irql.NotificationEvent, false) })
		l.through(forwards(func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, c any) ntstatus.NTSTATUS {
			irql.KeSetEvent(k, &told, 0, false)
			return propagate(k, dev, p, c)
		}), pends(ok))
	})
}

// Rule: IRP-048
func TestWait_ForAnEventTheRoutineDidNotSet(t *testing.T) {
	f := trips(t, verify.IRP_048, func(l *lab) { // the routine stops the climb and forgets the waiter
		l.through(waitsWith(stopIt, false, completeAgain), pends(ok))
	})
	assert.Contains(t, f.Headline, "stopIt ran for irp#1 and did not signal it")
	trips(t, verify.IRP_048, func(l *lab) { // the wait is unconditional, the routine signals only if pended
		l.through(waitsWith(signalIfPended, true, completeAgain), completes(ok))
	})
}

// TestWait_ForAThreadedRequestThatFailedInline: stage 2 reports nothing then.
func TestWait_ForAThreadedRequestThatFailedInline(t *testing.T) {
	trips(t, verify.IRP_048, func(l *lab) {
		st := l.stack(completes(failed))
		l.run(func(k *irql.K) {
			event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
			irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, event, iosb.Get()))
			waitFor(k, event)
		})
	})
}

// Near miss: IRP-048
func TestWait_ForAnEventTheRoutineSets(t *testing.T) {
	for _, low := range lowers {
		passes(t, func(l *lab) { l.through(waitsWith(signalIfPended, false, completeAgain), low.do) })
	}
	// A system thread that waits for work is no waiter of a request that ended before.
	for _, low := range lowers {
		passes(t, idleWorker(low.do))
	}
}

// idleWorker sends one request whose routine has the worker's structure as context, and then waits for work.
func idleWorker(low dispatch) func(l *lab) {
	return func(l *lab) {
		st := l.stack(low)
		type work struct{ more irql.KEVENT }
		l.as(l.image, func(k *irql.K) {
			w := &work{}
			irql.KeInitializeEvent(k, &w.more, irql.SynchronizationEvent, false)
			irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, func(k *irql.K, dev *irp.DEVICE_OBJECT,
				p *irp.IRP, c any) ntstatus.NTSTATUS {
				return freeIt(k, dev, p, c)
			}, w))
			waitFor(k, &w.more)
		})
		l.rest()
	}
}

// Rule: IRP-049
func TestWait_WithoutTimeOutForALowerDriver(t *testing.T) {
	early := race{reason: "the request may have ended before the wait", quiet: true}
	f := tripsMostly(t, verify.IRP_049, early, func(l *lab) {
		l.through(waitsWith(signalIfPended, false, completeAgain), pends(ok))
	})
	assert.Equal(t, verify.Note, f.Severity())
	tripsMostly(t, verify.IRP_049, early, func(l *lab) {
		st := l.stack(pends(ok))
		l.run(func(k *irql.K) {
			event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
			irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, event, iosb.Get()))
			waitFor(k, event)
		})
	})
}

// Near miss: IRP-049
func TestWait_WithATimeOutForALowerDriver(t *testing.T) {
	avoids(t, verify.IRP_049, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			event := irql.OnStack[irql.KEVENT](k)
			irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			irp.IoSetCompletionRoutine(k, p, signalIfPended, event, true, true, true)
			if irp.IoCallDriver(k, d.below, p) == pending {
				limit := int64(-10 * ke.Second)
				irql.KeWaitForSingleObject(k, event, irql.Executive, irql.KernelMode, false, &limit)
			}
			return completeAgain(k, d, p)
		}, pends(ok))
	})
}
