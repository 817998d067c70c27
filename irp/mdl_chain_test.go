package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// disposals end the use of an IRP, or begin another one.
var disposals = []named[func(k *irql.K, p *irp.IRP)]{
	{"freed", irp.IoFreeIrp},
	{"reused", func(k *irql.K, p *irp.IRP) { irp.IoReuseIrp(k, p, ntstatus.STATUS_SUCCESS) }},
}

// Rule: MDL-017
func TestMDL017_ChainLeaked(t *testing.T) {
	for _, c := range disposals {
		t.Run(c.name, func(t *testing.T) {
			f := trips(t, verify.MDL_017, does(func(k *irql.K) {
				p := irp.IoAllocateIrp(k, 1, false)
				irp.IoAllocateMdl(k, alloc(k, 8), 8, false, false, p)
				c.do(k, p)
			}))
			assert.Contains(t, f.Headline, " is "+c.name)
		})
	}
	trips(t, verify.MDL_017, func(l *lab) {
		d := l.stack(completes(ok))[0]
		l.run(func(k *irql.K) {
			d.dev.Flags |= irp.DO_DIRECT_IO
			p := irp.IoBuildAsynchronousFsdRequest(k, irp.IRP_MJ_WRITE, d.dev, alloc(k, 8), 8, new(int64),
				nil)
			irp.IoSetCompletionRoutine(k, p, freeIt, nil, true, true, true)
			irp.IoCallDriver(k, d.dev, p)
		})
	})
}

// Near miss: MDL-017
func TestMDL017_FreedKeptOrShared(t *testing.T) {
	for _, c := range disposals {
		t.Run(c.name, func(t *testing.T) {
			passes(t, does(func(k *irql.K) {
				b := alloc(k, 8)
				p, q := irp.IoAllocateIrp(k, 1, false), irp.IoAllocateIrp(k, 1, false)
				mdl := irp.IoAllocateMdl(k, b, 8, false, false, p)
				q.SetMdlAddress(mdl) // a second request with the same memory
				c.do(k, p)
				q.SetMdlAddress(nil) // the driver keeps it
				c.do(k, q)
				r := irp.IoAllocateIrp(k, 1, false)
				r.SetMdlAddress(mdl)
				irp.IoFreeMdl(k, mdl)
				c.do(k, r)
				free(k, b)
				if c.name == "reused" {
					irp.IoFreeIrp(k, p)
					irp.IoFreeIrp(k, q)
					irp.IoFreeIrp(k, r)
				}
			}))
		})
	}
}
