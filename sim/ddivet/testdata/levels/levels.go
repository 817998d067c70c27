// Package levels has what irqlmax finds.
package levels

import (
	"calloutsim/irp"
	"calloutsim/irql"
)

type driver struct {
	lock  irql.KSPIN_LOCK
	mutex irql.FAST_MUTEX
	event irql.KEVENT
	dev   *irp.DEVICE_OBJECT
}

func (d *driver) underALock(k *irql.K) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	irp.IoDeleteDevice(k, d.dev) // want `irqlmax: IoDeleteDevice at DISPATCH_LEVEL or above: its limit here is APC_LEVEL`
	irql.KeSetEvent(k, &d.event, 0, false)
	irql.KeWaitForSingleObject(k, &d.event, irql.Executive, irql.KernelMode, false, nil) // want `irqlmax: KeWaitForSingleObject at DISPATCH_LEVEL`
	now := int64(0)
	irql.KeWaitForSingleObject(k, &d.event, irql.Executive, irql.KernelMode, false, &now)
	irql.KeReleaseSpinLock(k, &d.lock, old)
	irp.IoDeleteDevice(k, d.dev)
}

func (d *driver) raised(k *irql.K, high bool) {
	var old irql.KIRQL
	if high {
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		irql.ExAcquireFastMutex(k, &d.mutex) // want `irqlmax: ExAcquireFastMutex at DISPATCH_LEVEL`
		irql.KeLowerIrql(k, old)
	}
	irql.ExAcquireFastMutex(k, &d.mutex)
	irql.ExReleaseFastMutex(k, &d.mutex)
}

func (d *driver) onOnePath(k *irql.K, locked bool) {
	var old irql.KIRQL
	if locked {
		irql.KeAcquireSpinLock(k, &d.lock, &old)
	}
	if !locked {
		irp.IoDeleteDevice(k, d.dev)
	}
	if locked {
		irql.KeReleaseSpinLock(k, &d.lock, old)
	}
}

func (d *driver) deferred(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	irp.IoDeleteDevice(k, d.dev) // want `irqlmax: IoDeleteDevice at DISPATCH_LEVEL`
}

func (d *driver) onPurpose(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	irp.IoDeleteDevice(k, d.dev) //ddivet:ignore irqlmax: a defect to be shown
	//ddivet:ignore irqlmax: and another one
	irp.IoDeleteDevice(k, d.dev)
	//ddivet:ignore aftercomplete: that is another analyzer
	irp.IoDeleteDevice(k, d.dev) // want `irqlmax: IoDeleteDevice at DISPATCH_LEVEL`
	//ddivet:ignore irqlmax
	irp.IoDeleteDevice(k, d.dev) // want `irqlmax: IoDeleteDevice at DISPATCH_LEVEL`
}

func (d *driver) throughHelper(k *irql.K) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	d.unlock(k, old)
	irp.IoDeleteDevice(k, d.dev)
}

func (d *driver) unlock(k *irql.K, old irql.KIRQL) { irql.KeReleaseSpinLock(k, &d.lock, old) }
