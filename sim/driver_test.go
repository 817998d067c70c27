package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// sample is a driver whose routines a test fills in.
type sample struct {
	entry  func(k *irql.K, drv *irp.DRIVER_OBJECT) ntstatus.NTSTATUS
	unload func(k *irql.K, drv *irp.DRIVER_OBJECT)
	device *irp.DEVICE_OBJECT
}

func (d *sample) DriverEntry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.DriverUnload = d.unload
	if d.entry != nil {
		return d.entry(k, drv)
	}
	return irp.IoCreateDevice(k, drv, 0, `\Device\Sample`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
}

func TestLoad_RunsUntilDriverEntryHasReturned(t *testing.T) {
	m := New(t)
	d := &sample{}
	d.unload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, d.device) }
	drv := m.Load("sample.sys", d.DriverEntry)
	require.NotNil(t, d.device)
	assert.Same(t, drv, m.Driver("sample.sys"))
	m.Unload("sample.sys")
	assert.True(t, drv.Unloaded())
	assert.Empty(t, m.Findings())
}

func TestLoad_FailingDriverEntryFailsTheTest(t *testing.T) {
	d := &sample{entry: func(*irql.K, *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
		return ntstatus.STATUS_NO_MEMORY
	}}
	out := attempt(t, Options{}, func(m *Machine) { m.Load("sample.sys", d.DriverEntry) })
	require.Len(t, out.Messages, 1)
	assert.Equal(t, "driver_test.go:22: DriverEntry of sample.sys returned STATUS_NO_MEMORY, although "+
		"nothing was made to fail in this run. A scenario in which that is right says "+
		`m.MayFail("DriverEntry=STATUS_NO_MEMORY")`, out.Messages[0])

	m := New(t)
	m.MayFail("DriverEntry=STATUS_NO_MEMORY")
	_, s := m.LoadStatus("sample.sys", d.DriverEntry)
	assert.Equal(t, ntstatus.STATUS_NO_MEMORY, s)
}

// waitsForEver never sets the event it waits for.
func waitsForEver(k *irql.K) {
	var e irql.KEVENT
	irql.KeInitializeEvent(k, &e, irql.NotificationEvent, false)
	irql.KeWaitForSingleObject(k, &e, irql.Executive, irql.KernelMode, false, nil)
}

func TestLoad_ThatNeverReturnsIsADeadlock(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		d := &sample{entry: func(k *irql.K, _ *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
			waitsForEver(k)
			return 0
		}}
		m.Load("sample.sys", d.DriverEntry)
	})
	assert.Contains(t, strings.Join(out.Messages, ""), "LOCK-026")
	assert.Contains(t, strings.Join(out.Messages, ""), "DriverEntry of sample.sys")
}

func TestUnload_ThatNeverReturnsIsADeadlock(t *testing.T) {
	m := New(t, Options{Collect: true})
	d := &sample{entry: func(*irql.K, *irp.DRIVER_OBJECT) ntstatus.NTSTATUS { return 0 }}
	d.unload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { waitsForEver(k) }
	m.Load("sample.sys", d.DriverEntry)
	m.Unload("sample.sys")
	assert.Equal(t, []string{"LOCK-026"}, m.Rules())
}

func TestUnload_LeaksAreReportedTogetherAtTheEnd(t *testing.T) {
	d := &sample{unload: func(*irql.K, *irp.DRIVER_OBJECT) {}}
	d.entry = func(k *irql.K, drv *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
		irp.IoAllocateIrp(k, 1, false)
		return irp.IoCreateDevice(k, drv, 0, `\Device\Sample`, irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
	}
	reached := false
	out := attempt(t, Options{}, func(m *Machine) {
		m.Load("sample.sys", d.DriverEntry)
		m.Unload("sample.sys")
		reached = true
	})
	assert.True(t, reached)
	assert.Subset(t, out.Machine.Rules(), []string{"UNLOAD-006", "IRP-040"})
	require.Len(t, out.Messages, 1)
	assert.Contains(t, out.Messages[0], "UNLOAD-006")
	assert.Contains(t, out.Messages[0], "IRP-040")
	assert.Contains(t, out.Messages[0], "driver_test.go:")
}

func TestUnload_Mistakes(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) { m.Unload("nobody.sys") })
	assert.Contains(t, out.Messages[0], "there is no driver nobody.sys")
	out = attempt(t, Options{}, func(m *Machine) {
		d := &sample{entry: func(*irql.K, *irp.DRIVER_OBJECT) ntstatus.NTSTATUS { return 0 }}
		m.Load("sample.sys", d.DriverEntry)
		m.Unload("sample.sys")
	})
	assert.Contains(t, out.Messages[0], "its DriverUnload is nil")
}

func TestReport_NamesTheDriverOfEveryFrame(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		d := &sample{entry: func(k *irql.K, _ *irp.DRIVER_OBJECT) ntstatus.NTSTATUS {
			p := irp.IoAllocateIrp(k, 1, false)
			irp.IoFreeIrp(k, p)
			irp.IoFreeIrp(k, p)
			return 0
		}}
		m.Load("sample.sys", d.DriverEntry)
	})
	require.Len(t, out.Messages, 1)
	want := `\n  sample\.sys  TestReport_\S+ +driver_test\.go:\d+\n  sample\.sys  \(\*sample\)\.DriverEntry`
	assert.Regexp(t, want, out.Messages[0])
}

func TestExplore_WithADriver(t *testing.T) {
	r := Explore(t, ExploreOptions{Runs: 100, Workers: 2}, func(m *Machine) {
		d := &sample{}
		d.unload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, d.device) }
		m.Load("sample.sys", d.DriverEntry)
		m.Unload("sample.sys")
	})
	assert.Equal(t, 100, r.Runs)
}
