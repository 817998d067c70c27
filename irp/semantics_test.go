package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Conformance of the pending contract, of the end of a request, of cancellation and of devices: irp.md 5, 6,
// 10.1, 12, 18.

// TestPendingContract_ThreeWays is the table of irp.md 6: what a dispatch routine may end with, and what it
// returns then. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iomarkirppending.md, "-remarks"
func TestPendingContract_ThreeWays(t *testing.T) {
	for _, c := range []struct {
		name     string
		routines []dispatch
		want     ntstatus.NTSTATUS
	}{
		{"complete here", []dispatch{completes(failed)}, failed},
		{"skip, lower completes", []dispatch{skips, completes(failed)}, failed},
		{"skip, lower pends", []dispatch{skips, pends(ok)}, pending},
		{"copy, lower completes", []dispatch{forwards(nil), completes(failed)}, failed},
		{"copy, lower pends", []dispatch{forwards(nil), pends(ok)}, pending},
		{"copy and routine, lower pends", []dispatch{forwards(propagate), pends(ok)}, pending},
		{"pend and queue", []dispatch{pends(failed)}, pending},
		{"pend and forward, lower completes", []dispatch{markAndForward(sayPending), completes(ok)}, pending},
		{"pend and forward, lower pends", []dispatch{markAndForward(sayPending), pends(ok)}, pending},
	} {
		t.Run(c.name, func(t *testing.T) {
			passes(t, func(l *lab) { assert.Equal(t, c.want, l.through(c.routines...)) })
		})
	}
}

// TestPendingContract_CompletedBeforeTheDispatchRoutineReturns: a worker takes the queued IRP and completes
// it first; the dispatch routine returns STATUS_PENDING all the same and touches nothing.
// windows-driver-docs-pr/devtest/wdm-markirppending.md, "MarkIrpPending rule (wdm)"
func TestPendingContract_CompletedBeforeTheDispatchRoutineReturns(t *testing.T) {
	passes(t, func(l *lab) {
		var done irql.KEVENT
		assert.Equal(t, pending, l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
			irp.IoMarkIrpPending(k, p)
			d.later(func(k *irql.K) {
				complete(k, p, ok)
				irql.KeSetEvent(k, &done, 0, false)
			})
			waitFor(k, &done)
			return pending
		}))
	})
}

// ended is how a threaded request ended.
type ended struct {
	returned ntstatus.NTSTATUS
	iosb     irp.IO_STATUS_BLOCK
	signal   int32
}

// untouched is an IO_STATUS_BLOCK nobody has written.
var untouched = irp.IO_STATUS_BLOCK{Status: 0x12345678, Information: 99}

// threadedRequest sends one and says how it ended, without waiting unless that is certain to end.
func threadedRequest(t *testing.T, low dispatch) (e ended) {
	passes(t, func(l *lab) {
		st := l.stack(low)
		l.run(func(k *irql.K) {
			event := irql.OnStack[irql.KEVENT](k)
			iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
			*iosb.Get() = untouched
			p := ioctl(k, st[0].dev, event, iosb.Get())
			if e.returned = irp.IoCallDriver(k, st[0].dev, p); e.returned == pending {
				waitFor(k, event)
			}
			e.iosb, e.signal = *iosb.Get(), irql.KeReadStateEvent(k, event)
		})
	})
	return e
}

// TestStage2_InlineErrorReportsNothing: IOSB untouched, event not signalled; the creator has seen the status
// (irp.md 25 c). A warning or success reports, and so does an error that was pended.
// windows-driver-docs-pr/kernel/different-ways-of-handling-irps-cheat-sheet.md, "Scenario 6: Send a
// synchronous device-control request (IRP_MJ_INTERNAL_DEVICE_CONTROL/IRP_MJ_DEVICE_CONTROL) by using
// IoBuildDeviceIoControlRequest"
func TestStage2_InlineErrorReportsNothing(t *testing.T) {
	warning := ntstatus.STATUS_BUFFER_OVERFLOW
	assert.Equal(t, ended{failed, untouched, 0}, threadedRequest(t, completes(failed)))
	assert.Equal(t, ended{ok, irp.IO_STATUS_BLOCK{Status: ok}, 1}, threadedRequest(t, completes(ok)))
	assert.Equal(t, ended{warning, irp.IO_STATUS_BLOCK{Status: warning}, 1}, threadedRequest(t,
		completes(warning)))
	assert.Equal(t, ended{pending, irp.IO_STATUS_BLOCK{Status: failed}, 1}, threadedRequest(t, pends(failed)))
	assert.Equal(t, ended{pending, irp.IO_STATUS_BLOCK{Status: ok}, 1}, threadedRequest(t, pends(ok)))
}

