package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// What FuzzOperations found, one test each.

// TestIoAttachDeviceToDeviceStack_TwiceIsNotACircle: a device that is in the stack already, at any place, is
// not attached again; the chain of devices would have no end.
func TestIoAttachDeviceToDeviceStack_TwiceIsNotACircle(t *testing.T) {
	for _, c := range []named[func(k *irql.K, st []*driver)]{
		{"the lowest on top", func(k *irql.K, st []*driver) {
			irp.IoAttachDeviceToDeviceStack(k, st[1].dev, st[0].dev)
		}},
		{"to itself", func(k *irql.K, st []*driver) { irp.IoAttachDeviceToDeviceStack(k, st[1].dev, st[1].dev) }},
		{"the top again", func(k *irql.K, st []*driver) {
			irp.IoAttachDeviceToDeviceStack(k, st[0].dev, st[1].dev)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, ke.Config{Continue: true})
			st := l.stack(completes(ok), completes(ok))
			l.run(func(k *irql.K) {
				c.do(k, st)
				assert.Equal(t, st[0].dev, irp.IoGetAttachedDeviceReference(k, st[1].dev))
				irp.ObDereferenceObject(k, st[0].dev)
			})
			l.expect(verify.OBJ_004)
		})
	}
}

// TestMapping_BeyondItsEndIsFatal: there are no bytes to go on with, even in a run that continues.
func TestMapping_BeyondItsEndIsFatal(t *testing.T) {
	l := newLab(t, ke.Config{Continue: true})
	l.as(l.image, func(k *irql.K) {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, irp.Tag("data"))
		mdl := irp.IoAllocateMdl(k, b, 16, false, false, nil)
		irp.MmBuildMdlForNonPagedPool(k, mdl)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, 0).Store8(20, 1)
		t.Error("the run went on")
	})
	l.m.Run(nil)
	l.expect(verify.MDL_019)
	assert.True(t, l.m.Dead())
}
