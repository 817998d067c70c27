package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Behaviour of the I/O manager that was observed on real kernels, from the program's side. What is behind a
// finding is seen on a machine that continues.

// loadEcho loads a driver whose reads, writes and controls are answered by act.
func loadEcho(m *Machine, flags uint32, act irp.DRIVER_DISPATCH) {
	m.Load("echo.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		for i := range drv.MajorFunction {
			drv.MajorFunction[i] = func(k *irql.K, d *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
				switch irp.IoGetCurrentIrpStackLocation(k, p).MajorFunction() {
				case irp.IRP_MJ_READ, irp.IRP_MJ_WRITE, irp.IRP_MJ_DEVICE_CONTROL:
					return act(k, d, p)
				}
				irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT) // create, cleanup, close
				return ntstatus.STATUS_SUCCESS
			}
		}
		var d *irp.DEVICE_OBJECT
		s := irp.IoCreateDevice(k, drv, 0, `\Device\Echo`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d)
		if s == ntstatus.STATUS_SUCCESS {
			d.Flags |= flags
		}
		return s
	})
}

// answers ends a request at once, or pends it first.
func answers(pend bool, s ntstatus.NTSTATUS, n uint64) irp.DRIVER_DISPATCH {
	return func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
		*p.IoStatus() = irp.IO_STATUS_BLOCK{Status: s, Information: n}
		if pend {
			irp.IoMarkIrpPending(k, p)
		}
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		if pend {
			return ntstatus.STATUS_PENDING
		}
		return s
	}
}

// loses takes the system buffer away and ends the request as if it were there.
func loses(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	p.AssociatedIrp().SystemBuffer = nil
	p.IoStatus().Information = 4
	irp.IoMarkIrpPending(k, p)
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return ntstatus.STATUS_PENDING
}

func openEcho(m *Machine, u *User, o OpenOptions) *Device {
	d, err := u.Open(`\\.\GLOBALROOT\Device\Echo`, o)
	require.NoError(m, err)
	return d
}

// asProgram runs fn as a program to its end.
func asProgram(t *testing.T, m *Machine, fn func(u *User)) {
	th := m.Process("app.exe").Go("main", fn)
	m.Run()
	assert.True(t, th.Ended(), "the program waits for ever: %v", m.Rules())
}

var ioctlEcho = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x800, irp.METHOD_BUFFERED, irp.FILE_ANY_ACCESS)

// fsd sends a request of IoBuildAsynchronousFsdRequest that nobody stops; it gives the status block.
func fsd(t *testing.T, major uint32, flags uint32, fill string) (irp.IO_STATUS_BLOCK, *Machine, []byte) {
	m := New(t, Options{Continue: true, Collect: true})
	var dev *irp.DEVICE_OBJECT
	m.Load("bottom.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.MajorFunction[major] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
			if b := p.AssociatedIrp().SystemBuffer; b != nil {
				b.CopyFrom(0, []byte(fill))
			}
			return done(k, p, ntstatus.STATUS_SUCCESS, len(fill))
		}
		s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
		dev.Flags |= flags
		return s
	})
	iosb := irp.IO_STATUS_BLOCK{Status: 0xDEADBEEF}
	var got []byte
	th := m.Thread("client.sys", func(k *irql.K) {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, irp.Tag("Fsdr"))
		p := irp.IoBuildAsynchronousFsdRequest(k, major, dev, b, 16, nil, &iosb)
		irp.IoCallDriver(k, dev, p)
		got = append(got, b.Bytes()[:len(fill)]...)
		irp.ExFreePoolWithTag(k, b, irp.Tag("Fsdr"))
	})
	m.Run()
	assert.True(t, th.Ended(), "the machine stopped: %v", m.Rules())
	return iosb, m, got
}

