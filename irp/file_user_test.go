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

// Opening devices, and requests of programs, from the I/O manager's side.

const (
	devName  = `\Device\Test`
	linkName = `\DosDevices\Test`
	readable = irp.FILE_READ_ACCESS | irp.FILE_WRITE_ACCESS
)

// control is a driver with one named device that programs open.
type control struct {
	l     *lab
	obj   *irp.DRIVER_OBJECT
	dev   *irp.DEVICE_OBJECT
	heard []uint8 // major functions, in order
	files []*irp.FILE_OBJECT
	kept  []*irp.IRP
	flags uint32
	only  bool                                                      // exclusive
	open  func(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS // nil succeeds
	act   func(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS
}

// load loads the driver; requests that are not about the life of a file object go to act.
func (c *control) load(l *lab) *control {
	c.l = l
	c.obj = l.load("control.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		for i := range drv.MajorFunction {
			drv.MajorFunction[i] = c.dispatch
		}
		drv.DriverExtension.AddDevice = isPnp
		drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			irp.IoDeleteSymbolicLink(k, linkName)
			irp.IoDeleteDevice(k, c.dev)
		}
		s := irp.IoCreateDevice(k, drv, 0, devName, irp.FILE_DEVICE_UNKNOWN, 0, c.only, &c.dev)
		require.Equal(l.t, ok, s)
		c.dev.Flags |= c.flags
		return irp.IoCreateSymbolicLink(k, linkName, devName)
	})
	return c
}

func (c *control) dispatch(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	l := irp.IoGetCurrentIrpStackLocation(k, p)
	c.heard = append(c.heard, l.MajorFunction())
	c.files = append(c.files, l.FileObject())
	if l.MajorFunction() == irp.IRP_MJ_CREATE && c.open != nil {
		return c.open(k, c, p)
	}
	switch l.MajorFunction() {
	case irp.IRP_MJ_CREATE, irp.IRP_MJ_CLEANUP, irp.IRP_MJ_CLOSE:
		assert.Equal(c.l.t, irql.PASSIVE_LEVEL, irql.KeGetCurrentIrql(k))
		return complete(k, p, ok)
	}
	if c.act == nil {
		return complete(k, p, ok)
	}
	return c.act(k, c, p)
}

// keep holds a request with a cancel routine; end completes it.
func keep(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	if setCancel(k, p) {
		c.kept = append(c.kept, p)
	}
	return pending
}

// setCancel gives p a cancel routine. It is false when p was cancelled before, and completes it then. The
// cancel spin lock keeps the routine from running before that has been looked at.
func setCancel(k *irql.K, p *irp.IRP) bool {
	var old irql.KIRQL
	irp.IoAcquireCancelSpinLock(k, &old)
	irp.IoSetCancelRoutine(k, p, cancelled)
	gone := p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil
	irp.IoReleaseCancelSpinLock(k, old)
	if gone {
		complete(k, p, ntstatus.STATUS_CANCELLED)
	}
	return !gone
}

func (c *control) end(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS) {
	if irp.IoSetCancelRoutine(k, p, nil) != nil {
		complete(k, p, s)
	}
}

// app runs fn in a thread of a process of its own, as package sim does, and lets the machine come to rest.
func (l *lab) app(fn func(k *irql.K, p *ke.Process)) {
	l.t.Helper()
	l.start(fn)
	l.rest()
}

func (l *lab) start(fn func(k *irql.K, p *ke.Process)) {
	p := l.m.NewProcess("app.exe", false)
	l.m.NewThread("app.exe main", p, func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameUser})
		fn(k, p)
		irp.Sim.EndThread(k)
		irp.Sim.EndProcess(k, p)
		ke.Pop(k)
	})
}

func openIt(t *testing.T, k *irql.K, p *ke.Process) *irp.UserHandle {
	h, s := irp.Sim.OpenUser(k, p, `\??\Test`, readable, false)
	require.Equal(t, ok, s)
	return h
}

