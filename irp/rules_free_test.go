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

// The rules about making, freeing and reusing IRPs.

// creator sends a request whose routine stops the climb, and does act afterwards.
func creator(low dispatch, act func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(low)
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, stopIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			act(k, st[0].dev, p)
		})
	}
}

// Rule: IRP-030
func TestIoFreeIrp_WhileTheLowerDriverHasIt(t *testing.T) {
	free := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) { irp.IoFreeIrp(k, p) }
	trips(t, verify.IRP_030, creator(keeps, free))
	trips(t, verify.IRP_030, func(l *lab) { // a cancel routine is set
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, 1, false)
			irp.IoSetCancelRoutine(k, p, cancelled)
			irp.IoFreeIrp(k, p)
		})
	})
}

// Near miss: IRP-030
func TestIoFreeIrp_InTheRoutineOrAfterIt(t *testing.T) {
	passes(t, creator(completes(ok), func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		irp.IoFreeIrp(k, p)
	}))
	passes(t, func(l *lab) { l.through(completes(ok)) })
	passes(t, func(l *lab) { l.through(pends(ok)) })
}

// threaded builds a device control request and does act with it before it is sent.
func threaded(low dispatch, act func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
	e *irql.KEVENT)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(low)
		l.run(func(k *irql.K) {
			event := irql.OnStack[irql.KEVENT](k)
			iosb := irp.StackVar[irp.IO_STATUS_BLOCK](k).Get()
			act(k, st[0].dev, ioctl(k, st[0].dev, event, iosb), event)
		})
	}
}

func sendAndWait(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, e *irql.KEVENT) {
	if irp.IoCallDriver(k, dev, p) == pending {
		waitFor(k, e)
	}
}

// Rule: IRP-031
func TestIoFreeIrp_InItsThreadsList(t *testing.T) {
	trips(t, verify.IRP_031, threaded(completes(ok), func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		_ *irql.KEVENT) {
		irp.IoFreeIrp(k, p)
	}))
}

// Near miss: IRP-031
func TestIoBuildDeviceIoControlRequest_SentIsReleasedByTheSystem(t *testing.T) {
	passes(t, threaded(completes(ok), sendAndWait))
	passes(t, threaded(pends(ok), sendAndWait))
}

// Rule: IRP-032
func TestIoFreeIrp_OfAThreadedIrp(t *testing.T) {
	f := trips(t, verify.IRP_032, threaded(pends(ok), func(k *irql.K, dev *irp.DEVICE_OBJECT,
		p *irp.IRP, e *irql.KEVENT) {
		sendAndWait(k, dev, p, e)
		irp.IoFreeIrp(k, p)
	}))
	assert.Equal(t, []verify.RuleID{verify.IRP_035}, f.Also)
	trips(t, verify.IRP_032, threaded(completes(ok), func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
		e *irql.KEVENT) {
		irp.IoSetCompletionRoutine(k, p, freeIt, nil, true, true, true)
		irp.IoCallDriver(k, dev, p)
	}))
}

// Near miss: IRP-032
func TestIoFreeIrp_OfAnAsynchronousIrp(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := irp.IoBuildAsynchronousFsdRequest(k, irp.IRP_MJ_FLUSH_BUFFERS, st[0].dev, nil, 0, nil, nil)
			irp.IoSetCompletionRoutine(k, p, freeIt, nil, true, true, true)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	})
}

// Rule: IRP-033
func TestIoFreeIrp_OfAReceivedIrp(t *testing.T) {
	trips(t, verify.IRP_033, func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoFreeIrp(k, p)
			return ok
		})
	})
}

// Near miss: IRP-033
func TestIoFreeIrp_OfAnOwnIrpInADispatchRoutine(t *testing.T) {
	passes(t, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			own := request(k, d.below, freeIt, nil)
			irp.IoCallDriver(k, d.below, own)
			return skips(k, d, p)
		}, completes(ok))
	})
}

// Rule: IRP-035
func TestIoFreeIrp_Twice(t *testing.T) {
	trips(t, verify.IRP_035, func(l *lab) { // the routine frees, whoever sent it frees again
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			irp.IoFreeIrp(k, p)
		})
	})
}

