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

// The rules about who may complete, send and touch an IRP, and about stack locations. Each pair of tests is
// the catalogue's smallest violating scenario and its repaired form.

// completions is a driver that completes n times on its way to a common exit.
func completions(n int) dispatch {
	return func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
		p.IoStatus().Status = ok
		for range n {
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		}
		return ok
	}
}

// Rule: IRP-001
func TestIoCompleteRequest_TwiceIsDoubleCompletion(t *testing.T) {
	f := trips(t, verify.IRP_001, func(l *lab) { l.through(completions(2)) })
	assert.Equal(t, "irp#1", f.Args[0].Value)
	assert.Equal(t, "FIRST_COMPLETION", f.Places[0].Label)
	assert.NotZero(t, f.Places[0].Seq)
	assert.Equal(t, "drv0.sys", f.Driver)
}

// Near miss: IRP-001
func TestIoCompleteRequest_OnceIsSilent(t *testing.T) {
	passes(t, func(l *lab) { l.through(completions(1)) })
}

// The routine above still runs when the lower driver's other thread completes the same IRP: it is in another
// driver's routine, which the catalogue counts under IRP-002.
func TestIoCompleteRequest_DuringTheRoutineOfAnotherDriver(t *testing.T) {
	trips(t, verify.IRP_002, func(l *lab) {
		var low *driver
		again := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
			ke.Push(k, ke.Frame{Kind: ke.FrameDPC, Image: low.obj.Image()})
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
			ke.Pop(k)
			return stop
		}
		st := l.stack(completes(ok))
		low = st[0]
		l.run(func(k *irql.K) { irp.IoCallDriver(k, low.dev, request(k, low.dev, again, nil)) })
	})
}

// sentDown forwards to a driver that holds the request; before it has come back, act is done.
func sentDown(l *lab, act func(k *irql.K, d *driver, p *irp.IRP)) {
	st := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		s := skips(k, d, p)
		act(k, d, p)
		return s
	}, keeps)
	l.send(st[0])
}

// forwardAndWait is pattern 2: the driver owns the IRP again after its routine has stopped the climb.
func forwardAndWait(then func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		event := irql.OnStack[irql.KEVENT](k)
		irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		irp.IoSetCompletionRoutine(k, p, signalIfPended, event, true, true, true)
		if irp.IoCallDriver(k, d.below, p) == pending {
			waitFor(k, event)
		}
		return then(k, d, p)
	}
}

// signalIfPended is the routine of pattern 2.
func signalIfPended(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
	if p.PendingReturned() {
		irql.KeSetEvent(k, context.(*irql.KEVENT), 0, false)
	}
	return stop
}

func completeAgain(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
	s := p.IoStatus().Status
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

// Rule: IRP-002
func TestIoCompleteRequest_SentDownIsAStrangers(t *testing.T) {
	f := trips(t, verify.IRP_002, func(l *lab) {
		sentDown(l, func(k *irql.K, _ *driver, p *irp.IRP) {
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		})
	})
	assert.Equal(t, "drv0.sys", f.Driver)
	assert.Contains(t, f.Headline, "kept by drv1.sys")
}

// Near miss: IRP-002
func TestIoCompleteRequest_AfterTheWaitIsTheOwners(t *testing.T) {
	passes(t, func(l *lab) { l.through(forwardAndWait(completeAgain), pends(ok)) })
	passes(t, func(l *lab) { l.through(forwardAndWait(completeAgain), completes(ok)) })
}

// Rule: IRP-003
func TestIoCallDriver_SentDownIsAStrangers(t *testing.T) {
	trips(t, verify.IRP_003, func(l *lab) {
		sentDown(l, func(k *irql.K, d *driver, p *irp.IRP) { irp.IoCallDriver(k, d.below, p) })
	})
}

// Near miss: IRP-003
func TestIoCallDriver_AgainAfterItCameBackIsSilent(t *testing.T) {
	again := func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS { return forward(k, d, p, propagate) }
	passes(t, func(l *lab) { l.through(forwardAndWait(again), pends(ok)) })
}

// Rule: IRP-004
func TestIoCallDriver_WithoutALocation(t *testing.T) {
	short := func(act func(k *irql.K, d *driver, p *irp.IRP)) func(l *lab) {
		return func(l *lab) {
			st := l.stack(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
				act(k, d, p)
				return ok
			}, completes(ok))
			l.run(func(k *irql.K) {
				p := irp.IoAllocateIrp(k, 1, false)
				prepare(k, p, freeIt, nil)
				irp.IoCallDriver(k, st[0].dev, p)
			})
		}
	}
	for _, c := range []named[func(k *irql.K, d *driver, p *irp.IRP)]{
		{"IoCallDriver", func(k *irql.K, d *driver, p *irp.IRP) { irp.IoCallDriver(k, d.below, p) }},
		{"IoCopyCurrent...ToNext", func(k *irql.K, _ *driver, p *irp.IRP) {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		}},
		{"IoGetNextIrpStackLocation", func(k *irql.K, _ *driver, p *irp.IRP) {
			irp.IoGetNextIrpStackLocation(k, p)
		}},
		{"IoSetNextIrpStackLocation", func(k *irql.K, _ *driver, p *irp.IRP) {
			irp.IoSetNextIrpStackLocation(k, p)
		}},
		{"IoSetCompletionRoutine", func(k *irql.K, _ *driver, p *irp.IRP) {
			irp.IoSetCompletionRoutine(k, p, stopIt, nil, true, true, true)
		}},
		{"IoSetCompletionRoutine NULL", func(k *irql.K, _ *driver, p *irp.IRP) {
			irp.IoSetCompletionRoutine(k, p, nil, nil, false, false, false)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { trips(t, verify.IRP_004, short(c.do)) })
	}
}

// Near miss: IRP-004
func TestIoCallDriver_WithOneLocationPerDriverIsSilent(t *testing.T) {
	passes(t, func(l *lab) { l.through(forwards(nil), forwards(propagate), completes(ok)) })
	passes(t, func(l *lab) { // a stack of two and one location: the upper driver skips
		st := l.stack(skips, completes(ok))
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, 1, false)
			prepare(k, p, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	})
}

// Rule: IRP-005
func TestIRP_TouchedAfterFree(t *testing.T) {
	f := trips(t, verify.IRP_005, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			_ = p.IoStatus().Status
		})
	})
	assert.Equal(t, "irp#1", f.Args[0].Value)
}

