package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The rules about requests of programs and about those who open devices.

// deaf is a driver that holds requests without a cancel routine.
func deaf(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	c.kept = append(c.kept, p)
	return pending
}

// Rule: IRP-027
func TestThreadExit_GivesUpAfterFiveMinutes(t *testing.T) {
	f := trips(t, verify.IRP_027, func(l *lab) {
		c := (&control{act: deaf}).load(l)
		l.app(func(k *irql.K, p *ke.Process) { openIt(t, k, p).Begin(k, &ioctlRequest) })
		assert.GreaterOrEqual(t, l.m.Uptime(), int64(300*ke.Second))
		l.as(c.obj.Image(), func(k *irql.K) { complete(k, c.kept[0], failed) }) // nobody waits any more
		l.m.Run(nil)
		assert.Equal(t, uint8(irp.IRP_MJ_CLOSE), c.heard[len(c.heard)-1])
	})
	assert.Equal(t, "control.sys", f.Driver)
	trips(t, verify.IRP_027, func(l *lab) { // completed, but too late
		c := (&control{act: deaf}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			op := openIt(t, k, p).Begin(k, &ioctlRequest)
			op.Cancel(k)
			l.as(c.obj.Image(), func(k *irql.K) {
				due := int64(-400 * ke.Second)
				irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
				complete(k, c.kept[0], ntstatus.STATUS_CANCELLED)
			})
			op.Wait(k, nil)
		})
	})
	trips(t, verify.IRP_027, func(l *lab) { // still there at the end of the run
		st := l.stack(keeps)
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			irp.IoCancelIrp(k, p)
		})
	})
}

// Near miss: IRP-027
func TestThreadExit_CancelRoutineCompletes(t *testing.T) {
	passes(t, func(l *lab) {
		c := (&control{act: keep}).load(l)
		l.app(func(k *irql.K, p *ke.Process) { openIt(t, k, p).Begin(k, &ioctlRequest) })
		assert.Len(t, c.kept, 1)
		l.unload(c.obj)
	})
}

// Rule: IRP-040
func TestCleanup_LeavesAQueuedRequest(t *testing.T) {
	f := trips(t, verify.IRP_040, func(l *lab) {
		(&control{act: keep}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			h := openIt(t, k, p)
			op := h.Begin(k, &ioctlRequest)
			h.Close(k)
			op.Wait(k, nil)
		})
	})
	assert.Contains(t, f.Headline, "whose last handle is closed")
	f = trips(t, verify.IRP_040, func(l *lab) {
		c := new(control).load(l)
		l.load("filter.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			for i := range drv.MajorFunction {
				drv.MajorFunction[i] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
					irp.IoMarkIrpPending(k, p) // and forgets it
					return pending
				}
			}
			var dev *irp.DEVICE_OBJECT
			irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
			irp.IoAttachDeviceToDeviceStack(k, dev, c.dev)
			return ok
		})
		l.app(func(k *irql.K, p *ke.Process) { openIt(t, k, p) })
	})
	assert.Contains(t, f.Headline, "IRP_MJ_CREATE")
}

// Near miss: IRP-040
func TestCleanup_OpenFileKeepsItsRequests(t *testing.T) {
	passes(t, func(l *lab) {
		(&control{act: keep}).load(l)
		l.app(func(k *irql.K, p *ke.Process) { openIt(t, k, p).Begin(k, &ioctlRequest).Wait(k, nil) })
	})
}

// twice sends two requests with one event; prepare makes it ready for the second.
func twice(prepare func(k *irql.K, event *irql.KEVENT)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(pends(ok))
		l.run(func(k *irql.K) {
			var event irql.KEVENT
			var iosb irp.IO_STATUS_BLOCK
			p := ioctl(k, st[0].dev, &event, &iosb)
			for range 2 {
				if irp.IoCallDriver(k, st[0].dev, p) == pending {
					waitFor(k, &event)
				}
				prepare(k, &event)
				p = irp.IoBuildDeviceIoControlRequest(k, ioctlTest, st[0].dev, nil, 0, nil, 0, false, &event,
					&iosb)
			}
			irp.IoCallDriver(k, st[0].dev, p)
		})
	}
}