// TestIoCompleteRequest_AsynchronousFsdPastTheTop: such a request has a thread and a status block, so stage 2
// runs for it, whatever the way of its buffer. Observed: reactos, kmtests IoHelper.
func TestIoCompleteRequest_AsynchronousFsdPastTheTop(t *testing.T) {
	iosb, m, _ := fsd(t, irp.IRP_MJ_FLUSH_BUFFERS, 0, "123")
	assert.Equal(t, irp.IO_STATUS_BLOCK{Information: 3}, iosb)
	assert.Equal(t, []string{"IRP-036"}, m.Rules())
	require.Len(t, m.Findings(), 1, "one act, one finding")
	iosb, m, got := fsd(t, irp.IRP_MJ_READ, irp.DO_BUFFERED_IO, "four")
	assert.Equal(t, irp.IO_STATUS_BLOCK{Information: 4}, iosb)
	assert.Equal(t, "four", string(got))
	assert.Equal(t, []string{"IRP-036"}, m.Rules())
	iosb, _, _ = fsd(t, irp.IRP_MJ_WRITE, irp.DO_DIRECT_IO, "")
	assert.Equal(t, irp.IO_STATUS_BLOCK{}, iosb)
}

// TestDevice_ReadOfNothing: a buffered read of no bytes has no system buffer, so copying back what a driver
// claims faults. Observed: reactos, kmtests IoReadWrite, TestRead.
func TestDevice_ReadOfNothing(t *testing.T) {
	const overflow, violation = ntstatus.STATUS_BUFFER_OVERFLOW, ntstatus.STATUS_ACCESS_VIOLATION
	for _, c := range []struct {
		name       string
		pend, sync bool
		claims     uint64
		want       ntstatus.NTSTATUS
	}{
		{"at once", false, true, 17, overflow},
		{"pended", true, true, 17, violation},
		{"pended, asynchronous", true, false, 17, violation},
		{"pended, claims nothing", true, true, 0, overflow},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(t, Options{Continue: true, Collect: true})
			loadEcho(m, irp.DO_BUFFERED_IO, answers(c.pend, overflow, c.claims))
			asProgram(t, m, func(u *User) {
				d := openEcho(m, u, OpenOptions{Synchronous: c.sync})
				r := d.StartRead([]byte{}, 0)
				n, _ := r.Wait()
				assert.Equal(t, c.want, r.Status())
				if c.sync {
					assert.Zero(t, n, "the status block was not to be written")
				}
				d.Close()
			})
			if c.claims > 0 {
				assert.Equal(t, []string{"IRP-059"}, m.Rules())
			} else {
				assert.Empty(t, m.Rules())
			}
		})
	}
}

// TestDevice_WriteOfNothing: nothing is copied back, so nothing faults. Observed: reactos, kmtests
// IoReadWrite, TestWrite; for control requests IMPL, reactos: ntoskrnl/io/iomgr/iofunc.c.
func TestDevice_WriteOfNothing(t *testing.T) {
	for _, pend := range []bool{false, true} {
		m := New(t)
		loadEcho(m, irp.DO_BUFFERED_IO, answers(pend, ntstatus.STATUS_SUCCESS, 17))
		asProgram(t, m, func(u *User) {
			d := openEcho(m, u, OpenOptions{Synchronous: true})
			n, err := d.Write(nil)
			assert.NoError(t, err)
			assert.Equal(t, 17, n)
			n, err = d.Ioctl(ioctlEcho, nil, nil)
			assert.NoError(t, err)
			assert.Equal(t, 17, n)
			d.Close()
		})
	}
}

// TestDevice_CopyBackThatFaults: the fault is the final status, which a pended request ends with.
func TestDevice_CopyBackThatFaults(t *testing.T) {
	for _, sync := range []bool{true, false} {
		m := New(t, Options{Continue: true, Collect: true})
		loadEcho(m, irp.DO_BUFFERED_IO, loses)
		asProgram(t, m, func(u *User) {
			d := openEcho(m, u, OpenOptions{Synchronous: sync})
			for _, r := range []*Pending{d.StartRead(make([]byte, 8), 0),
				d.StartIoctl(ioctlEcho, []byte("in"), make([]byte, 8))} {
				_, err := r.Wait()
				assert.Error(t, err)
				assert.Equal(t, ntstatus.STATUS_ACCESS_VIOLATION, r.Status())
			}
			d.Close()
		})
	}
}

