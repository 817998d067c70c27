package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

// TestNullArguments: NULL where the routines of device queues, StartIo, lists and addresses want an object is
// the driver's mistake, and a finding.
func TestNullArguments(t *testing.T) {
	var q *irp.KDEVICE_QUEUE
	var e *irp.KDEVICE_QUEUE_ENTRY
	var n *irp.NPAGED_LOOKASIDE_LIST
	var p *irp.PAGED_LOOKASIDE_LIST
	var dev *irp.DEVICE_OBJECT
	var drv *irp.DRIVER_OBJECT
	var queue irp.KDEVICE_QUEUE
	var own *irp.DEVICE_OBJECT
	for name, act := range map[string]func(k *irql.K){
		"KeInitializeDeviceQueue":    func(k *irql.K) { irp.KeInitializeDeviceQueue(k, q) },
		"KeInsertDeviceQueue":        func(k *irql.K) { irp.KeInsertDeviceQueue(k, q, e) },
		"KeInsertDeviceQueue entry":  func(k *irql.K) { irp.KeInsertDeviceQueue(k, &queue, e) },
		"KeRemoveDeviceQueue":        func(k *irql.K) { irp.KeRemoveDeviceQueue(k, q) },
		"KeRemoveEntryDeviceQueue":   func(k *irql.K) { irp.KeRemoveEntryDeviceQueue(k, &queue, e) },
		"IoStartPacket":              func(k *irql.K) { irp.IoStartPacket(k, own, nil, nil, nil) },
		"IoStartPacket device":       func(k *irql.K) { irp.IoStartPacket(k, dev, nil, nil, nil) },
		"IoStartNextPacket":          func(k *irql.K) { irp.IoStartNextPacket(k, dev, true) },
		"IoSetStartIoAttributes":     func(k *irql.K) { irp.IoSetStartIoAttributes(k, dev, true, true) },
		"nonpaged list":              func(k *irql.K) { irp.ExAllocateFromNPagedLookasideList(k, n) },
		"nonpaged list deleted":      func(k *irql.K) { irp.ExDeleteNPagedLookasideList(k, n) },
		"paged list":                 func(k *irql.K) { irp.ExDeletePagedLookasideList(k, p) },
		"IoGetLowerDeviceObject":     func(k *irql.K) { irp.IoGetLowerDeviceObject(k, dev) },
		"IoGetDriverObjectExtension": func(k *irql.K) { irp.IoGetDriverObjectExtension(k, drv, n) },
		"MmAdvanceMdl":               func(k *irql.K) { irp.MmAdvanceMdl(k, nil, 1) },
		"MmInitializeMdl":            func(k *irql.K) { irp.MmInitializeMdl(k, nil, nil, 1) },
		"MmFreeMappingAddress":       func(k *irql.K) { irp.MmFreeMappingAddress(k, nil, tag) },
		"As":                         func(k *irql.K) { irp.As[int](nil) },
		"IoInitializeIrp":            func(k *irql.K) { irp.IoInitializeIrp(k, nil, 0, 0) },
	} {
		l := newLab(t, ke.Config{})
		own = l.stack(completes(ok))[0].dev
		assert.NotPanics(t, func() {
			l.run(func(k *irql.K) {
				irp.KeInitializeDeviceQueue(k, &queue)
				at(k, irql.DISPATCH_LEVEL, func() { act(k) })
			})
		}, name)
		if assert.NotEmpty(t, l.m.Findings(), name) {
			assert.NotEmpty(t, l.m.Findings()[0].Stack, name)
		}
	}
}