// Rule: IRP-046
func TestIoCallDriver_WithASignalledEvent(t *testing.T) {
	trips(t, verify.IRP_046, twice(func(*irql.K, *irql.KEVENT) {}))
}

// Near miss: IRP-046
func TestIoCallDriver_WithAClearedEvent(t *testing.T) {
	passes(t, twice(func(k *irql.K, event *irql.KEVENT) { irql.KeClearEvent(k, event) }))
}

// signalling sends a thread-bound request whose routine signals the creator's event and returns answer.
func signalling(answer ntstatus.NTSTATUS) func(l *lab) {
	return func(l *lab) {
		st := l.stack(pends(ok))
		l.run(func(k *irql.K) {
			var event irql.KEVENT
			var iosb irp.IO_STATUS_BLOCK
			p := ioctl(k, st[0].dev, &event, &iosb)
			irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
				_ any) ntstatus.NTSTATUS {
				irql.KeSetEvent(k, &event, 0, false)
				return answer
			}, nil, true, true, true)
			irp.IoCallDriver(k, st[0].dev, p)
			waitFor(k, &event)
			if answer == stop { // pattern 9 of irp.md
				irql.KeClearEvent(k, &event)
				irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
				waitFor(k, &event)
			}
		})
	}
}

// Rule: IRP-047
func TestIoBuildDeviceIoControlRequest_RoutineSetsTheEvent(t *testing.T) {
	trips(t, verify.IRP_047, signalling(resume))
}

// Near miss: IRP-047
func TestIoBuildDeviceIoControlRequest_RoutineStopsAndSetsTheEvent(t *testing.T) {
	passes(t, signalling(stop))
}

// informs has a program ask for four bytes and the driver promise n.
func informs(s ntstatus.NTSTATUS, n uint64) func(l *lab) {
	return func(l *lab) {
		(&control{act: func(k *irql.K, _ *control, p *irp.IRP) ntstatus.NTSTATUS {
			p.AssociatedIrp().SystemBuffer.Store32(0, 1)
			p.IoStatus().Information = n
			return complete(k, p, s)
		}}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			r := ioctlRequest
			r.Out = make([]byte, 4)
			openIt(l.t, k, p).Begin(k, &r)
		})
	}
}

// Rule: IRP-059
func TestIoCompleteRequest_InformationLargerThanTheBuffer(t *testing.T) {
	trips(t, verify.IRP_059, informs(ok, 5))
	trips(t, verify.IRP_059, informs(ntstatus.STATUS_BUFFER_OVERFLOW, 16))
}

// Near miss: IRP-059
func TestIoCompleteRequest_InformationThatFits(t *testing.T) {
	passes(t, informs(ok, 4))
	passes(t, informs(ntstatus.STATUS_BUFFER_TOO_SMALL, 16)) // an error copies nothing
}

// forwardsAddress has a driver make a request of its own with the buffer of a METHOD_NEITHER request.
func forwardsAddress(address func(k *irql.K, p *irp.IRP) *irp.Buffer, after func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		lower := l.stack(completes(ok))[0]
		(&control{act: func(k *irql.K, _ *control, p *irp.IRP) ntstatus.NTSTATUS {
			var event irql.KEVENT
			var iosb irp.IO_STATUS_BLOCK
			irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
			irp.IoCallDriver(k, lower.dev, irp.IoBuildDeviceIoControlRequest(k, ioctlTest|irp.METHOD_NEITHER,
				lower.dev, nil, 0, address(k, p), 8, false, &event, &iosb))
			after(k)
			return complete(k, p, ok)
		}}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			r := ioctlRequest
			r.Code, r.Out = ioctlTest|irp.METHOD_NEITHER, make([]byte, 8)
			openIt(l.t, k, p).Begin(k, &r)
		})
	}
}

