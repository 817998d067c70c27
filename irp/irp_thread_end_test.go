package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// bound is what a driver keeps of a thread-bound request beyond the frame that sent it.
type bound struct {
	event irql.KEVENT
	iosb  irp.IO_STATUS_BLOCK
}

// keepsCancelable holds a request until it is cancelled.
func keepsCancelable(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	setCancel(k, p)
	return pending
}

// systemThread runs fn in a thread of PsCreateSystemThread and gives its object.
func systemThread(k *irql.K, fn irql.KSTART_ROUTINE) *irql.KTHREAD {
	var h irql.HANDLE
	var o any
	if irql.PsCreateSystemThread(k, &h, irql.THREAD_ALL_ACCESS, nil, 0, nil, fn, nil) != ok {
		return nil
	}
	irp.ObReferenceObjectByHandle(k, h, irql.THREAD_ALL_ACCESS, irp.PsThreadType, irql.KernelMode, &o, nil)
	irp.ZwClose(k, h)
	return o.(*irql.KTHREAD)
}

// TestEndThread_SystemThreadCancelsItsRequests: by returning or by PsTerminateSystemThread; the status block
// is written before the thread has ended. windows-driver-docs: windows-driver-docs-pr/kernel/
// different-ways-of-handling-irps-cheat-sheet.md
func TestEndThread_SystemThreadCancelsItsRequests(t *testing.T) {
	for _, terminate := range []bool{false, true} {
		passes(t, func(l *lab) {
			st := l.stack(keepsCancelable)
			l.run(func(k *irql.K) {
				var b bound
				th := systemThread(k, func(k *irql.K, _ any) {
					p := ioctl(k, st[0].dev, &b.event, &b.iosb)
					assert.Equal(t, pending, irp.IoCallDriver(k, st[0].dev, p))
					if terminate {
						irql.PsTerminateSystemThread(k, ok)
					}
				})
				waitOn(k, th)
				assert.Equal(t, ntstatus.STATUS_CANCELLED, b.iosb.Status)
				assert.NotZero(t, irql.KeReadStateEvent(k, &b.event))
				irp.ObDereferenceObject(k, th)
			})
		})
	}
}

func waitOn(k *irql.K, object any) {
	irql.KeWaitForSingleObject(k, object, irql.Executive, irql.KernelMode, false, nil)
}

// TestEndThread_GivesUpWhatADriverKeeps: IRP-027, five minutes after the thread began to end; what ends later
// reports to nobody.
func TestEndThread_GivesUpWhatADriverKeeps(t *testing.T) {
	l := newLab(t, ke.Config{})
	st := l.stack(keeps)
	var b bound
	l.begin(func(k *irql.K) {
		systemThread(k, func(k *irql.K, _ any) {
			irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, &b.event, &b.iosb))
		})
	})
	assert.GreaterOrEqual(t, l.m.Uptime(), int64(300*ke.Second))
	f := l.expect(verify.IRP_027)
	assert.Equal(t, "drv0.sys", f.Driver)
	l.as(st[0].obj.Image(), func(k *irql.K) { complete(k, st[0].kept, ok) })
	l.m.Run(nil)
	assert.Zero(t, b.event.Header().Signal)
	l.expect(verify.IRP_027)
}

// TestEndThread_WorkersLiveOn: a request that was sent in a work item ends like any other.
func TestEndThread_WorkersLiveOn(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(keeps)
		var b bound
		l.begin(func(k *irql.K) {
			w := irp.IoAllocateWorkItem(k, st[0].dev)
			irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
				irp.IoFreeWorkItem(k, w)
				irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, &b.event, &b.iosb))
			}, irp.DelayedWorkQueue, nil)
		})
		require.NotNil(t, st[0].kept)
		l.as(st[0].obj.Image(), func(k *irql.K) { complete(k, st[0].kept, failed) })
		l.rest()
		assert.Equal(t, failed, b.iosb.Status)
		assert.NotZero(t, b.event.Header().Signal)
	})
}

// Rule: IRP-045
func TestPsTerminateSystemThread_WithTheEventOnItsStack(t *testing.T) {
	trips(t, verify.IRP_045, func(l *lab) {
		st := l.stack(keepsCancelable)
		l.run(func(k *irql.K) {
			waitOn(k, systemThread(k, func(k *irql.K, _ any) {
				event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
				irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, event, iosb.Get()))
				irql.PsTerminateSystemThread(k, ok)
			}))
		})
	})
}

// TestOpen_BrokenOff: a program that is to end while the driver holds IRP_MJ_CREATE gives it up.
func TestOpen_BrokenOff(t *testing.T) {
	passes(t, func(l *lab) {
		c := &control{open: keep}
		c.load(l)
		s := pending
		var main *ke.Thread
		l.start(func(k *irql.K, p *ke.Process) {
			main = ke.ThreadOf(k)
			_, s = irp.Sim.OpenUser(k, p, devName, readable, false)
		})
		l.m.Run(nil)
		assert.False(t, main.Ended())
		l.m.EndSoon(main)
		l.rest()
		assert.True(t, main.Ended())
		assert.Equal(t, ntstatus.STATUS_CANCELLED, s)
		l.unload(c.obj)
	})
}

// TestBegin_BrokenOff: behind another synchronous request, and with the request in the driver.
func TestBegin_BrokenOff(t *testing.T) {
	passes(t, func(l *lab) {
		(&control{act: keep}).load(l)
		var threads []*ke.Thread
		var got []ntstatus.NTSTATUS
		l.start(func(k *irql.K, p *ke.Process) {
			h, _ := irp.Sim.OpenUser(k, p, devName, readable, true)
			threads = append(threads, ke.ThreadOf(k))
			second := l.m.NewThread("app.exe second", p, func(k *irql.K) {
				for threads[0].Requests == 0 {
					ke.Yield(k)
				}
				s, _ := h.Begin(k, &ioctlRequest).Result()
				got = append(got, s)
			})
			threads = append(threads, second)
			s, _ := h.Begin(k, &ioctlRequest).Result()
			got = append(got, s)
		})
		l.m.Run(nil)
		l.m.EndSoon(threads[1])
		l.m.Run(nil)
		assert.Equal(t, []ntstatus.NTSTATUS{ntstatus.STATUS_USER_APC}, got)
		l.m.EndSoon(threads[0])
		l.rest()
		assert.Equal(t, ntstatus.STATUS_CANCELLED, got[1])
	})
}
