package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

const services = `\Registry\Machine\System\CurrentControlSet\Services\`

// TestZwLoadDriver_Observed: a driver that loads and unloads another, and itself. Observed: reactos, kmtests
// IoDeviceObject, TestZwLoad and TestZwUnload.
func TestZwLoadDriver_Observed(t *testing.T) {
	m := New(t)
	lower := &sample{}
	unloads := 0
	lower.unload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { unloads++; irp.IoDeleteDevice(k, lower.device) }
	m.Service("lower.sys", lower.DriverEntry)
	m.Service("fails.sys", func(*irql.K, *irp.DRIVER_OBJECT, string) ntstatus.NTSTATUS {
		return ntstatus.STATUS_NO_MEMORY
	})
	var up *irp.DEVICE_OBJECT
	m.Load("upper.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, path string) ntstatus.NTSTATUS {
		assert.Equal(t, services+"upper.sys", path)
		assert.Equal(t, ntstatus.STATUS_IMAGE_ALREADY_LOADED, irp.ZwLoadDriver(k, path))
		assert.Equal(t, ntstatus.STATUS_INVALID_DEVICE_REQUEST, irp.ZwUnloadDriver(k, path), "no routine yet")
		for _, absent := range []string{services + "deadbeef", services, `\Registry\Machine\lower.sys`, ""} {
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, irp.ZwLoadDriver(k, absent))
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, irp.ZwUnloadDriver(k, absent))
		}
		assert.Equal(t, ntstatus.STATUS_NO_MEMORY, irp.ZwLoadDriver(k, services+"fails.sys"))
		assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, irp.ZwUnloadDriver(k, services+"fails.sys"))

		assert.Equal(t, ntstatus.STATUS_SUCCESS, irp.ZwLoadDriver(k, services+"LOWER.SYS"))
		assert.NotNil(t, lower.device, "DriverEntry has returned")
		assert.Equal(t, ntstatus.STATUS_SUCCESS, irp.ZwUnloadDriver(k, services+"lower.sys"))
		assert.Equal(t, 1, unloads, "DriverUnload has returned")

		assert.Equal(t, ntstatus.STATUS_SUCCESS, irp.ZwLoadDriver(k, services+"lower.sys"), "again")
		irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &up)
		assert.Same(t, lower.device, irp.IoAttachDeviceToDeviceStack(k, up, lower.device))
		assert.Equal(t, ntstatus.STATUS_SUCCESS, irp.ZwUnloadDriver(k, services+"lower.sys"), "later")
		assert.Equal(t, ntstatus.STATUS_INVALID_DEVICE_REQUEST, irp.ZwUnloadDriver(k, services+"lower.sys"))
		assert.Equal(t, ntstatus.STATUS_IMAGE_ALREADY_LOADED, irp.ZwLoadDriver(k, services+"lower.sys"))
		assert.Equal(t, 1, unloads)
		drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			irp.IoDetachDevice(k, lower.device)
			irp.IoDeleteDevice(k, up)
		}
		return ntstatus.STATUS_SUCCESS
	})
	m.Unload("upper.sys")
	m.Run()
	assert.Equal(t, 2, unloads)
	assert.True(t, m.Driver("lower.sys").Unloaded())
	assert.Empty(t, m.Findings())
}

// TestUnload_WhileAttachedSaysWhy: the harness names what is attached.
func TestUnload_WhileAttachedSaysWhy(t *testing.T) {
	out := attempt(t, Options{}, func(m *Machine) {
		lower := &sample{}
		lower.unload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, lower.device) }
		m.Load("lower.sys", lower.DriverEntry)
		m.Load("filter.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			var up *irp.DEVICE_OBJECT
			s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &up)
			irp.IoAttachDeviceToDeviceStack(k, up, lower.device)
			return s
		})
		m.Unload("lower.sys")
	})
	assert.Contains(t, out.Messages[len(out.Messages)-1], "of filter.sys is attached to its dev#1")
}
