package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Conformance of the handling patterns of irp.md 9. The page they come from is, for all of them,
// windows-driver-docs-pr/kernel/different-ways-of-handling-irps-cheat-sheet.md; each comment ends with its
// heading.

// lowers are the three lower drivers every pattern must get along with.
var lowers = []struct {
	name   string
	do     dispatch
	status ntstatus.NTSTATUS // of the IRP
	inline bool
}{
	{"completes", completes(ok), ok, true},
	{"fails", completes(failed), failed, true},
	{"pends", pends(ok), ok, false},
	{"pends and fails", pends(failed), failed, false},
}

// overLowers runs one driver over each lower driver and checks what its dispatch routine returned and what
// the creator's routine saw. want nil is what the lower driver's dispatch routine returned.
func overLowers(t *testing.T, top dispatch, want func(status ntstatus.NTSTATUS) ntstatus.NTSTATUS) {
	for _, low := range lowers {
		t.Run(low.name, func(t *testing.T) {
			passes(t, func(l *lab) {
				st := l.stack(top, low.do)
				var final, returned ntstatus.NTSTATUS
				l.run(func(k *irql.K) {
					p := request(k, st[0].dev, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
						c any) ntstatus.NTSTATUS {
						final = p.IoStatus().Status
						return freeIt(k, dev, p, c)
					}, nil)
					returned = irp.IoCallDriver(k, st[0].dev, p)
				})
				assert.Equal(t, low.status, final)
				switch {
				case want != nil:
					assert.Equal(t, want(low.status), returned)
				case low.inline:
					assert.Equal(t, low.status, returned)
				default:
					assert.Equal(t, pending, returned)
				}
			})
		})
	}
}

// TestPattern1_ForwardAndForget: "Scenario 1: Forward and forget"
func TestPattern1_ForwardAndForget(t *testing.T) { overLowers(t, skips, nil) }

// TestPattern2_ForwardAndWait: "Scenario 2: Forward and wait"
func TestPattern2_ForwardAndWait(t *testing.T) { overLowers(t, forwardAndWait(completeAgain), same) }

// TestPattern3_ForwardWithARoutine: both routines that are allowed, one that continues and one that completes
// at once and stops. "Scenario 3: Forward with a completion routine"
func TestPattern3_ForwardWithARoutine(t *testing.T) {
	t.Run("continues", func(t *testing.T) { overLowers(t, forwards(propagate), nil) })
	t.Run("completes", func(t *testing.T) {
		overLowers(t, forwards(func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
			context any) ntstatus.NTSTATUS {
			propagate(k, dev, p, context)
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
			return stop
		}), nil)
	})
}

// TestPattern4_PendThenForward: the result of IoCallDriver is ignored; the routine may continue, or stop so
// that the IRP can be sent again and completed later. "Scenario 4: Queue for later, or forward and reuse"
func TestPattern4_PendThenForward(t *testing.T) {
	goesOn := func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS { return resume }
	with := func(routine irp.IO_COMPLETION_ROUTINE) dispatch {
		return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			forward(k, d, p, routine)
			return pending
		}
	}
	t.Run("continues", func(t *testing.T) { overLowers(t, with(goesOn), sayPending) })
	t.Run("stops and reuses", func(t *testing.T) {
		left := 0
		var again irp.IO_COMPLETION_ROUTINE
		again = func(_ *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
			d := context.(*driver)
			if left--; left == 0 {
				d.completeLater(p, p.IoStatus().Status)
			} else {
				d.later(func(k *irql.K) { forward(k, d, p, again) })
			}
			return stop
		}
		overLowers(t, func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			left = 3
			return with(again)(k, d, p)
		}, sayPending)
		assert.Zero(t, left)
	})
}

// TestPattern5_CompleteHere: "Scenario 5: Complete the IRP in the dispatch routine"
func TestPattern5_CompleteHere(t *testing.T) {
	passes(t, func(l *lab) { assert.Equal(t, ok, l.through(completes(ok))) })
	passes(t, func(l *lab) { assert.Equal(t, failed, l.through(completes(failed))) })
}

// requester is code that makes its own requests: it returns the status it ended with.
type requester func(k *irql.K, dev *irp.DEVICE_OBJECT) ntstatus.NTSTATUS

// requests runs a requester over each lower driver.
func requests(t *testing.T, r requester) {
	for _, low := range lowers {
		t.Run(low.name, func(t *testing.T) {
			passes(t, func(l *lab) {
				st := l.stack(low.do)
				done := false
				l.run(func(k *irql.K) {
					assert.Equal(t, low.status, r(k, st[0].dev))
					done = true
				})
				assert.True(t, done, "the requester came back")
				assert.Nil(t, irp.Sim.DumpIRP(l.m, trace.MakeID(trace.IRP, 1)), "stage 2 has freed it")
			})
		})
	}
}

