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

// starter is a driver with a StartIo routine. Its device ends a request in a DPC.
type starter struct {
	l      *lab
	dev    *irp.DEVICE_OBJECT
	obj    *irp.DRIVER_OBJECT
	dpc    irql.KDPC
	inside int
	order  []uint32 // keys of the requests, as they were started
	cancel irp.DRIVER_CANCEL
	start  irp.DRIVER_STARTIO
}

// starts loads such a driver; change, unless nil, makes another one of it.
func (l *lab) starts(change func(s *starter)) *starter {
	s := &starter{l: l}
	s.start = s.startIo
	if change != nil {
		change(s)
	}
	s.obj = l.load("starter.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		for i := range drv.MajorFunction {
			drv.MajorFunction[i] = s.dispatch
		}
		drv.DriverStartIo = s.start
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		drv.DriverExtension.AddDevice = isPnp
		irql.KeInitializeDpc(k, &s.dpc, s.done, nil)
		return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &s.dev)
	})
	return s
}

func keyOf(k *irql.K, p *irp.IRP) uint32 {
	return irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl.IoControlCode
}

// dispatch hands a request to StartIo, by its control code as the key.
func (s *starter) dispatch(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	key := keyOf(k, p)
	irp.IoStartPacket(k, dev, p, &key, s.cancel)
	return pending
}

// startIo is right for requests with and without a cancel routine.
func (s *starter) startIo(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
	assert.Equal(s.l.t, irql.DISPATCH_LEVEL, irql.KeGetCurrentIrql(k))
	assert.Same(s.l.t, p, dev.CurrentIrp())
	if s.cancel != nil {
		var old irql.KIRQL
		irp.IoAcquireCancelSpinLock(k, &old)
		if p.Cancel() {
			irp.IoReleaseCancelSpinLock(k, old)
			irp.IoStartNextPacket(k, dev, true)
			complete(k, p, ntstatus.STATUS_CANCELLED)
			return
		}
		irp.IoSetCancelRoutine(k, p, nil)
		irp.IoReleaseCancelSpinLock(k, old)
	}
	s.inside++
	assert.Equal(s.l.t, 1, s.inside, "one at a time")
	s.order = append(s.order, keyOf(k, p))
	irql.KeInsertQueueDpc(k, &s.dpc, nil, nil)
}

// done ends the current request and begins with the next.
func (s *starter) done(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	p := s.dev.CurrentIrp()
	s.inside--
	irp.IoStartNextPacket(k, s.dev, s.cancel != nil)
	complete(k, p, ok)
}

// cancelled is the cancel routine of the page on drivers with StartIo routines.
func (s *starter) cancelled(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
	if p == dev.CurrentIrp() {
		irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
		return
	}
	removed := irp.KeRemoveEntryDeviceQueue(k, &dev.DeviceQueue, p.DeviceQueueEntry())
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	if removed {
		complete(k, p, ntstatus.STATUS_CANCELLED)
	}
}

// ask sends a request with a key that frees itself.
func (s *starter) ask(k *irql.K, key uint32) {
	p := request(k, s.dev, freeIt, nil)
	irp.IoGetNextIrpStackLocation(k, p).Parameters().DeviceIoControl.IoControlCode = key
	assert.Equal(s.l.t, pending, irp.IoCallDriver(k, s.dev, p))
}

func TestStartIo_OneAtATime(t *testing.T) {
	for _, cancelable := range []bool{false, true} {
		passes(t, func(l *lab) {
			s := l.starts(func(s *starter) {
				if cancelable {
					s.cancel = s.cancelled
				}
			})
			for i := range 4 {
				l.as(l.image, func(k *irql.K) { s.ask(k, uint32(i)) })
			}
			l.rest()
			assert.ElementsMatch(t, []uint32{0, 1, 2, 3}, s.order)
			assert.Nil(t, s.dev.CurrentIrp())
		})
	}
}

// TestStartIo_ByKey holds the device busy, so that the order is that of the keys.
func TestStartIo_ByKey(t *testing.T) {
	passes(t, func(l *lab) {
		s := l.starts(nil)
		l.run(func(k *irql.K) {
			at(k, irql.DISPATCH_LEVEL, func() {
				for _, key := range []uint32{5, 3, 4, 1, 3} {
					s.ask(k, key)
				}
			})
		})
		if len(s.order) == 5 && s.order[0] == 5 { // another processor may have ended some meanwhile
			assert.ElementsMatch(t, []uint32{5, 1, 3, 3, 4}, s.order)
		}
	})
}

