package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// What is left when nothing can run any more, and who could have ended it.

// loadKeeper loads a driver that keeps every control request: in a cancel-safe way or not.
func loadKeeper(m *Machine, cancelable bool) (loaded bool) {
	d := new(talker)
	_, s := m.LoadStatus("keeper.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT,
		path string) ntstatus.NTSTATUS {
		s := d.DriverEntry(k, drv, path)
		drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = func(k *irql.K, _ *irp.DEVICE_OBJECT,
			p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			if cancelable {
				irp.IoSetCancelRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
					irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
					p.IoStatus().Status = ntstatus.STATUS_CANCELLED
					irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
				})
			}
			return ntstatus.STATUS_PENDING
		}
		return s
	})
	return ntstatus.NT_SUCCESS(s) && !m.Ended()
}

// askOnce has a program send one control request; it returns whether that came back.
func askOnce(m *Machine) (done *bool, app *Process) {
	done = new(bool)
	app = m.Process("app.exe")
	app.Go("main", func(u *User) {
		if h, err := u.Open(`\\.\Talker`); err == nil {
			_, _ = h.Ioctl(ioctlHold, nil, nil)
			*done = true
		}
	})
	return done, app
}

var once = ExploreOptions{Runs: 1, Options: Options{Collect: true}}

// A test's own assertion names the request, its holder and since when; the checks at the end are not lost.
func TestAtRest_AFailedAssertionNamesTheRequest(t *testing.T) {
	r := Explore(t, once, func(m *Machine) {
		if !loadKeeper(m, false) {
			return
		}
		done, _ := askOnce(m)
		m.Run()
		require.True(m, *done, "the request ends")
	})
	require.Len(t, r.Failures, 1)
	f := &r.Failures[0]
	assert.Contains(t, f.Report, "the request ends")
	assert.Contains(t, f.Report, "AT_REST:")
	assert.Regexp(t, `irp#\d+ \(IRP_MJ_DEVICE_CONTROL of app.exe main\): it is kept by keeper.sys, `+
		`since [\d.]+ s \(event \d+\), without a cancel routine`, f.Report)
	assert.Contains(t, f.Report, "app.exe main waits in ")
	assert.Equal(t, []string{"IRP-040"}, f.Rules)
	assert.Contains(t, f.Report, "waits for ever and cannot be ended")
}

// Without any assertion it is a hazard, unless cancellation could end the request.
func TestAtRest_ALostRequestIsAHazard(t *testing.T) {
	for _, cancelable := range []bool{false, true} {
		r := Explore(t, once, func(m *Machine) {
			if loadKeeper(m, cancelable) {
				askOnce(m)
				m.Run()
			}
		})
		assert.Empty(t, r.Failures)
		if cancelable {
			assert.Empty(t, r.Hazards)
			continue
		}
		require.Len(t, r.Hazards, 1)
		assert.Equal(t, "IRP-040", r.Hazards[0].Name())
	}
}

// An unload that does not come to its end blames who holds the request, not only who has a handle.
func TestAtRest_AnUnloadThatWaitsSaysWhy(t *testing.T) {
	r := Explore(t, once, func(m *Machine) {
		if loadKeeper(m, false) {
			askOnce(m)
			m.Run()
			m.Unload("keeper.sys")
		}
	})
	require.Len(t, r.Failures, 1)
	f := &r.Failures[0]
	assert.Contains(t, f.Report, "app.exe has a handle of it")
	assert.Contains(t, f.Report, "keeper.sys keeps irp#")
	assert.Contains(t, f.Report, "AT_REST:")
	assert.Equal(t, []string{"IRP-040"}, f.Rules)
}

// A program that was killed and cannot end is a violation of whoever keeps its request.
func TestAtRest_AKilledProgramThatCannotEnd(t *testing.T) {
	for _, cancelable := range []bool{false, true} {
		r := Explore(t, once, func(m *Machine) {
			if !loadKeeper(m, cancelable) {
				return
			}
			_, app := askOnce(m)
			m.Run()
			app.Kill()
			m.Run()
			m.Unload("keeper.sys")
		})
		if cancelable {
			assert.Empty(t, r.Failures)
			continue
		}
		require.Len(t, r.Failures, 1)
		assert.Equal(t, []string{"IRP-027"}, r.Failures[0].Rules)
		assert.Contains(t, r.Failures[0].Headline, "the thread that made it could not end")
	}
}

// A thread whose event nobody can signal is a hazard: no driver is left that could be called.
func TestAtRest_AThreadThatWaitsForEver(t *testing.T) {
	m := New(t, Options{Collect: true})
	m.Thread("a.sys", func(k *irql.K) {
		e := irql.OnStack[irql.KEVENT](k)
		irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
		irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
	})
	m.Run()
	assert.Contains(t, m.Report(), "a.sys waits in KeWaitForSingleObject for event#")
	m.Finish()
	assert.Equal(t, []string{"LOCK-026"}, m.Rules())
	assert.Contains(t, m.Hazards(), "no driver is left that could signal event#")
}

// System threads wait for work as long as their driver is loaded; that is no hazard, but it is listed.
func TestAtRest_AServerThreadIsNoHazard(t *testing.T) {
	m := New(t, Options{Collect: true})
	if !loadKeeper(m, true) {
		t.Fatal("not loaded")
	}
	var work irql.KEVENT
	m.Thread("keeper.sys", func(k *irql.K) {
		irql.KeInitializeEvent(k, &work, irql.SynchronizationEvent, false)
		irql.KeWaitForSingleObject(k, &work, irql.Executive, irql.KernelMode, false, nil)
	})
	m.Run()
	m.Finish()
	assert.Empty(t, m.Rules())
	assert.Contains(t, m.Report(), "keeper.sys waits in")
}
