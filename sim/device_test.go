package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// talker is a driver that programs talk to: reads and writes go through one buffer, an ioctl is held until
// the next write.
type talker struct {
	device *irp.DEVICE_OBJECT
	lock   irql.KSPIN_LOCK // guards held and text
	held   []*irp.IRP
	text   string
}

var (
	ioctlHold  = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x800, irp.METHOD_BUFFERED, irp.FILE_ANY_ACCESS)
	ioctlShort = irp.CTL_CODE(irp.FILE_DEVICE_UNKNOWN, 0x801, irp.METHOD_BUFFERED, irp.FILE_ANY_ACCESS)
)

func (d *talker) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	for _, m := range []int{irp.IRP_MJ_CREATE, irp.IRP_MJ_CLOSE} {
		drv.MajorFunction[m] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
			return done(k, p, ntstatus.STATUS_SUCCESS, 0)
		}
	}
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = d.cleanup
	drv.MajorFunction[irp.IRP_MJ_READ] = d.read
	drv.MajorFunction[irp.IRP_MJ_WRITE] = d.write
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.control
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
		irp.IoDeleteSymbolicLink(k, `\DosDevices\Talker`)
		irp.IoDeleteDevice(k, d.device)
	}
	irql.KeInitializeSpinLock(k, &d.lock)
	irp.IoCreateDevice(k, drv, 0, `\Device\Talker`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
	d.device.Flags |= irp.DO_BUFFERED_IO
	return irp.IoCreateSymbolicLink(k, `\DosDevices\Talker`, `\Device\Talker`)
}