// TestStage2_IsAnApcOfTheRequester: it does not run while the requesting thread is at APC_LEVEL, and runs
// before KeLowerIrql returns. windows-driver-docs-pr/kernel/waits-and-apcs.md, "Waits and APCs"
func TestStage2_IsAnApcOfTheRequester(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(keeps)
		l.run(func(k *irql.K) {
			event := irql.OnStack[irql.KEVENT](k)
			iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
			p := ioctl(k, st[0].dev, event, iosb.Get())
			irp.IoCallDriver(k, st[0].dev, p)
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.APC_LEVEL, &old)
			ke.Push(k, ke.Frame{Kind: ke.FrameDPC, Image: st[0].obj.Image()})
			complete(k, st[0].kept, ok)
			ke.Pop(k)
			assert.Zero(t, irql.KeReadStateEvent(k, event), "at APC_LEVEL")
			irql.KeLowerIrql(k, old)
			assert.NotZero(t, irql.KeReadStateEvent(k, event), "below APC_LEVEL")
		})
	})
}

// TestStage2_CopiesInformationBytes: a buffered request gets Information bytes back, a warning included, an
// error not. windows-driver-docs-pr/kernel/buffer-descriptions-for-i-o-control-codes.md, "METHOD_BUFFERED"
func TestStage2_CopiesInformationBytes(t *testing.T) {
	for _, c := range []struct {
		status ntstatus.NTSTATUS
		copied int
	}{{ok, 3}, {ntstatus.STATUS_BUFFER_OVERFLOW, 3}, {failed, 0}} {
		passes(t, func(l *lab) {
			st := l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
				b := p.AssociatedIrp().SystemBuffer
				require.Equal(t, 8, b.Len(), "the longer of the two")
				assert.Equal(t, []byte("abcd"), b.Bytes()[:4])
				copy(b.Bytes(), "ABCDEFGH")
				p.IoStatus().Information = 3
				return complete(k, p, c.status)
			})
			l.run(func(k *irql.K) {
				event := irql.OnStack[irql.KEVENT](k)
				iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
				in, out := irp.StackBuffer(k, 4), irp.StackBuffer(k, 8)
				copy(in.Bytes(), "abcd")
				copy(out.Bytes(), "--------")
				irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
				p := irp.IoBuildDeviceIoControlRequest(k, ioctlTest, st[0].dev, in, 4, out, 8, false,
					event, iosb.Get())
				irp.IoCallDriver(k, st[0].dev, p)
				want := []byte("--------")
				copy(want, "ABCDEFGH"[:c.copied])
				assert.Equal(t, string(want), string(out.Bytes()))
			})
		})
	}
}

// TestIoBuildDeviceIoControlRequest_BuffersByMethod: what the driver finds for each of the four methods.
// windows-driver-docs-pr/kernel/buffer-descriptions-for-i-o-control-codes.md, "Buffer Descriptions for I/O
// Control Codes"
func TestIoBuildDeviceIoControlRequest_BuffersByMethod(t *testing.T) {
	for _, c := range []struct {
		name        string
		method      uint32
		system, mdl bool
		raw         bool
	}{
		{"METHOD_BUFFERED", irp.METHOD_BUFFERED, true, false, false},
		{"METHOD_IN_DIRECT", irp.METHOD_IN_DIRECT, true, true, false},
		{"METHOD_OUT_DIRECT", irp.METHOD_OUT_DIRECT, true, true, false},
		{"METHOD_NEITHER", irp.METHOD_NEITHER, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			passes(t, func(l *lab) {
				var in, out *irp.Buffer
				st := l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
					d := &irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
					assert.Equal(t, [2]uint32{4, 8}, [2]uint32{d.InputBufferLength, d.OutputBufferLength})
					assert.Equal(t, irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x800, c.method,
						irp.FILE_ANY_ACCESS), d.IoControlCode)
					assert.Equal(t, c.system, p.AssociatedIrp().SystemBuffer != nil)
					assert.Equal(t, c.mdl, p.MdlAddress() != nil)
					if c.raw {
						assert.Same(t, in, d.Type3InputBuffer)
						assert.Same(t, out, p.UserBuffer())
					}
					return complete(k, p, ok)
				})
				l.run(func(k *irql.K) {
					event := irql.OnStack[irql.KEVENT](k)
					iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k)
					in, out = irp.StackBuffer(k, 4), irp.StackBuffer(k, 8)
					copy(in.Bytes(), "abcd")
					copy(out.Bytes(), "--------")
					irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
					p := irp.IoBuildDeviceIoControlRequest(k, irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN,
						0x800, c.method, 0),
						st[0].dev, in, 4, out, 8, false, event, iosb.Get())
					sendAndWait(k, st[0].dev, p, event)
				})
			})
		})
	}
}