var ioctlRequest = irp.DeviceRequest{Major: irp.IRP_MJ_DEVICE_CONTROL, Code: ioctlTest}

// TestOpen_TellsTheLifeOfAFileObject: create, cleanup with the last handle, close with the last reference.
// windows-driver-docs: windows-driver-docs-pr/kernel/irp-mj-cleanup.md
func TestOpen_TellsTheLifeOfAFileObject(t *testing.T) {
	passes(t, func(l *lab) {
		c := new(control).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			h := openIt(t, k, p)
			two, s := h.Duplicate(k, p)
			assert.Equal(t, ok, s)
			assert.Equal(t, ok, h.Close(k))
			assert.Equal(t, []uint8{irp.IRP_MJ_CREATE}, c.heard)
			assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE, h.Close(k))
			assert.Equal(t, ok, two.Close(k))
		})
		assert.Equal(t, []uint8{irp.IRP_MJ_CREATE, irp.IRP_MJ_CLEANUP, irp.IRP_MJ_CLOSE}, c.heard)
		assert.Equal(t, c.files[0], c.files[2])
		l.unload(c.obj)
	})
}

// TestOpen_CloseWaitsForOutstandingRequests: the driver completes after cleanup, in a DPC-like thread, and
// IRP_MJ_CLOSE follows. windows-driver-docs: windows-driver-docs-pr/kernel/irp-mj-close.md
func TestOpen_CloseWaitsForOutstandingRequests(t *testing.T) {
	passes(t, func(l *lab) {
		c := (&control{act: keep}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			h := openIt(t, k, p)
			op := h.Begin(k, &ioctlRequest)
			assert.Equal(t, ok, h.Close(k))
			assert.NotContains(t, c.heard, uint8(irp.IRP_MJ_CLOSE))
			assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE, status(h.Begin(k, &ioctlRequest)))
			l.as(c.obj.Image(), func(k *irql.K) { c.end(k, c.kept[0], failed) })
			op.Wait(k, nil)
			assert.Equal(t, failed, status(op))
		})
		assert.Equal(t, uint8(irp.IRP_MJ_CLOSE), c.heard[len(c.heard)-1])
	})
}

func status(op *irp.UserIO) ntstatus.NTSTATUS {
	s, _ := op.Result()
	return s
}

func TestOpen_Refusals(t *testing.T) {
	passes(t, func(l *lab) {
		c := (&control{only: true}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			open := func(name string) ntstatus.NTSTATUS {
				h, s := irp.Sim.OpenUser(k, p, name, readable, false)
				assert.Equal(t, s == ok, h != nil)
				return s
			}
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, open(`\??\Testing`))
			assert.Equal(t, ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD, open(`Test`))
			assert.Equal(t, ok, open(`\dosdevices\TEST\below`), "names have no case")
			assert.Equal(t, `\below`, c.files[0].FileName)
			assert.Equal(t, ntstatus.STATUS_ACCESS_DENIED, open(devName), "exclusive")
			c.dev.Flags |= irp.DO_DEVICE_INITIALIZING
			assert.Equal(t, ntstatus.STATUS_NO_SUCH_DEVICE, open(devName))
		})
	})
}

// TestOpen_FailedByTheDriver: neither cleanup nor close follows.
func TestOpen_FailedByTheDriver(t *testing.T) {
	passes(t, func(l *lab) {
		c := new(control).load(l)
		refuse := false
		l.load("filter.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			d := &driver{l: l}
			for i := range drv.MajorFunction {
				drv.MajorFunction[i] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
					if refuse {
						return complete(k, p, ntstatus.STATUS_ACCESS_DENIED)
					}
					return forward(k, d, p, propagate)
				}
			}
			irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.dev)
			d.below = irp.IoAttachDeviceToDeviceStack(k, d.dev, c.dev)
			return ok
		})
		l.app(func(k *irql.K, p *ke.Process) {
			h := openIt(t, k, p) // through the filter
			assert.NotNil(t, c.files[0])
			assert.Equal(t, ok, h.Close(k))
			refuse = true
			_, s := irp.Sim.OpenUser(k, p, devName, readable, false)
			assert.Equal(t, ntstatus.STATUS_ACCESS_DENIED, s)
		})
		assert.Len(t, c.heard, 3)
	})
}