// TestPattern6_SynchronousIoctl: "Scenario 6: Send a synchronous device-control request
// (IRP_MJ_INTERNAL_DEVICE_CONTROL/IRP_MJ_DEVICE_CONTROL) by using IoBuildDeviceIoControlRequest"
func TestPattern6_SynchronousIoctl(t *testing.T) {
	requests(t, func(k *irql.K, dev *irp.DEVICE_OBJECT) ntstatus.NTSTATUS {
		event := irql.OnStack[irql.KEVENT](k)
		iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
		p := ioctl(k, dev, event, iosb.Get())
		s := irp.IoCallDriver(k, dev, p)
		if s == pending {
			waitFor(k, event)
			s = iosb.Get().Status
		}
		return s
	})
}

// The lock word of irp.md 10.4.
const (
	cancelable int32 = iota
	cancelStarted
	cancelComplete
	completed
)

// TestPattern7_IoctlWithTimeout: the driver below answers in time, answers the cancellation, or has no cancel
// routine and answers late. "Scenario 7: Send a synchronous device-control (IOCTL) request and cancel it if
// not completed in a certain time period"
func TestPattern7_IoctlWithTimeout(t *testing.T) {
	slow := func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoMarkIrpPending(k, p)
		d.later(func(k *irql.K) {
			due := int64(-20 * ke.Second)
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
			complete(k, p, ok)
		})
		return pending
	}
	for _, c := range []struct {
		name string
		low  dispatch
		want ntstatus.NTSTATUS
	}{
		{"inline", completes(ok), ok},
		{"inline error", completes(failed), failed},
		{"in time", pends(ok), ok},
		{"cancelled", holds(cancelled), ntstatus.STATUS_TIMEOUT},
		{"late", slow, ntstatus.STATUS_TIMEOUT},
	} {
		t.Run(c.name, func(t *testing.T) {
			passes(t, func(l *lab) {
				st := l.stack(c.low)
				done := false
				l.run(func(k *irql.K) {
					assert.Equal(t, c.want, ioctlWithTimeout(k, st[0].dev))
					done = true
				})
				assert.True(t, done)
			})
		})
	}
}

func ioctlWithTimeout(k *irql.K, dev *irp.DEVICE_OBJECT) ntstatus.NTSTATUS {
	event := irql.OnStack[irql.KEVENT](k)
	iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
	lock := cancelable
	p := ioctl(k, dev, event, iosb.Get())
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		if irql.InterlockedExchange(k, &lock, completed) == cancelStarted {
			return stop // the canceller disposes of it
		}
		return resume
	}, nil, true, true, true)
	s := irp.IoCallDriver(k, dev, p)
	if s != pending {
		return s
	}
	due := int64(-10 * ke.Second)
	s = irql.KeWaitForSingleObject(k, event, irql.Executive, irql.KernelMode, false, &due)
	if s != ntstatus.STATUS_TIMEOUT {
		return iosb.Get().Status
	}
	if irql.InterlockedExchange(k, &lock, cancelStarted) == cancelable {
		irp.IoCancelIrp(k, p)
		if irql.InterlockedExchange(k, &lock, cancelComplete) == completed {
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		}
	}
	waitFor(k, event)
	return s
}

// TestPattern8_SynchronousFsdThatContinues: "Scenario 8: Send a synchronous non-IOCTL request by using
// IoBuildSynchronousFsdRequest - completion routine returns STATUS_CONTINUE_COMPLETION"
func TestPattern8_SynchronousFsdThatContinues(t *testing.T) {
	requests(t, func(k *irql.K, dev *irp.DEVICE_OBJECT) ntstatus.NTSTATUS {
		event := irql.OnStack[irql.KEVENT](k)
		iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
		context := irp.New[int](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("test"))
		irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
		p := irp.IoBuildSynchronousFsdRequest(k, irp.IRP_MJ_FLUSH_BUFFERS, dev, nil, 0, nil, event,
			iosb.Get())
		irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
			c any) ntstatus.NTSTATUS {
			irp.Free(k, c.(*irp.Typed[int]), irp.Tag("test"))
			return resume
		}, context, true, true, true)
		s := irp.IoCallDriver(k, dev, p)
		if s == pending {
			waitFor(k, event)
			s = iosb.Get().Status
		}
		return s
	})
}