// TestIoCancelIrp_WithoutACancelRoutine: FALSE, Cancel stays set, IRQL as before; who makes the IRP
// cancelable later must look. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iocancelirp.md,
// "-remarks"
func TestIoCancelIrp_WithoutACancelRoutine(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(keeps)
		l.begin(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			assert.False(t, irp.IoCancelIrp(k, p))
			assert.False(t, irp.IoCancelIrp(k, p))
			assert.Equal(t, irql.PASSIVE_LEVEL, irql.KeGetCurrentIrql(k))
		})
		st[0].later(func(k *irql.K) {
			p := st[0].kept
			assert.True(t, p.Cancel())
			assert.Nil(t, irp.IoSetCancelRoutine(k, p, cancelled))
			if p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil {
				complete(k, p, ntstatus.STATUS_CANCELLED)
			}
		})
		l.rest()
	})
}

// TestIoCancelIrp_CallsTheCancelRoutine: with the device of the current location, at DISPATCH_LEVEL, holding
// the lock; TRUE says that it was called, not that the IRP has completed. A second call finds none.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iocancelirp.md, "-returns"
func TestIoCancelIrp_CallsTheCancelRoutine(t *testing.T) {
	passes(t, func(l *lab) {
		var st []*driver
		calls := 0
		routine := func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
			calls++
			assert.Equal(t, st[1].dev, dev)
			assert.Equal(t, irql.DISPATCH_LEVEL, irql.KeGetCurrentIrql(k))
			assert.Equal(t, irql.APC_LEVEL, p.CancelIrql())
			assert.True(t, p.Cancel())
			assert.Nil(t, p.CancelRoutine(), "it has been taken")
			irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
			st[1].completeLater(p, ntstatus.STATUS_CANCELLED)
		}
		st = l.stack(skips, holds(routine))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, stopIt, nil) // so that it is alive at the second call
			irp.IoCallDriver(k, st[0].dev, p)
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.APC_LEVEL, &old)
			assert.True(t, irp.IoCancelIrp(k, p))
			assert.False(t, irp.IoCancelIrp(k, p))
			irql.KeLowerIrql(k, old)
		})
		assert.Equal(t, 1, calls)
	})
}

// TestIoCancelIrp_BeforeTheDispatchRoutineHasReturned: a cancel routine may be called from the moment it is
// set. windows-driver-docs-pr/kernel/points-to-consider-when-canceling-irps.md, "Points to Consider When
// Canceling IRPs"
func TestIoCancelIrp_BeforeTheDispatchRoutineHasReturned(t *testing.T) {
	passes(t, func(l *lab) {
		var set, done irql.KEVENT
		var p *irp.IRP
		st := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			s := holds(cancelled)(k, d, p)
			irql.KeSetEvent(k, &set, 0, false)
			waitFor(k, &done)
			return s
		})
		l.run(func(k *irql.K) {
			irql.KeInitializeEvent(k, &set, irql.NotificationEvent, false)
			irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
			p = request(k, st[0].dev, stopIt, nil)
			l.as(l.image, func(k *irql.K) {
				waitFor(k, &set)
				assert.True(t, irp.IoCancelIrp(k, p))
				irql.KeSetEvent(k, &done, 0, false)
			})
			assert.Equal(t, pending, irp.IoCallDriver(k, st[0].dev, p))
			assert.Equal(t, ntstatus.STATUS_CANCELLED, p.IoStatus().Status)
			irp.IoFreeIrp(k, p)
		})
	})
}

// TestIoSetCancelRoutine_IsAnExchange: it returns what was set before; NULL also when cancellation has taken
// it. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iosetcancelroutine.md, "-returns"
func TestIoSetCancelRoutine_IsAnExchange(t *testing.T) {
	passes(t, func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			other := func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) {}
			assert.Nil(t, irp.IoSetCancelRoutine(k, p, cancelled))
			assert.NotNil(t, irp.IoSetCancelRoutine(k, p, other))
			assert.NotNil(t, irp.IoSetCancelRoutine(k, p, nil))
			assert.Nil(t, irp.IoSetCancelRoutine(k, p, nil))
			return complete(k, p, ok)
		})
	})
}