// TestIRP_TouchedWhileAnotherDriverHasIt: merely not owned has no bug check on Windows. Every method checks.
func TestIRP_TouchedWhileAnotherDriverHasIt(t *testing.T) {
	touches := []named[func(k *irql.K, p *irp.IRP)]{
		{"IoStatus", func(_ *irql.K, p *irp.IRP) { p.IoStatus() }},
		{"PendingReturned", func(_ *irql.K, p *irp.IRP) { p.PendingReturned() }},
		{"Cancel", func(_ *irql.K, p *irp.IRP) { p.Cancel() }},
		{"CancelIrql", func(_ *irql.K, p *irp.IRP) { p.CancelIrql() }},
		{"CancelRoutine", func(_ *irql.K, p *irp.IRP) { p.CancelRoutine() }},
		{"MdlAddress", func(_ *irql.K, p *irp.IRP) { p.MdlAddress() }},
		{"SetMdlAddress", func(_ *irql.K, p *irp.IRP) { p.SetMdlAddress(nil) }},
		{"AssociatedIrp", func(_ *irql.K, p *irp.IRP) { p.AssociatedIrp() }},
		{"UserBuffer", func(_ *irql.K, p *irp.IRP) { p.UserBuffer() }},
		{"SetUserBuffer", func(_ *irql.K, p *irp.IRP) { p.SetUserBuffer(nil) }},
		{"DriverContext", func(_ *irql.K, p *irp.IRP) { p.DriverContext() }},
		{"Flags", func(_ *irql.K, p *irp.IRP) { p.Flags() }},
		{"RequestorMode", func(_ *irql.K, p *irp.IRP) { p.RequestorMode() }},
		{"StackCount", func(_ *irql.K, p *irp.IRP) { p.StackCount() }},
		{"CurrentLocation", func(_ *irql.K, p *irp.IRP) { p.CurrentLocation() }},
		{"current", func(k *irql.K, p *irp.IRP) { irp.IoGetCurrentIrpStackLocation(k, p) }},
		{"next", func(k *irql.K, p *irp.IRP) { irp.IoGetNextIrpStackLocation(k, p) }},
		{"skip", func(k *irql.K, p *irp.IRP) { irp.IoSkipCurrentIrpStackLocation(k, p) }},
		{"set next", func(k *irql.K, p *irp.IRP) { irp.IoSetNextIrpStackLocation(k, p) }},
		{"copy", func(k *irql.K, p *irp.IRP) { irp.IoCopyCurrentIrpStackLocationToNext(k, p) }},
		{"routine", func(k *irql.K, p *irp.IRP) {
			irp.IoSetCompletionRoutine(k, p, stopIt, nil, true, true, true)
		}},
		{"mark", func(k *irql.K, p *irp.IRP) { irp.IoMarkIrpPending(k, p) }},
		{"no cancel", func(k *irql.K, p *irp.IRP) { irp.IoSetCancelRoutine(k, p, nil) }},
	}
	for _, c := range touches {
		t.Run(c.name, func(t *testing.T) {
			f := tripsAs(t, verify.IRP_005, 0, "", func(l *lab) {
				sentDown(l, func(k *irql.K, _ *driver, p *irp.IRP) { c.do(k, p) })
			})
			assert.Contains(t, f.Headline, "kept by drv1.sys")
			assert.NotEmpty(t, f.Dump)
		})
	}
}