// TestPattern9_SynchronousFsdThatStops: the creator looks at the IRP and then lets the I/O manager end it.
// "Scenario 9: Send a synchronous non-IOCTL request by using IoBuildSynchronousFsdRequest - completion
// routine returns STATUS_MORE_PROCESSING_REQUIRED"
func TestPattern9_SynchronousFsdThatStops(t *testing.T) {
	requests(t, func(k *irql.K, dev *irp.DEVICE_OBJECT) ntstatus.NTSTATUS {
		event := irql.OnStack[irql.KEVENT](k)
		iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
		irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
		p := irp.IoBuildSynchronousFsdRequest(k, irp.IRP_MJ_FLUSH_BUFFERS, dev, nil, 0, nil, event,
			iosb.Get())
		irp.IoSetCompletionRoutine(k, p, signalIfPended, event, true, true, true)
		pended := irp.IoCallDriver(k, dev, p) == pending
		if pended {
			waitFor(k, event)
		}
		s := p.IoStatus().Status
		irql.KeClearEvent(k, event)
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		if pended || !ntstatus.NT_ERROR(s) {
			waitFor(k, event) // stage 2 signals it
		}
		return s
	})
}

// TestPattern10_AsynchronousFsd: the routine frees SystemBuffer, or unlocks and frees the MDL chain, and the
// IRP. "Scenario 10: Send an asynchronous request by using IoBuildAsynchronousFsdRequest"
func TestPattern10_AsynchronousFsd(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags uint32
	}{{"buffered", irp.DO_BUFFERED_IO}, {"direct", irp.DO_DIRECT_IO}, {"neither", 0}} {
		for _, low := range lowers {
			t.Run(c.name+", "+low.name, func(t *testing.T) {
				passes(t, func(l *lab) {
					st := l.stack(low.do)
					l.run(func(k *irql.K) {
						st[0].dev.Flags |= c.flags
						b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, irp.Tag("data"))
						iosb := irp.New[irp.IO_STATUS_BLOCK](k, irp.POOL_FLAG_NON_PAGED, irp.Tag("iosb"))
						p := irp.IoBuildAsynchronousFsdRequest(k, irp.IRP_MJ_WRITE, st[0].dev, b, 64,
							new(int64), iosb.Get())
						require.NotNil(t, p)
						irp.IoSetCompletionRoutine(k, p, cleanUp(b, iosb), nil, true, true, true)
						irp.IoCallDriver(k, st[0].dev, p)
					})
				})
			})
		}
	}
}

// cleanUp is the routine of patterns 10 and 11.
func cleanUp(b *irp.Buffer, iosb *irp.Typed[irp.IO_STATUS_BLOCK]) irp.IO_COMPLETION_ROUTINE {
	return func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
		if p.Flags()&irp.IRP_DEALLOCATE_BUFFER != 0 && p.AssociatedIrp().SystemBuffer != nil {
			irp.ExFreePool(k, p.AssociatedIrp().SystemBuffer)
		} else {
			for mdl := p.MdlAddress(); mdl != nil; {
				next := mdl.Next
				irp.MmUnlockPages(k, mdl)
				irp.IoFreeMdl(k, mdl)
				mdl = next
			}
			p.SetMdlAddress(nil)
		}
		irp.IoFreeIrp(k, p)
		irp.ExFreePoolWithTag(k, b, irp.Tag("data"))
		if iosb != nil {
			irp.Free(k, iosb, irp.Tag("iosb"))
		}
		return stop
	}
}

// TestPattern11_AsynchronousIoAllocateIrp: the creator prepares everything itself. "Scenario 11: Send an
// asynchronous request by using IoAllocateIrp"
func TestPattern11_AsynchronousIoAllocateIrp(t *testing.T) {
	for _, low := range lowers {
		t.Run(low.name, func(t *testing.T) {
			passes(t, func(l *lab) {
				st := l.stack(low.do)
				l.run(func(k *irql.K) {
					b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, irp.Tag("data"))
					p := irp.IoAllocateIrp(k, st[0].dev.StackSize, false)
					next := irp.IoGetNextIrpStackLocation(k, p)
					next.SetMajorFunction(irp.IRP_MJ_WRITE)
					next.Parameters().Write.Length = 64
					mdl := irp.IoAllocateMdl(k, b, 64, false, false, nil)
					irp.MmProbeAndLockPages(k, mdl, irql.KernelMode, irp.IoReadAccess)
					p.SetMdlAddress(mdl)
					irp.IoSetCompletionRoutine(k, p, cleanUp(b, nil), nil, true, true, true)
					irp.IoCallDriver(k, st[0].dev, p)
				})
			})
		})
	}
}
