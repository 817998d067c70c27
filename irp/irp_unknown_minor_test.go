package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// asks sends a plug and play request with a minor function through a stack; it comes as nobody's answer.
func asks(major, minor uint8, routines ...dispatch) func(l *lab) {
	return func(l *lab) {
		st := l.stack(routines...)
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, st[0].dev.StackSize, false)
			p.IoStatus().Status = ntstatus.STATUS_NOT_SUPPORTED
			irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(major)
			irp.IoGetNextIrpStackLocation(k, p).SetMinorFunction(minor)
			irp.IoSetCompletionRoutine(k, p, freeIt, nil, true, true, true)
			irp.IoCallDriver(k, st[0].dev, p)
		})
	}
}

// unchanged completes a request as it came.
func unchanged(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
	return complete(k, p, p.IoStatus().Status)
}

// succeedsAndSkips is the default branch that thinks well of everything.
func succeedsAndSkips(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	p.IoStatus().Status = ok
	return skips(k, d, p)
}

// Rule: IRP-063
func TestIoCallDriver_UnknownRequestChanged(t *testing.T) {
	f := trips(t, verify.IRP_063, asks(irp.IRP_MJ_PNP, 0xFF, succeedsAndSkips, unchanged))
	assert.Equal(t, verify.Warning, f.Severity())
	assert.Equal(t, "drv0.sys", f.Driver)
	trips(t, verify.IRP_063, asks(irp.IRP_MJ_PNP, 0xFF, skips, succeedsAndSkips, unchanged))
	trips(t, verify.IRP_063, asks(irp.IRP_MJ_SYSTEM_CONTROL, 0xFF, forwards(propagate), completes(ok)))
	tripsAs(t, verify.IRP_063, 0xC9, "0x214", asks(irp.IRP_MJ_POWER, 0xFF,
		func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			p.IoStatus().Information = 1
			return skips(k, d, p)
		}, unchanged))
}

// Near miss: IRP-063
func TestIoCallDriver_UnknownRequestAsItCame(t *testing.T) {
	passes(t, asks(irp.IRP_MJ_PNP, 0xFF, skips, forwards(propagate), unchanged))
	passes(t, asks(irp.IRP_MJ_PNP, 0x09, succeedsAndSkips, completes(ok)))            // has a meaning
	passes(t, asks(irp.IRP_MJ_DEVICE_CONTROL, 0xFF, succeedsAndSkips, completes(ok))) // has none
	passes(t, asks(irp.IRP_MJ_PNP, 0xFF, forwardAndWait(completeAgain), unchanged))
}
