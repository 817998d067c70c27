package irp_test

import (
	"testing"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// TestMDL007_RequestUnderWayAtTheEnd: a run may end while a lower driver waits for something, and the pages
// of the request are locked as long as it has not ended. Without the request nobody unlocks them.
func TestMDL007_RequestUnderWayAtTheEnd(t *testing.T) {
	scenario := func(attach bool) func(l *lab) {
		return func(l *lab) {
			d := l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoMarkIrpPending(k, p)
				return ntstatus.STATUS_PENDING
			})[0]
			l.run(func(k *irql.K) {
				b := pagedBlock(k)
				b.Fill(0, 64, 1)
				mdl := irp.IoAllocateMdl(k, b, 64, false, false, nil)
				irp.MmProbeAndLockPages(k, mdl, irql.KernelMode, irp.IoReadAccess)
				p := irp.IoAllocateIrp(k, d.dev.StackSize, false)
				if attach {
					p.SetMdlAddress(mdl)
				}
				prepare(k, p, func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS {
					return stop
				}, nil)
				irp.IoCallDriver(k, d.dev, p)
			})
		}
	}
	passes(t, scenario(true))
	trips(t, verify.MDL_007, scenario(false))
}