// TestIoAttachDeviceToDeviceStack_StackSizes: the upper device gets the lower one's StackSize plus 1 and its
// alignment; detaching gives nothing back. windows-driver-docs-ddi:
// wdk-ddi-src/content/wdm/nf-wdm-ioattachdevicetodevicestack.md, "-remarks"
func TestIoAttachDeviceToDeviceStack_StackSizes(t *testing.T) {
	passes(t, func(l *lab) {
		var d [3]*irp.DEVICE_OBJECT
		drv := l.load("three.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			for i := range d {
				require.Equal(t, ok, irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0,
					i == 0, &d[i]))
				assert.NotZero(t, d[i].Flags&irp.DO_DEVICE_INITIALIZING)
			}
			return ok
		})
		assert.Zero(t, d[0].Flags&irp.DO_DEVICE_INITIALIZING, "cleared when DriverEntry has returned")
		assert.NotZero(t, d[0].Flags&irp.DO_EXCLUSIVE)
		assert.Equal(t, d[2], drv.DeviceObject)
		assert.Equal(t, d[1], d[2].NextDevice)
		l.run(func(k *irql.K) {
			d[0].AlignmentRequirement = 511
			assert.Equal(t, d[0], irp.IoAttachDeviceToDeviceStack(k, d[1], d[0]))
			assert.Equal(t, d[1], irp.IoAttachDeviceToDeviceStack(k, d[2], d[0]), "to the top of the stack")
			assert.Equal(t, [3]int8{1, 2, 3}, [3]int8{d[0].StackSize, d[1].StackSize, d[2].StackSize})
			assert.Equal(t, uint32(511), d[2].AlignmentRequirement)
			top := irp.IoGetAttachedDeviceReference(k, d[0])
			assert.Equal(t, d[2], top)
			irp.ObDereferenceObject(k, top)
			irp.IoDetachDevice(k, d[1])
			assert.Nil(t, d[1].AttachedDevice)
			assert.Equal(t, d[1], d[0].AttachedDevice, "only that link")
			assert.Equal(t, int8(3), d[2].StackSize)
			irp.IoDetachDevice(k, d[0])
			for _, dev := range d {
				irp.IoDeleteDevice(k, dev)
			}
			assert.Nil(t, drv.DeviceObject)
		})
	})
}

// TestIoDeleteDevice_DelayedWhileReferenced: the device goes with its last reference; no new device may be
// attached. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iodeletedevice.md, "-remarks"
func TestIoDeleteDevice_DelayedWhileReferenced(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		other := l.stack(completes(ok))[0].dev
		l.run(func(k *irql.K) {
			dev := irp.IoGetAttachedDeviceReference(k, st[0].dev)
			irp.IoDeleteDevice(k, dev)
			assert.Equal(t, dev, st[0].obj.DeviceObject)
			assert.Nil(t, irp.IoAttachDeviceToDeviceStack(k, other, dev))
			irp.ObDereferenceObject(k, dev)
			assert.Nil(t, st[0].obj.DeviceObject)
		})
		l.unload(st[0].obj)
	})
}

// TestIoCreateDevice_NameTaken: names are unique while a device has them.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-iocreatedevice.md, "-returns"
func TestIoCreateDevice_NameTaken(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var a, b *irp.DEVICE_OBJECT
			create := func(out **irp.DEVICE_OBJECT) ntstatus.NTSTATUS {
				return irp.IoCreateDevice(k, l.client, 0, "\\Device\\Same", irp.FILE_DEVICE_NETWORK,
					irp.FILE_DEVICE_SECURE_OPEN, false, out)
			}
			assert.Equal(t, ok, create(&a))
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_COLLISION, create(&b))
			assert.Nil(t, b)
			irp.IoDeleteDevice(k, a)
			assert.Equal(t, ok, create(&b))
			irp.IoDeleteDevice(k, b)
		})
	})
}

// TestDumpIRP_ShowsTheOwner: the text of reports names who holds the IRP and what each location says.
func TestDumpIRP_ShowsTheOwner(t *testing.T) {
	l := newLab(t, ke.Config{})
	st := l.stack(forwards(propagate), holds(cancelled))
	l.send(st[0])
	l.silent()
	dump := irp.Sim.DumpIRP(l.m, st[1].kept.ID())
	require.NotEmpty(t, dump)
	assert.Equal(t, "!irp irp#1", dump[0])
	assert.Equal(t, "Irp is active with 2 stacks 1 is current", dump[1])
	assert.Equal(t, "Owner: it is kept by drv1.sys; cancel routine cancelled", dump[len(dump)-1])
	assert.Equal(t, st[1].obj.Image(), irp.Sim.Holder(st[1].kept))
}