func TestIoCreateSymbolicLink_Names(t *testing.T) {
	passes(t, func(l *lab) {
		new(control).load(l)
		l.run(func(k *irql.K) {
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_COLLISION,
				irp.IoCreateSymbolicLink(k, `\??\test`, `\Device\Other`))
			assert.Equal(t, ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD, irp.IoCreateSymbolicLink(k, `x`, devName))
			assert.Equal(t, ok, irp.IoCreateSymbolicLink(k, `\??\Again`, `\??\Test`))
			var f *irp.FILE_OBJECT
			var d *irp.DEVICE_OBJECT
			assert.Equal(t, ok, irp.IoGetDeviceObjectPointer(k, `\??\Again`, 0, &f, &d), "a link to a link")
			irp.ObDereferenceObject(k, f)
			assert.Equal(t, ok, irp.IoDeleteSymbolicLink(k, `\DosDevices\Again`))
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, irp.IoDeleteSymbolicLink(k, `\??\Again`))
			assert.Equal(t, ok, irp.IoCreateSymbolicLink(k, `\??\Loop`, `\??\Loop`))
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND,
				irp.IoGetDeviceObjectPointer(k, `\??\Loop`, 0, &f, &d))
			irp.IoDeleteSymbolicLink(k, `\??\Loop`)
		})
	})
}

// TestIoGetDeviceObjectPointer_HoldsTheDriver: cleanup comes at once, close with the last reference, and
// until then the driver is not unloaded. windows-driver-docs-ddi: wdk-ddi-src/content/wdm/
// nf-wdm-iogetdeviceobjectpointer.md, "-remarks"
func TestIoGetDeviceObjectPointer_HoldsTheDriver(t *testing.T) {
	passes(t, func(l *lab) {
		c := new(control).load(l)
		var f *irp.FILE_OBJECT
		l.run(func(k *irql.K) {
			var d *irp.DEVICE_OBJECT
			assert.Equal(t, ok, irp.IoGetDeviceObjectPointer(k, devName, 0, &f, &d))
			assert.Same(t, c.dev, d)
		})
		assert.Equal(t, []uint8{irp.IRP_MJ_CREATE, irp.IRP_MJ_CLEANUP}, c.heard)
		require.True(t, irp.Sim.UnloadDriver(l.m, c.obj))
		l.m.Run(nil)
		assert.False(t, c.obj.Unloaded())
		assert.Contains(t, irp.Sim.WhyLoaded(l.m, c.obj), "requests or references are left")
		l.run(func(k *irql.K) {
			old := irql.KeRaiseIrqlToDpcLevel(k)
			irp.ObDereferenceObject(k, f) // the close is sent by a worker
			irql.KeLowerIrql(k, old)
		})
		assert.True(t, c.obj.Unloaded())
		assert.Len(t, c.heard, 3)
	})
}

// TestBegin_BuffersByMethod: what the driver finds, and what the program gets back.
func TestBegin_BuffersByMethod(t *testing.T) {
	for _, c := range []struct {
		method uint32
		back   string // of an output buffer that held "------"
	}{{irp.METHOD_BUFFERED, "AB----"}, {irp.METHOD_IN_DIRECT, "------"}, {irp.METHOD_OUT_DIRECT, "ABCD--"},
		{irp.METHOD_NEITHER, "ABCD--"}} {
		passes(t, func(l *lab) {
			d := &control{act: func(k *irql.K, _ *control, p *irp.IRP) ntstatus.NTSTATUS {
				assert.Equal(t, irql.UserMode, p.RequestorMode())
				return answer(t, k, p, c.method)
			}}
			d.load(l)
			l.app(func(k *irql.K, p *ke.Process) {
				h := openIt(t, k, p)
				out := []byte("------")
				op := h.Begin(k, &irp.DeviceRequest{Major: irp.IRP_MJ_DEVICE_CONTROL, In: []byte("in"),
					Out: out, Code: ioctlTest | c.method})
				op.Wait(k, nil)
				s, n := op.Result()
				assert.Equal(t, ok, s)
				assert.Equal(t, uint64(2), n)
				assert.Equal(t, c.back, string(out))
			})
		})
	}
}

