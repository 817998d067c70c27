package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// TestIoAttachDevice_ByName: create goes to the old stack, cleanup and close through the new device.
// windows-driver-docs-ddi: wdk-ddi-src/content/wdm/nf-wdm-ioattachdevice.md
func TestIoAttachDevice_ByName(t *testing.T) {
	passes(t, func(l *lab) {
		c := new(control).load(l)
		d := &driver{l: l}
		var through []uint8
		d.obj = l.load("filter.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT,
			_ string) ntstatus.NTSTATUS {
			for i := range drv.MajorFunction {
				drv.MajorFunction[i] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
					through = append(through, irp.IoGetCurrentIrpStackLocation(k, p).MajorFunction())
					return skips(k, d, p)
				}
			}
			irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.dev)
			assert.NotEqual(t, ok, irp.IoAttachDevice(k, d.dev, `\Device\Nothing`, &d.below))
			return irp.IoAttachDevice(k, d.dev, devName, &d.below)
		})
		assert.Same(t, c.dev, d.below)
		assert.Equal(t, c.dev.StackSize+1, d.dev.StackSize)
		assert.Equal(t, []uint8{irp.IRP_MJ_CREATE, irp.IRP_MJ_CLEANUP, irp.IRP_MJ_CLOSE}, c.heard)
		assert.Equal(t, []uint8{irp.IRP_MJ_CLEANUP, irp.IRP_MJ_CLOSE}, through)
	})
}

// TestIoAttachDeviceToDeviceStack_Window: a request may arrive before the pointer is stored; with the safe
// form it is there.
func TestIoAttachDeviceToDeviceStack_Window(t *testing.T) {
	early := func(safe bool) (lost bool) {
		for run := range uint64(50) {
			l := newLab(t, ke.Config{Source: trial.NoFaults{Random: ke.NewRandom(3, run)}})
			st := l.stack(completes(ok))
			d := &driver{l: l}
			l.load("filter.sys", nil, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
				drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = func(k *irql.K, _ *irp.DEVICE_OBJECT,
					p *irp.IRP) ntstatus.NTSTATUS {
					if d.below == nil {
						lost = true
						return complete(k, p, failed)
					}
					return skips(k, d, p)
				}
				irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.dev)
				l.as(l.image, func(k *irql.K) {
					top := irp.IoGetAttachedDeviceReference(k, st[0].dev)
					irp.IoCallDriver(k, top, request(k, top, freeIt, nil))
					irp.ObDereferenceObject(k, top)
				})
				if safe {
					assert.Equal(t, ok, irp.IoAttachDeviceToDeviceStackSafe(k, d.dev, st[0].dev, &d.below))
				} else {
					d.below = irp.IoAttachDeviceToDeviceStack(k, d.dev, st[0].dev)
				}
				return ok
			})
			l.rest()
			l.silent()
			l.m.Close()
		}
		return lost
	}
	assert.True(t, early(false))
	assert.False(t, early(true))
}

// Rule: OBJ-004
func TestIoAttachDeviceToDeviceStackSafe_ToItself(t *testing.T) {
	tripsAs(t, verify.OBJ_004, 0, "", func(l *lab) {
		st := l.stack(skips, completes(ok))
		l.begin(func(k *irql.K) {
			irp.IoAttachDeviceToDeviceStackSafe(k, st[0].dev, st[1].dev, &st[0].below)
		})
	})
}

func TestFault_IoAttachDevice(t *testing.T) {
	l := newLab(t, ke.Config{Pins: []ke.Pin{{Site: "fault/OpenDevice", Alt: 1}}})
	new(control).load(l)
	st := l.stack(skips)
	l.as(st[0].obj.Image(), func(k *irql.K) {
		s := irp.IoAttachDevice(k, st[0].dev, devName, &st[0].below)
		assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES, s)
	})
	l.rest()
	l.silent()
	assert.Nil(t, st[0].below)
}