// Near miss: IRP-035
func TestIoFreeIrp_Once(t *testing.T) {
	passes(t, creator(completes(ok), func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		irp.IoFreeIrp(k, p)
	}))
}

// TestIoFreeIrp_MemoryStaysRecognisable: 256 frees later a freed IRP is still known as one, and no id is used
// twice.
func TestIoFreeIrp_MemoryStaysRecognisable(t *testing.T) {
	trips(t, verify.IRP_035, func(l *lab) {
		l.run(func(k *irql.K) {
			first := irp.IoAllocateIrp(k, 1, false)
			irp.IoFreeIrp(k, first)
			for range 255 {
				p := irp.IoAllocateIrp(k, 1, false)
				assert.NotSame(t, first, p)
				irp.IoFreeIrp(k, p)
			}
			irp.IoFreeIrp(k, first)
		})
	})
}

// TestIoFreeIrp_ManyAtOnce: however many are freed at once, the last 256 are not used again at once, and none
// twice.
func TestIoFreeIrp_ManyAtOnce(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		var freed []*irp.IRP
		for range 2000 {
			freed = append(freed, irp.IoAllocateIrp(k, 1, false))
		}
		for _, p := range freed {
			irp.IoFreeIrp(k, p)
		}
		fresh := map[*irp.IRP]bool{}
		for range 2000 {
			p := irp.IoAllocateIrp(k, 1, false)
			assert.False(t, fresh[p], "handed out twice")
			fresh[p] = true
		}
		for _, p := range freed[2000-256:] {
			assert.False(t, fresh[p], "used again too early")
		}
	})
	l.silent()
}

// Rule: IRP-036
func TestIoCallDriver_OwnIrpWithoutARoutine(t *testing.T) {
	send := func(routine irp.IO_COMPLETION_ROUTINE) func(l *lab) {
		return func(l *lab) {
			st := l.stack(completes(ok))
			l.run(func(k *irql.K) { irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, routine, nil)) })
		}
	}
	trips(t, verify.IRP_036, send(nil))
	trips(t, verify.IRP_036, send(func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS {
		return resume
	}))
	trips(t, verify.IRP_036, func(l *lab) { // completed by its creator, never sent
		l.run(func(k *irql.K) {
			irp.IoCompleteRequest(k, irp.IoAllocateIrp(k, 1, false), irp.IO_NO_INCREMENT)
		})
	})
	trips(t, verify.IRP_036, func(l *lab) { // of IoBuildAsynchronousFsdRequest
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			irp.IoCallDriver(k, st[0].dev, irp.IoBuildAsynchronousFsdRequest(k,
				irp.IRP_MJ_FLUSH_BUFFERS, st[0].dev, nil, 0, nil, nil))
		})
	})
}

// Near miss: IRP-036
func TestIoCallDriver_OwnIrpWithARoutineThatStops(t *testing.T) {
	passes(t, func(l *lab) { l.through(completes(ok)) })
	passes(t, threaded(completes(ok), sendAndWait)) // the I/O manager ends those
}

// Rule: IRP-037
func TestIoReuseIrp_OfTheWrongOrigin(t *testing.T) {
	trips(t, verify.IRP_037, threaded(completes(ok), func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		_ *irql.KEVENT) {
		irp.IoReuseIrp(k, p, ok)
	}))
	trips(t, verify.IRP_037, func(l *lab) { // received from above
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoReuseIrp(k, p, ok)
			return ok
		})
	})
	f := tripsAs(t, verify.IRP_037, 0, "", func(l *lab) { // the pages disagree
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := irp.IoBuildAsynchronousFsdRequest(k, irp.IRP_MJ_FLUSH_BUFFERS, st[0].dev, nil, 0, nil, nil)
			irp.IoReuseIrp(k, p, ok)
			irp.IoFreeIrp(k, p)
		})
	})
	assert.Equal(t, verify.Warning, f.Severity())
}

// Near miss: IRP-037
func TestIoReuseIrp_OfIoAllocateIrp(t *testing.T) {
	passes(t, creator(completes(failed), func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
		irp.IoReuseIrp(k, p, ok)
		prepare(k, p, freeIt, nil)
		irp.IoCallDriver(k, dev, p)
	}))
}

