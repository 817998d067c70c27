package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

func TestDevicesOfAStack(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(skips, skips, completes(ok))
		l.run(func(k *irql.K) {
			low := irp.IoGetLowerDeviceObject(k, st[0].dev)
			assert.Same(t, st[1].dev, low)
			next := irp.IoGetLowerDeviceObject(k, low)
			assert.Same(t, st[2].dev, next)
			assert.Nil(t, irp.IoGetLowerDeviceObject(k, next))
			base := irp.IoGetDeviceAttachmentBaseRef(k, st[0].dev)
			assert.Same(t, st[2].dev, base)
			alone := irp.IoGetDeviceAttachmentBaseRef(k, base)
			assert.Same(t, base, alone)
			for _, d := range []*irp.DEVICE_OBJECT{low, next, base, alone} {
				irp.ObDereferenceObject(k, d)
			}
		})
	})
}

// TestIoGetLowerDeviceObject_OfADriverThatGoes: the routine asked for the device below a driver under unload.
func TestIoGetLowerDeviceObject_OfADriverThatGoes(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(skips, completes(ok))
		low := st[1]
		low.obj.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
			assert.Nil(t, irp.IoGetLowerDeviceObject(k, st[0].dev))
			irp.IoDetachDevice(k, low.dev)
			irp.IoDeleteDevice(k, low.dev)
		}
		irp.Sim.UnloadDriver(l.m, low.obj)
		l.rest()
	})
}

// TestDevicesOfAStack_ReferenceKept: each of the routines gives a reference that has to come back.
func TestDevicesOfAStack_ReferenceKept(t *testing.T) {
	for _, take := range []func(k *irql.K, d *irp.DEVICE_OBJECT) *irp.DEVICE_OBJECT{
		irp.IoGetLowerDeviceObject, irp.IoGetDeviceAttachmentBaseRef, irp.IoGetAttachedDeviceReference,
	} {
		l := newLab(t, ke.Config{})
		st := l.stack(skips, completes(ok))
		l.begin(func(k *irql.K) { take(k, st[0].dev) })
		irp.Sim.UnloadDriver(l.m, l.client)
		l.m.Run(nil)
		l.expect(verify.OBJ_012)
	}
}
