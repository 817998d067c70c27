package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Every completion begins with the status block, so that is where a second one is noticed. The headline says
// what it is.
func TestIRP005_SecondCompletionIsCalledSo(t *testing.T) {
	f := trips(t, verify.IRP_005, func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			complete(k, p, failed) // a helper has done that
			return complete(k, p, ok)
		})
	})
	assert.Contains(t, f.Headline, "second completion")
	assert.Contains(t, f.Headline, "this call of the dispatch routine has completed it before")
	assert.Contains(t, f.Fix, "on one path only")
}

// The same from another routine of the driver.
func TestIRP005_SecondCompletionInAnotherRoutine(t *testing.T) {
	f := trips(t, verify.IRP_005, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			d.later(func(k *irql.K) {
				complete(k, p, ok)
				complete(k, p, ok)
			})
			return pending
		})
	})
	assert.Contains(t, f.Headline, "a second completion begins with the status block: drv0.sys has completed")
}

// Other members are no completion.
func TestIRP005_TouchedAfterCompletion(t *testing.T) {
	f := trips(t, verify.IRP_005, func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			complete(k, p, ok)
			p.MdlAddress()
			return ok
		})
	})
	assert.Contains(t, f.Headline, "touched after its completion")
	assert.Contains(t, f.Fix, "keep copies")
}

// A cancel routine and somebody else complete the same IRP: what decides is the answer of IoSetCancelRoutine.
func TestIRP005_CancelRaceNamesTheAnswer(t *testing.T) {
	for _, c := range []named[func(k *irql.K, p *irp.IRP)]{
		{"with its status", func(k *irql.K, p *irp.IRP) { complete(k, p, ok) }},
		{"by itself", func(k *irql.K, p *irp.IRP) { irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := verify.IRP_005
			if c.name == "by itself" {
				rule = verify.IRP_001
			}
			f := trips(t, rule, func(l *lab) {
				d := l.stack(holds(cancelled))[0]
				l.run(func(k *irql.K) {
					p := request(k, d.dev, freeIt, nil)
					irp.IoCallDriver(k, d.dev, p)
					irp.IoCancelIrp(k, p)
					d.later(func(k *irql.K) { c.do(k, d.kept) })
				})
			})
			assert.Contains(t, f.Fix, "IoSetCancelRoutine(k, p, nil) returns nil")
		})
	}
}