// TestIO_STACK_LOCATION_KeptBeyondItsTime: a location is the IRP's; the methods of one that was kept check as
// well.
func TestIO_STACK_LOCATION_KeptBeyondItsTime(t *testing.T) {
	touches := []named[func(s *irp.IO_STACK_LOCATION)]{
		{"MajorFunction", func(s *irp.IO_STACK_LOCATION) { s.MajorFunction() }},
		{"SetMajorFunction", func(s *irp.IO_STACK_LOCATION) { s.SetMajorFunction(0) }},
		{"MinorFunction", func(s *irp.IO_STACK_LOCATION) { s.MinorFunction() }},
		{"SetMinorFunction", func(s *irp.IO_STACK_LOCATION) { s.SetMinorFunction(0) }},
		{"Flags", func(s *irp.IO_STACK_LOCATION) { s.Flags() }},
		{"SetFlags", func(s *irp.IO_STACK_LOCATION) { s.SetFlags(0) }},
		{"Parameters", func(s *irp.IO_STACK_LOCATION) { s.Parameters() }},
		{"DeviceObject", func(s *irp.IO_STACK_LOCATION) { s.DeviceObject() }},
		{"SetDeviceObject", func(s *irp.IO_STACK_LOCATION) { s.SetDeviceObject(nil) }},
		{"Control", func(s *irp.IO_STACK_LOCATION) { s.Control() }},
		{"CompletionRoutine", func(s *irp.IO_STACK_LOCATION) { s.CompletionRoutine() }},
		{"Context", func(s *irp.IO_STACK_LOCATION) { s.Context() }},
	}
	for _, c := range touches {
		t.Run(c.name, func(t *testing.T) {
			tripsAs(t, verify.IRP_005, 0, "", func(l *lab) {
				l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
					s := irp.IoGetCurrentIrpStackLocation(k, p)
					r := skips(k, d, p)
					c.do(s)
					return r
				}, pends(ok))
			})
		})
	}
}

// Near miss: IRP-005
func TestIRP_StatusReturnedInsteadOfTouched(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(failed))
		l.run(func(k *irql.K) {
			s := irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, freeIt, nil))
			assert.Equal(t, failed, s)
		})
	})
}

// Rule: IRP-013
func TestIoMarkIrpPending_InACreatorsRoutine(t *testing.T) {
	trips(t, verify.IRP_013, func(l *lab) {
		st := l.stack(pends(ok))
		l.run(func(k *irql.K) { irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, propagate, nil)) })
	})
}

// Near miss: IRP-013
func TestIoMarkIrpPending_InACreatorsRoutineWithALocation(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(pends(ok))
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, st[0].dev.StackSize+1, false)
			irp.IoSetNextIrpStackLocation(k, p)
			prepare(k, p, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, c any) ntstatus.NTSTATUS {
				propagate(k, dev, p, c)
				return freeIt(k, dev, p, c)
			}, nil)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	})
}

// Rule: IRP-014
func TestIoSetCompletionRoutine_AfterSkip(t *testing.T) {
	trips(t, verify.IRP_014, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoSkipCurrentIrpStackLocation(k, p)
			irp.IoSetCompletionRoutine(k, p, propagate, nil, true, true, true)
			return irp.IoCallDriver(k, d.below, p)
		}, completes(ok))
	})
}

// TestIoCallDriver_LocationCopiedByAssignment: the upper driver's routine would run twice.
func TestIoCallDriver_LocationCopiedByAssignment(t *testing.T) {
	trips(t, verify.IRP_014, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			*irp.IoGetNextIrpStackLocation(k, p) = *irp.IoGetCurrentIrpStackLocation(k, p)
			return irp.IoCallDriver(k, d.below, p)
		}, completes(ok))
	})
}

// Near miss: IRP-014
func TestIoSetCompletionRoutine_AfterCopyIsSilent(t *testing.T) {
	passes(t, func(l *lab) { l.through(forwards(propagate), completes(ok)) })
}

// skipThen skips and does something else before it sends.
func skipThen(act func(k *irql.K, p *irp.IRP)) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoSkipCurrentIrpStackLocation(k, p)
		act(k, p)
		return irp.IoCallDriver(k, d.below, p)
	}
}