// answer writes ABCD where the method says and claims two bytes.
func answer(t *testing.T, k *irql.K, p *irp.IRP, method uint32) ntstatus.NTSTATUS {
	in := p.AssociatedIrp().SystemBuffer
	out := in
	switch method {
	case irp.METHOD_OUT_DIRECT:
		out = mapped(k, p)
	case irp.METHOD_NEITHER:
		in = irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl.Type3InputBuffer
		out = p.UserBuffer()
	}
	assert.Equal(t, "in", string(in.Bytes()[:2]))
	if out != nil && method != irp.METHOD_IN_DIRECT {
		out.CopyFrom(0, []byte("ABCD"))
	}
	p.IoStatus().Information = 2
	return complete(k, p, ok)
}

// TestBegin_ReadAndWriteByFlags: DO_BUFFERED_IO, DO_DIRECT_IO or the address of the program.
func TestBegin_ReadAndWriteByFlags(t *testing.T) {
	for _, flags := range []uint32{0, irp.DO_BUFFERED_IO, irp.DO_DIRECT_IO} {
		passes(t, func(l *lab) {
			c := &control{flags: flags, act: func(k *irql.K, _ *control, p *irp.IRP) ntstatus.NTSTATUS {
				b := p.UserBuffer()
				switch flags {
				case irp.DO_BUFFERED_IO:
					b = p.AssociatedIrp().SystemBuffer
				case irp.DO_DIRECT_IO:
					b = mapped(k, p)
				}
				if irp.IoGetCurrentIrpStackLocation(k, p).MajorFunction() == irp.IRP_MJ_READ {
					b.CopyFrom(0, []byte("data"))
				} else {
					assert.Equal(t, "DATA", string(b.Bytes()))
				}
				p.IoStatus().Information = 4
				return complete(k, p, ok)
			}}
			c.load(l)
			l.app(func(k *irql.K, p *ke.Process) {
				h := openIt(t, k, p)
				b := make([]byte, 4)
				h.Begin(k, &irp.DeviceRequest{Major: irp.IRP_MJ_READ, Out: b}).Wait(k, nil)
				assert.Equal(t, "data", string(b))
				h.Begin(k, &irp.DeviceRequest{Major: irp.IRP_MJ_WRITE, In: []byte("DATA")}).Wait(k, nil)
				r, _ := irp.Sim.OpenUser(k, p, devName, irp.FILE_READ_ACCESS, false)
				assert.Equal(t, ntstatus.STATUS_ACCESS_DENIED,
					status(r.Begin(k, &irp.DeviceRequest{Major: irp.IRP_MJ_WRITE, In: b})))
			})
		})
	}
}

// TestCancel_OneOrAll: from another thread, while the owner waits.
func TestCancel_OneOrAll(t *testing.T) {
	for _, all := range []bool{false, true} {
		passes(t, func(l *lab) {
			(&control{act: keep}).load(l)
			l.app(func(k *irql.K, p *ke.Process) {
				h := openIt(t, k, p)
				one, two := h.Begin(k, &ioctlRequest), h.Begin(k, &ioctlRequest)
				l.m.NewThread("app.exe second", p, func(k *irql.K) {
					if all {
						assert.Equal(t, ok, h.CancelAll(k))
					} else {
						assert.Equal(t, ok, one.Cancel(k))
					}
				})
				one.Wait(k, nil)
				assert.Equal(t, ntstatus.STATUS_CANCELLED, status(one))
				assert.Equal(t, ntstatus.STATUS_NOT_FOUND, one.Cancel(k))
				if all {
					two.Wait(k, nil)
					assert.Equal(t, ntstatus.STATUS_NOT_FOUND, h.CancelAll(k))
				}
			}) // the end of the thread cancels what is left
		})
	}
}