func done(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS, n int) ntstatus.NTSTATUS {
	p.IoStatus().Status, p.IoStatus().Information = s, uint64(n)
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

func (d *talker) read(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	n := int(irp.IoGetCurrentIrpStackLocation(k, p).Parameters().Read.Length)
	n = min(n, len(d.text))
	p.AssociatedIrp().SystemBuffer.CopyFrom(0, []byte(d.text[:n]))
	return done(k, p, ntstatus.STATUS_SUCCESS, n)
}

func (d *talker) write(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	d.text = string(p.AssociatedIrp().SystemBuffer.Bytes())
	d.release(k, ntstatus.STATUS_SUCCESS)
	return done(k, p, ntstatus.STATUS_SUCCESS, len(d.text))
}

func (d *talker) cleanup(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	d.release(k, ntstatus.STATUS_CANCELLED)
	return done(k, p, ntstatus.STATUS_SUCCESS, 0)
}

func (d *talker) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	c := irp.IoGetCurrentIrpStackLocation(k, p).Parameters().DeviceIoControl
	switch c.IoControlCode {
	case ioctlShort:
		p.AssociatedIrp().SystemBuffer.CopyFrom(0, []byte("pa"))
		return done(k, p, ntstatus.STATUS_BUFFER_OVERFLOW, 2)
	case ioctlHold:
	default:
		return done(k, p, ntstatus.STATUS_INVALID_DEVICE_REQUEST, 0)
	}
	var old irql.KIRQL
	irp.IoMarkIrpPending(k, p)
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	irp.IoSetCancelRoutine(k, p, d.cancel)
	mine := p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil
	if !mine {
		d.held = append(d.held, p)
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	if mine {
		done(k, p, ntstatus.STATUS_CANCELLED, 0)
	}
	return ntstatus.STATUS_PENDING
}

func (d *talker) cancel(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
	var old irql.KIRQL
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	for i, q := range d.held {
		if q == p {
			d.held = append(d.held[:i], d.held[i+1:]...)
			break
		}
	}
	irql.KeReleaseSpinLock(k, &d.lock, old)
	done(k, p, ntstatus.STATUS_CANCELLED, 0)
}

func (d *talker) release(k *irql.K, s ntstatus.NTSTATUS) {
	var mine []*irp.IRP
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	for _, p := range d.held {
		if irp.IoSetCancelRoutine(k, p, nil) != nil {
			mine = append(mine, p)
		}
	}
	d.held = nil // the cancel routines of the others find nothing to remove
	irql.KeReleaseSpinLock(k, &d.lock, old)
	for _, p := range mine {
		done(k, p, s, 0)
	}
}

// talk runs fn as a program in many schedules without faults of memory, and unloads the driver.
func talk(t *testing.T, fn func(m *Machine, u *User)) {
	t.Helper()
	Explore(t, ExploreOptions{Runs: 40, Options: Options{Pins: []Pin{
		{"fault/OpenDevice", "0"}, {"fault/UserRequest", "0"}, {"fault/SystemBuffer", "0"},
		{"fault/IoCreateDevice", "0"}, {"fault/IoCreateSymbolicLink", "0"}}}}, func(m *Machine) {
		m.Load("talker.sys", new(talker).DriverEntry)
		main := m.Process("app.exe").Go("main", func(u *User) { fn(m, u) })
		m.Run()
		require.True(m, main.Ended())
		m.Unload("talker.sys")
	})
}

func opened(m *Machine, u *User, o ...OpenOptions) *Device {
	d, err := u.Open(`\\.\Talker`, o...)
	require.NoError(m, err)
	return d
}

func TestDevice_ReadsAndWrites(t *testing.T) {
	talk(t, func(m *Machine, u *User) {
		d := opened(m, u)
		n, err := d.Write([]byte("hello"))
		require.NoError(m, err)
		require.Equal(m, 5, n)
		b := []byte("--------")
		n, err = d.Read(b)
		require.NoError(m, err)
		require.Equal(m, "hello", string(b[:n]))
		require.NoError(m, d.Close())
		require.EqualError(m, d.Close(), "CloseHandle: ERROR_INVALID_HANDLE (6), STATUS_INVALID_HANDLE")
	})
}

func TestDevice_SeesWhatWin32WouldSay(t *testing.T) {
	talk(t, func(m *Machine, u *User) {
		m.MayFail("CreateFile=STATUS_OBJECT_NAME_NOT_FOUND")
		_, err := u.Open(`\\.\Nobody`)
		require.EqualError(m, err, "CreateFile: ERROR_FILE_NOT_FOUND (2), STATUS_OBJECT_NAME_NOT_FOUND")
		d := opened(m, u, OpenOptions{Access: irp.FILE_READ_ACCESS})
		_, err = d.Write([]byte("x"))
		require.EqualError(m, err, "WriteFile: ERROR_ACCESS_DENIED (5), STATUS_ACCESS_DENIED")
		_, err = d.Ioctl(0x222400, nil, nil)
		require.EqualError(m, err, "DeviceIoControl: ERROR_INVALID_FUNCTION (1), "+
			"STATUS_INVALID_DEVICE_REQUEST")
		out := []byte("----")
		n, err := d.Ioctl(ioctlShort, nil, out)
		require.EqualError(m, err, "DeviceIoControl: ERROR_MORE_DATA (234), STATUS_BUFFER_OVERFLOW")
		require.Equal(m, 2, n)
		require.Equal(m, "pa--", string(out), "a warning comes with data")
	})
}

// TestDevice_BlocksTheCallingThreadOnly: the ioctl ends when another thread writes.
func TestDevice_BlocksTheCallingThreadOnly(t *testing.T) {
	talk(t, func(m *Machine, u *User) {
		d := opened(m, u)
		held := d.StartIoctl(ioctlHold, nil, nil)
		require.Equal(m, ntstatus.STATUS_PENDING, held.Status())
		require.False(m, held.WaitFor(time.Millisecond))
		u.Process().Go("writer", func(u *User) {
			_, err := d.For(u).Write([]byte("x"))
			require.NoError(m, err)
		})
		_, err := held.Wait()
		require.NoError(m, err)
		require.True(m, held.Done())
	})
}

func TestDevice_CancelAndClose(t *testing.T) {
	const aborted = "DeviceIoControl: ERROR_OPERATION_ABORTED (995), STATUS_CANCELLED"
	talk(t, func(m *Machine, u *User) {
		d := opened(m, u)
		one, two := d.StartIoctl(ioctlHold, nil, nil), d.StartIoctl(ioctlHold, nil, nil)
		require.NoError(m, one.Cancel())
		_, err := one.Wait()
		require.EqualError(m, err, aborted)
		require.EqualError(m, one.Cancel(), "CancelIoEx: ERROR_NOT_FOUND (1168), STATUS_NOT_FOUND")
		require.NoError(m, d.Cancel())
		_, err = two.Wait()
		require.EqualError(m, err, aborted)
		three := d.StartIoctl(ioctlHold, nil, nil)
		require.NoError(m, d.Close())
		_, err = three.Wait()
		require.EqualError(m, err, aborted)
		other := opened(m, u) // left open with a request: the end of the process sees to it
		other.StartIoctl(ioctlHold, nil, nil)
	})
}

func TestDevice_SynchronousHandle(t *testing.T) {
	talk(t, func(m *Machine, u *User) {
		s, d := opened(m, u, OpenOptions{Synchronous: true}), opened(m, u)
		u.Process().Go("writer", func(u *User) {
			u.Sleep(time.Millisecond)
			_, err := d.For(u).Write([]byte("x"))
			require.NoError(m, err)
		})
		p := s.StartIoctl(ioctlHold, nil, nil)
		require.True(m, p.Done(), "the call waits")
	})
}

// TestDevice_SignalledHandle: without events of their own, requests share that of the file object, and who
// waits for one hears of the end of another.
func TestDevice_SignalledHandle(t *testing.T) {
	talk(t, func(m *Machine, u *User) {
		d, other := opened(m, u, OpenOptions{NoEvents: true}), opened(m, u)
		held := d.StartIoctl(ioctlHold, nil, nil)
		ok, err := d.WaitFor(time.Millisecond)
		require.True(m, !ok && err == nil, "nothing has ended")
		n, err := d.Write([]byte("x")) // ends at once, and lets the driver end the other
		require.True(m, n == 1 && err == nil)
		_, err = held.Wait()
		require.NoError(m, err)
		ok, err = d.WaitFor(0)
		require.True(m, ok && err == nil)

		first, second := d.StartIoctl(ioctlHold, nil, nil), d.StartIoctl(ioctlHold, nil, nil)
		require.NoError(m, first.Cancel())
		_, err = second.Wait()
		require.EqualError(m, err, "GetOverlappedResult: ERROR_IO_INCOMPLETE (996), STATUS_PENDING")
		_, err = other.WaitFor(0)
		require.NoError(m, err)
		require.NoError(m, d.Close())
		_, err = d.WaitFor(0)
		require.EqualError(m, err, "WaitForSingleObject: ERROR_INVALID_HANDLE (6), STATUS_INVALID_HANDLE")
	})
}

func TestDevice_BelongsToItsProcess(t *testing.T) {
	m := New(t)
	m.Load("talker.sys", new(talker).DriverEntry)
	m.Process("app.exe").Go("main", func(u *User) {
		d := opened(m, u)
		p := d.StartIoctl(ioctlHold, nil, nil)
		other := &User{k: u.k, p: m.Process("other.exe")}
		assert.PanicsWithError(t, `For: \\.\Talker was opened by app.exe and means nothing in other.exe`,
			func() { d.For(other) })
		assert.Panics(t, func() { p.For(other) })
		two, err := d.Duplicate()
		assert.NoError(t, err)
		assert.NoError(t, d.Close())
		assert.False(t, p.Done(), "the driver hears of the last handle only")
		assert.Equal(t, d.Path(), two.Path())
		assert.NoError(t, two.Close())
		assert.True(t, p.Done())
	})
	m.Run()
	m.Unload("talker.sys")
}

// TestDevice_OpenHandleKeepsTheDriver: an unload that cannot come says who is in its way.
func TestDevice_OpenHandleKeepsTheDriver(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		m.Load("talker.sys", new(talker).DriverEntry)
		m.Process("app.exe").Go("main", func(u *User) {
			_, _ = opened(m, u).Ioctl(ioctlHold, nil, nil) // for ever
		})
		m.Run()
		m.Unload("talker.sys")
	})
	require.True(t, out.Failed)
	text := strings.Join(out.Messages, "\n")
	assert.Contains(t, text, "DriverUnload of talker.sys is not called")
	assert.Contains(t, text, "app.exe has a handle of it")
}