// Rule: IRP-038
func TestIoReuseIrp_WhileTheLowerDriverHasIt(t *testing.T) {
	trips(t, verify.IRP_038, creator(keeps, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		irp.IoReuseIrp(k, p, ok)
	}))
}

// Near miss: IRP-038
func TestIoReuseIrp_InTheRoutineThatStops(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(completes(ok))
		sent := 0
		var again irp.IO_COMPLETION_ROUTINE
		again = func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
			if sent++; sent == 3 {
				return freeIt(k, dev, p, context)
			}
			irp.IoReuseIrp(k, p, ok)
			prepare(k, p, again, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			return stop
		}
		l.run(func(k *irql.K) { irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, again, nil)) })
		assert.Equal(t, 3, sent)
	})
}

// unloads has the client do fn and be unloaded.
func unloads(fn func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		l.as(l.image, fn)
		l.m.Run(nil)
		l.unload(l.client)
		l.rest()
	}
}

// unload runs a driver's unload routine.
func (l *lab) unload(drv *irp.DRIVER_OBJECT) {
	assert.True(l.t, irp.Sim.UnloadDriver(l.m, drv))
	l.m.Run(nil)
	assert.True(l.t, drv.Unloaded())
}

// Rule: IRP-040
func TestUnload_IrpLeaked(t *testing.T) {
	f := trips(t, verify.IRP_040, unloads(func(k *irql.K) { irp.IoAllocateIrp(k, 1, false) }))
	assert.Equal(t, "client.sys", f.Driver)
	assert.Contains(t, f.Headline, "neither sent nor freed")
	f = trips(t, verify.IRP_040, func(l *lab) {
		st := l.stack(completes(ok))
		unloads(func(k *irql.K) { irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, stopIt, nil)) })(l)
	})
	assert.Contains(t, f.Headline, "came back to its creator")
}

// Near miss: IRP-040
func TestUnload_IrpFreedOnTheErrorPath(t *testing.T) {
	passes(t, unloads(func(k *irql.K) { irp.IoFreeIrp(k, irp.IoAllocateIrp(k, 1, false)) }))
}

// Rule: IRP-045
func TestIoBuildDeviceIoControlRequest_EventOrStatusBlockFreed(t *testing.T) {
	type report struct {
		event irql.KEVENT
		iosb  irp.IO_STATUS_BLOCK
	}
	const tag = 0x74706552
	free := func(how dispatch) func(l *lab) {
		return func(l *lab) {
			st := l.stack(how)
			l.run(func(k *irql.K) {
				r := irp.New[report](k, irp.POOL_FLAG_NON_PAGED, tag)
				irql.KeInitializeEvent(k, &r.Get().event, irql.NotificationEvent, false)
				irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, &r.Get().event, &r.Get().iosb))
				irp.Free(k, r, tag)
			})
		}
	}
	trips(t, verify.IRP_045, free(keeps))
	passes(t, free(completes(ok)))
}

// Rule: IRP-045
func TestIoBuildDeviceIoControlRequest_EventOrStatusBlockGone(t *testing.T) {
	var event irql.KEVENT
	var iosb irp.IO_STATUS_BLOCK
	for _, c := range []named[func(k *irql.K) (*irql.KEVENT, *irp.IO_STATUS_BLOCK)]{
		{"event", func(k *irql.K) (*irql.KEVENT, *irp.IO_STATUS_BLOCK) {
			return irql.OnStack[irql.KEVENT](k), &iosb
		}},
		{"typed event", func(k *irql.K) (*irql.KEVENT, *irp.IO_STATUS_BLOCK) {
			return irp.StackVar[irql.KEVENT](k).Get(), &iosb
		}},
		{"status block", func(k *irql.K) (*irql.KEVENT, *irp.IO_STATUS_BLOCK) {
			return &event, irp.StackVar[irp.IO_STATUS_BLOCK](k).Get()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_045, func(l *lab) {
				st := l.stack(keeps)
				l.run(func(k *irql.K) {
					e, s := c.do(k)
					irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, e, s))
				})
			})
		})
	}
}

// Near miss: IRP-045
func TestIoBuildDeviceIoControlRequest_WaitedFor(t *testing.T) {
	passes(t, threaded(pends(ok), sendAndWait))
	passes(t, threaded(pends(failed), sendAndWait))
	passes(t, threaded(completes(failed), sendAndWait))
}

