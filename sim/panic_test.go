package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// TestReport_PanicOfAProgram: it is the test's own, not the kernel's, and called so, also where it is in an
// APC routine of the program. One of a driver that a program called is the driver's.
func TestReport_PanicOfAProgram(t *testing.T) {
	report := func(fn func(u *User, d *Device)) (string, string) {
		m := New(t, Options{Collect: true})
		loadEcho(m, irp.DO_BUFFERED_IO, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
			if irp.IoGetCurrentIrpStackLocation(k, p).MajorFunction() == irp.IRP_MJ_WRITE {
				panic("a bug of the driver")
			}
			return done(k, p, ntstatus.STATUS_SUCCESS, 0)
		})
		m.Process("app.exe").Go("main", func(u *User) { fn(u, openEcho(m, u, OpenOptions{})) })
		m.Run()
		headline, _, _ := strings.Cut(m.Report(), "\n")
		return headline, m.Report()
	}
	for _, program := range []func(u *User, d *Device){
		func(*User, *Device) { panic("a bug of the program") },
		func(u *User, d *Device) {
			d.StartReadEx(make([]byte, 8), 0, func(*User, int, error) { panic("a bug of the program") })
			u.SleepEx(1000)
		},
	} {
		headline, text := report(program)
		assert.Contains(t, headline, "app.exe panicked: a bug of the program")
		assert.Contains(t, text, "not of the kernel or of a driver")
		assert.Contains(t, text, "PROGRAM:        app.exe")
		assert.NotContains(t, text, "KMODE_EXCEPTION_NOT_HANDLED")
		assert.NotContains(t, text, "Bugcheck")
	}
	headline, text := report(func(_ *User, d *Device) { d.Write(make([]byte, 8)) })
	assert.Contains(t, headline, "echo.sys panicked: a bug of the driver")
	assert.Contains(t, text, "KMODE_EXCEPTION_NOT_HANDLED (1e)")
}

// TestReport_ExceptionOfARoutine: what a routine raises and nobody handles is shown at the line that called
// it, with the status.
func TestReport_ExceptionOfARoutine(t *testing.T) {
	m := New(t, Options{Collect: true})
	m.Thread("oops.sys", func(k *irql.K) { irql.ExRaiseStatus(k, ntstatus.STATUS_INSUFFICIENT_RESOURCES) })
	m.Run()
	headline, _, _ := strings.Cut(m.Report(), "\n")
	assert.Contains(t, headline, "panic_test.go:")
	assert.Contains(t, m.Report(), "Arg1: 0xc000009a, STATUS_INSUFFICIENT_RESOURCES")
	assert.NotContains(t, m.Report(), "Here it is a Go panic")
}

// TestExplore_PanicOfADriver: the headline of the failure names the driver, not only the thread it ran in.
func TestExplore_PanicOfADriver(t *testing.T) {
	r := Explore(t, once, func(m *Machine) {
		var none []int
		loadEcho(m, 0, func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP) ntstatus.NTSTATUS {
			return ntstatus.NTSTATUS(none[m.Steps()])
		})
		m.Process("app.exe").Go("main", func(u *User) {
			openEcho(m, u, OpenOptions{}).Read(make([]byte, 8))
		})
		m.Run()
	})
	if assert.Len(t, r.Failures, 1) {
		assert.Contains(t, r.Failures[0].Headline, "echo.sys panicked in app.exe main: ")
	}
}

// TestThread_TheSameNameIsTheSameDriver: a thread with the name of a loaded driver acts for that driver; with
// another name it does not, nor when the driver is gone.
func TestThread_TheSameNameIsTheSameDriver(t *testing.T) {
	for _, c := range []struct {
		thread string
		rules  []string
	}{{"echo.sys", nil}, {"other.sys", []string{"IRP-002"}}} {
		m := New(t, Options{Collect: true})
		var kept *irp.IRP
		loadEcho(m, 0, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			kept = p
			return ntstatus.STATUS_PENDING
		})
		m.Process("app.exe").Go("main", func(u *User) {
			d := openEcho(m, u, OpenOptions{})
			d.Ioctl(ioctlEcho, nil, nil)
			d.Close()
		})
		m.Run()
		m.Thread(c.thread, func(k *ke.K) { irp.IoCompleteRequest(k, kept, irp.IO_NO_INCREMENT) })
		m.Run()
		assert.Equal(t, c.rules, m.Rules(), c.thread)
	}
	m := New(t)
	d := &sample{}
	d.unload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, d.device) }
	drv := m.Load("sample.sys", d.DriverEntry)
	m.Unload("sample.sys")
	m.Thread("sample.sys", func(k *ke.K) { assert.NotSame(t, drv.Image(), ke.Acting(k)) })
	m.Run()
}