// Rule: IRP-060
func TestIoCallDriver_UserAddressInKernelMode(t *testing.T) {
	as := func(_ *irql.K, p *irp.IRP) *irp.Buffer { return p.UserBuffer() }
	trips(t, verify.IRP_060, forwardsAddress(as, func(*irql.K) {}))
	trips(t, verify.IRP_060, func(l *lab) { // as input of a METHOD_NEITHER request
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			var event irql.KEVENT
			var iosb irp.IO_STATUS_BLOCK
			irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
			in := pool.AllocUser(l.m, 4)
			irp.IoCallDriver(k, st[0].dev, irp.IoBuildDeviceIoControlRequest(k, ioctlTest|3, st[0].dev, in, 4,
				nil, 0, false, &event, &iosb))
		})
	})
}

// Near miss: IRP-060
func TestIoCallDriver_SystemAddressOfUserMemory(t *testing.T) {
	passes(t, func(l *lab) {
		var mdl *irp.MDL
		forwardsAddress(func(k *irql.K, p *irp.IRP) *irp.Buffer {
			mdl = irp.IoAllocateMdl(k, p.UserBuffer(), 8, false, false, nil)
			irp.MmProbeAndLockPages(k, mdl, irql.UserMode, irp.IoWriteAccess)
			return irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping)
		}, func(k *irql.K) {
			irp.MmUnlockPages(k, mdl)
			irp.IoFreeMdl(k, mdl)
		})(l)
	})
}

// creates sends a create request for a file object that a driver got from IoGetDeviceObjectPointer.
func creates(major uint8) func(l *lab) {
	return func(l *lab) {
		new(control).load(l)
		l.run(func(k *irql.K) {
			var f *irp.FILE_OBJECT
			var dev *irp.DEVICE_OBJECT
			irp.IoGetDeviceObjectPointer(k, devName, 0, &f, &dev)
			p := request(k, dev, freeIt, nil)
			next := irp.IoGetNextIrpStackLocation(k, p)
			next.SetMajorFunction(major)
			next.SetFileObject(f)
			irp.IoCallDriver(k, dev, p)
			irp.ObDereferenceObject(k, f)
		})
	}
}

// Rule: IRP-069
func TestIoCallDriver_CreateForAClosedFile(t *testing.T) {
	trips(t, verify.IRP_069, creates(irp.IRP_MJ_CREATE))
}

// Near miss: IRP-069
func TestIoCallDriver_OtherRequestForAClosedFile(t *testing.T) {
	passes(t, creates(irp.IRP_MJ_DEVICE_CONTROL))
}

// withRoutines loads a driver that has routines for some major functions only and lets a program open it.
func withRoutines(majors ...uint8) func(l *lab) {
	return func(l *lab) {
		l.load("partial.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			for _, m := range majors {
				drv.MajorFunction[m] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
					return complete(k, p, ok)
				}
			}
			var dev *irp.DEVICE_OBJECT
			return irp.IoCreateDevice(k, drv, 0, devName, irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
		})
		l.app(func(k *irql.K, p *ke.Process) {
			if h, s := irp.Sim.OpenUser(k, p, devName, readable, false); s == ok {
				h.Begin(k, &ioctlRequest) // a routine less, and nobody is hurt
			}
		})
	}
}

// Rule: IRP-072
func TestDispatchTable_RoutineMissing(t *testing.T) {
	trips(t, verify.IRP_072, withRoutines(irp.IRP_MJ_CREATE))
	trips(t, verify.IRP_072, withRoutines())
	trips(t, verify.IRP_072, func(l *lab) { // a filter that does not pass on what the driver below serves
		c := new(control).load(l)
		l.load("filter.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			var dev *irp.DEVICE_OBJECT
			irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
			irp.IoAttachDeviceToDeviceStack(k, dev, c.dev)
			return ok
		})
		l.app(func(k *irql.K, p *ke.Process) { irp.Sim.OpenUser(k, p, devName, readable, false) })
	})
	trips(t, verify.IRP_072, func(l *lab) { // changed after DriverEntry
		c := new(control).load(l)
		c.obj.MajorFunction[irp.IRP_MJ_READ] = func(k *irql.K, _ *irp.DEVICE_OBJECT,
			p *irp.IRP) ntstatus.NTSTATUS {
			return complete(k, p, ok)
		}
		l.rest()
	})
}