// TestDevice_CopyBackThatFaultsForADriver: the same for a request that a driver made and waits for.
func TestDevice_CopyBackThatFaultsForADriver(t *testing.T) {
	m := New(t, Options{Continue: true, Collect: true})
	loadEcho(m, 0, loses)
	th := m.Thread("client.sys", func(k *irql.K) {
		out := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, irp.Tag("Outp"))
		event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
		irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
		dev := m.Driver("echo.sys").DeviceObject
		p := irp.IoBuildDeviceIoControlRequest(k, ioctlEcho, dev, nil, 0, out, 8, false, event, iosb.Get())
		assert.Equal(t, ntstatus.STATUS_PENDING, irp.IoCallDriver(k, dev, p))
		irql.KeWaitForSingleObject(k, event, irql.Executive, irql.KernelMode, false, nil)
		assert.Equal(t, ntstatus.STATUS_ACCESS_VIOLATION, iosb.Get().Status)
		irp.ExFreePoolWithTag(k, out, irp.Tag("Outp"))
	})
	m.Run()
	assert.True(t, th.Ended(), "it waits for ever: %v", m.Rules())
}

// TestDevice_PendedErrorOfASynchronousHandle: the call returns the error, from the file object; the status
// block is not written and no APC is queued (irp.md 5, stage 2, step 3). With an asynchronous handle both
// are done.
func TestDevice_PendedErrorOfASynchronousHandle(t *testing.T) {
	for _, sync := range []bool{true, false} {
		m := New(t)
		loadEcho(m, irp.DO_BUFFERED_IO, answers(true, ntstatus.STATUS_UNSUCCESSFUL, 3))
		asProgram(t, m, func(u *User) {
			d := openEcho(m, u, OpenOptions{Synchronous: sync})
			start := []func() *Pending{
				func() *Pending { return d.StartRead(make([]byte, 8), 0) },
				func() *Pending { return d.StartWrite(make([]byte, 8), 0) },
				func() *Pending { return d.StartIoctl(ioctlEcho, nil, make([]byte, 8)) },
			}
			for _, s := range start {
				r := s()
				n, err := r.Wait()
				assert.Error(t, err)
				assert.Equal(t, ntstatus.STATUS_UNSUCCESSFUL, r.Status())
				assert.Equal(t, sync, n == 0, "the status block")
			}
			apcs := 0
			d.StartReadEx(make([]byte, 8), 0, func(*User, int, error) { apcs++ })
			d.StartWriteEx(make([]byte, 8), 0, func(*User, int, error) { apcs++ })
			d.StartIoctlEx(ioctlEcho, nil, make([]byte, 8), func(*User, int, error) { apcs++ })
			u.SleepEx(1000)
			if sync {
				assert.Zero(t, apcs, "an APC for an error that the call returned")
			} else {
				assert.Equal(t, 3, apcs)
			}
			d.Close()
		})
	}
}

// TestDevice_PendedWarningOfASynchronousHandle: a warning is reported and copied back like a success.
func TestDevice_PendedWarningOfASynchronousHandle(t *testing.T) {
	m := New(t)
	loadEcho(m, irp.DO_BUFFERED_IO, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
		p.AssociatedIrp().SystemBuffer.CopyFrom(0, []byte("abc"))
		return answers(true, ntstatus.STATUS_BUFFER_OVERFLOW, 3)(k, dev, p)
	})
	asProgram(t, m, func(u *User) {
		d := openEcho(m, u, OpenOptions{Synchronous: true})
		b := make([]byte, 8)
		r := d.StartRead(b, 0)
		n, _ := r.Wait()
		assert.Equal(t, 3, n)
		assert.Equal(t, "abc", string(b[:3]))
		assert.Equal(t, ntstatus.STATUS_BUFFER_OVERFLOW, r.Status())
		d.Close()
	})
}