// TestBegin_SynchronousHandle: one request after the other.
func TestBegin_SynchronousHandle(t *testing.T) {
	passes(t, func(l *lab) {
		c := (&control{act: func(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS {
			keep(k, c, p)
			assert.Len(t, c.kept, 1)
			l.as(c.obj.Image(), func(k *irql.K) {
				p := c.kept[0]
				c.kept = nil
				c.end(k, p, failed)
			})
			return pending
		}}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			h, s := irp.Sim.OpenUser(k, p, devName, readable, true)
			require.Equal(t, ok, s)
			l.m.NewThread("app.exe second", p, func(k *irql.K) {
				assert.True(t, h.Begin(k, &ioctlRequest).Done())
			})
			op := h.Begin(k, &ioctlRequest)
			assert.True(t, op.Done(), "the call waits")
			assert.Equal(t, failed, status(op))
			assert.Equal(t, failed, c.files[0].FinalStatus)
			due := int64(-ke.Second)
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
		})
	})
}

// TestOpen_PendedByTheDriver: the opening thread waits for the driver, which answers later.
func TestOpen_PendedByTheDriver(t *testing.T) {
	for _, answer := range []ntstatus.NTSTATUS{ok, failed} {
		passes(t, func(l *lab) {
			c := &control{open: func(k *irql.K, c *control, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoMarkIrpPending(k, p)
				l.as(c.obj.Image(), func(k *irql.K) { complete(k, p, answer) })
				return pending
			}}
			c.load(l)
			l.app(func(k *irql.K, p *ke.Process) {
				_, s := irp.Sim.OpenUser(k, p, devName, readable, false)
				assert.Equal(t, answer, s)
			})
			assert.Equal(t, answer == ok, len(c.heard) == 3)
			l.unload(c.obj)
		})
	}
}

// TestCancel_OnASynchronousHandle: the thread that made the request is inside the call.
func TestCancel_OnASynchronousHandle(t *testing.T) {
	passes(t, func(l *lab) {
		(&control{act: keep}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			h, _ := irp.Sim.OpenUser(k, p, devName, readable, true)
			l.m.NewThread("app.exe second", p, func(k *irql.K) {
				for h.CancelAll(k) != ok { // until there is something to cancel
					ke.Yield(k)
				}
			})
			assert.Equal(t, ntstatus.STATUS_CANCELLED, status(h.Begin(k, &ioctlRequest)))
		})
	})
}

func TestFault_OpenAndRequest(t *testing.T) {
	for _, site := range []string{"fault/OpenDevice", "fault/UserRequest", "fault/SystemBuffer"} {
		l := newLab(t, ke.Config{Pins: []ke.Pin{{Site: site, Alt: 1}}})
		c := new(control).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			h, s := irp.Sim.OpenUser(k, p, devName, readable, false)
			if site != "fault/OpenDevice" {
				r := ioctlRequest
				r.In = []byte("in")
				s = status(h.Begin(k, &r))
			}
			assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES, s, site)
		})
		l.unload(c.obj)
		l.silent()
	}
}

func TestFault_IoCreateSymbolicLink(t *testing.T) {
	failing(t, "fault/IoCreateSymbolicLink", func(k *irql.K, _ *driver) {
		assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES,
			irp.IoCreateSymbolicLink(k, linkName, devName))
	})
}

// mapped is a system address for the buffer of a direct request.
func mapped(k *irql.K, p *irp.IRP) *irp.Buffer {
	return irp.MmGetSystemAddressForMdlSafe(k, p.MdlAddress(), mapping)
}