func TestIoStartNextPacketByKey(t *testing.T) {
	passes(t, func(l *lab) {
		var s *starter
		left := []uint32{4, 2, 9}
		s = l.starts(func(s *starter) {
			s.start = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
				s.order = append(s.order, keyOf(k, p))
			}
		})
		l.run(func(k *irql.K) {
			for _, key := range []uint32{7, 2, 4, 6} {
				s.ask(k, key)
			}
			for _, key := range left {
				p := s.dev.CurrentIrp()
				s.later1(func(k *irql.K) {
					irp.IoStartNextPacketByKey(k, s.dev, false, key)
					complete(k, p, ok)
				})
				irql.KeDelayExecutionThread(k, irql.KernelMode, false, new(int64(-10000)))
			}
			p := s.dev.CurrentIrp()
			s.later1(func(k *irql.K) { complete(k, p, ok) })
		})
		assert.Equal(t, []uint32{7, 4, 2, 6}, s.order)
	})
}

// later1 runs fn as code of the driver.
func (s *starter) later1(fn func(k *irql.K)) { s.l.as(s.obj.Image(), fn) }

// askAndCancel sends requests; the last is cancelled. What it ends with is returned.
func (s *starter) askAndCancel(l *lab, before int) *ntstatus.NTSTATUS {
	got := new(ntstatus.NTSTATUS)
	l.as(l.image, func(k *irql.K) {
		for i := range before {
			s.ask(k, uint32(i))
		}
		event := irql.OnStack[irql.KEVENT](k)
		irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
		p := request(k, s.dev, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, c any) ntstatus.NTSTATUS {
			irql.KeSetEvent(k, c.(*irql.KEVENT), 0, false)
			return stop
		}, event)
		irp.IoCallDriver(k, s.dev, p)
		irp.IoCancelIrp(k, p)
		waitFor(k, event)
		*got = p.IoStatus().Status
		irp.IoFreeIrp(k, p)
	})
	return got
}

func TestStartIo_Cancelled(t *testing.T) {
	for before := range 3 {
		passes(t, func(l *lab) {
			s := l.starts(func(s *starter) { s.cancel = s.cancelled })
			got := s.askAndCancel(l, before)
			l.rest()
			assert.Contains(t, []ntstatus.NTSTATUS{ok, ntstatus.STATUS_CANCELLED}, *got)
			assert.Nil(t, s.dev.CurrentIrp(), "the queue goes on")
		})
	}
}

// TestStartIo_CancelRoutineIgnoresCurrentIrp: it completes what StartIo works on, and so does the DPC.
func TestStartIo_CancelRoutineIgnoresCurrentIrp(t *testing.T) {
	tripsEach(t, verify.IRP_005, func(l *lab) {
		s := l.starts(func(s *starter) {
			s.cancel = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
				irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
				complete(k, p, ntstatus.STATUS_CANCELLED)
			}
			s.start = func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) {}
		})
		l.run(func(k *irql.K) {
			p := request(k, s.dev, stopIt, nil)
			irp.IoCallDriver(k, s.dev, p)
			irp.IoCancelIrp(k, p)
			s.later1(func(k *irql.K) {
				at(k, irql.DISPATCH_LEVEL, func() { s.done(k, nil, nil, nil, nil) })
			})
		})
	})
}

// cancelledBefore is a driver that gets an IRP which was cancelled on its way; the device is busy with
// another one.
func cancelledBefore(change func(s *starter), then func(k *irql.K, s *starter, cancelled bool)) func(l *lab) {
	return func(l *lab) {
		s := l.starts(func(s *starter) {
			s.start = func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) {}
			s.cancel = s.cancelled
			change(s)
		})
		l.run(func(k *irql.K) {
			s.ask(k, 1)
			p := request(k, s.dev, stopIt, nil)
			irp.IoCancelIrp(k, p)
			irp.IoCallDriver(k, s.dev, p)
			then(k, s, p.IoStatus().Status == ntstatus.STATUS_CANCELLED)
			irp.IoFreeIrp(k, p)
			first := s.dev.CurrentIrp()
			s.later1(func(k *irql.K) {
				irp.IoSetCancelRoutine(k, first, nil)
				complete(k, first, ok)
			})
		})
	}
}

func TestIoStartPacket_OfACancelledIrp(t *testing.T) {
	passes(t, cancelledBefore(func(*starter) {}, func(_ *irql.K, _ *starter, cancelled bool) {
		assert.True(t, cancelled, "the cancel routine is called at once")
	}))
	trips(t, verify.IRP_024, cancelledBefore(func(s *starter) {
		s.cancel = func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) {}
	}, func(*irql.K, *starter, bool) {}))
}

func TestIoSetStartIoAttributes_NonCancelable(t *testing.T) {
	for _, non := range []bool{false, true} {
		passes(t, func(l *lab) {
			s := l.starts(func(s *starter) {
				s.cancel = s.cancelled
				s.start = func(_ *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
					assert.Equal(t, non, p.CancelRoutine() == nil)
				}
			})
			l.run(func(k *irql.K) {
				irp.IoSetStartIoAttributes(k, s.dev, false, non)
				s.ask(k, 1)
				p := s.dev.CurrentIrp()
				s.later1(func(k *irql.K) {
					irp.IoSetCancelRoutine(k, p, nil)
					complete(k, p, ok)
				})
			})
		})
	}
}