// Rule: IRP-017
func TestIoSkipCurrentIrpStackLocation_WithoutIoCallDriver(t *testing.T) {
	for _, c := range []named[dispatch]{
		{"complete", skipThen(func(k *irql.K, p *irp.IRP) { complete(k, p, failed) })},
		{"mark", skipThen(irp.IoMarkIrpPending)},
		{"current", skipThen(func(k *irql.K, p *irp.IRP) { irp.IoGetCurrentIrpStackLocation(k, p) })},
		{"return", func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoSkipCurrentIrpStackLocation(k, p)
			return ok
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_017, func(l *lab) { l.through(c.do, completes(ok)) })
		})
	}
}

// Near miss: IRP-017
func TestIoSkipCurrentIrpStackLocation_TakenBackIsSilent(t *testing.T) {
	passes(t, func(l *lab) { l.through(skips, completes(ok)) })
	passes(t, func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoSkipCurrentIrpStackLocation(k, p)
			irp.IoSetNextIrpStackLocation(k, p)
			return complete(k, p, failed)
		}, completes(ok))
	})
}

// Rule: IRP-018
func TestIRP_NullIsNoIrp(t *testing.T) {
	for _, c := range []named[func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP)]{
		{"IoCallDriver", func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) { irp.IoCallDriver(k, dev, p) }},
		{"IoCompleteRequest", func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
			irp.IoCompleteRequest(k, p, 0)
		}},
		{"IoFreeIrp", func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) { irp.IoFreeIrp(k, p) }},
		{"IoReuseIrp", func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) { irp.IoReuseIrp(k, p, ok) }},
		{"IoCancelIrp", func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) { irp.IoCancelIrp(k, p) }},
		{"IoSetCancelRoutine", func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
			irp.IoSetCancelRoutine(k, p, nil)
		}},
		{"IoMarkIrpPending", func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
			irp.IoMarkIrpPending(k, p)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_018, func(l *lab) {
				st := l.stack(completes(ok))
				l.run(func(k *irql.K) { c.do(k, st[0].dev, nil) })
			})
		})
	}
}

// Near miss: IRP-018
func TestIoFreeIrp_TypedContextIsSilent(t *testing.T) {
	type request struct{ p *irp.IRP }
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			r := request{irp.IoAllocateIrp(k, 1, false)}
			irp.IoFreeIrp(k, r.p)
		})
	})
}

// Rule: IRP-062
func TestIoGetCurrentIrpStackLocation_OfACreator(t *testing.T) {
	for _, c := range []named[func(k *irql.K, p *irp.IRP)]{
		{"get", func(k *irql.K, p *irp.IRP) { irp.IoGetCurrentIrpStackLocation(k, p) }},
		{"copy", irp.IoCopyCurrentIrpStackLocationToNext},
		{"skip", irp.IoSkipCurrentIrpStackLocation},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_062, func(l *lab) {
				st := l.stack(completes(ok))
				l.run(func(k *irql.K) {
					p := request(k, st[0].dev, nil, nil)
					c.do(k, p)
				})
			})
		})
	}
}

// Near miss: IRP-062
func TestIoGetCurrentIrpStackLocation_OfACreatorWithALocation(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, st[0].dev.StackSize+1, false)
			irp.IoSetNextIrpStackLocation(k, p)
			irp.IoGetCurrentIrpStackLocation(k, p).SetDeviceObject(st[0].dev)
			prepare(k, p, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	})
}

// Rule: IRP-070
func TestIoSetCompletionRoutine_NullWithAFlag(t *testing.T) {
	trips(t, verify.IRP_070, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			irp.IoSetCompletionRoutine(k, p, nil, nil, true, false, false)
			return irp.IoCallDriver(k, d.below, p)
		}, completes(ok))
	})
}

// TestIoCopyCurrentIrpStackLocationToNext_LosesTheRoutine is the catalogue's scenario: set first, then copied
// over.
func TestIoCopyCurrentIrpStackLocationToNext_LosesTheRoutine(t *testing.T) {
	trips(t, verify.IRP_070, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoSetCompletionRoutine(k, p, propagate, nil, true, true, true)
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			return irp.IoCallDriver(k, d.below, p)
		}, completes(ok))
	})
}

// Near miss: IRP-070
func TestIoSetCompletionRoutine_NullWithoutFlagIsSilent(t *testing.T) {
	passes(t, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			irp.IoSetCompletionRoutine(k, p, nil, nil, false, false, false)
			return irp.IoCallDriver(k, d.below, p)
		}, completes(ok))
	})
	passes(t, func(l *lab) { l.through(forwards(propagate), completes(ok)) })
}