// Near miss: IRP-072
func TestDispatchTable_CreateAndCloseSuffice(t *testing.T) {
	passes(t, withRoutines(irp.IRP_MJ_CREATE, irp.IRP_MJ_CLOSE))
}

// makes has a work item of the client make a device and do the rest.
func makes(rest func(k *irql.K, dev *irp.DEVICE_OBJECT)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			w := irp.IoAllocateWorkItem(k, st[0].dev)
			irp.IoQueueWorkItem(k, w, func(k *irql.K, below *irp.DEVICE_OBJECT, _ any) {
				var dev *irp.DEVICE_OBJECT
				irp.IoFreeWorkItem(k, w)
				irp.IoCreateDevice(k, st[0].obj, 0, devName, irp.FILE_DEVICE_UNKNOWN, 0, true, &dev)
				rest(k, dev)
			}, irp.DelayedWorkQueue, nil)
		})
	}
}

// Rule: OBJ-005
func TestIoCreateDevice_OutsideDriverEntryStaysInitializing(t *testing.T) {
	f := trips(t, verify.OBJ_005, makes(func(*irql.K, *irp.DEVICE_OBJECT) {}))
	assert.Equal(t, "drv0.sys", f.Driver)
}

// Near miss: OBJ-005
func TestIoCreateDevice_OutsideDriverEntryCleared(t *testing.T) {
	passes(t, makes(func(_ *irql.K, dev *irp.DEVICE_OBJECT) { dev.Flags &^= irp.DO_DEVICE_INITIALIZING }))
	passes(t, makes(func(k *irql.K, dev *irp.DEVICE_OBJECT) { irp.IoDeleteDevice(k, dev) }))
}

// attaches loads a filter over a device with DO_BUFFERED_IO; rest prepares its flags.
func attaches(typ uint32, rest func(dev *irp.DEVICE_OBJECT)) func(l *lab) {
	return func(l *lab) {
		c := (&control{flags: irp.DO_BUFFERED_IO | irp.DO_POWER_PAGABLE}).load(l)
		judged := ok // DriverEntry may end in a finding
		l.load("filter.sys", &judged, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			var dev *irp.DEVICE_OBJECT
			irp.IoCreateDevice(k, drv, 0, `\Device\Filter`, typ, 0, false, &dev)
			irp.IoAttachDeviceToDeviceStack(k, dev, c.dev)
			rest(dev)
			return ok
		})
	}
}

const unknown = irp.FILE_DEVICE_UNKNOWN

// Rule: OBJ-006
func TestDeviceFlags_DoNotFit(t *testing.T) {
	type flags = irp.DEVICE_OBJECT
	trips(t, verify.OBJ_006, attaches(unknown, func(dev *flags) { dev.Flags |= irp.DO_DIRECT_IO }))
	for _, c := range []named[func(dev *flags)]{
		{"0x245", func(dev *flags) { dev.Flags |= irp.DO_BUFFERED_IO | irp.DO_DIRECT_IO }},
		{"0x23f", func(dev *flags) { dev.Flags |= irp.DO_BUFFERED_IO }},
	} {
		tripsAs(t, verify.OBJ_006, 0xC9, c.name, attaches(unknown, c.do))
	}
	both := func(dev *flags) { dev.Flags |= irp.DO_BUFFERED_IO | irp.DO_POWER_PAGABLE }
	tripsAs(t, verify.OBJ_006, 0xC9, "0x246", attaches(irp.FILE_DEVICE_NETWORK, both))
	tripsAs(t, verify.OBJ_006, 0, "", attaches(unknown, func(dev *flags) {
		dev.Flags = irp.DO_BUFFERED_IO | irp.DO_POWER_PAGABLE // assigned: what was there is lost
	}))
	tripsAs(t, verify.OBJ_006, 0, "", attaches(unknown, func(dev *flags) {
		both(dev)
		dev.DriverObject = nil
	}))
	tripsAs(t, verify.OBJ_006, 0, "", makes(func(_ *irql.K, dev *flags) { dev.Flags = 0 }))
}