// drains is a driver whose StartIo ends every request at once and asks for the next.
func drains(deferred bool, depth *int) func(l *lab) {
	return func(l *lab) {
		*depth = 0
		nested := 0
		s := l.starts(func(s *starter) {
			s.start = func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
				nested++
				*depth = max(*depth, nested)
				if keyOf(k, p) == 0 {
					nested--
					return // keeps the device busy
				}
				irp.IoStartNextPacket(k, dev, false)
				complete(k, p, ok)
				nested--
			}
		})
		l.run(func(k *irql.K) {
			irp.IoSetStartIoAttributes(k, s.dev, deferred, false)
			for key := range uint32(5) {
				s.ask(k, key)
			}
			p := s.dev.CurrentIrp()
			s.later1(func(k *irql.K) {
				at(k, irql.DISPATCH_LEVEL, func() { irp.IoStartNextPacket(k, s.dev, false) })
				complete(k, p, ok)
			})
		})
	}
}

func TestStartIo_StartsItself(t *testing.T) {
	var depth int
	passes(t, drains(true, &depth))
	assert.Equal(t, 1, depth, "DeferredStartIo")
	l := newLab(t, ke.Config{})
	drains(false, &depth)(l)
	assert.Equal(t, 4, depth)
	require.Len(t, l.m.Findings(), 1, "%q", l.found())
	f := l.m.Findings()[0]
	assert.Equal(t, "StartIo recursion", f.Kind)
	assert.Equal(t, verify.Warning, f.Severity())
}

func TestStartIo_Misused(t *testing.T) {
	atDispatch := func(act func(k *irql.K, s *starter)) func(l *lab) {
		return func(l *lab) {
			s := l.starts(func(s *starter) { s.start = func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) {} })
			s.later1(func(k *irql.K) { at(k, irql.DISPATCH_LEVEL, func() { act(k, s) }) })
			l.rest()
		}
	}
	asked := func(start irp.DRIVER_STARTIO) func(l *lab) {
		return func(l *lab) {
			s := l.starts(func(s *starter) { s.start = start })
			l.run(func(k *irql.K) { s.ask(k, 1) })
		}
	}
	for _, c := range []struct {
		rule     verify.RuleID
		scenario func(l *lab)
	}{
		{verify.IRP_070, asked(nil)},
		{verify.IRP_067, asked(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
			irp.IoMarkIrpPending(k, p)
		})},
		{verify.IRQL_011, asked(func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) {
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, new(int64(-1)))
		})},
		{verify.IRQL_007, asked(func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) {
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.HIGH_LEVEL, &old)
		})},
		{verify.LOCK_008, asked(func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) {
			lock := new(irql.KSPIN_LOCK)
			irql.KeInitializeSpinLock(k, lock)
			irql.KeAcquireSpinLockAtDpcLevel(k, lock)
		})},
		{verify.IRP_005, asked(func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
			complete(k, p, ok)
			irp.IoStartPacket(k, dev, p, nil, nil)
		})},
		{verify.IRP_076, asked(func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
			irp.IoStartPacket(k, dev, p, nil, nil) // busy with itself, so it is queued
			complete(k, p, ok)
		})},
		{verify.IRQL_002, func(l *lab) {
			s := l.starts(nil)
			s.later1(func(k *irql.K) { irp.IoStartNextPacket(k, s.dev, false) })
			l.rest()
		}},
		{verify.LOCK_013, atDispatch(func(k *irql.K, s *starter) {
			lock := new(irql.KSPIN_LOCK)
			irql.KeInitializeSpinLock(k, lock)
			irql.KeAcquireSpinLockAtDpcLevel(k, lock)
			irp.IoStartNextPacket(k, s.dev, false)
			irql.KeReleaseSpinLockFromDpcLevel(k, lock)
		})},
		{verify.IRP_078, atDispatch(func(k *irql.K, s *starter) {
			var old irql.KIRQL
			irp.IoAcquireCancelSpinLock(k, &old)
			irp.IoStartNextPacket(k, s.dev, true)
		})},
	} {
		tripsEach(t, c.rule, c.scenario)
	}
}

// TestStartIo_DispatchForgetsToMark: the queued request goes with IRP-007.
func TestStartIo_DispatchForgetsToMark(t *testing.T) {
	tripsEach(t, verify.IRP_007, func(l *lab) {
		s := l.starts(func(s *starter) { s.start = func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) {} })
		for i := range s.obj.MajorFunction {
			s.obj.MajorFunction[i] = func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoStartPacket(k, dev, p, nil, nil)
				return pending
			}
		}
		l.run(func(k *irql.K) { s.ask(k, 1) })
	})
}