// Rule: IRP-061
func TestIoBuild_BufferTooShort(t *testing.T) {
	for _, c := range []named[func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer)]{
		{"ioctl input", func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer) {
			irp.IoBuildDeviceIoControlRequest(k, ioctlTest, dev, b, 64, nil, 0, false, nil, nil)
		}},
		{"ioctl output", func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer) {
			irp.IoBuildDeviceIoControlRequest(k, ioctlTest, dev, nil, 0, b, 64, false, nil, nil)
		}},
		{"ioctl NULL", func(k *irql.K, dev *irp.DEVICE_OBJECT, _ *irp.Buffer) {
			irp.IoBuildDeviceIoControlRequest(k, ioctlTest, dev, nil, 0, nil, 64, false, nil, nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { trips(t, verify.IRP_061, builds(c.do)) })
	}
	for _, c := range []named[func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer)]{
		{"asynchronous write", func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer) {
			irp.IoBuildAsynchronousFsdRequest(k, irp.IRP_MJ_WRITE, dev, b, 64, nil, nil)
		}},
		{"synchronous read", func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer) {
			irp.IoBuildSynchronousFsdRequest(k, irp.IRP_MJ_READ, dev, b, 64, nil, nil, nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { tripsAs(t, verify.IRP_061, 0xC9, "0x8", builds(c.do)) })
	}
}

// builds gives act a buffer of 16 bytes.
func builds(act func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, irp.Tag("test"))
			act(k, st[0].dev, b)
			irp.ExFreePoolWithTag(k, b, irp.Tag("test"))
		})
	}
}

// Near miss: IRP-061
func TestIoBuild_BufferLongEnough(t *testing.T) {
	passes(t, builds(func(k *irql.K, dev *irp.DEVICE_OBJECT, b *irp.Buffer) {
		p := irp.IoBuildAsynchronousFsdRequest(k, irp.IRP_MJ_WRITE, dev, b, 16, nil, nil)
		irp.IoSetCompletionRoutine(k, p, freeIt, nil, true, true, true)
		irp.IoCallDriver(k, dev, p)
	}))
}

// Rule: IRP-065
func TestIoCompleteRequest_NeverSent(t *testing.T) {
	f := trips(t, verify.IRP_065, threaded(completes(ok), func(k *irql.K, _ *irp.DEVICE_OBJECT,
		p *irp.IRP, _ *irql.KEVENT) {
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	}))
	assert.Equal(t, verify.Warning, f.Severity())
}

// Near miss: IRP-065
func TestIoCompleteRequest_ByItsCreatorAfterItCameBack(t *testing.T) {
	passes(t, threaded(completes(ok), func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, _ *irql.KEVENT) {
		irp.IoSetCompletionRoutine(k, p, stopIt, nil, true, true, true)
		irp.IoCallDriver(k, dev, p)
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	}))
}

// Rule: IRP-071
func TestIoSetCompletionRoutine_NotInEveryCase(t *testing.T) {
	for _, flags := range [][3]bool{{false, true, true}, {true, false, true}, {true, true, false}} {
		trips(t, verify.IRP_071, withFlags(flags))
	}
}

func withFlags(flags [3]bool) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, nil, nil)
			irp.IoSetCompletionRoutine(k, p, freeIt, nil, flags[0], flags[1], flags[2])
			irp.IoCallDriver(k, st[0].dev, p)
		})
	}
}

// Near miss: IRP-071
func TestIoSetCompletionRoutine_InEveryCaseAndForAReceivedIrpInSome(t *testing.T) {
	passes(t, withFlags([3]bool{true, true, true}))
	passes(t, func(l *lab) { // a driver that received the IRP may leave out what it likes
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoCopyCurrentIrpStackLocationToNext(k, p)
			irp.IoSetCompletionRoutine(k, p, propagate, nil, false, true, false)
			return irp.IoCallDriver(k, d.below, p)
		}, completes(ok))
	})
}

// TestIoAllocateIrp_LeftWithALoadedDriver: a driver that is still loaded may be keeping it for its next
// request.
func TestIoAllocateIrp_LeftWithALoadedDriver(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) { irp.IoAllocateIrp(k, 1, false) })
	l.silent()
}