// Near miss: OBJ-006
func TestDeviceFlags_TakenOver(t *testing.T) {
	passes(t, attaches(unknown, func(dev *irp.DEVICE_OBJECT) {
		dev.Flags |= irp.DO_BUFFERED_IO | irp.DO_POWER_PAGABLE
		dev.Flags &^= irp.DO_DEVICE_INITIALIZING
	}))
}

// refers takes a reference of the kind and calls done with what has to be given back, in DriverUnload.
func refers(file bool, done func(k *irql.K, object any)) func(l *lab) {
	return func(l *lab) {
		c := new(control).load(l)
		var object any
		l.client.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { done(k, object) }
		l.begin(func(k *irql.K) {
			object = irp.IoGetAttachedDeviceReference(k, c.dev)
			if file {
				irp.ObDereferenceObject(k, object)
				var f *irp.FILE_OBJECT
				var dev *irp.DEVICE_OBJECT
				irp.IoGetDeviceObjectPointer(k, devName, 0, &f, &dev)
				object = f
			}
		})
		l.unload(l.client)
		if !file {
			l.unload(c.obj)
		}
	}
}

// Rule: OBJ-012
func TestIoGetAttachedDeviceReference_Leaked(t *testing.T) {
	f := trips(t, verify.OBJ_012, refers(false, func(*irql.K, any) {}))
	assert.Equal(t, "client.sys", f.Driver)
	f = trips(t, verify.OBJ_012, refers(true, func(*irql.K, any) {}))
	assert.Equal(t, "file#1", f.Obj)
}

// Near miss: OBJ-012
func TestIoGetAttachedDeviceReference_GivenBack(t *testing.T) {
	for _, file := range []bool{false, true} {
		passes(t, refers(file, func(k *irql.K, object any) { irp.ObDereferenceObject(k, object) }))
	}
}

// TestObReferenceObject_OnAFileObjectThatIsGone: counts of file objects follow OBJ-003.
func TestObReferenceObject_OnAFileObjectThatIsGone(t *testing.T) {
	for _, act := range []func(k *irql.K, object any){irp.ObReferenceObject, irp.ObDereferenceObject} {
		trips(t, verify.OBJ_003, func(l *lab) {
			new(control).load(l)
			l.run(func(k *irql.K) {
				var f *irp.FILE_OBJECT
				var dev *irp.DEVICE_OBJECT
				irp.IoGetDeviceObjectPointer(k, devName, 0, &f, &dev)
				irp.ObReferenceObject(k, f)
				irp.ObDereferenceObject(k, f)
				irp.ObDereferenceObject(k, f)
				act(k, f)
			})
		})
	}
}

// TestUnload_SymbolicLinkLeft: the other half of UNLOAD-006.
func TestUnload_SymbolicLinkLeft(t *testing.T) {
	f := trips(t, verify.UNLOAD_006, func(l *lab) {
		c := new(control).load(l)
		c.obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, c.dev) }
		l.unload(c.obj)
	})
	assert.Equal(t, `\??\Test`, f.Obj)
}

// TestUserRequest_IsNotTheDriversToFreeOrCancel: the general rules know who made the IRP.
func TestUserRequest_IsNotTheDriversToFreeOrCancel(t *testing.T) {
	for rule, act := range map[verify.RuleID]func(k *irql.K, p *irp.IRP){
		verify.IRP_033: irp.IoFreeIrp,
		verify.IRP_028: func(k *irql.K, p *irp.IRP) { irp.IoCancelIrp(k, p) },
	} {
		trips(t, rule, func(l *lab) {
			(&control{act: func(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS {
				keep(k, c, p)
				act(k, p)
				return pending
			}}).load(l)
			l.app(func(k *irql.K, p *ke.Process) { openIt(t, k, p).Begin(k, &ioctlRequest) })
		})
	}
}
