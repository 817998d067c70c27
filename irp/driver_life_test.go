package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// What a driver object goes through: DriverEntry, unloading, and what keeps it from that.

// TestDriverEntry_FindsTheTableFilled: every entry of a new driver object is the routine that refuses, and so
// is one that DriverEntry set to NULL, when it has returned. Observed: reactos, kmtests IoDeviceObject.
func TestDriverEntry_FindsTheTableFilled(t *testing.T) {
	passes(t, func(l *lab) {
		drv := l.load("table.sys", nil, func(_ *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			for i, fn := range drv.MajorFunction {
				assert.NotNil(t, fn, "entry %d", i)
			}
			assert.Equal(t, irp.DRVO_LEGACY_DRIVER, drv.Flags)
			drv.MajorFunction[irp.IRP_MJ_READ] = nil
			drv.DriverUnload = func(_ *irql.K, drv *irp.DRIVER_OBJECT) {
				assert.Equal(t, irp.DRVO_LEGACY_DRIVER|irp.DRVO_INITIALIZED|irp.DRVO_UNLOAD_INVOKED,
					drv.Flags)
			}
			return ok
		})
		assert.NotNil(t, drv.MajorFunction[irp.IRP_MJ_READ])
		assert.Equal(t, irp.DRVO_LEGACY_DRIVER|irp.DRVO_INITIALIZED, drv.Flags)
		l.unload(drv)
	})
}

// TestUnloadDriver_WhileAttached: DriverUnload is not called as long as a device is attached to one of the
// driver's, nor is another attached meanwhile. IMPL, reactos: ntoskrnl/io/iomgr/driver.c, IopUnloadDriver.
func TestUnloadDriver_WhileAttached(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(skips, completes(ok))
		up, lo := st[0], st[1]
		unloaded := false
		lo.obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			unloaded = true
			irp.IoDeleteDevice(k, lo.dev)
		}
		up.obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			irp.IoDetachDevice(k, lo.dev)
			irp.IoDeleteDevice(k, up.dev)
		}
		assert.True(t, irp.Sim.UnloadDriver(l.m, lo.obj))
		l.m.Run(nil)
		assert.False(t, unloaded)
		assert.Equal(t, up.dev.ID().String()+" of drv0.sys is attached to its "+lo.dev.ID().String(),
			irp.Sim.WhyLoaded(l.m, lo.obj))
		assert.Equal(t, ok, l.send(up), "the stack works meanwhile")
		l.unload(up.obj)
		assert.True(t, unloaded)
		assert.Empty(t, irp.Sim.WhyLoaded(l.m, lo.obj))
	})
	passes(t, func(l *lab) { // a stack of which the bottom is to go, or is not ready yet, does not grow
		st := l.stack(skips, completes(ok))
		lo := st[1]
		lo.obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, lo.dev) }
		assert.True(t, irp.Sim.UnloadDriver(l.m, lo.obj))
		l.run(func(k *irql.K) {
			irp.IoDetachDevice(k, lo.dev)
			var d, at *irp.DEVICE_OBJECT
			irp.IoCreateDevice(k, l.client, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d)
			assert.Nil(t, irp.IoAttachDeviceToDeviceStack(k, d, lo.dev))
			assert.Equal(t, ntstatus.STATUS_NO_SUCH_DEVICE,
				irp.IoAttachDeviceToDeviceStackSafe(k, d, lo.dev, &at))
			irp.IoDeleteDevice(k, d)
			irp.IoDeleteDevice(k, st[0].dev)
		})
	}, noFaults[0])
}

// TestIoAttachDeviceToDeviceStack_NotYetInitialised: NULL, as for one that goes.
func TestIoAttachDeviceToDeviceStack_NotYetInitialised(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var lo, up *irp.DEVICE_OBJECT
			irp.IoCreateDevice(k, l.client, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &lo)
			irp.IoCreateDevice(k, l.client, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &up)
			assert.Nil(t, irp.IoAttachDeviceToDeviceStack(k, up, lo))
			lo.Flags &^= irp.DO_DEVICE_INITIALIZING
			assert.Same(t, lo, irp.IoAttachDeviceToDeviceStack(k, up, lo))
			irp.IoDetachDevice(k, lo)
			irp.IoDeleteDevice(k, up)
			irp.IoDeleteDevice(k, lo)
		})
	}, noFaults[0])
}
