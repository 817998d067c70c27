package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// forced runs a scenario with every IoCallDriver of a driver answering STATUS_PENDING, or with some of them.
func forced(t *testing.T, scenario func(l *lab)) *lab {
	l := newLab(t, ke.Config{ForcePending: true, Pins: []ke.Pin{{Site: "verifier/ForcePending", Alt: 1}}})
	scenario(l)
	return l
}

// TestForcePending_CorrectDriversAreSilent: the patterns of the cheat sheet meet their pending path.
// windows-driver-docs: windows-driver-docs-pr/devtest/force-pending-i-o-requests.md
func TestForcePending_CorrectDriversAreSilent(t *testing.T) {
	for _, c := range []named[[]dispatch]{
		{"forward and forget", []dispatch{skips, skips, completes(ok)}},
		{"forward with a routine", []dispatch{forwards(propagate), forwards(propagate), completes(failed)}},
		{"no routine", []dispatch{forwards(nil), forwards(propagate), completes(ok)}},
		{"forward and wait", []dispatch{waitsWith(signalIfPended, false, completeAgain), completes(ok)}},
		{"pends itself", []dispatch{forwards(propagate), pends(ok)}},
		{"synchronously", []dispatch{synchronously, completes(ok)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := forced(t, func(l *lab) { assert.Equal(t, pending, l.through(c.do...)) })
			l.silent()
			for run := range uint64(trial.Walks()) {
				l := newLab(t, ke.Config{ForcePending: true,
					Source: trial.NoFaults{Random: ke.NewRandom(4, run)}})
				l.through(c.do...)
				l.silent()
				l.m.Close()
			}
		})
	}
}

// synchronously is a driver that uses IoForwardIrpSynchronously.
func synchronously(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	assert.True(d.l.t, irp.IoForwardIrpSynchronously(k, d.below, p))
	return complete(k, p, p.IoStatus().Status)
}

// TestForcePending_Routines: PendingReturned is TRUE and the routine runs in another thread.
func TestForcePending_Routines(t *testing.T) {
	var sender, ran *irql.KTHREAD
	l := forced(t, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			sender = irql.KeGetCurrentThread(k)
			p := request(k, st[0].dev, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
				c any) ntstatus.NTSTATUS {
				ran = irql.KeGetCurrentThread(k)
				assert.True(t, p.PendingReturned())
				return freeIt(k, dev, p, c)
			}, nil)
			assert.Equal(t, pending, irp.IoCallDriver(k, st[0].dev, p))
		})
	})
	l.silent()
	assert.NotSame(t, sender, ran)
}

// TestForcePending_ThreadedRequest: the error of a request that was forced to pend is reported.
func TestForcePending_ThreadedRequest(t *testing.T) {
	l := forced(t, func(l *lab) {
		st := l.stack(completes(failed))
		l.run(func(k *irql.K) {
			event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
			s := irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, event, iosb.Get()))
			assert.Equal(t, pending, s)
			waitFor(k, event)
			assert.Equal(t, failed, iosb.Get().Status)
		})
	})
	l.silent()
}

// Rule: IRP-005
func TestForcePending_FindsWhoBelievesInInlineCompletion(t *testing.T) {
	looks := func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		irp.IoSetCompletionRoutine(k, p, stopIt, nil, true, true, true)
		irp.IoCallDriver(k, d.below, p) // it completes at once, I know that driver
		return complete(k, p, p.IoStatus().Status)
	}
	passes(t, func(l *lab) { l.through(looks, completes(ok)) })
	l := forced(t, func(l *lab) { l.through(looks, completes(ok)) })
	l.expect(verify.IRP_005)
}

// TestForcePending_DoubleCompletion: what is deferred counts as completed.
func TestForcePending_DoubleCompletion(t *testing.T) {
	l := forced(t, func(l *lab) {
		l.through(forwards(propagate), func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			complete(k, p, ok)
			irp.IoCompleteRequest(k, p, 0)
			return ok
		})
	})
	l.expect(verify.IRP_001)
}
